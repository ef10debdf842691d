"""Compare the CPU time of PPO in rl_games alone and in oige-train, on an environment that costs nothing.

    uv run python tools/learner_overhead.py --envs 512 4096 --json learner_overhead.json

Two processes train with the settings of AntPPO, one with the agent of rl_games as released, one with that of
oige-train. Their environment returns prepared tensors of Ant's sizes. The processes take turns epoch by epoch, with one
thread each, in the training loop of rl_games, so that summaries count as well. The table gives the median CPU time of
an epoch, and the median and the quartiles of the ratio over pairs of epochs.
"""

import argparse
import contextlib
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from oige_core.errors import OigeError
from oige_train.benchmark.report import versions
from oige_train.cli.common import checked_run, run_cli
from oige_train.console import ProgressLine
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.params import rl_games_params
from oige_train.learner.progress import ProgressObserver
from oige_train.machine import machine
from oige_train.torch_setup import configure_torch

LEARNERS = ("rl_games", "oige-train")
PARTS = ("rollout", "update", "epoch")
OBSERVATIONS, ACTIONS = 60, 8  # of Ant
TABLE = 32  # steps after which the prepared tensors repeat
EPISODE = 100  # control steps after which worlds are truncated
WARM_UP = 2  # epochs that are not counted


class PreparedWorlds:
    """Worlds whose observations and rewards are prepared, and whose episodes end after a fixed number of steps."""

    def __init__(self, num_envs: int) -> None:
        generator = torch.Generator().manual_seed(0)
        self.num_envs = num_envs
        self.observations = torch.randn(TABLE, num_envs, OBSERVATIONS, generator=generator)
        self.rewards = torch.rand(TABLE, num_envs, generator=generator)
        self.progress = torch.randint(EPISODE, (num_envs,), generator=generator)
        self.observation_space = spaces.Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (ACTIONS,), np.float32)
        self.steps = 0

    def advance(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return observations ``(N, 60)``, rewards ``(N,)`` and ends of episodes ``(N,)``."""
        self.steps += 1
        self.progress += 1
        ended = self.progress >= EPISODE
        self.progress.masked_fill_(ended, 0)
        return self.observations[self.steps % TABLE], self.rewards[self.steps % TABLE], ended


class PreparedVecEnv:
    """The worlds as the vector environment that oige-train expects."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    device = torch.device("cpu")
    num_states = 0
    symmetries = ()

    def __init__(self, num_envs: int) -> None:
        self.worlds = PreparedWorlds(num_envs)
        self.num_envs = num_envs
        self.single_observation_space = self.worlds.observation_space
        self.single_action_space = self.worlds.action_space
        self._never = torch.zeros(num_envs, dtype=torch.bool)
        self._means = {"return": torch.tensor(1.0), "length": torch.tensor(float(EPISODE))}

    def reset(self, **_: Any) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return the first observations."""
        return self.worlds.observations[0], {}

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        """Step as :class:`~oige_core.envs.VecEnv` does."""
        observations, rewards, ended = self.worlds.advance()
        info = {"final_obs": observations, "_final_obs": ended}
        info |= {"episode_means": self._means, "episode_count": ended.sum()}
        return observations, rewards, self._never, ended, info

    def problems(self) -> dict[str, int]:
        """Return none."""
        return {}


def rl_games_agent(params: dict[str, Any], folder: Path) -> Any:
    """Return the agent of rl_games, with an environment of its own kind."""
    from rl_games.algos_torch.a2c_continuous import A2CAgent
    from rl_games.common import env_configurations, vecenv
    from rl_games.common.algo_observer import AlgoObserver
    from rl_games.common.ivecenv import IVecEnv
    from rl_games.common.tr_helpers import DefaultRewardsShaper

    base: Any = IVecEnv

    class RlGamesWorlds(base):
        def __init__(self, _: str, num_actors: int, **__: Any) -> None:
            self.worlds = PreparedWorlds(num_actors)

        def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
            observations, rewards, ended = self.worlds.advance()
            return observations, rewards, ended, {"time_outs": ended}

        def reset(self) -> torch.Tensor:
            return self.worlds.observations[0]

        def get_env_info(self) -> dict[str, Any]:
            return {"observation_space": self.worlds.observation_space, "action_space": self.worlds.action_space}

    vecenv.register("PREPARED", RlGamesWorlds)
    env_configurations.register("prepared", {"vecenv_type": "PREPARED"})
    params["config"] |= {
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": AlgoObserver()},
        "train_dir": str(folder),
        "env_name": "prepared",
    }
    return A2CAgent("run", params)


def work(learner: str, num_envs: int) -> None:
    """Train in this process, an epoch for each line of standard input; print the CPU seconds of its parts."""
    arguments = ["task=Ant", f"num_envs={num_envs}", "sim_device=cpu", "rl_device=cpu", "headless=True", "seed=1"]
    run = checked_run([*arguments, "train.params.torch_threads=1"])
    config = run.config.train.params.config
    config.save_frequency, config.save_best_after, config.max_epochs = 0, 1_000_000, 1_000_000
    results, sys.stdout = sys.stdout, io.StringIO()  # rl_games prints
    with tempfile.TemporaryDirectory() as name:
        configure_torch(run)
        if learner == "rl_games":
            agent = rl_games_agent(rl_games_params(run.config.train.params), Path(name))
        else:
            observer = ProgressObserver(ProgressLine(io.StringIO()), dict)
            session = Session(run=run, workers=Workers())
            agent = build_agent(session, PreparedVecEnv(num_envs), observer, folder=Path(name, "run"))
        turns = Turns(results)
        train_epoch, init_tensors = agent.train_epoch, agent.init_tensors

        def init() -> None:
            init_tensors()
            owner, method = (agent, "play_steps") if learner == "rl_games" else (agent.collector, "collect")
            setattr(owner, method, turns.timed("rollout", getattr(owner, method)))

        agent.init_tensors = init
        agent.train_epoch = turns.gated(train_epoch)
        with contextlib.suppress(EOFError):
            agent.train()


class Turns:
    """Lets a process train one epoch at a time."""

    def __init__(self, results: Any) -> None:
        self.results = results
        self.seconds: dict[str, float] = {}
        self.began: float | None = None

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that notes the CPU seconds of its last call."""

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            try:
                return call(*args, **kwargs)
            finally:
                self.seconds[name] = time.process_time() - began

        return timed

    def gated(self, train_epoch: Callable[[], Any]) -> Callable[[], Any]:
        """Return a function that reports the last epoch and waits for a line before the next."""
        whole = self.timed("train_epoch", train_epoch)

        def gated() -> Any:
            if self.began is not None:
                update = self.seconds["train_epoch"] - self.seconds["rollout"]
                parts = {"rollout": self.seconds["rollout"], "update": update}
                print(json.dumps(parts | {"epoch": time.process_time() - self.began}), file=self.results, flush=True)
            if not sys.stdin.readline():
                raise EOFError
            self.began = time.process_time()
            return whole()

        return gated


def measure(num_envs: int, epochs: int) -> dict[str, Any]:
    """Return CPU seconds and ratios of the parts of an epoch."""
    processes = {}
    for learner in LEARNERS:
        command = [sys.executable, __file__, "--worker", learner, "--envs", str(num_envs)]
        processes[learner] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    measured: dict[str, list[dict[str, float]]] = {learner: [] for learner in LEARNERS}
    try:
        for number in range(WARM_UP + epochs):
            for learner, process in processes.items():
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write("\n")
                process.stdin.flush()
                if not (line := process.stdout.readline()):
                    raise OigeError(f"{learner}, {num_envs} envs: its process ended; run it with --worker {learner}.")
                if number >= WARM_UP:
                    measured[learner].append(json.loads(line))
    finally:
        for process in processes.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait()
    report: dict[str, Any] = {"envs": num_envs, "epochs": epochs}
    for part in PARTS:
        theirs, ours = ([epoch[part] for epoch in measured[learner]] for learner in LEARNERS)
        ratios = sorted(our / their for our, their in zip(ours, theirs, strict=True))
        report[part] = {
            "rl_games_seconds": round(statistics.median(theirs), 5),
            "oige_train_seconds": round(statistics.median(ours), 5),
            "ratio": round(statistics.median(ratios), 3),
            "quartiles": [round(value, 3) for value in statistics.quantiles(ratios)[::2]],
        }
    return report


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--envs", nargs="+", type=int, default=[512, 4096])
    parser.add_argument("--epochs", type=int, default=15, help="timed epochs of each learner")
    parser.add_argument("--json", type=Path, help="output file")
    parser.add_argument("--worker", choices=LEARNERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.worker:
        work(arguments.worker, arguments.envs[0])
        return
    report: dict[str, Any] = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine()}
    report |= {"versions": versions(), "measurements": []}
    print("| envs | part | rl_games, s | oige-train, s | ratio | quartiles |\n|---|---|---|---|---|---|")
    for num_envs in arguments.envs:
        measured = measure(num_envs, arguments.epochs)
        report["measurements"].append(measured)
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=1) + "\n")
        for part in PARTS:
            row = measured[part]
            low, high = row["quartiles"]
            figures = f"{row['rl_games_seconds']:.4f} | {row['oige_train_seconds']:.4f} | {row['ratio']:.3f}"
            print(f"| {num_envs} | {part} | {figures} | {low:.3f} to {high:.3f} |", flush=True)


if __name__ == "__main__":
    run_cli(main)
