"""Compare the speed of unmodified task files of OmniIsaacGymEnvs with that of the tasks of this project.

    uv run python tools/compat_speed.py CHECKOUT [Task …] [--worlds N] [--steps N] [--rounds N]

CHECKOUT is a checkout of OmniIsaacGymEnvs, outside of this repository. Two processes hold the worlds: one runs the
original's script through oige-compat, the other one the task of this project with ``task.env.compat=upstream``. They
step in turn, ``--steps`` control steps each with the same random actions, so that other programs on the machine slow
both. Policies and learners do not run. The table has medians over the rounds, and the ratio of each pair of rounds as
its median and its quartiles.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_train.cli.common import run_cli

SCRIPT = Path("omniisaacgymenvs/scripts/rlgames_train.py")
TASKS = ("Cartpole", "Ant", "Humanoid", "Anymal")
SIDES = ("original", "own")
READY = "compat_speed: "
DEVICES = [f"{key}=cpu" for key in ("pipeline", "sim_device", "rl_device")]


def main(argv: list[str]) -> None:
    given = arguments(argv)
    if given.side:
        {"original": serve_original, "own": serve_own}[given.side](given)
        return
    if not (given.checkout / SCRIPT).is_file():
        raise ConfigError(f"{given.checkout}: expected a checkout of OmniIsaacGymEnvs, which contains {SCRIPT}.")
    print("| task | original's file (steps/s) | own task (steps/s) | ratio |\n|---|---|---|---|", flush=True)
    for task in given.tasks or TASKS:
        print(row(task, compare(given, task), given.worlds * given.steps), flush=True)


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--worlds", type=int, default=4096, help="number of worlds (%(default)s)")
    parser.add_argument("--steps", type=int, default=10, help="control steps of a round (%(default)s)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each side (%(default)s)")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def compare(given: argparse.Namespace, task: str) -> dict[str, list[float]]:
    """Return seconds of each round by side.

    Raises:
        ConfigError: a process failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        workers = {}
        for side in SIDES:
            command = [sys.executable, __file__, str(given.checkout.resolve()), task, f"--side={side}"]
            command += [f"--{key}={getattr(given, key)}" for key in ("worlds", "steps", "rounds")]
            log = Path(folder) / f"{side}.log"
            workers[side] = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log.open("w"),
                text=True,
                cwd=folder,
                env={**os.environ, "HYDRA_FULL_ERROR": "1"},
            )
        try:
            for side in SIDES:
                answer(workers[side], task, side, Path(folder))  # after a first round, which is not counted
            times: dict[str, list[float]] = {side: [] for side in SIDES}
            for _ in range(given.rounds):
                for side in SIDES:
                    stdin = workers[side].stdin
                    assert stdin is not None
                    print(flush=True, file=stdin)
                    times[side].append(answer(workers[side], task, side, Path(folder)))
            return times
        finally:
            for worker in workers.values():
                worker.kill()
                worker.wait()


def answer(worker: "subprocess.Popen[str]", task: str, side: str, folder: Path) -> float:
    """Return the seconds that a process took for a round."""
    assert worker.stdout is not None
    for line in worker.stdout:
        if line.startswith(READY):
            return float(line.removeprefix(READY))
    lines = (folder / f"{side}.log").read_text().strip().splitlines() or ["the process ended"]
    raise ConfigError(f"{task}, {side}: {lines[-1]}")


def row(task: str, times: dict[str, list[float]], steps: int) -> str:
    """Return a row of the table."""
    rates = {side: [steps / seconds for seconds in times[side]] for side in SIDES}
    ratios = [original / own for original, own in zip(*(rates[side] for side in SIDES), strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    original, own = (f"{statistics.median(rates[side]):,.0f}" for side in SIDES)
    return f"| {task} | {original} | {own} | {middle:.2f} ({low:.2f} to {high:.2f}) |"


def serve(step: Callable[[Any], Any], worlds: int, actions: int, given: argparse.Namespace) -> None:
    """Step a round for each line of the input, and print how long it took."""
    import torch

    generator = torch.Generator().manual_seed(0)
    while True:
        drawn = [2.0 * torch.rand(worlds, actions, generator=generator) - 1.0 for _ in range(given.steps)]
        began = time.perf_counter()
        for each in drawn:
            step(each)
        print(f"{READY}{time.perf_counter() - began}", flush=True)
        if not sys.stdin.readline():
            return


def serve_original(given: argparse.Namespace) -> None:
    """Step the original's task."""
    from oige_compat.imports import install

    install()
    from oige_compat.run import run
    from rl_games.torch_runner import Runner

    def play(runner: Any, _: Any) -> None:
        from rl_games.common import vecenv

        env = vecenv.create_vec_env("rlgpu", given.worlds)
        env.reset()
        serve(env.step, given.worlds, env.env.action_space.shape[0], given)

    Runner.run = play  # pyright: ignore[reportAttributeAccessIssue]
    run(
        [str(given.checkout / SCRIPT), f"task={given.tasks[0]}", f"num_envs={given.worlds}", "seed=42", *DEVICES],
    )


def serve_own(given: argparse.Namespace) -> None:
    """Step the task of this project."""
    from oige_core.envs import make_env
    from oige_train.cli.common import checked_run
    from oige_train.play import make_adapter
    from oige_train.torch_setup import configure_torch

    settings = [f"task={given.tasks[0]}", "task.env.compat=upstream", f"num_envs={given.worlds}", "seed=42", *DEVICES]
    run = checked_run(settings)
    configure_torch(run)
    env = make_env(run.config)
    adapter = make_adapter(run, env)
    adapter.reset()
    serve(adapter.step, given.worlds, env.task.spec.num_actions, given)


if __name__ == "__main__":
    run_cli(main)
