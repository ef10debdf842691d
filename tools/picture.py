"""Render a still image of a robot in its default pose or, with a checkpoint, of worlds that its policy has played.

    uv run python tools/picture.py task=Ant --look-at 0 0 0.25 --out docs/images/ant.png
    uv run python tools/picture.py task=AnymalTerrain checkpoint=pretrained task.env.terrain.maxInitMapLevel=9 \\
        --worlds 200 --camera 120 0 80 --look-at 4 0 0 --fov 34 --sun 0.75 0.25 -0.55 --size 1200 480 \\
        --out docs/images/terrain.png

Several worlds are drawn at the same position, because AnymalTerrain's robots share one map. tools/gallery.py makes
animations.
"""

import argparse
from pathlib import Path

from oige_core.render.appearance import SUN
from oige_train.cli.common import run_cli
from rendering import Renderer, View, play, run_on_cpu, save, stand


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="output file")
    parser.add_argument("--after", type=float, default=3.0, help="seconds that the policy plays first")
    parser.add_argument("--worlds", type=int, default=1, help="number of worlds that the policy plays")
    parser.add_argument("--camera", type=float, nargs=3, default=(1.5, -1.5, 1.0), help="position, in m")
    parser.add_argument("--look-at", type=float, nargs=3, default=(0.0, 0.0, 0.4), help="point looked at, in m")
    parser.add_argument("--fov", type=float, default=30.0, help="vertical angle of the camera, in degrees")
    parser.add_argument("--sun", type=float, nargs=3, default=SUN, help="direction in which the sun shines")
    parser.add_argument("--size", type=int, nargs=2, default=(540, 400), help="width and height, in pixels")
    options, overrides = parser.parse_known_args(argv)
    played = any(override.startswith("checkpoint=") for override in overrides)
    worlds = options.worlds if played else 1
    view = View(
        camera=options.camera,
        look_at=options.look_at,
        fov=options.fov,
        size=tuple(options.size),  # MuJoCo Warp takes a list for the sizes of several cameras
        places=[(0.0, 0.0, 0.0)] * worlds,
        sun=options.sun,
        samples=4,
    )
    run = run_on_cpu([*overrides, f"test={played}"], worlds)
    clip = play(run, start=options.after, seconds=0.0, fps=1.0) if played else stand(run)
    save(Renderer(clip.model, view).render(clip.moments[0]), options.out, optimize=True)


if __name__ == "__main__":
    run_cli(main)
