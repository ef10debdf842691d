"""Measure a nut that fingers hold by friction alone while they turn it onto a bolt.

    uv run python tools/gripped_nut.py [key=value …] [--threads capsules …] [--substeps 4 …] [--worlds 64]
                                       [--steps 2048] [--actions steady] [--json FILE]

Worlds are those of FactoryTaskNutBoltScrew; ``key=value`` changes them, for example ``sim_device=gpu`` or
``task.sim.mujoco.impratio=1``. Actions are ``steady`` (down, then also round, by constant
displacements with a little noise, so that worlds differ), ``rough`` (uniform
random ones, new in every control step, from −1 to 1) or ``held`` (rough ones that last 30 control steps). Each
variant, a kind of thread with a number of solver steps per physics step, reports means over worlds:

* turns of the nut, descent per turn, and how far nuts leave the helix of the thread (largest, in pitches);
* slip of the nut in the fingers: about the bolt's axis, in degrees, and along it, in mm;
* penetration: the deepest one of nut and bolt, and of nut and fingers, in mm;
* contacts and constraint rows of a world, on the C engine;
* events: where, when and how nuts left the helix, see :func:`describe_events`;
* successes, nuts that passed through the thread (more than half a pitch off the helix while on the bolt), NaN;
* control steps of all worlds per second.
"""

import argparse
import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import mujoco
import torch
from oige_core import make_env
from oige_core.math import quat_apply
from oige_tasks_manipulation.factory.helix import LEFT
from oige_tasks_manipulation.factory.threads import THREADS
from oige_tasks_manipulation.franka.factory import FINGERPAD_LENGTH
from oige_train.cli.common import checked_run, run_cli

TASK = "FactoryTaskNutBoltScrew"
FROM_THE_TIP = "task.env.rl.end_failed_episodes=False"  # as with test=True
DOWN, ROUND = 2, 5  # actions
STEADY = (0.2, 0.12)  # of the largest displacement down and rotation
NOISE = 0.1  # of steady actions
GRASP = 20  # control steps in which the gripper closes, without other actions
PRESS = 60  # control steps in which steady actions only move down, until the nut is on the thread
HELD = 30  # control steps in which actions do not change
EVERY = 8  # control steps between measurements of penetration


class Grip:
    """Follows hands and nuts from control step to control step.

    Attributes:
        turns: ``(2, N)``: of the hand and of the nut, positive downwards on the bolt.
        on_bolt: ``(N,)`` bool: the nut is on the bolt by at least two pitches.
        off_helix: ``(N,)``: how far the nut has been from the helix on which it came onto the bolt, in pitches.
        descent: ``(N,)``: of the nut while it was on the bolt, in m.
        turned: ``(N,)``: by how many turns of the nut.
        arrivals: ``(N,)``: how often the nut came onto the bolt.
    """

    def __init__(self, task: Any) -> None:
        self._task = task
        self._angles = self._read()
        self.turns = torch.zeros_like(self._angles)
        self.on_bolt = torch.zeros_like(task.succeeded)
        self.off_helix = torch.zeros_like(task.height)
        self._height = task.height
        self.descent, self.turned = torch.zeros_like(task.height), torch.zeros_like(task.height)
        self.arrivals = torch.zeros_like(task.height)

    def _read(self) -> torch.Tensor:
        task = self._task
        axis = torch.tensor([1.0, 0.0, 0.0], device=task.device).expand(task.num_envs, 3)
        hand = quat_apply(task.get_fingertips().orientation, axis)
        nut = quat_apply(task.nuts.get_world_poses()[1], axis)
        return torch.stack([torch.atan2(each[:, 1], each[:, 0]) for each in (hand, nut)])

    @property
    def slide(self) -> torch.Tensor:
        """Height of the fingertips above the middle of the nut ``(N,)``, in m."""
        task = self._task
        return task.get_fingertips().position[:, 2] - task.get_nut_centres()[0][:, 2]

    def update(self) -> None:
        """Add what happened in a control step, in which nothing turned by more than half a turn."""
        task, angles = self._task, self._read()
        change = torch.remainder(angles - self._angles + math.pi, 2 * math.pi) - math.pi
        self.turns = self.turns - change / (2 * math.pi)
        self._angles = angles
        on_bolt, stays = task.helix.on_bolt, task.helix.on_bolt & self.on_bolt
        self.arrivals = self.arrivals + (on_bolt & ~self.on_bolt)
        self.descent = self.descent + (self._height - task.height) * stays
        self.turned = self.turned - change[1] / (2 * math.pi) * stays
        self._height = task.height
        self.off_helix = torch.maximum(self.off_helix, task.helix.off.abs())
        self.on_bolt = on_bolt


def describe_events(grip: Grip, task: Any, step: int, left: torch.Tensor) -> list[dict[str, Any]]:
    """Return how nuts left the helix in a control step: one record for each world of ``left`` ``(N,)`` bool.

    ``gripped`` is whether the nut is between the pads; ``height`` is that of the nut above the bolt's head, in pitches;
    ``arrivals`` counts how often it came onto the bolt before.
    """
    if not left.any():
        return []
    tips = task.get_fingertips()
    nut, orientation = task.get_nut_centres()
    upwards = quat_apply(orientation, torch.tensor([0.0, 0.0, 1.0], device=task.device).expand(task.num_envs, 3))
    distance = (tips.position - nut).norm(dim=-1)
    figures = {
        "height": task.height / task.thread_pitch,
        "tilt, degrees": torch.rad2deg(torch.acos(upwards[:, 2].clamp(-1.0, 1.0))),
        "fingertips from nut, mm": 1e3 * distance,
        "speed of fingertips, m/s": tips.linear_velocity.norm(dim=-1),
        "penetration of nut and bolt, mm": 1e3 * task.engine.deepest_penetration("nut", "bolt").to(task.device),
        "arrivals": grip.arrivals,
    }
    slipped = 0.5 * (FINGERPAD_LENGTH + task.nut_height)
    return [
        {"step": step, "world": world, "gripped": bool(distance[world] < slipped[world])}
        | {name: round(values[world].item(), 2) for name, values in figures.items()}
        for world in left.nonzero().squeeze(-1).tolist()
    ]


def choose_actions(kind: str, task: Any, step: int, last: torch.Tensor) -> torch.Tensor:
    """Return the actions ``(N, 12)`` of a control step."""
    if kind == "steady" or step < GRASP:
        down, around = (0.0, 0.0) if step < GRASP else (STEADY[0], 0.0) if step < GRASP + PRESS else STEADY
        actions = torch.zeros_like(last)
        actions[:, DOWN], actions[:, ROUND] = 2.0 * down - 1.0, 2.0 * around - 1.0
        return actions + torch.empty_like(last).uniform_(-NOISE, NOISE, generator=task.generator)
    if kind == "held" and (step - GRASP) % HELD:
        return last
    return torch.empty_like(last).uniform_(-1.0, 1.0, generator=task.generator)


def count_contacts(task: Any) -> tuple[int, int]:
    """Return the numbers of contacts and of constraint rows of the first world, on the C engine."""
    model = task.engine.compiled.model
    data = mujoco.MjData(model)
    for field in ("qpos", "qvel", "mocap_pos", "mocap_quat"):
        values = torch.as_tensor(task.engine.executor.field(field))[0].cpu().double().numpy()
        getattr(data, field)[:] = values.reshape(getattr(data, field).shape)
    mujoco.mj_forward(model, data)
    return data.ncon, data.nefc


def measure(env: Any, kind: str, steps: int) -> dict[str, Any]:
    """Return the figures of an environment after control steps from the start, without the ends of episodes."""
    env.reset(seed=0)
    task = env.task
    task.no_timeout = torch.ones(task.num_envs, dtype=torch.bool, device=task.device)
    grip = Grip(task)
    actions = torch.zeros(task.num_envs, task.spec.num_actions, device=task.device)
    depths, counts, seconds = {"bolt": 0.0, "franka": 0.0}, [], 0.0
    gripped_turns, gripped_slide = grip.turns, grip.slide
    events: list[dict[str, Any]] = []
    for step in range(steps):
        actions = choose_actions(kind, task, step, actions)
        begun = time.perf_counter()
        env.step(actions)
        before = grip.off_helix
        grip.update()
        seconds += time.perf_counter() - begun
        events += describe_events(grip, task, step, (grip.off_helix > LEFT) & (before <= LEFT))
        if step == GRASP:
            gripped_turns, gripped_slide = grip.turns, grip.slide
        if step > GRASP and step % EVERY == 0:
            for other in depths:
                depths[other] = max(depths[other], float(task.engine.deepest_penetration("nut", other).max()))
            counts.append(count_contacts(task))
    hand, nut = grip.turns - gripped_turns
    return {
        "turns": nut.mean().item(),
        "descent per turn, mm": 1e3 * (grip.descent.sum() / grip.turned.sum()).item(),
        "largest distance from the helix, pitches": grip.off_helix.max().item(),
        "passed through": len(events),
        "events": events,
        "slip, degrees": 360.0 * (hand - nut).abs().mean().item(),
        "slide, mm": 1e3 * (gripped_slide - grip.slide).mean().item(),
        "deepest penetration, mm": {other: 1e3 * depth for other, depth in depths.items()},
        "mean and largest number of contacts": [sum(c for c, _ in counts) / len(counts), max(c for c, _ in counts)],
        "largest number of rows": max(rows for _, rows in counts),
        "success": task.succeeded.float().mean().item(),
        **{name: values.float().mean().item() for name, values in task.failures._asdict().items()},
        "problems": {name: count for name, count in env.problems().items() if count},
        "control steps per second": task.num_envs * steps / seconds,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", nargs="+", choices=THREADS, default=["capsules"], help="kinds of thread")
    parser.add_argument("--substeps", nargs="+", type=int, default=[4], help="solver steps per physics step")
    parser.add_argument("--worlds", type=int, default=64, help="number of worlds")
    parser.add_argument("--steps", type=int, default=2048, help="number of control steps")
    parser.add_argument("--actions", choices=["steady", "rough", "held"], default="steady", help="see above")
    parser.add_argument("--json", type=Path, help="output file")
    options, overrides = parser.parse_known_args(argv)
    results = []
    for thread, substeps in itertools.product(options.threads, options.substeps):
        keys = [f"task={TASK}", f"num_envs={options.worlds}", "headless=True", FROM_THE_TIP, *overrides]
        variant = [f"task.env.nutBoltThread={thread}", f"task.sim.substeps={substeps}"]
        config = checked_run([*keys, *variant]).config
        env = make_env(config)
        figures = measure(env, options.actions, options.steps)
        env.close()
        step = 1e3 * config.task.sim.dt / substeps
        results.append({"thread": thread, "solver step, ms": step, "actions": options.actions, **figures})
        print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
