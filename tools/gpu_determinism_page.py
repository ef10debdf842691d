"""Write the tables of docs/results/gpu_determinism.md from the files of ``tools/gpu_determinism.py``.

    python tools/gpu_determinism_page.py

The files are in docs/results/data/gpu_determinism. The text between the tables is written by hand.
"""

import json
import re
import statistics
from pathlib import Path
from typing import Any

__all__ = ["PAGE", "kernel_table", "run_table", "write"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "results" / "gpu_determinism.md"
DATA = PAGE.parent / "data" / "gpu_determinism"


def run_table(reports: list[dict[str, Any]]) -> str:
    """Return the table of runs: first difference, worlds that differ, and milliseconds of a control step."""
    lines = ["| task | setting | one process | two processes | worlds | ms per step | cost |"]
    lines.append("|---|---|---|---|---|---|---|")
    for report in reports:
        settings = report["settings"]
        base = _milliseconds(settings["none"])
        for name, entry in settings.items():
            if "error" in entry:
                lines.append(f"| {report['task']} | {name} | {entry['error']} | | | | |")
                continue
            one, two = entry["in_one_process"], entry.get("between_processes")
            worlds = "" if one["equal"] else f"{one['worlds_at_first']}, {one['worlds_at_end']}"
            taken = _milliseconds(entry)
            cost = f"{taken:.2f} | {taken / base:.2f}" if taken and base else "not measured | "
            cells = [report["task"], name, _outcome(one), _outcome(two), worlds]
            lines.append(f"| {' | '.join(cells)} | {cost} |")
    return "\n".join(lines)


def kernel_table(reports: list[dict[str, Any]]) -> str:
    """Return the table of the kernels whose results differ if they are repeated from identical inputs."""
    lines = ["| kernel | what differs | settings without bits of atomics | with them |", "|---|---|---|---|"]
    kernels: dict[str, dict[str, set[str]]] = {}
    for report in reports:
        for name, entry in report["settings"].items():
            for kernel, found in entry.get("one_solver_step", {}).get("differing", {}).items():
                row = kernels.setdefault(kernel, {"kinds": set(), "without": set(), "with": set()})
                row["kinds"] |= {kind for label, kind in found["arrays"].items() if not label.endswith("_in")}
                row["with" if name.split("+")[-1] in ("all", "atomics") else "without"].add(report["task"])
    for kernel, row in kernels.items():
        cells = [", ".join(sorted(row[kind])) or "none" for kind in ("without", "with")]
        lines.append(f"| `{kernel}` | {' and '.join(sorted(row['kinds']))} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _milliseconds(entry: dict[str, Any]) -> float:
    return statistics.median(entry["ms_per_step"]) if entry.get("ms_per_step") else 0.0


def _outcome(found: dict[str, Any] | None) -> str:
    if found is None:
        return "not measured"
    return f"equal for {found['steps']:,} steps" if found["equal"] else f"differs from step {found['first_step']}"


def write(page: Path = PAGE, data: Path = DATA) -> None:
    """Replace both tables of the page."""
    reports = [json.loads(file.read_text()) for file in sorted(data.glob("*.json"))]
    measured = [report for report in reports if "steps" in report]
    text = page.read_text()
    for name, table in (("runs", run_table(measured)), ("kernels", kernel_table(measured))):
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        text = re.sub(f"{begin}.*?{end}", lambda _, new=f"{begin}\n\n{table}\n\n{end}": new, text, flags=re.DOTALL)
    page.write_text(text)


if __name__ == "__main__":
    write()
