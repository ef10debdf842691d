"""Checks that play and train tasks."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from oige_core import VecEnv, installed_tasks, make_env
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.registry import find_task, load_spec, load_task_class
from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.pretrained import policy_files
from oige_train.runner import execute
from oige_train.supervisor import Supervisor

from oige_extension.checks.outcomes import CheckFailedError
from oige_extension.checks.session import NUM_ENVS, Check, Session

__all__ = ["task_checks"]

STEPS = 100
EPOCHS = 10
TRAINED = "Cartpole"


def task_checks() -> dict[str, Check]:
    """Return the checks by name: every installed task, and a training."""

    def check(task: str) -> Check:
        def play(session: Session) -> str:
            return _play(session, task)

        play.__doc__ = f"{STEPS} steps with the shipped policy, or random actions without one"
        return play

    return {f"task.{task}": check(task) for task in installed_tasks()} | {f"train.{TRAINED}": _train}


def _resolve(session: Session, task: str, *more: str) -> Run:
    """Return the checked run of a task in Isaac Sim."""
    arguments = [f"task={task}", "physics_engine=isaacsim", "headless=True", *more]
    if session.device == "cpu":
        return checked_run([*arguments, "sim_device=cpu", "rl_device=cpu"])
    index = session.device.partition(":")[2] or "0"
    return checked_run([*arguments, "sim_device=gpu", f"device_id={index}", f"rl_device=cuda:{index}"])


@contextlib.contextmanager
def _environment(session: Session, run: Run) -> Iterator[VecEnv]:
    """Provide the environment of a run."""
    if session.is_isaac_sim:
        env = make_env(run.config)
    else:
        settings = run.config.task.env
        engine = IsaacSimEngine(settings.numEnvs, session.create_host(), settings.envSpacing)
        spec = load_spec(find_task(run.config.task.name))
        try:
            env = VecEnv(load_task_class(spec, warp=False)(run.config, spec, engine))
        except BaseException:
            engine.close()
            raise
    try:
        yield env
    finally:
        env.close()


def _play(session: Session, task: str) -> str:
    ships = policy_files(find_task(task))[0].is_file()
    run = _resolve(session, task, f"num_envs={NUM_ENVS}", *(["test=True", "checkpoint=pretrained"] if ships else []))
    torch.manual_seed(0)
    with _environment(session, run) as env:
        adapter = RlGamesEnv(env, run.config.rl_device, upstream=run.config.task.env.compat == "upstream")
        policy = load_policy(run, adapter) if ships else None
        observations, mean, ended = adapter.reset()["obs"], 0.0, 0
        for step in range(STEPS):
            if policy is None:
                actions = torch.rand(NUM_ENVS, run.spec.num_actions, device=run.config.rl_device) * 2.0 - 1.0
            else:
                actions = policy.act(observations, deterministic=True)
            out, rewards, done, _ = adapter.step(actions)
            observations = out["obs"]
            if policy is not None:
                policy.reset_hidden_state(done)
            if not (torch.isfinite(observations.float()).all() and torch.isfinite(rewards).all()):
                raise CheckFailedError(f"an observation or a reward is not finite in step {step}")
            mean += float(rewards.mean()) / STEPS
            ended += int(done.sum())
        problems = [f"{kind} in {count} worlds" for kind, count in env.problems().items() if count]
    if problems:
        raise CheckFailedError(", ".join(problems))
    return (
        f"{'shipped policy' if ships else 'random actions'}: mean reward of a step {mean:.4g}, {ended} episodes ended"
    )


def _train(session: Session) -> str:
    """Ten epochs of training write a checkpoint."""

    class Worlds(Supervisor):
        @contextlib.contextmanager
        def environment(self, run: Any) -> Iterator[Any]:
            with _environment(session, run) as env:
                yield env

    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="oige-check-") as folder:
        os.chdir(folder)  # for the folder of runs
        try:
            code = execute(_resolve(session, TRAINED, "num_envs=64", f"max_iterations={EPOCHS}"), [], Worlds())
        finally:
            os.chdir(before)
        checkpoints = sorted(path.name for path in Path(folder).rglob("*.pth"))
    if code or not checkpoints:
        raise CheckFailedError(f"exit code {code}, checkpoints: {', '.join(checkpoints) or 'none'}")
    return f"{EPOCHS} epochs; checkpoints: {', '.join(checkpoints)}"
