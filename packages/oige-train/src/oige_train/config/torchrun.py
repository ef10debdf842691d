"""The place of this process among those that torchrun started."""

import os
from dataclasses import dataclass

from oige_core.errors import ConfigError

__all__ = ["Torchrun"]

#: Port of torchrun's rendezvous, its own default.
PORT = 29500


@dataclass(frozen=True)
class Torchrun:
    """Rank and number of processes, from the environment that torchrun sets.

    Attributes:
        rank: number of this process among all.
        size: number of all processes.
        local_rank: number of this process among those of this machine.
        local_size: number of processes on this machine.
        nodes: number of machines.
        address: name or address of the machine of process 0.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    nodes: int = 1
    address: str = "127.0.0.1"

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
        local_size = int(os.environ.get("LOCAL_WORLD_SIZE", size))
        nodes = int(os.environ.get("GROUP_WORLD_SIZE", max(1, size // local_size)))
        return cls(rank, size, local_rank, local_size, nodes, os.environ["MASTER_ADDR"])

    def options(self) -> list[str]:
        """Return the options of torchrun that start as many processes again, on each of the machines."""
        each = f"--nproc-per-node={self.local_size}"
        if self.nodes == 1:
            return [each]
        return [f"--nnodes={self.nodes}", each, "--rdzv-backend=c10d", f"--rdzv-endpoint={self.address}:{PORT}"]
