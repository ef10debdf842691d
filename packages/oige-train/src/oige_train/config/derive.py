"""Values of a run that depend on others: devices, seed, minibatch sizes."""

import importlib.util
import itertools
import math
import os
import random
from collections.abc import Collection
from typing import Any

from oige_core.devices import cuda_device, resolve_devices
from oige_core.errors import ConfigError
from oige_core.gpu import cuda_device_count
from oige_core.seeding import derive_seed
from oige_core.spec import TaskSpec

from oige_train.config.limits import check_memory
from oige_train.config.torchrun import Torchrun
from oige_train.schema import (
    ALGORITHM_NAMES,
    CONFIG,
    AlgoConfig,
    FlashSacConfig,
    NetworkConfig,
    PpoConfig,
    SacConfig,
    TrainRunConfig,
)

__all__ = ["CRITIC", "SHOWN_WORLDS", "critic_notes", "derive", "simulate_only_shown_worlds"]

CRITIC = f"{CONFIG}.central_value_config"
SHOWN_WORLDS = 64  # number of worlds that the viewer's page shows; importing the viewer would take long


def derive(
    config: TrainRunConfig, spec: TaskSpec, overridden: set[str], of_run: set[str], written: Collection[str] = ()
) -> list[str]:
    """Fill in and check devices, seed and minibatch sizes; check the memory.

    Args:
        config: the configuration, which is changed.
        spec: record of its task.
        overridden: keys that the user overrides now.
        of_run: keys of the run that are overridden now, or were when the resumed run was started.
        written: keys that the user's own files set.

    Returns:
        Notes for the user on derived values and on keys without effect.

    Raises:
        ConfigError: a value does not fit the others, the machine or the task.
    """
    learner = config.train.params.config
    _check_followers(config)
    if isinstance(learner, FlashSacConfig):
        _check_flashsac(config, learner, spec)
    if config.evaluation and not config.test:
        raise ConfigError(
            "evaluation=True: expected False without test=True; it scores the checkpoints of another run."
        )
    if config.multi_gpu and config.test:
        raise ConfigError("multi_gpu=True: expected False with test=True; one process plays.")
    if config.multi_gpu:
        _join_torchrun(config)
    elif not config.test:
        _check_single_process()
    devices = resolve_devices(config)
    if config.rl_device == "auto":
        config.rl_device = devices.pipeline
    elif config.rl_device == "cuda":
        config.rl_device = f"cuda:{config.device_id}"
    if config.rl_device != "cpu":
        cuda_device(f"rl_device={config.rl_device}", int(config.rl_device.partition(":")[2]))
    if getattr(learner, "graphs", "auto") == "True" and config.rl_device == "cpu" and not config.test:
        raise ConfigError(
            f"{CONFIG}.graphs=True: expected auto or False; the learner runs on cpu, and only CUDA has graphs."
        )
    if config.seed == -1:
        # A random seed would defeat deterministic algorithms.
        config.seed = 42 if config.torch_deterministic else random.SystemRandom().randrange(2**31)
    if config.multi_gpu and (rank := Torchrun.from_environment().rank) > 0:
        config.seed = derive_seed(config.seed, f"process {rank}") % 2**31
    config.train.params.seed = config.seed
    learner.device = learner.device_name = config.rl_device
    learner.full_experiment_name = learner.full_experiment_name or learner.name
    if config.task.env.autoresetMode == "next_step" and not config.test and not isinstance(learner, SacConfig):
        raise ConfigError(
            "task.env.autoresetMode=next_step: only SAC leaves out the steps that only reset; use same_step, or "
            "upstream to train as OmniIsaacGymEnvs does."
        )
    notes = []
    if config.task.env.compat == "upstream" and learner.value_bootstrap and not config.test:
        notes.append(
            f"{CONFIG}.value_bootstrap=True: has no effect with task.env.compat=upstream, because OmniIsaacGymEnvs "
            "does not tell the learner which episodes were truncated."
        )
    notes += simulate_only_shown_worlds(config, overridden) if config.test else critic_notes(learner, overridden)
    _check_images(config, spec)
    check_memory(config, spec, devices.simulation, overridden)
    if isinstance(learner, PpoConfig) and not config.test:
        notes += _derive_minibatches(config, overridden, of_run)
    if config.torch_deterministic and devices.simulation != "cpu" and not config.task.sim.mujoco.deterministic:
        notes.append(
            "torch_deterministic=True: the learner repeats bit by bit; physics does so only with sim_device=cpu, or "
            "with task.sim.mujoco.deterministic=True, with which a step takes many times as long."
        )
    notes += _idle_keys(config, overridden.union(written))
    if config.wandb_activate and not config.test and importlib.util.find_spec("wandb") is None:
        raise ConfigError("wandb_activate=True: wandb is not installed; install oige-train[wandb].")
    return notes


def simulate_only_shown_worlds(config: TrainRunConfig, overridden: Collection[str]) -> list[str]:
    """If a viewer is attached, simulate only the worlds that its page shows; return a note that says so.

    For programs that do not train.

    Args:
        config: the configuration.
        overridden: keys that the user overrides now.
    """
    env = config.task.env
    is_watched = config.is_shown_in_viewer
    if not is_watched or env.numEnvs <= SHOWN_WORLDS or not {"num_envs", "task.env.numEnvs"}.isdisjoint(overridden):
        return []
    note = (
        f"num_envs={SHOWN_WORLDS} instead of {env.numEnvs}, because the viewer shows at most {SHOWN_WORLDS} worlds; "
        "set num_envs=<n> to simulate more."
    )
    config.num_envs = env.numEnvs = config.train.params.config.num_actors = SHOWN_WORLDS
    return [note]


def _check_followers(config: TrainRunConfig) -> None:
    """Raise ConfigError if a file sets a key of the learner to another value than the root key that it follows."""
    params = config.train.params
    followers: dict[str, tuple[Any, str, Any]] = {
        "train.params.seed": (params.seed, "seed", config.seed),
        "train.params.load_checkpoint": (params.load_checkpoint or None, "checkpoint", bool(config.checkpoint)),
        "train.params.load_path": (params.load_path or None, "checkpoint", config.checkpoint),
        f"{CONFIG}.num_actors": (params.config.num_actors, "num_envs", config.task.env.numEnvs),
        f"{CONFIG}.device": (params.config.device or None, "rl_device", config.rl_device),
        f"{CONFIG}.device_name": (params.config.device_name or None, "rl_device", config.rl_device),
        f"{CONFIG}.multi_gpu": (params.config.multi_gpu or None, "multi_gpu", config.multi_gpu),
    }
    if config.task.physics_engine != "physx":  # in files of OmniIsaacGymEnvs, which completion.py answers
        followers["task.physics_engine"] = (config.task.physics_engine, "physics_engine", config.physics_engine)
    for key, (value, leader, expected) in followers.items():
        if value is not None and value != expected:
            wanted = "no value" if expected == "" else expected
            raise ConfigError(f"{key}={value}: expected {wanted}; set {leader} instead.")


def _check_images(config: TrainRunConfig, spec: TaskSpec) -> None:
    """Raise ConfigError if the observations do not fit the learner or the convolutional layers."""
    if spec.images and isinstance(config.train.params.config, SacConfig):
        raise ConfigError(f"train.params.algo.name=sac: expected PPO; {config.task.name} observes images.")
    network = config.train.params.network
    cnn = network.cnn if isinstance(network, NetworkConfig) else None
    if cnn is None:
        return
    shape = spec.shape_for(config.task.env)
    if not spec.images:
        raise ConfigError(
            f"train.params.network.cnn: expected none; {config.task.name} does not observe images but "
            f"{math.prod(shape)} numbers."
        )
    rows, columns = shape[:2]
    if min(rows, columns) < cnn.smallest_image():
        raise ConfigError(
            f"train.params.network.cnn.convs: need images of at least {cnn.smallest_image()} × {cnn.smallest_image()} "
            f"pixels, those of {config.task.name} have {rows} × {columns}; use larger images or fewer layers."
        )


def critic_notes(learner: AlgoConfig, overridden: set[str]) -> list[str]:
    """Return a note if the asymmetric critic's rate does not follow its schedule.

    Raises:
        ConfigError: the user asks for that schedule now.
    """
    critic = learner.central_value_config if isinstance(learner, PpoConfig) else None
    if critic is None or critic.lr_schedule != "adaptive":
        return []
    setting = f"{CRITIC}.lr_schedule=adaptive"
    if not {CRITIC, f"{CRITIC}.lr_schedule"}.isdisjoint(overridden):
        raise ConfigError(f"{setting}: expected linear or None; only the policy's rate follows the divergence.")
    return [f"{setting}: has no effect; only the policy's rate follows the divergence."]


def _check_flashsac(config: TrainRunConfig, learner: FlashSacConfig, spec: TaskSpec) -> None:
    """Raise ConfigError for what FlashSAC cannot train."""
    if spec.images:
        raise ConfigError(f"train.params.algo.name=flashsac: {config.task.name} observes images; use PPO.")
    if learner.symmetry_augmentation and spec.states_for(config.task.env):
        raise ConfigError(
            f"{CONFIG}.symmetry_augmentation=True: expected False; symmetries do not cover the states of "
            f"{config.task.name}."
        )
    limit = config.task.env.clipActions
    if learner.action_bound > limit:
        raise ConfigError(
            f"{CONFIG}.action_bound={learner.action_bound}: expected at most task.env.clipActions={limit}."
        )
    if config.test:
        return
    if config.task.env.autoresetMode != "same_step":
        raise ConfigError(
            f"task.env.autoresetMode={config.task.env.autoresetMode}: expected same_step; FlashSAC learns from the "
            "last observations of episodes."
        )


def _idle_keys(config: TrainRunConfig, overridden: set[str]) -> list[str]:
    """Return a note for each key that the user sets and that has no effect without another one."""
    mixed = config.train.params.config.mixed_precision
    idle = {
        "wandb_": ("wandb_activate=True", config.wandb_activate),
        "evaluation_timeout": ("evaluation=True", config.evaluation),
        "recording_": ("enable_recording=True", config.enable_recording),
        "livestream_": ("enable_livestream=True", config.enable_livestream),
        "task.sim.mujoco.deterministic": ("sim_device on a GPU", config.sim_device != "cpu"),
        f"{CONFIG}.mixed_precision": ("rl_device on a GPU", config.rl_device != "cpu" or not mixed),
    }
    notes = []
    if config.test:
        playing = {"wandb_activate": config.wandb_activate, "max_iterations": "max_iterations" in overridden}
        notes += [f"{key}: has no effect when playing." for key, given in playing.items() if given]
    for key in sorted(overridden):
        for beginning, (needed, acts) in idle.items():
            if key.startswith(beginning) and key != "wandb_activate" and not acts:
                notes.append(f"{key}: has no effect without {needed}.")
    return notes


def _check_single_process() -> None:
    """Raise ConfigError if torchrun started several processes, each of which would do the same."""
    size = os.environ.get("WORLD_SIZE", "1")
    if "TORCHELASTIC_RUN_ID" in os.environ and size != "1":
        raise ConfigError(f"multi_gpu=False: expected True, because torchrun started {size} processes.")


def _join_torchrun(config: TrainRunConfig) -> None:
    """Give this process a device of its own.

    Raises:
        ConfigError: torchrun did not start this process, or the algorithm trains in one process only.
    """
    if not isinstance(config.train.params.config, PpoConfig):
        name = ALGORITHM_NAMES[config.train.params.algo.name]
        raise ConfigError(f"multi_gpu=True: expected False; {name} trains in one process.")
    process = Torchrun.from_environment()
    devices = cuda_device_count()
    if devices > 1 and process.local_rank >= devices:
        raise ConfigError(
            f"torchrun --nproc-per-node={process.local_size}: expected at most {devices}, the number of CUDA devices "
            "of this machine."
        )
    # Schedulers may let each process see only a device of its own.
    config.device_id = process.local_rank if devices > 1 else 0


def _derive_minibatches(config: TrainRunConfig, overridden: set[str], of_run: set[str]) -> list[str]:
    """Make the minibatch sizes divide the batch, or raise ConfigError with sizes that do.

    A size that was overridden when the resumed run was started is adapted, like those of files, if the batch changed.
    """
    learner = config.train.params.config
    assert isinstance(learner, PpoConfig)
    batch = learner.horizon_length * learner.num_actors
    recurrent = getattr(config.train.params.network, "rnn", None) is not None
    # rl_games cuts every batch into sequences, and those of a recurrent network may not cross worlds.
    if batch % learner.seq_length or (recurrent and learner.horizon_length % learner.seq_length):
        unit = "horizon_length" if recurrent else "horizon_length × num_envs"
        value = learner.horizon_length if recurrent else batch
        raise ConfigError(f"{CONFIG}.seq_length={learner.seq_length}: expected a divisor of {unit} = {value}.")
    if batch == 1 and learner.normalize_advantage:
        raise ConfigError(
            f"num_envs=1: expected at least 2 with {CONFIG}.horizon_length=1; advantages are normalised over "
            "horizon_length × num_envs samples."
        )
    multiple = learner.seq_length if recurrent else 1
    batch_keys = {"num_envs", "task.env.numEnvs", f"{CONFIG}.horizon_length"}
    product = f"horizon_length × num_envs = {learner.horizon_length} × {learner.num_actors} = {batch}"
    notes = []
    for section, holder in (("", learner), (".central_value_config", learner.central_value_config)):
        if holder is None:
            continue
        key = f"{CONFIG}{section}.minibatch_size"
        size = holder.minibatch_size
        if size is not None and f"{key}_per_env" in overridden:
            raise ConfigError(f"{key}_per_env: has no effect while minibatch_size={size} is set; add {key}=null.")
        if size is None:
            per_env = holder.minibatch_size_per_env or 1
            if learner.horizon_length % per_env or (per_env % multiple):
                raise ConfigError(
                    f"{key}_per_env={per_env}: expected a divisor of horizon_length = {learner.horizon_length}"
                    f"{f' and a multiple of seq_length = {multiple}' if multiple > 1 else ''}."
                )
            continue
        if batch % size == 0 and size % multiple == 0:
            continue
        # rl_games takes any size for a critic, and leaves the rest of the batch out.
        if key in overridden or not (section or batch_keys & (overridden | of_run)):
            valid = [d for d in _divisors(batch) if d % multiple == 0]
            near = sorted(sorted(valid, key=lambda d: abs(d - size))[:4])
            raise ConfigError(
                f"{key}={size}: expected a divisor of {product}; near it are {', '.join(map(str, near))}."
            )
        derived = _similar_divisor(batch, size, multiple)
        if derived is None:
            raise ConfigError(
                f"num_envs={learner.num_actors}: no minibatch size near {size} divides {product}; use "
                f"num_envs={_divisible_envs(learner, size, multiple)}, or set {key}."
            )
        holder.minibatch_size = derived
        notes.append(f"{key}: {size} does not divide {product}; using {derived}.")
    return notes


def _similar_divisor(batch: int, size: int, multiple: int) -> int | None:
    """Return a divisor of the batch that is half to twice as large as ``size``; None if there is none.

    The number of gradient steps per pass then stays similar. A batch smaller than ``size`` is one minibatch.
    """
    if batch <= size:
        return batch
    valid = [d for d in _divisors(batch) if d % multiple == 0]
    below = [d for d in valid if size / 2 <= d <= size]
    above = [d for d in valid if size < d <= 2 * size]
    return below[-1] if below else above[0] if above else None


def _divisible_envs(learner: PpoConfig, size: int, multiple: int) -> int:
    """Return the nearest number of worlds for which :func:`_similar_divisor` finds a minibatch size."""
    return next(
        num_envs
        for distance in itertools.count(1)
        for num_envs in (learner.num_actors - distance, learner.num_actors + distance)
        if num_envs > 0 and _similar_divisor(learner.horizon_length * num_envs, size, multiple)
    )


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})
