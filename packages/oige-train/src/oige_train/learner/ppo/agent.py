"""PPO of rl_games, with complete checkpoints, several processes, symmetry augmentation and CUDA graphs."""

import functools
import time
from typing import Any

import torch
from rl_games.algos_torch.a2c_continuous import A2CAgent

from oige_train.learner.agent import ResumableAgent, Session
from oige_train.learner.clock import Clock
from oige_train.learner.divergence import learner_tensors
from oige_train.learner.graphs import LearnerGraphs
from oige_train.learner.normalisers import normalised
from oige_train.learner.ppo.collector import Collector, ValueFunction
from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.distributions import DISTRIBUTIONS
from oige_train.learner.ppo.linear import has_faster_products, speed_up_linear_layers
from oige_train.learner.ppo.losses import Objective
from oige_train.learner.ppo.networks import unroll_without_waiting
from oige_train.learner.ppo.normaliser import Normaliser
from oige_train.learner.ppo.optimiser import AdaptiveRate, Stepper, plain_state
from oige_train.learner.ppo.results import EpochResults
from oige_train.learner.ppo.rollout import Episodes, Rollout
from oige_train.learner.ppo.samples import SampleStore
from oige_train.learner.ppo.update import CriticUpdate, PolicyUpdate

__all__ = ["PpoAgent"]

Base: Any = A2CAgent
CRITIC_RATE = ("config.central_value_config.learning_rate", "config.central_value_config.lr_schedule")


class PpoAgent(ResumableAgent, Base):
    """Proximal policy optimisation; recurrent networks and asymmetric critics included.

    Networks, optimisers, schedules, the loop over epochs and its summaries are rl_games'. An epoch is the library's
    own: its tensors stay where they are, and its work is cut into pieces that never wait for the device, so that on
    CUDA each piece is a graph.
    """

    progress_meters = (*ResumableAgent.progress_meters, "game_shaped_rewards")
    progress_tensors = ()
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
        self.game_rewards.shape = self.game_shaped_rewards.shape = (1,)  # rl_games takes their first element
        self._distribution = DISTRIBUTIONS[params["model"]["name"]]
        device = torch.device(self.device)
        workers = session.workers
        self.graphs = LearnerGraphs.of(self.config["graphs"], device, workers)
        self._normaliser = Normaliser(self.model.running_mean_std if self.normalize_input else None, workers)
        self._value_normaliser = Normaliser(self.value_mean_std if self.normalize_value else None, workers)
        self._stepper = Stepper(self.optimizer, workers, self.grad_norm if self.truncate_grads else None)
        if self.has_central_value:
            critic = self.central_value_net
            critic.writter = None  # rl_games' spelling; see write_stats
            self._critic_stepper = Stepper(
                critic.optimizer, workers, critic.grad_norm if critic.truncate_grads else None
            )
        if self.graphs.enabled:
            for network in self._networks():
                unroll_without_waiting(network)
        elif device.type == "cpu" and has_faster_products():
            for network in self._networks():
                speed_up_linear_layers(network)
        self._critic_loss = 0.0
        self._largest = 0.0
        self._results: EpochResults | None = None
        self._unreported: tuple[tuple[Any, ...], float, float] | None = None
        self._clock = Clock(device)
        if self.graphs.enabled:
            self.vec_env.share_results()
        self._full_range = bool((self.actions_low == -1.0).all() and (self.actions_high == 1.0).all())

    def init_tensors(self) -> None:
        """Reserve the memory of an epoch; rl_games calls this."""
        device, graphs = torch.device(self.device), self.graphs
        horizon, worlds = self.horizon_length, self.num_actors
        self.rollout = Rollout(horizon, worlds, device)
        self.episodes = Episodes(horizon, worlds, device)
        policy = ValueFunction(self.model.a2c_network, self._normaliser, "obs", self._first_memory(self.model))
        self._critic: CriticUpdate | None = None
        critic = self._init_critic(device) if self.has_central_value else policy
        self.collector = Collector(
            self.rollout,
            policy,
            critic,
            self._distribution,
            num_actions=self.actions_num,
            to_env=self.preprocess_actions,
            graphs=graphs,
            zero_memory=self.zero_rnn_on_done,
            sequence_length=self.seq_length if self.is_rnn else horizon,
        )
        symmetries = self.vec_env.symmetries if self.config["symmetry_augmentation"] else ()
        minibatch = Cursor(device, on_device=graphs.enabled)
        self.samples = SampleStore(horizon, worlds, self.minibatch_size, symmetries, minibatch)
        self._world_order = torch.arange(horizon * worlds, device=device).view(horizon, worlds).T.flatten()
        self._order = self._world_order.clone() if self.config["shuffle_minibatches"] else self._world_order
        self.update = PolicyUpdate(
            Objective.of(self.config, self._distribution, learns_values=self.has_value_loss),
            AdaptiveRate(self._stepper.rate, self.kl_threshold) if self.is_adaptive_lr else None,
            each_step=self.schedule_type == "legacy",
            learns_values=self.has_value_loss,
            diagnoses=self.use_diagnostics,
            on_device=graphs.enabled,
            network=self.model.a2c_network,
            normaliser=self._normaliser,
            samples=self.samples,
            stepper=self._stepper,
            passes=self.mini_epochs_num,
            sequence_length=self.seq_length,
            mixed_precision=self.mixed_precision,
        )

    def _init_critic(self, device: torch.device) -> ValueFunction:
        net = self.central_value_net
        normaliser = Normaliser(net.model.running_mean_std if net.normalize_input else None, self.session.workers)
        cursor = Cursor(device, on_device=self.graphs.enabled)
        self._critic = CriticUpdate(
            net.e_clip if net.clip_value else None,
            network=net.model.a2c_network,
            normaliser=normaliser,
            samples=SampleStore(self.horizon_length, self.num_actors, net.minibatch_size, (), cursor),
            stepper=self._critic_stepper,
            passes=net.mini_epoch,
            sequence_length=net.seq_length,
            mixed_precision=net.mixed_precision,
        )
        return ValueFunction(net.model.a2c_network, normaliser, "states", self._first_memory(net.model))

    def _first_memory(self, model: Any) -> list[torch.Tensor]:
        return [state.to(self.device) for state in model.get_default_rnn_state()] if model.is_rnn() else []

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def _progress(self) -> dict[str, Any]:
        progress = super()._progress()
        progress["episodes"] = self.episodes.current
        progress["ended"] = self.rollout.ended[-1]
        progress["memories"] = [function.memory for function in self.collector.memories]
        return progress

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        super()._restore_progress(progress)
        self.episodes.current.copy_(progress["episodes"])
        self.rollout.ended[-1].copy_(progress["ended"])
        for function, memory in zip(self.collector.memories, progress["memories"], strict=True):
            function.memory = memory

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return all state that the next epoch depends on; see :class:`~oige_train.learner.agent.ResumableAgent`."""
        state = super().get_full_state_weights()
        state["optimizer"] = plain_state(self.optimizer)
        if self.has_central_value:
            state["assymetric_vf_optimizer"] = plain_state(self.central_value_net.optimizer)
        return state

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
            self._critic_stepper.rate.fill_(critic.lr)

    def update_lr(self, lr: float) -> None:
        """Set the learning rate of the policy; rl_games calls this."""
        self._stepper.rate.fill_(lr)

    # --- an epoch ----------------------------------------------------------------------------------------------------

    def frames_per_epoch(self) -> int:
        """Return the number of environment steps in an epoch of this process."""
        return self.horizon_length * self.num_actors

    def update_epoch(self) -> int:
        """Begin an epoch; rl_games calls this between two epochs, when it is safe to stop."""
        self.between_epochs()
        if self.config["schedule_entropy"] and self.is_adaptive_lr:  # rl_games has it for linear rates only
            left = 1.0 - self.epoch_num / self.max_epochs
            self.entropy_coef = self.config["entropy_coef"] * max(0.0, left)
        return super().update_epoch()

    def preprocess_actions(self, actions: torch.Tensor) -> torch.Tensor:
        """Return actions as the environment expects them; rl_games' method, without work that changes nothing."""
        if not self.clip_actions:
            return actions
        clamped = actions.clamp(-1.0, 1.0)
        if self._full_range:
            return clamped
        return clamped * ((self.actions_high - self.actions_low) / 2.0) + (self.actions_high + self.actions_low) / 2.0

    def env_reset(self) -> Any:
        """Reset the environment; every process starts from the networks of process 0."""
        workers = self.session.workers
        for network in self._networks():
            workers.broadcast(tensor.data for tensor in (*network.parameters(), *network.buffers()))
        return super().env_reset()

    def learn_for_an_epoch(self) -> Any:
        """Collect samples and train on them; return what rl_games' ``train_epoch`` returns."""
        self.vec_env.set_train_info(self.frame, self)
        self.set_eval()
        clock, steps = self._clock, []

        def step(actions: torch.Tensor) -> Any:
            before = clock.mark()
            outcome = self.vec_env.step(actions)
            steps.append((before, clock.mark()))
            return outcome

        began = clock.mark()
        self.obs = self.collector.collect(
            self.obs,
            step,
            self._last_states,
            lambda info: self.algo_observer.process_infos(info, None),
            bootstrap=self.value_bootstrap,
        )
        self.algo_observer.after_steps()
        played = clock.mark()
        if self.config["shuffle_minibatches"]:
            torch.randperm(len(self._order), out=self._order, device=self._order.device)
        self.graphs.run(("the preparation of samples", self.collector.pending_states), self._prepare_samples)
        self.set_train()
        if self._critic is not None:
            self._train_critic(self._critic)
        self._train_policy()
        ended = clock.mark()
        self.report()  # of the last epoch: while the device is busy with this one
        actor, critic, entropy, bounds, _, exact = ([value] for value in self._read_back())
        self.curr_frames = self.frames_per_epoch() * self.session.workers.size
        step_seconds = sum(before.until(after) for before, after in steps)
        times = (began.until(played), played.until(ended), began.until(ended))
        return step_seconds, *times, actor, critic, bounds, entropy, exact, self.last_lr, 1.0

    def run_epoch(self) -> None:
        """Train for an epoch and take its summaries, as :meth:`train` does, without checkpoints and limits."""
        number, began = self.update_epoch(), time.perf_counter()
        step, play, update, total, actor, critic, _, entropies, kls, rate, factor = self.train_epoch()
        self.frame += self.curr_frames
        losses = (actor, critic, entropies, kls, rate, factor)
        seconds = time.perf_counter() - began
        self.write_stats(seconds, number, step, play, update, *losses, self.frame, total, play, self.curr_frames)

    def set_eval(self) -> None:
        """Let all networks evaluate; rl_games' method leaves out the asymmetric critic."""
        super().set_eval()
        if self.has_central_value:
            self.central_value_net.eval()

    def set_train(self) -> None:
        """Let all networks train; see :meth:`set_eval`."""
        super().set_train()
        if self.has_central_value:
            self.central_value_net.train()

    def reset_envs(self) -> None:
        """Reset all worlds between two epochs; rl_games calls this if ``epochs_between_resets`` is set."""
        self.obs = self.env_reset()
        self.episodes.current.zero_()
        self.collector.forget()

    def _last_states(self) -> torch.Tensor:
        """Return memory ``(T, N, …)`` for the last states of truncated episodes: that of samples, free until then."""
        key = self.collector.critic.key
        samples = self.samples if self._critic is None else self._critic.samples
        samples.allocate(key, self.rollout.inputs[key])
        return samples.scratch(key)

    @torch.no_grad()
    def _prepare_samples(self) -> None:
        """Turn the rollout into samples in the order of minibatches."""
        rollout, samples = self.rollout, self.samples
        self.collector.evaluate_ends(self._last_states)
        advantages, values, shaped = rollout.advantages_and_values(
            self.rewards_shaper, self._value_normaliser.restore, self.gamma, self.tau
        )
        self.episodes.add(rollout.rewards, shaped, rollout.ended[1:])
        returns = values + advantages
        if not self.config["freeze_critic"]:
            self._value_normaliser.update(values.reshape(-1, 1))
        values = self._value_normaliser.normalise(values.unsqueeze(-1)).squeeze(-1)
        if not self.config["freeze_critic"]:
            self._value_normaliser.update(returns.reshape(-1, 1))
        returns = self._value_normaliser.normalise(returns.unsqueeze(-1)).squeeze(-1)
        if self.normalize_advantage:
            advantages = normalised(advantages, self.session.workers)
        actions, mu, raw = (rollout.policy[name] for name in ("actions", "mu", "raw"))
        raw = raw.unsqueeze(1) if raw.ndim == 2 else raw
        for name, field in (
            ("obs", rollout.inputs["obs"]),
            ("actions", actions),
            ("neg_log_probs", self._distribution.neg_log_prob(actions, mu, raw)),
            ("advantages", advantages),
            ("values", values),
            ("returns", returns),
        ):
            samples.fill(name, field, self._order)
        for name, field in (("mu", mu), ("sigma", self._distribution.sigma(raw).expand_as(mu))):
            samples.fill(name, field, self._order, augmented=False)
        stored = [(samples, self.collector.stored_memory[0])]
        if self._critic is not None:
            for name, field in (("states", rollout.inputs["states"]), ("values", values), ("returns", returns)):
                self._critic.samples.fill(name, field, self._world_order)
            stored.append((self._critic.samples, self.collector.stored_memory[1]))
        for store, memory in stored:
            if memory:
                store.fill_memory(memory)
                if self.zero_rnn_on_done:
                    store.fill("started", rollout.ended[:-1].float(), self._world_order)

    def _train_policy(self) -> None:
        """Take all gradient steps of an epoch."""
        update, run = self.update, self.graphs.run
        update.steps.rewind()
        update.entropy_coef.fill_(self.entropy_coef)
        step = functools.partial(update.step, first=True)
        for number in range(update.passes):
            update.samples.cursor.rewind()
            for index in range(update.samples.minibatches):
                run(("a gradient step", number == 0), step)
                if number == index == 0 and self.schedule_type == "legacy":
                    self._follow_schedule()
            if self.is_adaptive_lr and self.schedule_type == "standard":
                run("the end of a pass", update.end_pass)
            if number == 0:
                if self.schedule_type == "standard":
                    self._follow_schedule()
                if update.normalises_samples:
                    run("the normalisation of samples", update.end_first_pass)
                step = functools.partial(update.step, first=False)

    def _follow_schedule(self) -> None:
        """Set the rate and the entropy coefficient that do not depend on the divergence."""
        if not self.is_adaptive_lr:
            self.last_lr, self.entropy_coef = self.scheduler.update(
                self.last_lr, self.entropy_coef, self.epoch_num, 0, 0.0
            )
            self.update_lr(self.last_lr)
            self.update.entropy_coef.fill_(self.entropy_coef)

    def _train_critic(self, update: CriticUpdate) -> None:
        """Take all gradient steps of the asymmetric critic."""
        net, run = self.central_value_net, self.graphs.run
        update.loss.zero_()
        for number in range(0 if net.config["freeze_critic"] else update.passes):
            step = functools.partial(update.step, first=number == 0)
            update.samples.cursor.rewind()
            for _ in range(update.samples.minibatches):
                run(("a gradient step of the critic", number == 0), step)
            if number == 0 and update.normalises_samples:
                run("the normalisation of states", update.end_first_pass)
        net.epoch_num += 1
        net.lr, _ = net.scheduler.update(net.lr, 0, net.epoch_num, 0, 0)
        update.stepper.rate.fill_(net.lr)
        net.frame += net.batch_size

    def _read_back(self) -> list[torch.Tensor]:
        """Return the means of the epoch's losses, and add its episodes to the running means; waits for the device."""
        if self._results is None:  # not before the optimisers have moments
            loss = [] if self._critic is None else [self._critic.loss]
            tensors = [self.update.terms, self._stepper.rate, self.episodes.ended, *loss]
            self._results = EpochResults(tensors, self.learner_tensors().values())
        self.graphs.run("the transfer of results", self._results.gather)
        self._largest, (terms, rate, ended, *loss) = self._results.read()
        if self.is_adaptive_lr:
            self.last_lr = float(rate)
        meters = (self.game_rewards, self.game_shaped_rewards, self.game_lengths)
        for count, *totals in ended.tolist():
            for meter, total in zip(meters, totals, strict=True):
                meter.add(int(count), total)
        if self._critic is not None:
            steps = max(1, self._critic.passes * self._critic.samples.minibatches)
            self._critic_loss = float(loss[0]) / steps
        self._merge_meters()
        self._note_diagnostics()
        return list(terms.mean(0))

    def non_finite_names(self) -> list[str]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return [] if self._largest <= torch.finfo(torch.float32).max else super().non_finite_names()

    def _note_diagnostics(self) -> None:
        """Give rl_games' ``PpoDiagnostics`` the statistics of the gradient steps."""
        if self.update.diagnostics is None:
            return
        explained, clipped = self.update.diagnostics.cpu().T
        self.diagnostics.exp_vars = list(explained)
        for number, fractions in enumerate(clipped.view(self.update.passes, -1)):
            self.diagnostics.clip_fracs = list(fractions)
            self.diagnostics.mini_epoch(self, number)

    def _merge_meters(self) -> None:
        """Let the running means cover the episodes of all processes."""
        workers = self.session.workers
        if workers.size == 1:
            return
        meters = [getattr(self, name) for name in self.progress_meters]
        sums = torch.tensor([[meter.count, meter.total] for meter in meters], dtype=torch.float64)
        merged = workers.sum(sums.to(self.device)).cpu()
        for meter, (count, total) in zip(meters, merged, strict=True):
            meter.show(float(total), int(count))

    def write_stats(self, *values: Any) -> None:
        """Take the summaries of an epoch; rl_games calls this.

        They contain the exact divergence instead of rl_games' approximation, which adapts the learning rate.
        """
        rate = self.central_value_net.lr if self.has_central_value else 0.0
        self._unreported = (values, self._critic_loss, rate)

    def report(self) -> None:
        """Write the summaries of the last epoch, and show its progress, unless that was done."""
        if self._unreported is None:
            return
        (values, critic_loss, critic_rate), self._unreported = self._unreported, None
        super().write_stats(*values)
        if self.has_central_value:
            self.writer.add_scalar("losses/cval_loss", critic_loss)
            self.writer.add_scalar("info/cval_lr", critic_rate)
        self.writer.write()

    def write_summaries(self) -> None:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        self.report()
        super().write_summaries()

    def train(self) -> Any:
        """Train until a limit is reached, and report also the last epoch, however training ends."""
        try:
            return super().train()
        finally:
            self.report()

    # --- divergence --------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """See :class:`~oige_train.learner.agent.ResumableAgent`; the graphs must end before the group of processes."""
        super().close()
        self.graphs.release()

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
