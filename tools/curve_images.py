"""Draw the learning curves that ``tools/learning_curve.py`` wrote into docs/results/data as SVG images.

``tools/task_pages.py`` calls it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from oige_train.plots.drawing import Curve, draw_curves
from oige_train.plots.images import svg_image

__all__ = ["DATA", "Run", "draw", "read_points"]

DATA = Path(__file__).resolve().parent.parent / "docs" / "results" / "data"


@dataclass(frozen=True)
class Run:
    """A training run.

    Attributes:
        label: text of the legend.
        files: names of its parts in docs/results/data, without suffix, in order; a run that was resumed has several.
    """

    label: str
    files: tuple[str, ...]


def read_points(run: Run) -> list[tuple[float, float]]:
    """Return environment steps and mean returns of a run; steps of a part that repeat the part before are left out."""
    points: list[tuple[float, float]] = []
    for file in run.files:
        for row in json.loads((DATA / f"{file}.json").read_text(encoding="utf-8"))["curve"]:
            if row["reward"] is not None and (not points or row["steps"] > points[-1][0]):
                points.append((row["steps"], row["reward"]))
    return points


def draw(title: str, runs: Sequence[Run]) -> str:
    """Return an SVG image of mean returns over environment steps.

    Args:
        title: description for screen readers.
        runs: the runs.
    """
    return svg_image(draw_curves([Curve(run.label, read_points(run)) for run in runs]), title)
