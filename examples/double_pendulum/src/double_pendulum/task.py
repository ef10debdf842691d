"""DoublePendulum.

Task: swing up two poles, one on the other, with motors that are too weak to lift them, and hold them upright.
Randomisation: the poles hang within ±0.1 rad, at rest, at each reset.
Success: both poles stand upright and still; the reward of a step is then 1.
"""

import math
from pathlib import Path

import torch
from oige_core import ArticulationAsset, RLTask, Scene

from double_pendulum import DoublePendulumConfig

__all__ = ["DoublePendulumTask", "reward_terms"]

POLES = ArticulationAsset(mjcf=Path(__file__).parent / "assets" / "double_pendulum.xml")


class DoublePendulumTask(RLTask[DoublePendulumConfig]):
    """See the module."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add the poles, hinged 1.5 m above the ground."""
        scene.add_ground_plane()
        self.poles = scene.add_articulation("DoublePendulum", POLES, position=(0.0, 0.0, 1.5))

    def post_reset(self) -> None:
        """Put the constants on the device. Joints are in the order shoulder, elbow."""
        self.max_efforts = torch.tensor(self.cfg.maxEfforts, device=self.device)
        self.hanging = torch.tensor([math.pi, 0.0], device=self.device)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes with hanging poles."""
        super().reset_idx(worlds)
        self.poles.set_joint_positions(self.hanging + self.uniform(-0.1, 0.1, len(worlds), 2), worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Turn actions ``(N, 2)`` from -1 to 1 into torques."""
        self.poles.set_joint_efforts(actions * self.max_efforts)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Observe sines and cosines of both poles' angles to the vertical, and the velocities of the joints (rad/s)."""
        angles = self.poles.get_joint_positions(worlds).cumsum(-1)
        velocities = self.poles.get_joint_velocities(worlds)
        return torch.cat((angles.sin(), angles.cos(), velocities), dim=-1)

    def is_done(self) -> torch.Tensor:
        """End the episode if a joint spins."""
        return (self.obs_buf[:, 4:].abs() > self.cfg.maxVelocity).any(-1)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward poles that stand upright and still."""
        return self.sum_reward_terms(reward_terms(self.obs_buf))


def reward_terms(observations: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the terms of the reward of a step.

    Args:
        observations: ``(N, 6)``, as :meth:`DoublePendulumTask.get_observations` returns them.

    Returns:
        ``(N,)`` each: ``upright`` = h / 2 and ``still`` = h² / 2 · exp(−(ω₁² + ω₂²) / 10). The height
        h = (2 + cos α + cos β) / 4 is 1 if both poles stand upright and 0 if both hang; α and β are their angles to the
        vertical, ω₁ and ω₂ the velocities of the joints (rad/s).
    """
    height = 0.25 * (2.0 + observations[:, 2:4].sum(-1))
    stillness = torch.exp(-0.1 * observations[:, 4:].square().sum(-1))
    return {"upright": 0.5 * height, "still": 0.5 * height.square() * stillness}
