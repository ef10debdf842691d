"""Networks whose weights and features are bounded: unit rows, batch normalisation, residual blocks.

:class:`Norms` puts weights back to their norms; it belongs after every gradient step.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

__all__ = ["Actor", "Critics", "Norms", "follow", "sample_action"]

#: Width of a residual block's inner layer, relative to its input.
EXPANSION = 4
#: Range of the logarithm of the standard deviation, before tanh limits actions.
LOG_DEVIATION_RANGE = (-10.0, 2.0)
#: Fraction by which running statistics follow those of a batch.
MOMENTUM = 0.01
EPSILON = 1e-5
#: The operations on lists of tensors, which torch does not declare.
LISTS: Any = torch


class UnitLinear(nn.Linear):
    """A linear layer without bias, whose rows have unit norm.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, bias=False)
        nn.init.orthogonal_(self.weight)


class UnitBatchNorm(nn.Module):
    """Batch normalisation, whose scale and bias together have norm √n.

    Args:
        size: number of features, n.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))
        self.running_mean: torch.Tensor
        self.running_var: torch.Tensor
        self.register_buffer("running_mean", torch.zeros(size))
        self.register_buffer("running_var", torch.ones(size))

    def forward(self, x: torch.Tensor, *, use_batch: bool) -> torch.Tensor:
        """Normalise ``(B, n)`` by the statistics of the batch, or by the running ones."""
        mean, variance = self.running_mean, self.running_var
        return functional.batch_norm(x, mean, variance, self.weight, self.bias, use_batch, MOMENTUM, EPSILON)


class UnitRmsNorm(nn.Module):
    """Division of each sample by its root mean square, with a scale of norm √n.

    Args:
        size: number of features, n.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise ``(B, n)``, in float32."""
        return functional.rms_norm(x.float(), self.weight.shape, self.weight, EPSILON)


class ResidualBlock(nn.Module):
    """Two normalised layers beside an identity.

    Args:
        size: number of features.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.expand = UnitLinear(size, EXPANSION * size)
        self.expand_norm = UnitBatchNorm(EXPANSION * size)
        self.contract = UnitLinear(EXPANSION * size, size)
        self.contract_norm = UnitBatchNorm(size)

    def forward(self, x: torch.Tensor, *, use_batch: bool) -> torch.Tensor:
        """Return features ``(B, size)``."""
        inner = self.expand_norm(self.expand(x), use_batch=use_batch).relu()
        return x + self.contract_norm(self.contract(inner), use_batch=use_batch).relu()


class Trunk(nn.Module):
    """Features of an input: normalisation, an embedding, residual blocks and a final normalisation.

    Args:
        inputs: number of inputs.
        units: number of features.
        blocks: number of residual blocks.
    """

    def __init__(self, inputs: int, units: int, blocks: int) -> None:
        super().__init__()
        self.input_norm = UnitBatchNorm(inputs)
        self.embedding = UnitLinear(inputs, units)
        self.blocks = nn.ModuleList(ResidualBlock(units) for _ in range(blocks))
        self.output_norm = UnitRmsNorm(units)

    def forward(self, x: torch.Tensor, *, use_batch: bool) -> torch.Tensor:
        """Return features ``(B, units)`` of inputs ``(B, inputs)``, in float32."""
        x = self.embedding(self.input_norm(x, use_batch=use_batch))
        for block in self.blocks:
            x = block(x, use_batch=use_batch)
        return self.output_norm(x)


class Head(UnitLinear):
    """A :class:`UnitLinear` with a bias, which is not bounded.

    Args:
        inputs: number of inputs.
        outputs: number of outputs.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.offset = nn.Parameter(torch.zeros(outputs))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return outputs ``(B, outputs)`` in float32."""
        return super().forward(input).float() + self.offset


class Actor(nn.Module):
    """The policy: a normal distribution, limited to ±1 by tanh.

    Args:
        observations: size of an observation.
        actions: size of an action.
        units: number of features.
        blocks: number of residual blocks.
    """

    def __init__(self, observations: int, actions: int, units: int, blocks: int) -> None:
        super().__init__()
        self.trunk = Trunk(observations, units, blocks)
        self.mean = Head(units, actions)
        self.deviation = Head(units, actions)

    def forward(self, observations: torch.Tensor, *, use_batch: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and logarithm of the standard deviation, ``(B, actions)`` each, before tanh.

        Args:
            observations: ``(B, observations)``.
            use_batch: normalise features by the statistics of this batch instead of the running ones.
        """
        features = self.trunk(observations, use_batch=use_batch)
        low, high = LOG_DEVIATION_RANGE
        return self.mean(features), low + (high - low) * 0.5 * (1.0 + self.deviation(features).tanh())


class Critics(nn.Module):
    """Two networks that each estimate the distribution of the discounted return over bins.

    Args:
        observations: size of an observation, or of the privileged state.
        actions: size of an action.
        units: number of features.
        blocks: number of residual blocks.
        bins: number of bins.
        limit: returns lie in ±limit.
    """

    def __init__(self, observations: int, actions: int, units: int, blocks: int, bins: int, limit: float) -> None:
        super().__init__()
        self.critics = nn.ModuleList(
            nn.ModuleDict({"trunk": Trunk(observations + actions, units, blocks), "head": Head(units, bins)})
            for _ in range(2)
        )
        self.support: torch.Tensor
        self.register_buffer("support", torch.linspace(-limit, limit, bins), persistent=False)

    def forward(self, observations: torch.Tensor, actions: torch.Tensor, *, use_batch: bool) -> torch.Tensor:
        """Return the logarithms of probabilities, ``(2, B, bins)``.

        Args:
            observations: ``(B, observations)``.
            actions: ``(B, actions)`` in ±1.
            use_batch: normalise features by the statistics of this batch instead of the running ones.
        """
        inputs = torch.cat((observations, actions), dim=-1)
        logits = [critic["head"](critic["trunk"](inputs, use_batch=use_batch)) for critic in self.critics]  # type: ignore[index]
        return torch.stack(logits).log_softmax(dim=-1)

    def mean(self, log_probabilities: torch.Tensor) -> torch.Tensor:
        """Return the means ``(…)`` of distributions ``(…, bins)``."""
        return (log_probabilities.exp() * self.support).sum(dim=-1)


class Norms:
    """Puts the weights of a network back to their norms, with few kernels on a GPU, and does so at once.

    Args:
        network: the network.
    """

    def __init__(self, network: nn.Module) -> None:
        modules = list(network.modules())
        self._rows = [module.weight.detach() for module in modules if isinstance(module, UnitLinear)]
        self._scales: list[torch.Tensor] = []
        self._biases: list[torch.Tensor] = []
        for module in modules:
            if isinstance(module, (UnitBatchNorm, UnitRmsNorm)):
                self._scales.append(module.weight.detach())
                bias = module.bias if isinstance(module, UnitBatchNorm) else torch.zeros_like(module.weight)
                self._biases.append(bias.detach())
        self._sizes = [float(len(scale)) for scale in self._scales]
        self.restore()

    @torch.no_grad()
    def restore(self) -> None:
        """Scale rows to norm 1, and the n scales of a normalisation together with its biases to norm √n."""
        for weight in self._rows:
            weight.div_(torch.linalg.vector_norm(weight, dim=-1, keepdim=True).clamp_min_(EPSILON))
        squares = [LISTS._foreach_norm(tensors) for tensors in (self._scales, self._biases)]
        for norms in squares:
            LISTS._foreach_mul_(norms, norms)
        factors = LISTS._foreach_add(*squares)
        LISTS._foreach_div_(factors, self._sizes)
        LISTS._foreach_clamp_min_(factors, EPSILON)
        LISTS._foreach_rsqrt_(factors)
        LISTS._foreach_mul_(self._scales, factors)
        LISTS._foreach_mul_(self._biases, factors)


def follow(followers: Sequence[torch.Tensor], followed: Sequence[torch.Tensor], fraction: float) -> None:
    """Move each of the ``followers`` towards the tensor that it follows, by a fraction of the distance."""
    LISTS._foreach_lerp_(followers, followed, fraction)


def sample_action(
    mean: torch.Tensor, log_deviation: torch.Tensor, noise: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the actions of a noise and the logarithms of their probability densities.

    The action is a = tanh(u) with u = μ + σε. Its density is that of u divided by ∏ (1 − tanh² u), and
    ln(1 − tanh² u) = 2 (ln 2 − u − softplus(−2u)).

    Args:
        mean: μ, ``(B, actions)``.
        log_deviation: ln σ, ``(B, actions)``.
        noise: ε, ``(B, actions)``, from the standard normal distribution.

    Returns:
        Actions ``(B, actions)`` in ±1, and logarithms ``(B,)``.
    """
    u = mean + log_deviation.exp() * noise
    log_normal = -0.5 * noise.square() - log_deviation - 0.5 * math.log(2.0 * math.pi)
    log_slope = 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))
    return u.tanh(), (log_normal - log_slope).sum(dim=-1)
