"""Plots of the reward and its terms over time."""

from collections import deque

import numpy as np
import torch
import viser
from viser import uplot

__all__ = ["RewardPlots"]

LENGTH = 300  # points
HEIGHT = 130  # pixels
FONT = "12px sans-serif"
COLOR = "#2563eb"


class RewardPlots:
    """One plot for each reward term, and one for their sum, in a folder of the page.

    Args:
        server: the server of the page.
    """

    def __init__(self, server: viser.ViserServer) -> None:
        self._gui = server.gui
        self._folder = server.gui.add_folder(self._label(None))
        self._points: deque[list[float]] = deque(maxlen=LENGTH)
        self._plots: list[viser.GuiUplotHandle] = []
        self._world: int | None = None

    def add(self, time: float, terms: dict[str, torch.Tensor], world: int | None) -> None:
        """Add a point to each plot; this waits for the device.

        Args:
            time: simulated time in seconds, the horizontal axis.
            terms: reward terms ``(N,)`` by name; empty before the first step.
            world: the world to plot; None: the mean of all worlds.
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
        """Send the points to the page."""
        if not self._points:
            return
        time, *curves = np.array(self._points).T
        for plot, curve in zip(self._plots, curves, strict=True):
            plot.data = (time, curve)

    @staticmethod
    def _label(world: int | None) -> str:
        return f"Reward per step, {'mean of all worlds' if world is None else f'world {world}'}"

    def _create(self, names: list[str]) -> None:
        with self._folder:
            for name in ("total", *names):
                self._plots.append(
                    self._gui.add_uplot(
                        (np.zeros(0), np.zeros(0)),
                        (uplot.Series(label="s"), uplot.Series(label=name, stroke=COLOR, width=1)),
                        title=name,
                        scales={"x": uplot.Scale(time=False)},
                        axes=({"label": "simulated time (s)", "labelSize": 18, "size": 28, "labelFont": FONT}, {}),
                        legend=uplot.Legend(show=False),
                        height=HEIGHT,
                    )
                )
