"""Measure how FrankaDeformable's gripper holds the tube, and whether rough actions make a world fail.

    uv run python tools/soft_grip.py                          # the grip, on the C engine
    uv run python tools/soft_grip.py --executor warp-cpu      # or on MuJoCo Warp: warp-cpu, warp-cuda
    uv run python tools/soft_grip.py task.sim.mujoco.impratio=1.0   # with other settings
    uv run python tools/soft_grip.py --rough 1000 --worlds 64 # rough actions: control steps, worlds

The grip: the gripper closes, lifts the tube by 0.3 m and holds it. The table has the speed at which the tube moves
between the fingers, the deepest contact of a finger, and the time of a control step of one world. Rough actions are
uniform, at their bounds, or at their bounds for 20 control steps, by turns of 100 steps.
"""

import argparse
import time
from typing import Any

import mujoco
import torch
from oige_core.math import quat_apply_inverse
from oige_core.testing import make_env_on

TASK = "FrankaDeformable"
LIFTED = (0.067, 0.011, -0.026, -1.824, -0.089, 1.445, 0.562)  # joint positions of the arm, in rad
CLOSE, LIFT, SETTLE, HOLD = 20, 60, 60, 250  # control steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", default="c", choices=("c", "warp-cpu", "warp-cuda"))
    parser.add_argument("--rough", type=int, default=0, metavar="STEPS", help="control steps with rough actions")
    parser.add_argument("--worlds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("overrides", nargs="*", metavar="task.sim.mujoco.KEY=VALUE", help="settings of the solver")
    options = parser.parse_args()
    torch.set_num_threads(1)
    overrides: dict[str, Any] = dict(text.split("=") for text in options.overrides)
    if not options.rough:
        overrides["task.env.episodeLength"] = 100_000
    env = make_env_on(options.executor, TASK, options.worlds, overrides=overrides)
    env.reset(seed=options.seed)
    if options.rough:
        shake(env, options.rough, options.seed)
    else:
        hold(env)
    env.close()


def hold(env: Any) -> None:
    """Grip, lift and hold the tube; print how far it moves."""
    task = env.task
    move(env, task.start[:7], CLOSE)
    move(env, torch.tensor(LIFTED, device=task.device), LIFT)
    move(env, torch.tensor(LIFTED, device=task.device), SETTLE)
    before, back = in_gripper(task), task.back[0].clone()
    began = time.perf_counter()
    move(env, torch.tensor(LIFTED, device=task.device), HOLD)
    seconds = HOLD * task.control_dt
    slip = (in_gripper(task) - before).norm().item() / seconds
    sag = (back - task.back[0])[2].item() / seconds
    print("| creep in the grip, mm/s | sinking of the back end, mm/s | deepest contact of a finger, mm | ms per step |")
    print("|---|---|---|---|")
    cost = (time.perf_counter() - began) / HOLD / env.num_envs * 1e3
    print(f"| {slip * 1e3:.2f} | {sag * 1e3:.2f} | {deepest_contact(task) * 1e3:.2f} | {cost:.2f} |")


def move(env: Any, arm: torch.Tensor, steps: int) -> None:
    """Move the targets of the arm along a straight line to joint positions, with closing fingers."""
    task = env.task
    line = torch.linspace(0.0, 1.0, steps + 1, device=task.device)[1:, None]
    start = task.targets[0, :7]
    for target in start + line * (arm - start):
        action = torch.full((env.num_envs, 9), -1.0, device=task.device)
        action[:, :7] = (target - task.targets[:, :7]) / task.target_changes[:7]
        env.step(action.clamp(-1.0, 1.0))


def in_gripper(task: Any) -> torch.Tensor:
    """Return the position of the front of the tube relative to the left finger, in its frame, in m."""
    finger, rotation = (value[0] for value in task.left_fingers.get_world_poses())
    return quat_apply_inverse(rotation, task.front[0] - finger)


def deepest_contact(task: Any) -> float:
    """Return the depth in m of the deepest contact of a finger and the tube in the first world."""
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = task.engine.executor.field("qpos")[0].cpu()
    mujoco.mj_forward(model, data)
    return max((-contact.dist for contact in data.contact if contact.flex.max() >= 0), default=0.0)


def shake(env: Any, steps: int, seed: int) -> None:
    """Step with rough actions; print the number of failures by kind."""
    generator = torch.Generator(env.device).manual_seed(seed)
    size = (env.num_envs, 9)
    actions = torch.zeros(size, device=env.device)
    fastest = 0.0
    for step in range(steps):
        drawn = torch.rand(size, generator=generator, device=env.device) * 2.0 - 1.0
        match step // 100 % 3:
            case 0:
                actions = drawn
            case 1:
                actions = drawn.sign()
            case _ if step % 20 == 0:
                actions = drawn.sign()
            case _:
                pass
        env.step(actions)
        fastest = max(fastest, env.task.engine.executor.field("qvel").abs().max().item())
    print(f"{steps} control steps in {env.num_envs} worlds: largest velocity {fastest:.1f} rad/s or m/s")
    print("failures:", {kind: count for kind, count in env.problems().items() if count} or "none")


if __name__ == "__main__":
    main()
