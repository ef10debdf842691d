"""Cartpole.

Task: keep a pole upright on a cart that slides on a rail, by pushing the cart.
Randomisation: cart position ±1 m and velocity ±0.5 m/s, pole angle ±22.5° and angular velocity ±45°/s at each reset.
Success: 500 control steps with the pole upright and the cart in the middle; the return is then close to 500.
"""

import math
from pathlib import Path

import torch
from oige_core.scene import ArticulationAsset, Drive, Scene
from oige_core.tasks import Mirror, RLTask, SignedPermutation
from oige_core.views import ArticulationView

from oige_tasks_classic.cartpole import CartpoleConfig

__all__ = ["FAILURE_REWARD", "LEFT_AND_RIGHT", "MAX_POLE_ANGLE", "CartpoleTask", "add_cartpole"]

CARTPOLE_ASSET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "cartpole.xml",
    usd="Robots/Cartpole/cartpole.usd",
    drives={"cartJoint": Drive(max_effort=1000.0)},
)

# The weights are tensors because torch makes one of every number, which takes as long as to multiply by it.
UPRIGHT_REWARD = torch.tensor(1.0)
CART_VELOCITY_REWARD = torch.tensor(-0.01)  # per m/s
POLE_VELOCITY_REWARD = torch.tensor(-0.005)  # per rad/s
FAILURE_REWARD = -2.0
MAX_POLE_ANGLE = math.pi / 2
LEFT_AND_RIGHT = Mirror(SignedPermutation.of([-1.0] * 4), SignedPermutation.of([-1.0]))


class CartpoleTask(RLTask[CartpoleConfig]):
    """See the module."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane and the cartpole."""
        self.cartpoles = add_cartpole(scene)

    def post_reset(self) -> None:
        """Look up the driven joint. The observation relies on the order cart, pole."""
        self.mirrors = (LEFT_AND_RIGHT.to(self.device),)
        self.cart_joint = [self.cartpoles.get_dof_index("cartJoint")]
        positions, velocities = [1.0, math.pi / 8], [0.5, math.pi / 4]  # m, rad; m/s, rad/s
        self.reset_range = torch.tensor([[positions], [velocities]], device=self.device)
        self.max_effort = torch.tensor(self.cfg.maxEffort, device=self.device)
        self.limits = torch.tensor([self.cfg.resetDist, MAX_POLE_ANGLE], device=self.device)

    def reset_idx(self, env_ids: torch.Tensor) -> None:
        """Start episodes from random positions and velocities."""
        super().reset_idx(env_ids)
        start = self.uniform(-1.0, 1.0, 2, len(env_ids), 2) * self.reset_range
        positions, velocities = start.unbind()
        self.cartpoles.set_joint_positions(positions, indices=env_ids)
        self.cartpoles.set_joint_velocities(velocities, indices=env_ids)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Push the cart."""
        self.cartpoles.set_joint_efforts(actions * self.max_effort, joint_indices=self.cart_joint)

    def get_observations(self) -> torch.Tensor:
        """Observe cart position (m), cart velocity (m/s), pole angle (rad), pole angular velocity (rad/s)."""
        positions = self.cartpoles.get_joint_positions(clone=False)
        velocities = self.cartpoles.get_joint_velocities(clone=False)
        self.motion = self.obs_buf = torch.stack((positions, velocities), dim=-1).flatten(1)
        return self.obs_buf

    def calculate_metrics(self) -> None:
        """Reward an upright pole and little motion; failing costs."""
        reward = self.sum_reward_terms(reward_terms(self.motion))
        self.rew_buf = reward.masked_fill(self.terminated_buf, FAILURE_REWARD)

    def is_done(self) -> None:
        """End the episode when the cart leaves its range or the pole falls."""
        self.terminated_buf = has_failed(self.motion, self.limits)


def add_cartpole(scene: Scene) -> ArticulationView:
    """Add a ground plane and the cartpole, its rail 2 m above the ground."""
    scene.add_ground_plane()
    return scene.add_articulation("Cartpole", CARTPOLE_ASSET, position=(0.0, 0.0, 2.0))


def reward_terms(motion: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return the parts of the reward of a step without failure.

    Args:
        motion: ``(N, 4)``: cart position (m), cart velocity (m/s), pole angle (rad), angular velocity (rad/s).

    Returns:
        ``(N,)`` each: ``upright`` = 1 − angle², ``cart_velocity`` = −0.01 |v|, ``pole_velocity`` = −0.005 |ω|.
    """
    _, cart_velocity, angle, angular_velocity = motion.unbind(-1)
    return {
        "upright": UPRIGHT_REWARD - angle * angle,
        "cart_velocity": CART_VELOCITY_REWARD * cart_velocity.abs(),
        "pole_velocity": POLE_VELOCITY_REWARD * angular_velocity.abs(),
    }


def has_failed(motion: torch.Tensor, limits: torch.Tensor) -> torch.Tensor:
    """Return ``(N,)`` bool: cart position (m) or pole angle (rad) is beyond its limit in ``limits`` ``(2,)``."""
    farthest, steepest = limits.unbind()
    position, _, angle, _ = motion.abs().unbind(-1)
    return (position > farthest) | (angle > steepest)
