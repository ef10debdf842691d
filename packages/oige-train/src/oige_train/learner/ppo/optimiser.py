"""Gradient steps of rl_games' optimiser, also as parts of CUDA graphs."""

from collections.abc import Sequence
from typing import Any

import torch

from oige_train.learner.distributed import Workers
from oige_train.learner.ppo.launcher import find_launcher

__all__ = ["AdaptiveRate", "Stepper", "plain_state", "step_in_slices"]

#: Numbers of parameters: of a slice, of all for each multiple of a slice, and those that fill a GPU.
_SLICE, _SLICES, _LARGE = 4096, 262144, 1048576


class Stepper:
    """Averages gradients over all processes, clips them and takes a step.

    The learning rate is a tensor, so that graphs can read and change it.

    Args:
        optimiser: an Adam of torch.
        workers: the processes that train together.
        max_norm: maximum norm of the gradients; None: do not clip.

    Attributes:
        rate: 0-d; the learning rate.
    """

    def __init__(self, optimiser: Any, workers: Workers, max_norm: float | None) -> None:
        self._optimiser, self._workers, self._max_norm = optimiser, workers, max_norm
        (group,) = optimiser.param_groups
        self._parameters: list[torch.nn.Parameter] = [p for p in group["params"] if p.requires_grad]
        device = self._parameters[0].device
        self.rate = torch.tensor(float(group["lr"]), device=device)
        group["lr"] = self.rate
        group["capturable"] = device.type == "cuda"
        # Adam's fused kernel divides gradients by a number of its own accord.
        self._launcher = find_launcher(device) if group.get("fused") else None
        self._scale = torch.ones(1, device=device)

    def step(
        self, outputs: Sequence[torch.Tensor], slopes: Sequence[torch.Tensor], averaged: Sequence[torch.Tensor] = ()
    ) -> None:
        """Take a step.

        Args:
            outputs: outputs of the network.
            slopes: the loss's derivatives with respect to them.
            averaged: tensors of which the mean over all processes replaces the value.
        """
        loss = _Loss.apply(slopes, *outputs)
        computed = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        gradients = [_laid_out_as(*pair) for pair in zip(self._parameters, computed, strict=True)]
        used = [gradient for gradient in gradients if gradient is not None]
        self._workers.average([*used, *averaged])
        for parameter, gradient in zip(self._parameters, gradients, strict=True):
            parameter.grad = gradient
        if self._max_norm is not None:
            self._clip(used, self._max_norm)
        self._descend(used)

    def _descend(self, gradients: list[torch.Tensor]) -> None:
        (group,) = self._optimiser.param_groups
        parameters = [parameter for parameter in self._parameters if parameter.grad is not None]
        if self._launcher is not None and all(self._optimiser.state[parameter] for parameter in parameters):
            step_in_slices(self._optimiser, group, parameters, gradients)
        else:  # the first step of Adam makes its state
            self._optimiser.step()

    def _clip(self, gradients: list[torch.Tensor], max_norm: float) -> None:
        if self._launcher is None:
            torch.nn.utils.clip_grad_norm_(self._parameters, max_norm, foreach=True)
            return
        norms = torch.stack(torch._foreach_norm(gradients))  # pyright: ignore[reportPrivateImportUsage]
        self._launcher.launch(self._launcher.kernels.gradient_scale, 1, [norms, max_norm], [self._scale])
        self._optimiser.grad_scale = self._scale


@torch.no_grad()
def step_in_slices(
    optimiser: Any, group: dict[str, Any], parameters: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> None:
    """Take a step of torch's fused Adam, in less time and with the same results.

    Its kernel has one block of threads for each 65536 numbers of a tensor, which leaves most of a GPU idle. Slices of
    tensors have a block each. Large networks fill a GPU, and other variants of Adam are rare: they step as usual.

    Args:
        optimiser: a fused Adam that took a step before.
        group: its only group of parameters.
        parameters: the parameters that have gradients.
        gradients: laid out as the parameters.
    """
    total = sum(parameter.numel() for parameter in parameters)
    if total > _LARGE or group["amsgrad"] or group["maximize"] or group.get("decoupled_weight_decay"):
        optimiser.step()
        return
    size = _SLICE * -(-total // _SLICES)
    states = [optimiser.state[parameter] for parameter in parameters]
    steps = [state["step"] for state in states]
    averages = ([state[name] for state in states] for name in ("exp_avg", "exp_avg_sq"))
    slices = [
        [part for tensor in tensors for part in _flat(tensor).split(size)]
        for tensors in (parameters, gradients, *averages)
    ]
    torch._foreach_add_(steps, 1)  # pyright: ignore[reportPrivateImportUsage]
    update: Any = torch._fused_adam_  # pyright: ignore[reportPrivateImportUsage]
    update(
        *slices,
        [],
        [step for step, parameter in zip(steps, parameters, strict=True) for _ in range(0, parameter.numel(), size)],
        lr=group["lr"],
        beta1=group["betas"][0],
        beta2=group["betas"][1],
        weight_decay=group["weight_decay"],
        eps=group["eps"],
        amsgrad=False,
        maximize=False,
        grad_scale=getattr(optimiser, "grad_scale", None),
        found_inf=None,
    )


def _flat(tensor: torch.Tensor) -> torch.Tensor:
    """Return the numbers of a dense tensor in the order of memory."""
    return tensor.as_strided((tensor.numel(),), (1,))


def _laid_out_as(parameter: torch.Tensor, gradient: torch.Tensor | None) -> torch.Tensor | None:
    """Return a gradient with the strides of its parameter, which torch's fused Adam expects.

    Those of convolutions may have their channels last.
    """
    if gradient is None or gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter).copy_(gradient)


class _Loss(torch.autograd.Function):
    """Depends on tensors by given derivatives, has no value; torch's own way to pass these imports its compiler."""

    @staticmethod
    def forward(ctx: Any, slopes: Sequence[torch.Tensor], *outputs: torch.Tensor) -> torch.Tensor:
        ctx.slopes = [slope.to(output.dtype) for slope, output in zip(slopes, outputs, strict=True)]
        return outputs[0].new_empty(())

    @staticmethod
    def backward(ctx: Any, *_: Any) -> tuple[torch.Tensor | None, ...]:
        return (None, *ctx.slopes)


class AdaptiveRate:
    """rl_games' adaptive learning rate: it follows the divergence of the policy from the last one.

    Args:
        rate: 0-d; the rate, which is changed.
        threshold: target divergence.
    """

    LOWEST, HIGHEST, FACTOR = 1e-6, 1e-2, 1.5

    def __init__(self, rate: torch.Tensor, threshold: float) -> None:
        self.rate, self.threshold = rate, threshold

    def adapt(self, divergence: torch.Tensor) -> None:
        """Divide the rate by 1.5 above twice the target, multiply it by 1.5 below half of it.

        Args:
            divergence: 0-d.
        """
        slower = (self.rate / self.FACTOR).clamp_min(self.LOWEST)
        faster = (self.rate * self.FACTOR).clamp_max(self.HIGHEST)
        rate = torch.where(divergence > 2.0 * self.threshold, slower, self.rate)
        self.rate.copy_(torch.where(divergence < 0.5 * self.threshold, faster, rate))


def plain_state(optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Return an optimiser's state as rl_games saves it, with the learning rate as a number."""
    state = optimiser.state_dict()
    groups = [{**group, "lr": float(group["lr"]), "capturable": False} for group in state["param_groups"]]
    return {**state, "param_groups": groups}
