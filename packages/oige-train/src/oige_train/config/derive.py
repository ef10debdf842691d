"""Values of a run that follow from others: devices, seed, minibatch sizes."""

import importlib.util
import os
import random

from oige_core.devices import cuda_device_count, resolve_devices
from oige_core.errors import ConfigError
from oige_core.registry import TaskSpec

from oige_train.config.limits import check_memory
from oige_train.schema import CONFIG, PpoConfig, TrainRunConfig

__all__ = ["derive"]


def derive(config: TrainRunConfig, spec: TaskSpec, overridden: set[str], of_run: set[str]) -> list[str]:
    """Fill in devices and minibatch sizes; check them and the memory.

    Args:
        config: the configuration; derived values are put in.
        spec: record of its task.
        overridden: keys that the user overrides now.
        of_run: keys of the run that are overridden now or were before it was resumed.
    """
    learner = config.train.params.config
    if config.multi_gpu:
        _join_torchrun(config)
    devices = resolve_devices(config)
    if config.rl_device == "auto":
        config.rl_device = devices.pipeline
    elif config.rl_device == "cuda":
        config.rl_device = f"cuda:{config.device_id}"
    if config.rl_device != "cpu":
        _check_learner_device(config.rl_device)
    if config.seed == -1:
        # Deterministic algorithms with a seed nobody knows would make no sense.
        config.seed = 42 if config.torch_deterministic else random.SystemRandom().randrange(2**31)
    config.train.params.seed = config.seed
    learner.device = learner.device_name = config.rl_device
    learner.full_experiment_name = learner.full_experiment_name or learner.name
    if learner.num_actors != config.task.env.numEnvs:
        raise ConfigError(
            f"{CONFIG}.num_actors={learner.num_actors}: expected task.env.numEnvs={config.task.env.numEnvs}; "
            "set num_envs instead."
        )
    if config.task.env.autoresetMode == "next_step" and not config.test:
        raise ConfigError(
            "task.env.autoresetMode=next_step: rl_games would learn from the steps that only reset; use same_step, or "
            "upstream to train as OmniIsaacGymEnvs does."
        )
    check_memory(config, spec, devices.simulation, overridden)
    trains_ppo = isinstance(learner, PpoConfig) and not config.test
    notes = _derive_minibatches(config, overridden, of_run) if trains_ppo else []
    if config.torch_deterministic and devices.simulation != "cpu":
        notes.append(
            "torch_deterministic=True: the learner repeats bit by bit; physics does with sim_device=cpu alone."
        )
    if config.wandb_activate and importlib.util.find_spec("wandb") is None:
        raise ConfigError("wandb_activate=True: wandb is not installed; install oige-train[wandb].")
    return notes


def _check_learner_device(device: str) -> None:
    count = cuda_device_count()
    if count == 0:
        raise ConfigError(f"rl_device={device}: this machine has no CUDA device; use rl_device=cpu or rl_device=auto.")
    if int(device.partition(":")[2]) >= count:
        raise ConfigError(f"rl_device={device}: expected a number below {count}, the number of CUDA devices here.")


def _join_torchrun(config: TrainRunConfig) -> None:
    """Take device and seed of this process from what torchrun set.

    Raises:
        ConfigError: torchrun did not start this process.
    """
    if any(key not in os.environ for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")):
        raise ConfigError(
            "multi_gpu=True: this process was not started by torchrun; use "
            "torchrun --nproc-per-node=<number of GPUs> -m oige_train.cli.train multi_gpu=True …"
        )
    if config.train.params.algo.name != "a2c_continuous":
        raise ConfigError(f"multi_gpu=True: expected PPO, {config.train.params.algo.name} trains in one process only.")
    if cuda_device_count() > 0:
        config.device_id = int(os.environ["LOCAL_RANK"])
    if config.seed != -1:
        config.seed += int(os.environ["RANK"])


def _derive_minibatches(config: TrainRunConfig, overridden: set[str], of_run: set[str]) -> list[str]:
    """Make the minibatch sizes divide the batch, or say which sizes would.

    A size that was overridden in the run that is resumed is no longer meant for the batch that it has now.
    """
    learner = config.train.params.config
    assert isinstance(learner, PpoConfig)
    batch = learner.horizon_length * learner.num_actors
    recurrent = config.train.params.network.rnn is not None
    # rl_games cuts every batch into sequences, and those of a recurrent network may not cross worlds.
    if batch % learner.seq_length or (recurrent and learner.horizon_length % learner.seq_length):
        unit = "horizon_length" if recurrent else "horizon_length × num_envs"
        value = learner.horizon_length if recurrent else batch
        raise ConfigError(f"{CONFIG}.seq_length={learner.seq_length}: expected a divisor of {unit} = {value}.")
    multiple = learner.seq_length if recurrent else 1
    batch_words = {"num_envs", "task.env.numEnvs", f"{CONFIG}.horizon_length"}
    notes = []
    for section, holder in (("", learner), (".central_value_config", learner.central_value_config)):
        if holder is None or holder.minibatch_size is None:
            continue
        key = f"{CONFIG}{section}.minibatch_size"
        size = holder.minibatch_size
        if batch % size == 0 and size % multiple == 0:
            continue
        valid = [d for d in _divisors(batch) if d % multiple == 0]
        below = [d for d in valid if d <= size]
        if key not in overridden and batch_words & (overridden | of_run) and below:
            holder.minibatch_size = below[-1]
            notes.append(
                f"{key}: {size} does not divide horizon_length × num_envs = {learner.horizon_length} × "
                f"{learner.num_actors} = {batch}; using {below[-1]}."
            )
            continue
        near = sorted(sorted(valid, key=lambda d: abs(d - size))[:4])
        raise ConfigError(
            f"{key}={size}: expected a divisor of horizon_length × num_envs = {learner.horizon_length} × "
            f"{learner.num_actors} = {batch}; near it are {', '.join(map(str, near))}."
        )
    return notes


def _divisors(number: int) -> list[int]:
    small = [d for d in range(1, int(number**0.5) + 1) if number % d == 0]
    return sorted({*small, *(number // d for d in small)})
