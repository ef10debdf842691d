"""A curve as a few lines of text."""

import math
from collections.abc import Sequence

from oige_train.plots.drawing import Curve

__all__ = ["curve_text", "curve_texts"]

ROWS = 6
MOST_COLUMNS = 72
#: Cells from empty to full, then the parts of the axes: vertical with tick, vertical, corner, horizontal.
UNICODE = (" ▁▂▃▄▅▆▇█", "┤│└─")
ASCII = (" .:#", "+|+-")


def curve_text(
    points: Sequence[tuple[float, float]],
    *,
    width: int,
    encoding: str | None,
    steps: tuple[float, float] | None = None,
    values: tuple[float, float] | None = None,
) -> list[str]:
    """Return the lines of a small chart of values over environment steps; none for fewer than two points.

    Args:
        points: environment steps and values, in order of steps.
        width: largest number of characters of a line.
        encoding: encoding of the output; characters that it lacks are replaced by ASCII.
        steps: ends of the horizontal axis; None: those of the points.
        values: ends of the vertical axis; None: those of the values.
    """
    if len(points) < 2:
        return []
    start, end = steps or (points[0][0], points[-1][0])
    low, high = values or (min(value for _, value in points), max(value for _, value in points))
    cells, (tick, side, corner, line) = UNICODE if _has(encoding) else ASCII
    labels = [_short(high), *[""] * (ROWS - 2), _short(low)]
    margin = max(map(len, labels))
    columns = max(min(width - margin - 2, MOST_COLUMNS), 8)
    heights = [
        None if value is None else _height(value, low, high, len(cells) - 1)
        for value in _means(points, start, end, columns)
    ]
    chart = []
    for row, label in enumerate(labels):
        below = (ROWS - 1 - row) * (len(cells) - 1)
        text = "".join(" " if h is None else cells[min(max(h - below, 0), len(cells) - 1)] for h in heights)
        chart.append(f"{label:>{margin}} {tick if label else side}{text}".rstrip())
    left, right = _short(start), f"{_short(end)} steps"
    gap = " " * max(columns - len(left) - len(right), 1)
    return [*chart, f"{'':{margin}} {corner}{line * columns}", f"{'':{margin}}  {left}{gap}{right}"]


def curve_texts(curves: Sequence[Curve], *, width: int, encoding: str | None) -> list[str]:
    """Return the lines of a chart for each curve, below its label, all with the same axes.

    Args:
        curves: the curves.
        width: see :func:`curve_text`.
        encoding: see :func:`curve_text`.
    """
    points = [point for curve in curves for point in curve.points]
    steps, values = ((min(axis), max(axis)) for axis in zip(*points, strict=True))
    lines = []
    for curve in curves:
        lines.append(curve.label)
        if len(curve.points) == 1:
            ((at, value),) = curve.points
            lines.append(f"  {_short(value)} at {_short(at)} steps, the only point")
        lines += curve_text(curve.points, width=width, encoding=encoding, steps=steps, values=values)
    return lines


def _has(encoding: str | None) -> bool:
    try:
        "".join(UNICODE).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _means(points: Sequence[tuple[float, float]], start: float, end: float, columns: int) -> list[float | None]:
    """Return the mean of the values in each column; a column without points repeats the one before.

    Columns before the first and after the last point are None.
    """
    found: list[list[float]] = [[] for _ in range(columns)]
    for steps, value in points:
        column = int((steps - start) / (end - start) * columns) if end > start else 0
        found[min(max(column, 0), columns - 1)].append(value)
    last = max(column for column, values in enumerate(found) if values)
    means: list[float | None] = []
    for column, values in enumerate(found):
        if values:
            means.append(sum(values) / len(values))
        else:
            means.append(means[-1] if means and column < last else None)
    return means


def _height(value: float, low: float, high: float, levels: int) -> int:
    """Return the height of a bar, from 1 to ``ROWS`` × ``levels``."""
    fraction = (value - low) / (high - low) if high > low else 0.0
    return 1 + round(min(max(fraction, 0.0), 1.0) * (ROWS * levels - 1))


def _short(value: float) -> str:
    """Return a number with three or four digits, with ``k``, ``M`` or ``G`` for large ones and a power beyond."""
    if abs(value) >= 1e13:
        return f"{value:.4g}"
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= unit:
            factor = 1e3 if name == "k" else unit
            return f"{value / factor:.4g}{name}"
    digits = 3 - math.floor(math.log10(abs(value))) if value else 0
    return f"{round(value, max(digits, 0)):.4g}"
