"""Recorder of Crazyflie."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from tools.golden_vectors.original import locals_of, make_task
from tools.golden_vectors.recorders.flight import draw_flight, draw_steps, put_endings, put_factors, put_resets
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = tuple(f"m{i}_joint" for i in range(1, 5))
FACTORS = ("pos_reward", "up_reward", "spin_reward", "effort_reward")
SAMPLES, DRAWS, STEPS, SEED = 128, 256, 8, 0
METHOD = (
    "Uniform positions, random orientations, some of them upright; Gaussian velocities. Eight steps of uniform actions "
    "in ±1 from propellers at rest; a step resets some worlds. The noise of thrust is what torch.randn returned. "
    "Factors of the reward are local variables of calculate_metrics. Progress 0 to 719, with 698 to 701 in the first "
    "worlds."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its factors, endings, forces, speeds of propellers and resets."""
    recording = Recording(task, SEED, METHOD)
    crazyflie = _make(original, SAMPLES)
    recording.put_view(crazyflie._copters)
    crazyflie.get_observations()
    recording.put("out/observations", crazyflie.obs_buf)
    _record_steps(crazyflie, recording)
    put_factors(recording, locals_of(type(crazyflie).calculate_metrics, crazyflie.calculate_metrics), FACTORS)
    recording.put("out/rewards", crazyflie.rew_buf)
    put_endings(recording, crazyflie, length=700)
    put_resets(recording, _make(original, DRAWS))
    yield recording


def _make(original: Path, n: int) -> Any:
    crazyflie = make_task(original, "Crazyflie", "crazyflie:CrazyflieTask", num_envs=n)
    rotors = [RecordingView(f"m{i}_prop", n) for i in range(1, 5)]
    values = draw_flight(n, around=(0.0, 0.0, 2.0), width=3.5, joints=len(JOINTS))
    crazyflie._copters = RecordingView("vehicles", n, names={"dof": JOINTS}, values=values, physics_rotors=rotors)
    crazyflie._balls = RecordingView("balls", n, values={"world_poses": (torch.zeros(n, 3), torch.zeros(n, 4))})
    crazyflie._env_pos = torch.zeros(n, 3)
    crazyflie.post_reset()
    return crazyflie


def _record_steps(crazyflie: Any, recording: Recording) -> None:
    actions, resets = draw_steps(STEPS, SAMPLES, 4)
    crazyflie.reset_buf[:] = 0
    noise, forces, speeds = [], [], []
    randn = torch.randn

    def remember(*args: Any, **kwargs: Any) -> torch.Tensor:
        noise.append(randn(*args, **kwargs))
        return noise[-1]

    with mock.patch("torch.randn", remember):
        for step in range(STEPS):
            crazyflie.reset_buf[:] = resets[step]
            crazyflie.pre_physics_step(actions[step])
            rotors = crazyflie._copters.physics_rotors
            forces.append(torch.stack([rotor.written("apply_forces") for rotor in rotors], dim=1))
            speeds.append(crazyflie._copters.written("set_joint_velocities"))
    recording.put("in/actions", actions)
    recording.put("in/resets", resets)
    recording.put("in/noise", torch.stack(noise))
    recording.put("out/forces", torch.stack(forces))
    recording.put("out/joint_velocities", torch.stack(speeds))
