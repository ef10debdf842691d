"""Learning curves as a drawing, from which images in several formats are made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "BOTTOM",
    "COLORS",
    "HEIGHT",
    "LEFT",
    "RIGHT",
    "TOP",
    "WIDTH",
    "Curve",
    "Drawing",
    "Path",
    "Rule",
    "Text",
    "draw_curves",
    "ticks",
]

WIDTH, HEIGHT = 640, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 14, 44  # margins of the plot; the legend is below
LEGEND_ROW = 20
#: All with a contrast above 3 on white and on dark grey.
COLORS = ("#3b82f6", "#e0702b", "#2e9e6b", "#b05cc6", "#c2548a", "#8a7a1f", "#2f93a8", "#a0664a")


@dataclass(frozen=True)
class Curve:
    """A curve.

    Attributes:
        label: text of the legend.
        points: environment steps, or what else the horizontal axis shows, and values, in order; at least one.
    """

    label: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Rule:
    """A horizontal line.

    Attributes:
        start: its left end ``(x, y)``.
        end: x of its right end.
        color: its colour; None: that of the grid.
        width: its width.
    """

    start: tuple[float, float]
    end: float
    color: str | None = None
    width: int = 1


@dataclass(frozen=True)
class Text:
    """A text.

    Attributes:
        position: of its baseline ``(x, y)``.
        text: the text.
        anchor: which part of the baseline is there.
        rotated: whether it runs from bottom to top.
    """

    position: tuple[float, float]
    text: str
    anchor: Literal["start", "middle", "end"] = "start"
    rotated: bool = False


@dataclass(frozen=True)
class Path:
    """The line of a curve.

    Attributes:
        points: its points ``(x, y)``.
        color: its colour.
    """

    points: list[tuple[float, float]]
    color: str


@dataclass
class Drawing:
    """A drawing, in pixels from the top left corner.

    Attributes:
        height: its height; its width is :data:`WIDTH`.
        parts: what is drawn, from back to front.
    """

    height: int
    parts: list[Rule | Text | Path] = field(default_factory=list)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers, about ``count`` of them, from ``low`` to ``high``."""
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= raw * 0.999)
    return [round(i * step, 10) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def draw_curves(curves: Sequence[Curve], quantity: str = "mean return", across: str | None = None) -> Drawing:
    """Return a drawing of curves. The vertical axis contains 0.

    Args:
        curves: the curves, at most as many as there are :data:`COLORS`.
        quantity: name of the vertical axis.
        across: name of the horizontal axis; None: environment steps, in thousands or millions.
    """
    last = max(max(steps for curve in curves for steps, _ in curve.points), 1.0)
    unit, name = (1e6, "million environment steps") if last >= 1e6 else (1e3, "thousand environment steps")
    if across is not None:
        unit, name = 1.0, across
    values = [value for curve in curves for _, value in curve.points]
    low, high = min(0.0, *values), max(0.0, *values)
    if low == high:
        high = 1.0
    low, high = low - 0.03 * (high - low) * (low < 0.0), high + 0.03 * (high - low) * (high > 0.0)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(steps: float) -> float:
        return LEFT + (right - LEFT) * steps / last

    def y(value: float) -> float:
        return bottom - (bottom - TOP) * (value - low) / (high - low)

    drawing = Drawing(HEIGHT + LEGEND_ROW * len(curves))
    for value in ticks(low, high):
        drawing.parts.append(Rule((LEFT, y(value)), right))
        drawing.parts.append(Text((LEFT - 8, y(value) + 4), f"{value:,.10g}".replace("-", "−"), "end"))
    for value in ticks(0.0, last / unit):
        drawing.parts.append(Text((x(value * unit), bottom + 17), f"{value:.10g}", "middle"))
    drawing.parts.append(Text((round((LEFT + right) / 2), bottom + 35), name, "middle"))
    drawing.parts.append(Text((14, round((TOP + bottom) / 2)), quantity, "middle", rotated=True))
    for number, (curve, color) in enumerate(zip(curves, COLORS, strict=False)):
        row = HEIGHT + LEGEND_ROW * number + 6
        drawing.parts.append(Path([(x(steps), y(value)) for steps, value in curve.points], color))
        drawing.parts.append(Rule((LEFT, row - 4), LEFT + 24, color, width=3))
        drawing.parts.append(Text((LEFT + 32, row), curve.label))
    return drawing
