"""Render CartpoleCamera with its own camera and with Newton's camera sensor, and compare their speeds.

    uv run --with newton==1.8.0 python tools/newton_camera.py [--worlds 64] [--size 80x60] [--device cpu] [--threads 1]

Both render the same worlds from the same position in alternating rounds of a few seconds: colours without shadows,
ground or antialiasing. The program prints the rates of all rounds and the ratio of their medians. ``--picture`` writes
both images of the first world side by side.
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import warp as wp
from oige_core import make_vec
from oige_tasks_classic.cartpole.task import CARTPOLE_ASSET
from oige_train.cli.common import run_cli
from PIL import Image

try:
    import newton  # pyright: ignore[reportMissingImports]
    from newton.sensors import SensorCamera  # pyright: ignore[reportMissingImports]
except ImportError:  # it is not one of our requirements
    sys.exit("error: newton is not installed; use uv run --with newton==1.8.0 python tools/newton_camera.py.")

Rendering = tuple[Callable[[], None], Callable[[], np.ndarray]]
"""Renders all worlds and waits for it; returns the image of the first world, ``(rows, columns, 3)`` uint8."""

# Newton's cameras look along their -z axis, y up; ours along x, z up.
AXES = wp.quat_from_matrix(wp.mat33(0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 1.0, 0.0))


def ours(task: Any) -> Rendering:
    """Return a function that renders with the task's camera."""

    def render() -> None:
        task.engine.worlds.mark_stale(None)
        task.camera.get_rgb(clone=False)
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)

    return render, lambda: task.camera.get_rgb()[0].cpu().numpy()


def newtons(task: Any) -> Rendering:
    """Return a function that renders worlds in the same state with Newton."""
    count, (width, height) = task.num_envs, task.camera.resolution
    world = newton.ModelBuilder()
    origin, _ = task.cartpoles.get_world_poses()
    world.add_mjcf(str(CARTPOLE_ASSET.mjcf), xform=wp.transform(origin[0].tolist(), wp.quat_identity()))
    builder = newton.ModelBuilder()
    builder.replicate(world, count)
    with wp.ScopedDevice("cuda" if task.device.type == "cuda" else "cpu"):
        model = builder.finalize()
        state = model.state()
        joints = wp.from_torch(task.cartpoles.get_joint_positions().flatten().contiguous())
        newton.eval_fk(model, joints, wp.zeros_like(joints), state)
        position, (w, x, y, z) = (values[0].tolist() for values in task.camera.get_world_poses())
        pose = wp.transform(position, wp.quat(x, y, z, w) * AXES)
        poses = wp.array([pose] * count, dtype=wp.transformf)
        fov = 2.0 * math.atan(math.tan(task.camera.horizontal_fov / 2.0) * height / width)
        rays = SensorCamera.compute_camera_rays_pinhole(width, height, camera_fov=fov, device=model.device)
        sensor = SensorCamera(model)
        sensor.create_default_light(enable_shadows=False)
        image = sensor.allocate_image_color(count, width, height)

    def render() -> None:
        model.bvh_refit_shapes(state)
        sensor.update(state, poses, rays, color_image=image)
        wp.synchronize_device(model.device)

    return render, lambda: image.numpy()[:1].view(np.uint8).reshape(height, width, 4)[..., :3]


def rate(render: Callable[[], None], images: int, seconds: float) -> float:
    """Return images per second."""
    start, rendered = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        render()
        rendered += images
    return rendered / elapsed


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=64)
    parser.add_argument("--size", default="80x60", help="width x height of an image")
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of the task's camera; Newton uses one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="seconds per round")
    parser.add_argument("--json", type=Path, help="output file")
    parser.add_argument("--picture", type=Path, help="image file with both renderings")
    options = parser.parse_args(argv)
    width, height = (int(part) for part in options.size.split("x"))
    size = {"task.env.cameraWidth": width, "task.env.cameraHeight": height}
    env = make_vec(
        "CartpoleCamera", options.worlds, size, sim_device=options.device, num_threads=options.threads, seed=1
    )
    env.reset()
    renderings = {"ours": ours(env.task), f"newton {newton.__version__}": newtons(env.task)}
    for render, _ in renderings.values():
        render()  # kernels are compiled
    rates: dict[str, list[float]] = {name: [] for name in renderings}
    for _ in range(options.rounds):
        for name, (render, _) in renderings.items():
            rates[name].append(rate(render, options.worlds, options.seconds))
    for name, values in rates.items():
        print(f"{name:>14}: {statistics.median(values):,.0f} images/s ({', '.join(f'{v:,.0f}' for v in values)})")
    mine, theirs = (statistics.median(values) for values in rates.values())
    print(f"{'ratio':>14}: {mine / theirs:.2f}")
    if options.json:
        setting = {"worlds": options.worlds, "width": width, "height": height, "threads": options.threads}
        options.json.write_text(json.dumps(setting | {"images_per_second": rates}, indent=2) + "\n")
    if options.picture:
        Image.fromarray(np.hstack([image() for _, image in renderings.values()])).save(options.picture)
    env.close()


if __name__ == "__main__":
    run_cli(main)
