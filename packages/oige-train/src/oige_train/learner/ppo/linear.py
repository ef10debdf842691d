"""Linear layers on CPUs with AVX-512, computed by the faster one of torch's two libraries.

torch multiplies matrices with MKL, which on AMD's processors has half the speed of oneDNN, its other library.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import linear

__all__ = ["has_faster_products", "is_large", "linear_of_onednn", "speed_up_linear_layers"]

LEAST_PRODUCTS = 2**23  # below, calls of Python cost more than oneDNN gains
LEAST_WIDTH = 32  # oneDNN is slower with narrow matrices


def has_faster_products() -> bool:
    """Return whether oneDNN multiplies matrices faster than MKL on this processor, or as fast."""
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def speed_up_linear_layers(module: torch.nn.Module) -> None:
    """Let the linear layers of a module on the CPU use oneDNN for large inputs; parameters and names stay."""
    for layer in module.modules():
        if type(layer) is torch.nn.Linear:
            layer.forward = _Forward(layer)  # type: ignore[method-assign]


def is_large(inputs: torch.Tensor, weight: torch.Tensor) -> bool:
    """Return whether oneDNN is faster for inputs ``(n, in)`` and weights ``(out, in)``."""
    return (
        inputs.ndim == 2
        and inputs.dtype == weight.dtype == torch.float32
        and min(weight.shape) >= LEAST_WIDTH
        and len(inputs) * weight.numel() >= LEAST_PRODUCTS
    )


def linear_of_onednn(inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return ``inputs @ weight.T + bias`` ``(n, out)``; the same as torch's but for rounding, also its gradient.

    Args:
        inputs: ``(n, in)`` float32.
        weight: ``(out, in)`` float32.
        bias: ``(out,)`` float32, or None.
    """
    if torch.is_grad_enabled():
        return _Linear.apply(inputs, weight, bias)
    return _product(inputs, weight, bias)


class _Forward:
    def __init__(self, layer: torch.nn.Linear) -> None:
        self.layer = layer

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what the layer does."""
        weight, bias = self.layer.weight, self.layer.bias
        return (linear_of_onednn if is_large(inputs, weight) else linear)(inputs, weight, bias)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(inputs, weight)
        return _product(inputs, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, slopes: torch.Tensor
    ) -> tuple[torch.Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        for_inputs, for_weight, for_bias = ctx.needs_input_grad
        return (
            _product(slopes, weight.T) if for_inputs else None,
            _weight_gradient(slopes, inputs) if for_weight else None,
            slopes.sum(0) if for_bias else None,
        )


def _product(left: torch.Tensor, right: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Return ``left @ right.T + bias``."""
    return torch.ops.mkldnn._linear_pointwise(left, right, bias, "none", [], "")


def _weight_gradient(slopes: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """Return ``slopes.T @ inputs`` ``(out, in)`` for slopes ``(n, out)`` and inputs ``(n, in)``."""
    if slopes.shape[1] > inputs.shape[1]:  # oneDNN is faster with the wider matrix on the right
        return _weight_gradient(inputs, slopes).T
    return _product(slopes.T, inputs.T)
