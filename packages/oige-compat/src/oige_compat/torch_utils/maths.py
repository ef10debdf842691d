"""``omni.isaac.core.utils.torch.maths``. TorchScript compiles these functions when scripted code calls them."""

import random

import numpy as np
import torch

__all__ = [
    "copysign",
    "cos",
    "inverse",
    "matmul",
    "normalize",
    "np",
    "scale",
    "scale_transform",
    "set_seed",
    "sin",
    "tensor_clamp",
    "torch",
    "torch_rand_float",
    "torch_random_dir_2",
    "transpose_2d",
    "unscale",
    "unscale_np",
    "unscale_transform",
]


def normalize(x: torch.Tensor, eps: float = 1e-9) -> torch.Tensor:
    """Return vectors ``(…, n)`` of length 1; those shorter than ``eps`` are divided by ``eps``."""
    return x / x.norm(p=2, dim=-1).clamp(min=eps, max=None).unsqueeze(-1)


def scale_transform(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map values from the range between ``lower`` and ``upper`` to −1 … 1."""
    middle = (lower + upper) * 0.5
    return 2 * (x - middle) / (upper - lower)


def unscale_transform(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map values from −1 … 1 to the range between ``lower`` and ``upper``."""
    middle = (lower + upper) * 0.5
    return x * (upper - lower) * 0.5 + middle


def copysign(a: float, b: torch.Tensor) -> torch.Tensor:
    """Return the magnitude of ``a`` with the signs of ``b``; 0 where ``b`` is 0."""
    return abs(a) * torch.sign(b)


def torch_rand_float(lower: float, upper: float, shape: tuple[int, int], device: str) -> torch.Tensor:
    """Return uniform random numbers of the given shape."""
    return (upper - lower) * torch.rand(shape[0], shape[1], device=device) + lower


def torch_random_dir_2(shape: tuple[int, int], device: str) -> torch.Tensor:
    """Return random directions ``(…, 2)``: cosines and sines of uniform angles."""
    angle = torch_rand_float(-np.pi, np.pi, shape, device).squeeze(-1)
    return torch.stack([torch.cos(angle), torch.sin(angle)], dim=-1)


def tensor_clamp(t: torch.Tensor, min_t: torch.Tensor, max_t: torch.Tensor) -> torch.Tensor:
    """Return ``t`` limited to ``min_t … max_t``."""
    return torch.max(torch.min(t, max_t), min_t)


def scale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map values from −1 … 1 to the range between ``lower`` and ``upper``."""
    return 0.5 * (x + 1.0) * (upper - lower) + lower


def unscale(x: torch.Tensor, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
    """Map values from the range between ``lower`` and ``upper`` to −1 … 1."""
    return (2.0 * x - upper - lower) / (upper - lower)


def unscale_np(x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Do as :func:`unscale` with NumPy arrays."""
    return (2.0 * x - upper - lower) / (upper - lower)


def set_seed(seed: int, torch_deterministic: bool = False) -> int:
    """Seed Python, NumPy and torch.

    Args:
        seed: the seed; −1: 42 if ``torch_deterministic``, otherwise a random one.
        torch_deterministic: use deterministic algorithms only.

    Returns:
        The seed.
    """
    if seed == -1:
        seed = 42 if torch_deterministic else int(np.random.randint(0, 10000))
    print(f"Setting seed: {seed}")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    if torch_deterministic:
        torch.use_deterministic_algorithms(True)
    return seed


def matmul(matrix_a: torch.Tensor, matrix_b: torch.Tensor) -> torch.Tensor:
    """Return the matrix product."""
    return torch.matmul(matrix_a, matrix_b)


def sin(data: torch.Tensor) -> torch.Tensor:
    """Return sines."""
    return torch.sin(data)


def cos(data: torch.Tensor) -> torch.Tensor:
    """Return cosines."""
    return torch.cos(data)


def transpose_2d(data: torch.Tensor) -> torch.Tensor:
    """Return the transposed matrix."""
    return torch.transpose(data, 0, 1)


def inverse(data: torch.Tensor) -> torch.Tensor:
    """Return the inverse matrix."""
    return torch.inverse(data)
