"""A GPU that cannot be used is reported, with what to install; a machine without one is not."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oige_core import gpu
from oige_core.config import RunConfig
from oige_core.devices import Devices, resolve_devices, unused_gpu
from oige_core.errors import ConfigError
from oige_core.registry import load_config

CPU_BUILD, CUDA_13, CUDA_12 = ("2.13.0+cpu", None), ("2.13.0+cu130", "13.0"), ("2.13.0+cu126", "12.6")
INSTALL = "pip install --force-reinstall torch --index-url https://download.pytorch.org/whl"


class Driver:
    """Stands for CUDA's driver library.

    Args:
        version: newest version of CUDA that it supports, as it reports it.
        devices: number of devices.
        error: what its initialisation returns.
    """

    def __init__(self, version: int = 13000, devices: int = 1, error: int = 0) -> None:
        self._version, self._devices, self._error = version, devices, error
        self.contexts: list[int] = []

    def cuInit(self, flags: int) -> int:  # noqa: N802
        return self._error

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self._devices
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = self._version
        return 0

    def cuDeviceGetName(self, name: Any, size: int, device: int) -> int:  # noqa: N802
        name.value = b"NVIDIA H200"
        return 0

    def cuDeviceGet(self, device: Any, index: int) -> int:  # noqa: N802
        device._obj.value = 10 + index
        return 0 if index < self._devices else 101

    def cuDevicePrimaryCtxRetain(self, context: Any, device: Any) -> int:  # noqa: N802
        self.contexts.append(device.value)
        return 0

    def cuGetErrorName(self, error: int, name: Any) -> int:  # noqa: N802
        name._obj.value = {100: b"CUDA_ERROR_NO_DEVICE", 803: b"CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"}[error]
        return 0


class Machine:
    """A machine in which a test puts a driver, device nodes and programs."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch
        self.has(None, CUDA_13)
        (_, nodes), (_, folders) = gpu.SIGNS
        monkeypatch.setattr(gpu, "SIGNS", ((folder / "dev", nodes), (folder / "gpus", folders)))
        monkeypatch.setenv("PATH", str(folder / "bin"))
        monkeypatch.delenv(gpu.HIDE, raising=False)

    def has(self, driver: Driver | None, torch: tuple[str, str | None]) -> None:
        self._monkeypatch.setattr(gpu, "_library", lambda: driver)
        self._monkeypatch.setattr(gpu, "_torch", lambda: torch)

    def add_node(self, name: str) -> str:
        """Make a file and return its path."""
        path = self._folder / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        return str(path)


def add_nvidia_smi(folder: Path, output: str, code: int = 0) -> None:
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nprint({output!r})\nraise SystemExit({code})\n")
    program.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine without a GPU."""
    caches = (gpu._initialise, gpu.cuda_device_count, gpu.gpu_problem)
    for function in caches:
        function.cache_clear()
    yield Machine(tmp_path, monkeypatch)
    for function in caches:
        function.cache_clear()


def config(**values: Any) -> RunConfig:
    return load_config("Cartpole", values)


def test_a_machine_without_a_gpu_is_not_mentioned(machine: Machine) -> None:
    assert gpu.cuda_device_count() == 0
    assert gpu.gpu_problem() is None
    assert unused_gpu(config()) is None


@pytest.mark.parametrize("torch", [CUDA_13, CUDA_12])
def test_a_usable_gpu_is_used(machine: Machine, torch: tuple[str, str | None]) -> None:
    machine.has(Driver(devices=2), torch)
    assert gpu.cuda_device_count() == 2
    assert gpu.gpu_problem() is None
    assert resolve_devices(config()) == Devices("cuda:0", "cuda:0")


@pytest.mark.parametrize(
    ("version", "torch", "supported", "advice"),
    [
        (13010, CPU_BUILD, "13.1", f"{INSTALL}/cu130"),
        (12080, CPU_BUILD, "12.8", f"{INSTALL}/cu126"),
        (14000, CPU_BUILD, "14.0", f"{INSTALL}/cu130"),
        (11080, CPU_BUILD, "11.8", "update the driver"),
        (12040, CUDA_13, "12.4", f"update the driver, or {INSTALL}/cu126"),
        (11040, CUDA_12, "11.4", "update the driver"),
    ],
)
def test_a_build_of_pytorch_that_does_not_fit_the_driver(
    machine: Machine, version: int, torch: tuple[str, str | None], supported: str, advice: str
) -> None:
    machine.has(Driver(version), torch)
    built = "without CUDA" if torch[1] is None else f"for CUDA {torch[1]}"
    problem = (
        f"the GPU of this machine (NVIDIA H200) cannot be used: PyTorch {torch[0]} is built {built}, and the driver "
        f"supports CUDA {supported}; {advice}"
    )
    assert resolve_devices(config()) == Devices("cpu", "cpu")
    assert unused_gpu(config()) == f"warning: this runs on the CPU, because {problem}"
    with pytest.raises(ConfigError) as caught:
        resolve_devices(config(sim_device="gpu"))
    assert str(caught.value) == f"sim_device=gpu: {problem}, or use sim_device=cpu."


def test_newer_minor_version_of_pytorch_runs_on_the_driver(machine: Machine) -> None:
    machine.has(Driver(12020), CUDA_12)
    assert gpu.cuda_device_count() == 1


@pytest.mark.parametrize(("device", "contexts"), [("cuda:1", [11]), ("cuda:2", []), ("cpu", [])])
def test_the_context_of_a_device_is_created(machine: Machine, device: str, contexts: list[int]) -> None:
    driver = Driver(devices=2)
    machine.has(driver, CUDA_13)
    thread = gpu.create_context(device)
    if thread is not None:
        thread.join()
    assert driver.contexts == contexts


def test_no_context_is_created_without_a_driver(machine: Machine) -> None:
    assert gpu.create_context("cuda:0") is None


def test_a_chosen_cpu_needs_no_explanation(machine: Machine) -> None:
    machine.has(Driver(), CPU_BUILD)
    assert unused_gpu(config(sim_device="cpu")) is None


@pytest.mark.parametrize("node", ["dev/nvidia0", "gpus/0000:17:00.0"])
def test_a_gpu_whose_driver_has_no_library(machine: Machine, node: str) -> None:
    path = machine.add_node(node)
    assert gpu.cuda_device_count() == 0
    assert gpu.gpu_problem() == (
        f"the GPU of this machine ({path}) cannot be used: the library of its driver is missing; install NVIDIA's "
        "driver for CUDA 13, which PyTorch 2.13.0+cu130 needs, or start the container with access to the GPU, as "
        "docker run --gpus all does"
    )


def test_other_nodes_of_the_driver_are_no_gpu(machine: Machine) -> None:
    machine.add_node("dev/nvidiactl")
    assert gpu.gpu_problem() is None


@pytest.mark.parametrize(
    ("driver", "name"),
    [
        (Driver(error=803), "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"),
        (Driver(error=100), "CUDA_ERROR_NO_DEVICE"),
    ],
)
def test_a_driver_that_does_not_start(machine: Machine, tmp_path: Path, driver: Driver, name: str) -> None:
    machine.has(driver, CPU_BUILD)
    add_nvidia_smi(tmp_path, "GPU 0: NVIDIA L40S (UUID: GPU-1234)\nGPU 1: NVIDIA L40S (UUID: GPU-5678)")
    assert gpu.gpu_problem() == (
        f"the GPU of this machine (NVIDIA L40S) cannot be used: its driver reports {name}; install NVIDIA's driver, or "
        "start the container with access to the GPU, as docker run --gpus all does"
    )


@pytest.mark.parametrize(
    ("output", "code"), [("No devices were found", 0), ("couldn't communicate with the driver", 9)]
)
def test_nvidia_smi_without_a_gpu(machine: Machine, tmp_path: Path, output: str, code: int) -> None:
    add_nvidia_smi(tmp_path, output, code)
    assert gpu.gpu_problem() is None


@pytest.mark.parametrize(("value", "silent"), [("", True), ("-1", True), ("7", False)])
def test_hidden_gpus(machine: Machine, monkeypatch: pytest.MonkeyPatch, value: str, silent: bool) -> None:
    machine.has(Driver(error=100), CUDA_13)
    path = machine.add_node("dev/nvidia0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    problem = f"the GPU of this machine ({path}) cannot be used: CUDA_VISIBLE_DEVICES=7 hides it; unset it"
    assert gpu.gpu_problem() == (None if silent else problem)


def test_the_build_of_pytorch_is_read_without_importing_it() -> None:
    code = "import sys; from oige_core import gpu; print(*gpu._torch(), 'torch' in sys.modules); import torch; "
    code += "print(torch.__version__, torch.version.cuda, False)"
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert lines[0] == lines[1]


@pytest.mark.skipif(gpu._library() is not None, reason="the driver is installed")
def test_programs_begin_with_the_warning(tmp_path: Path) -> None:
    add_nvidia_smi(tmp_path, "GPU 0: NVIDIA L40S (UUID: GPU-1234)")
    program = [sys.executable, "-m", "oige_train.cli.random_policy", "task=Cartpole", "num_envs=1", "max_steps=1"]
    environment = os.environ | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    process = subprocess.run(program, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    first, second = process.stderr.splitlines()[:2]
    assert first.startswith(
        "warning: this runs on the CPU, because the GPU of this machine (NVIDIA L40S) cannot be used"
    )
    assert second.startswith("stepping Cartpole")
