"""SAC of rl_games, with complete checkpoints and limits of epochs and frames that hold."""

from typing import Any

import torch
from rl_games.algos_torch.sac_agent import SACAgent
from rl_games.common.experience import VectorizedReplayBuffer

from oige_train.learner.agent import ResumableAgent
from oige_train.learner.divergence import learner_tensors

__all__ = ["ReplayBuffer", "SacAgent"]

Base: Any = SACAgent
BaseReplayBuffer: Any = VectorizedReplayBuffer


class LimitReachedError(Exception):
    """Training has reached its last epoch or frame."""


class ReplayBuffer(BaseReplayBuffer):
    """A replay buffer in which the transition of a truncation ends in the last observation of the episode.

    rl_games stores the observation before the last step in its place.

    Attributes:
        last_observations: ``(N, …)`` observations after the current step; None: store what rl_games passes.
    """

    last_observations: torch.Tensor | None = None

    def add(self, obs: Any, action: Any, reward: Any, next_obs: torch.Tensor, done: Any) -> None:
        """Add the transitions of a step; rl_games calls this."""
        if self.last_observations is not None:
            next_obs = self.last_observations
        super().add(obs, action, reward, next_obs, done)


class SacAgent(ResumableAgent, Base):
    """Soft actor-critic.

    Checkpoints do not contain the replay buffer, which is a thousand times as large as the rest. A resumed run fills it
    with random actions for ``num_warmup_steps`` epochs, as at the start of training.
    """

    schedule_settings = ("config.init_alpha", "config.learnable_temperature")

    def __init__(self, base_name: str, params: dict[str, Any], session: Any) -> None:
        super().__init__(base_name, params, session)
        self.vec_env = self.config["vec_env"]
        del self.replay_buffer  # frees its memory before another one is allocated
        spaces = (self.env_info[key].shape for key in ("observation_space", "action_space"))
        self.replay_buffer = ReplayBuffer(*spaces, self.replay_buffer_size, self.device)
        zero = torch.zeros((), device=self.device)
        self._actor_stats: tuple[Any, ...] = (zero, zero, self.alpha.detach(), None)

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return the state, with the temperature and the update count, which rl_games omits."""
        state = super().get_full_state_weights()
        return state | {"log_alpha": self.log_alpha.detach(), "update_counter": self.update_counter}

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Restore what :meth:`get_full_state_weights` returned."""
        super().set_full_state_weights(weights, set_epoch=set_epoch)
        self.update_counter = weights["update_counter"]
        self.num_warmup_steps += self.epoch_num

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return [self.actor_optimizer, self.critic_optimizer, self.log_alpha_optimizer]

    def schedule_state(self) -> dict[str, Any]:
        """Return nothing, because rates are constant and the temperature is a weight."""
        return {}

    def restore_schedule(self, state: dict[str, Any], changed: set[str]) -> None:
        """Restore the temperature of the checkpoint, unless its settings were changed."""
        if not changed & set(self.schedule_settings):
            with torch.no_grad():
                self.log_alpha.copy_(state["log_alpha"])

    def learner_tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        tensors = learner_tensors({"actor and critics": self.model}, self.optimisers())
        return tensors | {"log_alpha": self.log_alpha.detach()}

    def advice_on_divergence(self) -> str:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        rates = ", ".join(f"{key} ({self.config[key]:.3g} now)" for key in ("actor_lr", "critic_lr", "alpha_lr"))
        return f"lower rates in train.params.config: {rates}"

    def env_step(self, actions: torch.Tensor) -> Any:
        """Step the environment; rl_games calls this."""
        outcome = super().env_step(actions)
        if "final" in outcome[3]:
            self.replay_buffer.last_observations = outcome[3]["final"]["obs"]
        return outcome

    def frames_per_epoch(self) -> int:
        """Return the number of environment steps in an epoch."""
        return self.num_frames_per_epoch

    def train(self) -> tuple[float, int]:
        """Train until the last epoch or frame, even if no episode has ended by then."""
        try:
            return super().train()
        except LimitReachedError:
            return self.last_mean_rewards, self.epoch_num

    def train_epoch(self) -> Any:
        """Train for an epoch, unless a stop was requested or training is over."""
        self.epoch_num -= 1  # checkpoints written before the epoch belong to the last one
        self.between_epochs()
        if self.epoch_num >= self.max_epochs != -1 or self.frame >= self.max_frames != -1:
            self.save(f"{self.nn_dir}/last")
            raise LimitReachedError
        self.epoch_num += 1
        return super().train_epoch()

    def extract_actor_stats(
        self, actor_losses: list, entropies: list, alphas: list, alpha_losses: list, actor_loss_info: tuple[Any, ...]
    ) -> None:
        """Record the statistics of an update; an update without the actor repeats the actor's last statistics."""
        if self.update_counter % self.policy_frequency == 0:
            self._actor_stats = tuple(None if value is None else value.detach() for value in actor_loss_info)
        for values, value in zip((actor_losses, entropies, alphas, alpha_losses), self._actor_stats, strict=True):
            values.append(value)
