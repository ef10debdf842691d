"""Work of a learner that runs as CUDA graphs where that is possible."""

import logging
from collections.abc import Callable, Hashable

import torch
from oige_core.engines.base import GraphRecorder
from oige_core.errors import ConfigError
from oige_core.torch_graphs import TorchGraphs

__all__ = ["LearnerGraphs"]

KEY = "train.params.config.graphs"

_log = logging.getLogger(__name__)


class LearnerGraphs:
    """Runs work eagerly at first, and from its second time on as a graph.

    The work reads and writes memory that stays the same, decides nothing by values on the device, and never waits for
    the device. If that does not hold, it is run eagerly for ever, which is logged once.

    Args:
        recorder: captures graphs; None: everything is run eagerly.
        required: raise if work cannot be captured.
    """

    def __init__(self, recorder: GraphRecorder | None, *, required: bool = False) -> None:
        self._recorder = recorder
        self._required = required
        self._replays: dict[Hashable, Callable[[], None]] = {}
        self._seen: set[Hashable] = set()

    @classmethod
    def of(cls, setting: str, device: torch.device) -> "LearnerGraphs":
        """Return the graphs that ``train.params.config.graphs`` asks for.

        Args:
            setting: ``auto``, ``True`` or ``False``.
            device: device of the learner.

        Raises:
            ConfigError: the setting is True, and graphs are not possible.
        """
        if setting == "True" and device.type != "cuda":
            raise ConfigError(
                f"{KEY}=True: expected auto or False; the learner runs on {device}, and only CUDA has graphs."
            )
        if setting == "False" or device.type != "cuda":
            return cls(None)
        return cls(TorchGraphs(device), required=setting == "True")

    @property
    def enabled(self) -> bool:
        """Whether work is captured, and therefore must keep to its memory."""
        return self._recorder is not None

    def run(self, name: Hashable, work: Callable[[], None]) -> None:
        """Run work, which is always the same for a name."""
        if name in self._replays:
            self._replays[name]()
        elif self._recorder is None or name not in self._seen:
            self._seen.add(name)
            work()
        else:
            self._replays[name] = self._capture(name, work)
            self._replays[name]()

    def _capture(self, name: Hashable, work: Callable[[], None]) -> Callable[[], None]:
        assert self._recorder is not None
        try:
            return self._recorder.record(work, ())
        except RuntimeError as error:
            while isinstance(error.__context__, RuntimeError):  # the end of a failed capture raises another error
                error = error.__context__
            reason = str(error).partition("\n")[0]
            if self._required:
                raise ConfigError(
                    f"{KEY}=True: expected auto or False; {name} cannot be captured ({reason})."
                ) from error
            _log.warning("%s runs without CUDA graphs, which is slower: it cannot be captured (%s)", name, reason)
            return work
