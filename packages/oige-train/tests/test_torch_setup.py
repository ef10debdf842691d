"""The C library keeps freed memory in the process."""

import ctypes
import subprocess
import sys

import pytest

IS_GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
SIZE, TIMES = 64 * 2**20, 20
CODE = f"""
import resource, sys
import torch
from oige_train.torch_setup import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    torch.ones({SIZE} // 4)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def fresh_pages(mode: str) -> int:
    """Return how many pages, of any size, the system had to provide to a program that allocates and frees."""
    process = subprocess.run([sys.executable, "-c", CODE, mode], capture_output=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(not IS_GLIBC, reason="the C library is not glibc")
def test_freed_memory_is_reused() -> None:
    assert fresh_pages("keep") < fresh_pages("leave") / 4
