"""What happens to actions, observations and rewards in a control step, in tensors that stay at their addresses."""

from collections.abc import Callable, Mapping

import torch

from oige_train.learner.flashsac.exploration import RepeatedNoise
from oige_train.learner.flashsac.networks import Actor
from oige_train.learner.flashsac.replay import Replay
from oige_train.learner.flashsac.targets import RewardScale
from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.rollout import Episodes

__all__ = ["Rollout"]


class Rollout:
    """Acts in all worlds and records the control steps of an epoch.

    Args:
        actor: the policy.
        noise: exploration noise.
        replay: where transitions go.
        rewards: divisor of rewards, which sees all of them.
        shapes: shapes of one world's observations by name: ``obs`` and, for asymmetric critics, ``states``.
        steps: control steps per epoch.
        shaper: changes rewards before the learner sees them.

    Attributes:
        actions: ``(N, actions)`` of the current control step, in ±1.
        episodes: sums over episodes.
    """

    def __init__(
        self,
        actor: Actor,
        noise: RepeatedNoise,
        replay: Replay,
        rewards: RewardScale,
        shapes: Mapping[str, tuple[int, ...]],
        steps: int,
        shaper: Callable[[torch.Tensor], torch.Tensor],
    ) -> None:
        self._actor, self._noise, self._replay, self._rewards, self._shaper = actor, noise, replay, rewards, shaper
        self.actions = torch.zeros_like(noise.noise)
        num_envs, device = len(self.actions), self.actions.device
        self._observed = {name: torch.zeros(num_envs, *shape, device=device) for name, shape in shapes.items()}
        self._last = {f"next_{name}": torch.zeros_like(values) for name, values in self._observed.items()}
        self._paid = torch.zeros(num_envs, device=device)
        self._terminated = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self._done = torch.zeros_like(self._terminated)
        self.episodes = Episodes(steps, num_envs, device)
        self._cursor = Cursor(device, on_device=True)
        self._epoch = {
            "rewards": torch.zeros(steps, num_envs, device=device),
            "shaped": torch.zeros(steps, num_envs, device=device),
            "ended": torch.zeros(steps, num_envs, dtype=torch.bool, device=device),
        }

    def observe(self, observations: Mapping[str, torch.Tensor]) -> None:
        """Take over the observations ``(N, …)`` by name that the next actions are for."""
        for name, values in self._observed.items():
            values.copy_(observations[name])

    @torch.no_grad()
    def act(self) -> None:
        """Choose :attr:`actions` by the policy, with exploration noise."""
        mean, log_deviation = self._actor(self._observed["obs"], use_batch=False)
        self.actions.copy_((mean + log_deviation.exp() * self._noise.step()).tanh())

    @torch.no_grad()
    def act_randomly(self) -> None:
        """Draw :attr:`actions` uniformly."""
        self.actions.uniform_(-1.0, 1.0)

    def take_outcome(
        self, last: Mapping[str, torch.Tensor], rewards: torch.Tensor, terminated: torch.Tensor, done: torch.Tensor
    ) -> None:
        """Take over the outcome of a control step, for :meth:`record`.

        Args:
            last: observations ``(N, …)`` after the step by name, before worlds were reset.
            rewards: ``(N,)``.
            terminated: ``(N,)`` bool; the episode ended in a state without value.
            done: ``(N,)`` bool; the episode ended.
        """
        for name in self._observed:
            self._last[f"next_{name}"].copy_(last[name])
        self._paid.copy_(rewards)
        self._terminated.copy_(terminated)
        self._done.copy_(done)

    @torch.no_grad()
    def record(self) -> None:
        """Add the control step to the replay buffer and to the statistics of rewards and episodes."""
        shaped = self._shaper(self._paid)
        values = {**self._observed, "action": self.actions, **self._last}
        self._replay.add(values, shaped, self._terminated, self._done)
        self._rewards.update(shaped, self._done)
        for name, value in (("rewards", self._paid), ("shaped", shaped), ("ended", self._done)):
            self._cursor.write(self._epoch[name], value)
        self._cursor.advance()

    def take_episodes(self) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
        """Return what ended in each control step of an epoch, and begin the next one; this waits for the device.

        Returns:
            Number of episodes, sum of their returns and sum of their lengths, 0-d float64 on the CPU.
        """
        self._cursor.rewind()
        self.episodes.add(**self._epoch)
        ended = self.episodes.ended.to("cpu", copy=True)  # its rows are kept
        return [(int(count), returns, lengths) for count, returns, _, lengths in ended]
