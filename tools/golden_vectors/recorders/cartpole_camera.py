"""Recorder of CartpoleCamera: its observations; all else is Cartpole's."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import torch

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recorders.cartpole import JOINTS, draw_motion
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

SAMPLES, WIDTH, HEIGHT, SEED = 8, 24, 16, 0
METHOD = (
    "Random images, 24 pixels wide and 16 high, in the layout that Isaac Sim's listener returns: N, 3, rows, columns."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observations, rewards and endings."""
    recording = Recording(task, SEED, METHOD)
    sizes = {"task__env__cameraWidth": WIDTH, "task__env__cameraHeight": HEIGHT, "task__sim__enable_cameras": False}
    cartpole = make_task(original, task, "cartpole_camera:CartpoleCameraTask", num_envs=SAMPLES, **sizes)
    view = cartpole._cartpoles = RecordingView("cartpoles", SAMPLES, names={"dof": JOINTS})
    cartpole.post_reset()
    view.values = draw_motion(SAMPLES)
    images = torch.randint(0, 256, (SAMPLES, HEIGHT, WIDTH, 3), dtype=torch.uint8)
    cartpole.pytorch_listener = SimpleNamespace(get_rgb_data=lambda: images.permute(0, 3, 1, 2))
    recording.put("in/camera/rgb", images)
    recording.put_view(view)
    cartpole.get_observations()
    recording.put("out/observations", cartpole.obs_buf)
    cartpole.calculate_metrics()
    recording.put("out/rewards", cartpole.rew_buf)
    cartpole.is_done()
    recording.put("out/resets", cartpole.reset_buf)
    yield recording
