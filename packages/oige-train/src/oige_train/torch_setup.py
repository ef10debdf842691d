"""Settings of torch and of the C library that hold for the whole process."""

import ctypes
import sys

import torch
from oige_core.errors import ConfigError
from oige_core.seeding import derive_seed

from oige_train.config import Run
from oige_train.learner.random_state import seed_learner

__all__ = ["configure_torch", "keep_freed_memory"]

# Parameters of mallopt in glibc's malloc.h.
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4


def configure_torch(run: Run) -> None:
    """Set device, threads, memory, precision and seeds for a run.

    Raises:
        ConfigError: torch was built without the device of the learner.
    """
    config = run.config
    if config.rl_device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"rl_device={config.rl_device}: this build of PyTorch has no CUDA; use rl_device=cpu.")
    if config.rl_device != "cpu":
        torch.cuda.set_device(config.rl_device)
    torch.set_num_threads(config.train.params.torch_threads)
    if config.rl_device == "cpu":
        keep_freed_memory()
    if not config.torch_deterministic:
        torch.set_float32_matmul_precision("high")
    seed_learner(derive_seed(config.seed, "learner"), deterministic=config.torch_deterministic)


def keep_freed_memory() -> None:
    """Keep freed blocks of memory in the process for later tensors on the CPU.

    glibc unmaps freed blocks above 32 MiB, and the kernel then has to zero their pages on the next allocation: a third
    of the processor time of learning from images on 2 cores. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, -1)  # never
