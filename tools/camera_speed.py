"""Measure the speed of a task with a camera, and the fraction of time that rendering takes.

    uv run python tools/camera_speed.py CartpoleCamera 32 256 [--seconds 10] [--device cpu] [--threads 0] [--json FILE]

For each number of worlds, this program steps the environment with random actions for at least the given time. It
reports steps, rendered images (including those after resets), and the fraction of time that rendering takes. On a GPU
it synchronises before and after each rendering, which makes steps slightly slower.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from oige_core import make_vec
from oige_core.errors import OigeError
from oige_train.cli.common import run_cli


class RenderClock:
    """Counts and times the renderings of a camera.

    Args:
        tracer: the camera's ray tracer.
        device: device that renders.
    """

    def __init__(self, tracer: Any, device: torch.device) -> None:
        self.images = 0
        self.seconds = 0.0
        self._render = tracer.render
        self._device = device
        tracer.render = self.render

    def render(self, geoms: Any, camera: Any, worlds: torch.Tensor | None) -> None:
        """Render and count."""
        wait(self._device)
        start = time.perf_counter()
        self._render(geoms, camera, worlds)
        wait(self._device)
        self.seconds += time.perf_counter() - start
        self.images += int(worlds.sum()) if worlds is not None and worlds.dtype == torch.bool else len(camera[0])


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(task: str, worlds: int, seconds: float, device: str, threads: int) -> dict[str, float]:
    """Return the measurements for one number of worlds."""
    env = make_vec(task, worlds, sim_device=device, num_threads=threads, seed=1)
    env.reset()
    actions = torch.rand(16, *env.action_space.shape or (), device=env.device) * 2.0 - 1.0
    for action in actions:  # kernels are compiled, episodes get out of step
        env.step(action)
    simulated: Any = env.task
    if not hasattr(simulated, "camera"):
        raise OigeError(f"{task}: has no camera; CartpoleCamera has one.")
    wait(simulated.device)
    clock = RenderClock(simulated.camera._tracer, simulated.device)
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
        "images_per_second_of_rendering": clock.images / clock.seconds,
        "rendering_fraction": clock.seconds / elapsed,
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
