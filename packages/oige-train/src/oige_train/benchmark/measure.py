"""Measure how fast a task is simulated, stepped, played and learned."""

import datetime
import io
import itertools
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from oige_core import VecEnv, make_env
from oige_core.errors import OigeError
from oige_core.problems import ProblemReport

from oige_train.benchmark.report import Report, gpu_memory, peak_memory, stage_results, versions
from oige_train.benchmark.stages import Stage, make_stages, record
from oige_train.benchmark.timing import ROUND_SECONDS, Clock, calibrate, physics_fraction, time_stage
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.progress import ProgressObserver
from oige_train.machine import machine
from oige_train.schema import FlashSacConfig
from oige_train.torch_setup import configure_torch

__all__ = ["measure"]

#: Number of rounds, and seconds of one stage in them after which it skips the remaining rounds.
ROUNDS, STAGE_SECONDS = 7, 30.0
#: Control steps before anything is timed, in which robots fall to the ground and the first episodes end.
SETTLING_STEPS = 50
#: Largest number of control steps that are repeated.
MAX_STEPS = 32

_log = logging.getLogger(__name__)


def measure(run: Run, workers: Workers, *, rounds: int | None, started: float) -> Report:
    """Measure a run; what is being done and how long it will take is logged.

    Args:
        run: the checked run; what it would save is not saved.
        workers: the processes that measure together.
        rounds: number of rounds; None: :data:`ROUNDS`, and slow stages skip some of them.
        started: when the process was started, in seconds since 1970.

    Raises:
        OigeError: the simulation stands still or diverged, so that its speed is meaningless.
    """
    config = run.config
    configure_torch(run)
    learner = config.train.params.config
    learner.save_frequency, learner.max_epochs, learner.max_frames = 0, -1, -1
    if isinstance(learner, FlashSacConfig):
        learner.num_warmup_frames = 0  # without learning
    env = make_env(config)
    generator = torch.Generator(env.device).manual_seed(config.seed)
    shape = (MAX_STEPS, env.num_envs, run.spec.num_actions)
    actions = torch.rand(shape, generator=generator, device=env.device) * 2.0 - 1.0
    env.reset()
    env.step(actions[0])
    clock = Clock(env, workers)
    clock.synchronise()
    startup = time.time() - started
    recording = record(env, actions[: _settle(clock, actions)])

    with tempfile.TemporaryDirectory() as folder:
        session = Session(run=run, workers=workers)
        observer = ProgressObserver(ProgressLine(io.StringIO()), lambda: session.problems)
        agent = build_agent(session, env, observer, folder=Path(folder))
        agent.init_tensors()
        observer.after_init(agent)
        rates, fractions = _time_rounds(clock, make_stages(run, env, agent, recording), rounds)
        agent.writer.close()
    device = env.task.engine.device
    report = Report(
        task=config.task.name,
        num_envs=env.num_envs,
        processes=workers.size,
        device=str(device),
        learner_device=config.rl_device,
        num_threads=config.num_threads or os.cpu_count() or 1,
        torch_threads=torch.get_num_threads(),
        seed=config.seed,
        date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        machine=machine(),
        versions=versions(),
        stages=stage_results(rates),
        physics_replayed=recording.physics is not None,
        physics_fraction=statistics.median(fractions) if device.type == "cpu" and min(fractions) > 0 else None,
        startup_seconds=startup,
        peak_memory_bytes=peak_memory(),
        gpu_memory_bytes=gpu_memory(device),
    )
    for line in ProblemReport().new_lines(env.problems()):
        _log.warning(line)
    env.close()
    return report


def _settle(clock: Clock, actions: torch.Tensor) -> int:
    """Settle the simulation; return how many of the actions ``(steps, N, num_actions)`` fit in a round, at least 2."""
    env, ring = clock.env, itertools.cycle(actions)
    for _ in range(SETTLING_STEPS):
        env.step(next(ring))
    step = Stage(begin=env.reset, repeat=lambda: env.step(next(ring)), frames=env.num_envs)
    return max(2, min(len(actions), round(ROUND_SECONDS / (time_stage(clock, step, 4) / 4))))


def _time_rounds(
    clock: Clock, stages: dict[str, Stage], rounds: int | None
) -> tuple[dict[str, list[float]], list[float]]:
    """Return environment steps per second of all processes, by stage and round, and fractions of physics in them."""
    env, workers = clock.env, clock.workers
    repetitions: dict[str, int] = {}
    turns: dict[str, int] = {}
    expected = 0.0
    for name, stage in stages.items():
        if workers.rank == 0:
            _log.info("warming up: %s", name)
        repetitions[name], seconds = calibrate(clock, stage, lambda: _check_finite(_state(env)))
        turns[name] = rounds or max(1, min(ROUNDS, int(STAGE_SECONDS / seconds)))
        expected += turns[name] * seconds * (2 if name == "environment" else 1)  # see physics_fraction
    if workers.rank == 0:
        _log.info("timing: about %.0f s%s", expected, _skipped_rounds(turns))
    rates: dict[str, list[float]] = {name: [] for name in stages}
    fractions: list[float] = []
    for turn in range(max(turns.values())):
        for name, stage in stages.items():
            if turn >= turns[name]:
                continue
            stage.begin()
            before = _state(env) if name == "physics" else {}
            seconds = time_stage(clock, stage, repetitions[name])
            rates[name].append(repetitions[name] * stage.frames * workers.size / seconds)
            if name == "physics":
                _check_moved(before, _state(env))
            if name == "environment":
                fractions.append(physics_fraction(clock, stage, repetitions[name]))
    _check_finite(_state(env))
    return rates, fractions


def _skipped_rounds(turns: dict[str, int]) -> str:
    """Say which stages do not take part in all rounds, and in how many they do."""
    rounds = max(turns.values())
    fewer = [f"{name} in {count} of {rounds} rounds" for name, count in turns.items() if count < rounds]
    return f"; {', '.join(fewer)}" if fewer else ""


def _state(env: VecEnv) -> dict[str, torch.Tensor]:
    """Return the floating-point tensors of the engine's state by path."""
    tensors: dict[str, torch.Tensor] = {}

    def collect(path: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                collect(f"{path}.{key}", item)
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            tensors[path] = value.clone()

    collect("engine", env.task.engine.state_dict())
    return tensors


def _check_finite(state: dict[str, torch.Tensor]) -> None:
    """Raise OigeError unless the state is finite, except for the maximum efforts of drives without a limit."""
    for path, tensor in state.items():
        if not torch.isfinite(tensor).all() and not path.endswith(".max_efforts"):
            raise OigeError(f"the simulation diverged ({path} is not finite), so its speed is meaningless.")


def _check_moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    """Raise OigeError unless the state is finite and has changed."""
    _check_finite(after)
    if all(torch.equal(before[path], after[path]) for path in before):
        raise OigeError("the simulation stands still, so its speed is meaningless.")
