"""Compare the pages of oige-zoo with the C engine, and play their policies in Node.js.

    uv run oige-zoo output=zoo
    uv run python tools/zoo_parity.py zoo [Task …] [--episodes 4] [--json FILE]

The modules of a page compute observations, rewards, flags, resets, commands and actions from states of the C engine.
The printed table has the largest deviation |a - b| / (1 + |b|) from what the task computes in Python, the mean return
of the policy in the page's modules, with MuJoCo as WebAssembly, and that of the policy's card.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from oige_core.registry import find_task
from oige_train.pretrained import read_card
from oige_train.zoo.libraries import WEB
from oige_train.zoo.vectors import record_vectors

STEPS = 12


def main() -> int:
    """Print a row for each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what oige-zoo wrote")
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--episodes", type=int, default=4, help="episodes to play; 0: none")
    parser.add_argument("--json", type=Path, help="file for all results")
    given = parser.parse_args()
    if shutil.which("node") is None:
        print("error: node is not installed: install Node.js 20 or later.", file=sys.stderr)
        return 2
    tasks = given.tasks or sorted(file.parent.name for file in given.folder.glob("*/task.json"))
    results: dict[str, Any] = {}
    print("| task | MB | largest deviation | return in the page | return in Python | ms per step |")
    print("|---|---|---|---|---|---|")
    for task in tasks:
        results[task] = compare(given.folder, task, given.episodes)
        print(row(task, results[task]), flush=True)
        if given.json:
            given.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return 0


def compare(folder: Path, task: str, episodes: int) -> dict[str, Any]:
    """Return the deviations, sizes and returns of a task's page."""
    files = list((folder / task).iterdir())
    result: dict[str, Any] = {
        "bytes": sum(file.stat().st_size for file in files),
        "deviations": deviations(folder, task),
    }
    result["card"] = read_card(find_task(task)).mean_return
    if episodes:
        result |= run_page(folder, task, "play", str(episodes))
    return result


def deviations(folder: Path, task: str) -> dict[str, float]:
    """Return the largest deviation of each result of a page's functions."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, "vectors.json")
        file.write_text(json.dumps(vectors(folder, task)), encoding="utf-8")
        return run_page(folder, task, "replay", str(file))


def vectors(folder: Path, task: str) -> dict[str, Any]:
    """Return states and results of a task on the C engine with the fields that its page reads."""
    manifest = json.loads((folder / task / "task.json").read_text(encoding="utf-8"))
    inputs = [each["name"] for parts in manifest["functions"].values() for part in parts for each in part["inputs"]]
    fields = sorted({name.removeprefix("field:") for name in inputs if name.startswith("field:")})
    return record_vectors(task, STEPS, fields, manifest["state"])


def run_page(folder: Path, task: str, *arguments: str) -> dict[str, Any]:
    """Run the modules of a page in Node.js and return what they print."""
    command = ["node", str(WEB / "check.mjs"), str(folder), task, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if "Error" in line] or ran.stderr.splitlines()
        raise RuntimeError(f"{task}: {lines[-1] if lines else 'no output'}")
    return json.loads(ran.stdout.splitlines()[-1])


def row(task: str, result: dict[str, Any]) -> str:
    """Return a row of the table."""
    label, worst = max(result["deviations"].items(), key=lambda item: item[1])
    returns = [episode["return"] for episode in result.get("episodes", [])]
    mean = f"{sum(returns) / len(returns):.4g}" if returns else ""
    time = f"{1000 * result['seconds_per_step']:.1f}" if returns else ""
    return f"| {task} | {result['bytes'] / 1e6:.1f} | {worst:.0e} ({label}) | {mean} | {result['card']:.4g} | {time} |"


if __name__ == "__main__":
    sys.exit(main())
