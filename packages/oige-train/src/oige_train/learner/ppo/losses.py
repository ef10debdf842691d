"""The loss of PPO for a minibatch, term by term as in rl_games, and its gradient."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from rl_games.algos_torch.torch_ext import explained_variance, policy_clip_fraction

from oige_train.learner.ppo.distributions import Distribution

__all__ = ["TERMS", "Gradient", "Objective", "Outputs", "Samples", "approximate_kl", "critic_loss", "exact_kl"]

#: Names of the means that a minibatch reports; ``kl`` is rl_games' approximation, which adapts the learning rate.
TERMS = ("actor", "critic", "entropy", "bounds", "kl", "exact_kl")
SOFT_BOUND = 1.1  # rl_games' bound of action means, beyond which they cost


class Samples(NamedTuple):
    """The samples of a minibatch, followed by their images under symmetries, of which the learner has as many.

    Attributes:
        actions: ``(n, A)``.
        neg_log_probs: ``(n,)``; −ln π(a) when they were collected.
        advantages: ``(n,)``.
        values: ``(n,)``; normalised, when they were collected.
        returns: ``(n,)``; normalised.
        mu: ``(m, A)``, without images; means of the policy in the last pass.
        sigma: ``(m, A)``; standard deviations of the policy in the last pass.
    """

    actions: torch.Tensor
    neg_log_probs: torch.Tensor
    advantages: torch.Tensor
    values: torch.Tensor
    returns: torch.Tensor
    mu: torch.Tensor
    sigma: torch.Tensor


class Outputs(NamedTuple):
    """What the network returns for a minibatch.

    Attributes:
        mu: ``(n, A)``; means of actions.
        raw: ``(n, A)`` or ``(A,)``; see :class:`~oige_train.learner.ppo.distributions.Distribution`.
        values: ``(n,)``; normalised.
    """

    mu: torch.Tensor
    raw: torch.Tensor
    values: torch.Tensor


class Gradient(NamedTuple):
    """The loss's derivatives with respect to :class:`Outputs`, and the means of :data:`TERMS` ``(6,)``."""

    mu: torch.Tensor
    raw: torch.Tensor
    values: torch.Tensor
    terms: torch.Tensor


@dataclass(frozen=True)
class Objective:
    """What PPO minimises; the attributes are rl_games' settings of the same names.

    Attributes:
        distribution: family of distributions of the policy.
        e_clip: ε.
        ppo: clip the ratio of probabilities; False: plain actor-critic.
        use_smooth_clamp: clip ratios smoothly.
        clip_value: clip changes of the value to ε.
        critic_coef: weight of the critic's loss, which is also halved; 0 if another network is the critic.
        bounds_loss_coef: weight of the bounds loss.
        bound_loss_type: form of the bounds loss: ``bound`` or ``regularisation``.
    """

    distribution: Distribution
    e_clip: float
    ppo: bool
    use_smooth_clamp: bool
    clip_value: bool
    critic_coef: float
    bounds_loss_coef: float
    bound_loss_type: str

    @classmethod
    def of(cls, config: dict[str, Any], distribution: Distribution, *, learns_values: bool) -> "Objective":
        """Return the objective of a configuration of rl_games."""
        return cls(
            distribution=distribution,
            e_clip=config["e_clip"],
            ppo=config["ppo"],
            use_smooth_clamp=config["use_smooth_clamp"],
            clip_value=config["clip_value"],
            critic_coef=config["critic_coef"] if learns_values else 0.0,
            bounds_loss_coef=config["bounds_loss_coef"] or 0.0,
            bound_loss_type=config["bound_loss_type"],
        )

    def gradient(self, outputs: Outputs, samples: Samples, entropy_coef: torch.Tensor) -> Gradient:
        """Return the gradient of the loss.

        Args:
            outputs: outputs of the network.
            samples: the samples.
            entropy_coef: 0-d; weight of the entropy.
        """
        leaves = Outputs(*(value.detach().float().requires_grad_() for value in outputs))
        loss, terms = self.loss(leaves, samples, entropy_coef)
        mu, raw, values = torch.autograd.grad(loss, leaves, materialize_grads=True)
        return Gradient(mu, raw, values, terms)

    def loss(self, outputs: Outputs, samples: Samples, entropy_coef: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the means of :data:`TERMS` ``(6,)``, detached."""
        mu, raw, values = outputs
        actor = self.actor_loss(samples, self.distribution.neg_log_prob(samples.actions, mu, raw)).mean()
        critic = critic_loss(values, samples.values, samples.returns, self.e_clip if self.clip_value else None).mean()
        entropy = self.distribution.entropy(mu, raw).mean()
        bounds = self.bounds_loss(mu).mean()
        loss = actor + 0.5 * self.critic_coef * critic - entropy_coef * entropy + self.bounds_loss_coef * bounds
        count = len(samples.mu)
        with torch.no_grad():
            sigma = self.distribution.sigma(raw).expand_as(mu)[:count]
            divergences = [kl(mu[:count], sigma, samples.mu, samples.sigma) for kl in (approximate_kl, exact_kl)]
            return loss, torch.stack((actor, critic, entropy, bounds, *divergences)).detach()

    def diagnostics(self, outputs: Outputs, samples: Samples) -> torch.Tensor:
        """Return the explained variance of the returns, and the fraction of ratios outside of 1 ± ε, ``(2,)``."""
        neg_log_probs = self.distribution.neg_log_prob(samples.actions, outputs.mu.float(), outputs.raw.float())
        clipped = policy_clip_fraction(neg_log_probs, samples.neg_log_probs, self.e_clip)
        return torch.stack((explained_variance(samples.values, samples.returns), clipped))

    def actor_loss(self, samples: Samples, neg_log_probs: torch.Tensor) -> torch.Tensor:
        """Return −min(ρ A, clip(ρ, 1 ± ε) A) ``(n,)`` with ρ = π(a) / π_old(a); without ``ppo``, −ln π(a) A."""
        if not self.ppo:
            return neg_log_probs * samples.advantages
        ratio = (samples.neg_log_probs - neg_log_probs).exp()
        if self.use_smooth_clamp:
            low, width = 1.0 - self.e_clip, 2.0 * self.e_clip
            clipped = torch.sigmoid(4.0 * (ratio - low) / width - 2.0) * width + low
        else:
            clipped = ratio.clamp(1.0 - self.e_clip, 1.0 + self.e_clip)
        return torch.maximum(-samples.advantages * ratio, -samples.advantages * clipped)

    def bounds_loss(self, mu: torch.Tensor) -> torch.Tensor:
        """Return the sum ``(n,)`` over actions of max(\\|μ\\| − 1.1, 0)², or of μ²."""
        if self.bound_loss_type == "regularisation":
            return mu.square().sum(-1)
        return (mu.abs() - SOFT_BOUND).clamp_min(0.0).square().sum(-1)


def critic_loss(
    values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, e_clip: float | None
) -> torch.Tensor:
    """Return (V − R)², or the larger of it and that of V clipped to V_old ± ε.

    Args:
        values: ``(n,)``; V.
        old_values: ``(n,)``; V_old.
        returns: ``(n,)``; R.
        e_clip: ε; None: do not clip.
    """
    squares = (values - returns).square()
    if e_clip is None:
        return squares
    clipped = old_values + (values - old_values).clamp(-e_clip, e_clip)
    return torch.maximum(squares, (clipped - returns).square())


def approximate_kl(
    mu: torch.Tensor, sigma: torch.Tensor, other_mu: torch.Tensor, other_sigma: torch.Tensor
) -> torch.Tensor:
    """Return rl_games' mean divergence of normal distributions ``(n, A)`` from others.

    It is lower than the exact one by about 5e-6 / σ² per action, and negative if the policy hardly changed.
    """
    ratio = (sigma.square() + (mu - other_mu).square()) / (2.0 * (other_sigma.square() + 1e-5))
    return ((other_sigma / sigma + 1e-5).log() + ratio - 0.5).sum(-1).mean()


def exact_kl(mu: torch.Tensor, sigma: torch.Tensor, other_mu: torch.Tensor, other_sigma: torch.Tensor) -> torch.Tensor:
    """Return the mean Kullback–Leibler divergence of normal distributions ``(n, A)`` from others, at least 0.

    It is ln(σ′/σ) + (σ² + (μ − μ′)²) / 2σ′² − ½, summed over actions.
    """
    ratio = (sigma / other_sigma).square()
    distance = ((mu - other_mu) / other_sigma).square()
    return 0.5 * (ratio - 1.0 - ratio.log() + distance).clamp_min(0.0).sum(-1).mean()
