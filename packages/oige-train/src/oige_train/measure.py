"""Measures how fast a task is simulated, stepped, played and learned."""

import dataclasses
import datetime
import importlib.metadata
import itertools
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from oige_core import VecEnv, make_env
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.replay import PhysicsReplay
from oige_core.errors import OigeError
from oige_core.problems import ProblemReport

from oige_train.config import Run
from oige_train.learner.agent import Session
from oige_train.learner.distributed import Workers
from oige_train.learner.rl_games import AlgoObserver
from oige_train.play import Policy
from oige_train.runner import build_agent, prepare

__all__ = ["Report", "Stage", "measure"]

#: Least time that a stage is timed for in one round, in seconds.
ROUND_SECONDS = 0.4
#: Rounds in which stages take turns, and the part of a stage in them, in seconds, after which it sits out the rest.
ROUNDS, STAGE_SECONDS = 7, 30.0
#: A repetition that takes longer warms its stage up by itself, in seconds.
LONG_SECONDS = 5.0
#: Control steps before anything is timed, in which robots fall to the ground and the first episodes end.
SETTLING_STEPS = 50
#: At most so many control steps are repeated.
MAX_STEPS = 32
PACKAGES = ("oige-core", "oige-train", "mujoco", "mujoco-warp", "warp-lang", "torch", "rl-games", "numpy")


@dataclass(frozen=True)
class Stage:
    """What was measured of one way of running the task.

    Attributes:
        name: what was run.
        rates: environment steps per second in each round that the stage took part in.
        rate: their median.
        ratio: median over these rounds of this rate to that of physics alone.
    """

    name: str
    rates: list[float]
    rate: float
    ratio: float


@dataclass(frozen=True)
class Report:
    """Outcome of :func:`measure`.

    Attributes:
        stages: physics, environment, policy inference, learning. The first two repeat the same control steps with
            random actions, physics alone and all of them; the others have actions of their own.
        physics_replayed: whether that is so. Where a step is one graph, as those of Warp variants on CUDA are, physics
            is that of robots that nothing drives, which may be dearer or cheaper.
        physics_share: part of the time of an environment step that its own physics takes; the rest is overhead. None on
            a GPU, whose work is not waited for, and where physics is no call of its own.
        startup_seconds: from the start of the process to the end of the first environment step.
        peak_memory_bytes: largest resident size of the process; None where the system does not tell.
        gpu_memory_bytes: memory in use on the GPU at the end; None on the CPU.
    """

    task: str
    num_envs: int
    device: str
    learner_device: str
    num_threads: int
    torch_threads: int
    seed: int
    date: str
    machine: dict[str, Any]
    versions: dict[str, str]
    stages: list[Stage]
    physics_replayed: bool
    physics_share: float | None
    startup_seconds: float
    peak_memory_bytes: int | None
    gpu_memory_bytes: int | None

    def text(self) -> str:
        """Return the figures as a table."""
        lines = [f"{self.task}, {self.num_envs} envs, {self.device}, learner on {self.learner_device}"]
        lines.append(f"{'':18}{'env-steps/s':>14}{'of physics':>12}{'rounds from':>14}{'to':>12}")
        for stage in self.stages:
            low, high = min(stage.rates), max(stage.rates)
            lines.append(f"{stage.name:18}{stage.rate:>14,.0f}{stage.ratio:>12.3f}{low:>14,.0f}{high:>12,.0f}")
        if not self.physics_replayed:
            lines.append("physics is measured on undriven robots")
        if self.physics_share is not None:
            lines.append(f"physics takes {self.physics_share:.3f} of an environment step")
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


def measure(run: Run, *, rounds: int | None, started: float, say: Callable[[str], object]) -> Report:
    """Measure a run.

    Args:
        run: the checked run; what it would save is not saved.
        rounds: how often the stages take turns; None: :data:`ROUNDS`, but stages that take long sit out some.
        started: when the process was started, in seconds since 1970.
        say: is told, in a line each, what is being done and how long it will take.

    Raises:
        OigeError: the simulation stands still or diverged, so that its speed means nothing.
    """
    config = run.config
    prepare(run)
    learner = config.train.params.config
    learner.save_frequency, learner.max_epochs, learner.max_frames = 0, -1, -1
    env = make_env(config)
    generator = torch.Generator(env.device).manual_seed(config.seed)
    shape = (MAX_STEPS, env.num_envs, run.spec.num_actions)
    actions = torch.rand(shape, generator=generator, device=env.device) * 2.0 - 1.0
    env.reset()
    env.step(actions[0])
    _synchronise(env)
    startup = time.time() - started
    recording = _record(env, actions)

    with tempfile.TemporaryDirectory() as folder:
        session = Session(run=run, workers=Workers())
        agent = build_agent(session, env, AlgoObserver(), folder=Path(folder), writes=False)
        agent.init_tensors()
        stages = _stages(run, env, agent, recording)
        chunks: dict[str, int] = {}
        turns: dict[str, int] = {}
        expected = 0.0
        for name, stage in stages.items():
            say(f"warming up: {name}")
            chunks[name], seconds = _calibrate(env, stage)
            turns[name] = rounds or max(1, min(ROUNDS, int(STAGE_SECONDS / seconds)))
            expected += turns[name] * seconds * (2 if name == "environment" else 1)  # whose physics is timed by itself
        say(f"timing: about {expected:.0f} s" + _sitting_out(turns))
        rates: dict[str, list[float]] = {name: [] for name in stages}
        shares: list[float] = []
        for turn in range(max(turns.values())):
            for name, stage in stages.items():
                if turn >= turns[name]:
                    continue
                stage.begin()
                before = _state(env) if name == "physics" else {}
                seconds = _time(env, stage, chunks[name])
                rates[name].append(chunks[name] * stage.frames / seconds)
                if name == "physics":
                    _check_alive(before, _state(env))
                if name == "environment":
                    shares.append(_physics_share(env, stage, chunks[name]))
        _check_finite(_state(env))
        agent.writer.close()

    physics = rates["physics"]
    report = Report(
        task=config.task.name,
        num_envs=env.num_envs,
        device=str(env.task.engine.device),
        learner_device=config.rl_device,
        num_threads=config.num_threads or os.cpu_count() or 1,
        torch_threads=torch.get_num_threads(),
        seed=config.seed,
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        machine=_machine(),
        versions={name: importlib.metadata.version(name) for name in PACKAGES} | {"python": platform.python_version()},
        stages=[
            Stage(
                name=name,
                rates=values,
                rate=statistics.median(values),
                ratio=statistics.median(value / alone for value, alone in zip(values, physics, strict=False)),
            )
            for name, values in rates.items()
        ],
        physics_replayed=recording.physics is not None,
        physics_share=statistics.median(shares) if env.task.engine.device.type == "cpu" and min(shares) > 0 else None,
        startup_seconds=startup,
        peak_memory_bytes=_peak_memory(),
        gpu_memory_bytes=_gpu_memory(env),
    )
    for line in ProblemReport().new_lines(env.problems()):
        say(line)
    env.close()
    return report


@dataclass(frozen=True)
class _Timed:
    """How to time a stage.

    Attributes:
        begin: to be done before a round.
        repeat: what is timed.
        frames: environment steps that this is.
        rewind: to be done before each repetition, not timed; None: nothing, and repetitions follow each other unwaited.
    """

    begin: Callable[[], Any]
    repeat: Callable[[], Any]
    frames: int
    rewind: Callable[[], Any] | None = None


@dataclass(frozen=True)
class _Recording:
    """Some control steps with random actions.

    Attributes:
        env: whose steps.
        start: its state before them.
        actions: ``(steps, N, num_actions)``.
        physics: their physics; None where that is no call of its own.
    """

    env: VecEnv
    start: dict[str, Any]
    actions: torch.Tensor
    physics: PhysicsReplay | None

    def rewind(self) -> None:
        """Put the environment back to where the steps begin."""
        self.env.load_state_dict(self.start)

    def run(self) -> None:
        """Make the steps."""
        for action in self.actions:
            self.env.step(action)


def _record(env: VecEnv, actions: torch.Tensor) -> _Recording:
    """Let the simulation settle, then record as many of the actions ``(steps, N, num_actions)`` as fit in a round."""
    ring = itertools.cycle(actions)
    for _ in range(SETTLING_STEPS):
        env.step(next(ring))
    seconds = _time(env, _Timed(begin=env.reset, repeat=lambda: env.step(next(ring)), frames=env.num_envs), 4) / 4
    actions = actions[: max(2, min(len(actions), round(ROUND_SECONDS / seconds)))]
    start, engine = env.state_dict(), env.task.engine
    recording = _Recording(env, start, actions, physics=None)
    if isinstance(engine, MujocoEngine):
        physics = PhysicsReplay(engine, recording.run)
        if physics.calls:
            return dataclasses.replace(recording, physics=physics)
    return recording


def _stages(run: Run, env: VecEnv, agent: Any, recording: _Recording) -> dict[str, _Timed]:
    engine, substeps = env.task.engine, env.task.control_frequency_inv
    policy = Policy(run, agent.vec_env.get_env_info(), run.config.rl_device, env.num_envs)
    observations: dict[str, torch.Tensor] = {}
    frames = env.num_envs * len(recording.actions)
    physics = _Timed(begin=env.reset, repeat=lambda: engine.step(substeps), frames=env.num_envs)
    if recording.physics is not None:
        physics = _Timed(begin=recording.physics.rewind, repeat=recording.physics.play, frames=frames)

    def play_reset() -> None:
        observations["obs"] = agent.vec_env.reset()["obs"]

    def play_step() -> None:
        out, _, done, _ = agent.vec_env.step(policy.act(observations["obs"], deterministic=False))
        policy.forget(done)
        observations["obs"] = out["obs"]

    def learn_reset() -> None:
        agent.obs = agent.env_reset()

    def learn_epoch() -> None:
        agent.epoch_num += 1
        agent.train_epoch()

    return {
        "physics": physics,
        "environment": _Timed(recording.rewind, recording.run, frames, rewind=recording.rewind),
        "policy inference": _Timed(play_reset, play_step, env.num_envs),
        "learning": _Timed(learn_reset, learn_epoch, agent.frames_per_epoch()),
    }


def _calibrate(env: VecEnv, stage: _Timed) -> tuple[int, float]:
    """Warm a stage up; return how many repetitions of it take about :data:`ROUND_SECONDS`, and how long they take."""
    stage.begin()
    seconds = _time(env, stage, 1)
    _check_finite(_state(env))
    if seconds > LONG_SECONDS:
        return 1, seconds
    _time(env, stage, 1)
    repetitions = 1
    while (seconds := _time(env, stage, repetitions)) < ROUND_SECONDS / 4:
        repetitions *= 2
    count = max(1, round(repetitions * ROUND_SECONDS / seconds))
    return count, count * seconds / repetitions


def _sitting_out(turns: dict[str, int]) -> str:
    """Say which stages do not take part in all rounds, and in how many they do."""
    rounds = max(turns.values())
    fewer = [f"{name} in {count} of {rounds} rounds" for name, count in turns.items() if count < rounds]
    return f"; {', '.join(fewer)}" if fewer else ""


def _time(env: VecEnv, stage: _Timed, repetitions: int) -> float:
    if stage.rewind is None:
        return _seconds(env, stage.repeat, repetitions)
    total = 0.0
    for _ in range(repetitions):
        stage.rewind()
        total += _seconds(env, stage.repeat, 1)
    return total


def _seconds(env: VecEnv, work: Callable[[], Any], repetitions: int) -> float:
    _synchronise(env)
    start = time.perf_counter()
    for _ in range(repetitions):
        work()
    _synchronise(env)
    return time.perf_counter() - start


def _physics_share(env: VecEnv, stage: _Timed, repetitions: int) -> float:
    """Return the part of the time of environment steps that is spent in the engine's."""
    engine, engine_step = env.task.engine, env.task.engine.step
    spent = 0.0

    def timed(n_substeps: int = 1) -> None:
        nonlocal spent
        start = time.perf_counter()
        engine_step(n_substeps)
        spent += time.perf_counter() - start

    engine.step = timed  # type: ignore[method-assign]
    try:
        total = _time(env, stage, repetitions)
        return spent / total
    finally:
        del engine.step  # the method shows again


def _synchronise(env: VecEnv) -> None:
    if env.task.engine.device.type == "cuda":
        torch.cuda.synchronize(env.task.engine.device)


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
    for path, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise OigeError(f"the simulation diverged ({path} is not finite); its speed means nothing.")


def _check_alive(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> None:
    """Raise unless the state is finite and has changed."""
    _check_finite(after)
    if all(torch.equal(before[path], after[path]) for path in before):
        raise OigeError("the simulation stands still; its speed means nothing.")


def _peak_memory() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts in bytes, Linux in KiB


def _gpu_memory(env: VecEnv) -> int | None:
    if env.task.engine.device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(env.task.engine.device)
    return total - free


def _machine() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"system": platform.platform(), "cpu": model, "cores": os.cpu_count(), "gpus": gpus}
