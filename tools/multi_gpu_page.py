"""Writes docs/results/multi_gpu.md, and pictures of rewards over time, from the files of ``multi_gpu.py``."""

import json
from pathlib import Path
from typing import Any

from oige_train.plots.drawing import Curve, draw_curves
from oige_train.plots.images import svg_image

__all__ = ["DATA", "page", "write_page"]

DOCS = Path(__file__).resolve().parent.parent / "docs"
RESULTS, IMAGES = DOCS / "results", DOCS / "images"
DATA = RESULTS / "data" / "multi_gpu"

INTRODUCTION = """# Several GPUs

<!-- Written by tools/multi_gpu.py --report; do not edit. -->

    uv run python tools/multi_gpu.py --gpus 1 2 4 --envs 4096 16384 --tasks Ant AnymalTerrain ShadowHand --seconds 60
    uv run python tools/multi_gpu.py --kill --gpus 2 --envs 4096 --tasks Ant
    uv run python tools/multi_gpu.py --report

Each row is a training of its own, with the number of worlds in each process. The clock starts after the fifth epoch,
when kernels are compiled and CUDA graphs captured. *Efficiency* is the rate divided by that of one process and by the
number of processes. *Collectives* is the fraction of time that a process spends in reductions, including waiting for
others: on a GPU that of NCCL's kernels, on a CPU that of the calls. It was measured in three epochs after the timed
ones, and is given for the process with the least and the one with the most. *Reduction* is one sum of the gradients
while nothing else runs. *Reward* is the mean return of the last episodes at the end of the timed seconds. Figures of
different machines cannot be compared.
"""


def page(reports: dict[str, dict[str, Any]]) -> str:
    """Return the page.

    Args:
        reports: contents of files, by name without suffix.
    """
    trainings = {name: report for name, report in reports.items() if "rate" in report}
    kills = [report for report in reports.values() if "resumed" in report]
    failures = {name: report["error"] for name, report in reports.items() if "error" in report}
    parts = [INTRODUCTION]
    for where in sorted({_where(report) for report in trainings.values()}):
        rows = [report for report in trainings.values() if _where(report) == where]
        parts.append(_section(where, rows))
    for report in kills:
        parts.append(_kill_section(report))
    if failures:
        lines = [f"* {name}: {error}" for name, error in failures.items()]
        parts.append("## Without a result\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _where(report: dict[str, Any]) -> str:
    """Return the machine of a training, as the heading of a section."""
    machine = report["machine"]
    if report["device"].startswith("cuda"):
        return f"{len(machine['gpus'])} × {machine['gpus'][0]}"
    return f"CPU ({machine['cpu']}, {machine['cores']} cores)"


def _key(report: dict[str, Any]) -> tuple[str, int, int]:
    return report["task"], report["num_envs"], report["processes"]


def _section(where: str, rows: list[dict[str, Any]]) -> str:
    rows = sorted(rows, key=_key)
    alone = {_key(row)[:2]: row["rate"] for row in rows if row["processes"] == 1}
    versions = rows[0]["versions"]
    names = ("torch", "mujoco", "mujoco-warp", "warp-lang", "rl-games")
    text = ", ".join([f"Python {versions['python']}", *(f"{name} {versions[name]}" for name in names)])
    notes = sorted({row["note"] for row in rows if row["note"]})
    lines = [
        f"## {where}\n",
        " ".join([f"{rows[0]['date'][:10]}, {text}, seed {rows[0]['seed']}.", *notes]) + "\n",
        "| task | envs | processes | env-steps/s | efficiency | collectives | reduction | seconds | steps | reward |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        base = alone.get(_key(row)[:2])
        efficiency = "" if base is None else f"{row['rate'] / base / row['processes']:.3f}"
        lines.append(
            f"| {row['task']} | {row['num_envs']} | {row['processes']} | {row['rate']:,.0f} | {efficiency} | "
            f"{_collectives(row)} | {_reduction(row)} | {row['seconds']:.1f} | {row['curve'][-1]['steps']:,} | "
            f"{_reward(row['curve'][-1]['reward'])} |"
        )
    for task in sorted({row["task"] for row in rows if any(point["reward"] is not None for point in row["curve"])}):
        lines.append(f"\n![{_title(task)}](../images/{_picture(where, task)})")
    return "\n".join(lines) + "\n"


def _title(task: str) -> str:
    return f"{task}: mean return over seconds of training"


def _picture(where: str, task: str) -> str:
    kind = "cpu" if where.startswith("CPU") else "_".join(where.replace("×", "").split()).lower()
    return f"multi_gpu_{kind}_{task}.svg"


def _collectives(row: dict[str, Any]) -> str:
    """Return the fractions of time in collectives; nothing for one process."""
    if row["processes"] == 1:
        return ""
    on_gpu = row["device"].startswith("cuda")
    fractions = sorted(
        entry["gpu_seconds" if on_gpu else "host_seconds"] / entry["seconds"]
        for entry in row["collectives"]
        if entry["seconds"] > 0.0 and (entry["reductions"] > 0 or not on_gpu)
    )
    return f"{fractions[0]:.3f}–{fractions[-1]:.3f}" if fractions else "not measured"


def _reduction(row: dict[str, Any]) -> str:
    reduction = row["reduction"]
    return "" if reduction is None else f"{reduction['seconds'] * 1e6:.0f} µs for {reduction['numbers']:,} numbers"


def _reward(reward: float | None) -> str:
    return "no episode ended" if reward is None else f"{reward:,.2f}".replace("-", "−")


def _kill_section(report: dict[str, Any]) -> str:
    """Say what happened after a process was killed."""
    lines = [
        f"## A process is killed: {report['task']}, {report['processes']} processes ({report['device']})\n",
        f"With {report['num_envs']} worlds each, the last process got SIGKILL while it trained. The others and "
        f"torchrun had ended {report['seconds']} s later, with exit code {report['code']}. The first line is what they "
        "printed, apart from torchrun's own report. The others are from the program that was started with this "
        "checkpoint:\n",
        *(f"    {line}" for line in (*report["lines"], *report["resumed"].splitlines())),
    ]
    return "\n".join(lines) + "\n"


def pictures(reports: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return SVG images by file name."""
    images: dict[str, str] = {}
    trainings = [report for report in reports.values() if "rate" in report]
    for where, task in sorted({(_where(report), report["task"]) for report in trainings}):
        curves = []
        for report in sorted(trainings, key=_key):
            points = [(row["seconds"], row["reward"]) for row in report["curve"] if row["reward"] is not None]
            if (_where(report), report["task"]) == (where, task) and points:
                curves.append(Curve(f"{report['processes']} × {report['num_envs']:,} worlds", points))
        if curves:
            images[_picture(where, task)] = svg_image(draw_curves(curves, across="seconds"), _title(task))
    return images


def write_page(folder: Path) -> None:
    """Write the page and its pictures from all files of a folder."""
    reports = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.json"))}
    (RESULTS / "multi_gpu.md").write_text(page(reports), encoding="utf-8")
    for name, image in pictures(reports).items():
        (IMAGES / name).write_text(image, encoding="utf-8")
