"""Mistakes in calls of views: one line that names the method, the element, what was given and what is expected."""

import inspect
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.engines.checks import values_of_shape
from oige_core.errors import CapabilityError, OigeError
from torch.utils._python_dispatch import TorchDispatchMode
from view_tables import ELSEWHERE, GETTERS, INDEXED, JOINTS, LINKS, SETTERS, UNSUPPORTED, N, set_up_scene


class NoteOperations(TorchDispatchMode):
    """Notes the names of operations."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.name())
        return func(*args, **kwargs or {})


@pytest.fixture(scope="module")
def world(build: Callable[..., Any], any_executor: str) -> Any:
    return build(set_up_scene, num_envs=N, executor=any_executor)


def raises(message: str) -> Any:
    """Expect an error whose whole, single line matches."""
    return pytest.raises(OigeError, match=rf"\A{message}\Z")


def test_every_view_method_is_covered(world: Any) -> None:
    for name, kinds in {
        "ant": ("set", "get"),
        "ball": ("set", "get"),
        "legs": ("apply",),
        "eye": ("set", "get"),
    }.items():
        if name not in world.views:
            continue
        for method, function in inspect.getmembers(type(world.views[name]), inspect.isfunction):
            takes = inspect.signature(function).parameters
            if method.split("_")[0] in kinds and ("indices" in takes or method.startswith("set_joints")):
                known = [(row[0], row[1]) for row in SETTERS] + GETTERS + UNSUPPORTED + ELSEWHERE
                assert (name, method) in known, method


@pytest.mark.parametrize(("name", "method", "argument", "shape"), SETTERS)
def test_values_of_wrong_shape_raise(world: Any, name: str, method: str, argument: str, shape: tuple[int, ...]) -> None:
    setter = world.method(name, method)
    called = "apply_forces" if method == "apply_forces" else method
    before = written_state(world)
    for given in ((N - 1, *shape), (N, *shape, 1), (N, *shape[:-1], shape[-1] + 1) if shape else (N, 2)):
        text = ", ".join(map(str, given)) + ("," if len(given) == 1 else "")
        expected = ", ".join(map(str, (N, *shape))) + ("," if not shape else "")
        message = rf"{called} of '{name}': {argument} of shape \({text}\): expected \({expected}\)\."
        with raises(message):
            setter(**{argument: world.tensor(np.ones(given))})
    torch.testing.assert_close(written_state(world), before, rtol=0, atol=0, equal_nan=True)  # nothing was written
    with raises(rf"{called} of '{name}': {argument} '1, 2': expected numbers of shape \(.*\)\."):
        setter(**{argument: "1, 2"})


def written_state(world: Any) -> Any:
    """Return what setters write."""
    state = world.engine.state_dict()
    if "executor" not in state:
        return state["views"]
    return {part: state["executor"][part] for part in ("state", "model", "forces")}


@pytest.mark.parametrize(
    ("name", "method", "argument", "shape"), [row for row in SETTERS if row[1] not in INDEXED and row[2] != "kds"]
)
def test_nonexistent_worlds_raise_in_setters(
    world: Any, name: str, method: str, argument: str, shape: tuple[int, ...]
) -> None:
    setter = world.method(name, method)
    for indices, message in (
        ([0, N], f"indices name world {N}: expected numbers from 0 to {N - 1}"),
        (torch.tensor([-1, 0]), f"indices name world -1: expected numbers from 0 to {N - 1}"),
    ):
        with raises(rf"{method} of '{name}': {message}\."):
            setter(**{argument: world.tensor(np.ones((2, *shape)))}, indices=indices)


@pytest.mark.parametrize(("name", "method"), GETTERS)
def test_nonexistent_worlds_raise_in_getters(world: Any, name: str, method: str) -> None:
    with raises(rf"{method} of '{name}': indices name world {N}: expected numbers from 0 to {N - 1}\."):
        world.method(name, method)(indices=[0, N])


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        (np.array([0, -1]), "indices name world -1: expected numbers from 0 to 3"),
        ([0.5], r"indices \[0\.5\]: expected a list of world indices"),
        ([True, False, True], r"mask of worlds of shape \(3,\): expected \(4,\)"),
        (np.ones((4, 1), dtype=bool), r"mask of worlds of shape \(4, 1\): expected \(4,\)"),
        ([[0, 1]], r"indices \[\[0, 1\]\]: expected a list of world indices"),
        (2, r"indices 2: expected a list of world indices"),
        ("all", r"indices 'all': expected a list of world indices"),
        (torch.tensor([0.0]), r"indices of type float32: expected integer world indices"),
        (torch.tensor([[0]]), r"indices of shape \(1, 1\): expected \(n,\)"),
        (torch.ones(N + 1, dtype=torch.bool), r"mask of worlds of shape \(5,\): expected \(4,\)"),
        (torch.zeros(2, dtype=torch.int64, device="meta"), r"indices on meta: expected .*; use indices\.to\('.*'\)"),
    ],
)
def test_invalid_world_indices_raise(world: Any, indices: Any, message: str) -> None:
    if isinstance(indices, torch.Tensor) and indices.device.type != "meta":
        indices = indices.to(world.engine.device)
    with raises(rf"get_joint_positions of 'ant': {message}\."):
        world.ant.get_joint_positions(indices=indices)


def test_indices_changed_in_place_are_checked_again(world: Any) -> None:
    indices = torch.tensor([0, 1], device=world.engine.device)
    world.ant.get_joint_positions(indices=indices)
    if world.engine.device.type == "cpu":
        indices[1] = N
        with raises(rf"get_joint_positions of 'ant': indices name world {N}: .*"):
            world.ant.get_joint_positions(indices=indices)


def test_indices_changed_in_place_after_a_setter_do_not_change_what_it_did(world: Any) -> None:
    world.ant.set_joint_positions(0.0)
    if "cameras" in world.engine.capabilities:
        world.eye.get_depth()
    indices = torch.tensor([2, 0], device=world.engine.device)
    world.ant.set_joint_positions(0.5, indices=indices)
    indices.fill_(1)
    moved = (world.legs.get_world_poses()[1][..., 0] < 0.99).all(dim=1)
    assert moved.tolist() == [True, False, True, False]


def test_selection_changed_in_place_is_checked(world: Any) -> None:
    mask = torch.zeros(N, dtype=torch.bool, device=world.engine.device)
    mask[1] = True
    worlds = world.engine.selection(mask)
    if worlds.dtype == torch.bool:
        assert worlds is mask
        return
    assert worlds.tolist() == [1]
    assert len(world.ball.get_masses(worlds)) == 1
    worlds[0] = N
    with raises(rf"get_masses of 'ball': indices name world {N}: expected numbers from 0 to {N - 1}\."):
        world.ball.get_masses(worlds)


def test_joint_indices_changed_in_place_are_looked_up_again(world: Any) -> None:
    velocities = world.ant.get_joint_velocities() + world.tensor([1.0, 2.0])
    world.ant.set_joint_velocities(velocities)
    joints = torch.tensor([0, 1], device=world.engine.device)
    assert torch.equal(world.ant.get_joint_velocities(joint_indices=joints), velocities)
    joints[:] = joints.flip(0)
    assert torch.equal(world.ant.get_joint_velocities(joint_indices=joints), velocities[:, [1, 0]])
    if world.looks_at_tensors:
        joints[0] = 2
        with raises(r"get_joint_velocities of 'ant': joint_indices .*2: expected numbers from 0 to 1\."):
            world.ant.get_joint_velocities(joint_indices=joints)


def test_indices_may_be_of_any_integer_type(world: Any) -> None:
    world.ant.set_joint_positions(world.tensor([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6], [0.7, 0.8]]))
    for indices in (np.array([2, 0], dtype=np.uint8), (2, 0), torch.tensor([2, 0], dtype=torch.int32)):
        if isinstance(indices, torch.Tensor):
            indices = indices.to(world.engine.device)
        world.close(world.ant.get_joint_positions(indices=indices), [[0.5, 0.6], [0.1, 0.2]], tol=1e-6)
    assert world.ant.get_joint_positions(indices=[]).shape == (0, 2)


@pytest.mark.parametrize(
    ("method", "argument", "count"),
    [
        *((method, "joint_indices", 2) for method in (
            "get_joint_positions", "get_joint_velocities", "get_applied_joint_efforts", "get_measured_joint_efforts",
            "get_gains", "get_max_efforts", "get_friction_coefficients", "get_armatures",
        )),
        ("get_measured_joint_forces", "joint_indices", 3),
        *((method, "body_indices", 3) for method in (
            "get_body_masses", "get_body_inertias", "get_body_coms", "get_body_disable_gravity",
        )),
    ],
)  # fmt: skip
def test_nonexistent_joints_and_links_raise(world: Any, method: str, argument: str, count: int) -> None:
    get = getattr(world.ant, method)
    for given, message in (
        ([0, count], f"name {count}: expected numbers from 0 to {count - 1}"),
        ([-1], f"name -1: expected numbers from 0 to {count - 1}"),
        (np.array([count]), f"name {count}: expected numbers from 0 to {count - 1}"),
        ([1.5], r"\[1\.5\]: expected a list of whole numbers"),
        (1, "1: expected a list of whole numbers"),
        (
            ["leg"],
            r"\['leg'\]: expected a list of whole numbers; get_dof_index and get_link_index return the number .*",
        ),
    ):
        with raises(rf"{method} of 'ant': {argument} {message}\."):
            get(**{argument: given})
    if world.looks_at_tensors:
        with raises(rf"{method} of 'ant': {argument} name {count}: expected numbers from 0 to {count - 1}\."):
            get(**{argument: torch.tensor([count])})
    assert isinstance(get(**{argument: np.array([1])}), torch.Tensor | tuple)


def test_joint_indices_of_setters_determine_the_shape(world: Any) -> None:
    for values in ([[1.0, 2.0]] * N, [1.0, 2.0]):
        with raises(r"set_joint_positions of 'ant': positions of shape \(.*\): expected \(4, 1\)\."):
            world.ant.set_joint_positions(world.tensor(values), joint_indices=[1])
    with raises(r"set_dof_limits of 'ant': joint_indices name 2: expected numbers from 0 to 1\."):
        world.ant.set_dof_limits(world.tensor([-1.0, 1.0]), joint_indices=[2])
    world.ant.set_joint_efforts(world.tensor([0.0, 0.0]), joint_indices=[1, 0])  # the same keys of a dictionary
    with raises(r"set_joint_efforts of 'ant': joint_indices \[True, False\]: expected a list of whole numbers\."):
        world.ant.set_joint_efforts(world.tensor(0.0), joint_indices=[True, False])


def test_values_need_a_row_for_each_world_of_a_mask(world: Any) -> None:
    mask = [True] + [False] * (N - 1)
    message = (
        r"set_joint_positions of 'ant': positions of shape \(1, 1\): expected \(4, 2\), with a row for each world, "
    )
    with raises(message + r"because a mask selects the worlds\."):
        world.ant.set_joint_positions(world.tensor([[1.0]]), mask)


def test_values_may_be_arrays_lists_and_one_row_or_number_for_all(world: Any) -> None:
    for values, expected in (
        (np.array([[0.1, 0.2]] * N), [0.1, 0.2]),
        ([[0.3, 0.4]] * N, [0.3, 0.4]),
        ([0.5, 0.6], [0.5, 0.6]),
        (0.7, [0.7, 0.7]),
        (world.tensor([[0.8, 0.9]]), [0.8, 0.9]),
    ):
        world.ant.set_joint_positions(values)
        world.close(world.ant.get_joint_positions(), expected, tol=1e-6)
    world.ball.set_masses(2.5)
    world.close(world.ball.get_masses(), 2.5, tol=1e-6)


def test_numbers_are_not_copied_to_another_device() -> None:
    """Copying to a GPU waits for it, so that a step with copies cannot be captured."""
    device = torch.device("meta")
    for values, copied in ((0.5, False), (1, False), ([0.5, 0.5], True)):
        with NoteOperations() as noted:
            assert values_of_shape("positions", values, (N, 2), device).shape == (N, 2)
        assert ("aten::_to_copy" in noted.names) == copied


def test_tensors_on_another_device_raise(world: Any) -> None:
    with raises(r"set_joint_positions of 'ant': positions on meta: expected .*; use \.to\('.*'\)\."):
        world.ant.set_joint_positions(torch.zeros(N, 2, device="meta"))


@pytest.mark.parametrize(
    ("name", "method", "argument", "shape", "value", "expected"),
    [
        ("ant", "set_gains", "kps", JOINTS, -1.0, "finite numbers of at least 0"),
        ("ant", "set_gains", "kds", JOINTS, math.nan, "finite numbers of at least 0"),
        ("ant", "set_max_efforts", "values", JOINTS, -1.0, "numbers of at least 0"),
        ("ant", "set_armatures", "values", JOINTS, math.inf, "finite numbers of at least 0"),
        ("ant", "set_joints_default_state", "positions", JOINTS, math.nan, "finite numbers"),
        ("ant", "set_dof_limits", "values", (2, 2), math.nan, "numbers"),
        ("ant", "set_body_masses", "values", LINKS, -1.0, "finite numbers of at least 0"),
        ("ball", "set_coms", "positions", (3,), math.inf, "finite numbers"),
        ("ball", "set_material_properties", "values", (3,), -0.5, "finite numbers of at least 0"),
        ("ant", "set_fixed_tendon_properties", "limits", (1, 2), math.nan, "numbers"),
        ("held", "set_world_poses", "positions", (3,), math.nan, "finite numbers"),
        ("held", "set_world_poses", "orientations", (4,), math.inf, "finite numbers"),
    ],
)
def test_properties_out_of_range_raise(
    world: Any, name: str, method: str, argument: str, shape: tuple[int, ...], value: float, expected: str
) -> None:
    """On a GPU, values in its memory are not checked, because that would wait for it."""
    values = np.ones((N, *shape), dtype=np.float32)
    values.flat[-1] = value
    for given in (values, values.tolist(), *[world.tensor(values)] * world.looks_at_tensors):
        with raises(rf"{method} of '{name}': {argument} contain {value:g}: expected {expected}\."):
            world.method(name, method)(**{argument: given})


def test_orientations_are_normalised(world: Any) -> None:
    """As they were given, velocities would be turned by them and stretched."""
    world.engine.reset()
    for name in ("ant", "ball", "held"):
        view = getattr(world, name)
        if name != "held":
            view.set_angular_velocities(world.everywhere(1.0, 2.0, 3.0))
        view.set_world_poses(orientations=[0, 2, 0, 0])
        world.close(view.get_world_poses()[1], [0.0, 1.0, 0.0, 0.0], tol=1e-6)
        if name != "held":
            world.close(view.get_angular_velocities(), [1.0, 2.0, 3.0], tol=1e-5)
        message = "orientations contain a quaternion of zeros: expected w, x, y, z of length 1"
        with raises(rf"set_world_poses of '{name}': {message}\."):
            view.set_world_poses(orientations=[0, 0, 0, 0])
    world.engine.reset()


def test_views_do_not_track_gradients(world: Any) -> None:
    world.engine.reset()
    world.ant.set_joint_positions(world.tensor(np.zeros((N, 2))).requires_grad_())
    assert not world.ant.get_joint_positions().requires_grad


def test_complex_values_raise(world: Any) -> None:
    with raises(r"set_joint_positions of 'ant': positions of type complex64: expected real numbers\."):
        world.ant.set_joint_positions(torch.zeros(N, 2, dtype=torch.complex64, device=world.engine.device))


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_invalid_step_counts_raise(world: Any, steps: Any) -> None:
    with raises(rf"step of '{world.engine.name}': {steps} physics steps: expected a whole number of at least 1\."):
        world.engine.step(steps)


def test_singular_masses_write_no_log(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The engine counts what it would write there as problems."""
    monkeypatch.chdir(tmp_path)
    state = world.engine.state_dict()
    world.ball.set_masses(0.0)
    world.engine.load_state_dict(state)
    assert list(tmp_path.iterdir()) == []
    assert "WARNING" not in capfd.readouterr().err


def test_limits_in_the_wrong_order_raise(world: Any) -> None:
    values = [[1.0, -1.0], [-math.inf, math.inf]]
    for given in (values, *[world.tensor(values)] * world.looks_at_tensors):
        with raises(
            r"set_dof_limits of 'ant': limits with a lower one above the upper one: expected \[lower, upper\]\."
        ):
            world.ant.set_dof_limits(given)


def test_properties_that_the_engine_does_not_support_raise(world: Any) -> None:
    for method, argument, values, capability, message in (
        ("set_material_properties", "values", [0.5, 0.5, 0.2], "restitution", "restitution"),
        ("set_material_properties", "values", [0.5, 0.6, 0.0], "static_friction", "static friction"),
    ):
        if capability in world.engine.capabilities:
            continue
        message = f"the engine {world.engine.name} does not support {message}"
        for given in (values, *[world.tensor(values)] * world.looks_at_tensors):
            with pytest.raises(CapabilityError, match=rf"\A'ball': {message}.*\Z"):
                getattr(world.ball, method)(**{argument: given})
    joint = [[-math.inf, math.inf], [-1.0, 1.0]]
    for given in (joint, *[world.tensor(joint)] * world.looks_at_tensors):
        with pytest.raises(CapabilityError, match=r"\Ajoint 'b' of 'ant': has no limits to change; .*\Z"):
            world.ant.set_dof_limits(given)
    if not world.looks_at_tensors:
        before = world.ant.get_dof_limits()
        world.ant.set_dof_limits(world.tensor(joint[1:]), indices=[0], joint_indices=[1])
        assert torch.equal(world.ant.get_dof_limits(), before)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("method", ["set_joint_positions", "set_joint_efforts", "set_joint_position_targets"])
def test_non_finite_state_fails_only_its_world(world: Any, method: str, value: float) -> None:
    world.engine.reset()
    before = world.engine.problems().get("diverged", 0)
    values = world.tensor(np.zeros((N, 2)))
    values[2, 0] = value
    getattr(world.ant, method)(values)
    world.engine.step()
    assert world.engine.problems()["diverged"] == before + 1
    assert world.ant.get_joint_positions().isfinite().all()


def test_gravity_of_wrong_shape_raises(world: Any) -> None:
    with raises(rf"set_gravity of '{world.engine.name}': gravity of shape \(4, 2\): expected \(4, 3\)\."):
        world.engine.set_gravity(world.tensor(np.zeros((N, 2))))
    with raises(rf"set_gravity of '{world.engine.name}': indices name world 4: expected numbers from 0 to 3\."):
        world.engine.set_gravity(world.tensor([0.0, 0.0, -1.0]), indices=[4])
