"""What the process keeps of its memory."""

import ctypes
import subprocess
import sys

import pytest

SIZE, TIMES = 64 * 2**20, 40
CODE = f"""
import resource, sys
import torch
from oige_train.memory import keep_freed_memory

if sys.argv[1] == "keep":
    keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({TIMES}):
    torch.ones({SIZE} // 4)
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(pages * resource.getpagesize())
"""


def fresh_memory(word: str) -> int:
    """Return how many bytes the system had to provide to a program that allocates and frees."""
    process = subprocess.run([sys.executable, "-c", CODE, word], capture_output=True, check=True)
    return int(process.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"), reason="the C library is not glibc")
def test_memory_of_freed_tensors_is_used_again() -> None:
    assert fresh_memory("leave") >= TIMES * SIZE  # or this test would tell nothing
    assert fresh_memory("keep") < TIMES * SIZE / 4
