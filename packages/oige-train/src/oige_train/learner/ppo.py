"""PPO of rl_games, with complete checkpoints and synchronised workers."""

from typing import Any

import torch

from oige_train.learner.agent import TrustedAgent
from oige_train.learner.normalisers import NormaliserSync
from oige_train.learner.rl_games import a2c_continuous

__all__ = ["PpoAgent"]

Base: Any = a2c_continuous.A2CAgent


class PpoAgent(TrustedAgent, Base):
    """Proximal policy optimisation; recurrent networks and asymmetric critics included."""

    progress_tensors = (*TrustedAgent.progress_tensors, "current_shaped_rewards")
    progress_meters = (*TrustedAgent.progress_meters, "game_shaped_rewards")

    def _progress(self) -> dict[str, Any]:
        progress = super()._progress()
        progress |= {"last_lr": float(self.last_lr), "entropy_coef": float(self.entropy_coef)}
        progress["rnn_states"] = self.rnn_states
        if self.has_central_value:
            critic = self.central_value_net
            progress["critic"] = {
                "lr": critic.lr,
                "epoch_num": critic.epoch_num,
                "frame": critic.frame,
                "rnn_states": critic.rnn_states,
            }
        return progress

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        super()._restore_progress(progress)
        self.last_lr, self.entropy_coef = progress["last_lr"], progress["entropy_coef"]
        self.rnn_states = progress["rnn_states"]
        if self.has_central_value:
            for name, value in progress["critic"].items():
                setattr(self.central_value_net, name, value)

    def frames_per_epoch(self) -> int:
        """Environment steps of one epoch in this process."""
        return self.horizon_length * self.num_actors

    def update_epoch(self) -> int:
        """Begin an epoch; rl_games calls this between two epochs, where it is safe to stop."""
        self.between_epochs()
        return super().update_epoch()

    # --- several processes -------------------------------------------------------------------------------------------

    def _networks(self) -> list[torch.nn.Module]:
        return [self.model, *([self.central_value_net] if self.has_central_value else [])]

    def env_reset(self) -> Any:
        """Reset the environment; every process starts from the networks of process 0."""
        workers = self.session.workers
        for network in self._networks():
            workers.broadcast(tensor.data for tensor in (*network.parameters(), *network.buffers()))
        return super().env_reset()

    def train_epoch(self) -> Any:
        """Train for an epoch; statistics of the normalisers cover the samples of all processes afterwards."""
        workers = self.session.workers
        if workers.size == 1:
            return super().train_epoch()
        sync = NormaliserSync(self._networks(), workers)
        result = super().train_epoch()
        sync.merge()
        self.curr_frames *= workers.size
        for meter in (self.game_rewards, self.game_shaped_rewards, self.game_lengths):
            count = workers.sum(torch.tensor(float(meter.current_size), device=self.device))
            if count > 0:
                meter.mean = workers.sum(meter.mean * meter.current_size) / count
            meter.current_size = min(int(count), meter.max_size)
        return result

    def trancate_gradients_and_step(self) -> None:
        """Average gradients over the processes, clip them and take a step (rl_games' spelling)."""
        self.session.workers.average(p.grad for p in self.model.parameters() if p.grad is not None)
        super().trancate_gradients_and_step()

    def train_actor_critic(self, input_dict: dict[str, Any]) -> Any:
        """Take one gradient step; the divergence, which sets the learning rate, is that of all processes."""
        result = super().train_actor_critic(input_dict)
        self.session.workers.average([result[3]])
        return result
