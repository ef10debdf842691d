"""New checkpoints of a training that goes on, for a policy that is played meanwhile."""

import logging
from collections.abc import Callable
from pathlib import Path

from oige_train.checkpoint import CheckpointError
from oige_train.config import Run
from oige_train.play_result import PlayResult
from oige_train.policy import FlashSacPolicy, Policy, load_weights

__all__ = ["CheckpointWatch"]

#: Number of control steps between two looks into the folder.
INTERVAL = 100

_log = logging.getLogger(__name__)


class CheckpointWatch:
    """Replaces the weights of a policy by those of the newest checkpoint beside its own.

    A file that does not fit is left out, with a message.

    Args:
        run: the checked run, whose checkpoint the policy has.
        policy: the policy.

    Attributes:
        playing: the file of the policy.
    """

    def __init__(self, run: Run, policy: Policy | FlashSacPolicy) -> None:
        assert run.checkpoint is not None
        self._policy = policy
        self._device = run.config.rl_device
        self.playing = run.checkpoint
        self._seen = _time(run.checkpoint)
        self._steps = 0

    def update(self, result: Callable[[], PlayResult]) -> bool:
        """Look for a new checkpoint every hundredth time; return whether there is one, which is loaded.

        Args:
            result: returns the result of the policy so far, which is logged before it is replaced.
        """
        self._steps += 1
        if self._steps % INTERVAL:
            return False
        file = max(self.playing.parent.glob("*.pth"), key=_time, default=self.playing)
        if _time(file) <= self._seen:
            return False
        self._seen = _time(file)
        try:
            load_weights(self._policy, file, self._device)
        except CheckpointError as error:
            _log.warning(f"{error} It is not played.")
            return False
        _log.info(f"{self.playing}: {result().text()}")
        _log.info(f"playing {file}")
        self.playing = file
        return True


def _time(file: Path) -> int:
    """Return when a file was written, in nanoseconds; 0 if it is gone."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0
