"""PPO's arithmetic on CUDA, in a few Warp kernels instead of many small ones of torch."""

import importlib.util
from typing import Any

import torch

from oige_train.learner.ppo.distributions import Gaussian
from oige_train.learner.ppo.losses import TERMS, Gradient, Objective, Outputs, Samples

__all__ = ["FusedObjective", "fused_objective"]


def fused_objective(objective: Objective, device: torch.device) -> "FusedObjective | None":
    """Return an objective as Warp kernels; None where only torch can compute it.

    Args:
        objective: the objective.
        device: device of the learner.
    """
    if device.type != "cuda" or not isinstance(objective.distribution, Gaussian):
        return None
    if importlib.util.find_spec("warp") is None:  # in Isaac Sim, say
        return None
    return FusedObjective(objective, device)


class FusedObjective:
    """The gradient of an objective with Gaussian policies in two kernels, whose sums have a fixed order.

    The values are those of :meth:`~oige_train.learner.ppo.losses.Objective.gradient`, also for ties and NaN.

    Args:
        objective: the objective.
        device: device of the learner; Warp's kernels are compiled and loaded here, so that graphs can be captured.
    """

    def __init__(self, objective: Objective, device: torch.device) -> None:
        from oige_core.warp_runtime import init_warp

        init_warp()
        from oige_train.learner.ppo import kernels

        self._launcher = Launcher(device)
        self._kernel = kernels.objective_gradient
        self._settings = kernels.ObjectiveSettings()
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
            self._kernel,
            count,
            [minibatch, *samples, mu, raw.expand_as(mu), values, entropy_coef.view(1), self._settings],
            [mu_slopes, raw_slopes, value_slopes, sums],
        )
        totals = sums.sum(1)
        return Gradient(mu_slopes, totals[len(TERMS) :] if shared else raw_slopes, value_slopes, totals[: len(TERMS)])


class Launcher:
    """Launches Warp kernels on tensors, in the order of torch's current stream."""

    def __init__(self, device: torch.device) -> None:
        import warp as wp

        from oige_train.learner.ppo import kernels

        self._wp, self._block = wp, kernels.BLOCK
        self._device = wp.device_from_torch(device)
        wp.load_module(kernels, self._device, block_dim=kernels.BLOCK)

    def launch(self, kernel: Any, count: int, inputs: list[Any], outputs: list[Any]) -> None:
        """Launch a kernel.

        Args:
            kernel: the kernel.
            count: number of threads.
            inputs: its first arguments; tensors and what Warp accepts.
            outputs: its last arguments.
        """
        wp = self._wp
        stream = None
        if self._device.is_cuda:
            stream = wp.stream_from_torch(torch.cuda.current_stream(wp.device_to_torch(self._device)))
        wp.launch(
            kernel,
            count,
            [self._array(value) for value in inputs],
            [self._array(value) for value in outputs],
            device=self._device,
            stream=stream,
            block_dim=self._block,
        )

    def _array(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        return self._wp.from_torch(value, requires_grad=False, return_ctype=True)
