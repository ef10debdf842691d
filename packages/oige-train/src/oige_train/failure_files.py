"""Files of the worlds that fail in training, ``runs/<name>/failures/<step>_<world>.npz``."""

import logging
import shlex
from pathlib import Path
from typing import Any

from oige_core.errors import reason

__all__ = ["FailureFiles"]

#: Number of worlds that a run records.
LIMIT = 10

_log = logging.getLogger(__name__)


class FailureFiles:
    """Writes a file for each of the first ten worlds of a run that diverge or explode.

    Args:
        env: the environment, which records from now on.
        folder: of the files; it is made for the first one.
        program: how to call ``oige-replay``, for the message.
    """

    def __init__(self, env: Any, folder: Path, program: list[str]) -> None:
        self._env = env
        self._folder = folder
        self._program = program
        self._said = False
        self._present = len(list(folder.glob("*.npz")))
        if self._present < LIMIT:
            env.record_failures(LIMIT - self._present, {"run": folder.parent.name})

    def write(self) -> None:
        """Write the failures since the last call; the first one, and a disk that refuses a file, are logged.

        This waits for the device, if the simulation runs on a GPU.
        """
        for failure in self._env.take_failures():
            path = self._folder / f"{failure.step}_{failure.world}.npz"
            try:
                self._folder.mkdir(exist_ok=True)
                failure.save(path)
            except OSError as error:
                _log.warning(f"warning: {path}: the failure of a world was not recorded ({reason(error)}).")
                continue
            if not self._said:
                self._said = True
                command = shlex.join([*self._program, "oige-replay", str(path)])
                _log.info(
                    f"world {failure.world} {failure.kind} in control step {failure.step:,} and was recorded, as up to "
                    f"{LIMIT} such worlds of a run are; see what happened: {command}"
                )
