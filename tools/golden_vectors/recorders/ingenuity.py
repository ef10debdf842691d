"""Recorder of Ingenuity."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

JOINTS = ["rotor_physics_0", "rotor_visual_0", "rotor_physics_1", "rotor_visual_1"]
SAMPLES, DRAWS, SEED = 128, 4096, 0
METHOD = (
    "Positions within 2 m of the target, of some worlds 30 times as far, orientations uniform, velocities up to 4; "
    "progress 0 to 2020, with 1997 to 2000 in the first worlds. Reward terms: the reward upright and without spin is "
    "p · 3; terms are differences of rewards computed with the orientation or the spin of the sample. Worlds 8 to 15 "
    "are reset when actions are applied. Targets: worlds with progress 0, 499, 500, 501, 1000 and 1500 in turn."
)
UPRIGHT = torch.tensor([1.0, 0.0, 0.0, 0.0])


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, forces of the rotors, targets and resets."""
    recording = Recording(task, SEED, METHOD)
    copter = _make(original, SAMPLES)
    view = copter._copters
    copter.post_reset()
    targets = (torch.rand(SAMPLES, 3) * 2 - 1) + torch.tensor([0.0, 0.0, 2.5])
    offset = (torch.rand(SAMPLES, 3) * 2 - 1) * 2.0
    offset[16:32, :2] *= 15.0
    offset[:4] = 0.25
    position = targets + offset
    orientation = torch.nn.functional.normalize(torch.randn(SAMPLES, 4), dim=-1)
    velocities = (torch.rand(SAMPLES, 6) * 2 - 1) * 4.0
    recording.put("in/targets", targets)
    recording.put("in/vehicles/world_poses", (position, orientation))
    recording.put("in/vehicles/velocities", velocities)
    recording.put("in/vehicles/dof_names", JOINTS)
    copter.target_positions[:] = targets
    view.values |= {"world_poses": (position + copter._env_pos, orientation), "velocities": velocities}
    progress = torch.randint(0, 2021, (SAMPLES,))
    progress[:4] = torch.tensor([1997, 1998, 1999, 2000])
    copter.progress_buf[:] = progress
    recording.put("in/progress", progress)
    copter.get_observations()
    recording.put("out/observations", copter.obs_buf)
    copter.calculate_metrics()
    recording.put("out/rewards", copter.rew_buf)
    copter.is_done()
    recording.put("out/resets", copter.reset_buf)
    _record_terms(recording, copter)

    actions = (torch.rand(SAMPLES, 6) * 2 - 1) * 1.2
    flags = torch.zeros(SAMPLES, dtype=torch.long)
    flags[8:16] = 1
    copter.reset_buf[:] = flags
    copter.progress_buf[:] = 7
    copter.pre_physics_step(actions)
    recording.put("in/actions", actions)
    recording.put("in/reset_in_step", flags)
    recording.put("out/forces", torch.stack([rotor.written("apply_forces") for rotor in view.physics_rotors], dim=1))
    recording.put("out/joint_velocities", view.written("set_joint_velocities"))

    copter.reset_buf[:] = 0
    progress = torch.tensor([0, 499, 500, 501, 1000, 1500]).repeat(SAMPLES)[:SAMPLES]
    copter.progress_buf[:] = progress
    before = copter.target_positions.clone()
    copter.pre_physics_step(actions)
    recording.put("in/progress_for_targets", progress)
    recording.put("out/has_new_target", (copter.target_positions != before).any(dim=-1))

    many = _make(original, DRAWS)
    many.post_reset()
    many.pre_physics_step(torch.zeros(DRAWS, 6))
    (joints, *_), (poses, *_) = (
        next(call.args for call in many._copters.calls if call.name == name)
        for name in ("set_joint_positions", "set_world_poses")
    )
    recording.put_distribution("joint_positions", joints)
    recording.put_distribution("position", poses - many._env_pos)
    recording.put_distribution("targets", many.target_positions)
    yield recording


def _record_terms(recording: Recording, copter: Any) -> None:
    """Record what an upright helicopter without spin gets, and what the sample's orientation and spin leave of it."""
    view = copter._copters
    (position, orientation), velocities = view.values["world_poses"], view.values["velocities"]
    totals = {}
    for name, quaternions, speeds in (
        ("best", UPRIGHT.repeat(SAMPLES, 1), torch.zeros_like(velocities)),
        ("tilted", orientation, torch.zeros_like(velocities)),
        ("spinning", UPRIGHT.repeat(SAMPLES, 1), velocities),
    ):
        view.values |= {"world_poses": (position, quaternions), "velocities": speeds}
        copter.get_observations()
        copter.calculate_metrics()
        totals[name] = copter.rew_buf.clone()
    view.values |= {"world_poses": (position, orientation), "velocities": velocities}
    one = totals["best"] / 3
    recording.put("out/terms/position", one)
    recording.put("out/terms/upright", totals["tilted"] - 2 * one)
    recording.put("out/terms/spin", totals["spinning"] - 2 * one)


def _make(original: Path, n: int) -> Any:
    copter = make_task(original, "Ingenuity", "ingenuity:IngenuityTask", num_envs=n)
    copter._env_pos = torch.stack((torch.arange(n) % 8, torch.arange(n) // 8 % 8, torch.zeros(n)), dim=-1) * 2.5
    pose = copter._env_pos + torch.tensor([0.0, 0.0, 1.0]), UPRIGHT.repeat(n, 1)
    values = {
        "world_poses": pose,
        "velocities": torch.zeros(n, 6),
        "joint_positions": torch.zeros(n, 4),
        "joint_velocities": torch.zeros(n, 4),
    }
    rotors = [RecordingView(f"rotor{rotor}", n) for rotor in range(2)]
    copter._copters = RecordingView("vehicles", n, names={"dof": JOINTS}, values=values, physics_rotors=rotors)
    copter._balls = RecordingView("balls", n, values={"world_poses": pose})
    return copter
