"""What a benchmark times: physics, environment steps, policy inference and learning of one environment."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from oige_core import VecEnv
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.replay import PhysicsReplay

from oige_train.config import Run
from oige_train.policy import build_policy

__all__ = ["Recording", "Stage", "make_stages", "record"]


@dataclass(frozen=True)
class Stage:
    """One way of running the task, and how to time it.

    Attributes:
        begin: called before a round.
        repeat: what is timed.
        frames: environment steps in one call of ``repeat``.
        rewind: called before each repetition, not timed; None: nothing, and repetitions follow each other without
            synchronisation.
    """

    begin: Callable[[], Any]
    repeat: Callable[[], Any]
    frames: int
    rewind: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Recording:
    """Control steps with random actions that can be repeated.

    Attributes:
        env: the environment.
        start: its state before the steps.
        actions: ``(steps, N, num_actions)``.
        physics: their physics; None where physics is not a call of its own.
    """

    env: VecEnv
    start: dict[str, Any]
    actions: torch.Tensor
    physics: PhysicsReplay | None

    def rewind(self) -> None:
        """Put the environment back to where the steps begin."""
        self.env.load_state_dict(self.start)

    def run(self) -> None:
        """Take the steps."""
        for action in self.actions:
            self.env.step(action)


def record(env: VecEnv, actions: torch.Tensor) -> Recording:
    """Return the recording of the next control steps.

    Args:
        env: the environment, which is stepped.
        actions: ``(steps, N, num_actions)``.
    """
    recording = Recording(env, env.state_dict(), actions, physics=None)
    engine = env.task.engine
    if isinstance(engine, MujocoEngine):
        physics = PhysicsReplay(engine, recording.run)
        if physics.calls:
            return dataclasses.replace(recording, physics=physics)
    return recording


def make_stages(run: Run, env: VecEnv, agent: Any, recording: Recording) -> dict[str, Stage]:
    """Return the stages by name, physics first.

    Args:
        run: the checked run.
        env: the environment.
        agent: the agent that learns in it.
        recording: the control steps that physics and environment repeat.
    """
    engine, substeps = env.task.engine, env.task.control_frequency_inv
    policy = build_policy(run, agent.vec_env.get_env_info(), run.config.rl_device, env.num_envs)
    observations: dict[str, torch.Tensor] = {}
    frames = env.num_envs * len(recording.actions)
    physics = Stage(begin=env.reset, repeat=lambda: engine.step(substeps), frames=env.num_envs)
    if recording.physics is not None:
        physics = Stage(begin=recording.physics.rewind, repeat=recording.physics.play, frames=frames)

    def play_reset() -> None:
        observations["obs"] = agent.vec_env.reset()["obs"]

    def play_step() -> None:
        out, _, done, _ = agent.vec_env.step(policy.act(observations["obs"], deterministic=False))
        policy.reset_hidden_state(done)
        observations["obs"] = out["obs"]

    def learn_reset() -> None:
        agent.obs = agent.env_reset()

    return {
        "physics": physics,
        "environment": Stage(recording.rewind, recording.run, frames, rewind=recording.rewind),
        "policy inference": Stage(play_reset, play_step, env.num_envs),
        "learning": Stage(learn_reset, agent.run_epoch, agent.frames_per_epoch()),
    }
