"""Learning curves of runs."""

import shutil
from pathlib import Path
from typing import TextIO

from oige_core.errors import OigeError, nearest

from oige_train.plots.drawing import Curve
from oige_train.plots.text import curve_text
from oige_train.runs.files import EVALUATION, SUMMARIES
from oige_train.runs.summaries import REWARD, read_summaries

__all__ = ["final_curve", "read_curve"]

#: Number of points of a curve that is drawn.
MOST_POINTS = 1000


def read_curve(folder: Path, name: str = REWARD) -> Curve:
    """Return a scalar of a run over environment steps, with at most about a thousand points.

    Args:
        folder: folder of the run.
        name: name of the scalar.

    Raises:
        OigeError: the run has no such scalar, or no finite value of it.
    """
    events = folder / SUMMARIES
    if name.startswith(f"{EVALUATION}/"):
        events /= EVALUATION
    summaries = read_summaries(events, [name])
    points = summaries.scalars.get(name)
    if points is None:
        known = _names(events) if summaries.parts else []
        if name in known:
            raise OigeError(f"{folder}: {name} is NaN or infinite at all times; there is no curve.")
        cause = nearest(name, known) if known else "; ".join(summaries.problems) + "."
        raise OigeError(f"{folder}: has no scalar {name}. {cause}")
    every = max(len(points) // MOST_POINTS, 1)
    kept = [*points[:-1:every], points[-1]]
    return Curve(str(folder), [(point.steps, point.value) for point in kept])


def _names(folder: Path) -> list[str]:
    """Return the names of all scalars in a folder of event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 1})
    events.Reload()
    return events.Tags()["scalars"]


def final_curve(folder: Path, stream: TextIO) -> list[str]:
    """Return a small chart of the mean returns of a run, as lines of text; none for fewer than two points.

    Args:
        folder: folder of the run.
        stream: where it will be printed.
    """
    points = read_summaries(folder / SUMMARIES, [REWARD]).scalars.get(REWARD, [])
    width = shutil.get_terminal_size().columns if stream.isatty() else 80
    return curve_text([(point.steps, point.value) for point in points], width=width, encoding=stream.encoding)
