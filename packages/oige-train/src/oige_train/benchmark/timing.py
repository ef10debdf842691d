"""Timing of stages: warm-up, repetitions, and the fraction of an environment step that physics takes."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from oige_core import VecEnv

from oige_train.benchmark.stages import Stage
from oige_train.learner.distributed import Workers

__all__ = ["ROUND_SECONDS", "Clock", "calibrate", "physics_fraction", "time_stage"]

#: Least time that a stage is timed for in one round, in seconds.
ROUND_SECONDS = 0.4
#: A repetition that takes longer needs no further warm-up, in seconds.
LONG_SECONDS = 5.0


@dataclass(frozen=True)
class Clock:
    """Measures how long work takes, from when all processes can begin until the last one has finished.

    Attributes:
        env: the environment.
        workers: the processes that measure together; all of them get the same time, so that they repeat work equally.
    """

    env: VecEnv
    workers: Workers = field(default_factory=Workers)

    def synchronise(self) -> None:
        """Wait until the GPU, if there is one, has finished what it was given."""
        if self.env.task.engine.device.type == "cuda":
            torch.cuda.synchronize(self.env.task.engine.device)

    def seconds(self, work: Callable[[], Any], repetitions: int) -> float:
        """Return the time in seconds that a number of calls of ``work`` takes."""
        self.synchronise()
        self.workers.any(False)  # waits for all processes
        start = time.perf_counter()
        for _ in range(repetitions):
            work()
        self.synchronise()
        return self.workers.largest(time.perf_counter() - start)


def calibrate(clock: Clock, stage: Stage, check: Callable[[], object]) -> tuple[int, float]:
    """Warm a stage up; return how many repetitions take about :data:`ROUND_SECONDS`, and how many seconds they take.

    Args:
        clock: measures the time.
        stage: the stage.
        check: called after the first repetition, which may raise an error.
    """
    stage.begin()
    seconds = time_stage(clock, stage, 1)
    check()
    if seconds > LONG_SECONDS:
        return 1, seconds
    time_stage(clock, stage, 1)
    repetitions = 1
    while (seconds := time_stage(clock, stage, repetitions)) < ROUND_SECONDS / 4:
        repetitions *= 2
    count = max(1, round(repetitions * ROUND_SECONDS / seconds))
    return count, count * seconds / repetitions


def time_stage(clock: Clock, stage: Stage, repetitions: int) -> float:
    """Return the time in seconds that a number of repetitions of a stage takes."""
    if stage.rewind is None:
        return clock.seconds(stage.repeat, repetitions)
    total = 0.0
    for _ in range(repetitions):
        stage.rewind()
        total += clock.seconds(stage.repeat, 1)
    return total


def physics_fraction(clock: Clock, stage: Stage, repetitions: int) -> float:
    """Return the fraction of the time of environment steps that is spent in the engine's ``step``.

    The method is replaced by a timed one until the repetitions have ended.
    """
    engine, engine_step = clock.env.task.engine, clock.env.task.engine.step
    spent = 0.0

    def timed(n_substeps: int = 1) -> None:
        nonlocal spent
        start = time.perf_counter()
        engine_step(n_substeps)
        spent += time.perf_counter() - start

    engine.step = timed  # type: ignore[method-assign]
    try:
        total = time_stage(clock, stage, repetitions)
    finally:
        del engine.step  # makes the method of the class visible again
    return spent / total
