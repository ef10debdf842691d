"""Constants that depend on written fields of the model: those of the C engine, computed where and when they are needed.

Where there is a GPU the same tests also run on it.
"""

from typing import Any

import pytest
import torch
from executor_pair import NUM_ENVS, load
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.executors.warp import WarpExecutor

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
WRITTEN = ("body_mass", "body_inertia", "body_ipos", "dof_armature")
CONSTANTS = ("body_invweight0", "dof_invweight0", "tendon_invweight0")


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


def write(executor: Any, worlds: torch.Tensor | None) -> None:
    """Change masses, inertias, centres of mass and armatures of worlds 1 and 3, then mark a selection as written."""
    for name in WRITTEN:
        values = executor.model_field(name)
        factors = torch.tensor([1.0, 1.7, 1.0, 0.6], device=executor.device).view(-1, *[1] * (values.ndim - 1))
        if name == "body_ipos":
            values[:, -3] += 0.1 * (factors - 1.0)[:, 0]  # the dragged body, which is compiled as not simple
        else:
            values *= factors
    executor.model_changed(WRITTEN, worlds)


def constants(executor: Any) -> dict[str, torch.Tensor]:
    return {name: executor.model_field(name).cpu().double().clone() for name in CONSTANTS}


def assert_close(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name in CONSTANTS:
        torch.testing.assert_close(
            actual[name], expected[name], rtol=2e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}"
        )


@pytest.mark.parametrize("selection", ["mask", "indices", "all"])
def test_constants_follow_written_fields_as_in_the_c_engine(device: str, selection: str) -> None:
    model = load("mechanisms")
    warp, c = WarpExecutor(model, NUM_ENVS, device), BatchExecutor(model, NUM_ENVS, 1)
    before = constants(c)
    for executor in (warp, c):
        mask = torch.tensor([False, True, False, True], device=executor.device)
        write(executor, {"mask": mask, "indices": mask.nonzero().squeeze(-1), "all": None}[selection])
        executor.step(1, refresh=False)
    expected = constants(c)
    assert_close(constants(warp), expected)
    for name in CONSTANTS:
        changed = (expected[name] - before[name]).abs().flatten(1).amax(dim=1) > 1e-3
        assert changed.tolist() == [False, True, False, True], name


def test_bounds_follow_sizes_at_once(device: str) -> None:
    model = load("free_bodies")
    warp, c = WarpExecutor(model, NUM_ENVS, device), BatchExecutor(model, NUM_ENVS, 1)
    for executor in (warp, c):
        executor.model_field("geom_size")[2] *= 1.5
        executor.model_changed(["geom_size"])
    for name in ("geom_rbound", "geom_aabb"):
        ours, theirs = warp.model_field(name).cpu().double(), c.model_field(name)
        torch.testing.assert_close(ours.flatten(1), theirs.flatten(1), rtol=1e-6, atol=1e-7)
        assert not torch.equal(theirs[2], theirs[1])
        assert torch.equal(theirs[0], theirs[1])


def test_only_written_worlds_are_computed_and_only_before_the_next_step(device: str) -> None:
    executor = WarpExecutor(load("mechanisms"), NUM_ENVS, device)
    write(executor, None)
    executor.step(1, refresh=False)
    weights = executor.model_field("dof_invweight0")
    right = weights.clone()
    weights.fill_(7.0)
    executor.step(1, refresh=False)
    assert torch.equal(weights, torch.full_like(weights, 7.0))
    executor.model_changed(["body_mass"], torch.tensor([False, False, True, False], device=executor.device))
    assert torch.equal(weights, torch.full_like(weights, 7.0))
    executor.step(2, refresh=False)
    assert torch.equal(weights[2], right[2])
    assert torch.equal(weights[[0, 1, 3]], torch.full_like(weights[:3], 7.0))
    executor.model_changed(["geom_friction", "actuator_biasprm", "tendon_stiffness"], None)
    executor.step(1, refresh=False)
    assert torch.equal(weights[[0, 1, 3]], torch.full_like(weights[:3], 7.0))


def test_reference_positions_do_not_replace_the_state(device: str) -> None:
    """The constants are those of the reference position; the step starts from the state nevertheless."""
    executor = WarpExecutor(load("mechanisms"), NUM_ENVS, device)
    write(executor, None)
    executor.field("mocap_pos")[..., 2] += 0.05
    executor.field("qvel")[:] = 0.3
    for name in ("xpos", "cvel"):
        executor.field(name)
    executor.step(5, refresh=True)
    start = executor.state_dict()
    outcomes = []
    for names in ([], WRITTEN):
        executor.load_state_dict(start)
        executor.model_changed(names)
        executor.step(5, refresh=True)
        outcomes.append({name: executor.field(name).clone() for name in ("qpos", "qvel", "mocap_pos", "xpos", "cvel")})
    for name, values in outcomes[0].items():
        torch.testing.assert_close(outcomes[1][name], values, rtol=0.0, atol=1e-6 if device == "cuda" else 0.0)
    assert bool((outcomes[0]["qvel"] != 0.0).any())


def test_saved_state_with_fields_that_were_just_written_continues_bitwise(device: str) -> None:
    model = load("mechanisms")
    executor = WarpExecutor(model, NUM_ENVS, device)
    executor.field("qvel")[:] = 0.3
    write(executor, torch.tensor([1, 3], device=executor.device))
    saved = executor.state_dict()
    executor.step(3, refresh=False)
    expected, weights = executor.field("qpos").clone(), executor.model_field("dof_invweight0").clone()
    fresh = WarpExecutor(model, NUM_ENVS, device)
    for target in (executor, fresh):
        target.load_state_dict(saved)
        target.step(3, refresh=False)
        assert torch.equal(target.field("qpos"), expected)
        assert torch.equal(target.model_field("dof_invweight0"), weights)
