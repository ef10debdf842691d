"""Warp variant of Ant; see :mod:`oige_tasks_locomotion.ant_humanoid.warp_task`."""

import warp as wp

from oige_tasks_locomotion.ant import task as torch_task
from oige_tasks_locomotion.ant.task import Ant
from oige_tasks_locomotion.ant_humanoid.warp_task import JOINT_LIMITS, JOINTS, LocomotionWarpTask, Runner

__all__ = ["AntWarpTask"]

AT_LIMIT = wp.constant(torch_task.AT_LIMIT)


class AntWarpTask(Ant, LocomotionWarpTask):
    """See the module."""

    def limit_cost(self) -> None:
        """Penalise each joint at a limit; upstream only the last one, by 1."""
        cost = 1.0 if self.upstream else self.cfg.jointsAtLimitCost
        inputs = [self.observations, self.runner, cost]
        wp.launch(charge_limits, self.num_envs, inputs=inputs, outputs=[self.reward_terms])


@wp.kernel(enable_backward=False)
def charge_limits(observations: wp.array2d[float], runner: Runner, cost: float, terms: wp.array2d[float]):
    """Add the penalty ``cost`` for each joint at a limit."""
    world = wp.tid()
    total = float(0.0)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    for joint in range(runner.first_limited_joint, runner.gear_ratio.shape[0]):
        if wp.abs(observations[world, JOINTS + joint]) > AT_LIMIT:
            total += cost
    terms[world, JOINT_LIMITS] = -total
