"""Descriptions of checkpoints that tests write."""

from typing import Any

from oige_train.checkpoint import CheckpointInfo

__all__ = ["make_info"]


def make_info(task: str, observations: int, actions: int, **others: Any) -> CheckpointInfo:
    """Describe a checkpoint of PPO after three epochs of a task without states; ``others`` are further attributes."""
    values = {"algo": "a2c_continuous", "num_states": 0, "epoch": 3, "mean_reward": None} | others
    return CheckpointInfo(task=task, observation_shape=(observations,), num_actions=actions, **values)
