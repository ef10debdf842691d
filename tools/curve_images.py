"""Draw learning curves as SVG, readable on light and dark pages.

``tools/task_pages.py`` calls it for the curves that ``tools/learning_curve.py`` wrote into docs/results/data.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

__all__ = ["DATA", "Curve", "draw", "read_points"]

DATA = Path(__file__).resolve().parent.parent / "docs" / "results" / "data"
WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44  # margins of the plot; the legend is below
LEGEND_ROW = 20
COLORS = ("#3b82f6", "#e0702b", "#2e9e6b", "#b05cc6")  # all with a contrast above 3 on white and on dark grey
TEXT, GRID = "#808890", "#80889055"


@dataclass(frozen=True)
class Curve:
    """A training run.

    Attributes:
        label: text of the legend.
        files: names of its parts in docs/results/data, without suffix, in order; a run that was resumed has several.
    """

    label: str
    files: tuple[str, ...]


def read_points(curve: Curve) -> list[tuple[float, float]]:
    """Return environment steps and mean returns of a run; steps of a part that repeat the part before are left out."""
    points: list[tuple[float, float]] = []
    for file in curve.files:
        for row in json.loads((DATA / f"{file}.json").read_text(encoding="utf-8"))["curve"]:
            if row["reward"] is not None and (not points or row["steps"] > points[-1][0]):
                points.append((row["steps"], row["reward"]))
    return points


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers, about ``count`` of them, from ``low`` to ``high``."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= raw * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def draw(title: str, curves: Sequence[Curve]) -> str:
    """Return an SVG image of mean returns over environment steps.

    Args:
        title: description for screen readers.
        curves: the runs, at most four.
    """
    points = [read_points(curve) for curve in curves]
    last = max(steps for run in points for steps, _ in run)
    unit, name = (1e6, "million environment steps") if last >= 1e6 else (1e3, "thousand environment steps")
    returns = [value for run in points for _, value in run]
    low, high = min(0.0, *returns), max(0.0, *returns)
    low, high = low - 0.03 * (high - low) * (low < 0.0), high + 0.03 * (high - low) * (high > 0.0)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(steps: float) -> float:
        return LEFT + (right - LEFT) * steps / last

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * (value - low) / (high - low)

    height = HEIGHT + LEGEND_ROW * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="sans-serif" font-size="12" fill="{TEXT}">',
        f"<title>{escape(title)}</title>",
    ]
    for value in ticks(low, high):
        parts.append(f'<path d="M{LEFT} {y(value):.1f}H{right}" stroke="{GRID}"/>')
        label = f"{value:,.10g}".replace("-", "−")
        parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    for value in ticks(0.0, last / unit):
        at = x(value * unit)
        parts.append(f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{value:.10g}</text>')
    parts.append(f'<text x="{(LEFT + right) / 2:.0f}" y="{bottom + 35}" text-anchor="middle">{name}</text>')
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text x="14" y="{middle:.0f}" text-anchor="middle" transform="rotate(-90 14 {middle:.0f})">mean return</text>'
    )
    for number, (curve, run) in enumerate(zip(curves, points, strict=True)):
        color, row = COLORS[number], HEIGHT + LEGEND_ROW * number + 6
        line = " ".join(f"{x(steps):.1f},{y(value):.1f}" for steps, value in run)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<path d="M{LEFT} {row - 4}h24" stroke="{color}" stroke-width="3"/>')
        parts.append(f'<text x="{LEFT + 32}" y="{row}">{escape(curve.label)}</text>')
    return "\n".join([*parts, "</svg>", ""])
