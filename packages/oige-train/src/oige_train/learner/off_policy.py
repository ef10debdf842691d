"""Common part of the agents that learn from a replay buffer in rl_games' loop of SAC."""

import logging
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from oige_core.errors import reason

from oige_train.checkpoint import CheckpointInfo
from oige_train.learner.agent import ResumableAgent
from oige_train.learner.replay_files import load_replay, remove_other_replays, save_replay

__all__ = ["OffPolicyAgent"]

_log = logging.getLogger(__name__)


class LimitReachedError(Exception):
    """Training has reached its last epoch or frame."""


class OffPolicyAgent(ResumableAgent):
    """Mixin for agents whose ``train`` is that of rl_games' SAC: limits of epochs and frames that hold.

    The replay buffer is written beside periodic checkpoints, if that is configured. A run that is resumed without it
    fills it again.
    """

    # Given by the agent of rl_games:
    algo_observer: Any
    num_frames_per_epoch: int
    num_warmup_steps: int

    _has_memory = False  # whether the replay buffer was restored

    @abstractmethod
    def replay_tensors(self) -> dict[str, torch.Tensor]:
        """Return the contents of the replay buffer by name, without rows that nothing was written to."""

    @abstractmethod
    def load_replay_tensors(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Copy what :meth:`replay_tensors` returned; return False, without changes, if it has another size."""

    def _saves_memory(self) -> bool:
        choice = self.config["save_replay_buffer"]
        return choice == "True" or (choice == "auto" and torch.device(self.device).type == "cpu")

    def write_checkpoint(self, file: Path, state: dict[str, Any], info: CheckpointInfo, *, is_best: bool) -> None:
        """See :class:`~oige_train.learner.agent.ResumableAgent`; a replay buffer that does not fit is left out."""
        saves = self._saves_memory() and not is_best and "progress" in state
        if saves:
            try:
                save_replay(file, self.replay_tensors(), state)
            except OSError as error:
                _log.warning(
                    f"{file}: the replay buffer was not saved in epoch {self.epoch_num} ({reason(error)}); training "
                    "that resumes from this checkpoint fills it again"
                )
        super().write_checkpoint(file, state, info, is_best=is_best)
        if saves:
            remove_other_replays(file)

    def load_state(self, checkpoint: Path, state: dict[str, Any], *, exact: bool, set_epoch: bool) -> None:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        tensors = load_replay(checkpoint, state) if exact else None
        self._has_memory = tensors is not None and self.load_replay_tensors(tensors)
        if exact and not self._has_memory:
            self.session.notes.append(
                f"checkpoint={checkpoint}: has no replay buffer beside it, so that training fills one again before it "
                "learns."
            )
        super().load_state(checkpoint, state, exact=exact, set_epoch=set_epoch)

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Restore the state of a checkpoint; rl_games calls this."""
        super().set_full_state_weights(weights, set_epoch=set_epoch)  # type: ignore[misc]
        if not self._has_memory:
            self.num_warmup_steps += self.epoch_num

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
