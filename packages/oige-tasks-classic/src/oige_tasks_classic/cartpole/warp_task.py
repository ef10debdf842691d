"""Warp variant of Cartpole: scene, rewards and terminations are those of :mod:`oige_tasks_classic.cartpole.task`."""

import warp as wp
from oige_core import RLTaskWarp, Scene
from oige_core.warp_arrays import ArticulationArrays, uniform

from oige_tasks_classic.cartpole import CartpoleConfig
from oige_tasks_classic.cartpole.task import (
    FAILURE_REWARD,
    LEFT_AND_RIGHT,
    MAX_POLE_ANGLE,
    REWARD_WEIGHTS,
    add_cartpole,
)

__all__ = ["CartpoleWarpTask"]

CART, POLE = wp.constant(0), wp.constant(1)  # joints
UPRIGHT, CART_VELOCITY, POLE_VELOCITY = (wp.constant(weight) for weight in REWARD_WEIGHTS.values())


class CartpoleWarpTask(RLTaskWarp[CartpoleConfig]):
    """See the module.

    With ``task.env.compat=upstream``, episodes are one step longer than those of the torch task, and every reset draws
    the numbers of the first one again; see :func:`randomise_like_upstream`.
    """

    reward_names = tuple(REWARD_WEIGHTS)

    def set_up_scene(self, scene: Scene) -> None:
        """Add a ground plane and the cartpole."""
        self.cartpoles = add_cartpole(scene)

    def post_reset(self) -> None:
        """Get the arrays of the cartpoles."""
        self.cartpole = self.arrays(self.cartpoles)
        self.symmetries = (LEFT_AND_RIGHT.to(self.device),)

    def reset_idx(self, mask: wp.array) -> None:
        """Start episodes from random positions and velocities."""
        super().reset_idx(mask)
        if self.upstream:
            wp.launch(randomise_like_upstream, self.num_envs, inputs=[mask, self.config.seed, self.cartpole])
        else:
            wp.launch(randomise, self.num_envs, inputs=[mask, self.random, self.cartpole])

    @property
    def time_limit(self) -> int:
        """See :class:`~oige_core.tasks.task.Task`."""
        return self.max_episode_length + self.upstream

    def pre_physics_step(self) -> None:
        """Push the cart."""
        wp.launch(push, self.num_envs, inputs=[self.actions, self.cfg.maxEffort, self.cartpole])

    def get_observations(self) -> None:
        """Observe cart position (m), cart velocity (m/s), pole angle (rad), pole angular velocity (rad/s)."""
        wp.launch(observe, self.num_envs, inputs=[self.cartpole], outputs=[self.observations])

    def is_done(self) -> None:
        """Terminate when the cart leaves its range or the pole falls."""
        wp.launch(fail, self.num_envs, inputs=[self.observations, self.cfg.resetDist], outputs=[self.terminated])

    def calculate_metrics(self) -> None:
        """Reward an upright pole and little motion, and penalise failure."""
        wp.launch(
            reward,
            self.num_envs,
            inputs=[self.observations, self.terminated],
            outputs=[self.reward_terms, self.rewards],
        )


@wp.kernel(enable_backward=False)
def randomise(mask: wp.array[bool], random: wp.array[wp.uint32], cartpole: ArticulationArrays):
    """Draw positions and velocities for the worlds of the mask."""
    world = wp.tid()
    if mask[world]:
        cartpole.joint_positions[world, CART] = uniform(random, world, -1.0, 1.0)  # m
        cartpole.joint_positions[world, POLE] = uniform(random, world, -wp.PI / 8.0, wp.PI / 8.0)
        cartpole.joint_velocities[world, CART] = uniform(random, world, -0.5, 0.5)  # m/s
        cartpole.joint_velocities[world, POLE] = uniform(random, world, -wp.PI / 4.0, wp.PI / 4.0)


@wp.kernel(enable_backward=False)
def randomise_like_upstream(mask: wp.array[bool], seed: int, cartpole: ArticulationArrays):
    """Draw positions and velocities with the numbers of OmniIsaacGymEnvs.

    They begin anew with ``seed`` at each reset, and depend only on the number of reset worlds before this one.
    """
    world = wp.tid()
    if mask[world]:
        rank = int(0)  # noqa: RUF046, UP018  a variable in Warp, which treats a literal as a constant
        for other in range(world):
            if mask[other]:
                rank += 1
        random = wp.rand_init(seed, rank)
        cartpole.joint_positions[world, CART] = 1.0 - 2.0 * wp.randf(random)
        cartpole.joint_positions[world, POLE] = wp.PI / 8.0 * (1.0 - 2.0 * wp.randf(random))
        cartpole.joint_velocities[world, CART] = 0.5 * (1.0 - 2.0 * wp.randf(random))
        cartpole.joint_velocities[world, POLE] = wp.PI / 4.0 * (1.0 - 2.0 * wp.randf(random))


@wp.kernel(enable_backward=False)
def push(actions: wp.array2d[float], max_effort: float, cartpole: ArticulationArrays):
    """Convert actions into forces on the cart (N)."""
    world = wp.tid()
    cartpole.joint_efforts[world, CART] = actions[world, 0] * max_effort


@wp.kernel(enable_backward=False)
def observe(cartpole: ArticulationArrays, observations: wp.array2d[float]):
    """Observe both joints, position before velocity."""
    world = wp.tid()
    for joint in range(2):
        observations[world, 2 * joint] = cartpole.joint_positions[world, joint]
        observations[world, 2 * joint + 1] = cartpole.joint_velocities[world, joint]


@wp.kernel(enable_backward=False)
def fail(observations: wp.array2d[float], reset_distance: float, terminated: wp.array[bool]):
    """Compute whether the cart is beyond ``reset_distance`` (m) or the pole beyond horizontal."""
    world = wp.tid()
    terminated[world] = (
        wp.abs(observations[world, 0]) > reset_distance or wp.abs(observations[world, 2]) > MAX_POLE_ANGLE
    )


@wp.kernel(enable_backward=False)
def reward(
    observations: wp.array2d[float],
    terminated: wp.array[bool],
    terms: wp.array2d[float],
    rewards: wp.array[float],
):
    """Compute the weighted sum of 1 − angle², |v| and |ω|, or the reward of a failure."""
    world = wp.tid()
    angle = observations[world, 2]
    terms[world, 0] = UPRIGHT * (1.0 - angle * angle)
    terms[world, 1] = CART_VELOCITY * wp.abs(observations[world, 1])
    terms[world, 2] = POLE_VELOCITY * wp.abs(observations[world, 3])
    rewards[world] = terms[world, 0] + terms[world, 1] + terms[world, 2]
    if terminated[world]:
        rewards[world] = FAILURE_REWARD
