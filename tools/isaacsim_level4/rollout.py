"""Plays the policy that a task ships, on any host."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.engines.isaacsim.host import Host
from oige_core.envs import VecEnv
from oige_core.registry import find_task, load_spec, load_task_class
from oige_train.cli.common import checked_runs
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy

__all__ = ["Rollout", "roll_out"]


@dataclass(frozen=True)
class Rollout:
    """What happened in some control steps.

    Attributes:
        release: the host's release.
        observations: ``(steps, num_envs, …)`` after each step.
        rewards: ``(steps, num_envs)``.
        ended: ``(steps, num_envs)``: whether an episode ended in the step.
    """

    release: str
    observations: torch.Tensor
    rewards: torch.Tensor
    ended: torch.Tensor

    @property
    def mean_reward(self) -> float:
        """Mean reward of a step of a world."""
        return float(self.rewards.mean())

    def difference(self, other: "Rollout") -> float:
        """Largest difference of an observation."""
        return float((self.observations - other.observations).abs().max())


def roll_out(create_host: Callable[[], Host], task: str, num_envs: int, steps: int) -> Rollout:
    """Play the policy of a task, with the same seed in every call, and close the host.

    Args:
        create_host: returns a new host.
        task: name of the task.
        num_envs: number of worlds.
        steps: number of control steps.
    """
    arguments = [f"task={task}", "checkpoint=pretrained", "test=True", f"num_envs={num_envs}"]
    [run] = checked_runs([*arguments, "sim_device=cpu", "rl_device=cpu"])
    spec = load_spec(find_task(task))
    torch.manual_seed(0)
    host = create_host()
    engine = IsaacSimEngine(num_envs, host)
    env = VecEnv(load_task_class(spec, warp=False)(run.config, spec, engine))
    try:
        adapter = RlGamesEnv(env, "cpu", upstream=run.config.task.env.compat == "upstream")
        policy = load_policy(run, adapter)
        observations = adapter.reset()["obs"]
        history = []
        for _ in range(steps):
            out, rewards, done, _ = adapter.step(policy.act(observations, deterministic=True))
            observations = out["obs"]
            policy.reset_hidden_state(done)
            history.append((observations.clone(), rewards.clone(), done.clone()))
    finally:
        env.close()
    return Rollout(host.release, *(torch.stack(values) for values in zip(*history, strict=True)))
