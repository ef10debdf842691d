"""Play a policy of FactoryTaskNutBolt and measure nuts at the end of each stage.

    uv run python tools/chain_stages.py CHECKPOINT [key=value …] [--worlds 64] [--json FILE]

CHECKPOINT is made by ``tools/chain_policies.py``, or ``pretrained``. One episode is played in each world; while the
nut is screwed on, the state is measured every 256 control steps, too. Each row has:

* fractions of the worlds with a nut in the gripper, with one whose base is on the axis of the bolt within a pitch and
  at or below its tip (``at tip``), at least a pitch below it (``on thread``), and screwed on (``success``);
* of nuts in the gripper, medians and 90th percentiles: tilt in the world and in the gripper, in degrees; distance of
  the base from the bolt's axis, in mm;
* medians of the height of the base above the tip and of the fingertips above the middle of the nut, in mm, and of the
  turns of the nut since the stage began;
* of nuts on the thread while they are screwed on, the smallest and largest ``lead``: how many pitches they have
  descended more than they have turned. It stays what it was when a nut found the thread, and grows with every ridge
  that a nut passes through.
"""

import argparse
import json
import math
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.math import quat_apply
from oige_tasks_manipulation.factory.frames import axis_z, points_along_z
from oige_train.cli.common import checked_run, run_cli
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy_loading import load_policy

TASK = "FactoryTaskNutBolt"
STAGES = ("pick", "align", "close", "lift", "carry", "place", "lower", "screw")
EVERY = 256  # control steps between rows of the last stage
IN_GRIPPER = 0.015  # m; of the middle of the nut from the fingertips' midpoint


def measure(task: Any, turns: torch.Tensor, start: torch.Tensor) -> dict[str, Any]:
    """Return the row of a table for the present state.

    Args:
        task: the task.
        turns: of the nuts ``(N,)`` since the stage began.
        start: heights of their middles ``(N,)`` when the stage began, in m.
    """
    tips = task.get_fingertips()
    nut, turned = task.get_nut_centres()
    bolt = task.bolts.get_world_poses()[0]
    base = points_along_z(nut, turned, -0.5 * task.nut_height.unsqueeze(-1)).squeeze(1)
    above = base[:, 2] - bolt[:, 2] - task.head_height - task.shank_length
    aside = torch.linalg.vector_norm((base - bolt)[:, :2], dim=-1)
    held = torch.linalg.vector_norm(nut - tips.position, dim=-1) < IN_GRIPPER
    up = axis_z(turned)
    tilt = torch.rad2deg(torch.acos(up[:, 2].clamp(-1.0, 1.0)))
    in_gripper = torch.rad2deg(torch.acos((-up * axis_z(tips.orientation)).sum(dim=-1).clamp(-1.0, 1.0)))
    on_axis = aside < task.thread_pitch
    quantiles = {"tilt": tilt, "tilt in gripper": in_gripper, "aside": 1e3 * aside}
    fractions = {
        "in gripper": held,
        "at tip": on_axis & (above < task.thread_pitch),
        "on thread": on_axis & (above < -task.thread_pitch),
        "success": task.screwed,
    }
    row: dict[str, Any] = {name: round(of.float().mean().item(), 3) for name, of in fractions.items()}
    levels = torch.tensor([0.5, 0.9], device=nut.device)
    row |= {
        name: [round(value, 2) for value in torch.quantile(of[held], levels).tolist()] if held.any() else None
        for name, of in quantiles.items()
    }
    if task.progress_buf.min() > task.begins[-1]:
        lead = ((start - nut[:, 2]) / task.thread_pitch - turns)[fractions["on thread"]]
        row["lead"] = [round(value.item(), 2) for value in lead.aminmax()] if lead.numel() else None
    medians = {"above tip": 1e3 * above, "tips above nut": 1e3 * (tips.position - nut)[:, 2], "turns": turns}
    return row | {name: round(of.median().item(), 2) for name, of in medians.items()}


def yaw_of(task: Any) -> torch.Tensor:
    """Return the yaw of nuts ``(N,)``, in rad."""
    forward = torch.tensor([1.0, 0.0, 0.0], device=task.device).expand(task.num_envs, 3)
    x, y, _ = quat_apply(task.nuts.get_world_poses()[1], forward).unbind(-1)
    return torch.atan2(y, x)


def play(run: Any, env: Any) -> list[dict[str, Any]]:
    """Play an episode in each world and return the rows of the table."""
    adapter = RlGamesEnv(env, run.config.rl_device)
    policy = load_policy(run, adapter)
    task = env.task
    ends = list(accumulate(task.cfg.stage_steps()))
    rows: list[dict[str, Any]] = []
    observed = adapter.reset()["obs"]
    task.no_timeout = torch.ones(task.num_envs, dtype=torch.bool, device=task.device)
    turns, yaw = torch.zeros(task.num_envs, device=task.device), yaw_of(task)
    start = task.get_nut_centres()[0][:, 2]
    for step in range(1, ends[-1] + 1):
        observed = adapter.step(policy.act(observed, deterministic=True))[0]["obs"]
        now = yaw_of(task)
        turns = turns - (torch.remainder(now - yaw + math.pi, 2.0 * math.pi) - math.pi) / (2.0 * math.pi)
        yaw = now
        if step in ends or (step > ends[-2] and (step - ends[-2]) % EVERY == 0):
            stage = STAGES[sum(end < step for end in ends)]
            rows.append({"stage": stage, "step": step} | measure(task, turns, start))
            print(json.dumps(rows[-1]), flush=True)
        if step in ends:
            turns, start = torch.zeros_like(turns), task.get_nut_centres()[0][:, 2]
    return rows


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help=f"of {TASK}")
    parser.add_argument("--worlds", type=int, default=64, help="number of worlds")
    parser.add_argument("--json", type=Path, help="output file")
    options, overrides = parser.parse_known_args(argv)
    fixed = [f"task={TASK}", "test=True", f"checkpoint={options.checkpoint}", f"num_envs={options.worlds}"]
    run = checked_run([*fixed, "headless=True", *overrides])
    env = make_env(run.config)
    rows = play(run, env)
    env.close()
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
