"""Recorder of TargetFollowing."""

import contextlib
import importlib
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import warp as wp

from tools.golden_vectors.original import ROOT, locals_of, make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = ("joint_wheel_left", "joint_wheel_right")
SAMPLES, STEPS, SIZE, DRAWS, SEED = 12, 5, 16, 4096, 0
METHOD = (
    "Five steps of an episode with random instance masks of 16 × 16 pixels, some without the target. Robots 0.3 to 6 m "
    "away from targets, at random heights; Gaussian wheel speeds; actions up to ±π. Then progress 2045 to 2050. "
    "Headings of resets are angles between −π and π. Where the original names the device cuda, it is the CPU."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observations, rewards and their parts, endings, wheel speeds and resets."""
    importlib.import_module(f"{ROOT}.tasks.target_following").torch = _OnCpu()  # type: ignore[attr-defined]
    wp.init()
    recording = Recording(task, SEED, METHOD)
    carters = _make(original, SAMPLES, SIZE)
    carters.reset_buf[:] = 0
    steps: dict[str, list[torch.Tensor]] = {}
    for step in range(STEPS):
        values = _step(carters, step + 1)
        for name, value in values.items():
            steps.setdefault(name, []).append(value)
    for name, each in steps.items():
        recording.put(name, torch.stack(each))
    progress = torch.arange(2045, 2051).repeat(2)
    carters.progress_buf[:] = progress
    carters.current_distance = torch.tensor([2.0] * 10 + [0.89, 0.91])
    carters.is_done()
    recording.put("in/late_progress", progress)
    recording.put("in/late_distance", carters.current_distance)
    recording.put("out/late_resets", carters.reset_buf)
    _record_resets(_make(original, DRAWS, 2), recording)
    yield recording


class _OnCpu:
    """torch, which creates tensors on the CPU where it is asked for cuda."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def zeros(self, *args: Any, device: Any = "cpu", **kwargs: Any) -> torch.Tensor:
        return torch.zeros(*args, device="cpu" if device == "cuda" else device, **kwargs)


class _Segmentation:
    """The annotator of a camera."""

    def __init__(self) -> None:
        self.ids = torch.zeros(SIZE, SIZE, dtype=torch.int32)
        self.labels = {"0": "BACKGROUND", "1": "UNLABELLED"}

    def get_data(self, device: str) -> dict[str, Any]:
        return {"info": {"idToLabels": self.labels}, "data": wp.from_torch(self.ids).view(wp.uint32)}


def _make(original: Path, n: int, size: int) -> Any:
    sizes = {"task__env__cameraWidth": size, "task__env__cameraHeight": size, "task__sim__enable_cameras": False}
    carters = make_task(original, "TargetFollowing", "target_following:TargetFollowingTask", num_envs=n, **sizes)
    carters._robots = RecordingView("carters", n, names={"dof": JOINTS})
    carters._targets = RecordingView("targets", n)
    carters._env_pos = torch.zeros(n, 3)
    carters._env._world = carters._env.world
    carters.instance_seg_list = [_Segmentation() for _ in range(n)]
    carters.post_reset()
    return carters


def _step(carters: Any, progress: int) -> dict[str, torch.Tensor]:
    """Return inputs and outputs of a step by name."""
    n = SAMPLES
    found = {"in/before": _positions(n), "in/positions": _positions(n), "in/targets": _positions(n) * 0.1}
    carters._robots.values = {"world_poses": (found["in/before"], torch.zeros(n, 4))}
    carters._targets.values = {"world_poses": (found["in/targets"], torch.zeros(n, 4))}
    found["in/actions"] = (torch.rand(n, 2) * 2 - 1) * math.pi
    carters.pre_physics_step(found["in/actions"])
    found["out/joint_velocities"] = carters._robots.written("set_joint_velocities")
    found["in/wheel_speeds"] = 4.0 * torch.randn(n, 2)
    poses = found["in/positions"], torch.zeros(n, 4)
    carters._robots.values = {"world_poses": poses, "joint_velocities": found["in/wheel_speeds"]}
    targets = torch.rand(n, SIZE, SIZE) < torch.rand(n, 1, 1) * 0.3
    targets[(progress % 3) :: 3] = False
    for i, camera in enumerate(carters.instance_seg_list):
        camera.ids = torch.where(targets[i], 7, torch.randint(0, 2, (SIZE, SIZE))).int()
        camera.labels = {"0": "BACKGROUND", "1": "UNLABELLED", "7": f"/World/envs/env_{i}/NvidiaCube"}
    found["in/target_pixels"] = targets
    carters.progress_buf[:] = progress
    carters.get_observations()
    found["out/observations"] = carters.obs_buf.clone()
    rewards = locals_of(type(carters).calculate_metrics, carters.calculate_metrics)
    found["out/straight"], found["out/visible_fraction"] = rewards["reward_reg"], rewards["reward_seg"]
    found["out/distance"], found["out/previous_distance"] = carters.current_distance, carters.previous_distance
    found["out/rewards"] = carters.rew_buf.clone()
    with contextlib.redirect_stdout(io.StringIO()):
        carters.is_done()
    found["out/resets"] = carters.reset_buf.clone()
    carters.reset_buf[:] = 0
    return found


def _positions(n: int) -> torch.Tensor:
    """Return positions ``(n, 3)``, half of them within 1.2 m."""
    distance = torch.where(torch.arange(n) % 2 == 0, 0.3 + 0.9 * torch.rand(n), 1.0 + 5.0 * torch.rand(n))
    angle = 2 * math.pi * torch.rand(n)
    return torch.stack((distance * angle.cos(), distance * angle.sin(), 0.3 * torch.rand(n)), dim=-1)


def _record_resets(carters: Any, recording: Recording) -> None:
    for view in (carters._robots, carters._targets):
        (written,) = (call.kwargs for call in view.calls)  # of poses, and nothing else
        orientations = written["orientations"]
        assert not orientations[:, 1:3].any()
        yaw = 2.0 * torch.atan2(orientations[:, 3], orientations[:, 0])
        recording.put_distribution(f"{view.name}/positions", written["positions"])
        recording.put_distribution(f"{view.name}/yaw", torch.atan2(yaw.sin(), yaw.cos()).unsqueeze(-1))
