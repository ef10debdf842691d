"""Settings of torch and of the C library that hold for the whole process."""

import ctypes
import subprocess
import sys

import pytest
import torch
from fake_env import make_run
from oige_core.devices import Devices
from oige_train import torch_setup
from oige_train.cli.common import checked_run

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


def test_deterministic_learning_notes_nondeterministic_gpu_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["task=Cartpole", "torch_deterministic=True", "rl_device=cpu"]
    assert checked_run(arguments).notes == ()
    monkeypatch.setattr("oige_train.config.derive.resolve_devices", lambda config: Devices("cuda:0", "cpu"))
    assert checked_run(arguments).notes == (
        "torch_deterministic=True: the learner repeats bit by bit; physics does so only with sim_device=cpu, or with "
        "task.sim.mujoco.deterministic=True, with which a step takes many times as long.",
    )
    assert checked_run([*arguments, "task.sim.mujoco.deterministic=True"]).notes == ()


def test_deterministic_physics_is_noted_as_without_effect_on_the_cpu() -> None:
    notes = checked_run(["task=Cartpole", "sim_device=cpu", "task.sim.mujoco.deterministic=True"]).notes
    assert notes == ("task.sim.mujoco.deterministic: has no effect without sim_device on a GPU.",)
