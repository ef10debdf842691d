"""Keys of rl_games' files that oige-train does not have, and what to use instead."""

from collections.abc import Iterable

from oige_core.errors import ConfigError

from oige_train.schema.learner import CONFIG

__all__ = ["UNSUPPORTED", "check_supported"]

ONE_AGENT = "a world has one agent, which plays against nobody; leave it out"
POPULATION = "runs are independent; compare values with --multirun"
OF_TASK = "the task has its own environment; set task.env"
CONTINUOUS = "all tasks have continuous actions; leave it out"
UNSUPPORTED = {
    "normalize_rms_advantage": "rl_games 1.6.5 fails with it; set normalize_advantage",
    "adv_rms_momentum": "rl_games 1.6.5 fails with normalize_rms_advantage; leave it out",
    "max_steps": "rl_games 1.6.5 fails with it; set max_frames",
    "use_action_masks": CONTINUOUS,
    "self_play": ONE_AGENT,
    "self_play_config": ONE_AGENT,
    "population_based_training": POPULATION,
    "pbt_idx": POPULATION,
    "env_config": OF_TASK,
    "vec_env": OF_TASK,
    "env_info": OF_TASK,
    "features": "rl_games' observers are not used; leave it out",
    "seq_len": "rl_games renamed it; set seq_length",
    "bptt_length": "rl_games does not use it; set seq_length",
    "network_path": "files are in runs/<name>; set experiment",
    "log_path": "files are in runs/<name>; set experiment",
    "is_train": "set test=True to play",
}
"""By key of ``train.params.config``: the reason, and what to do."""


def check_supported(keys: Iterable[str]) -> None:
    """Raise ConfigError for a key of ``train.params.config`` that only rl_games has.

    Args:
        keys: the keys of that section.
    """
    for key in keys:
        if key in UNSUPPORTED:
            raise ConfigError(f"{CONFIG}.{key}: not supported; {UNSUPPORTED[key]}.")
