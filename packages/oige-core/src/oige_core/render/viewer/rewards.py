"""The reward of the followed world on the page: a bar for each term, and plots over time."""

import html
from collections import deque
from collections.abc import Sequence

import numpy as np
import torch
import viser
from viser import uplot

__all__ = ["RewardPanel", "reward_bars"]

LENGTH = 300  # points
HEIGHT = 130  # pixels
FONT = "12px sans-serif"
COLOR, LOSS_COLOR = "#2563eb", "#dc2626"
TOTAL = "total"


class RewardPanel:
    """Bars and plots of the reward terms and of their sum, in a folder of the page.

    Terms are multiplied by their weights, so that they add up to the reward.

    Args:
        server: the server of the page.

    Attributes:
        order: position of the folder in the panel.
    """

    def __init__(self, server: viser.ViserServer) -> None:
        self._gui = server.gui
        self._folder = server.gui.add_folder(self._label(None))
        self.order = self._folder.order
        with self._folder:
            self._bars = server.gui.add_html("")
            self._plots_folder = server.gui.add_folder("Over time", expand_by_default=False)
        self._points: deque[list[float]] = deque(maxlen=LENGTH)
        self._names: list[str] = []
        self._plots: list[viser.GuiUplotHandle] = []
        self._world: int | None = None

    def add(self, time: float, terms: dict[str, torch.Tensor], world: int | None) -> None:
        """Add a point to each plot; this waits for the device.

        Args:
            time: simulated time in seconds, the horizontal axis.
            terms: reward terms ``(N,)`` by name; empty before the first step.
            world: the world to show; None: the mean of all worlds.
        """
        if not terms:
            return
        if not self._plots:
            self._create(list(terms))
        if world != self._world:
            self._world = world
            self._points.clear()
            self._folder.label = self._label(world)
        values = torch.stack(list(terms.values()))
        selected = (values.mean(dim=1) if world is None else values[:, world]).tolist()
        self._points.append([time, sum(selected), *selected])

    def show(self) -> None:
        """Send bars and points to the page."""
        if not self._points:
            return
        time, *curves = np.array(self._points).T
        for plot, curve in zip(self._plots, curves, strict=True):
            plot.data = (time, curve)
        now, mean = [float(curve[-1]) for curve in curves], [float(curve.mean()) for curve in curves]
        self._bars.content = reward_bars(self._names, now, mean, float(time[-1] - time[0]))

    @staticmethod
    def _label(world: int | None) -> str:
        return f"Reward per step, {'mean of all worlds' if world is None else f'world {world}'}"

    def _create(self, names: list[str]) -> None:
        self._names = [TOTAL, *names]
        with self._plots_folder:
            for name in self._names:
                self._plots.append(
                    self._gui.add_uplot(
                        (np.zeros(0), np.zeros(0)),
                        (uplot.Series(label="s"), uplot.Series(label=name, stroke=COLOR, width=1)),
                        title=name,
                        scales={"x": uplot.Scale(time=False)},
                        axes=(
                            {"label": "simulated time (s)", "labelSize": 18, "size": 28, "labelFont": FONT},
                            {"label": "reward per step", "labelSize": 18, "size": 44, "labelFont": FONT},
                        ),
                        legend=uplot.Legend(show=False),
                        height=HEIGHT,
                    )
                )


def reward_bars(names: Sequence[str], now: Sequence[float], mean: Sequence[float], seconds: float) -> str:
    """Return HTML with a bar for each value, all on one scale, which begin at 0; a line marks the mean.

    Args:
        names: of the values.
        now: the values.
        mean: their means.
        seconds: simulated time of the means, in seconds.
    """
    finite = [value for value in (0.0, *now, *mean) if np.isfinite(value)]
    low, high = min(finite), max(finite)
    scale = 100.0 / ((high - low) or 1.0)
    rows = "".join(
        _row(name, value, middle, -low * scale, scale) for name, value, middle in zip(names, now, mean, strict=True)
    )
    return (
        f'<div style="font:{FONT};padding:0 0.8em 0.4em"><div style="color:#666;padding-bottom:0.3em">'
        f"bar: last step · line: mean of {seconds:.1f} s</div>{rows}</div>"
    )


def _row(name: str, now: float, mean: float, zero: float, scale: float) -> str:
    """Return the HTML of a bar: ``zero`` is the position of 0 and ``scale`` the width of 1, in percent."""
    weight = "bold" if name == TOTAL else "normal"
    begin, width = (zero + scale * min(now, 0.0), scale * abs(now)) if np.isfinite(now) else (zero, 0.0)
    mark = f'<div style="{_at(zero + scale * mean, "2px")};background:#111"></div>' if np.isfinite(mean) else ""
    return (
        f'<div style="display:flex;justify-content:space-between;font-weight:{weight}">'
        f'<span style="overflow-wrap:anywhere">{html.escape(name)}</span>'
        f'<span style="white-space:nowrap;padding-left:0.5em">{now + 0.0:.3g} · {mean + 0.0:.3g}</span></div>'
        '<div style="position:relative;height:8px;margin:1px 0 5px;background:#e5e7eb">'
        f'<div style="{_at(begin, f"{width:.1f}%")};background:{COLOR if now >= 0.0 else LOSS_COLOR}"></div>'
        f"{mark}</div>"
    )


def _at(left: float, width: str) -> str:
    return f"position:absolute;top:0;bottom:0;left:{left:.1f}%;width:{width}"
