"""Train a task with several seeds and report the final rewards.

    uv run python tools/seeds.py task=Cartpole --seeds 1-5 101-105 --threshold 490 --at-once 2

Each run is a separate `oige-train` process with one physics thread, in a folder that is deleted afterwards. Overrides
after the task are passed on to it. The scores are the mean episode rewards that the runs print at the end.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from oige_train.cli.common import run_cli

SCORE = re.compile(r"^done: .*mean episode reward (-?[\d.]+)$", re.MULTILINE)
SEEDS = re.compile(r"(\d+)(?:-(\d+))?")


def seeds(text: str) -> list[int]:
    """Return the seeds of a number or a range of numbers, as ``101-105``."""
    match = SEEDS.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text}: expected a number or a range, for example 7 or 101-105")
    first = int(match[1])
    return list(range(first, int(match[2] or first) + 1))


def score(overrides: list[str], seed: int) -> float:
    """Train with a seed; return the mean episode reward at the end."""
    program = Path(sys.executable).parent / "oige-train"
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            [str(program), "headless=True", "num_threads=1", *overrides, f"seed={seed}"],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    printed = SCORE.search(run.stdout)
    if run.returncode or printed is None:
        raise SystemExit(f"seed {seed} ended with exit code {run.returncode}:\n{run.stderr[-2000:]}")
    return float(printed[1])


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("overrides", nargs="+", help="overrides for oige-train, task=NAME first")
    parser.add_argument("--seeds", type=seeds, nargs="+", required=True, help="numbers and ranges, such as 1-5 42")
    parser.add_argument("--threshold", type=float, help="score to pass")
    parser.add_argument("--at-once", type=int, default=1, help="runs in parallel (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args(argv)

    numbers = [seed for part in options.seeds for seed in part]
    scores: dict[int, float] = {}
    with ThreadPoolExecutor(options.at_once) as pool:
        for seed, value in zip(numbers, pool.map(lambda seed: score(options.overrides, seed), numbers), strict=True):
            scores[seed] = value
            failed = options.threshold is not None and value < options.threshold
            print(f"seed {seed}: {value:.2f}{'  below' if failed else ''}", flush=True)
    values = sorted(scores.values())
    print(
        f"{len(values)} seeds: lowest {values[0]:.2f}, median {statistics.median(values):.2f}, highest {values[-1]:.2f}"
    )
    if options.threshold is not None:
        print(f"below {options.threshold:g}: {sum(value < options.threshold for value in values)} of {len(values)}")
    if options.out:
        report = {"overrides": options.overrides, "threshold": options.threshold, "scores": scores}
        options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run_cli(main)
