"""SAC of rl_games, with complete checkpoints and limits of epochs and frames that hold."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from rl_games.algos_torch.sac_agent import SACAgent
from rl_games.common.experience import VectorizedReplayBuffer

from oige_train.learner.divergence import learner_tensors
from oige_train.learner.off_policy import OffPolicyAgent

__all__ = ["ReplayBuffer", "SacAgent"]

Base: Any = SACAgent
BaseReplayBuffer: Any = VectorizedReplayBuffer
#: Tensors of a replay buffer with one row per transition.
ROWS = ("obses", "next_obses", "actions", "rewards", "dones")


class ReplayBuffer(BaseReplayBuffer):
    """A replay buffer of transitions within episodes, with shaped rewards.

    rl_games stores the observation before a truncation as the one after it, and transitions from one episode to the
    next.

    Attributes:
        shape_rewards: as configured in ``reward_shaper``.
        last_observations: ``(N, …)`` observations after the current step, also where an episode ended in it.
        within_episode: ``(N,)`` bool, worlds whose current step began and ended in one episode; None: all worlds.
    """

    shape_rewards: Callable[[torch.Tensor], torch.Tensor]
    last_observations: torch.Tensor
    within_episode: torch.Tensor | None = None

    def add(self, obs: Any, action: Any, reward: Any, next_obs: Any, done: Any) -> None:
        """Add the transitions of a step, ``(N, …)`` each; rl_games calls this."""
        rows = (obs, action, self.shape_rewards(reward), self.last_observations, done)
        if self.within_episode is not None:
            rows = tuple(values[self.within_episode.to(values.device)] for values in rows)
            if not len(rows[0]):
                return
        super().add(*rows)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the transitions so far, ``(n, …)`` by name, and where the next one goes."""
        size = self.capacity if self.full else self.idx
        rows = {name: getattr(self, name)[:size] for name in ROWS}
        return rows | {"place": torch.tensor([self.idx, self.capacity])}

    def load_tensors(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Copy what :meth:`tensors` returned; return False, without changes, if another buffer has written it."""
        size = len(tensors["rewards"])
        index, capacity = tensors["place"].tolist()
        rows = {name: getattr(self, name)[:size] for name in ROWS}
        if capacity != self.capacity or any(tensors[name].shape != values.shape for name, values in rows.items()):
            return False
        for name, values in rows.items():
            values.copy_(tensors[name])
        self.idx, self.full = index, size == capacity
        return True


class SacAgent(OffPolicyAgent, Base):
    """Soft actor-critic.

    A run that is resumed without its replay buffer fills it with random actions for ``num_warmup_steps`` epochs, as at
    the start of training.
    """

    schedule_settings = ("config.init_alpha", "config.learnable_temperature")

    def __init__(self, base_name: str, params: dict[str, Any], session: Any) -> None:
        super().__init__(base_name, params, session)
        self.vec_env = self.config["vec_env"]
        del self.replay_buffer  # frees its memory before another one is allocated
        spaces = (self.env_info[key].shape for key in ("observation_space", "action_space"))
        self.replay_buffer = ReplayBuffer(*spaces, self.replay_buffer_size, self.device)
        # Scores of episodes are sums of the task's rewards, as with PPO; rl_games sums shaped rewards.
        self.replay_buffer.shape_rewards, self.rewards_shaper = self.rewards_shaper, lambda rewards: rewards
        # rl_games rounds γ to 16 bits with mixed precision: 0.99 becomes 0.988.
        self.gamma_tensor = torch.tensor(self.gamma, device=self.device)
        self.num_warmup_steps += 1  # rl_games plays random actions while the epoch, counted from 1, is below it
        zero = torch.zeros((), device=self.device)
        self._actor_stats: tuple[Any, ...] = (zero, zero, self.alpha.detach(), None)

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return the state, with the temperature and the update count, which rl_games omits."""
        state = super().get_full_state_weights()
        return state | {"log_alpha": self.log_alpha.detach(), "update_counter": self.update_counter}

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Restore what :meth:`get_full_state_weights` returned."""
        super().set_full_state_weights(weights, set_epoch=set_epoch)
        self.update_counter = weights.get("update_counter", 0)  # plain rl_games saves neither this nor the temperature

    def _progress(self) -> dict[str, Any]:
        return super()._progress() | {"actor_stats": self._actor_stats}

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        super()._restore_progress(progress)
        self._actor_stats = progress.get("actor_stats", self._actor_stats)  # older checkpoints have none

    def replay_tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_train.learner.off_policy.OffPolicyAgent`."""
        return self.replay_buffer.tensors()

    def load_replay_tensors(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """See :class:`~oige_train.learner.off_policy.OffPolicyAgent`."""
        return self.replay_buffer.load_tensors(tensors)

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return [self.actor_optimizer, self.critic_optimizer, self.log_alpha_optimizer]

    def schedule_state(self) -> dict[str, Any]:
        """Return nothing, because rates are constant and the temperature is a weight."""
        return {}

    def restore_schedule(self, state: dict[str, Any], changed: set[str]) -> None:
        """Restore the temperature of the checkpoint, unless its settings were changed."""
        if "log_alpha" in state and not changed & set(self.schedule_settings):
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

    def set_train(self) -> None:
        """Prepare for gradient steps, in which statistics of observations are constant; rl_games calls this."""
        super().set_train()
        if self.normalize_input:
            self.model.running_mean_std.eval()

    def env_step(self, actions: torch.Tensor) -> Any:
        """Step the environment; rl_games calls this.

        Every observation is added to the running statistics once. rl_games adds those of each gradient step instead, so
        that statistics follow the age of the replay buffer and change between the terms of a loss.
        """
        ended_before = self.dones.bool()
        outcome = super().env_step(actions)
        observations, _, self.dones, infos = outcome
        self.replay_buffer.last_observations = infos["final"]["obs"]
        mode = self.vec_env.autoreset_mode
        if mode == "next_step" or (mode == "upstream" and not self.vec_env.upstream):
            self.replay_buffer.within_episode = ~ended_before
        if mode == "next_step":
            self.current_lengths -= ended_before.float()  # rl_games adds one for the step that only resets
        if self.normalize_input:
            self.model.running_mean_std.train()
            self.model.norm_obs(observations["obs"])
            self.model.running_mean_std.eval()
        return outcome

    def extract_actor_stats(
        self, actor_losses: list, entropies: list, alphas: list, alpha_losses: list, actor_loss_info: tuple[Any, ...]
    ) -> None:
        """Record the statistics of an update; an update without the actor repeats the actor's last statistics."""
        if self.update_counter % self.policy_frequency == 0:
            self._actor_stats = tuple(None if value is None else value.detach() for value in actor_loss_info)
        for values, value in zip((actor_losses, entropies, alphas, alpha_losses), self._actor_stats, strict=True):
            values.append(value)
