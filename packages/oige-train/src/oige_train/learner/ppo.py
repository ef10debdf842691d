"""PPO of rl_games, with complete checkpoints, several processes and symmetry augmentation."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from oige_core.tasks import Symmetry
from rl_games.algos_torch.a2c_continuous import A2CAgent
from rl_games.algos_torch.torch_ext import policy_kl

from oige_train.learner.agent import ResumableAgent, Session
from oige_train.learner.divergence import learner_tensors
from oige_train.learner.normalisers import normalised, share_statistics
from oige_train.learner.time_outs import RolloutTimeOuts, TimeOuts

__all__ = ["PpoAgent", "augment_with_symmetries", "kl_divergence"]

Base: Any = A2CAgent
CRITIC_RATE = ("config.central_value_config.learning_rate", "config.central_value_config.lr_schedule")


class PpoAgent(ResumableAgent, Base):
    """Proximal policy optimisation; recurrent networks and asymmetric critics included."""

    progress_tensors = (*ResumableAgent.progress_tensors, "current_shaped_rewards")
    progress_meters = (*ResumableAgent.progress_meters, "game_shaped_rewards")
    schedule_settings = (
        "config.learning_rate",
        "config.lr_schedule",
        "config.entropy_coef",
        "config.schedule_entropy",
        "config.max_epochs",
        *CRITIC_RATE,
    )

    def __init__(self, base_name: str, params: dict[str, Any], session: Session) -> None:
        super().__init__(base_name, params, session)
        self._time_outs = RolloutTimeOuts()
        self._divergences: list[torch.Tensor] = []
        self._critic_loss = 0.0
        if self.has_central_value:
            self.central_value_net.writter = None  # rl_games' spelling; see write_stats
            # rl_games then averages the critic's gradients; set here, it does not choose a device.
            self.central_value_net.multi_gpu = session.workers.size > 1
            self.central_value_net.world_size = session.workers.size
        for network in self._networks():
            share_statistics(network, session.workers)
        if self.normalize_value:
            critic = self.central_value_net.model if self.has_central_value else self.model
            self.value_mean_std = critic.value_mean_std

    def _progress(self) -> dict[str, Any]:
        progress = super()._progress()
        progress["rnn_states"] = self.rnn_states
        if self.has_central_value:
            progress["critic_rnn_states"] = self.central_value_net.rnn_states
        return progress

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        super()._restore_progress(progress)
        self.rnn_states = progress["rnn_states"]
        if self.has_central_value:
            self.central_value_net.rnn_states = progress["critic_rnn_states"]

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return [self.optimizer, *([self.central_value_net.optimizer] if self.has_central_value else [])]

    def schedule_state(self) -> dict[str, Any]:
        """Return learning rates, the entropy coefficient and the progress of the critic's schedule."""
        state: dict[str, Any] = {"last_lr": float(self.last_lr), "entropy_coef": float(self.entropy_coef)}
        if self.has_central_value:
            critic = self.central_value_net
            state["critic"] = {"lr": critic.lr, "epoch_num": critic.epoch_num, "frame": critic.frame}
        return state

    def restore_schedule(self, state: dict[str, Any], changed: set[str]) -> None:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        schedule = state.get("schedule", {})
        if not changed & {"config.learning_rate", "config.lr_schedule"}:
            # Checkpoints of plain rl_games have the rate in the optimiser only.
            self.last_lr = schedule.get("last_lr", state["optimizer"]["param_groups"][0]["lr"])
        self.update_lr(self.last_lr)
        if self.linear_lr and "config.max_epochs" in changed and "last_lr" in schedule:
            rate, _ = self.scheduler.update(self.last_lr, self.entropy_coef, self.epoch_num + 1, 0, 0.0)
            self.session.notes.append(
                f"max_epochs={self.max_epochs}: the linear learning rate falls to 0 at that epoch; it is {rate:.3g} in "
                f"the next epoch and was {schedule['last_lr']:.3g} in the last one."
            )
        if not changed & {"config.entropy_coef", "config.schedule_entropy"}:
            self.entropy_coef = schedule.get("entropy_coef", self.entropy_coef)
        if self.has_central_value and "critic" in schedule:
            critic, former = self.central_value_net, schedule["critic"]
            critic.epoch_num, critic.frame = former["epoch_num"], former["frame"]
            if not changed & set(CRITIC_RATE):
                critic.lr = former["lr"]
            critic.update_lr(critic.lr)

    def frames_per_epoch(self) -> int:
        """Return the number of environment steps in an epoch of this process."""
        return self.horizon_length * self.num_actors

    def update_epoch(self) -> int:
        """Begin an epoch; rl_games calls this between two epochs, when it is safe to stop."""
        self.between_epochs()
        if self.config.get("schedule_entropy") and self.is_adaptive_lr:  # rl_games has it for linear rates only
            left = 1.0 - self.epoch_num / self.max_epochs
            self.entropy_coef = self.config["entropy_coef"] * max(0.0, left)
        return super().update_epoch()

    # --- truncated episodes ------------------------------------------------------------------------------------------

    def env_step(self, actions: torch.Tensor) -> Any:
        """Step the environment, and keep ``time_outs`` from rl_games, which would bootstrap them itself."""
        *outcome, infos = super().env_step(actions)
        if self.value_bootstrap and "final" in infos:
            critic = self.central_value_net if self.has_central_value else self
            self._time_outs.add_step(infos.pop("time_outs"), infos["final"], critic.rnn_states or [])
        return (*outcome, infos)

    def discount_values(
        self, fdones: Any, last_extrinsic_values: Any, mb_fdones: Any, mb_extrinsic_values: Any, mb_rewards: Any
    ) -> torch.Tensor:
        """Return generalised advantages, after adding γ times the value of the last state of truncated episodes.

        Args:
            fdones: as in rl_games, like the other arguments.
            last_extrinsic_values: values of the states after the rollout.
            mb_fdones: ``(T, N)``.
            mb_extrinsic_values: ``(T, N, 1)``.
            mb_rewards: ``(T, N, 1)``; modified.
        """
        time_outs = self._time_outs.take()
        if time_outs is not None:
            mb_rewards[time_outs.steps, time_outs.worlds] += self.gamma * self._last_values(time_outs)
        return super().discount_values(fdones, last_extrinsic_values, mb_fdones, mb_extrinsic_values, mb_rewards)

    @torch.no_grad()
    def _last_values(self, time_outs: TimeOuts) -> torch.Tensor:
        """Return the values ``(n, 1)`` of the last states."""
        if self.has_central_value:
            network, observations = self.central_value_net, time_outs.last["states"]
        else:
            network, observations = self.model, self._preproc_obs(time_outs.last["obs"])
        network.eval()
        inputs = {"is_train": False, "prev_actions": None, "obs": observations, "rnn_states": time_outs.memory or None}
        return network(inputs)["values"]

    # --- samples -----------------------------------------------------------------------------------------------------

    def prepare_dataset(self, batch_dict: dict[str, Any]) -> None:
        """Prepare the samples of an epoch, and shuffle them if configured; rl_games orders them by world.

        Advantages are normalised over the samples of all processes.
        """
        workers = self.session.workers
        normalises, self.normalize_advantage = self.normalize_advantage, self.normalize_advantage and workers.size == 1
        super().prepare_dataset(batch_dict)
        if normalises and workers.size > 1:
            samples = self.dataset.values_dict
            samples["advantages"] = normalised(samples["advantages"], workers)
        self.normalize_advantage = normalises
        if self.config.get("shuffle_minibatches"):
            self.dataset.permute = True
            self.dataset.apply_permutation()

    def calc_gradients(self, input_dict: dict[str, Any]) -> None:
        """Compute the gradients of a minibatch, with symmetry augmentation if configured, and take a step."""
        if self.config.get("symmetry_augmentation"):
            self._calc_gradients_with_symmetries(input_dict)
        else:
            super().calc_gradients(input_dict)
        *_, mu, sigma, _ = self.train_result
        self._divergences.append(kl_divergence(mu, sigma, input_dict["mu"], input_dict["sigma"]))

    def _calc_gradients_with_symmetries(self, input_dict: dict[str, Any]) -> None:
        super().calc_gradients(augment_with_symmetries(input_dict, self.vec_env.symmetries))
        # The stored means and deviations, and the divergence, are those of the samples only, without images.
        a_loss, c_loss, entropy, _, lr, lr_factor, *normal, b_loss = self.train_result
        mu, sigma = (values[: len(input_dict["actions"])] for values in normal)
        divergence = policy_kl(mu, sigma, input_dict["mu"], input_dict["sigma"])
        self.train_result = (a_loss, c_loss, entropy, divergence, lr, lr_factor, mu, sigma, b_loss)

    def train_central_value(self) -> float:
        """Train the central value network; rl_games calls this."""
        self._critic_loss = super().train_central_value()
        return self._critic_loss

    def write_stats(self, *values: Any) -> None:
        """Write the summaries of an epoch; rl_games calls this, with the divergences of minibatches as the ninth value.

        The exact divergences replace rl_games' approximation, which adapts the learning rate. That is lower by about
        5e-6 / σ² per action, and therefore negative if the policy hardly changed.
        """
        super().write_stats(*values[:8], self._divergences, *values[9:])
        if self.has_central_value:
            self.writer.add_scalar("losses/cval_loss", self._critic_loss)
            self.writer.add_scalar("info/cval_lr", self.central_value_net.lr)

    # --- divergence --------------------------------------------------------------------------------------------------

    def _networks(self) -> list[Any]:
        return [self.model, *([self.central_value_net] if self.has_central_value else [])]

    def learner_tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        names = ("policy", "central value network")
        networks: dict[str, torch.nn.Module] = dict(zip(names, self._networks(), strict=False))
        return learner_tensors(networks, self.optimisers())

    def advice_on_divergence(self) -> str:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        clipping = "" if self.truncate_grads else " or truncate_grads=True"
        return f"a lower train.params.config.learning_rate ({self.last_lr:.3g} now){clipping}"

    # --- several processes -------------------------------------------------------------------------------------------

    def env_reset(self) -> Any:
        """Reset the environment; every process starts from the networks of process 0."""
        workers = self.session.workers
        for network in self._networks():
            workers.broadcast(tensor.data for tensor in (*network.parameters(), *network.buffers()))
        return super().env_reset()

    def learn_for_an_epoch(self) -> Any:
        """Train for an epoch; the statistics of episodes then cover all processes."""
        self._divergences.clear()
        workers = self.session.workers
        if workers.size == 1:
            return super().learn_for_an_epoch()
        result = super().learn_for_an_epoch()
        self.curr_frames *= workers.size
        for meter in (self.game_rewards, self.game_shaped_rewards, self.game_lengths):
            count = workers.sum(torch.tensor(float(meter.count), device=self.device))
            meter.show(workers.sum(meter.total.to(self.device)), int(count))
        return result

    def trancate_gradients_and_step(self) -> None:
        """Average gradients over the processes, clip them and take a step; the name is rl_games'."""
        self.session.workers.average(p.grad for p in self.model.parameters() if p.grad is not None)
        super().trancate_gradients_and_step()

    def train_actor_critic(self, input_dict: dict[str, Any]) -> Any:
        """Take a gradient step; the divergence, which adapts the learning rate, is averaged over all processes."""
        result = super().train_actor_critic(input_dict)
        self.session.workers.average([result[3]])
        return result


@torch.no_grad()
def kl_divergence(
    mu: torch.Tensor, sigma: torch.Tensor, other_mu: torch.Tensor, other_sigma: torch.Tensor
) -> torch.Tensor:
    """Return the mean Kullback–Leibler divergence of normal distributions ``(n, actions)`` from others, at least 0.

    It is ln(σ′/σ) + (σ² + (μ − μ′)²) / 2σ′² − ½, summed over actions.
    """
    ratio = (sigma / other_sigma).square()
    distance = ((mu - other_mu) / other_sigma).square()
    return 0.5 * (ratio - 1.0 - ratio.log() + distance).clamp_min(0.0).sum(dim=-1).mean()


def augment_with_symmetries(
    samples: dict[str, torch.Tensor], symmetries: Sequence[Symmetry]
) -> dict[str, torch.Tensor]:
    """Return samples followed by their images under each symmetry.

    The image of an action has the same probability, advantage and return as the action itself.

    Args:
        samples: a minibatch of rl_games, ``(n, …)`` each.
        symmetries: symmetries of the task.
    """
    images: dict[str, Callable[[Symmetry, torch.Tensor], torch.Tensor]] = {
        "obs": lambda symmetry, values: symmetry.observations(values),
        "actions": lambda symmetry, values: symmetry.actions(values),
        "mu": lambda symmetry, values: symmetry.actions(values),
        "sigma": lambda symmetry, values: symmetry.actions(values).abs(),
    }
    return {
        name: torch.cat(
            [values, *(images[name](symmetry, values) if name in images else values for symmetry in symmetries)]
        )
        for name, values in samples.items()
    }
