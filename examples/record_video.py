"""Record a video of Ant with random actions. No display is needed.

Needs oige-tasks-locomotion. Writes an mp4 file to the folder ``videos``, or to the one given as argument.
"""

import sys
from pathlib import Path

import oige_core
import torch
from oige_core.render.recording import Recorder


def main(folder: Path, frames: int = 60) -> Path:
    """Record a video of four worlds and return its path."""
    torch.set_num_threads(1)  # on a CPU, idle torch threads slow down physics
    overrides = {"task.viewport.viewport_camera_width": 640, "task.viewport.viewport_camera_height": 360}
    env = oige_core.make_vec("Ant", num_envs=4, overrides=overrides)
    recorder = Recorder(env, folder, interval=frames, length=frames, fps=30)
    env.reset(seed=1)
    generator = torch.Generator(env.device).manual_seed(1)
    for _ in range(frames):
        env.step(2.0 * torch.rand(4, 8, generator=generator, device=env.device) - 1.0)
    recorder.close()
    env.close()
    return recorder.files[0]


if __name__ == "__main__":
    print(main(Path(*sys.argv[1:2] or ["videos"])))
