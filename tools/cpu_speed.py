"""Compare the CPU time of a control step of every task between two checkouts, or measure it in one.

    uv run python tools/cpu_speed.py ../before . [--tasks Ant Cartpole:4096] [--envs 512] [--json cpu_speed.json]

Each checkout needs its own virtual environment, ``.venv``. For each task, a process of each checkout steps an
environment with the same random actions, on one thread. The processes take turns in blocks of about half a second, so
that other programs on the machine affect both. The program prints the median time of a step per checkout, and the
median over blocks of the second checkout's time divided by the first one's. CPU time counts, because it depends less
on other programs than wall time. ``same states`` says whether the last observations were equal in every bit: if not,
the ratio compares different motions.
"""

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import OigeError
from oige_core.registry import installed_specs
from oige_train.benchmark.report import versions
from oige_train.cli.common import run_cli
from oige_train.machine import machine

WORKER = Path(__file__).resolve().with_name("cpu_speed_worker.py")
WARM_UP_STEPS = 10
TRIAL_STEPS = 5  # they show how many steps a turn has
CAMERA_ENVS = 8


class Worker:
    """A process of a checkout.

    Args:
        checkout: folder of the checkout.
        task: name of the task.
        num_envs: number of worlds.
    """

    def __init__(self, checkout: Path, task: str, num_envs: int) -> None:
        self._process = subprocess.Popen(
            [python_of(checkout), str(WORKER), task, str(num_envs)],
            cwd=checkout,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def step(self, steps: int) -> dict[str, Any]:
        """Take control steps; return their times in seconds and a digest of the last observations."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # the process has ended, and has said why
            print(steps, file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise OigeError(f"{' '.join(map(str, self._process.args))} ended early.")  # type: ignore[arg-type]
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass(frozen=True)
class Case:
    """A task and its number of worlds."""

    task: str
    num_envs: int


def compare(case: Case, checkouts: list[Path], *, processes: int, blocks: int, seconds: float) -> dict[str, Any]:
    """Return the times of a case by checkout, and their ratios.

    Args:
        case: what is stepped.
        checkouts: one or two folders.
        processes: number of times that the processes are started, because memory layouts differ between processes.
        blocks: number of turns of each process.
        seconds: least CPU time of a turn in the first checkout.
    """
    taken: list[list[dict[str, Any]]] = [[] for _ in checkouts]
    for _ in range(processes):
        workers = [Worker(checkout, case.task, case.num_envs) for checkout in checkouts]
        for worker in workers:
            worker.step(WARM_UP_STEPS)
        measured = [worker.step(TRIAL_STEPS)["cpu"] / TRIAL_STEPS for worker in workers]
        steps = max(1, round(seconds / measured[0]))
        for block in range(blocks):
            order = list(enumerate(workers))
            for i, worker in order if block % 2 == 0 else reversed(order):
                taken[i].append(worker.step(steps) | {"steps": steps})
        for worker in workers:
            worker.close()
    result: dict[str, Any] = {"task": case.task, "num_envs": case.num_envs, "blocks": processes * blocks}
    for clock in ("cpu", "wall"):
        of_steps = [[1000.0 * block[clock] / block["steps"] for block in own] for own in taken]
        result[f"{clock}_ms_per_step"] = [round(statistics.median(own), 4) for own in of_steps]
        if len(checkouts) == 2:
            ratios = [after / before for before, after in zip(*of_steps, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            result[f"{clock}_ratio"] = round(middle, 4)
            result[f"{clock}_ratio_quartiles"] = [round(low, 4), round(high, 4)]
    if len(checkouts) == 2:
        result["same_states"] = [block["digest"] for block in taken[0]] == [block["digest"] for block in taken[1]]
    return result


def python_of(checkout: Path) -> str:
    """Return the Python of a checkout's virtual environment."""
    for python in (checkout / ".venv/bin/python", checkout / ".venv/Scripts/python.exe"):
        if python.is_file():
            return str(python)
    raise OigeError(f"{checkout}: has no virtual environment .venv; run uv sync in it.")


def commit_of(checkout: Path) -> str:
    """Return the commit of a checkout, with ``+`` if files were changed since."""
    git = ["git", "-C", str(checkout)]
    commit = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], check=True, capture_output=True, text=True).stdout
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "packages"], check=False).returncode
    return commit.strip() + ("+" if changed else "")


def cases_of(tasks: list[str], num_envs: int) -> Iterator[Case]:
    """Yield the cases of ``Task`` or ``Task:number``."""
    specs = installed_specs()
    for entry in tasks or list(specs):
        name, _, number = entry.partition(":")
        if number and not number.isdecimal():
            raise OigeError(f"--tasks {entry}: expected Task or Task:number of worlds, for example Ant:4096.")
        cameras = name in specs and specs[name].images
        yield Case(name, int(number) if number else min(num_envs, CAMERA_ENVS) if cameras else num_envs)


def line(result: dict[str, Any]) -> str:
    """Return a result as a line of the table."""
    text = f"{result['task']:16}{result['num_envs']:>6}"
    text += "".join(f"{time:>12.3f}" for time in result["cpu_ms_per_step"])
    if "cpu_ratio" in result:
        low, high = result["cpu_ratio_quartiles"]
        text += f"{result['cpu_ratio']:>8.3f}   {low:.3f} to {high:.3f}{result['wall_ratio']:>12.3f}"
        text += "   yes" if result["same_states"] else "   no"
    return text


def main(argv: list[str]) -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="+", type=Path, help="one or two folders; the first is the base")
    parser.add_argument("--tasks", nargs="+", default=[], help="Task or Task:number of worlds; by default every task")
    parser.add_argument("--envs", type=int, default=512, help=f"number of worlds; {CAMERA_ENVS} for cameras")
    parser.add_argument("--processes", type=int, default=3, help="pairs of processes per task")
    parser.add_argument("--blocks", type=int, default=8, help="turns per process")
    parser.add_argument("--seconds", type=float, default=0.5, help="least CPU time of a turn")
    parser.add_argument("--json", type=Path, help="output file")
    options = parser.parse_args(argv)
    if len(options.checkouts) > 2:
        parser.error(f"{len(options.checkouts)} checkouts: expected one or two")
    checkouts = [checkout.resolve() for checkout in options.checkouts]
    cases = list(cases_of(options.tasks, options.envs))
    report: dict[str, Any] = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "commits": [commit_of(checkout) for checkout in checkouts],
        "threads": 1,
        "results": [],
    }
    columns = "".join(f"{commit:>12}" for commit in report["commits"])
    print(f"{'CPU ms per step':16}{'envs':>6}{columns}   ratio   quartiles   wall ratio   same states")
    for case in cases:
        result = compare(case, checkouts, processes=options.processes, blocks=options.blocks, seconds=options.seconds)
        report["results"].append(result)
        print(line(result), flush=True)
        if options.json:  # results so far, in case a later task fails
            options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
