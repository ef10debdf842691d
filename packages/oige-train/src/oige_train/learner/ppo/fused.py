"""PPO's arithmetic on CUDA, in a few Warp kernels instead of many small ones of torch."""

import torch

from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.launcher import Launcher
from oige_train.learner.ppo.losses import TERMS, Gradient, Objective, Outputs, Samples
from oige_train.learner.ppo.optimiser import AdaptiveRate
from oige_train.learner.ppo.rollout import Rollout

__all__ = ["FusedCriticLoss", "FusedObjective", "FusedSampling", "FusedStepEnd"]


class FusedObjective:
    """The gradient of an objective with Gaussian policies in two kernels, whose sums have a fixed order.

    The values are those of :meth:`~oige_train.learner.ppo.losses.Objective.gradient`, also for ties and NaN.

    Args:
        objective: the objective.
        launcher: launches the kernels.
    """

    def __init__(self, objective: Objective, launcher: Launcher) -> None:
        self._launcher = launcher
        self._settings = launcher.kernels.ObjectiveSettings()
        for name in ("e_clip", "ppo", "use_smooth_clamp", "clip_value", "critic_coef", "bounds_loss_coef"):
            setattr(self._settings, name, getattr(objective, name))
        self._settings.regularisation = objective.bound_loss_type == "regularisation"

    def gradient(
        self, outputs: Outputs, samples: Samples, minibatch: torch.Tensor, entropy_coef: torch.Tensor
    ) -> Gradient:
        """Return the gradient of the loss, and replace ``mu`` and ``sigma`` of the samples by those of the outputs.

        Args:
            outputs: outputs of the network for a minibatch.
            samples: fields ``(M, n, …)`` of all minibatches.
            minibatch: ``(1,)`` int64; index of the minibatch.
            entropy_coef: 0-d; weight of the entropy.
        """
        mu, raw, values = (value.detach().float() for value in outputs)
        shared = raw.ndim == 1
        count, num_actions = mu.shape
        sums = mu.new_empty(len(TERMS) + (num_actions if shared else 0), count)
        mu_slopes, value_slopes = torch.empty_like(mu), torch.empty_like(values)
        raw_slopes = sums[len(TERMS) :].T if shared else torch.empty_like(mu)
        self._launcher.launch(
            self._launcher.kernels.objective_gradient,
            count,
            [minibatch, *samples, mu, raw.expand_as(mu), values, entropy_coef.view(1), self._settings],
            [mu_slopes, raw_slopes, value_slopes, sums],
        )
        totals = sums.sum(1)
        return Gradient(mu_slopes, totals[len(TERMS) :] if shared else raw_slopes, value_slopes, totals[: len(TERMS)])


class FusedCriticLoss:
    """The mean of :func:`~oige_train.learner.ppo.losses.critic_loss` and its gradient in two kernels.

    Args:
        e_clip: changes of the value are clipped to it; None: not clipped.
        launcher: launches the kernels.
    """

    def __init__(self, e_clip: float | None, launcher: Launcher) -> None:
        self._launcher = launcher
        self._settings = launcher.kernels.ObjectiveSettings()
        self._settings.clip_value = e_clip is not None
        self._settings.e_clip = e_clip or 0.0

    def gradient(
        self, values: torch.Tensor, old_values: torch.Tensor, returns: torch.Tensor, minibatch: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the derivatives ``(n,)`` of the loss with respect to the values, and the loss.

        Args:
            values: ``(n,)``; values of a minibatch.
            old_values: ``(M, n)``; values of all minibatches when they were collected.
            returns: ``(M, n)``; returns of all minibatches.
            minibatch: ``(1,)`` int64; index of the minibatch.
        """
        values = values.detach().float()
        slopes, losses = torch.empty_like(values), torch.empty_like(values)
        inputs = [minibatch, old_values, returns, values, self._settings]
        self._launcher.launch(self._launcher.kernels.critic_gradient, len(values), inputs, [slopes, losses])
        return slopes, losses.sum()


class FusedStepEnd:
    """What follows a gradient step, in one kernel: its terms are stored, the rate adapts, and cursors advance.

    Args:
        launcher: launches the kernel.
        steps: position among the gradient steps of an epoch; on the device.
        minibatches: position among the minibatches; on the device.
        adaptive: adapts the learning rate to the divergence; None: it stays.
    """

    def __init__(self, launcher: Launcher, steps: Cursor, minibatches: Cursor, adaptive: AdaptiveRate | None) -> None:
        self._launcher = launcher
        self._cursors = [steps, minibatches]
        self._adaptive = adaptive
        self._no_rate = torch.zeros(1, device=steps.locate()[0].device)

    def __call__(self, means: torch.Tensor, terms: torch.Tensor, divergences: torch.Tensor) -> None:
        """End a gradient step.

        Args:
            means: ``(6,)``; means of the terms in this step.
            terms: ``(steps, 6)``; where they are stored.
            divergences: ``(minibatches,)``; where the divergence is stored.
        """
        adaptive = self._adaptive
        self._launcher.launch(
            self._launcher.kernels.end_step,
            1,
            [
                means,
                TERMS.index("kl"),
                0.0 if adaptive is None else adaptive.threshold,
                AdaptiveRate.LOWEST,
                AdaptiveRate.HIGHEST,
                AdaptiveRate.FACTOR,
            ],
            [
                *(cursor.locate()[0] for cursor in self._cursors),
                terms,
                divergences,
                self._no_rate if adaptive is None else adaptive.rate.view(1),
            ],
        )


class FusedSampling:
    """Samples actions of Gaussian policies, and stores a control step, in one kernel.

    Args:
        launcher: launches the kernel.
    """

    def __init__(self, launcher: Launcher) -> None:
        self._launcher = launcher

    def __call__(self, outputs: Outputs, noise: torch.Tensor, rollout: Rollout, cursor: Cursor) -> torch.Tensor:
        """Return the actions ``(N, A)`` of a control step.

        Args:
            outputs: outputs of the network.
            noise: ``(T, N, A)``; standard normal noise.
            rollout: where actions, outputs and values are stored.
            cursor: the control step.
        """
        mu, raw, values = (value.detach().float() for value in outputs)
        stored = [rollout.policy[name] for name in ("actions", "mu", "raw")]
        if raw.ndim == 1:
            stored[-1] = stored[-1].unsqueeze(1)
        step, (noise, *stored) = cursor.locate(noise, *stored, rollout.values)
        actions = torch.empty_like(mu)
        arguments = [step, noise, mu, raw.expand_as(mu), values]
        self._launcher.launch(self._launcher.kernels.act, len(mu), arguments, [actions, *stored])
        return actions
