"""Play shipped policies on MuJoCo's C engine and on real PhysX, and compare their returns.

    uv run --group isaacsim python tools/isaacsim_policies.py [Task …] [--worlds 32] [--steps 1000] [--json FILE]

PhysX runs on the CPU through ovphysx, without Isaac Sim. Each world plays its first episode, or the first ``--steps``
control steps of it. The printed table has, for each task, the mean return on both engines, their quotient, and how many
episodes ended early.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from oige_core.envs import VecEnv
from oige_core.registry import find_task, installed_tasks, load_spec, load_task_class
from oige_core.testing import make_engine_on
from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.pretrained import policy_files
from oige_train.torch_setup import configure_torch

ENGINES = {"mujoco": "c", "physx": "physx"}
NEED_CAMERAS = ("CartpoleCamera",)


def main() -> int:
    """Play the policies of the given tasks, or of all, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--worlds", type=int, default=32)
    parser.add_argument("--steps", type=int, default=1000, help="at most this many control steps of each episode")
    parser.add_argument("--json", type=Path, help="file to which results are added")
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.engine:
        print(json.dumps(play(given.tasks[0], given.engine, given.worlds, given.steps)))
        return 0
    tasks = given.tasks or [name for name in installed_tasks() if has_policy(name)]
    results: dict[str, Any] = json.loads(given.json.read_text()) if given.json and given.json.exists() else {}
    print("| task | MuJoCo | PhysX | fraction | ended early (MuJoCo, PhysX) |\n|---|---|---|---|---|")
    for task in tasks:
        results[task] = {engine: in_process(task, engine, given.worlds, given.steps) for engine in ENGINES}
        print(row(task, results[task]), flush=True)
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def has_policy(task: str) -> bool:
    """Return whether a task has a policy that needs no images."""
    return task not in NEED_CAMERAS and policy_files(installed_tasks()[task])[0].exists()


def in_process(task: str, engine: str, worlds: int, steps: int) -> dict[str, Any]:
    """Return the result of :func:`play` in another process, or its last line of output as ``error``."""
    command = [sys.executable, __file__, task, "--worlds", str(worlds), "--steps", str(steps), "--engine", engine]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        return {"error": (ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1]}
    return json.loads(ran.stdout.splitlines()[-1])


def row(task: str, result: dict[str, Any]) -> str:
    """Return a row of the table."""
    ours, theirs = result["mujoco"], result["physx"]
    if "error" in ours or "error" in theirs:
        return f"| {task} | {ours.get('error', ours.get('return'))} | {theirs.get('error', theirs.get('return'))} | | |"
    fraction = theirs["return"] / ours["return"] if ours["return"] else float("nan")
    return (
        f"| {task} | {ours['return']:.1f} | {theirs['return']:.1f} | {fraction:.2f} | "
        f"{ours['ended']}, {theirs['ended']} of {ours['worlds']} |"
    )


def play(task: str, engine: str, worlds: int, steps: int) -> dict[str, Any]:
    """Return the mean return of the first episodes of a shipped policy, and how many of them ended.

    Args:
        task: name of the task.
        engine: a key of ``ENGINES``.
        worlds: number of worlds.
        steps: at most this many control steps.
    """
    # The configuration is that of MuJoCo; only the engine differs.
    arguments = [f"task={task}", "test=True", "checkpoint=pretrained", f"num_envs={worlds}", "sim_device=cpu"]
    run = checked_run([*arguments, "pipeline=cpu", "rl_device=cpu", "seed=42"])
    configure_torch(run)
    spec = load_spec(find_task(task))
    made = make_engine_on(ENGINES[engine], worlds)
    env = VecEnv(load_task_class(spec, warp=False)(run.config, spec, made))
    try:
        return play_in(run, env, steps)
    finally:
        env.close()


def play_in(run: Run, env: VecEnv, steps: int) -> dict[str, Any]:
    """Play in an environment; see :func:`play`."""
    adapter = RlGamesEnv(env, "cpu", upstream=run.config.task.env.compat == "upstream")
    policy = load_policy(run, adapter)
    observations = adapter.reset()["obs"]
    returns, playing = torch.zeros(env.num_envs), torch.ones(env.num_envs, dtype=torch.bool)
    ended, taken = 0, 0
    while taken < steps and bool(playing.any()):
        actions = policy.act(observations, deterministic=True)
        out, rewards, done, _ = adapter.step(actions)
        observations = out["obs"]
        returns += rewards * playing
        taken += 1
        ended += int((done & playing).sum()) if taken < env.task.max_episode_length - 1 else 0
        playing &= ~done
        policy.reset_hidden_state(done)
    return {
        "return": float(returns.mean()),
        "ended": ended,
        "worlds": env.num_envs,
        "steps": taken,
        "problems": env.problems(),
    }


if __name__ == "__main__":
    sys.exit(main())
