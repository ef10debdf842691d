"""The file with the scores of a run's checkpoints, ``evaluation.csv``. This module imports nothing slow."""

import csv
import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["BEST_FILE", "SCORES_FILE", "Score", "append_score", "best_of", "read_scores"]

SCORES_FILE = "evaluation.csv"
BEST_FILE = "evaluation_best.pth"


@dataclass(frozen=True, kw_only=True)
class Score:
    """The result of a checkpoint.

    Attributes:
        steps: environment steps of all worlds that the checkpoint was trained for; None if it does not say.
        epoch: epochs that it was trained for; None if it does not say.
        mean_return: mean sum of rewards of an episode.
        mean_length: mean length of an episode in control steps.
        success: fraction of the episodes that succeeded, or of the goals that were reached; None if the task reports
            neither.
        goals: mean number of goals reached in an episode; None if the task has no goals.
        episodes: number of episodes.
        num_envs: number of worlds.
        seed: the seed.
        settings: overrides that the run of the checkpoint does not have, separated by spaces.
        training_reward: mean episode reward in training when the checkpoint was written; None if it does not say.
        checkpoint: name of the file at that time.
        date: when it was scored, as ISO 8601 with time zone.
    """

    steps: int | None
    epoch: int | None
    mean_return: float
    mean_length: float
    success: float | None
    goals: float | None
    episodes: int
    num_envs: int
    seed: int
    settings: str
    training_reward: float | None
    checkpoint: str
    date: str

    @property
    def conditions(self) -> tuple[int, int, int, str]:
        """What must be equal for two scores to be comparable."""
        return self.episodes, self.num_envs, self.seed, self.settings


NAMES = tuple(field.name for field in fields(Score))
WHOLE = frozenset(("steps", "epoch", "episodes", "num_envs", "seed"))
TEXTS = frozenset(("settings", "checkpoint", "date"))
OPTIONAL = frozenset(("steps", "epoch", "success", "goals", "training_reward"))


def read_scores(file: Path) -> tuple[list[Score], str]:
    """Return the scores in a file, and what is wrong with it; nothing and an empty text if there is no file.

    A row that cannot be read, such as the last one after a power failure, is left out.
    """
    try:
        text = file.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return [], ""
    except OSError as error:
        return [], f"cannot be read ({error.strerror})"
    rows = list(csv.reader(text.splitlines()))
    if not rows:
        return [], ""
    if tuple(rows[0]) != NAMES:
        return [], f"expected the columns {', '.join(NAMES)}"
    scores, damaged = [], []
    for number, row in enumerate(rows[1:], 2):
        try:
            scores.append(_score(row))
        except ValueError:
            damaged.append(number)
    return scores, f"line {damaged[0]} is damaged" if damaged else ""


def _score(row: Sequence[str]) -> Score:
    values: dict[str, Any] = {}
    for name, text in zip(NAMES, row, strict=True):
        if name in TEXTS:
            values[name] = text
        elif name in OPTIONAL and not text:
            values[name] = None
        else:
            values[name] = int(text) if name in WHOLE else float(text)
    return Score(**values)


def append_score(file: Path, score: Score) -> None:
    """Add a score to a file, which is made if necessary, and bring it to the disk.

    Raises:
        OSError: it cannot be written.
    """
    row = io.StringIO()
    writer = csv.writer(row, lineterminator="\n")
    with file.open("a+", encoding="utf-8", newline="") as stream:
        stream.seek(0)
        before = stream.read()
        if not before:
            writer.writerow(NAMES)
        elif not before.endswith("\n"):  # a row was cut off
            row.write("\n")
        values = [getattr(score, name) for name in NAMES]
        writer.writerow("" if value is None else value for value in values)
        stream.write(row.getvalue())
        stream.flush()
        os.fsync(stream.fileno())


def best_of(scores: Sequence[Score]) -> Score | None:
    """Return the score with the largest mean return among those under the conditions of the last one.

    Of equal ones it is the first. None without a finite mean return.
    """
    found = [
        score for score in scores if score.conditions == scores[-1].conditions and math.isfinite(score.mean_return)
    ]
    return max(found, key=lambda score: score.mean_return, default=None)
