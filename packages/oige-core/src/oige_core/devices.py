"""Finds and selects devices without importing torch."""

import ctypes
import functools
import sys
from dataclasses import dataclass

from oige_core.config.schema import RunConfig
from oige_core.errors import ConfigError

__all__ = ["Devices", "cuda_device", "cuda_device_count", "cuda_device_memory", "resolve_devices"]


@dataclass(frozen=True)
class Devices:
    """Devices of a run as torch names them: ``cpu`` or ``cuda:<n>``.

    Attributes:
        simulation: where physics runs.
        pipeline: where the tensors of observations, rewards and actions live.
    """

    simulation: str
    pipeline: str


@functools.cache
def _cuda_driver() -> ctypes.CDLL | None:
    """Return CUDA's driver library, initialised, or None if it is missing or finds no device."""
    name = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
    try:
        driver = ctypes.CDLL(name)
    except OSError:
        return None
    return driver if driver.cuInit(0) == 0 else None


@functools.cache
def cuda_device_count() -> int:
    """Return the number of CUDA devices that this process may use (``CUDA_VISIBLE_DEVICES`` is respected)."""
    driver = _cuda_driver()
    count = ctypes.c_int(0)
    if driver is None or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def cuda_device_memory(index: int) -> int | None:
    """Return the memory of CUDA device ``index`` in bytes, or None if the driver does not report it."""
    driver = _cuda_driver()
    device, total = ctypes.c_int(0), ctypes.c_size_t(0)
    if driver is None or driver.cuDeviceGet(ctypes.byref(device), index) != 0:
        return None
    return total.value if driver.cuDeviceTotalMem_v2(ctypes.byref(total), device) == 0 else None


def cuda_device(setting: str, index: int, *, index_setting: str = "") -> str:
    """Return torch's name of a CUDA device, after checking that the machine has it.

    Args:
        setting: the ``key=value`` that selects a CUDA device, for the error message.
        index: number of the device.
        index_setting: the ``key=value`` that sets the number; empty: ``setting``.

    Raises:
        ConfigError: there is no such device.
    """
    count = cuda_device_count()
    if count == 0:
        key = setting.partition("=")[0]
        raise ConfigError(f"{setting}: this machine has no CUDA device; use {key}=cpu or {key}=auto.")
    if index >= count:
        raise ConfigError(
            f"{index_setting or setting}: expected a number below {count}, the number of CUDA devices of this machine."
        )
    return f"cuda:{index}"


def resolve_devices(config: RunConfig) -> Devices:
    """Return the devices that ``sim_device``, ``pipeline`` and ``device_id`` select on this machine.

    ``auto`` selects CUDA device ``device_id`` if there is one, and the CPU otherwise. For ``pipeline`` it selects the
    device of the simulation.

    Raises:
        ConfigError: this machine does not have the device, or the device does not support a solver option.
    """
    simulation = _resolve("sim_device", config.sim_device, config.device_id)
    solver = config.task.sim.mujoco
    if simulation != "cpu" and solver.noslip_iterations > 0 and solver.integrator == "discrete":
        raise ConfigError(
            f"task.sim.mujoco.noslip_iterations={solver.noslip_iterations}: MuJoCo Warp, which simulates on "
            f"{simulation}, has no such pass with integrator=discrete; use another integrator, noslip_iterations=0 or "
            "sim_device=cpu."
        )
    pipeline = simulation if config.pipeline == "auto" else _resolve("pipeline", config.pipeline, config.device_id)
    return Devices(simulation=simulation, pipeline=pipeline)


def _resolve(key: str, value: str, device_id: int) -> str:
    if value == "cpu" or (value == "auto" and cuda_device_count() == 0):
        return "cpu"
    return cuda_device(f"{key}={value}", device_id, index_setting=f"device_id={device_id}")
