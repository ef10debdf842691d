"""Measure whether threads hold a free nut that a hand strikes.

    uv run python tools/struck_nut.py [--sizes M16 …] [--seeds 0 …] [--strikes 384] [--steps-per-second 480]
                                      [--thread capsules] [--device cpu] [--json FILE]

A nut rests on the thread of a bolt that stands still, with nothing that holds it. A ball of 3 kg, as heavy as what an
arm moves with its hand, strikes it at 0.3 to 1 m/s, the limit of the robot's speed, and pushes on with 20 N for a
quarter of a second. Its contacts are those of the fingers. It comes from everywhere between straight above and 20°
below the horizontal, and aims at any place of the nut; each world has its own strike. For each size and seed, a line
reports

* ``left``: nuts that were at some time more than half a pitch off the helix on which they stood, while they were on
  the bolt by at least two pitches: they have passed through the thread;
* ``askew``: nuts that are still off by more than 0.15 pitches a tenth of a second after the ball has gone;
* ``farthest_pitches`` and ``p99_pitches``: the largest distance from the helix, and that which one nut in 100 exceeds;
* ``penetration_mm``: the deepest of nut and bolt and of nut and ball;
* ``contacts`` and ``rows`` of constraints of the first world, the largest while it is struck.
"""

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import torch
from oige_core import RigidAsset, Scene
from oige_tasks_manipulation.factory.base import contact_time
from oige_tasks_manipulation.factory.helix import ENGAGED, LEFT
from oige_tasks_manipulation.factory.sizes import SIZES
from oige_tasks_manipulation.factory.threads import THREADS
from oige_tasks_manipulation.franka.factory import FACTORY_FRANKA
from thread_contact import Case, Worlds

MASS, RADIUS = 3.0, 0.01  # kg, m
SPEEDS = (0.3, 1.0)  # m/s
FORCE = 20.0  # N
ELEVATIONS = (-20.0, 90.0)  # degrees, from which the ball comes
ALONG = 0.72  # of the shank, on which nuts stand
LOWEST = 0.3  # pitches above the head
WAIT, PUSH = 0.1, 0.25  # s
ASKEW = 0.15  # pitches
AWAY = (0.0, 0.0, 1.0)  # m; where the ball waits
EVERY = 10  # steps between measurements of penetration


def ball() -> RigidAsset:
    """Return a ball with the contacts of a finger of Factory's Franka."""
    pad = mujoco.MjModel.from_xml_path(str(FACTORY_FRANKA.mjcf)).geom("leftfinger_pad")
    numbers = {"solmix": pad.solmix, "solref": pad.solref, "solimp": pad.solimp, "friction": pad.friction}
    contact = " ".join(f'{name}="{" ".join(f"{x:.9g}" for x in values)}"' for name, values in numbers.items())
    geom = f'<geom type="sphere" size="{RADIUS}" mass="{MASS}" {contact}/>'
    return RigidAsset(mjcf=f'<mujoco model="ball"><worldbody><body name="ball">{geom}</body></worldbody></mujoco>')


@dataclass
class Strikes(Worlds):
    """Worlds with a nut on a bolt and a ball that strikes it.

    Attributes:
        seed: of all random numbers.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.random.manual_seed(self.seed)

    def add_elements(self, scene: Scene) -> None:
        self.ball = scene.add_rigid_body("ball", ball(), position=AWAY, disable_gravity=True)

    def put_on_the_thread(self) -> None:
        """Let nuts come to rest at random heights."""
        pitch = self.size.pitch
        height = LOWEST * pitch + ALONG * self.size.shank_length * self.fractions()
        yaw = torch.remainder(2 * math.pi * height / pitch, 2 * math.pi)
        position, orientation = self.along(2, height), self.zeros(4)
        orientation[:, 0], orientation[:, 3] = torch.cos(0.5 * yaw), torch.sin(0.5 * yaw)
        self.nut.set_world_poses(position, orientation)
        self.nut.set_velocities(self.zeros(6))
        self.begin, self.turned, self.yaw = height, self.zeros(), yaw
        for _ in self.run(WAIT):
            self.step(self.zeros(3), self.zeros(3))

    def fractions(self) -> torch.Tensor:
        """Return random numbers from 0 to 1."""
        return 0.5 + 0.5 * self.uniform()

    def aim(self) -> torch.Tensor:
        """Throw balls at the nuts, and return from which directions they come ``(count, 3)``."""
        low, high = ELEVATIONS
        azimuth, elevation = 2 * math.pi * self.fractions(), torch.deg2rad(low + (high - low) * self.fractions())
        level = elevation.cos()
        direction = torch.stack((level * azimuth.cos(), level * azimuth.sin(), elevation.sin()), dim=-1)
        size = self.size
        reach = torch.tensor([0.4 * size.width, 0.4 * size.width, 0.5 * size.nut_height], device=self.compute_device)
        start = self.centers() + reach * self.uniform(3) + direction * (0.6 * size.width + 2 * RADIUS)
        start[:, 2] = start[:, 2].clamp_min(1.1 * RADIUS)
        slowest, fastest = SPEEDS
        speed = slowest + (fastest - slowest) * self.fractions()
        self.move_ball(start, -direction * speed.unsqueeze(-1))
        return direction

    def move_ball(self, position: torch.Tensor, velocity: torch.Tensor) -> None:
        upright = self.zeros(4)
        upright[:, 0] = 1.0
        self.ball.set_world_poses(position, upright)
        self.ball.set_velocities(torch.nn.functional.pad(velocity, (0, 3)))

    def strike(self) -> dict[str, Any]:
        """Strike each nut once, and return the figures."""
        self.put_on_the_thread()
        force = -FORCE * self.aim()
        farthest, depths = self.zeros(), {"bolt": 0.0, "ball": 0.0}
        for step in self.run(PUSH):
            self.ball.apply_forces_and_torques_at_pos(forces=force, is_global=True)
            self.step(self.zeros(3), self.zeros(3))
            farthest = torch.maximum(farthest, self.off())
            if step % EVERY == 0:
                for other in depths:
                    depths[other] = max(depths[other], 1e3 * float(self.engine.deepest_penetration("nut", other).max()))
        self.move_ball(torch.tensor(AWAY, device=self.compute_device).expand(self.count, 3), self.zeros(3))
        for _ in self.run(WAIT):
            self.step(self.zeros(3), self.zeros(3))
        return {
            "strikes": self.count,
            "left": int((farthest > LEFT).sum()),
            "askew": int((self.off() > ASKEW).sum()),
            "farthest_pitches": round(float(farthest.max()), 3),
            "p99_pitches": round(float(farthest.quantile(0.99)), 3),
            "penetration_mm": {other: round(depth, 2) for other, depth in depths.items()},
            "contacts": self.peaks.contacts,
            "rows": self.peaks.rows,
            "problems": self.engine.problems(),
        }

    def off(self) -> torch.Tensor:
        """Return how far nuts on the bolt are from the helix ``(count,)``, in pitches; 0 for others."""
        pitch = self.size.pitch
        return (self.deviations() / pitch).abs() * (self.heights() < self.size.shank_length - ENGAGED * pitch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=list(SIZES), help="sizes of nuts and bolts")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="seeds of the strikes")
    parser.add_argument("--strikes", type=int, default=384, help="number of strikes, one in each world")
    parser.add_argument("--steps-per-second", type=int, default=480, help="solver steps in a second")
    parser.add_argument("--thread", choices=THREADS, default="capsules", help="kind of thread")
    parser.add_argument("--device", default="cpu", help="cpu, warp-cpu or cuda:N")
    parser.add_argument("--json", type=Path, help="output file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for size in options.sizes:
        seconds = contact_time(SIZES[size])
        case = Case(thread=options.thread, size=size, dt=1 / options.steps_per_second, contact_time=seconds)
        for seed in options.seeds:
            strikes = Strikes(case, options.device, options.strikes, seed=seed)
            results.append({"size": size, "seed": seed, **strikes.strike()})
            strikes.engine.close()
            print(json.dumps(results[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
