"""Measure what contacts of a nut's thread cost and how well they hold, without a robot.

    uv run python tools/thread_contact.py --out thread_contact.json
    uv run python tools/thread_contact.py --device cuda:0 --out thread_contact.json

A bolt stands still, and forces act on its nut:

* ``turn``: a torque turns the nut down at 6 rad/s. Reported are the descent per turn of nuts that turn by a quarter
  of a turn, how many stick, and the largest deviation from the helix.
* ``play``: the nut is pushed to and fro along the axis, and across it, with five times its weight.
* ``creep``: nothing but gravity acts; how fast the nut turns down.
* ``push``: the nut is pushed along the axis with a force that rises for half a second; the largest force at which it
  moves by less than a quarter of the pitch in any world; also with the mass of a hand on the nut.
* ``blow``: the same, but the whole force acts at once.
* ``rough``: random forces and torques, which change every 1/60 s: up to six times its weight along each axis on a free
  nut, and up to 50 N and 2 N·m, more than fingers hold, on one with the mass of a hand. Reported are how often it
  jumped over the thread, and how many worlds diverged.
* ``speed``: time per physics step of a world while the nut turns; on the CPU, processor time of one core.

Penetrations are the deepest of nut and bolt in ``turn``. Contacts and rows of constraints are the largest of a
world, without ``push`` and ``blow``.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mujoco
import torch
from oige_core.config import MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine, on_warp
from oige_core.math import quat_apply
from oige_core.scene import Scene
from oige_tasks_manipulation.factory.base import CONTACT_TIME
from oige_tasks_manipulation.factory.sizes import NUT_BOLT_FRICTION, SIZES, NutBoltSize
from oige_tasks_manipulation.factory.threads import THREADS, Thread, bolt_asset, nut_asset

HAND_MASS, HAND_INERTIA = 0.7, 1.5e-3
"""Mass and moments of inertia of the Franka Hand, which a held nut moves with it, in kg and kg·m²."""

SPEED = 6.0  # rad/s
PUSHES = (5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
TASKS: dict[str, Any] = {"integrator": "discrete", "impratio": 10.0, "iterations": 20, "ls_iterations": 20}
SETTINGS: dict[str, dict[str, Any]] = {
    "tasks": TASKS,
    "implicitfast": TASKS | {"integrator": "implicitfast"},
    "pyramidal": TASKS | {"cone": "pyramidal", "impratio": 1.0},
    "impratio 1": TASKS | {"impratio": 1.0},
    "5 iterations": TASKS | {"iterations": 5},
    "100 iterations": TASKS | {"iterations": 100},
}
"""Solver settings of the Factory tasks, and others."""

FRICTIONS = (0.04, 0.1, 0.2)
CONTACT_TIMES = (0.004, 0.02)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is measured: a size, a kind of thread, time step and time constant of contacts in s, friction, a setting."""

    thread: Thread = "capsules"
    size: str = "M16"
    dt: float = 1 / 480
    friction: float = NUT_BOLT_FRICTION
    contact_time: float = CONTACT_TIME
    settings: str = "tasks"


@dataclass
class Peaks:
    """Largest values of a world."""

    penetration: float = 0.0
    contacts: int = 0
    rows: int = 0


@dataclass
class Worlds:
    """Worlds with a nut on a bolt.

    Attributes:
        case: what is measured.
        device: ``cpu`` for the C engine, ``warp-cpu``, or a CUDA device.
        count: number of worlds.
    """

    case: Case
    device: str
    count: int
    peaks: Peaks = field(default_factory=Peaks)

    def __post_init__(self) -> None:
        case = self.case
        self.size: NutBoltSize = SIZES[case.size]
        if self.device == "warp-cpu":
            self.engine = MujocoEngine(self.count, "cpu", 1, executor=on_warp(self.count, "cpu"))
        else:
            self.engine = MujocoEngine(self.count, self.device, 1)
        solver = MujocoConfig(max_contacts=100, max_constraints=320, **SETTINGS[case.settings])
        scene = Scene(self.engine, SimConfig(dt=case.dt, substeps=1, mujoco=solver))
        nut, bolt = (
            asset(self.size, case.thread, friction=case.friction, contact_time=case.contact_time)
            for asset in (nut_asset, bolt_asset)
        )
        self.nut = scene.add_rigid_body("nut", nut)
        scene.add_rigid_body("bolt", bolt, kinematic=True)
        self.add_elements(scene)
        self.engine.build(scene)
        self.compute_device = self.engine.device
        self.random = torch.Generator(self.compute_device).manual_seed(0)
        self.own_mass, self.own_inertia = self.nut.get_masses(), self.nut.get_inertias()
        self.model: mujoco.MjModel = self.engine.compiled.model
        self.data = mujoco.MjData(self.model)
        self.center = torch.tensor([0.0, 0.0, self.size.head_height + 0.5 * self.size.nut_height])
        self.center = self.center.to(self.compute_device)
        self.steps = 0
        self.start()

    def add_elements(self, scene: Scene) -> None:
        """Add what else is in a world: nothing."""

    def zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(self.count, *shape, device=self.compute_device)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Return random numbers from -1 to 1."""
        return 2 * torch.rand(self.count, *shape, generator=self.random, device=self.compute_device) - 1

    def start(self, chosen: torch.Tensor | None = None) -> None:
        """Put nuts on the middle of the thread, at random angles."""
        turn = torch.rand(self.count, generator=self.random, device=self.compute_device)
        middle = 0.6 * self.size.shank_length // self.size.pitch * self.size.pitch
        position, orientation = self.zeros(3), self.zeros(4)
        position[:, 2] = middle + self.size.pitch * turn
        orientation[:, 0], orientation[:, 3] = torch.cos(math.pi * turn), torch.sin(math.pi * turn)
        if chosen is None:
            chosen = torch.ones(self.count, dtype=torch.bool, device=self.compute_device)
            self.begin, self.turned, self.yaw = self.zeros(), self.zeros(), self.zeros()
        worlds = chosen if self.engine.executor.selects_by_mask else chosen.nonzero().squeeze(-1)
        rows = slice(None) if self.engine.executor.selects_by_mask else worlds
        self.nut.set_world_poses(position[rows], orientation[rows], indices=worlds)
        self.nut.set_velocities(self.zeros(6)[rows], indices=worlds)
        self.begin = torch.where(chosen, position[:, 2], self.begin)
        self.turned = torch.where(chosen, 0.0, self.turned)
        self.yaw = torch.where(chosen, 2 * math.pi * turn, self.yaw)

    def hold(self, held: bool) -> None:
        """Add the mass of a hand to the nuts, or take it away."""
        self.nut.set_masses(self.own_mass + held * HAND_MASS)
        inertia = torch.eye(3, device=self.compute_device).flatten() * HAND_INERTIA
        self.nut.set_inertias(self.own_inertia + held * inertia)

    def step(self, force: torch.Tensor, torque: torch.Tensor) -> None:
        """Step with a force on each nut's centre of mass and a torque, both ``(count, 3)`` in the world frame."""
        self.nut.apply_forces_and_torques_at_pos(forces=force, torques=torque, is_global=True)
        self.engine.step(1)
        orientation = self.nut.get_world_poses()[1]
        yaw = 2 * torch.atan2(orientation[:, 3], orientation[:, 0])
        change = torch.remainder(yaw - self.yaw + math.pi, 2 * math.pi) - math.pi
        self.turned += change
        self.yaw = yaw
        self.steps += 1
        if self.steps % 10 == 0:
            self.look()

    def look(self) -> None:
        """Note the deepest penetration, and the contacts and rows of the first world."""
        depth = float(self.engine.deepest_penetration("nut", "bolt").max())
        self.data.qpos[:] = self.engine.executor.field("qpos")[0].cpu()
        mujoco.mj_forward(self.model, self.data)
        self.peaks.penetration = max(self.peaks.penetration, depth)
        self.peaks.contacts = max(self.peaks.contacts, self.data.ncon)
        self.peaks.rows = max(self.peaks.rows, self.data.nefc)

    def heights(self) -> torch.Tensor:
        return self.nut.get_world_poses()[0][:, 2]

    def centers(self) -> torch.Tensor:
        """Return the centres of the nuts ``(count, 3)``, in m."""
        position, orientation = self.nut.get_world_poses()
        return position + quat_apply(orientation, self.center.expand(self.count, 3))

    def deviations(self) -> torch.Tensor:
        """Return the distance along the axis of each nut from the helix on which it started, in m."""
        return self.heights() - self.begin - self.size.pitch * self.turned / (2 * math.pi)

    def along(self, axis: int, values: torch.Tensor | float) -> torch.Tensor:
        vectors = self.zeros(3)
        vectors[:, axis] = values
        return vectors

    def run(self, seconds: float) -> range:
        return range(round(seconds / self.case.dt))


def weight(worlds: Worlds) -> float:
    return 9.81 * float(worlds.own_mass[0])


def turn(worlds: Worlds) -> dict[str, float]:
    worlds.start()
    most = 8.0 * weight(worlds) * worlds.size.diameter  # 40 mN·m for M16
    gain = 0.15 / worlds.case.dt * worlds.own_inertia[:, 8]
    against_friction = 2.0 * worlds.case.friction * weight(worlds) * worlds.size.diameter
    largest = 0.0
    low = 2 * worlds.size.pitch
    for step in worlds.run(1.7):
        if step == round(0.2 / worlds.case.dt):  # the nut has settled on the flanks
            worlds.begin, worlds.turned = worlds.heights().clone(), worlds.zeros()
        torques = gain * (-SPEED - worlds.nut.get_angular_velocities()[:, 2]) - against_friction
        torques = torch.where(worlds.heights() > low, torques.clamp(-most, most), 0.0)
        worlds.step(worlds.zeros(3), worlds.along(2, torques))
        largest = max(largest, float(worlds.deviations().abs().max()))
    turning = worlds.turned < -0.5 * math.pi
    per_turn = (2 * math.pi * (worlds.heights() - worlds.begin) / worlds.turned)[turning]
    if not bool(turning.any()):
        per_turn = torch.zeros(1)
    return {
        "stuck": int((~turning).sum()),
        "deepest_mm": 1e3 * worlds.peaks.penetration,
        "turns": float(-worlds.turned.mean()) / (2 * math.pi),
        "mm_per_turn_least": 1e3 * float(per_turn.min()),
        "mm_per_turn_mean": 1e3 * float(per_turn.mean()),
        "mm_per_turn_most": 1e3 * float(per_turn.max()),
        "deviation_mm": 1e3 * largest,
    }


def play(worlds: Worlds) -> dict[str, float]:
    """Return how far the nut moves along the axis, beyond what it turns, and across it; means in mm."""
    found = {}
    for name, axis in (("axial", 2), ("radial", 0)):
        worlds.start()
        ends = []
        for sign in (1.0, -1.0):
            for _ in worlds.run(0.25):
                worlds.step(worlds.along(axis, sign * (5 + (axis == 2)) * weight(worlds)), worlds.zeros(3))
            ends.append(worlds.deviations() if axis == 2 else worlds.centers()[:, axis])
        found[f"{name}_play_mm"] = 1e3 * float((ends[0] - ends[1]).mean())
    return found


def creep(worlds: Worlds) -> dict[str, float]:
    worlds.start()
    for _ in worlds.run(0.5):
        worlds.step(worlds.zeros(3), worlds.zeros(3))
    before = worlds.heights().clone()
    for _ in worlds.run(1.0):
        worlds.step(worlds.zeros(3), worlds.zeros(3))
    return {"creep_um_per_s": 1e6 * float((before - worlds.heights()).max())}


def push(worlds: Worlds, *, at_once: bool, held: bool) -> float:
    """Return the largest force of :data:`PUSHES`, in N, up to which no nut gives way; 0 if there is none.

    Each force acts in an equal number of worlds.
    """
    worlds.hold(held)
    worlds.start()
    forces = torch.tensor(PUSHES, device=worlds.compute_device)
    forces = forces.repeat(math.ceil(worlds.count / len(PUSHES)))[: worlds.count]
    steps = worlds.run(0.6)
    for step in steps:
        fraction = 1.0 if at_once else min(1.0, step / (5 / 6 * len(steps)))
        worlds.step(worlds.along(2, -fraction * forces), worlds.zeros(3))
    slipped = worlds.deviations().abs() > 0.25 * worlds.size.pitch
    worlds.hold(held=False)
    limit = float(forces[slipped].min()) if bool(slipped.any()) else math.inf
    return max([force for force in PUSHES if force < limit], default=0.0)


def rough(worlds: Worlds, force: float, torque: float, steps: int, *, held: bool) -> dict[str, float]:
    """Return how often nuts jumped over the thread under random forces in N and torques in N·m."""
    worlds.hold(held)
    worlds.start()
    pitch, top = worlds.size.pitch, worlds.size.shank_length
    jumps = worlds.zeros()
    diverged = worlds.zeros()
    pushes, torques = worlds.zeros(3), worlds.zeros(3)
    interval = max(1, round(1 / 60 / worlds.case.dt))
    for step in range(steps):
        if step % interval == 0:
            pushes, torques = force * worlds.uniform(3), torque * worlds.uniform(3)
        worlds.step(pushes, torques)
        height = worlds.heights()
        lost = ~(height.isfinite() & (height.abs() < 1.0))
        engaged = (height > 0.5 * pitch) & (height < top - 2 * pitch)
        jumped = engaged & (worlds.deviations().abs() > 0.5 * pitch)
        jumps += jumped
        diverged += lost
        again = lost | jumped | ~engaged
        if bool(again.any()):
            worlds.start(again)
    worlds.hold(held=False)
    return {"jumps": float(jumps.sum()), "diverged": float(diverged.sum()), "world_steps": float(steps * worlds.count)}


def speed(case: Case, device: str, count: int) -> dict[str, float]:
    """Return the time per physics step of a world while its nut turns."""
    worlds = Worlds(case, device, count)
    torque = worlds.along(2, -2.0 * weight(worlds) * worlds.size.diameter)
    steps = 200 if case.thread != "sdf" else 40

    def drive() -> None:
        for _ in range(steps):
            worlds.nut.apply_forces_and_torques_at_pos(torques=torque, is_global=True)
            worlds.engine.step(1)
        if worlds.compute_device.type == "cuda":
            torch.cuda.synchronize()

    drive()
    worlds.start()
    clock = time.perf_counter if worlds.compute_device.type == "cuda" else time.process_time
    before = clock()
    drive()
    spent = clock() - before
    worlds.engine.close()
    return {"worlds": count, "us_per_step": 1e6 * spent / steps / count, "steps_per_s": steps * count / spent}


def measure(case: Case, device: str, count: int, rough_steps: int) -> dict[str, Any]:
    """Return all figures of a case."""
    worlds = Worlds(case, device, count)
    found: dict[str, Any] = turn(worlds) | play(worlds) | creep(worlds)
    gentle, worlds.peaks = worlds.peaks, Peaks()
    found["push_n"] = push(worlds, at_once=False, held=False)
    found["held_push_n"] = push(worlds, at_once=False, held=True)
    found["blow_n"] = push(worlds, at_once=True, held=False)
    found["held_blow_n"] = push(worlds, at_once=True, held=True)
    scale = weight(worlds) / (9.81 * 0.0336)
    worlds.peaks = gentle
    found["rough"] = rough(worlds, 2.0 * scale, 0.02 * scale ** (4 / 3), rough_steps, held=False)
    found["held_rough"] = rough(worlds, 50.0, 2.0, rough_steps, held=True)
    found["contacts"], found["rows"] = worlds.peaks.contacts, worlds.peaks.rows
    found["problems"] = worlds.engine.problems()
    worlds.engine.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", help="cpu, warp-cpu or cuda:N")
    parser.add_argument("--threads", nargs="+", choices=THREADS, default=list(THREADS), help="kinds of thread")
    parser.add_argument("--steps-per-second", nargs="+", type=int, default=[240, 480, 960, 1920])
    parser.add_argument("--worlds", type=int, default=12, help="worlds of each measurement but speed")
    parser.add_argument("--rough-steps", type=int, default=1000, help="steps with random forces; a tenth for sdf")
    parser.add_argument("--speed-worlds", nargs="+", type=int, help="default: 16 on the CPU, 64, 1024 and 4096 on CUDA")
    parser.add_argument("--only", choices=["threads", "settings", "sizes"], help="one of the three tables")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    on_gpu = options.device.startswith("cuda")
    counts = options.speed_worlds or ([64, 1024, 4096] if on_gpu else [16])
    cases: list[Case] = []
    if options.only in (None, "threads"):
        cases += [Case(thread=thread, dt=1 / rate) for thread in options.threads for rate in options.steps_per_second]
    if options.only in (None, "settings"):
        cases += [Case(settings=name) for name in SETTINGS if name != "tasks"]
        cases += [Case(friction=friction) for friction in FRICTIONS]
        cases += [Case(contact_time=contact_time) for contact_time in CONTACT_TIMES]
    if options.only in (None, "sizes"):
        cases += [Case(size=name, dt=1 / rate) for name in SIZES if name != "M16" for rate in (480, 960)]
    rows = []
    for case in cases:
        slow = case.thread == "sdf"
        count = max(len(PUSHES), options.worlds // 4) if slow and not on_gpu else options.worlds
        steps = options.rough_steps // 10 if slow else options.rough_steps
        figures = measure(case, options.device, count, steps)
        figures["speed"] = [speed(case, options.device, worlds) for worlds in counts]
        rows.append(vars(case) | figures)
        print(describe(rows[-1]), flush=True)
        if options.out:
            options.out.write_text(json.dumps({"device": options.device, "cases": rows}, indent=2) + "\n")


def describe(row: dict[str, Any]) -> str:
    """Return a row of the table."""
    times = ", ".join(f"{part['us_per_step']:.3g}" for part in row["speed"])
    return (
        f"| {row['thread']} {row['size']} | {1e3 * row['dt']:.2f} | {1e3 * row['contact_time']:g} "
        f"| {row['friction']:g} | {row['settings']} "
        f"| {row['mm_per_turn_mean']:.3f} ({row['mm_per_turn_least']:.3f} – {row['mm_per_turn_most']:.3f}), "
        f"{row['stuck']} stuck "
        f"| {row['deviation_mm']:.2f} | {row['axial_play_mm']:.2f} / {row['radial_play_mm']:.2f} "
        f"| {row['creep_um_per_s']:.0f} | {row['deepest_mm']:.2f} "
        f"| {row['push_n']:.0f} / {row['held_push_n']:.0f} | {row['blow_n']:.0f} / {row['held_blow_n']:.0f} "
        f"| {row['rough']['jumps']:.0f} / {row['held_rough']['jumps']:.0f} "
        f"of {row['rough']['world_steps']:.0f} | {row['contacts']} / {row['rows']} | {times} |"
    )


if __name__ == "__main__":
    main()
