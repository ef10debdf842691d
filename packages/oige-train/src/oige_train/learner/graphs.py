"""Work of a learner that runs as CUDA graphs where that is possible."""

import logging
from collections.abc import Callable, Hashable

import torch
from oige_core.engines.base import GraphRecorder
from oige_core.errors import ConfigError
from oige_core.torch_graphs import TorchGraphs

from oige_train.learner.distributed import Workers

__all__ = ["LearnerGraphs"]

KEY = "train.params.config.graphs"
ALONE = Workers()

_log = logging.getLogger(__name__)


class LearnerGraphs:
    """Runs work eagerly at first, and from its second time on as a graph.

    The work reads and writes memory that stays the same, decides nothing by values on the device, and never waits for
    the device. If that does not hold in one of several processes, it is run eagerly for ever in all of them, because
    collectives of NCCL are part of a graph everywhere or nowhere. This is logged once.

    Args:
        recorder: captures graphs; None: everything is run eagerly.
        workers: the processes that train together, which run the same work in the same order.
        required: raise if work cannot be captured.
    """

    def __init__(self, recorder: GraphRecorder | None, *, workers: Workers = ALONE, required: bool = False) -> None:
        self._recorder = recorder
        self._workers = workers
        self._required = required
        self._replays: dict[Hashable, Callable[[], None]] = {}
        self._seen: set[Hashable] = set()

    @classmethod
    def of(cls, setting: str, device: torch.device, workers: Workers) -> "LearnerGraphs":
        """Return the graphs that ``train.params.config.graphs`` asks for; only CUDA has any.

        Args:
            setting: ``auto``, ``True`` or ``False``.
            device: device of the learner.
            workers: the processes that train together.
        """
        if setting == "False" or device.type != "cuda":
            return cls(None)
        return cls(TorchGraphs(device), workers=workers, required=setting == "True")

    @property
    def enabled(self) -> bool:
        """Whether work is captured, and therefore must keep to its memory."""
        return self._recorder is not None

    def run(self, name: Hashable, work: Callable[[], None]) -> None:
        """Run work, which is always the same for a name.

        Args:
            name: the subject of a message, or a tuple that begins with it.
            work: the work.
        """
        if name in self._replays:
            self._replays[name]()
        elif self._recorder is None or name not in self._seen:
            self._seen.add(name)
            work()
        else:
            self._replays[name] = self._capture(name, work)
            self._replays[name]()

    def release(self) -> None:
        """Destroy all graphs. NCCL waits for ever to leave a group while a graph with its collectives exists."""
        self._replays.clear()
        self._seen.clear()

    def _capture(self, name: Hashable, work: Callable[[], None]) -> Callable[[], None]:
        """Return the replay of a graph of ``work``, or ``work`` itself if it cannot be captured in every process."""
        assert self._recorder is not None
        replay, failure = work, None
        try:
            replay = self._recorder.record(work, ())
        except RuntimeError as error:
            failure = error
        if not self._workers.any(failure is not None):
            return replay
        while failure is not None and isinstance(failure.__context__, RuntimeError):
            failure = failure.__context__  # the end of a failed capture raises another error
        reason = "that failed in another process" if failure is None else str(failure).partition("\n")[0]
        title = name[0] if isinstance(name, tuple) else name
        if self._required:
            raise ConfigError(
                f"{KEY}=True: expected auto or False; {title} cannot be captured ({reason})."
            ) from failure
        if self._workers.rank == 0:
            _log.warning("%s runs without CUDA graphs, which is slower: it cannot be captured (%s)", title, reason)
        return work
