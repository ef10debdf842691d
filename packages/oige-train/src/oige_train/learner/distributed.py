"""Processes that train together, started by torchrun: gloo on the CPU, NCCL on CUDA."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from oige_core.errors import OigeError

from oige_train.config.torchrun import Torchrun

__all__ = ["Workers"]

Decided = TypeVar("Decided")


@dataclass(frozen=True)
class Workers:
    """The processes that train together; only one unless ``multi_gpu=True``.

    Attributes:
        rank: number of this process among all.
        size: number of processes.
        device: device of the learner in this process.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @classmethod
    def join(cls, device: str) -> "Workers":
        """Join the group of processes that torchrun started.

        Args:
            device: device of the learner in this process.

        Raises:
            ConfigError: torchrun did not start this process.
        """
        Torchrun.from_environment()
        cuda = device.startswith("cuda")
        if cuda:
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if cuda else "gloo")
        return cls(rank=dist.get_rank(), size=dist.get_world_size(), device=device)

    def leave(self) -> None:
        """Leave the group."""
        if self.size > 1 or dist.is_initialized():
            dist.destroy_process_group()

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
        dist.broadcast_object_list(outcome, device=torch.device(self.device))
        if outcome[1] is not None:
            raise outcome[1]
        return outcome[0]

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any process."""
        if self.size == 1:
            return flag
        tensor = torch.tensor(float(flag), device=self.device)
        dist.all_reduce(tensor, op=dist.ReduceOp.MAX)
        return bool(tensor.item())

    def average(self, tensors: Iterable[torch.Tensor]) -> None:
        """Replace each tensor, in place, by its mean over all processes, in a single reduction."""
        tensors = list(tensors)
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        offset = 0
        for tensor in tensors:
            tensor.copy_(flat[offset : offset + tensor.numel()].view_as(tensor))
            offset += tensor.numel()

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
