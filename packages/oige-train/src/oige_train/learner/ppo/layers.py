"""Layers of a multilayer perceptron with a gradient of their own on CUDA: fewer kernels and passes over memory."""

from typing import Any

import torch
from torch import nn

from oige_train.learner.ppo.launcher import Launcher, find_launcher

__all__ = ["evaluate_layers"]


def evaluate_layers(layers: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return the outputs ``(n, G)`` of ``layers``, whose gradients those of torch are to rounding.

    Without Warp, under autocast, and for layers other than linear ones and their activations, torch computes.

    Args:
        layers: e.g. the ``actor_mlp`` of rl_games' networks.
        inputs: ``(n, F)``.
    """
    launcher = find_launcher(inputs.device)
    if launcher is None or type(layers) is not nn.Sequential or torch.is_autocast_enabled(inputs.device.type):
        return layers(inputs)
    modules = list(layers)
    values = inputs
    while modules:
        layer = modules.pop(0)
        activation = _activation(modules[0], launcher) if modules and _is_dense(layer) else None
        if activation is None:
            values = layer(values)
        else:
            values = _ActivatedLinear.apply(values, layer.weight, layer.bias, modules.pop(0), activation, launcher)
    return values


def _is_dense(layer: nn.Module) -> bool:
    return type(layer) is nn.Linear and layer.bias is not None


def _activation(layer: nn.Module, launcher: Launcher) -> Any:
    """Return the kernels' constant for an activation whose derivative follows from its result; None for others."""
    kernels = launcher.kernels
    if type(layer) is nn.ELU and layer.alpha == 1.0:
        return kernels.ELU
    return {nn.ReLU: kernels.RELU, nn.Tanh: kernels.TANH}.get(type(layer))


class _ActivatedLinear(torch.autograd.Function):
    """A linear layer and its activation, which replaces the sums; the backward pass reads and writes each only once."""

    #: Threads that fill a GPU, rows that make a thread worthwhile, and partial sums that one more kernel soon adds up.
    THREADS, ROWS, PARTIAL_SUMS = 131072, 8, 1024

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        layer: nn.Module,
        activation: Any,
        launcher: Launcher,
    ) -> torch.Tensor:
        results = torch.addmm(bias, inputs, weight.t())
        if isinstance(layer, nn.ELU):
            nn.functional.elu_(results)
        elif isinstance(layer, nn.ReLU):
            results.relu_()
        else:
            results.tanh_()
        ctx.save_for_backward(inputs, weight, results)
        ctx.activation, ctx.launcher = activation, launcher
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weight, results = ctx.saved_tensors
        rows, columns = results.shape
        most = _ActivatedLinear
        parts = max(1, min(most.THREADS // columns, -(-rows // most.ROWS), most.PARTIAL_SUMS))
        slopes = torch.empty_like(results)
        sums = results.new_empty(columns, parts)
        kernel = ctx.launcher.kernels.activation_gradient
        ctx.launcher.launch(kernel, (parts, columns), [gradients[0], results, ctx.activation], [slopes, sums])
        back = slopes.mm(weight) if ctx.needs_input_grad[0] else None
        return back, slopes.t().mm(inputs), sums.sum(1), None, None, None
