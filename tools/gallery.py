"""Make the gallery: animations of each task, played by its trained policy, and the page that shows them.

    uv run python tools/gallery.py                    # all tasks that come with a policy
    uv run python tools/gallery.py Ant Humanoid       # some
    uv run python tools/gallery.py --page             # only the pages, no animations

Writes docs/images/gallery/<Task>.webp, docs/gallery.md and the table of images in the README. To animate a policy that
is not published, give overrides and an output folder:

    uv run python tools/gallery.py Quadcopter checkpoint=<file> --out <folder>
"""

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError
from oige_core.registry import find_task, installed_tasks
from oige_train.cli.common import checked_run, run_cli
from oige_train.download import content_hash
from oige_train.pretrained import PolicyCard, read_card
from PIL import ExifTags, Image
from policies import replace_part, score, with_policy
from rendering import Renderer, View, play, run_on_cpu, save

REPOSITORY = Path(__file__).resolve().parent.parent
ANIMATIONS = REPOSITORY / "docs" / "images" / "gallery"
PAGE = REPOSITORY / "docs" / "gallery.md"
OPENING = "Cartpole"  # whose animation opens the README
COLUMNS = 3  # of the README's table


@dataclass(frozen=True, kw_only=True)
class Shot:
    """An animation of a task.

    Attributes:
        caption: description of the animation, for the page.
        view: camera and layout.
        start: time of the first frame, in s after the reset.
        seconds: length of the animation.
        fps: frames per second.
        quality: quality of the file, from 0 to 100.
        overrides: overrides of the configuration.
    """

    caption: str
    view: View
    start: float = 0.0
    seconds: float = 4.0
    fps: float = 20.0
    quality: int = 65
    overrides: tuple[str, ...] = ()


def row(count: int, step: tuple[float, float, float]) -> list[tuple[float, float, float]]:
    """Return positions (m) at equal distances, centred on the origin."""
    x, y, z = step
    return [((i - (count - 1) / 2) * x, (i - (count - 1) / 2) * y, (i - (count - 1) / 2) * z) for i in range(count)]


ALONG = (1.0, 1.0, 0.0)  # the camera follows a robot on the ground
FLOATING = (0.6, 0.6, 0.6)  # the camera follows a flying robot partly, so that its motion remains visible

ANTS = View(camera=(2.6, -3.4, 1.8), look_at=(0.2, 0.0, 0.35), fov=34.0, size=(270, 240), columns=2, follow=ALONG)
HUMANOIDS = View(camera=(3.6, -3.6, 1.7), look_at=(0.2, 0.0, 0.95), fov=30.0, size=(210, 240), columns=2, follow=ALONG)
SHOTS = {
    "AllegroHand": Shot(
        caption="An Allegro Hand turns a cube towards the orientation of the pale one.",
        view=View(camera=(0.5, -0.85, 0.95), look_at=(-0.08, -0.2, 0.58), fov=26.0, size=(400, 260)),
        start=1.0,
        seconds=6.0,
        fps=15.0,
    ),
    "Ant": Shot(caption="Ants run as fast as they can.", view=ANTS, start=1.5, seconds=3.0),
    "AntSAC": Shot(caption="Ants trained with soft actor-critic run.", view=ANTS, start=1.5, seconds=3.0),
    "Anymal": Shot(
        caption="Two ANYmal C robots follow commanded velocities.",
        view=View(camera=(2.4, -2.4, 1.5), look_at=(0.0, 0.0, 0.4), fov=28.0, size=(210, 200), columns=2, follow=ALONG),
        start=1.0,
        seconds=3.0,
        fps=25.0,  # the robot takes six steps per second
        quality=55,
    ),
    "AnymalTerrain": Shot(
        caption="ANYmal C robots walk on stairs, slopes and obstacles of medium difficulty.",
        view=View(
            camera=(-14.0, -16.0, 5.1),
            look_at=(-4.0, -7.5, -0.3),
            fov=24.0,
            size=(480, 240),
            places=[(0.0, 0.0, 0.0)] * 100,
            sun=(0.75, 0.25, -0.55),
            samples=2,
        ),
        start=2.0,
        fps=16.0,
        overrides=(
            "task.env.learn.pushRobots=False",
            "task.env.terrain.maxInitMapLevel=5",
            "task.env.randomCommandVelocityRanges.linear_x=[0.6,1.0]",  # no robot stands still
        ),
    ),
    "BallBalance": Shot(
        caption="Trays on three legs catch balls and keep them near the middle.",
        view=View(
            camera=(1.9, -1.9, 1.9), look_at=(0.0, 0.0, 0.6), fov=34.0, size=(420, 240), places=row(2, (0.8, 0.8, 0.0))
        ),
    ),
    "Cartpole": Shot(
        caption="Carts balance their poles and drive to the middle of the rail.",
        # From the side on which the pole hangs.
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
        caption="Cartpole with camera images as observations. The corner shows the image.",
        # From the side of the task's camera.
        view=View(
            camera=(-6.0, -0.8, 3.0),
            look_at=(0.0, 0.0, 2.4),
            fov=24.0,
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
    "FactoryTaskNutBolt": Shot(
        caption="A Franka Panda picks up an M16 nut and carries it to a bolt.",
        view=View(camera=(0.62, -0.95, 0.72), look_at=(0.06, -0.15, 0.52), fov=32.0, size=(400, 260)),
        seconds=9.0,
        fps=10.0,
    ),
    "FactoryTaskNutBoltPick": Shot(
        caption="A Franka Panda grasps an M16 nut and lifts it.",
        view=View(camera=(0.62, -0.95, 0.72), look_at=(0.06, -0.22, 0.52), fov=30.0, size=(400, 260)),
        seconds=2.8,
        fps=20.0,
    ),
    "FactoryTaskNutBoltPlace": Shot(
        caption="A Franka Panda puts an M16 nut on the tip of a bolt.",
        view=View(camera=(0.42, -0.6, 0.72), look_at=(0.02, 0.0, 0.5), fov=30.0, size=(400, 260)),
        seconds=2.1,
        fps=20.0,
    ),
    "FactoryTaskNutBoltScrew": Shot(
        caption="A Franka Panda turns an M16 nut, which it holds by friction alone, down the thread of a bolt.",
        view=View(camera=(0.13, -0.15, 0.505), look_at=(0.0, 0.0, 0.44), fov=30.0, size=(400, 260)),
        start=1.0,
        seconds=7.0,
        fps=12.0,
    ),
    "FrankaCabinet": Shot(
        caption="A Franka Panda grasps the handle of a drawer and opens it.",
        view=View(camera=(2.2, -1.5, 1.5), look_at=(0.45, 0.0, 0.55), fov=30.0, size=(400, 260)),
        seconds=3.0,
        fps=20.0,
    ),
    "FrankaDeformable": Shot(
        caption="A Franka Panda picks up a soft tube and puts its end into a beaker.",
        view=View(camera=(1.45, -0.95, 0.85), look_at=(0.42, 0.08, 0.2), fov=30.0, size=(400, 260)),
        seconds=1.6,
        fps=20.0,
    ),
    "Humanoid": Shot(caption="Humanoids run as fast as they can.", view=HUMANOIDS, start=1.5),
    "HumanoidSAC": Shot(caption="Humanoids trained with soft actor-critic run.", view=HUMANOIDS, start=1.5),
    "Ingenuity": Shot(
        caption="Ingenuity flies on Mars to a target that moves every 5 s, and hovers there.",
        view=View(
            camera=(2.6, -2.6, 1.6), look_at=(0.0, 0.0, 0.6), fov=34.0, size=(240, 240), columns=2, follow=FLOATING
        ),
        start=4.0,
    ),
    "Quadcopter": Shot(
        caption="Quadcopters with tilting rotors fly to a target and hover there.",
        view=View(
            camera=(1.3, -1.3, 1.1), look_at=(0.0, 0.0, 0.45), fov=34.0, size=(240, 240), columns=2, follow=FLOATING
        ),
    ),
    "ShadowHand": Shot(
        caption="A Shadow Hand turns a cube to the orientation of the pale one, which then gets a new one.",
        view=View(camera=(0.5, -0.95, 0.95), look_at=(-0.08, -0.33, 0.58), fov=26.0, size=(400, 260)),
        start=1.0,
        seconds=6.0,
        fps=15.0,
    ),
    "TargetFollowing": Shot(
        caption="A Nova Carter turns until its camera sees the cube, and drives to it. The corner shows the image.",
        view=View(camera=(-3.6, -2.4, 2.6), look_at=(3.0, 0.0, 0.0), fov=36.0, size=(420, 240), inset=True),
        seconds=12.0,
        fps=7.0,
    ),
}


def shot_of(name: str) -> Shot:
    """Return the entry of a task in the table.

    Raises:
        ConfigError: the task has no entry.
    """
    if name not in SHOTS:
        raise ConfigError(f"{name}: expected a task with an entry in SHOTS of tools/gallery.py; add one.")
    return SHOTS[name]


def animate(name: str, overrides: list[str], folder: Path) -> None:
    """Write the animation of a task, with the hash of the policy in its metadata.

    Args:
        name: name of the task.
        overrides: overrides of the configuration, in addition to those of the table.
        folder: output folder.
    """
    began = time.monotonic()
    shot = shot_of(name)
    run = run_on_cpu(
        [f"task={name}", "test=True", "checkpoint=pretrained", *shot.overrides, *overrides], worlds=shot.view.worlds
    )
    assert run.checkpoint is not None
    clip = play(run, start=shot.start, seconds=shot.seconds, fps=shot.fps)
    renderer = Renderer(clip.model, shot.view)
    images = [renderer.render(moment) for moment in clip.moments]
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = f"{name}, policy {content_hash(run.checkpoint)}"
    save(
        images[0],
        folder / f"{name}.webp",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 * clip.interval),
        loop=0,
        quality=shot.quality,
        method=6,
        exif=exif,
    )
    print(f"{name}: {len(images)} frames, {time.monotonic() - began:.0f} s")


SHORT = {"task.env.numEnvs": "num_envs", "train.params.config.max_epochs": "max_iterations"}
"""Root keys that set other keys."""


def training_overrides(card: PolicyCard) -> list[str]:
    """Return the overrides with which the task's defaults train a policy again."""
    overrides = [f"task={card.task}"]
    if card.train not in (f"{card.task}PPO", card.task):
        overrides.append(f"train={card.train}")
    resolved = json.loads(json.dumps(checked_run(overrides).resolved))  # with lists for tuples, like a card
    defaults = dict(decisive_values(resolved))
    for key, value in decisive_values(card.configuration):
        if value != defaults.get(key, value):
            overrides.append(f"{SHORT.get(key, key)}={value}")
    return overrides


def decisive_values(configuration: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys and values of a run that affect learning, except keys that are derived from another key."""
    following = ("name", "full_experiment_name", "num_actors", "device", "device_name", "seed")
    for key, value in configuration.items():
        full = f"{path}{key}"
        if isinstance(value, Mapping):
            yield from decisive_values(value, f"{full}.")
        elif full == "seed" or (full.startswith(("task.", "train.params.")) and key not in following):
            yield full, value


def page() -> str:
    """Return the page of the gallery."""
    shown = with_policy()
    parts = [
        "# Gallery",
        "Each animation shows the policy that comes with the task, without exploration noise. The first command shows\n"
        "it in a browser, at the address that is printed. The second command trains with the settings of the policy\n"
        "that is shown. `uv run python tools/gallery.py` writes this page and its animations.",
    ]
    for name in shown:
        card = read_card(find_task(name))
        train = " ".join(["uv run oige-train", *training_overrides(card)])
        play = f"uv run oige-train task={name} test=True checkpoint=pretrained headless=False"
        worlds = card.configuration["task"]["env"]["numEnvs"]
        parts += [
            f"## {name}",
            f"![{shot_of(name).caption}](images/gallery/{name}.webp)",
            shot_of(name).caption,
            f"Mean return {score(card)} over {card.games} episodes, after {card.steps / 1e6:.3g} million steps in "
            f"{worlds:,} worlds\n(seed {card.seed}, {card.machine}, {card.date}).",
            f"    {play}\n    {train}",
        ]
    missing = [name for name in installed_tasks() if name not in shown]
    if missing:
        parts += ["## Not trained yet", f"There is no policy yet for {' and '.join(f'`{name}`' for name in missing)}."]
    return "\n\n".join(parts) + "\n"


def readme_table() -> str:
    """Return the table of animations of the README."""
    cells = [
        f'<td align="center"><a href="docs/gallery.md#{name.lower()}"><img src="docs/images/gallery/{name}.webp"\n'
        f'alt="{shot_of(name).caption}" width="270"></a><br>{name}</td>'
        for name in with_policy()
        if name != OPENING
    ]
    rows = ["\n".join(cells[first : first + COLUMNS]) for first in range(0, len(cells), COLUMNS)]
    return "<table>\n" + "".join(f"<tr>\n{row}\n</tr>\n" for row in rows) + "</table>\n"


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("arguments", nargs="*", metavar="TASK|key=value", help="tasks; overrides")
    parser.add_argument("--page", action="store_true", help="write only the pages")
    parser.add_argument("--out", type=Path, help="output folder for animations outside the gallery")
    options = parser.parse_args(argv)
    overrides = [argument for argument in options.arguments if "=" in argument]
    names = [argument for argument in options.arguments if "=" not in argument] or with_policy()
    for name in names if not options.page else []:
        find_task(name)
        animate(name, overrides, options.out or ANIMATIONS)
    if options.out is None:
        PAGE.write_text(page(), encoding="utf-8")
        replace_part("gallery.py", readme_table())


if __name__ == "__main__":
    run_cli(main)
