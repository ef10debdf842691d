"""The gradient steps of FlashSAC, without host synchronisation."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from oige_core.tasks import Symmetry

from oige_train.learner.flashsac.networks import Actor, Critics, Norms, follow, sample_action
from oige_train.learner.flashsac.replay import Replay, Transitions
from oige_train.learner.flashsac.targets import RewardScale, decayed_rate, project, target_entropy, with_lower_mean
from oige_train.learner.rl_games_shim import EagerAdam

__all__ = ["STATISTICS", "Learner", "LearnerSettings", "with_images"]

#: Sums over the gradient steps since they were last taken.
STATISTICS = ("actor loss", "critic 1 loss", "critic 2 loss", "entropy", "temperature loss")


@dataclass(frozen=True)
class LearnerSettings:
    """Settings of the gradient steps.

    Attributes:
        batch_size: number of transitions per gradient step.
        learning_rate: initial rate of actor and critics.
        final_learning_rate: rate at the last gradient step.
        num_updates: gradient steps over which the rate falls; None: it stays.
        alpha_lr: rate of the temperature.
        critic_tau: fraction by which the target critics follow in each step.
        init_alpha: initial temperature.
        target_deviation: the target entropy is that of a normal distribution with this standard deviation.
        bfloat16: compute the layers in bfloat16.
    """

    batch_size: int
    learning_rate: float
    final_learning_rate: float
    num_updates: int | None
    alpha_lr: float
    critic_tau: float
    init_alpha: float
    target_deviation: float
    bfloat16: bool


class Learner:
    """Actor, critics, target critics and temperature, with their optimisers.

    Args:
        actor: the policy, on its device.
        critics: the critics, on the same device.
        targets: networks of the same size, which get the critics' weights.
        replay: where transitions come from.
        rewards: divisor of rewards.
        settings: settings of the gradient steps.
        symmetries: of the task, for augmentation.

    Attributes:
        log_alpha: logarithm of the temperature, 0-d.
        rate: learning rate of actor and critics in the next gradient step, 0-d.
        updates: number of gradient steps, 0-d.
        sums: sums of :data:`STATISTICS`.
    """

    def __init__(
        self,
        actor: Actor,
        critics: Critics,
        targets: Critics,
        replay: Replay,
        rewards: RewardScale,
        settings: LearnerSettings,
        symmetries: Sequence[Symmetry] = (),
    ) -> None:
        self.actor, self.critics, self.targets = actor, critics, targets
        self.replay, self.rewards, self.settings, self._symmetries = replay, rewards, settings, symmetries
        self._actor_norms, self._critic_norms = Norms(actor), Norms(critics)
        targets.load_state_dict(critics.state_dict())
        self._followed = [parameter.detach() for parameter in critics.parameters()]
        self._followers = [parameter.detach() for parameter in targets.parameters()]
        device = critics.support.device
        self._actions = len(actor.mean.offset)
        self._target_entropy = target_entropy(self._actions, settings.target_deviation)
        self.log_alpha = torch.tensor(settings.init_alpha, device=device).log().requires_grad_()
        self.rate = torch.tensor(settings.learning_rate, device=device)
        self.updates = torch.zeros((), dtype=torch.int64, device=device)
        self.sums = {name: torch.zeros((), device=device) for name in STATISTICS}
        options: dict[str, Any] = {"fused": True, "capturable": device.type == "cuda"}
        self.actor_optimizer = EagerAdam(actor.parameters(), lr=self.rate, **options)
        self.critic_optimizer = EagerAdam(critics.parameters(), lr=self.rate, **options)
        self.alpha_optimizer = EagerAdam([self.log_alpha], lr=settings.alpha_lr, **options)

    def update(self, *, with_actor: bool) -> None:
        """Take a gradient step of the critics and, before it, of actor and temperature.

        Args:
            with_actor: also train the actor and the temperature.
        """
        settings = self.settings
        if settings.num_updates is not None:
            progress = self.updates / settings.num_updates
            self.rate.copy_(decayed_rate(settings.learning_rate, settings.final_learning_rate, progress))
        batch = with_images(self.replay.sample(settings.batch_size), self._symmetries)
        batch["reward"] = batch["reward"] / self.rewards.divisor()
        if with_actor:
            self._update_actor(batch)
        self._update_critics(batch)
        follow(self._followers, self._followed, settings.critic_tau)
        self.updates.add_(1)

    def take_statistics(self) -> dict[str, torch.Tensor]:
        """Return the sums of :data:`STATISTICS` and clear them."""
        taken = {name: total.clone() for name, total in self.sums.items()}
        for total in self.sums.values():
            total.zero_()
        return taken

    def _precision(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of the networks: layers in bfloat16, if configured."""
        if not self.settings.bfloat16:
            return contextlib.nullcontext()
        return torch.autocast(self.rate.device.type, dtype=torch.bfloat16)

    def _act(self, mean: torch.Tensor, log_deviation: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return sample_action(mean, log_deviation, torch.randn_like(mean))

    def _update_actor(self, batch: Transitions) -> None:
        """Take a gradient step of the actor, towards actions of high value, and one of the temperature."""
        size = len(batch["reward"])
        alpha = self.log_alpha.detach().exp()
        with self._precision():
            # Both ends of the transitions, so that the running statistics are those of what the policy meets.
            observations = torch.cat((batch["obs"], batch["next_obs"]))
            mean, log_deviation = self.actor(observations, use_batch=True)
            actions, log_probability = self._act(mean[:size], log_deviation[:size])
            values = self.critics.mean(self.critics(critic_input(batch), actions, use_batch=False))
        loss = (alpha * log_probability - values.amin(dim=0)).mean()
        take_step(self.actor_optimizer, loss)
        self._actor_norms.restore()

        entropy = -log_probability.detach().mean()
        temperature_loss = self.log_alpha.exp() * (entropy - self._target_entropy)
        take_step(self.alpha_optimizer, temperature_loss)
        for name, value in (("actor loss", loss), ("entropy", entropy), ("temperature loss", temperature_loss)):
            self.sums[name].add_(value.detach())

    def _update_critics(self, batch: Transitions) -> None:
        """Take a gradient step of the critics towards the target critics' distributions one transition later."""
        size = len(batch["reward"])
        with torch.no_grad(), self._precision():
            next_actions, log_probability = self._act(*self.actor(batch["next_obs"], use_batch=False))
            observations = torch.cat((critic_input(batch), critic_input(batch, "next_")))
            actions = torch.cat((batch["action"], next_actions))
            after = self.targets(observations, actions, use_batch=True)[:, size:]
        with torch.no_grad():
            after = with_lower_mean(after, self.targets.mean(after))
            shift = batch["reward"] - batch["discount"] * self.log_alpha.exp() * log_probability
            targets = project(after, self.targets.support, shift, batch["discount"])
        with self._precision():
            # One batch of both ends, so that both are normalised by the same statistics.
            predicted = self.critics(observations, actions, use_batch=True)[:, :size]
        losses = -(targets * predicted).sum(dim=-1).mean(dim=-1)  # (2,)
        take_step(self.critic_optimizer, losses.mean())
        self._critic_norms.restore()
        with torch.no_grad():
            self.sums["critic 1 loss"].add_(losses[0])
            self.sums["critic 2 loss"].add_(losses[1])


def critic_input(batch: Transitions, prefix: str = "") -> torch.Tensor:
    """Return what the critics see of a batch: the privileged states, or the observations if there are none."""
    return batch[f"{prefix}states"] if f"{prefix}states" in batch else batch[f"{prefix}obs"]


def with_images(batch: Transitions, symmetries: Sequence[Symmetry]) -> Transitions:
    """Return a batch in which equal parts are replaced by their images under each symmetry; one part stays."""
    maps = {
        "obs": [symmetry.observations for symmetry in symmetries],
        "next_obs": [symmetry.observations for symmetry in symmetries],
        "action": [symmetry.actions for symmetry in symmetries],
    }
    images = {}
    for name, images_of in maps.items():
        first, *others = batch[name].tensor_split(len(images_of) + 1)
        images[name] = torch.cat([first, *(image(part) for image, part in zip(images_of, others, strict=True))])
    return batch | images


def take_step(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    """Take a step of an optimiser with one group of parameters; gradients of other parameters are not computed."""
    parameters = optimiser.param_groups[0]["params"]
    for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        parameter.grad = gradient
    optimiser.step()
