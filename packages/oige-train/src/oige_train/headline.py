"""The first lines that a program prints: what it is about to do, before the slow imports and compilation."""

import math
from collections.abc import Sequence

from oige_core.devices import resolve_devices, unused_gpu
from oige_core.randomization.schema import SIGNALS

from oige_train.config import Run
from oige_train.config.origin import chosen_task
from oige_train.config.torchrun import Torchrun
from oige_train.schema import ALGORITHM_NAMES

__all__ = ["headline", "headline_of_random_actions"]

#: Number of worlds that the training configurations for a CPU are tuned for.
CPU_WORLDS = 512
#: Number of worlds beyond which an algorithm only fills its replay buffer sooner, and a good number, by its name.
OFF_POLICY_WORLDS = {"sac": (512, 64), "flashsac": (2048, 1024)}


def headline(run: Run, arguments: Sequence[str], action: str = "") -> list[str]:
    """Return lines that describe what is about to happen; none in processes other than the first.

    Args:
        run: the checked run.
        arguments: the command line that described it.
        action: verb for the first line; empty: training, resuming or playing, depending on the run.
    """
    config, params = run.config, run.config.train.params
    process = Torchrun.from_environment() if config.multi_gpu else None
    if process is not None and process.rank != 0:
        return []
    devices = resolve_devices(config)
    action = action or ("playing" if config.test else "training" if run.checkpoint is None else "resuming")
    learner = "" if config.rl_device == devices.simulation else f", learner on {config.rl_device}"
    worlds = f"{config.task.env.numEnvs:,} worlds on {devices.simulation}{learner}"
    if process is not None:
        worlds = f"{process.size} processes with {worlds} each, {config.task.env.numEnvs * process.size:,} in all"
    lines = _note_on_unused_gpu(run)
    lines.append(
        f"{action} {run.task.name} with {ALGORITHM_NAMES[params.algo.name]} ({run.train_name}): "
        f"{worlds}, network {params.network.summary()}, seed {config.seed}"
    )
    lines += [*_note_on_default_task(run, arguments), *run.file_notes, *_note_on_randomization(run)]
    if action == "training" and devices.simulation == "cpu":
        lines += _advice_for_cpu(run)
    most, good = OFF_POLICY_WORLDS.get(params.algo.name, (math.inf, 0))
    if action == "training" and config.task.env.numEnvs > most:
        lines.append(
            f"{ALGORITHM_NAMES[params.algo.name]} trains once per control step of all worlds, so more than {most} "
            f"worlds rarely help; num_envs={good} is a good choice"
        )
    return lines


def headline_of_random_actions(run: Run, arguments: Sequence[str]) -> list[str]:
    """Return lines that describe a task that is about to be stepped with random actions.

    Args:
        run: the checked run.
        arguments: the command line that described it.
    """
    config = run.config
    worlds = f"{config.task.env.numEnvs:,} worlds on {resolve_devices(config).simulation}"
    return [
        *_note_on_unused_gpu(run),
        f"stepping {run.task.name} with random actions: {worlds}, seed {config.seed}",
        *_note_on_default_task(run, arguments),
        *run.file_notes,
        *_note_on_randomization(run),
    ]


def _note_on_randomization(run: Run) -> list[str]:
    config = run.config.task.domain_randomization
    if not config.randomize:
        return []
    targets = [".".join(path[:-1] if path[0] in SIGNALS else path[1:-1]) for path in config.draws]
    names = ", ".join(dict.fromkeys(targets))
    return [f"domain randomisation of {names}; oige-randomization task={run.task.name} shows it"]


def _note_on_default_task(run: Run, arguments: Sequence[str]) -> list[str]:
    if chosen_task(arguments) is not None:
        return []
    return [f"no task= was given, so the default {run.task.name} is used; oige-tasks lists all tasks"]


def _note_on_unused_gpu(run: Run) -> list[str]:
    note = unused_gpu(run.config)
    return [] if note is None else [note]


def _advice_for_cpu(run: Run) -> list[str]:
    """Recommend the training configuration for a CPU if that for a GPU is about to run on a CPU."""
    name = f"{run.task.name}PPO_cpu"
    worlds = run.config.task.env.numEnvs
    is_large = worlds > CPU_WORLDS or run.spec.images
    if (
        run.train_name != f"{run.task.name}PPO"
        or not is_large
        or not (run.task.cfg / "train" / f"{name}.yaml").is_file()
    ):
        return []
    fewer = f" num_envs={CPU_WORLDS}" if worlds > CPU_WORLDS else ""
    return [f"this configuration is tuned for a GPU; on a CPU, train={name}{fewer} learns faster"]
