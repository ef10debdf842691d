"""Warp variant of the base of Ant and Humanoid; see :mod:`oige_tasks_locomotion.ant_humanoid.task`."""

from abc import abstractmethod

import torch
import warp as wp
from oige_core import RLTaskWarp
from oige_core.warp_arrays import ArticulationArrays, uniform

from oige_tasks_locomotion.ant_humanoid import LocomotionConfig
from oige_tasks_locomotion.ant_humanoid import task as torch_task
from oige_tasks_locomotion.ant_humanoid.task import Locomotion

__all__ = ["JOINTS", "JOINT_LIMITS", "LocomotionWarpTask", "Runner"]

POTENTIAL_DT = wp.constant(torch_task.POTENTIAL_DT)
POSITION_NOISE = wp.constant(torch_task.POSITION_NOISE)
VELOCITY_NOISE = wp.constant(torch_task.VELOCITY_NOISE)
UPSTREAM_FEET = 2  # the kernels of OmniIsaacGymEnvs observe two feet of any robot
HEIGHT, UP = wp.constant(torch_task.HEIGHT), wp.constant(torch_task.UP)
HEADING, JOINTS = wp.constant(torch_task.HEADING), wp.constant(torch_task.JOINTS)
IS_UPRIGHT, IS_FACING = wp.constant(torch_task.UPRIGHT), wp.constant(torch_task.FACING)

# Columns of the reward terms.
PROGRESS, ALIVE, UPRIGHT, FACING, ACTIONS, ENERGY, JOINT_LIMITS = (wp.constant(column) for column in range(7))


@wp.struct
class Runner:
    """Constants of the robot's joints ``(d,)`` and observed feet, and of its distance to the target ``(N,)``."""

    lower_limits: wp.array[float]
    upper_limits: wp.array[float]
    default_positions: wp.array[float]
    position_scale: wp.array[float]
    position_offset: wp.array[float]
    torque_scale: wp.array[float]
    gear_ratio: wp.array[float]
    feet: wp.array[int]
    target: wp.array[wp.vec2]
    initial_distance: wp.array[float]
    first_limited_joint: int  # whose limit cost counts, with all after it
    upstream: bool


@wp.struct
class Weights:
    """Reward weights and observation scales, with the names of the configuration."""

    alive_reward_scale: float
    upWeight: float
    headingWeight: float
    actionsCost: float
    energyCost: float
    dofVelocityScale: float
    angularVelocityScale: float
    contactForceScale: float


_JOINT_CONSTANTS = (
    *("lower_limits", "upper_limits", "default_positions", "position_scale", "position_offset"),
    *("torque_scale", "gear_ratio"),
)
_WEIGHTS = (
    *("alive_reward_scale", "upWeight", "headingWeight", "actionsCost", "energyCost"),
    *("dofVelocityScale", "angularVelocityScale", "contactForceScale"),
)


class LocomotionWarpTask(Locomotion, RLTaskWarp[LocomotionConfig]):
    """See the module.

    ``task.env.compat=upstream`` restores the Warp variant of OmniIsaacGymEnvs: the angle to the target is wrong as in
    the torch task; two feet are observed, followed by the actions and, for Ant, by zeros; only the last joint has a
    limit cost, because threads overwrite each other's result; and resets draw the same few numbers every time, see
    :func:`randomise_like_upstream`. The target is 1 km ahead in each world.
    """

    reward_names = ("progress", "alive", "upright", "heading", "actions", "energy", "joint_limits")

    @abstractmethod
    def limit_cost(self) -> None:
        """Launch a kernel that computes the reward term ``JOINT_LIMITS``."""

    def post_reset(self) -> None:
        """Put constants into structs, and create the arrays that change from step to step."""
        super().post_reset()
        n = self.num_envs
        self.robot = self.arrays(self.robots)
        self.runner = Runner()
        for name in _JOINT_CONSTANTS:
            setattr(self.runner, name, wp.from_torch(getattr(self, name).contiguous()))
        feet = self.foot_links[:UPSTREAM_FEET] if self.upstream else self.foot_links
        self.runner.feet = wp.from_torch(torch.tensor(feet, dtype=torch.int32, device=self.device))
        self.runner.first_limited_joint = self.robots.num_dof - 1 if self.upstream else 0
        self.runner.upstream = self.upstream
        self.runner.target = wp.from_torch(self.target.contiguous(), dtype=wp.vec2)
        self.runner.initial_distance = wp.from_torch(self.initial_distance)
        self.weights = Weights()
        for name in _WEIGHTS:
            setattr(self.weights, name, getattr(self.cfg, name))
        self.distance, self.last_distance = self.zeros(n), self.zeros(n)

    def reset_idx(self, mask: wp.array) -> None:
        """Drop robots from their spawn height, with joints near the default pose."""
        super().reset_idx(mask)
        outputs = [self.robot, self.last_distance, self.actions]
        if self.upstream:
            inputs = [mask, self.config.seed, self.runner]
            wp.launch(randomise_like_upstream, self.num_envs, inputs=inputs, outputs=outputs)
        else:
            wp.launch(randomise, self.num_envs, inputs=[mask, self.random, self.runner], outputs=outputs)

    def pre_physics_step(self) -> None:
        """Drive the joints by torque."""
        wp.launch(drive, self.actions.shape, inputs=[self.actions, self.runner], outputs=[self.robot.joint_efforts])

    def get_observations(self) -> None:
        """Compute the observations of the torch task, in the same columns."""
        n, inputs = self.num_envs, [self.robot, self.runner, self.weights]
        wp.launch(observe_torso, n, inputs=inputs, outputs=[self.observations, self.distance])
        wp.launch(observe_joints, self.actions.shape, inputs=[*inputs, self.actions], outputs=[self.observations])
        wp.launch(observe_feet, (n, self.runner.feet.shape[0]), inputs=inputs, outputs=[self.observations])

    def is_done(self) -> None:
        """Terminate when the robot falls."""
        inputs = [self.observations, self.cfg.terminationHeight]
        wp.launch(fall, self.num_envs, inputs=inputs, outputs=[self.terminated])

    def calculate_metrics(self) -> None:
        """Reward progress, survival, an upright torso that faces the target, and low energy, and penalise falls."""
        n = self.num_envs
        self.limit_cost()
        inputs = [self.distance, self.last_distance]
        wp.launch(approach, n, inputs=inputs, outputs=[self.reward_terms])
        inputs = [self.observations, self.actions, self.runner, self.weights]
        wp.launch(reward_behaviour, n, inputs=inputs, outputs=[self.reward_terms])
        inputs = [self.terminated, self.cfg.deathCost, self.reward_terms]
        wp.launch(sum_terms, n, inputs=inputs, outputs=[self.rewards])


@wp.kernel(enable_backward=False)
def randomise(
    mask: wp.array[bool],
    random: wp.array[wp.uint32],
    runner: Runner,
    robot: ArticulationArrays,
    last_distance: wp.array[float],
    actions: wp.array2d[float],
):
    """Place the joints of the worlds of the mask near their default pose, and clear the last episode."""
    world = wp.tid()
    if mask[world]:
        last_distance[world] = runner.initial_distance[world]
        for joint in range(actions.shape[1]):
            noise = uniform(random, world, -POSITION_NOISE, POSITION_NOISE)
            velocity = uniform(random, world, -VELOCITY_NOISE, VELOCITY_NOISE)
            place_joint(runner, robot, world, joint, noise, velocity)
            actions[world, joint] = 0.0


@wp.kernel(enable_backward=False)
def randomise_like_upstream(
    mask: wp.array[bool],
    seed: int,
    runner: Runner,
    robot: ArticulationArrays,
    last_distance: wp.array[float],
    actions: wp.array2d[float],
):
    """Place joints with the numbers of OmniIsaacGymEnvs.

    They begin anew with ``seed`` at each reset, and depend only on joint · (1 + the number of reset worlds before this
    one): the first joint has the same noise in all worlds.
    """
    world = wp.tid()
    if mask[world]:
        last_distance[world] = runner.initial_distance[world]
        rank = int(1)  # noqa: RUF046, UP018  a variable in Warp, which treats a literal as a constant
        for other in range(world):
            if mask[other]:
                rank += 1
        for joint in range(actions.shape[1]):
            random = wp.rand_init(seed, joint * rank)
            noise = wp.randf(random, -POSITION_NOISE, POSITION_NOISE)
            place_joint(runner, robot, world, joint, noise, wp.randf(random, -VELOCITY_NOISE, VELOCITY_NOISE))
            actions[world, joint] = 0.0


@wp.func
def place_joint(runner: Runner, robot: ArticulationArrays, world: int, joint: int, noise: float, velocity: float):
    """Put a joint at its default position plus ``noise``, within limits, with ``velocity``."""
    position = runner.default_positions[joint] + noise
    position = wp.clamp(position, runner.lower_limits[joint], runner.upper_limits[joint])
    robot.joint_positions[world, joint] = position
    robot.joint_velocities[world, joint] = velocity


@wp.kernel(enable_backward=False)
def drive(actions: wp.array2d[float], runner: Runner, efforts: wp.array2d[float]):
    """Convert actions into torques (N·m); one thread per world and joint."""
    world, joint = wp.tid()
    efforts[world, joint] = actions[world, joint] * runner.torque_scale[joint]


@wp.kernel(enable_backward=False)
def observe_torso(
    robot: ArticulationArrays,
    runner: Runner,
    weights: Weights,
    observations: wp.array2d[float],
    distance: wp.array[float],
):
    """Observe height, velocities along the torso's axes and its attitude; compute the distance to the target."""
    world = wp.tid()
    position, rotation = robot.root_positions[world], robot.root_orientations[world]
    linear = wp.quat_rotate_inv(rotation, robot.root_linear_velocities[world])
    angular = wp.quat_rotate_inv(rotation, robot.root_angular_velocities[world])
    observations[world, HEIGHT] = position[2]
    for axis in range(3):
        observations[world, 1 + axis] = linear[axis]
        observations[world, 4 + axis] = angular[axis] * weights.angularVelocityScale
    to_target = runner.target[world] - wp.vec2(position[0], position[1])
    distance[world] = wp.length(to_target)
    forward = wp.quat_rotate(rotation, wp.vec3(1.0, 0.0, 0.0))
    left = wp.quat_rotate(rotation, wp.vec3(0.0, 1.0, 0.0))
    up = wp.quat_rotate(rotation, wp.vec3(0.0, 0.0, 1.0))
    along = forward[0] * to_target[0] + forward[1] * to_target[1]
    across = forward[0] * to_target[1] - forward[1] * to_target[0]
    yaw = wp.atan2(forward[1], forward[0])
    observations[world, 7] = yaw
    observations[world, 8] = wp.atan2(left[2], up[2])  # roll
    to_face = wp.atan2(across, along)
    if runner.upstream:  # see with_upstream_angle of the torch task
        to_face = wp.atan2(-position[2], to_target[0]) - yaw
        to_face = wp.atan2(wp.sin(to_face), wp.cos(to_face))
    observations[world, 9] = to_face  # angle to the target
    observations[world, UP] = up[2]
    observations[world, HEADING] = along / distance[world]


@wp.kernel(enable_backward=False)
def observe_joints(
    robot: ArticulationArrays,
    runner: Runner,
    weights: Weights,
    actions: wp.array2d[float],
    observations: wp.array2d[float],
):
    """Observe positions, velocities and, after the feet, previous actions; one thread per world and joint."""
    world, joint = wp.tid()
    dofs = actions.shape[1]
    position = runner.position_offset[joint] + robot.joint_positions[world, joint] * runner.position_scale[joint]
    observations[world, JOINTS + joint] = position
    observations[world, JOINTS + dofs + joint] = robot.joint_velocities[world, joint] * weights.dofVelocityScale
    observations[world, JOINTS + 2 * dofs + 6 * runner.feet.shape[0] + joint] = actions[world, joint]


@wp.kernel(enable_backward=False)
def observe_feet(robot: ArticulationArrays, runner: Runner, weights: Weights, observations: wp.array2d[float]):
    """Observe the wrenches on the feet through their joints; one thread per world and foot."""
    world, foot = wp.tid()
    wrench = robot.joint_forces[world, runner.feet[foot]]
    first = JOINTS + 2 * robot.joint_positions.shape[1] + 6 * foot
    for i in range(6):
        observations[world, first + i] = wrench[i] * weights.contactForceScale


@wp.kernel(enable_backward=False)
def fall(observations: wp.array2d[float], termination_height: float, terminated: wp.array[bool]):
    """Compute whether the torso is below ``termination_height`` (m)."""
    world = wp.tid()
    terminated[world] = observations[world, HEIGHT] < termination_height


@wp.kernel(enable_backward=False)
def approach(distance: wp.array[float], last_distance: wp.array[float], terms: wp.array2d[float]):
    """Reward the speed towards the target (m/s)."""
    world = wp.tid()
    terms[world, PROGRESS] = (last_distance[world] - distance[world]) / POTENTIAL_DT
    last_distance[world] = distance[world]


@wp.kernel(enable_backward=False)
def reward_behaviour(
    observations: wp.array2d[float],
    actions: wp.array2d[float],
    runner: Runner,
    weights: Weights,
    terms: wp.array2d[float],
):
    """Compute the terms of survival, posture and energy; see ``reward_terms`` of the torch task."""
    world = wp.tid()
    dofs = actions.shape[1]
    squares, energy = float(0.0), float(0.0)  # noqa: UP018  variables in Warp, which treats literals as constants
    for joint in range(dofs):
        action = actions[world, joint]
        squares += action * action
        energy += wp.abs(action * observations[world, JOINTS + dofs + joint]) * runner.gear_ratio[joint]
    terms[world, ALIVE] = weights.alive_reward_scale
    terms[world, UPRIGHT] = wp.where(observations[world, UP] > IS_UPRIGHT, weights.upWeight, 0.0)
    terms[world, FACING] = wp.min(observations[world, HEADING] / IS_FACING, 1.0) * weights.headingWeight
    terms[world, ACTIONS] = -weights.actionsCost * squares
    terms[world, ENERGY] = -weights.energyCost * energy


@wp.kernel(enable_backward=False)
def sum_terms(terminated: wp.array[bool], death_cost: float, terms: wp.array2d[float], rewards: wp.array[float]):
    """Sum the terms; in a fall, the death cost replaces them."""
    world = wp.tid()
    total = float(0.0)  # noqa: UP018
    for i in range(terms.shape[1]):
        total += terms[world, i]
    rewards[world] = wp.where(terminated[world], death_cost, total)
