"""Detect that a learner has diverged, at the cost of one synchronisation with the device."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from oige_core.errors import OigeError

from oige_train.checkpoint import CheckpointError

__all__ = ["DivergedError", "largest_value", "learner_tensors", "non_finite_names", "refuse_diverged"]


class DivergedError(OigeError):
    """Networks or optimisers contain values that are not finite; they were not saved."""


def learner_tensors(
    networks: Mapping[str, torch.nn.Module], optimisers: Iterable[torch.optim.Optimizer]
) -> dict[str, torch.Tensor]:
    """Return the floating-point tensors that training changes, by name.

    Args:
        networks: modules by name, whose parameters and buffers are included.
        optimisers: their moments are included: if one overflows, its weights stay finite but no longer change.
    """
    tensors = {
        f"{name}.{key}": tensor for name, network in networks.items() for key, tensor in network.state_dict().items()
    }
    for number, optimiser in enumerate(optimisers):
        for index, state in enumerate(optimiser.state.values()):
            tensors |= {f"optimiser {number}, {key} of parameter {index}": value for key, value in state.items()}
    return {
        name: tensor.detach()
        for name, tensor in tensors.items()
        if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
    }


def largest_value(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return the largest absolute value of any element, 0-d; NaN if one is NaN. The device is not waited for."""
    if hasattr(torch.nn.utils, "get_total_norm"):
        return torch.nn.utils.get_total_norm(tensors, norm_type=float("inf"), foreach=True)
    # Before PyTorch 2.6, which Isaac Sim up to 4.5 brings.
    return torch.stack([tensor.detach().abs().max() for tensor in tensors if tensor.numel()]).max()


def non_finite_names(tensors: Mapping[str, torch.Tensor], limit: float = torch.finfo(torch.float32).max) -> list[str]:
    """Return the names of tensors in which the absolute value of an element is NaN or above ``limit``.

    Synchronises with the device once if there are none.
    """
    if largest_value(tensors.values()) <= limit:  # false for NaN
        return []
    return [name for name, tensor in tensors.items() if tensor.numel() and not tensor.abs().max() <= limit]


def refuse_diverged(file: Path | str, tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse a checkpoint whose tensors are not finite.

    Raises:
        CheckpointError: a tensor contains NaN or infinity.
    """
    if names := non_finite_names(tensors):
        raise CheckpointError(
            f"checkpoint={file}: {names[0]} is not finite, because training had diverged; use an earlier checkpoint."
        )
