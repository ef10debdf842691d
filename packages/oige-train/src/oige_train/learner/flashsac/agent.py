"""The agent of FlashSAC, in rl_games' loop of SAC."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from rl_games.algos_torch import sac_agent

from oige_train.learner.clock import Clock
from oige_train.learner.divergence import learner_tensors
from oige_train.learner.flashsac.build import build_learner
from oige_train.learner.flashsac.exploration import RepeatedNoise
from oige_train.learner.flashsac.rollout import Rollout
from oige_train.learner.graphs import LearnerGraphs
from oige_train.learner.off_policy import OffPolicyAgent

__all__ = ["FlashSacAgent"]

Base: Any = sac_agent.SACAgent


class _Loop(Base):
    """rl_games' SAC without its networks, optimisers and replay buffer: the loop over epochs and its summaries.

    Args:
        base_name: see rl_games.
        params: see rl_games.
    """

    def __init__(self, base_name: str, params: dict[str, Any]) -> None:
        self.config = config = params["config"]
        config["network"] = None
        self.base_init(base_name, config)
        self.vec_env, self.algo_observer = config["vec_env"], config["features"]["observer"]
        self.num_steps_per_episode = config["num_steps_per_episode"]
        self.num_frames_per_epoch = self.num_actors * self.num_steps_per_episode
        self.num_warmup_steps = math.ceil(config["num_warmup_frames"] / self.num_frames_per_epoch)
        self.writer = sac_agent.SummaryWriter(self.summaries_dir)


class FlashSacAgent(OffPolicyAgent, _Loop):
    """FlashSAC. On a GPU, each control step replays one graph to act and one to record and learn.

    A run that is resumed without its replay buffer fills it for ``num_warmup_frames`` with the policy's own actions,
    before it learns again.
    """

    progress_tensors = ("dones",)
    schedule_settings = ("config.init_alpha",)

    def __init__(self, base_name: str, params: dict[str, Any], session: Any) -> None:
        super().__init__(base_name, params, session)
        device = torch.device(self.device)
        shapes = {"obs": self.obs_shape}
        if "state_space" in self.env_info:
            shapes["states"] = self.env_info["state_space"].shape
        actions = self.env_info["action_space"].shape[0]
        self.learner = build_learner(
            params,
            shapes,
            actions,
            device,
            num_updates=self._updates_until_limit(),
            symmetries=self.vec_env.symmetries,
        )
        self.noise = RepeatedNoise(
            self.num_actors,
            actions,
            longest=self.config["noise_longest"],
            exponent=self.config["noise_exponent"],
            device=device,
        )
        self.rollout = Rollout(
            self.learner.actor,
            self.noise,
            self.learner.replay,
            self.learner.rewards,
            shapes,
            self.num_steps_per_episode,
            self.rewards_shaper,
        )
        learner = self.learner
        self.actor_optimizer, self.critic_optimizer = learner.actor_optimizer, learner.critic_optimizer
        self.log_alpha_optimizer = learner.alpha_optimizer
        self._networks: dict[str, torch.nn.Module] = {
            "actor": learner.actor,
            "critic": learner.critics,
            "critic_target": learner.targets,
        }
        self.graphs = LearnerGraphs.of(self.config["graphs"], device, session.workers)
        if self.graphs.enabled:
            self.vec_env.share_results()
        self._clock = Clock(device)
        self.update_counter = 0
        self._recorded = 0  # control steps in the replay buffer
        self._updates = self._actor_updates = 0  # gradient steps in this epoch
        self._resumed = False

    def _updates_until_limit(self) -> int | None:
        """Return the number of gradient steps until the last epoch or frame; None without a limit."""
        epochs = [self.max_epochs] if self.max_epochs != -1 else []
        if self.max_frames != -1:
            epochs.append(math.ceil(self.max_frames / self.num_frames_per_epoch))
        if not epochs:
            return None
        per_epoch = self.num_steps_per_episode * self.config["num_updates_per_step"]
        return max(1, (min(epochs) - self.num_warmup_steps) * per_epoch)

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def get_weights(self) -> dict[str, Any]:
        """Return the networks' weights; rl_games calls this."""
        return {name: network.state_dict() for name, network in self._networks.items()}

    def set_weights(self, weights: dict[str, Any]) -> None:
        """Restore what :meth:`get_weights` returned; rl_games calls this."""
        for name, network in self._networks.items():
            network.load_state_dict(weights[name])

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return the state, with temperature, statistics of rewards and update count."""
        return super().get_full_state_weights() | {
            "log_alpha": self.learner.log_alpha.detach(),
            "reward_scale": self.learner.rewards.tensors,
            "update_counter": self.update_counter,
        }

    def set_full_state_weights(self, weights: dict[str, Any], set_epoch: bool = True) -> None:
        """Restore what :meth:`get_full_state_weights` returned; the replay buffer is then filled again."""
        super().set_full_state_weights(weights, set_epoch=set_epoch)
        self.learner.rewards.load_state_dict(weights["reward_scale"])
        self.update_counter = weights["update_counter"]
        self.learner.updates.fill_(self.update_counter)
        self._resumed = not self._has_memory

    def replay_tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_train.learner.off_policy.OffPolicyAgent`."""
        return self.learner.replay.tensors()

    def load_replay_tensors(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """See :class:`~oige_train.learner.off_policy.OffPolicyAgent`."""
        return self.learner.replay.load_tensors(tensors)

    def _progress(self) -> dict[str, Any]:
        return super()._progress() | self._episode_tensors() | {"recorded": self._recorded}

    def _episode_tensors(self) -> dict[str, torch.Tensor]:
        """Return what persists of the current episodes from one epoch to the next, by name."""
        rollout, noise = self.rollout, self.noise
        return {
            "episodes": rollout.episodes.current,
            "noise": noise.noise,
            "noise_left": noise.left,
        }

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        super()._restore_progress(progress)
        for name, tensor in self._episode_tensors().items():
            tensor.copy_(progress[name])
        if self._has_memory:
            self._recorded = progress["recorded"]

    def optimisers(self) -> list[torch.optim.Optimizer]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return [self.actor_optimizer, self.critic_optimizer, self.log_alpha_optimizer]

    def schedule_state(self) -> dict[str, Any]:
        """Return nothing, because the learning rate follows from the number of updates."""
        return {}

    def restore_schedule(self, state: dict[str, Any], changed: set[str]) -> None:
        """Restore the temperature of the checkpoint, unless its initial value was changed."""
        if not changed & set(self.schedule_settings):
            with torch.no_grad():
                self.learner.log_alpha.copy_(state["log_alpha"])

    def learner_tensors(self) -> dict[str, torch.Tensor]:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        tensors = learner_tensors(self._networks, self.optimisers())
        rewards = {f"reward scale.{name}": tensor for name, tensor in self.learner.rewards.tensors.items()}
        return tensors | rewards | {"log_alpha": self.learner.log_alpha.detach()}

    def advice_on_divergence(self) -> str:
        """See :class:`~oige_train.learner.agent.ResumableAgent`."""
        return f"a lower train.params.config.learning_rate ({self.config['learning_rate']:.3g} at the start)"

    # --- epochs ------------------------------------------------------------------------------------------------------

    def play_steps(self, random_exploration: bool = False) -> tuple[Any, ...]:
        """Collect the control steps of an epoch, and take the gradient steps after each; rl_games calls this.

        Nothing waits for the device before the last control step.

        Args:
            random_exploration: only fill the replay buffer: with random actions, or with the policy's in a resumed run.

        Returns:
            Seconds of the environment, of everything but learning, of learning and of the epoch; losses of the actor,
            entropies, temperatures, losses of the temperature and of the two critics, each as a list of one mean.
        """
        clock, steps, updates = self._clock, [], []
        began = clock.mark()
        self.rollout.observe(self.obs)
        for _ in range(self.num_steps_per_episode):
            self._act(randomly=random_exploration and not self._resumed)
            before = clock.mark()
            self.obs, rewards, dones, infos = self.env_step(self.rollout.actions * self.config["action_bound"])
            steps.append((before, clock.mark()))
            bootstraps = self.config["value_bootstrap"] and "time_outs" in infos
            terminated = dones & ~infos["time_outs"] if bootstraps else dones
            self.rollout.take_outcome(infos["final"], rewards, terminated, dones)
            before = clock.mark()
            self._record_and_learn(learns=not random_exploration)
            updates.append((before, clock.mark()))
            self.rollout.observe(self.obs)
            self.dones = dones
            self.algo_observer.process_infos(infos, None)
        means = self._take_statistics()
        ended = clock.mark()
        for count, returns, lengths in self.rollout.take_episodes():
            self.game_rewards.add(count, float(returns))
            self.game_lengths.add(count, float(lengths))
        stepping, learning = (sum(first.until(last) for first, last in spans) for spans in (steps, updates))
        total = began.until(ended)
        return stepping, total - learning, learning, total, *means

    def _act(self, *, randomly: bool) -> None:
        """Choose the next actions."""
        if randomly:
            self.rollout.act_randomly()
        else:
            self.graphs.run("the policy", self.rollout.act)

    def _record_and_learn(self, *, learns: bool) -> None:
        """Record a control step, and take the gradient steps that follow it once there is a whole transition."""
        self._recorded += 1
        count = self.config["num_updates_per_step"] if learns and self._recorded >= self.config["n_step"] else 0
        frequency = self.config["policy_frequency"]
        phase = self.update_counter % frequency
        trains_actor = [(phase + number) % frequency == 0 for number in range(count)]

        def work() -> None:
            self.rollout.record()
            for with_actor in trains_actor:
                self.learner.update(with_actor=with_actor)

        self.graphs.run(("learning", count, phase), work)
        self.update_counter += count
        self._updates += count
        self._actor_updates += sum(trains_actor)

    def _take_statistics(self) -> tuple[list[torch.Tensor], ...]:
        """Return the epoch's means in rl_games' order: see :meth:`play_steps`."""
        sums = self.learner.take_statistics()
        updates, actor_updates = max(1, self._updates), max(1, self._actor_updates)
        self._updates = self._actor_updates = 0
        return (
            [sums["actor loss"] / actor_updates],
            [sums["entropy"] / actor_updates],
            [self.learner.log_alpha.detach().exp()],
            [sums["temperature loss"] / actor_updates],
            [sums["critic 1 loss"] / updates],
            [sums["critic 2 loss"] / updates],
        )
