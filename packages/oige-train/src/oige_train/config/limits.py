"""Memory that a run needs."""

import math
import re
from pathlib import Path

from oige_core.errors import ConfigError
from oige_core.gpu import cuda_device_memory
from oige_core.spec import TaskSpec

from oige_train.schema import CONFIG, FlashSacConfig, PpoConfig, SacConfig, TrainRunConfig

__all__ = ["check_memory", "check_parallel_memory", "memory_estimate"]


def memory_estimate(config: TrainRunConfig, spec: TaskSpec) -> int:
    """Return a lower bound of the memory that a run needs, in bytes; see :func:`_estimates`."""
    return int(sum(_estimates(config, spec).values()))


def _estimates(config: TrainRunConfig, spec: TaskSpec) -> dict[str, float]:
    """Return a lower bound of the memory that a run needs, in bytes, by the key that it depends on most.

    float32 rollout buffer of PPO, twice because rl_games copies it from time-major to flat for an epoch:
    ``2 · 4 · horizon · envs · (observations + states + 3 · actions + 6)``, where 3 · actions are actions, means and
    deviations and 6 are reward, value, return, advantage, log-probability and done flag. SAC:
    ``4 · replay size · (2 · observations + actions + 2)``; FlashSAC's replay also has the states. Engine:
    ``8 · envs · (observations + 256)``, the float64 state and derived fields of an almost empty world. Numbers of
    images are bytes, a quarter of a float. Playing needs the engine only.
    """
    envs = config.task.env.numEnvs
    observations = math.prod(spec.shape_for(config.task.env)) / (4 if spec.has_bytes(config.task.env) else 1)
    num_states = spec.states_for(config.task.env)
    learner = config.train.params.config
    estimates = {"task.env.numEnvs": 8 * envs * (observations + 256)}
    if config.test:
        return estimates
    if isinstance(learner, PpoConfig):
        per_step = observations + num_states + 3 * spec.num_actions + 6
        estimates[f"{CONFIG}.horizon_length"] = 2 * 4 * learner.horizon_length * envs * per_step
    elif isinstance(learner, SacConfig):
        per_transition = 2 * observations + spec.num_actions + 2
        estimates[f"{CONFIG}.replay_buffer_size"] = 4 * learner.replay_buffer_size * per_transition
    elif isinstance(learner, FlashSacConfig):
        per_transition = 2 * (observations + num_states) + spec.num_actions + 1
        estimates[f"{CONFIG}.replay_buffer_size"] = 4 * learner.replay_buffer_size * per_transition
    return estimates


def check_memory(config: TrainRunConfig, spec: TaskSpec, simulation: str, overridden: set[str]) -> None:
    """Raise ConfigError if a run needs more memory than its device has."""
    available = _available_memory() if simulation == "cpu" else cuda_device_memory(int(simulation.partition(":")[2]))
    estimates = _estimates(config, spec)
    needed = sum(estimates.values())
    if available is None or needed <= available:
        return
    key = max(estimates, key=lambda name: estimates[name])
    if key == f"{CONFIG}.horizon_length" and key not in overridden:
        key = "task.env.numEnvs"  # has the same effect on a rollout, and is what users change
    if key == "task.env.numEnvs":
        remedy = "use fewer worlds"
        value = config.task.env.numEnvs
        key = "num_envs" if "num_envs" in overridden else key
    else:
        remedy = "use a smaller number"
        value = getattr(config.train.params.config, key.rpartition(".")[2])
    raise ConfigError(
        f"{key}={value}: needs at least {needed / 2**30:,.1f} GiB of memory, and {simulation} has "
        f"{available / 2**30:,.1f} GiB; {remedy}."
    )


def check_parallel_memory(config: TrainRunConfig, spec: TaskSpec, parallel: int) -> None:
    """Raise ConfigError if ``parallel`` runs on the CPU need more memory than the machine has.

    Args:
        config: configuration of one of them.
        spec: record of its task.
        parallel: number of runs at the same time.
    """
    available, needed = _available_memory(), parallel * memory_estimate(config, spec)
    if available is not None and needed > available:
        raise ConfigError(
            f"{parallel} runs of {config.task.env.numEnvs} worlds at a time: need at least {needed / 2**30:,.1f} "
            f"GiB of memory, and this machine has {available / 2**30:,.1f} GiB; run fewer at a time, or use fewer "
            "worlds."
        )


def _available_memory() -> int | None:
    """Return the main memory that this process may still allocate, in bytes; None where that is unknown."""
    available = []
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
        if match:
            available.append(int(match[1]) * 1024)
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and limit.read_text().strip().isdigit():
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        available.append(int(limit.read_text()) - used)
    return min(available) if available else None
