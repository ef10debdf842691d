"""Play a policy of AnymalTerrain on all levels, and report returns and falls by kind of ground and level.

    uv run python tools/terrain_report.py [checkpoint=<file>] [key=value …] [--out report.json]

600 robots, spread evenly over kinds of ground and levels (which they keep), play one episode each on the CPU, without
noise on actions. The report gives for every kind and level the mean return, the mean length, the fraction of robots
that fell, and the fraction of the time in which a robot stood although it was commanded to move (at more than 0.4 m/s).
A robot stands if it moves by less than 0.15 m in a second.
"""

import argparse
import json
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.errors import OigeError
from oige_train.cli.common import run_cli
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy
from oige_train.torch_setup import configure_torch
from rendering import run_on_cpu

ROBOTS = 600
STEPS_PER_SECOND = 50


def play(overrides: list[str]) -> tuple[list[str], torch.Tensor, dict[str, torch.Tensor]]:
    """Return of each robot: kind of ground, level ``(N,)``, and results by name ``(N,)``: return, length, fell."""
    for override in overrides:
        if override.startswith("task="):
            raise OigeError(f"{override}: this report supports only AnymalTerrain; remove task=.")
    run = run_on_cpu(["task=AnymalTerrain", "test=True", "checkpoint=pretrained", *overrides], worlds=ROBOTS)
    configure_torch(run)
    env = make_env(run.config)
    learner = RlGamesEnv(env, run.config.rl_device)
    policy = load_policy(run, learner)
    task: Any = env.task
    task.cfg.terrain.curriculum = False  # robots keep their levels
    task.terrain_levels = torch.arange(ROBOTS) * task.cfg.terrain.numLevels // ROBOTS
    got: dict[str, torch.Tensor] = defaultdict(lambda: torch.zeros(ROBOTS))
    playing = torch.ones(ROBOTS, dtype=torch.bool)
    observation = learner.reset()["obs"]
    places = deque([task.anymals.get_world_poses()[0]], maxlen=STEPS_PER_SECOND)
    while playing.any():
        out, reward, done, _ = learner.step(policy.act(observation, deterministic=True))
        observation = out["obs"]
        got["return"] += playing * reward
        got["length"] += playing
        got["fell"] += playing & task.terminated_buf
        playing &= ~done.bool()
        positions = task.anymals.get_world_poses()[0]
        if len(places) == places.maxlen:
            commanded = playing & (task.commands[:, :2].norm(dim=-1) > 0.4)
            got["commanded"] += commanded
            got["stood"] += commanded & ((positions - places[0])[:, :2].norm(dim=-1) < 0.15)
        places.append(positions)
    kinds = [task.terrain_map.kinds[i] for i in task.terrain_types.tolist()]
    env.close()
    return kinds, task.terrain_levels, got


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="JSON file")
    options, overrides = parser.parse_known_args(argv)
    with torch.no_grad():
        kinds, levels, got = play(overrides)
    groups = {"all": torch.ones(ROBOTS, dtype=torch.bool)}
    groups |= {kind: torch.tensor([k == kind for k in kinds]) for kind in dict.fromkeys(kinds)}
    groups |= {f"level {level}": levels == level for level in range(int(levels.max()) + 1)}
    stood, commanded = got.pop("stood"), got.pop("commanded")
    report = {
        name: {"robots": int(robots.sum())}
        | {key: round(values[robots].mean().item(), 3) for key, values in got.items()}
        | {"stood": round((stood[robots].sum() / commanded[robots].sum()).item(), 3)}
        for name, robots in groups.items()
    }
    for name, row in report.items():
        print(f"{name:14s}" + "".join(f"  {key} {value:g}" for key, value in row.items()))
    if options.out is not None:
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
