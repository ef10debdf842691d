"""Measure where the time goes from the command to the first learning update.

    uv run python tools/startup_profile.py [--repeat N] [--json FILE] [task=Cartpole num_envs=512 …]

Each repetition is a new process that runs the steps of ``oige-train`` in order and records the time of each. The
program prints the median of each step over the repetitions, without the first one, which warms the file cache.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oige_train.cli.common import run_cli

CHILD = "--child"


class FirstUpdateDoneError(Exception):
    """Raised when the first gradient step is done."""


def child(started: float, overrides: list[str]) -> dict[str, float]:
    """Run the steps of ``oige-train`` and return the seconds of each by name."""
    seconds: dict[str, float] = {}
    last = started

    def stamp(name: str) -> None:
        nonlocal last
        now = time.time()
        seconds[name] = now - last
        last = now

    stamp("start of Python")

    stamp("import Hydra and schemas")
    from oige_train.cli.common import checked_run

    run = checked_run(overrides)
    stamp("compose and check configuration")
    import torch  # noqa: F401

    stamp("import torch")
    from oige_train.learner import rl_games_shim

    rl_games_shim.install()

    stamp("import rl_games")
    from oige_core import make_env

    stamp("import engine and environment")
    from oige_train.console import ProgressLine
    from oige_train.learner.agent import Session
    from oige_train.learner.build import build_agent
    from oige_train.learner.distributed import Workers
    from oige_train.learner.progress import ProgressObserver
    from oige_train.torch_setup import configure_torch

    stamp("import trainer")
    configure_torch(run)
    env = make_env(run.config)
    stamp("build worlds")
    session = Session(run=run, workers=Workers())
    agent = build_agent(session, env, ProgressObserver(ProgressLine()), folder=Path(tempfile.mkdtemp()))
    stamp("build agent")
    _stamp_after(agent, "env_reset", lambda: stamp("reset worlds"))
    _stamp_after(agent, "prepare_dataset", lambda: stamp("first rollout"))

    def first_update() -> None:
        stamp("first gradient step")
        raise FirstUpdateDoneError

    _stamp_after(agent, "train_actor_critic", first_update)
    try:
        agent.train()
    except FirstUpdateDoneError:
        env.close()
    return seconds


def _stamp_after(agent: Any, name: str, stamp: Callable[[], None]) -> None:
    method = getattr(agent, name)

    def stamped(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        stamp()
        return result

    setattr(agent, name, stamped)


def main(argv: list[str]) -> None:
    """Run the repetitions, or one of them in the child process."""
    if CHILD in sys.argv:
        started = float(os.environ["STARTED"])
        print(json.dumps(child(started, sys.argv[sys.argv.index(CHILD) + 1 :])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json")
    options, overrides = parser.parse_known_args(argv)
    runs: list[dict[str, float]] = []
    for _ in range(options.repeat + 1):
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.run(
                [sys.executable, os.path.abspath(__file__), CHILD, *overrides],  # noqa: PTH100
                cwd=folder,
                env=os.environ | {"STARTED": repr(time.time())},
                stdout=subprocess.PIPE,
                text=True,
                check=False,
            )
        if process.returncode:  # it has said why
            sys.exit(process.returncode)
        runs.append(json.loads(process.stdout))
    medians = {name: statistics.median(run[name] for run in runs[1:]) for name in runs[0]}
    medians["total"] = statistics.median(sum(run.values()) for run in runs[1:])
    for name, value in medians.items():
        print(f"{name:34}{value:7.2f} s")
    if options.json:
        with open(options.json, "w") as stream:  # noqa: PTH123
            json.dump({"overrides": overrides, "medians": medians, "runs": runs[1:]}, stream, indent=2)


if __name__ == "__main__":
    run_cli(main)
