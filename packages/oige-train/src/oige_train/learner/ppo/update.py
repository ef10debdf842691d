"""Gradient steps of the policy and of an asymmetric critic."""

import contextlib
from typing import Any

import torch

from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.distributions import Gaussian
from oige_train.learner.ppo.fused import FusedCriticLoss, FusedObjective, FusedStepEnd
from oige_train.learner.ppo.launcher import find_launcher
from oige_train.learner.ppo.losses import TERMS, Gradient, Objective, Outputs, Samples, critic_loss
from oige_train.learner.ppo.networks import evaluate, evaluate_policy
from oige_train.learner.ppo.normaliser import Normaliser, as_float
from oige_train.learner.ppo.optimiser import AdaptiveRate, Stepper
from oige_train.learner.ppo.samples import SampleStore

__all__ = ["CriticUpdate", "PolicyUpdate"]


class _Update:
    """What the updates of both networks share.

    Args:
        network: rl_games' ``a2c_network``.
        normaliser: normalises observations.
        samples: the samples of an epoch.
        stepper: takes gradient steps.
        passes: number of passes over the samples.
        sequence_length: number of steps that a recurrent network is unrolled for.
        mixed_precision: compute in 16 bits where that is safe.
    """

    INPUT = "obs"

    def __init__(
        self,
        network: Any,
        normaliser: Normaliser,
        samples: SampleStore,
        stepper: Stepper,
        *,
        passes: int,
        sequence_length: int,
        mixed_precision: bool,
    ) -> None:
        self.network, self.normaliser, self.samples, self.stepper = network, normaliser, samples, stepper
        self.passes = passes
        self._sequence_length = sequence_length
        self._mixed_precision = mixed_precision

    def _inputs(self, batch: dict[str, torch.Tensor], *, first: bool) -> torch.Tensor:
        """Return the normalised observations of a minibatch; in the first pass, they also update the statistics."""
        observations = batch[self.INPUT]
        if not first and observations.dtype != torch.uint8:
            return observations  # normalised by end_first_pass
        observations = as_float(observations)
        if first:
            self.normaliser.update(observations)
        return self.normaliser.normalise(observations)

    @property
    def normalises_samples(self) -> bool:
        """Whether :meth:`end_first_pass` follows the first pass: later passes need observations that it changes."""
        is_image = self.samples.fields[self.INPUT].dtype == torch.uint8
        return self.passes > 1 and self.normaliser.module is not None and not is_image

    def end_first_pass(self) -> None:
        """Normalise the observations of all samples, once, because the statistics no longer change."""
        self.normaliser.normalise_in_place(self.samples.fields[self.INPUT])

    def _sequences(self, batch: dict[str, torch.Tensor]) -> dict[str, Any] | None:
        memory = [batch[name].contiguous() for name in batch if name.startswith("memory")]
        if not memory:
            return None
        sequences: dict[str, Any] = {"rnn_states": memory, "seq_length": self._sequence_length}
        if "started" in batch:
            sequences["dones"] = batch["started"]
        return sequences

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=self._mixed_precision)


def _samples(batch: dict[str, torch.Tensor]) -> Samples:
    return Samples(*(batch[name] for name in Samples._fields))


class PolicyUpdate(_Update):
    """Takes the gradient steps of the policy, and of its values unless there is another critic.

    Args:
        objective: what is minimised.
        adaptive: adapts the learning rate; None if it does not depend on the divergence.
        each_step: adapt after each gradient step instead of each pass.
        on_device: count gradient steps on the device.
        learns_values: whether the objective includes the critic's loss; otherwise, values have no gradient.
        diagnoses: whether to fill ``diagnostics``.
        arguments: see :class:`_Update`.

    Attributes:
        entropy_coef: 0-d; weight of the entropy.
        terms: ``(steps, 6)``; means of :data:`~oige_train.learner.ppo.losses.TERMS` in each gradient step of an epoch.
        diagnostics: ``(steps, 2)``; explained variance of the returns, and fraction of clipped ratios; or None.
    """

    def __init__(
        self,
        objective: Objective,
        adaptive: AdaptiveRate | None,
        *,
        each_step: bool,
        on_device: bool,
        learns_values: bool,
        diagnoses: bool,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._objective, self._adaptive, self._each_step = objective, adaptive, each_step
        self._learns_values = learns_values
        device = self.stepper.rate.device
        launcher = find_launcher(device)
        gaussian = isinstance(objective.distribution, Gaussian)
        self._fused = FusedObjective(objective, launcher) if launcher is not None and gaussian else None
        self.entropy_coef = torch.zeros((), device=device)
        steps = self.passes * self.samples.minibatches
        self.terms = torch.zeros(steps, len(TERMS), device=device)
        self.diagnostics = torch.zeros(steps, 2, device=device) if diagnoses else None
        self.steps = Cursor(device, on_device=on_device)
        adaptive = adaptive if each_step else None
        self._fused_end = None
        if launcher is not None and on_device:
            self._fused_end = FusedStepEnd(launcher, self.steps, self.samples.cursor, adaptive)
        self._divergences = torch.zeros(self.samples.minibatches, device=device)

    def step(self, *, first: bool) -> None:
        """Take the gradient step of the minibatch at the cursor.

        Args:
            first: whether this is the first pass.
        """
        cursor = self.samples.cursor
        in_place = self._fused is not None and self.diagnostics is None
        batch = self.samples.current(without=Samples._fields if in_place else ())
        inputs = self._inputs(batch, first=first)
        with self._precision():
            mu, raw, values, _ = evaluate_policy(self.network, inputs, self._sequences(batch))
        outputs = Outputs(mu, raw, values)
        *slopes, terms = self._gradient(outputs, batch)
        if self.diagnostics is not None:
            with torch.no_grad():
                self.steps.write(self.diagnostics, self._objective.diagnostics(outputs, _samples(batch)))
        if not self._learns_values:
            terms[TERMS.index("critic")].zero_()
            outputs, slopes = outputs[:-1], slopes[:-1]
        self.stepper.step(outputs, slopes, averaged=[terms])
        if self._fused_end is not None:
            self._fused_end(terms, self.terms, self._divergences)
            return
        with torch.no_grad():
            self.steps.write(self.terms, terms)
            divergence = terms[TERMS.index("kl")]
            cursor.write(self._divergences, divergence)
            if self._adaptive is not None and self._each_step:
                self._adaptive.adapt(divergence)
        self.steps.advance()
        cursor.advance()

    def _gradient(self, outputs: Outputs, batch: dict[str, torch.Tensor]) -> Gradient:
        """Return the gradient of the loss, and store the policy for the divergence in the next pass."""
        cursor, fields = self.samples.cursor, self.samples.fields
        if self._fused is not None:
            index, values = cursor.locate(*(fields[name] for name in Samples._fields))
            return self._fused.gradient(outputs, Samples(*values), index, self.entropy_coef)
        gradient = self._objective.gradient(outputs, _samples(batch), self.entropy_coef)
        with torch.no_grad():  # before the gradient step: ``raw`` may be the network's parameter
            count = self.samples.minibatch_size
            sigma = self._objective.distribution.sigma(outputs.raw.float()).expand_as(outputs.mu)
            cursor.write(fields["mu"], outputs.mu[:count])
            cursor.write(fields["sigma"], sigma[:count])
        return gradient

    def end_pass(self) -> None:
        """Adapt the learning rate to the mean divergence of a pass."""
        assert self._adaptive is not None
        self._adaptive.adapt(self._divergences.mean())


class CriticUpdate(_Update):
    """Takes the gradient steps of an asymmetric critic.

    Args:
        e_clip: changes of the value are clipped to it; None: not clipped.
        arguments: see :class:`_Update`.

    Attributes:
        loss: 0-d; sum of the losses of an epoch's gradient steps.
    """

    INPUT = "states"
    TARGETS = ("values", "returns")

    def __init__(self, e_clip: float | None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._e_clip = e_clip
        launcher = find_launcher(self.stepper.rate.device)
        self._fused = None if launcher is None else FusedCriticLoss(e_clip, launcher)
        self.loss = torch.zeros((), device=self.stepper.rate.device)

    def step(self, *, first: bool) -> None:
        """Take the gradient step of the minibatch at the cursor; see :meth:`PolicyUpdate.step`."""
        batch = self.samples.current(without=() if self._fused is None else self.TARGETS)
        inputs = self._inputs(batch, first=first)
        with self._precision():
            values, _ = evaluate(self.network, inputs, self._sequences(batch))
        slopes, loss = self._gradient(values, batch)
        self.stepper.step([values], [slopes])
        self.loss.add_(loss)
        self.samples.cursor.advance()

    def _gradient(self, values: torch.Tensor, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the derivatives ``(n,)`` of the mean loss with respect to values ``(n,)``, and the loss."""
        if self._fused is not None:
            fields = (self.samples.fields[name] for name in self.TARGETS)
            index, (old_values, returns) = self.samples.cursor.locate(*fields)
            return self._fused.gradient(values, old_values, returns, index)
        leaf = values.detach().float().requires_grad_()
        old_values, returns = (batch[name] for name in self.TARGETS)
        loss = critic_loss(leaf, old_values, returns, self._e_clip).mean()
        (slopes,) = torch.autograd.grad(loss, [leaf])
        return slopes, loss.detach()
