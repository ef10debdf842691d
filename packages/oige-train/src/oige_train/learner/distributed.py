"""Processes that train together, started by torchrun: gloo on the CPU, NCCL on CUDA."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from oige_core.errors import ConfigError, OigeError

from oige_train.config import Run
from oige_train.config.torchrun import Torchrun
from oige_train.learner.rendezvous import Rendezvous, common_settings
from oige_train.learner.watch import REPORTED, Watch

__all__ = ["Workers"]

Decided = TypeVar("Decided")

#: How long a process waits in a collective for others that are alive; while somebody may pause process 0 in the viewer.
PATIENCE, WATCHED_PATIENCE = timedelta(minutes=10), timedelta(days=30)


@dataclass(frozen=True)
class Workers:
    """The processes that train together; only one unless ``multi_gpu=True``.

    Collectives on CUDA tensors use NCCL, those on CPU tensors use gloo. All processes must call the same ones in the
    same order.

    Attributes:
        rank: number of this process among all.
        size: number of processes.
        device: device of the learner in this process.
        watch: learns of the deaths of other processes; None if there are none.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"
    watch: Watch | None = None

    @classmethod
    def of_run(cls, run: Run) -> "Workers":
        """Join the processes of a run, or return a single one, as ``multi_gpu`` says; see :meth:`join`."""
        config = run.config
        if not config.multi_gpu:
            return cls()
        is_watched = config.is_shown_in_viewer  # process 0 may be paused in the viewer
        return cls.join(config.rl_device, common_settings(run), WATCHED_PATIENCE if is_watched else PATIENCE)

    @classmethod
    def join(cls, device: str, settings: Mapping[str, Any], patience: timedelta = PATIENCE) -> "Workers":
        """Join the group of processes that torchrun started.

        Args:
            device: device of the learner in this process.
            settings: what all processes must agree on, by dotted key.
            patience: how long a process waits in a collective for others that are alive.

        Raises:
            ConfigError: torchrun did not start this process, or the processes do not fit together.
            SystemExit: process 0 reports that they do not.
        """
        process = Torchrun.from_environment()
        cuda = device.startswith("cuda")
        if cuda:
            torch.cuda.set_device(device)
        meeting = Rendezvous(process, PATIENCE)
        try:
            names = meeting.meet(device, settings)
        except ConfigError as error:
            if process.rank != 0:
                raise SystemExit(REPORTED) from error
            raise
        watch = Watch(process.rank, names, meeting.address, meeting.from_first)
        workers = cls(process.rank, process.size, device, watch)
        with workers.reporting():
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if cuda else "gloo",
                timeout=patience,
                store=meeting.store,
                rank=process.rank,
                world_size=process.size,
                device_id=torch.device(device) if cuda else None,
            )
            # NCCL connects in its first collective, which must not happen while a CUDA graph is captured.
            dist.all_reduce(torch.zeros(1, device=device))
        return workers

    def leave(self) -> None:
        """Leave the group, at the end of training."""
        if self.watch is not None:
            self.watch.leave()
            dist.destroy_process_group()

    def reporting(self, *expected: type[BaseException]) -> AbstractContextManager[None]:
        """See :meth:`~oige_train.learner.watch.Watch.reporting`; nothing with only one process."""
        return contextlib.nullcontext() if self.watch is None else self.watch.reporting(*expected)

    def advise(self, advice: Callable[[], str]) -> None:
        """Set what the report of a process's death says in addition; see :class:`~oige_train.learner.watch.Watch`."""
        if self.watch is not None:
            self.watch.advice = advice

    def is_incomplete(self) -> bool:
        """Whether another process has died, so that this one is about to end."""
        return self.watch is not None and self.watch.death is not None

    # --- on the host -------------------------------------------------------------------------------------------------

    def decide(self, decision: Callable[[], Decided]) -> Decided:
        """Call ``decision`` in process 0 only; return its result, or raise its error, in all processes.

        Raises:
            OigeError: ``decision`` raised it.
        """
        if self.size == 1:
            return decision()
        outcome: list[Any] = [None, None]
        if self.rank == 0:
            try:
                outcome[0] = decision()
            except OigeError as error:
                outcome[1] = error
        dist.broadcast_object_list(outcome, device=torch.device("cpu"))
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def largest(self, value: float) -> float:
        """Return the largest of the values that the processes pass; the GPU is not involved."""
        if self.size == 1:
            return value
        tensor = torch.tensor(value, dtype=torch.float64)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return tensor.item()

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process; the GPU is not involved."""
        return self.largest(float(flag)) > 0.0

    # --- on the learner's device; without waiting for it, and CUDA graphs can capture them ---------------------------

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes, in a single reduction.

        Args:
            tensors: of one type and on one device; on CUDA, a collective must have been called before a capture.
        """
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        if flat.is_cuda:
            dist.all_reduce(flat, op=dist.ReduceOp.AVG)
        else:
            dist.all_reduce(flat)  # gloo has no AVG
            flat /= self.size
        means = flat.split([tensor.numel() for tensor in tensors])
        means = [mean.view_as(tensor) for mean, tensor in zip(means, tensors, strict=True)]
        torch._foreach_copy_(tensors, means)  # pyright: ignore[reportPrivateImportUsage]

    def broadcast(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor, in place, by that of process 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        dist.all_reduce(total)
        return total
