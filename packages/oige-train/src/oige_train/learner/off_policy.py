"""Common part of the agents that learn from a replay buffer in rl_games' loop of SAC."""

from typing import Any

from oige_train.learner.agent import ResumableAgent

__all__ = ["OffPolicyAgent"]


class LimitReachedError(Exception):
    """Training has reached its last epoch or frame."""


class OffPolicyAgent(ResumableAgent):
    """Mixin for agents whose ``train`` is that of rl_games' SAC: limits of epochs and frames that hold."""

    # Given by the agent of rl_games:
    algo_observer: Any
    num_frames_per_epoch: int

    def frames_per_epoch(self) -> int:
        """Return the number of environment steps in an epoch."""
        return self.num_frames_per_epoch

    def train(self) -> tuple[float, int]:
        """Train until the last epoch or frame, even if no episode has ended by then."""
        try:
            return super().train()  # type: ignore[misc]
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
        self.writer.write()
        result = super().train_epoch()
        self.algo_observer.after_steps()  # rl_games calls it for PPO only
        return result
