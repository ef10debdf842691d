"""Write the learning curves of runs, and when they passed thresholds.

    uv run python tools/learning_curve.py runs/Ant --thresholds 3000 5000 7000 --out docs/results/data/ant_42_cpu.json

Reads the TensorBoard summaries of a run: the mean reward of the last 100 episodes and, if the task logs it, the
fraction of successful ones over environment steps, and over seconds since the first summary. The file contains every
fifth epoch (at most about 200 in total), the last epoch, and the first epoch past each threshold.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from oige_core.errors import OigeError
from oige_train.cli.common import run_cli
from omegaconf import OmegaConf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SUCCESS = "Episode/success"
EVERY = 5
MOST_POINTS = 200


def curve(run: Path, steps_per_epoch: int) -> list[dict[str, float]]:
    """Return epoch, environment steps, seconds, mean episode reward and, if logged, success of each epoch of a run."""
    events = EventAccumulator(str(run / "summaries"), size_guidance={"scalars": 0})
    events.Reload()
    points = events.Scalars("rewards/step")
    successes = {}
    if SUCCESS in events.Tags()["scalars"]:
        successes = {point.step: {"success": round(point.value, 4)} for point in events.Scalars(SUCCESS)}
    return [
        {
            "epoch": point.step // steps_per_epoch,
            "steps": point.step,
            "seconds": round(point.wall_time - points[0].wall_time, 1),
            "reward": round(point.value, 2),
            **successes.get(point.step, {}),
        }
        for point in points
    ]


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--thresholds", type=float, nargs="*", default=[], help="rewards")
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    options = parser.parse_args(argv)

    if not (options.run / "config.yaml").is_file():
        raise OigeError(f"{options.run}: expected the folder of a run, with config.yaml in it.")
    configuration: Any = OmegaConf.load(options.run / "config.yaml")
    learner = configuration.train.params.config
    horizon = learner.get("horizon_length") or learner.num_steps_per_episode  # PPO's and SAC's name for it
    points = curve(options.run, horizon * configuration.task.env.numEnvs)
    passed: dict[str, Any] = {}
    for threshold in options.thresholds:
        first = next((point for point in points if point["reward"] >= threshold), None)
        passed[f"{threshold:g}"] = first
        print(f"{threshold:g}:", first or "not reached")
    print("end:", points[-1], "best:", max(point["reward"] for point in points))
    report = {
        "task": configuration.task_name,
        "seed": configuration.seed,
        "num_envs": configuration.task.env.numEnvs,
        "thresholds": passed,
        "curve": [*points[: -1 : max(EVERY, len(points) // MOST_POINTS)], points[-1]],
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
