"""Measure from which errors of a placed nut constant actions still turn it onto the bolt.

    uv run python tools/placed_nut.py [key=value …] [--steps 600] [--json FILE]

Worlds are those of FactoryTaskNutBoltScrew. The hand and the nut in its fingers begin at the tip of the bolt, but
beside its axis (in 4 directions), tilted and turned about it. The gripper moves down for 80 control steps, then down
and round. A nut is on the thread if it has then followed it by at least a pitch without having been lost.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import torch
from gripped_nut import FROM_THE_TIP, TASK, Grip
from oige_core import make_env
from oige_core.math import quat_apply, quat_from_rotation_vector, quat_mul
from oige_tasks_manipulation.factory.base import FRANKA_ORIENTATION, FRANKA_POSITION, TABLE_HEIGHT
from oige_tasks_manipulation.franka.kinematics import ArmKinematics
from oige_train.cli.common import checked_run, run_cli

LATERAL = (0.0, 0.5, 1.0, 1.5, 2.0)  # mm
DIRECTIONS = (0.0, 90.0, 180.0, 270.0)  # degrees
TILTS = (0.0, 2.0, 4.0)  # degrees, about x
YAWS = (-60.0, -30.0, 30.0, 60.0)  # degrees
CASES = [*itertools.product(LATERAL, DIRECTIONS, TILTS, [0.0]), *itertools.product([1.0], [0.0, 180.0], [2.0], YAWS)]
GAP = 0.3e-3  # m; between nut and tip
PRESS = 80  # control steps
DOWN, ROUND = 2, 5  # actions
PRESSING, TURNING = (0.3, 0.0), (0.2, 0.15)  # of the largest displacement down and rotation


def place(task: Any) -> None:
    """Put hands and nuts where ``CASES`` say."""
    lateral, direction, tilt, yaw = torch.tensor(CASES).unbind(-1)
    direction, tilt, yaw = torch.deg2rad(direction), torch.deg2rad(tilt), torch.deg2rad(yaw)
    none = torch.zeros_like(yaw)
    turn = quat_mul(
        quat_from_rotation_vector(torch.stack((tilt, none, none), dim=-1)),
        quat_from_rotation_vector(torch.stack((none, none, yaw), dim=-1)),
    )
    rise = GAP + 0.5 * task.nut_width * tilt.sin()
    shift = torch.stack((1e-3 * lateral * direction.cos(), 1e-3 * lateral * direction.sin(), rise), dim=-1)
    tip = torch.nn.functional.pad((TABLE_HEIGHT + task.head_height + task.shank_length).unsqueeze(-1), (2, 0))
    kinematics = ArmKinematics(FRANKA_POSITION, FRANKA_ORIENTATION, task.device)
    arm = torch.tensor(task.cfg.randomize.franka_arm_initial_dof_pos).expand(task.num_envs, -1)
    position, orientation = kinematics.poses(arm)
    moved = tip + quat_apply(turn, position - tip) + shift
    arm, _ = kinematics.solve(arm, moved, quat_mul(turn, orientation))
    task.frankas.set_joint_positions(arm, joint_indices=range(7))
    position, orientation = task.nuts.get_world_poses()
    task.nuts.set_world_poses(tip + quat_apply(turn, position - tip) + shift, quat_mul(turn, orientation))


def measure(env: Any, steps: int) -> list[dict[str, float]]:
    """Return for each lateral error, tilt and yaw in how many of the directions nuts come onto the thread."""
    env.reset(seed=0)
    task = env.task
    task.no_timeout = torch.ones(task.num_envs, dtype=torch.bool)
    place(task)
    grip = Grip(task)
    actions = torch.zeros(task.num_envs, task.spec.num_actions)
    for step in range(steps):
        down, around = PRESSING if step < PRESS else TURNING
        actions[:, DOWN], actions[:, ROUND] = 2.0 * down - 1.0, 2.0 * around - 1.0
        env.step(actions)
        grip.update()
    on_thread = grip.on_bolt & (grip.off_helix < 0.5) & (grip.descent > task.thread_pitch) & ~task.failures.any()
    results = []
    for lateral, tilt, yaw in dict.fromkeys((case[0], case[2], case[3]) for case in CASES):
        chosen = [index for index, case in enumerate(CASES) if (case[0], case[2], case[3]) == (lateral, tilt, yaw)]
        worlds = {"worlds": len(chosen), "on the thread": int(on_thread[chosen].sum())}
        results.append({"lateral, mm": lateral, "tilt, degrees": tilt, "yaw, degrees": yaw, **worlds})
    return results


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600, help="number of control steps")
    parser.add_argument("--json", type=Path, help="output file")
    options, overrides = parser.parse_known_args(argv)
    fixed = [f"task={TASK}", f"num_envs={len(CASES)}", "sim_device=cpu", "headless=True", FROM_THE_TIP]
    env = make_env(checked_run([*fixed, *overrides]).config)
    results = measure(env, options.steps)
    env.close()
    for result in results:
        print(json.dumps(result))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
