"""Make the gallery: an animation of each task, played by its trained policy, and the page that shows them.

    uv run python tools/gallery.py                    # all tasks that come with a policy
    uv run python tools/gallery.py Ant Humanoid       # some
    uv run python tools/gallery.py --page             # no animation, only the pages

Writes docs/images/gallery/<Task>.webp, docs/gallery.md and the pictures of the README. A policy that has not been
published can be looked at, with words of the configuration and the folder to write to:

    uv run python tools/gallery.py Quadcopter checkpoint=<file> --out <folder>
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rendering import Renderer, View, play, run_on_cpu, save

REPOSITORY = Path(__file__).resolve().parent.parent
ANIMATIONS = REPOSITORY / "docs" / "images" / "gallery"


@dataclass(frozen=True, kw_only=True)
class Shot:
    """An animation of a task.

    Attributes:
        caption: what is seen, for the page.
        view: where it is seen from.
        start: its first moment, in s after the reset.
        seconds: its length.
        fps: frames per second.
        words: of the configuration.
    """

    caption: str
    view: View
    start: float = 0.0
    seconds: float = 4.0
    fps: float = 20.0
    words: tuple[str, ...] = ()


def row(count: int, step: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Return places (m) at equal distances, about the origin."""
    x, y, z = step
    return [((i - (count - 1) / 2) * x, (i - (count - 1) / 2) * y, (i - (count - 1) / 2) * z) for i in range(count)]


ALONG = (1.0, 1.0, 0.0)  # with a robot on the ground
FLOATING = (0.6, 0.6, 0.6)  # with one in the air, so that its way is still seen

ANTS = View(
    camera=(2.6, -3.4, 1.8), look_at=(0.2, 0.0, 0.35), fov=34.0, size=(270, 240), columns=2, follow=ALONG
)
HUMANOIDS = View(
    camera=(3.6, -3.6, 1.7), look_at=(0.2, 0.0, 0.95), fov=30.0, size=(210, 240), columns=2, follow=ALONG
)
SHOTS = {
    "Ant": Shot(caption="Ants run as fast as they can.", view=ANTS, start=1.5),
    "AntSAC": Shot(caption="Ants that learnt with soft actor-critic.", view=ANTS, start=1.5),
    "Anymal": Shot(
        caption="ANYmal C follows velocities, another one for each robot.",
        view=View(
            camera=(2.4, -2.4, 1.5), look_at=(0.0, 0.0, 0.4), fov=28.0, size=(270, 240), columns=2, follow=ALONG
        ),
        start=1.0,
    ),
    "AnymalTerrain": Shot(
        caption="ANYmal C on stairs, slopes and obstacles of the easier levels.",
        view=View(
            camera=(-50.0, -19.0, 6.2),
            look_at=(-34.0, -8.0, 0.0),
            fov=34.0,
            size=(480, 240),
            places=[(0.0, 0.0, 0.0)] * 60,
            sun=(0.75, 0.25, -0.55),
        ),
        start=2.0,
        words=("task.env.learn.pushRobots=False", "task.env.terrain.maxInitMapLevel=1"),
    ),
    "BallBalance": Shot(
        caption="A ball falls on a tray on three legs, which brings it to rest in the middle.",
        view=View(
            camera=(1.9, -1.9, 1.9), look_at=(0.0, 0.0, 0.6), fov=34.0, size=(420, 240), places=row(2, (0.8, 0.8, 0.0))
        ),
    ),
    "Cartpole": Shot(
        caption="Carts bring their poles upright and to the middle of the rail.",
        # From the side of the cart where the pole hangs.
        view=View(
            camera=(6.0, 0.8, 3.0),
            look_at=(0.0, 0.0, 2.4),
            fov=17.5,
            size=(240, 144),
            columns=3,
            rows=2,
            ground=False,
            samples=4,
        ),
        seconds=3.0,
    ),
    "CartpoleCamera": Shot(
        caption="The same by what a camera sees, in the corner.",
        view=View(
            camera=(6.0, 0.8, 3.0),
            look_at=(0.0, 0.0, 2.4),
            fov=17.5,
            size=(400, 240),
            ground=False,
            samples=4,
            inset=True,
        ),
    ),
    "Crazyflie": Shot(
        caption="Crazyflies fly to a target, which moves after 5 s, and hover there.",
        view=View(
            camera=(1.8, -1.8, 1.5), look_at=(0.0, 0.0, 0.7), fov=32.0, size=(240, 240), columns=2, follow=FLOATING
        ),
        start=3.0,
    ),
    "Humanoid": Shot(caption="Figures run as fast as they can.", view=HUMANOIDS, start=1.5),
    "HumanoidSAC": Shot(caption="Figures that learnt with soft actor-critic.", view=HUMANOIDS, start=1.5),
    "Ingenuity": Shot(
        caption="Ingenuity flies on Mars to a target that moves every 5 s, and hovers there.",
        view=View(
            camera=(2.6, -2.6, 1.6), look_at=(0.0, 0.0, 0.6), fov=34.0, size=(240, 240), columns=2, follow=FLOATING
        ),
        start=4.0,
    ),
    "Quadcopter": Shot(
        caption="Quadcopters whose rotors tilt fly to a target and hover there.",
        view=View(
            camera=(1.3, -1.3, 1.1), look_at=(0.0, 0.0, 0.45), fov=34.0, size=(240, 240), columns=2, follow=FLOATING
        ),
    ),
    "TargetFollowing": Shot(
        caption="A Nova Carter turns until its camera, in the corner, sees the cube, and drives to it.",
        view=View(camera=(-2.5, -4.0, 3.0), look_at=(2.2, 0.0, 0.0), fov=40.0, size=(420, 240), inset=True),
        seconds=12.0,
        fps=7.0,
    ),
}
