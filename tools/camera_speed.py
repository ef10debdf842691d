"""Measure the speed of a task with a camera, and the fraction of time that rendering takes.

    uv run python tools/camera_speed.py CartpoleCamera 32 256 [--seconds 10] [--device cpu] [--threads 0] [--json FILE]

For each number of worlds, this program steps the environment with random actions for at least the given time. It
reports steps, rendered images (including those after resets), and the fraction of time that rendering takes. On a GPU
it synchronises before and after each image is read, so that steps are not captured in CUDA graphs and are slower.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from oige_core import make_vec
from oige_core.errors import OigeError
from oige_core.views import CameraView, Indices
from oige_train.cli.common import run_cli


class TimedCamera:
    """A camera that counts and times what a task reads from it; an image is rendered when it is read.

    Args:
        camera: the camera of the task.
        device: device that renders.
    """

    def __init__(self, camera: CameraView, device: torch.device) -> None:
        self.images = 0
        self.seconds = 0.0
        self._camera = camera
        self._device = device

    def __getattr__(self, name: str) -> Any:
        return getattr(self._camera, name)

    def get_rgb(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Render colours."""
        return self._timed(self._camera.get_rgb, indices, clone)

    def get_depth(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """Render depths."""
        return self._timed(self._camera.get_depth, indices, clone)

    def _timed(self, read: Callable[..., torch.Tensor], indices: Indices, clone: bool) -> torch.Tensor:
        wait(self._device)
        start = time.perf_counter()
        images = read(indices, clone)
        wait(self._device)
        self.seconds += time.perf_counter() - start
        if isinstance(indices, torch.Tensor) and indices.dtype == torch.bool:
            self.images += int(indices.sum())
        else:
            self.images += len(images)
        return images


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(task: str, worlds: int, seconds: float, device: str, threads: int) -> dict[str, float]:
    """Return the measurements for one number of worlds."""
    overrides = {"task.env.captureStep": False}  # a captured step would not run the code that measures
    env = make_vec(task, worlds, overrides, sim_device=device, num_threads=threads, seed=1)
    env.reset()
    actions = torch.rand(16, *env.action_space.shape or (), device=env.device) * 2.0 - 1.0
    for action in actions:  # kernels are compiled, episodes get out of step
        env.step(action)
    simulated: Any = env.task
    if not hasattr(simulated, "camera"):
        raise OigeError(f"{task}: has no camera; CartpoleCamera has one.")
    wait(simulated.device)
    camera = simulated.camera = TimedCamera(simulated.camera, simulated.device)
    start, steps = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - start) < seconds:
        for action in actions:
            env.step(action)
        wait(simulated.device)
        steps += len(actions)
    env.close()
    return {
        "worlds": worlds,
        "env_steps_per_second": steps * worlds / elapsed,
        "images_per_second_of_rendering": camera.images / camera.seconds,
        "rendering_fraction": camera.seconds / elapsed,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="a task whose camera is called camera")
    parser.add_argument("worlds", type=int, nargs="+", help="numbers of worlds")
    parser.add_argument("--seconds", type=float, default=10.0, help="minimum time per number of worlds")
    parser.add_argument("--device", default="auto", help="auto, cpu or gpu")
    parser.add_argument("--threads", type=int, default=0, help="threads on the CPU; 0: one per core")
    parser.add_argument("--json", type=Path, help="output file")
    options = parser.parse_args(argv)
    rows = [measure(options.task, n, options.seconds, options.device, options.threads) for n in options.worlds]
    print(f"{options.task:>18}{'env-steps/s':>14}{'images/s':>12}{'rendering':>11}")
    for row in rows:
        print(
            f"{row['worlds']:>18}{row['env_steps_per_second']:>14,.0f}{row['images_per_second_of_rendering']:>12,.0f}"
            f"{row['rendering_fraction']:>11.1%}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
