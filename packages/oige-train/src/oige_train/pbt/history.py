"""What the members of a population reported, in the order of time."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oige_train.atomic import written_atomically

__all__ = ["History", "describe", "last_line"]

KEYS = ("member", "copied_from", "epoch", "reward", "settings", "folder", "file", "steps", "problem", "goal")


class History:
    """Reports of members, which are kept in a file.

    Args:
        file: JSON file, whose folder exists.

    Attributes:
        rows: the reports; ``reward`` is None if there is none.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rows: list[dict[str, Any]] = []

    def add(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Add what a member returned and Ray Tune completed, and return its report."""
        row = {key: result.get(key) for key in KEYS} | {"seconds": round(result["time_total_s"], 1)}
        if not math.isfinite(result["reward"]):  # JSON has no such numbers
            row["reward"] = None
        self.rows.append(row)
        with written_atomically(self._file) as stream:
            stream.write((json.dumps(self.rows, indent=1, allow_nan=False) + "\n").encode())
        return row


def describe(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return the reward and the settings of a report in words."""
    reward = "no reward" if row["reward"] is None else f"reward {row['reward']:.2f}"
    return reward, " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in row["settings"].items())


def last_line(text: str) -> str:
    """Return the message at the end of a traceback, without the class if it is one of this project."""
    return re.sub(r"^oige_[\w.]+: ", "", text.strip().splitlines()[-1])
