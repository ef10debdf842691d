"""Command line; see the docstring of the package."""

import argparse
import importlib
from pathlib import Path

import torch

import tools.golden_vectors
from tools.golden_vectors import stubs
from tools.golden_vectors.recorders import RECORDERS


def main() -> None:
    """Record the golden vectors of tasks."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.golden_vectors",
        description=tools.golden_vectors.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--original", type=Path, required=True, help="checkout of OmniIsaacGymEnvs")
    parser.add_argument("--isaac-sim", type=Path, required=True, help="checkout of Isaac Sim")
    parser.add_argument("--task", action="append", required=True, choices=sorted(RECORDERS), help="may be repeated")
    parser.add_argument("--out", type=Path, default=Path("tests/golden/data"), help="default: %(default)s")
    options = parser.parse_args()
    try:
        stubs.install(options.original.resolve(), options.isaac_sim.resolve())
    except (FileNotFoundError, ModuleNotFoundError) as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    for task in options.task:
        recorder = importlib.import_module(f"tools.golden_vectors.recorders.{RECORDERS[task]}")
        torch.manual_seed(0)
        for recording in recorder.record(options.original.resolve(), task):
            path = recording.save(options.out)
            print(f"{path}: {len(recording.arrays)} arrays, {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
