"""The place of this process among those that torchrun started."""

import os
from dataclasses import dataclass

from oige_core.errors import ConfigError

__all__ = ["Torchrun"]


@dataclass(frozen=True)
class Torchrun:
    """Rank and number of processes, from the environment that torchrun sets.

    Attributes:
        rank: number of this process among all.
        size: number of all processes.
        local_rank: number of this process among those of this machine.
        local_size: number of processes on this machine.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int

    @classmethod
    def from_environment(cls) -> "Torchrun":
        """Read the environment variables that torchrun sets.

        Raises:
            ConfigError: torchrun did not start this process.
        """
        numbers = [os.environ.get(key, "") for key in ("RANK", "WORLD_SIZE", "LOCAL_RANK")]
        if not all(map(str.isdecimal, numbers)) or not {"MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
            raise ConfigError(
                "multi_gpu=True: this process was not started by torchrun; use "
                "torchrun --nproc-per-node=<number of GPUs> -m oige_train.cli.train multi_gpu=True …"
            )
        rank, size, local_rank = map(int, numbers)
        return cls(rank, size, local_rank, local_size=int(os.environ.get("LOCAL_WORLD_SIZE", size)))
