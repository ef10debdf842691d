"""The folder in which a training writes checkpoints, and which of them are to be scored."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from oige_core.errors import ConfigError, OigeError

from oige_train.checkpoint import checkpoint_path, read_info
from oige_train.checkpoint_info import CheckpointError, CheckpointInfo
from oige_train.config.origin import last_value
from oige_train.config.overrides import literal_text
from oige_train.evaluation.scores import BEST_FILE
from oige_train.runs.files import POLICIES, STARTS_FILE, is_locked
from oige_train.runs.run_summary import read_starts

__all__ = ["LOOK_SECONDS", "CheckpointFolder", "with_first_checkpoint"]

#: Seconds between two searches of a folder for checkpoints.
LOOK_SECONDS = 1.0

_log = logging.getLogger(__name__)


class CheckpointFolder:
    """Checkpoints in a folder, to which a training may add some.

    Args:
        path: folder of a run, or of its checkpoints.

    Attributes:
        policies: the folder of the files.
        run: the folder of the run; that of the files if they belong to no run.
    """

    def __init__(self, path: Path) -> None:
        self.policies = path / POLICIES if (path / POLICIES).is_dir() else path
        parent = self.policies.parent
        self.run = parent if self.policies.name == POLICIES and _is_run(parent) else path
        self._refused: set[tuple[Path, int]] = set()

    def readable(self) -> list[tuple[Path, CheckpointInfo | None]]:
        """Return the checkpoints and their infos, those of the fewest epochs first.

        A file that cannot be read is logged, and again only if it has changed.
        """
        found = []
        for file in self.policies.glob("*.pth"):
            written = _time(file)
            if written is None or file.name == BEST_FILE or (file, written) in self._refused:
                continue
            try:
                found.append((written, file, read_info(file, str(file))))
            except CheckpointError as error:
                self.refuse(file, str(error))
        found.sort(key=lambda entry: (0 if entry[2] is None else entry[2].epoch, *entry[:2]))
        return [(file, info) for _, file, info in found]

    def refuse(self, file: Path, why: str) -> None:
        """Leave out a file until it changes, and log why; one that is gone is nothing to complain about."""
        written = _time(file)
        if written is None:
            _log.info(f"{file}: was removed before it was scored")
            return
        self._refused.add((file, written))
        _log.warning(f"{why} It is not scored.")

    def is_refused(self, file: Path) -> bool:
        """Whether a file was refused and has not changed since."""
        return (file, _time(file) or 0) in self._refused

    def training_has_ended(self) -> bool:
        """Whether the run trains no more; False if nothing says so, as without a run."""
        taken = is_locked(self.run)
        if taken:
            return False
        try:
            starts = read_starts(self.run)
        except ValueError:
            return taken is False
        if not starts:
            return False
        return taken is False or starts[-1].get("end") is not None


def _is_run(folder: Path) -> bool:
    return (folder / STARTS_FILE).is_file()


def _time(file: Path) -> int | None:
    """Return when a file was written, in nanoseconds; None if it is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def with_first_checkpoint(arguments: Sequence[str], pause: Callable[[float], object] = time.sleep) -> list[str]:
    """Replace the folder that ``evaluation=True checkpoint=<folder>`` names by its newest checkpoint.

    If it has none yet, this waits for the first one. Other arguments are returned as they are.

    Args:
        arguments: command-line arguments.
        pause: waits for some seconds.

    Raises:
        OigeError: training has ended without a checkpoint, or ``evaluation_timeout`` has passed.
    """
    given = list(arguments)
    text = literal_text(last_value(given, "checkpoint") or "")
    evaluates = literal_text(last_value(given, "evaluation") or "").lower() == "true"
    if not evaluates or not text or "--cfg" in given:
        return given
    path = checkpoint_path(text)
    if path.is_file() or path.suffix in (".pth", ".onnx", ".pt"):
        return given
    limit = _timeout(given)
    waited = 0.0
    while True:
        folder = CheckpointFolder(path)
        ended = folder.training_has_ended()  # asked first, so that the last checkpoint is not missed
        files = folder.readable()
        if files:
            others = [argument for argument in given if argument.partition("=")[0].lstrip("+") != "checkpoint"]
            return [*others, f"checkpoint={files[-1][0]}"]
        if ended:
            raise OigeError(f"checkpoint={text}: training has ended without a checkpoint; choose another run.")
        if waited >= limit:
            raise OigeError(f"checkpoint={text}: no checkpoint within evaluation_timeout={limit:g} s.")
        if not waited:
            _log.info(f"waiting for the first checkpoint in {path}; Ctrl-C ends the program")
        pause(LOOK_SECONDS)
        waited += LOOK_SECONDS


def _timeout(arguments: Sequence[str]) -> float:
    """Return ``evaluation_timeout`` before the configuration is composed."""
    text = literal_text(last_value(arguments, "evaluation_timeout") or "inf")
    try:
        value = float(text.removeprefix(".") if text.lower() == ".inf" else text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise ConfigError(f"evaluation_timeout={text}: expected a number of seconds above 0, or inf.")
    return value
