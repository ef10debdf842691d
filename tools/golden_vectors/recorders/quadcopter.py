"""Recorder of Quadcopter."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import locals_of, make_task
from tools.golden_vectors.recorders.flight import draw_flight, draw_steps, put_endings, put_factors, put_resets
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = tuple(f"rotor_{axis}{i}" for axis in ("pitch", "roll") for i in range(4))
FACTORS = ("pos_reward", "up_reward", "spinnage_reward")
SAMPLES, DRAWS, STEPS, SEED = 128, 4096, 8, 0
METHOD = (
    "Uniform positions, random orientations, some of them upright; Gaussian velocities. Eight steps of uniform actions "
    "in ±1 from targets and thrusts of zero; a step resets some worlds. Factors of the reward are local variables of "
    "calculate_metrics. Progress 0 to 519, with 498 to 501 in the first worlds. The order of joints is breadth first."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its factors, endings, position targets, forces and resets."""
    recording = Recording(task, SEED, METHOD)
    quadcopter = _make(original, SAMPLES)
    quadcopter._copters.values["velocities"][3::4, 5] *= 10.0
    recording.put_view(quadcopter._copters)
    quadcopter.get_observations()
    recording.put("out/observations", quadcopter.obs_buf)
    put_factors(recording, locals_of(type(quadcopter).calculate_metrics, quadcopter.calculate_metrics), FACTORS)
    recording.put("out/rewards", quadcopter.rew_buf)
    put_endings(recording, quadcopter, length=500)
    _record_steps(quadcopter, recording)
    put_resets(recording, _make(original, DRAWS))
    yield recording


def _make(original: Path, n: int) -> Any:
    quadcopter = make_task(original, "Quadcopter", "quadcopter:QuadcopterTask", num_envs=n)
    limits = math.pi / 6 * torch.tensor([-1.0, 1.0]).expand(n, len(JOINTS), 2)
    values = draw_flight(n, around=(0.0, 0.0, 1.0), width=2.0, joints=len(JOINTS)) | {"dof_limits": limits}
    rotors = RecordingView("rotors", 4 * n)
    quadcopter._copters = RecordingView("vehicles", n, names={"dof": JOINTS}, values=values, rotors=rotors)
    quadcopter._balls = RecordingView("balls", n)
    quadcopter._env_pos = torch.zeros(n, 3)
    quadcopter.post_reset()
    return quadcopter


def _record_steps(quadcopter: Any, recording: Recording) -> None:
    actions, resets = draw_steps(STEPS, SAMPLES, 12)
    targets, forces = [], []
    for step in range(STEPS):
        quadcopter.reset_buf[:] = resets[step]
        quadcopter.pre_physics_step(actions[step])
        targets.append(quadcopter._copters.written("set_joint_position_targets"))
        written = quadcopter._copters.rotors.last("apply_forces")
        assert written.kwargs == {"is_global": False}
        forces.append(written.args[0])
    recording.put("in/actions", actions)
    recording.put("in/resets", resets)
    recording.put("out/joint_position_targets", torch.stack(targets))
    recording.put("out/forces", torch.stack(forces))
