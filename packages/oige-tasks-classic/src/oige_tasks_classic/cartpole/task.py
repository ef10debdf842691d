"""Cartpole.

Task: keep a pole upright on a cart that slides on a rail, by pushing the cart.
Randomisation: cart position ±1 m and velocity ±0.5 m/s, pole angle ±22.5° and angular velocity ±45°/s at each reset.
Success: 500 control steps with the pole upright and the cart in the middle; the return is then close to 500.
"""

import math
from pathlib import Path

import torch
from oige_core import ArticulationAsset, ArticulationView, Drive, RLTask, Scene, SignedPermutation, Symmetry

from oige_tasks_classic.cartpole import CartpoleConfig

__all__ = [
    "FAILURE_REWARD",
    "LEFT_AND_RIGHT",
    "MAX_POLE_ANGLE",
    "REWARD_WEIGHTS",
    "CartpoleTask",
    "add_cartpole",
    "has_failed",
    "reward_terms",
]

CARTPOLE_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "cartpole.xml",
    usd="Robots/Cartpole/cartpole.usd",
    drives={"cartJoint": Drive(max_effort=1000.0)},
)

REWARD_WEIGHTS = {"upright": 1.0, "cart_velocity": -0.01, "pole_velocity": -0.005}
FAILURE_REWARD = -2.0
MAX_POLE_ANGLE = math.pi / 2
LEFT_AND_RIGHT = Symmetry(SignedPermutation.of([-1.0] * 4), SignedPermutation.of([-1.0]))


class CartpoleTask(RLTask[CartpoleConfig]):
    """See the module."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane and the cartpole."""
        self.cartpoles = add_cartpole(scene)

    def post_reset(self) -> None:
        """Look up the driven joint. Observations rely on the joint order cart, pole."""
        self.symmetries = (LEFT_AND_RIGHT.to(self.device),)
        self.cart_joint = [self.cartpoles.get_dof_index("cartJoint")]
        self.reward_weights = REWARD_WEIGHTS
        self.start_positions = torch.tensor([1.0, math.pi / 8], device=self.device)  # m, rad
        self.start_velocities = torch.tensor([0.5, math.pi / 4], device=self.device)  # m/s, rad/s

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Start episodes from random positions and velocities."""
        super().reset_idx(worlds)
        positions, velocities = self.uniform(-1.0, 1.0, 2, len(worlds), 2).unbind()
        self.cartpoles.set_joint_positions(positions * self.start_positions, worlds)
        self.cartpoles.set_joint_velocities(velocities * self.start_velocities, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Push the cart."""
        self.cartpoles.set_joint_efforts(actions * self.cfg.maxEffort, joint_indices=self.cart_joint)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Observe cart position (m), cart velocity (m/s), pole angle (rad), pole angular velocity (rad/s)."""
        return self.observe_motion(worlds)

    def observe_motion(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the motion ``(len(worlds), 4)`` of cart and pole; see :meth:`get_observations`."""
        positions = self.cartpoles.get_joint_positions(worlds, clone=False)
        velocities = self.cartpoles.get_joint_velocities(worlds, clone=False)
        return torch.stack((positions, velocities), dim=-1).flatten(1)

    def is_done(self) -> torch.Tensor:
        """Terminate when the cart leaves its range or the pole falls."""
        return has_failed(self.obs_buf, self.cfg.resetDist)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward an upright pole and little motion, and penalise failure."""
        reward = self.sum_reward_terms(reward_terms(self.obs_buf))
        return reward.masked_fill(self.terminated_buf, FAILURE_REWARD)


def add_cartpole(scene: Scene) -> ArticulationView:
    """Add a ground plane and the cartpole with its rail 2 m above the ground."""
    scene.add_ground_plane()
    return scene.add_articulation("Cartpole", CARTPOLE_ASSET, position=(0.0, 0.0, 2.0))


def reward_terms(motion: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the reward terms of a step without failure, before :data:`REWARD_WEIGHTS`.

    Args:
        motion: ``(N, 4)``: cart position (m), cart velocity (m/s), pole angle (rad), angular velocity (rad/s).

    Returns:
        ``(N,)`` each: ``upright`` = 1 − angle², ``cart_velocity`` = |v|, ``pole_velocity`` = |ω|.
    """
    _, cart_velocity, angle, angular_velocity = motion.unbind(-1)
    return {
        "upright": 1.0 - angle * angle,
        "cart_velocity": cart_velocity.abs(),
        "pole_velocity": angular_velocity.abs(),
    }


def has_failed(motion: torch.Tensor, max_position: float) -> torch.Tensor:
    """Return whether the cart is beyond ``max_position`` (m) or the pole has fallen, ``(N,)`` bool."""
    position, _, angle, _ = motion.abs().unbind(-1)
    return (position > max_position) | (angle > MAX_POLE_ANGLE)
