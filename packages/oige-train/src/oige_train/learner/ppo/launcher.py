"""Launches PPO's Warp kernels where there are any: on CUDA."""

import functools
from typing import Any

import torch
from oige_core.warp_version import has_warp

__all__ = ["Launcher", "find_launcher"]


@functools.cache
def find_launcher(device: torch.device) -> "Launcher | None":
    """Return what launches kernels on a device; None where torch computes: on the CPU, and in Isaac Sim."""
    if device.type != "cuda" or not has_warp():
        return None
    return Launcher(device)


class Launcher:
    """Launches Warp kernels on tensors, in the order of torch's current stream.

    Args:
        device: device of the tensors. The kernels are compiled and loaded here, so that graphs can be captured.

    Attributes:
        kernels: the module :mod:`oige_train.learner.ppo.kernels`.
    """

    def __init__(self, device: torch.device) -> None:
        from oige_core.kernel_launch import launch
        from oige_core.warp_runtime import init_warp

        init_warp()
        import warp as wp

        from oige_train.learner.ppo import kernels

        self.kernels = kernels
        self._launch = launch
        wp.load_module(
            kernels, wp.get_device(str(device)), block_dim=kernels.BLOCK
        )  # also of a device without an index

    def launch(self, kernel: Any, dim: int | tuple[int, ...], inputs: list[Any], outputs: list[Any]) -> None:
        """Launch a kernel.

        Args:
            kernel: one of ``kernels``.
            dim: numbers of threads.
            inputs: its first arguments; tensors, of the types that the kernel expects, and what else Warp accepts.
            outputs: its last arguments.
        """
        self._launch(kernel, dim, *inputs, *outputs, block_dim=self.kernels.BLOCK)
