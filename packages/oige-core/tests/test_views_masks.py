"""Worlds selected by a mask: values have a row for each world, and only those of the mask are written."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.engines.base import GraphRecorder
from oige_core.errors import CapabilityError, OigeError
from oige_core.scene import ArticulationAsset, Scene
from oige_core.testing import TapeRecorder
from view_tables import GETTERS, INDEXED, SETTERS, N, set_up_scene

CHOSEN = [0, 2]
OTHERS = [1, 3]
SELECTING = [row for row in SETTERS if row[1] not in INDEXED]


@pytest.fixture(scope="module")
def world(build: Callable[..., Any], any_executor: str) -> Any:
    built = build(set_up_scene, num_envs=N, executor=any_executor)
    built.engine.step(3)
    built.start = built.engine.state_dict()
    return built


@pytest.fixture
def fresh(world: Any) -> Any:
    """The worlds in the state after a few steps, which is not the initial one."""
    world.engine.load_state_dict(world.start)
    return world


def mask(world: Any, *numbers: int) -> torch.Tensor:
    return torch.tensor([i in numbers for i in range(N)], device=world.engine.device)


def valid_values(argument: str, method: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values ``(N, *shape)`` that the setter accepts, other ones for each world."""
    generator = torch.Generator().manual_seed(3)
    values = 0.1 + torch.rand(N, *shape, generator=generator)
    if "inertias" in method:
        values = torch.diag_embed(1.0 + 0.1 * values[..., :3]).flatten(-2)
    elif argument == "limits" or method == "set_dof_limits":
        values = values.cumsum(dim=-1)
        if method == "set_dof_limits":  # the second joint has no limits to change
            values[:, 1] = torch.tensor([-torch.inf, torch.inf])
    elif method == "set_material_properties":
        values = torch.stack((values[..., 0], values[..., 0], torch.zeros_like(values[..., 0])), dim=-1)
    elif method == "set_local_scales":
        values = values[:, :1].expand(-1, 3).clone()
    elif method == "set_body_disable_gravity":
        values = values.round()
    return values


def wait_recorder(world: Any) -> GraphRecorder:
    """Return what notes waits of the executor; the C engine has none."""
    if world.executor in ("c", "physx"):
        pytest.skip("the engine runs on the CPU")
    return world.engine.graph_recorder() or TapeRecorder()


def leaves(state: Any, path: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(state, torch.Tensor):
        yield path, state
    elif isinstance(state, dict | list):
        items = state.items() if isinstance(state, dict) else enumerate(state)
        for key, value in items:
            yield from leaves(value, f"{path}/{key}")


def assert_same_state(actual: Any, expected: Any) -> None:
    ours, theirs = dict(leaves(actual)), dict(leaves(expected))
    assert ours.keys() == theirs.keys()
    for path, values in ours.items():
        assert torch.equal(values.nan_to_num(1234.5), theirs[path].nan_to_num(1234.5)), path


@pytest.mark.parametrize(("name", "method", "argument", "shape"), SELECTING)
def test_setters_write_the_worlds_of_a_mask(
    fresh: Any, name: str, method: str, argument: str, shape: tuple[int, ...]
) -> None:
    engine, setter = fresh.engine, fresh.method(name, method)
    values = valid_values(argument, method, shape).to(engine.device)
    try:
        setter(**{argument: values})  # gives worlds model fields of their own, so that states can be compared
    except CapabilityError as error:
        pytest.skip(str(error))
    engine.step()
    before = engine.state_dict()
    values = values.flip(0)
    setter(**{argument: values[CHOSEN]}, indices=CHOSEN)
    expected = engine.state_dict()
    engine.load_state_dict(before)
    values[OTHERS] = torch.nan  # rows of other worlds are not looked at
    setter(**{argument: values}, indices=mask(fresh, *CHOSEN))
    actual = engine.state_dict()
    assert_same_state(actual, expected)
    with pytest.raises(AssertionError):
        assert_same_state(actual, before)
    fields = [dict(leaves(state.get("executor", state))) for state in (actual, before)]
    for path, after in fields[0].items():
        if after.ndim and after.shape[0] == N:
            assert torch.equal(after[OTHERS], fields[1][path][OTHERS]), path


@pytest.mark.parametrize("indices", [[], [1], [0, 1, 2, 3]])
def test_masks_of_none_one_and_all_worlds(fresh: Any, indices: list[int]) -> None:
    before = fresh.ant.get_joint_positions()
    fresh.ant.set_joint_positions(before + 1.0, indices=mask(fresh, *indices))
    expected = before.clone()
    expected[indices] += 1.0
    fresh.close(fresh.ant.get_joint_positions(), expected, tol=1e-6)


@pytest.mark.parametrize("joints", [[0], [1], [1, 0]])
def test_masks_with_joints(fresh: Any, joints: list[int]) -> None:
    for tensor in (False, True):
        chosen = torch.tensor(joints, device=fresh.engine.device) if tensor else joints
        for getter, setter in (
            (fresh.ant.get_joint_velocities, fresh.ant.set_joint_velocities),
            (fresh.ant.get_armatures, fresh.ant.set_armatures),
        ):
            before = getter()
            values = fresh.tensor(torch.rand(N, len(joints)))
            setter(values, indices=mask(fresh, *CHOSEN), joint_indices=chosen)
            expected = before.clone()
            for column, joint in enumerate(joints):
                expected[CHOSEN, joint] = values[CHOSEN, column]
            assert torch.equal(getter(), expected)
            assert torch.equal(getter(joint_indices=chosen), expected[:, joints])


def test_joints_apart_from_each_other_are_written_in_the_worlds_of_a_mask(build: Callable[..., Any], any_executor: str):
    links = "".join(f'<body name="{c}"><joint name="{c}" axis="0 1 0"/><geom size=".1"/></body>' for c in "abcd")
    asset = ArticulationAsset(
        mjcf=f'<mujoco><worldbody><body name="root"><geom size=".1"/>{links}</body></worldbody></mujoco>'
    )
    world = build(lambda scene: {"robot": scene.add_articulation("robot", asset)}, num_envs=N, executor=any_executor)
    values = world.tensor(torch.arange(4.0 * N).reshape(N, 4))
    world.robot.set_joint_positions(values)
    expected = values.clone()
    expected[1, [3, 0]] = world.tensor([-1.0, -2.0])
    world.robot.set_joint_positions(world.tensor([-1.0, -2.0]), mask(world, 1), joint_indices=[3, 0])
    assert torch.equal(world.robot.get_joint_positions(), expected)
    assert torch.equal(world.robot.get_joint_positions(mask(world, 1), [3, 0]), expected[:, [3, 0]])


@pytest.mark.parametrize(("name", "method"), GETTERS)
def test_getters_return_all_worlds_of_a_mask(fresh: Any, name: str, method: str) -> None:
    getter = fresh.method(name, method)
    everything, masked = getter(), getter(indices=mask(fresh, 1))
    for ours, all_worlds in zip(*((x if isinstance(x, tuple) else (x,)) for x in (masked, everything)), strict=True):
        assert torch.equal(ours.nan_to_num(1234.5), all_worlds.nan_to_num(1234.5))


def test_gravity_is_set_and_switched_in_the_worlds_of_a_mask(fresh: Any) -> None:
    fresh.needs("gravity_per_world")
    fresh.engine.set_gravity(fresh.tensor([1.0, 2.0, 3.0]), mask(fresh, *CHOSEN))
    expected = fresh.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, -9.81]] * 2)
    fresh.close(fresh.engine.get_gravity(), expected, tol=1e-6)
    fresh.ball.disable_gravities(mask(fresh, 3))
    speed = fresh.ball.get_linear_velocities()[:, 2]
    fresh.engine.step()
    change = fresh.ball.get_linear_velocities()[:, 2] - speed
    fresh.close(change, fresh.tensor([3.0, -9.81, 3.0, 0.0]) * fresh.engine.physics_dt, tol=1e-5)


def test_reset_restores_the_worlds_of_a_mask(fresh: Any) -> None:
    fresh.ant.set_joint_position_targets(fresh.everywhere(0.3, 0.4))
    fresh.engine.step(2)
    before = fresh.engine.state_dict()
    fresh.engine.reset(torch.tensor(CHOSEN, device=fresh.engine.device))
    expected = fresh.engine.state_dict()
    fresh.engine.load_state_dict(before)
    fresh.engine.reset(mask(fresh, *CHOSEN))
    assert_same_state(fresh.engine.state_dict(), expected)
    fresh.close(fresh.ant.get_joint_positions()[CHOSEN], 0.0, tol=0.0)
    assert (fresh.ant.get_joint_positions()[OTHERS] != 0.0).all()


def test_roots_that_were_moved_are_put_back_in_the_worlds_of_a_mask(build: Callable[..., Any], any_executor: str):
    asset = ArticulationAsset(
        mjcf="""<mujoco><worldbody><body name="root"><geom size=".1"/><body name="a"><joint name="a" axis="0 1 0"/>
          <geom size=".1"/></body></body></worldbody></mujoco>"""
    )

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        return {"arm": scene.add_articulation("arm", asset, position=(1.0, 2.0, 3.0))}

    world = build(set_up_scene, num_envs=N, executor=any_executor)
    world.arm.set_world_poses(positions=world.everywhere(4.0, 5.0, 6.0), indices=mask(world, 0, 1))
    start, moved = [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]
    world.close(world.arm.get_world_poses()[0], [moved, moved, start, start], tol=1e-6)
    world.engine.reset(mask(world, 1, 2))
    world.close(world.arm.get_world_poses()[0], [moved, start, start, start], tol=1e-6)


def test_fields_computed_from_the_state_are_true_after_a_masked_write(fresh: Any) -> None:
    fresh.ant.get_jacobians()
    positions, orientations = fresh.ant.get_world_poses()
    fresh.ant.set_world_poses(positions + 1.0, orientations, mask(fresh, 2))
    expected = positions.clone()
    expected[2] += 1.0
    fresh.close(fresh.ant.get_world_poses()[0], expected, tol=1e-6)
    # The root's frame is that of its link, whose velocity is the Jacobian times the motion.
    motion = torch.cat((fresh.ant.get_velocities(), fresh.ant.get_joint_velocities()), dim=-1)
    jacobian = fresh.ant.get_jacobians()[:, 0]
    fresh.close((jacobian @ motion.unsqueeze(-1)).squeeze(-1), fresh.ant.get_velocities(), tol=1e-5)


@pytest.mark.parametrize(("name", "method"), sorted({row[:2] for row in SELECTING} | set(GETTERS)))
def test_masks_of_another_length_raise(world: Any, name: str, method: str) -> None:
    argument, shape = next((row[2:] for row in SELECTING if row[:2] == (name, method)), ("", ()))
    values = {argument: world.tensor(np.ones((N, *shape)))} if argument else {}
    with pytest.raises(
        OigeError, match=rf"\A{method} of '{name}': mask of worlds of shape \(3,\): expected \(4,\)\.\Z"
    ):
        world.method(name, method)(**values, indices=torch.ones(N - 1, dtype=torch.bool))


def test_numbers_that_are_no_mask_raise(world: Any) -> None:
    for dtype in (torch.float32, torch.complex64):
        with pytest.raises(OigeError, match=r"indices of type .*: expected integer world indices\.\Z"):
            world.ant.get_joint_positions(torch.ones(N, dtype=dtype))


def test_orientations_of_zeros_raise_only_in_worlds_of_a_mask(fresh: Any) -> None:
    orientations = fresh.everywhere(1.0, 0.0, 0.0, 0.0).clone()
    orientations[1] = 0.0
    fresh.ball.set_world_poses(orientations=orientations, indices=mask(fresh, 0))
    for given in (orientations, orientations.tolist()):
        if fresh.looks_at_tensors:
            with pytest.raises(OigeError, match="a quaternion of zeros"):
                fresh.ball.set_world_poses(orientations=given, indices=mask(fresh, 1))
        else:
            fresh.ball.set_world_poses(orientations=given, indices=mask(fresh, 1))
            assert fresh.ball.get_world_poses()[1].isnan().any(dim=1).tolist() == [False, True, False, False]


def test_setters_do_not_wait_for_a_gpu(fresh: Any) -> None:
    recorder, chosen = wait_recorder(fresh), mask(fresh, *CHOSEN)
    for name, method, argument, shape in SELECTING:
        setter = fresh.method(name, method)
        values = valid_values(argument, method, shape).to(fresh.engine.device)
        setter(**{argument: values})  # the first call creates model fields
        with recorder.watch_waits() as waits:
            setter(**{argument: values}, indices=chosen)
        assert waits == [], (name, method, argument)


def test_getters_do_not_wait_for_a_gpu(fresh: Any) -> None:
    recorder, chosen = wait_recorder(fresh), mask(fresh, *CHOSEN)
    for name, method in GETTERS:
        getter = fresh.method(name, method)
        getter()  # the first call looks up columns
        with recorder.watch_waits() as waits:
            getter(indices=chosen)
        assert waits == [], (name, method)
