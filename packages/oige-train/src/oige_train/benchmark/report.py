"""The figures of a benchmark, and the machine that they are from."""

import dataclasses
import importlib.metadata
import json
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

__all__ = ["Report", "StageResult", "gpu_memory", "peak_memory", "stage_results", "versions"]

PACKAGES = ("oige-core", "oige-train", "mujoco", "mujoco-warp", "warp-lang", "torch", "rl-games", "numpy")


@dataclass(frozen=True)
class StageResult:
    """Figures of one stage.

    Attributes:
        name: name of the stage.
        rates: environment steps per second in each round that the stage took part in.
        rate: their median.
        ratio: median over these rounds of the stage's rate divided by the rate of physics.
    """

    name: str
    rates: list[float]
    rate: float
    ratio: float


def stage_results(rates: dict[str, list[float]]) -> list[StageResult]:
    """Return the results of all stages.

    Args:
        rates: environment steps per second by stage and round; ``physics`` must be there and have the most rounds.
    """
    physics = rates["physics"]
    return [
        StageResult(
            name=name,
            rates=values,
            rate=statistics.median(values),
            ratio=statistics.median(value / base for value, base in zip(values, physics, strict=False)),
        )
        for name, values in rates.items()
    ]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Outcome of :func:`~oige_train.benchmark.measure.measure`.

    Attributes:
        task: name of the task.
        num_envs: number of worlds in each process.
        processes: number of processes that measured together.
        device: device of the simulation.
        learner_device: device of the learner.
        num_threads: threads of the physics engine on the CPU.
        torch_threads: threads of torch on the CPU.
        seed: seed of the run.
        date: when the measurement ended, in UTC, as ISO 8601.
        machine: see :func:`~oige_train.machine.machine`.
        versions: see :func:`versions`.
        stages: physics, environment, policy inference, learning.
        physics_replayed: whether ``physics`` repeats the physics of the control steps that ``environment`` takes. It
            cannot where a step is one graph, as for Warp variants on CUDA: robots are then undriven in ``physics``,
            which may be slower or faster.
        physics_fraction: fraction of the time of an environment step that physics takes. None on a GPU, which runs
            asynchronously, and where physics is not a call of its own.
        startup_seconds: from the start of the process to the end of the first environment step.
        peak_memory_bytes: see :func:`peak_memory`.
        gpu_memory_bytes: see :func:`gpu_memory`.
    """

    task: str
    num_envs: int
    processes: int
    device: str
    learner_device: str
    num_threads: int
    torch_threads: int
    seed: int
    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    stages: list[StageResult]
    physics_replayed: bool
    physics_fraction: float | None
    startup_seconds: float
    peak_memory_bytes: int | None
    gpu_memory_bytes: int | None

    def text(self) -> str:
        """Return the figures as a table."""
        several = f", {self.processes} processes with as many each" if self.processes > 1 else ""
        lines = [f"{self.task}, {self.num_envs} envs, {self.device}, learner on {self.learner_device}{several}"]
        lines.append(f"{'':18}{'env-steps/s':>14}{'of physics':>12}{'rounds from':>14}{'to':>12}")
        for stage in self.stages:
            low, high = min(stage.rates), max(stage.rates)
            lines.append(f"{stage.name:18}{stage.rate:>14,.0f}{stage.ratio:>12.3f}{low:>14,.0f}{high:>12,.0f}")
        if not self.physics_replayed:
            lines.append("physics is measured on undriven robots")
        if self.physics_fraction is not None:
            lines.append(f"physics takes {self.physics_fraction:.3f} of an environment step")
        memory = "peak memory unknown"
        if self.peak_memory_bytes is not None:
            memory = f"peak memory {self.peak_memory_bytes / 2**20:,.0f} MiB"
        if self.gpu_memory_bytes is not None:
            memory += f", GPU {self.gpu_memory_bytes / 2**20:,.0f} MiB in use"
        lines.append(f"start-up to first step {self.startup_seconds:.2f} s, {memory}")
        return "\n".join(lines)

    def write(self, file: Path) -> None:
        """Write all figures as JSON."""
        file.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that decide the speed."""
    return {name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()}


def peak_memory() -> int | None:
    """Return the largest resident size of the process in bytes; None on Windows."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes, Linux in KiB


def gpu_memory(device: torch.device) -> int | None:
    """Return the bytes in use on a GPU, by all processes; None on the CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return total - free
