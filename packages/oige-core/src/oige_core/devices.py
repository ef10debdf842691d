"""Selects devices without importing torch."""

from dataclasses import dataclass

from oige_core.config.schema import RunConfig
from oige_core.errors import ConfigError
from oige_core.gpu import cuda_device_count, gpu_problem

__all__ = ["Devices", "cuda_device", "resolve_devices", "unused_gpu"]


@dataclass(frozen=True)
class Devices:
    """Devices of a run as torch names them: ``cpu`` or ``cuda:<n>``.

    Attributes:
        simulation: where physics runs.
        pipeline: where the tensors of observations, rewards and actions live.
    """

    simulation: str
    pipeline: str


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
        if problem := gpu_problem():
            raise ConfigError(f"{setting}: {problem}, or use {key}=cpu.")
        raise ConfigError(f"{setting}: this machine has no CUDA device; use {key}=cpu or {key}=auto.")
    if index >= count:
        raise ConfigError(
            f"{index_setting or setting}: expected a number below {count}, the number of CUDA devices of this machine."
        )
    return f"cuda:{index}"


def resolve_devices(config: RunConfig) -> Devices:
    """Return the devices that ``sim_device``, ``pipeline`` and ``device_id`` select on this machine.

    ``auto`` selects CUDA device ``device_id`` if PyTorch can use one, and otherwise the CPU. For ``pipeline`` it
    selects the device of the simulation.

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


def unused_gpu(config: RunConfig) -> str | None:
    """Return a warning if ``sim_device=auto`` selects the CPU although this machine has a GPU, and None otherwise."""
    if config.sim_device != "auto" or cuda_device_count() > 0:
        return None
    problem = gpu_problem()
    return problem and f"warning: this runs on the CPU, because {problem}"


def _resolve(key: str, value: str, device_id: int) -> str:
    if value == "cpu" or (value == "auto" and cuda_device_count() == 0):
        return "cpu"
    return cuda_device(f"{key}={value}", device_id, index_setting=f"device_id={device_id}")
