"""Timing of stages: warm-up, repetitions, and the fraction of an environment step that physics takes."""

import time
from collections.abc import Callable
from typing import Any

import torch
from oige_core import VecEnv

from oige_train.benchmark.stages import Stage

__all__ = ["ROUND_SECONDS", "calibrate", "physics_fraction", "synchronise", "time_stage"]

#: Least time that a stage is timed for in one round, in seconds.
ROUND_SECONDS = 0.4
#: A repetition that takes longer needs no further warm-up, in seconds.
LONG_SECONDS = 5.0


def calibrate(env: VecEnv, stage: Stage, check: Callable[[], object]) -> tuple[int, float]:
    """Warm a stage up; return how many repetitions take about :data:`ROUND_SECONDS`, and how many seconds they take.

    Args:
        env: the environment.
        stage: the stage.
        check: called after the first repetition, which may raise an error.
    """
    stage.begin()
    seconds = time_stage(env, stage, 1)
    check()
    if seconds > LONG_SECONDS:
        return 1, seconds
    time_stage(env, stage, 1)
    repetitions = 1
    while (seconds := time_stage(env, stage, repetitions)) < ROUND_SECONDS / 4:
        repetitions *= 2
    count = max(1, round(repetitions * ROUND_SECONDS / seconds))
    return count, count * seconds / repetitions


def time_stage(env: VecEnv, stage: Stage, repetitions: int) -> float:
    """Return the time in seconds that a number of repetitions of a stage takes."""
    if stage.rewind is None:
        return _seconds(env, stage.repeat, repetitions)
    total = 0.0
    for _ in range(repetitions):
        stage.rewind()
        total += _seconds(env, stage.repeat, 1)
    return total


def physics_fraction(env: VecEnv, stage: Stage, repetitions: int) -> float:
    """Return the fraction of the time of environment steps that is spent in the engine's ``step``.

    The method is replaced by a timed one until the repetitions have ended.
    """
    engine, engine_step = env.task.engine, env.task.engine.step
    spent = 0.0

    def timed(n_substeps: int = 1) -> None:
        nonlocal spent
        start = time.perf_counter()
        engine_step(n_substeps)
        spent += time.perf_counter() - start

    engine.step = timed  # type: ignore[method-assign]
    try:
        total = time_stage(env, stage, repetitions)
    finally:
        del engine.step  # makes the method of the class visible again
    return spent / total


def synchronise(env: VecEnv) -> None:
    """Wait until the GPU, if there is one, has finished what it was given."""
    if env.task.engine.device.type == "cuda":
        torch.cuda.synchronize(env.task.engine.device)


def _seconds(env: VecEnv, work: Callable[[], Any], repetitions: int) -> float:
    synchronise(env)
    start = time.perf_counter()
    for _ in range(repetitions):
        work()
    synchronise(env)
    return time.perf_counter() - start
