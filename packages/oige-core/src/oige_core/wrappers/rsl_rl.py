"""The environment for rsl_rl."""

from typing import Any

import torch
from rsl_rl.env import VecEnv as RslRlVecEnv
from tensordict import TensorDict

from oige_core.envs import VecEnv
from oige_core.wrappers.checks import check_autoreset_mode

__all__ = ["RslRlEnv"]


class RslRlEnv(RslRlVecEnv):
    """Adapts an environment to ``rsl_rl.env.VecEnv``.

    Observation groups are ``policy`` and, for tasks with privileged states, ``critic``. The runner's configuration maps
    its sets to them: ``obs_groups={"actor": ["policy"], "critic": ["policy"]}``. rsl_rl receives time-outs, so that it
    bootstraps their values, and logs the means over the episodes that ended in a step. Images stay uint8
    ``(N, rows, columns, channels)``, which rsl_rl's networks do not support.

    Args:
        env: an environment with ``autoresetMode=same_step``.
        **cfg: contents of :attr:`cfg`, which rsl_rl stores with a run.

    Attributes:
        cfg: the given configuration.
        max_episode_length: maximum length of an episode, in control steps.

    Raises:
        ConfigError: the environment has another autoreset mode.
    """

    def __init__(self, env: VecEnv, **cfg: Any) -> None:
        check_autoreset_mode(env, "RslRlEnv", ("same_step",))
        self.env = env
        self.cfg = cfg
        self.num_envs = env.num_envs
        self.num_actions = env.task.spec.num_actions
        self.max_episode_length = env.task.time_limit
        self.device = env.device
        self._observations = self._groups(*env.reset())

    @property
    def episode_length_buf(self) -> torch.Tensor:
        """Control steps ``(N,)`` since the last resets; rsl_rl sets them so that episodes end at different steps."""
        return self.env.task.progress_buf

    @episode_length_buf.setter
    def episode_length_buf(self, steps: torch.Tensor) -> None:
        task = self.env.task
        task.skipped_buf.add_(steps - task.progress_buf)  # steps that were not played
        task.progress_buf.copy_(steps)

    def get_observations(self) -> TensorDict:
        """Return the current observations."""
        return self._observations

    def step(self, actions: torch.Tensor) -> tuple[TensorDict, torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Return observations, rewards ``(N,)``, dones ``(N,)`` bool, and a dictionary with time-outs and a log."""
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        self._observations = self._groups(observations, info)
        # A Warp variant returns means in every step. This test waits for the device, as rsl_rl itself does in every
        # step.
        means = info["episode_means"] if info.get("episode_count", 0) else {}
        log = {f"/episode/{name}": mean for name, mean in means.items()}
        return self._observations, rewards, terminated | truncated, {"time_outs": truncated, "log": log}

    def _groups(self, observations: torch.Tensor, info: dict[str, Any]) -> TensorDict:
        groups = {"policy": observations}
        if self.env.num_states:
            groups["critic"] = info["states"]
        return TensorDict(groups, batch_size=[self.num_envs], device=self.device)
