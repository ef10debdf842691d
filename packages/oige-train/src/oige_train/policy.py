"""The trained policy of a run: the actor without its learner."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from oige_train.checkpoint import check_fit, load_checkpoint
from oige_train.config import Run
from oige_train.learner import rl_games_shim
from oige_train.learner.divergence import learner_tensors, refuse_diverged
from oige_train.learner.flashsac.build import build_actor
from oige_train.learner.flashsac.networks import sample_action
from oige_train.learner.params import rl_games_params

__all__ = ["FlashSacPolicy", "Policy", "build_policy", "load_weights"]


class Policy:
    """The actor of PPO or SAC.

    Args:
        run: the checked run, whose configuration describes network and algorithm.
        env_info: spaces of the environment.
        device: where the network runs.
        num_envs: number of worlds, for the hidden state of a recurrent network.
    """

    def __init__(self, run: Run, env_info: dict[str, Any], device: str, num_envs: int) -> None:
        rl_games_shim.install()
        from rl_games.algos_torch.model_builder import ModelBuilder

        params = rl_games_params(run.config.train.params)
        self.is_sac = params["algo"]["name"] == "sac"
        self.squashes_actions = params["model"]["name"] == "continuous_a2c_tanh"
        self.device = device
        space = env_info["action_space"]
        self.clips_actions = self.is_sac or params["config"].get("clip_actions", True)
        self.low = torch.as_tensor(space.low, device=device)
        self.high = torch.as_tensor(space.high, device=device)
        shape = env_info["observation_space"].shape
        sizes = {
            "actions_num": space.shape[0],
            "action_dim": space.shape[0],
            "obs_dim": shape[0],
            "input_shape": shape,
            "num_seqs": num_envs,
            "value_size": 1,
            "normalize_value": params["config"].get("normalize_value", False),
            "normalize_input": params["config"].get("normalize_input", False),
        }
        with rl_games_shim.building_model():
            self.model: Any = ModelBuilder().load(params).build(sizes)
        self.model.to(device).eval()
        self.states = [s.to(device) for s in self.model.get_default_rnn_state()] if self.model.is_rnn() else None

    def load(self, state: dict[str, Any]) -> None:
        """Load the weights of a checkpoint.

        Raises:
            KeyError, RuntimeError: the checkpoint is from another network.
        """
        if not self.is_sac:
            self.model.load_state_dict(state["model"])
            return
        self.model.sac_network.actor.load_state_dict(state["actor"])
        if "running_mean_std" in state:
            self.model.running_mean_std.load_state_dict(state["running_mean_std"])

    @torch.no_grad()
    def act(self, observations: torch.Tensor, *, deterministic: bool) -> torch.Tensor:
        """Return actions ``(N, num_actions)``: the mean of the policy, or a sample.

        They are clipped as in training, if ``clip_actions`` is set there. The networks see images, which are bytes, as
        numbers from 0 to 1.

        Args:
            observations: ``(N, …)``.
            deterministic: return the mean.
        """
        if deterministic:
            actions, self.states = self.mean_actions(observations, self.states)
            return actions
        observations = _as_numbers(observations)
        if self.is_sac:
            return self._clip(self.model.actor(self.model.norm_obs(observations)).sample())
        out = self.model({"is_train": False, "prev_actions": None, "obs": observations, "rnn_states": self.states})
        self.states = out["rnn_states"]
        return self._clip(out["actions"])

    def mean_actions(
        self, observations: torch.Tensor, states: Sequence[torch.Tensor] | None
    ) -> tuple[torch.Tensor, Sequence[torch.Tensor] | None]:
        """Return what :meth:`act` returns without exploration noise, and the next recurrent state; change nothing.

        Args:
            observations: ``(N, …)``.
            states: recurrent state, ``(layers, N, units)`` each; None if the network has none.
        """
        observations = self.model.norm_obs(_as_numbers(observations))
        if self.is_sac:
            return self._clip(self.model.actor(observations).mean), None
        mean, _, _, states = self.model.a2c_network({"obs": observations, "rnn_states": states})
        return self._clip(mean.tanh() if self.squashes_actions else mean), states

    def _clip(self, actions: torch.Tensor) -> torch.Tensor:
        if not self.clips_actions:
            return actions
        return self.low + (actions.clamp(-1.0, 1.0) + 1.0) * 0.5 * (self.high - self.low)

    def reset_hidden_state(self, done: torch.Tensor) -> None:
        """Reset the recurrent state of worlds whose episode ended.

        Args:
            done: ``(N,)`` bool.
        """
        for state in self.states or []:
            state[:, done] = 0.0


class FlashSacPolicy:
    """The actor of FlashSAC, with the methods of :class:`Policy`.

    Args:
        run: the checked run, whose configuration describes the network.
        env_info: spaces of the environment.
        device: where the network runs.

    Attributes:
        action_bound: actions lie in ± this.
    """

    def __init__(self, run: Run, env_info: dict[str, Any], device: str) -> None:
        params = rl_games_params(run.config.train.params)
        sizes = (env_info[space].shape[0] for space in ("observation_space", "action_space"))
        self.model = build_actor(params, *sizes).to(device)
        self.action_bound = float(params["config"]["action_bound"])

    def load(self, state: dict[str, Any]) -> None:
        """Load the weights of a checkpoint.

        Raises:
            KeyError, RuntimeError: the checkpoint is from another network.
        """
        self.model.load_state_dict(state["actor"])

    @torch.no_grad()
    def act(self, observations: torch.Tensor, *, deterministic: bool) -> torch.Tensor:
        """Return actions ``(N, num_actions)``: the mode of the policy before tanh, or a sample.

        Args:
            observations: ``(N, …)``.
            deterministic: return the mode.
        """
        if deterministic:
            return self.mean_actions(observations, None)[0]
        mean, log_deviation = self.model(observations, use_batch=False)
        return sample_action(mean, log_deviation, torch.randn_like(mean))[0] * self.action_bound

    def mean_actions(self, observations: torch.Tensor, states: None) -> tuple[torch.Tensor, None]:
        """Return what :meth:`act` returns without exploration noise, and None, because there is no recurrent state."""
        mean, _ = self.model(observations, use_batch=False)
        return mean.tanh() * self.action_bound, None

    def reset_hidden_state(self, done: torch.Tensor) -> None:
        """Do nothing, because the network has no hidden state."""


def _as_numbers(observations: torch.Tensor) -> torch.Tensor:
    """Return images, which are bytes, as numbers from 0 to 1, and other observations as they are."""
    return observations / 255.0 if observations.dtype == torch.uint8 else observations


def build_policy(run: Run, env_info: dict[str, Any], device: str, num_envs: int) -> Policy | FlashSacPolicy:
    """Return the untrained policy of a run; see :class:`Policy` for the arguments."""
    if run.config.train.params.algo.name == "flashsac":
        return FlashSacPolicy(run, env_info, device)
    return Policy(run, env_info, device, num_envs)


def load_weights(policy: Policy | FlashSacPolicy, checkpoint: Path, device: str) -> int | None:
    """Load the weights of a checkpoint into a policy, which is as before if that fails.

    Args:
        policy: the policy.
        checkpoint: the file.
        device: where the network runs.

    Returns:
        Environment steps of all worlds that the checkpoint was trained for; None if it does not say.

    Raises:
        CheckpointError: the checkpoint is refused, or does not fit the network.
    """
    state = load_checkpoint(checkpoint, device)
    before = copy.deepcopy(policy.model.state_dict())
    try:
        with check_fit(checkpoint):
            policy.load(state)
        refuse_diverged(checkpoint, learner_tensors({"policy": policy.model}, []))
    except BaseException:
        policy.model.load_state_dict(before)  # some may have been replaced
        raise
    frames = state.get("frame")
    return int(frames) if isinstance(frames, int | float) else None
