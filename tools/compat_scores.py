"""Play shipped policies in unmodified task files of OmniIsaacGymEnvs, and in the tasks of this project.

    uv run python tools/compat_scores.py CHECKOUT [Task …] [--worlds N] [--episodes N] [--json FILE]

CHECKOUT is a checkout of OmniIsaacGymEnvs, outside of this repository. Its training script runs with ``test=True``
through oige-compat, on the CPU, with the policy that comes with the task of the same name. The task of this project
plays the same policy with ``task.env.compat=upstream``, also if it was trained without. Each world plays the same
number of episodes, the first ones after a reset. The printed table has both mean returns with standard errors, and
their ratio.

``--checkpoint`` plays another policy instead, such as one that the original's script has trained.
``--json`` adds each episode's return and length to a file. ``--original`` and ``--own`` add settings to one of the two
runs. To let a task have other defaults, add it to ``SETTINGS``.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_core.registry import find_task
from oige_train.cli.common import run_cli
from oige_train.pretrained import policy_files, read_card

SCRIPT = Path("omniisaacgymenvs/scripts/rlgames_train.py")
SIDES = ("original", "own")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a task is compared.

    Attributes:
        worlds: number of worlds.
        episodes: number of episodes of each world.
        original: settings of the original's script.
        own: settings of ``oige-train``.
    """

    worlds: int = 64
    episodes: int = 1
    original: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


SETTINGS = {
    name: Settings()
    for name in ("Cartpole", "Ant", "Humanoid", "BallBalance", "Quadcopter", "Ingenuity", "Crazyflie", "Anymal")
}
"""Tasks that are compared where the command line names none, and how."""


@dataclass(frozen=True, kw_only=True)
class Played:
    """Returns and lengths of episodes."""

    returns: list[float]
    lengths: list[int]

    def mean(self) -> float:
        """Return the mean return."""
        return statistics.fmean(self.returns)

    def error(self) -> float:
        """Return the standard error of the mean return."""
        return statistics.stdev(self.returns) / math.sqrt(len(self.returns)) if len(self.returns) > 1 else math.nan


class Tally:
    """Counts the first episodes of each world.

    Args:
        worlds: number of worlds.
        quota: number of episodes of each.
    """

    def __init__(self, worlds: int, quota: int) -> None:
        self.quota, self.left = [quota] * worlds, worlds * quota
        self.sums, self.steps = [0.0] * worlds, [0] * worlds
        self.returns: list[float] = []
        self.worlds: list[int] = []
        self.lengths: list[int] = []

    def add(self, rewards: Any, done: Any) -> None:
        """Add rewards ``(N,)`` of a step, and whether episodes have ended ``(N,)``."""
        for world, (reward, ended) in enumerate(zip(rewards.tolist(), done.tolist(), strict=True)):
            self.sums[world] += reward
            self.steps[world] += 1
            if not ended:
                continue
            if self.quota[world]:
                self.quota[world] -= 1
                self.left -= 1
                self.returns.append(self.sums[world])
                self.worlds.append(world)
                self.lengths.append(self.steps[world])
            self.sums[world], self.steps[world] = 0.0, 0

    def by_world(self) -> list[float]:
        """Return returns in the order of worlds."""
        return [returned for _, returned in sorted(zip(self.worlds, self.returns, strict=True))]

    def text(self) -> str:
        """Return the result as JSON."""
        return json.dumps({"returns": self.returns, "lengths": self.lengths})


def main(argv: list[str]) -> None:
    given = arguments(argv)
    if given.side:
        Path(given.out).write_text(SIDE[given.side](given), encoding="utf-8")
        return
    if not (given.checkout / SCRIPT).is_file():
        raise ConfigError(f"{given.checkout}: expected a checkout of OmniIsaacGymEnvs, which contains {SCRIPT}.")
    tasks = given.tasks or list(SETTINGS)
    for task in tasks:
        if given.checkpoint is None and not policy_files(find_task(task))[0].is_file():
            raise ConfigError(f"{task}: expected a task with a policy; this one has none.")
    print("| task | episodes | original's file | own task | ratio |\n|---|---|---|---|---|", flush=True)
    for task in tasks:
        played = {side: in_process(given, task, side) for side in SIDES}
        print(row(task, played), flush=True)
        if given.json:
            results = json.loads(given.json.read_text()) if given.json.exists() else {}
            results[task] = {side: vars(result) for side, result in played.items()}
            given.json.write_text(json.dumps(results) + "\n", encoding="utf-8")


def arguments(argv: list[str]) -> argparse.Namespace:
    """Return the checked command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--worlds", type=int, help="number of worlds (the task's in SETTINGS, or 64)")
    parser.add_argument("--episodes", type=int, help="episodes of each world (the task's in SETTINGS, or 1)")
    parser.add_argument("--seed", type=int, default=42, help="seed of both runs (%(default)s)")
    parser.add_argument("--checkpoint", type=Path, help="policy, whose network is that of the original's settings")
    parser.add_argument("--json", type=Path, help="file to which results are added")
    for side in SIDES:
        parser.add_argument(f"--{side}", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def in_process(given: argparse.Namespace, task: str, side: str) -> Played:
    """Return the result of one of the two runs, in a process and folder of its own.

    Raises:
        ConfigError: the run failed.
    """
    settings = SETTINGS.get(task, Settings())
    worlds, episodes = given.worlds or settings.worlds, given.episodes or settings.episodes
    added = [f"--{side}={value}" for value in (*getattr(settings, side), *getattr(given, side))]
    added += [f"--checkpoint={given.checkpoint.resolve()}"] if given.checkpoint else []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, __file__, str(given.checkout.resolve()), task, f"--side={side}", f"--out={out}"]
        command += [f"--worlds={worlds}", f"--episodes={episodes}", f"--seed={given.seed}", *added]
        ran = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HYDRA_FULL_ERROR": "1"},
        )
        if ran.returncode or not out.is_file():
            lines = (ran.stderr.strip() or ran.stdout.strip() or f"exit code {ran.returncode}").splitlines()
            raise ConfigError(f"{task}, {side}: {lines[-1]}")
        return Played(**json.loads(out.read_text(encoding="utf-8")))


def row(task: str, played: dict[str, Played]) -> str:
    """Return a row of the table; the ratio's error is that of two independent means."""
    original, own = (played[side] for side in SIDES)
    ratio = original.mean() / own.mean()
    error = abs(ratio) * math.hypot(original.error() / original.mean(), own.error() / own.mean())
    means = [f"{side.mean():.1f} ± {side.error():.1f}".replace("-", "−") for side in (original, own)]
    return f"| {task} | {len(own.returns)} | {means[0]} | {means[1]} | {ratio:.3f} ± {error:.3f} |"


def play_original(given: argparse.Namespace) -> str:
    """Run the original's script, with a player that counts episodes of each world."""
    from oige_compat.imports import install

    install()
    from oige_compat.run import run
    from rl_games.common.player import BasePlayer

    tally = Tally(given.worlds, given.episodes)

    def play(player: Any) -> None:
        observations = player.env_reset(player.env)
        player.get_batch_size(observations, 1)
        if player.is_rnn:
            player.init_rnn()
        while tally.left:
            actions = player.get_action(observations, is_deterministic=True)
            observations, rewards, done, _ = player.env_step(player.env, actions)
            tally.add(rewards, done)
            for state in player.states or () if player.is_rnn else ():
                state[:, done.bool()] = 0.0

    BasePlayer.run = play  # pyright: ignore[reportAttributeAccessIssue]
    task = given.tasks[0]
    run(
        [
            str(given.checkout / SCRIPT),
            f"task={task}",
            "test=True",
            f"checkpoint={given.checkpoint or policy_files(find_task(task))[0]}",
            *([] if given.checkpoint else network_settings(task)),
            f"num_envs={given.worlds}",
            f"seed={given.seed}",
            "experiment=compat_scores",
            *(f"{key}=cpu" for key in ("pipeline", "sim_device", "rl_device")),
            *given.original,
        ]
    )
    return tally.text()


def network_settings(task: str) -> list[str]:
    """Return settings that let the original's script build the network of a task's policy."""
    params = read_card(find_task(task)).configuration["train"]["params"]
    chosen = {f"network.{key}": params["network"].get(key) for key in ("separate", "mlp", "cnn")}
    chosen |= {f"config.{key}": params["config"][key] for key in ("normalize_input", "normalize_value")}
    return [f"++train.params.{key}={_hydra(value)}" for key, value in chosen.items() if value is not None]


def _hydra(value: Any) -> str:
    """Return a value as Hydra reads it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_hydra(part)}" for key, part in value.items() if part is not None) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_hydra(part) for part in value) + "]"
    return str(value)


def play_own(given: argparse.Namespace) -> str:
    """Play the policy in the task of this project."""
    import torch
    from oige_core.envs import make_env
    from oige_train.cli.common import checked_run
    from oige_train.play import make_adapter
    from oige_train.policy_loading import load_policy
    from oige_train.torch_setup import configure_torch

    run = checked_run(
        [
            f"task={given.tasks[0]}",
            "test=True",
            f"checkpoint={given.checkpoint or 'pretrained'}",
            "task.env.compat=upstream",
            f"num_envs={given.worlds}",
            f"seed={given.seed}",
            *(f"{key}=cpu" for key in ("pipeline", "sim_device", "rl_device")),
            *given.own,
        ]
    )
    configure_torch(run)
    env = make_env(run.config)
    try:
        adapter = make_adapter(run, env)
        policy = load_policy(run, adapter)
        tally = Tally(given.worlds, given.episodes)
        observations = adapter.reset()["obs"]
        policy.reset_hidden_state(torch.ones(given.worlds, dtype=torch.bool))
        while tally.left:
            out, rewards, done, _ = adapter.step(policy.act(observations, deterministic=True))
            observations = out["obs"]
            tally.add(rewards, done)
            policy.reset_hidden_state(done)
    finally:
        env.close()
    return tally.text()


SIDE = {"original": play_original, "own": play_own}

if __name__ == "__main__":
    run_cli(main)
