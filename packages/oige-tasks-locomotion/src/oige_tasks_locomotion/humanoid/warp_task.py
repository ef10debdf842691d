"""Warp variant of Humanoid; see :mod:`oige_tasks_locomotion.ant_humanoid.warp_task`."""

import warp as wp

from oige_tasks_locomotion.ant_humanoid.warp_task import JOINT_LIMITS, JOINTS, LocomotionWarpTask, Runner
from oige_tasks_locomotion.humanoid import task as torch_task
from oige_tasks_locomotion.humanoid.task import Humanoid

__all__ = ["HumanoidWarpTask"]

NEAR_LIMIT = wp.constant(torch_task.NEAR_LIMIT)


class HumanoidWarpTask(Humanoid, LocomotionWarpTask):
    """See the module."""

    def limit_cost(self) -> None:
        """Penalise joints by how close they are to a limit, weighted by their gears; upstream only the last one."""
        inputs = [self.observations, self.runner, self.cfg.jointsAtLimitCost]
        wp.launch(charge_limits, self.num_envs, inputs=inputs, outputs=[self.reward_terms])


@wp.kernel(enable_backward=False)
def charge_limits(observations: wp.array2d[float], runner: Runner, cost: float, terms: wp.array2d[float]):
    """Add the penalty ``cost`` times the gear for each joint, in proportion to its distance beyond ``NEAR_LIMIT``."""
    world = wp.tid()
    total = float(0.0)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    for joint in range(runner.first_limited_joint, runner.gear_ratio.shape[0]):
        excess = wp.max(wp.abs(observations[world, JOINTS + joint]) - NEAR_LIMIT, 0.0) / (1.0 - NEAR_LIMIT)
        total += cost * excess * runner.gear_ratio[joint]
    terms[world, JOINT_LIMITS] = -total
