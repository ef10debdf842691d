"""The arrays of Warp variants against the views, which other tests hold against closed forms, on every executor."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import warp as wp
from oige_core.errors import CapabilityError
from oige_core.scene import ArticulationAsset, Drive, Scene

WALKER = """
<mujoco>
  <worldbody>
    <body name="torso">
      <freejoint/>
      <geom type="box" size="0.2 0.1 0.05" mass="2"/>
      <body name="left" pos="0 0.15 0">
        <joint name="left_hip" axis="1 0 0"/>
        <geom type="capsule" fromto="0 0 0 0 0.3 0" size="0.03" mass="0.5"/>
        <body name="left_foot" pos="0 0.3 0">
          <joint name="left_knee" axis="0 0 1"/>
          <geom type="capsule" fromto="0 0 0 0 0.2 -0.1" size="0.03" mass="0.3"/>
        </body>
      </body>
      <body name="right" pos="0 -0.15 0">
        <joint name="right_hip" axis="1 0 0"/>
        <geom type="capsule" fromto="0 0 0 0 -0.3 0" size="0.03" mass="0.5"/>
      </body>
    </body>
  </worldbody>
</mujoco>
"""
# Breadth first: left_hip, right_hip, left_knee; MuJoCo's own order is another.
JOINTS = ["left_hip", "right_hip", "left_knee"]
N = 3


def walker(drive: Drive, **options: Any) -> Callable[[Scene], dict[str, Any]]:
    asset = ArticulationAsset(mjcf=WALKER, usd="", drives={".*": drive}, joint_positions={"left_knee": 0.3})

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        tracked: dict[str, Any] = {"track_joint_forces": True} | options
        robot = scene.add_articulation("robot", asset, position=(0.0, 0.0, 0.5), **tracked)
        return {"robot": robot}

    return set_up_scene


@pytest.fixture(scope="module")
def driven(build, executor):
    world = build(walker(Drive(stiffness=20.0, damping=1.0, max_effort=8.0)), N, executor, dt=0.005)
    assert world.robot.dof_names == JOINTS
    return world


@pytest.fixture(scope="module")
def free(build, executor):
    return build(walker(Drive(max_effort=8.0)), N, executor, dt=0.005)


def mask(world, *flags: bool) -> wp.array:
    return wp.from_torch(torch.tensor(flags, device=world.engine.device))


def nothing() -> None:
    """Launch nothing."""


def tensors(arrays: Any) -> dict[str, torch.Tensor]:
    names = ("joint_positions", "joint_velocities", "root_positions", "root_orientations")
    names += ("root_linear_velocities", "root_angular_velocities", "joint_forces")
    return {name: wp.to_torch(getattr(arrays, name)) for name in names}


def assert_arrays_are_the_views(world, arrays) -> None:
    values, robot = tensors(arrays), world.robot
    positions, orientations = robot.get_world_poses()
    velocities = robot.get_velocities()
    world.close(values["joint_positions"], robot.get_joint_positions(), tol=0)
    world.close(values["joint_velocities"], robot.get_joint_velocities(), tol=0)
    world.close(values["root_positions"], positions, tol=0)
    world.close(values["root_orientations"][:, [3, 0, 1, 2]], orientations, tol=0)
    world.close(values["root_linear_velocities"], velocities[:, :3], tol=0)
    world.close(values["root_angular_velocities"], velocities[:, 3:], tol=1e-5)
    world.close(values["joint_forces"], robot.get_measured_joint_forces(), tol=0)


def throw(world, seed: int = 0) -> None:
    """Give each world a state of its own."""
    random = torch.Generator().manual_seed(seed)
    robot = world.robot
    quaternions = torch.nn.functional.normalize(torch.randn(N, 4, generator=random), dim=-1)
    world.engine.reset()
    robot.set_world_poses(orientations=world.tensor(quaternions))
    robot.set_velocities(world.tensor(torch.randn(N, 6, generator=random)))
    robot.set_joint_positions(world.tensor(0.5 * torch.randn(N, 3, generator=random)))
    robot.set_joint_velocities(world.tensor(torch.randn(N, 3, generator=random)))


def test_step_reads_all_arrays(driven) -> None:
    worlds = driven.engine.to_warp()
    arrays = worlds.articulation(driven.robot)
    throw(driven)
    worlds.capture_step(40, nothing, nothing)()  # long enough to reach the ground
    assert driven.robot.get_measured_joint_forces().abs().max() > 10.0
    assert_arrays_are_the_views(driven, arrays)


def test_untracked_link_forces_are_nan(build, executor) -> None:
    world = build(walker(Drive(), track_joint_forces=["left_foot"]), N, executor, dt=0.005)
    worlds = world.engine.to_warp()
    forces = wp.to_torch(worlds.articulation(world.robot).joint_forces)
    worlds.capture_step(100, nothing, nothing)()  # it lies on the ground
    foot = world.robot.get_link_index("left_foot")
    world.close(forces[:, [foot]], world.robot.get_measured_joint_forces(joint_indices=[foot]), tol=0)
    assert forces[:, foot].abs().max() > 0.1
    assert forces.isnan().all(dim=-1).sum(dim=-1).tolist() == [world.robot.num_bodies - 1] * N


def test_efforts_and_targets_match_the_view(driven) -> None:
    worlds = driven.engine.to_warp()
    arrays = worlds.articulation(driven.robot)
    step = worlds.capture_step(10, nothing, nothing)
    random = torch.Generator().manual_seed(1)
    position, velocity, effort = (driven.tensor(torch.randn(N, 3, generator=random)) for _ in range(3))
    throw(driven)
    wp.to_torch(arrays.joint_position_targets).copy_(position)
    wp.to_torch(arrays.joint_velocity_targets).copy_(velocity)
    wp.to_torch(arrays.joint_efforts).copy_(effort)
    step()
    reached = driven.robot.get_joint_positions()
    throw(driven)
    driven.robot.set_joint_position_targets(position)
    driven.robot.set_joint_velocity_targets(velocity)
    driven.robot.set_joint_efforts(effort)
    driven.engine.step(10)
    driven.close(reached, driven.robot.get_joint_positions(), tol=1e-6)
    throw(driven)
    driven.engine.step(10)
    assert (reached - driven.robot.get_joint_positions()).abs().max() > 0.05  # they did drive


def test_efforts_act_without_gains(free) -> None:
    worlds = free.engine.to_warp()
    arrays = worlds.articulation(free.robot)
    wp.to_torch(arrays.joint_efforts)[:] = free.everywhere(1.0, -2.0, 20.0)
    step = worlds.capture_step(1, nothing, nothing)
    step()
    assert free.robot.get_applied_joint_efforts().tolist() == [[1.0, -2.0, 20.0]] * N
    assert free.robot.get_measured_joint_efforts().tolist() == [[1.0, -2.0, 8.0]] * N
    free.robot.set_joint_efforts(free.everywhere(3.0, 4.0, 5.0))  # by the view, too
    step()
    assert free.robot.get_applied_joint_efforts().tolist() == [[3.0, 4.0, 5.0]] * N
    free.engine.reset()
    step()
    assert not free.robot.get_applied_joint_efforts().any()


def test_written_state_applies_only_to_masked_worlds(driven) -> None:
    worlds = driven.engine.to_warp()
    arrays = worlds.articulation(driven.robot)
    throw(driven, seed=2)
    worlds.capture(worlds.launch_read)()
    before = driven.robot.get_joint_positions()
    values = tensors(arrays)
    values["joint_positions"][:] = driven.everywhere(0.1, 0.2, 0.3)
    values["joint_velocities"][:] = driven.everywhere(1.0, 2.0, 3.0)
    values["root_positions"][:] = driven.everywhere(4.0, 5.0, 6.0)
    values["root_orientations"][:] = driven.everywhere(0.5, -0.5, 0.5, 0.5)  # x, y, z, w
    values["root_linear_velocities"][:] = driven.everywhere(7.0, 8.0, 9.0)
    values["root_angular_velocities"][:] = driven.everywhere(-1.0, 2.0, 0.5)
    chosen = mask(driven, True, False, True)
    worlds.capture(lambda: worlds.launch_write(chosen))()
    robot, rows = driven.robot, [0, 2]
    positions, orientations = robot.get_world_poses()
    driven.close(robot.get_joint_positions()[rows], [[0.1, 0.2, 0.3]] * 2, tol=1e-6)
    driven.close(robot.get_joint_velocities()[rows], [[1.0, 2.0, 3.0]] * 2, tol=1e-6)
    driven.close(positions[rows], [[4.0, 5.0, 6.0]] * 2, tol=0)
    driven.close(orientations[rows], [[0.5, 0.5, -0.5, 0.5]] * 2, tol=0)
    driven.close(robot.get_velocities()[rows], [[7.0, 8.0, 9.0, -1.0, 2.0, 0.5]] * 2, tol=1e-5)
    driven.close(robot.get_joint_positions()[1], before[1], tol=0)
    driven.close(positions[1], [0.0, 0.0, 0.5], tol=1e-6)


def test_reset_matches_the_engine_in_masked_worlds_only(driven) -> None:
    worlds = driven.engine.to_warp()
    arrays = worlds.articulation(driven.robot)
    chosen = mask(driven, False, True, False)
    reset = worlds.capture(lambda: worlds.launch_reset(chosen))
    outcomes = []
    for with_warp in (True, False):
        throw(driven, seed=3)
        driven.robot.set_joint_position_targets(driven.everywhere(1.0, 1.0, 1.0))
        driven.engine.step(20)
        if with_warp:
            reset()
            assert_arrays_are_the_views(driven, arrays)
        else:
            driven.engine.reset(torch.tensor([1], device=driven.engine.device))
        assert (driven.robot.get_measured_joint_forces()[1] == 0).all()
        outcomes.append([driven.robot.get_joint_positions(), driven.robot.get_world_poses()[0]])
        driven.engine.step(20)
        outcomes[-1] += [driven.robot.get_joint_positions(), driven.robot.get_measured_joint_forces()]
    for ours, theirs in zip(*outcomes, strict=True):
        driven.close(ours, theirs, tol=1e-5)


def test_kernels_before_and_after_physics_run_in_order(free) -> None:
    worlds = free.engine.to_warp()
    arrays = worlds.articulation(free.robot)
    device = wp.device_from_torch(free.engine.device)
    marks, seen = wp.zeros((N, 3), dtype=float, device=device), wp.zeros((N, 3), dtype=float, device=device)
    wp.synchronize_device(device)  # zeros come on Warp's own stream
    calls = []

    def before() -> None:
        calls.append("before")
        wp.copy(marks, arrays.joint_positions)

    def after() -> None:
        calls.append("after")
        wp.copy(seen, arrays.joint_positions)

    throw(free, seed=4)
    worlds.capture(worlds.launch_read)()
    step = worlds.capture_step(3, before, after)
    for _ in range(3):
        start = free.robot.get_joint_positions()
        step()
        free.close(wp.to_torch(marks), start, tol=0)
        free.close(wp.to_torch(seen), free.robot.get_joint_positions(), tol=0)
        assert (wp.to_torch(marks) != wp.to_torch(seen)).all()
    # Both to find the kernels that must be compiled and to capture them, but not in every step.
    assert sorted(calls) == ["after", "after", "before", "before"]


def test_wrenches_act_during_one_step(free) -> None:
    worlds = free.engine.to_warp()
    worlds.articulation(free.robot)
    step = worlds.capture_step(1, nothing, nothing)
    free.engine.reset()
    wrenches = free.engine.executor.field("xfrc_applied")
    wrenches[:, 1, 0] = 3.3  # N on the torso
    free.engine.worlds.mark_wrenches()
    step()
    assert (wrenches == 0).all()
    momentum = 3.3 * free.engine.physics_dt
    torso = free.robot.get_velocities()[:, 0]
    step()
    assert (torso > momentum / 3.3).all()  # of 3.3 kg, whose legs lag behind
    free.close(free.robot.get_velocities()[:, 0], torso, tol=0.1 * momentum)


def test_model_changes_apply_to_later_steps(free) -> None:
    worlds = free.engine.to_warp()
    arrays = worlds.articulation(free.robot)
    step = worlds.capture_step(1, nothing, nothing)
    free.engine.reset()
    step()
    for gravity in (-2.0, 4.0):  # the first gives worlds their own gravity, so that the step is captured again
        free.engine.set_gravity(free.everywhere(0.0, 0.0, gravity))
        free.engine.reset()
        step()
        velocities = wp.to_torch(arrays.root_linear_velocities)
        free.close(velocities, [[0.0, 0.0, gravity * free.engine.physics_dt]] * N, tol=1e-6)
    free.engine.set_gravity(free.everywhere(0.0, 0.0, -9.81))


def test_joint_forces_without_gravity_raise(build) -> None:
    world = build(walker(Drive(), disable_gravity=True), N)
    with pytest.raises(CapabilityError, match=r"^'robot': Warp variants cannot measure joint forces where gravity"):
        world.engine.to_warp().articulation(world.robot)
