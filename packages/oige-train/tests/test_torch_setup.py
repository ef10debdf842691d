"""Settings of torch and of the C library that hold for the whole process."""

import ctypes
import subprocess
import sys

import pytest
import torch
from fake_env import make_run
from oige_train import torch_setup

IS_GLIBC = sys.platform.startswith("linux") and hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
# Prints how many pages, of any size, the system has to provide to allocations and frees, before and after the setting.
CODE = """
import resource
import torch
from oige_train.torch_setup import keep_freed_memory

def fresh_pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(16 * 2**20)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(fresh_pages())
keep_freed_memory()
print(fresh_pages())
"""


@pytest.mark.skipif(not IS_GLIBC, reason="the C library is not glibc")
def test_freed_memory_is_reused() -> None:
    process = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    left, kept = map(int, process.stdout.split())
    assert kept < left / 4


def test_the_gpu_of_the_learner_is_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda _: None)
    monkeypatch.setattr(torch_setup, "seed_learner", lambda *_, **__: None)
    monkeypatch.setattr(torch_setup, "keep_freed_memory", lambda: None)
    run = make_run(2)
    for device in ("cuda:1", "cpu"):
        run.config.rl_device = device
        torch_setup.configure_torch(run)
    assert chosen == ["cuda:1"]
