"""Recorder of Cartpole."""

from collections.abc import Iterator
from pathlib import Path

import torch

from tools.golden_vectors.original import make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["JOINTS", "draw_motion", "record"]

JOINTS = ("cartJoint", "poleJoint")
SAMPLES, DRAWS, SEED = 128, 4096, 0
METHOD = (
    "Positions up to 3.5 m and 2 rad, velocities up to 5, uniform; progress 0 to 520, with 498 to 501 in the first "
    "worlds. Reward terms: differences of rewards computed with velocities set to zero."
)


def draw_motion(n: int) -> dict[str, torch.Tensor]:
    """Draw joint positions and velocities ``(n, 2)``, with the cart or the pole out of range in some worlds."""
    positions = (torch.rand(n, 2) * 2 - 1) * torch.tensor([3.5, 2.0])
    positions[: n // 2] *= 0.7  # most of these are in range
    return {"joint_positions": positions, "joint_velocities": (torch.rand(n, 2) * 2 - 1) * 5.0}


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, efforts and resets."""
    recording = Recording(task, SEED, METHOD)
    cartpole = make_task(original, "Cartpole", "cartpole:CartpoleTask", num_envs=SAMPLES)
    view = cartpole._cartpoles = RecordingView("cartpoles", SAMPLES, names={"dof": JOINTS}, values=draw_motion(SAMPLES))
    cartpole.post_reset()
    progress = torch.randint(0, 521, (SAMPLES,))
    progress[:4] = torch.tensor([498, 499, 500, 501])
    view.values["joint_positions"][:4] *= 0.1
    cartpole.progress_buf[:] = progress
    recording.put("in/progress", progress)
    cartpole.get_observations()
    recording.put_view(view)
    recording.put("out/observations", cartpole.obs_buf)
    cartpole.calculate_metrics()
    recording.put("out/rewards", cartpole.rew_buf)
    cartpole.is_done()
    recording.put("out/resets", cartpole.reset_buf)

    velocities = view.values["joint_velocities"]
    totals = {}
    for name, kept in {"all": (1, 1), "cart": (1, 0), "none": (0, 0)}.items():
        view.values["joint_velocities"] = velocities * torch.tensor(kept)
        cartpole.get_observations()
        cartpole.calculate_metrics()
        totals[name] = cartpole.rew_buf.clone()
    recording.put("out/terms/upright", totals["none"])
    recording.put("out/terms/cart_velocity", totals["cart"] - totals["none"])
    recording.put("out/terms/pole_velocity", totals["all"] - totals["cart"])

    actions = torch.rand(SAMPLES, 1) * 2 - 1
    cartpole.reset_buf[:] = 0
    cartpole.pre_physics_step(actions)
    recording.put("in/actions", actions)
    recording.put("out/joint_efforts", view.written("set_joint_efforts"))

    many = make_task(original, "Cartpole", "cartpole:CartpoleTask", num_envs=DRAWS)
    view = many._cartpoles = RecordingView("cartpoles", DRAWS, names={"dof": JOINTS})
    many.post_reset()
    recording.put_distribution("joint_positions", view.written("set_joint_positions"))
    recording.put_distribution("joint_velocities", view.written("set_joint_velocities"))
    yield recording
