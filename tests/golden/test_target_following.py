"""TargetFollowing against golden vectors of OmniIsaacGymEnvs. Tests of the default mode name its fixes."""

import math
from typing import Any

import pytest
import torch
from golden_support import Golden, GoldenView, assert_columns, assert_distribution, make_env

MODES = ("upstream", "fixed")


@pytest.fixture(scope="module")
def golden():
    return Golden("TargetFollowing")


def poses(positions: torch.Tensor) -> dict[str, Any]:
    return {"world_poses": (positions, torch.zeros(len(positions), 4))}


def at_step(golden: Golden, step: int) -> dict[str, torch.Tensor]:
    """Return inputs, without ``in/``, and outputs of a step by name."""
    names = [name for name in golden.arrays if "late" not in name and "reset/" not in name]
    return {name.removeprefix("in/"): golden[name][step] for name in names}


@pytest.mark.parametrize("compat", MODES)
def test_steps_match(golden, compat):
    """By default, distances are horizontal, masks are shown from the first step on and as bytes, and wheels get
    targets, which are actions times π once: the learner's actions are up to 1, the original's up to π."""
    steps, n, size, _ = golden["in/target_pixels"].shape
    fixed = compat == "fixed"
    with make_env("TargetFollowing", n, compat=compat, imageSize=size) as env:
        task: Any = env.task
        task.progress_buf[:] = 0
        task.camera = GoldenView(task.camera, {})
        observe = {"reset_mask": torch.zeros(n, dtype=torch.bool)}
        for step in range(steps):
            g = at_step(golden, step)
            pixels = g["target_pixels"].unsqueeze(-1)
            task.camera.replace(segmentation=torch.where(pixels, task.target_id, 0))
            task.targets = GoldenView(task.targets, poses(g["targets"]))
            task.carters = carters = GoldenView(task.carters, poses(g["before"]))
            carters.replace(joint_velocities=g["wheel_speeds"])
            env.reset(options=observe)
            task.pre_physics_step(g["actions"] / math.pi)
            expected = g["out/joint_velocities"]
            if fixed:
                targets, columns = carters.written["set_joint_velocity_targets"]
                assert columns == {"joint_indices": task.wheels}
                assert_columns(targets, expected / math.pi)
            else:
                (speeds,) = carters.written["set_joint_velocities"]
                assert_columns(speeds, expected)
            task.progress_buf += 1
            carters.replace(**poses(g["positions"]))
            observations, _ = env.reset(options=observe)
            seen = step >= 2
            if fixed:
                expected = pixels.expand(-1, -1, -1, 3) * 255
                assert torch.equal(observations, expected.to(torch.uint8))
                assert not seen or torch.equal(g["out/observations"] * 255, expected.float())
            else:
                assert torch.equal(observations, g["out/observations"])
            assert g["out/observations"].any() == seen
            if fixed:
                before, after = ((g[name] - g["targets"])[:, :2].norm(dim=-1) for name in ("before", "positions"))
                assert (before < g["out/previous_distance"] - 1e-3).any()
            else:
                before, after = g["out/previous_distance"], g["out/distance"]
            assert_columns(task.previous_distance, before)
            assert_columns(task.distance, after)
            rewards, terms = task.calculate_metrics(), task.reward_terms_by_name()
            assert_columns(terms["straight"], g["out/straight"])
            if seen or not fixed:
                assert_columns(task.visible_fraction, g["out/visible_fraction"])
            if not fixed:
                assert_columns(rewards, g["out/rewards"])
                assert torch.equal(task.is_done(), g["out/resets"].bool())
                assert 0.1 < g["out/resets"].float().mean() < 0.9


@pytest.mark.parametrize("compat", MODES)
def test_late_endings_match(golden, compat):
    with make_env("TargetFollowing", 12, compat=compat, imageSize=8) as env:
        task: Any = env.task
        task.progress_buf, task.distance = golden["in/late_progress"], golden["in/late_distance"]
        assert torch.equal(task.is_done() | task.is_cut_short(), golden["out/late_resets"].bool())


@pytest.mark.parametrize("compat", MODES)
def test_resets_have_the_same_distribution(golden, compat):
    """By default, robots and targets stand on the ground."""
    with make_env("TargetFollowing", 4096, compat=compat, imageSize=8) as env:
        task: Any = env.task
        for name, view, height in (("carters", task.carters, 0.0), ("targets", task.targets, 0.125)):
            positions, orientations = view.get_world_poses()
            assert_distribution(positions, golden, f"{name}/positions", skip=(2,) if compat == "fixed" else ())
            assert compat == "upstream" or (positions[:, 2] == height).all()
            assert not orientations[:, 1:3].any()
            yaw = 2.0 * torch.atan2(orientations[:, 3], orientations[:, 0])
            assert_distribution(torch.atan2(yaw.sin(), yaw.cos()).unsqueeze(-1), golden, f"{name}/yaw")
