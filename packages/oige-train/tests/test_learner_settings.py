"""Words of rl_games' files that would do nothing, something else or fail are refused in one line."""

from typing import Any

import pytest
from oige_core.errors import ConfigError
from oige_train.cli.common import checked_run
from oige_train.config.derive import CRITIC, critic_notes
from oige_train.schema import ALGORITHMS, PpoConfig
from oige_train.schema.unsupported import UNSUPPORTED

CONFIG = "train.params.config"
CPU = ("task=Cartpole", "num_envs=32", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu")


def critic(recurrent: bool = False, **settings: Any) -> tuple[str, ...]:
    """Return the override that adds an asymmetric critic with some settings."""
    values = {"learning_rate": 1e-3, "mini_epochs": 1, "clip_value": True, "normalize_input": True} | settings
    rnn = ", rnn: {name: lstm, units: 8}" if recurrent else ""
    network = f"{{name: actor_critic, central_value: True, mlp: {{units: [8]}}{rnn}}}"
    entries = "".join(f", {name}: {value}" for name, value in ({"minibatch_size": 512} | values).items())
    return (f"{CRITIC}={{network: {network}{entries}}}", f"{CONFIG}.symmetry_augmentation=False")


RECURRENT = "train.params.network.rnn={name: lstm, units: 8}"
REFUSED = {
    "linear rate without its end": (
        (f"{CONFIG}.lr_schedule=linear", f"{CONFIG}.max_epochs=-1", f"{CONFIG}.max_frames=1000"),
        f"{CONFIG}.lr_schedule=linear: expected max_epochs to be set, at which the rate reaches 0.",
    ),
    "linear rate of the critic without its end": (
        (*critic(lr_schedule="linear"), f"{CONFIG}.max_epochs=-1", f"{CONFIG}.lr_schedule=identity"),
        f"{CRITIC}.lr_schedule=linear: expected max_epochs to be set, at which the rate reaches 0.",
    ),
    "adaptive rate of the critic": (
        critic(lr_schedule="adaptive"),
        f"{CRITIC}.lr_schedule=adaptive: expected linear or None; only the policy's rate follows the divergence.",
    ),
    "divergence of the critic": (
        critic(kl_threshold=0.01),
        f"{CRITIC}.kl_threshold: has no effect; leave it out.",
    ),
    "critic that is not separate, frozen": (
        (f"{CONFIG}.freeze_critic=True",),
        f"{CONFIG}.freeze_critic=True: expected False without central_value_config; critic_coef=0 leaves the values of "
        "the policy's network untrained.",
    ),
    "half a frozen critic": (
        critic(freeze_critic=True),
        f"{CONFIG}.freeze_critic=False: expected True, as in central_value_config; the network and the scale of its "
        "values are frozen together.",
    ),
    "recurrent critic of a policy that is not": (
        critic(recurrent=True),
        f"{CRITIC}.network.rnn: expected none, because train.params.network has none; both are recurrent, or the "
        "policy only.",
    ),
    "deviations that are not logarithms": (
        ("train.params.model.name=continuous_a2c",),
        "train.params.model.name=continuous_a2c: expected one of continuous_a2c_logstd, continuous_a2c_tanh. Did you "
        "mean continuous_a2c_tanh or continuous_a2c_logstd?",
    ),
    "graphs on a CPU": (
        (f"{CONFIG}.graphs=True",),
        f"{CONFIG}.graphs=True: expected auto or False; the learner runs on cpu, and only CUDA has graphs.",
    ),
    "discrete actions": (
        ("train.params.algo.name=a2c_discrete",),
        f"train.params.algo.name=a2c_discrete: unknown algorithm. Available: {', '.join(sorted(ALGORITHMS))}.",
    ),
    "critics of SAC in the actor": (
        ("train=SAC", "train.params.network.separate=False"),
        "train.params.network.separate=False: expected True; SAC's critics have their own layers.",
    ),
    "layers of SAC that rl_games cannot build": (
        ("train=SAC", "train.params.network.mlp.d2rl=True"),
        "train.params.network.mlp.d2rl=True: expected False with SAC.",
    ),
    "no layers of SAC": (
        ("train=SAC", "train.params.network.mlp.units=[]"),
        "train.params.network.mlp.units=[]: expected at least one layer with SAC.",
    ),
    "values of SAC": (
        ("train=SAC", "train.params.network.value_activation=tanh"),
        "train.params.network.value_activation: has no effect with SAC; leave it out.",
    ),
    "negative warm-up": (
        ("train=SAC", f"{CONFIG}.num_warmup_frames=-1"),
        f"{CONFIG}.num_warmup_frames=-1: expected a number of at least 0.",
    ),
    "SAC of images": (
        ("task=CartpoleCamera", "train=SAC"),
        "train.params.algo.name=sac: expected PPO; CartpoleCamera observes images.",
    ),
    "SAC in several processes": (
        ("train=SAC", "multi_gpu=True"),
        "multi_gpu=True: expected False; SAC trains in one process.",
    ),
}


@pytest.mark.parametrize(("overrides", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_setting_is_refused(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_run([*CPU, *overrides])
    assert str(refused.value) == message


@pytest.mark.parametrize("key", UNSUPPORTED)
def test_key_that_only_rl_games_has_is_refused_with_advice(key: str) -> None:
    with pytest.raises(ConfigError) as refused:
        checked_run([*CPU, f"{CONFIG}.{key}=1"])
    assert str(refused.value) == f"{CONFIG}.{key}: not supported; {UNSUPPORTED[key]}."


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        (*critic(freeze_critic=True), f"{CONFIG}.freeze_critic=True"),
        critic(lr_schedule="linear"),
        (*critic(recurrent=True), RECURRENT),
        (*critic(), RECURRENT),
    ],
    ids=["none", "frozen", "linear", "recurrent", "recurrent policy"],
)
def test_asymmetric_critics_are_accepted(overrides: tuple[str, ...]) -> None:
    learner = checked_run([*CPU, *overrides]).config.train.params.config
    assert isinstance(learner, PpoConfig)
    assert (learner.central_value_config is None) == (not overrides)


def test_adaptive_rate_of_the_critic_in_a_file_is_noted() -> None:
    learner = checked_run([*CPU, *critic()]).config.train.params.config
    assert isinstance(learner, PpoConfig)
    assert learner.central_value_config is not None
    assert critic_notes(learner, set()) == []
    learner.central_value_config.lr_schedule = "adaptive"
    assert critic_notes(learner, set()) == [
        f"{CRITIC}.lr_schedule=adaptive: has no effect; only the policy's rate follows the divergence."
    ]


@pytest.mark.parametrize(
    ("overrides", "noted"),
    [
        ((), False),
        (("task.env.compat=upstream",), True),
        (("task.env.compat=upstream", f"{CONFIG}.value_bootstrap=False"), False),
        (("task.env.compat=upstream", "test=True", "checkpoint=pretrained"), False),
    ],
)
def test_bootstrapping_without_effect_is_noted(overrides: tuple[str, ...], noted: bool) -> None:
    notes = [note for note in checked_run([*CPU, *overrides]).notes if "value_bootstrap" in note]
    assert len(notes) == noted
    assert not noted or "has no effect with task.env.compat=upstream" in notes[0]


def test_sac_learns_where_worlds_are_reset_one_step_later() -> None:
    run = checked_run([*CPU, "train=SAC", "task.env.autoresetMode=next_step"])
    assert run.config.task.env.autoresetMode == "next_step"
