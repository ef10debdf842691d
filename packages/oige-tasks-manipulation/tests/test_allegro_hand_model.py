"""The model of the Allegro Hand against published figures, and how it moves and holds a cube."""

import dataclasses
import math
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.probe import probe_buffers
from oige_core.registry import load_config
from oige_core.scene import Scene
from oige_core.views import ArticulationView, RigidPrimView
from oige_tasks_manipulation.allegro_hand.description import JOINT_NAMES
from oige_tasks_manipulation.allegro_hand.robot import ALLEGRO_HAND, FINGERTIPS
from oige_tasks_manipulation.allegro_hand.task import AllegroHandTask

FINGERS = ("index", "middle", "ring")
HAND = AllegroHandTask.hand
CUBE = 0.05  # edge, m
DT = 0.0083  # s
CLOSED = {"joint_1": 0.5, "joint_2": 0.6, "joint_3": 0.6}  # rad, around a cube

# Joint origins of NVIDIA's allegro_touch_sensor.urdf: x, y, z in m; roll, pitch, yaw in degrees.
Origin = tuple[tuple[float, float, float], tuple[float, float, float]]
PALM: Origin = ((-0.008219, -0.02063, 0.08086), (0.0, -90.0, 45.0))


def finger_origins(x: float, y: float, yaw: float) -> list[Origin]:
    return [
        ((x, y, -0.0113), (180.0, -90.0, yaw)),
        ((0.0, 0.0, 0.0), (180.0, -90.0, 90.0)),
        ((0.054, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ((0.0384, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ]


CHAINS = {
    "index": finger_origins(0.0514302, -0.03632, -5.0),
    "middle": finger_origins(0.0537375, 0.0087771, 0.0),
    "ring": finger_origins(0.0514302, 0.0538749, 5.0),
    "thumb": [
        ((-0.0367482, -0.0081281, -0.0295), (-90.0, -90.0, 85.0)),
        ((0.005, 0.0, 0.0), (90.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0554), (180.0, -90.0, 0.0)),
        ((0.0514, 0.0, 0.0), (0.0, 0.0, 0.0)),
    ],
}
TIPS = {"index": 0.0622 - 0.012, "middle": 0.0622 - 0.012, "ring": 0.0622 - 0.012, "thumb": 0.0771 - 0.012}
"""Distance of the centre of a fingertip from the last joint: its end minus its radius, in m."""


@dataclasses.dataclass
class World:
    engine: MujocoEngine
    hand: ArticulationView
    tips: RigidPrimView
    cube: RigidPrimView

    @property
    def model(self) -> mujoco.MjModel:
        return self.engine.compiled.model

    def drive(self, positions: torch.Tensor, steps: int) -> None:
        self.hand.set_joint_position_targets(positions)
        self.engine.step(steps)


def make_world(num_envs: int = 1) -> World:
    """Return the hand of the task with its solver settings, and the cube where the task drops it."""
    engine = MujocoEngine(num_envs, num_threads=1)
    scene = Scene(engine, load_config("AllegroHand").task.sim)
    hand = scene.add_articulation(
        "allegro_hand", ALLEGRO_HAND, position=HAND.position, orientation=HAND.orientation, disable_gravity=True
    )
    tips = scene.add_link_view("tips", "allegro_hand", FINGERTIPS)
    cube = scene.add_box("object", size=(CUBE, CUBE, CUBE), position=HAND.object_position)
    engine.build(scene)
    return World(engine, hand, tips, cube)


@pytest.fixture
def world() -> Iterator[World]:
    made = make_world()
    yield made
    made.engine.close()


def put_away(world: World) -> None:
    world.cube.set_world_poses(torch.tensor([[5.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]]))


def targets(world: World, **angles: float) -> torch.Tensor:
    """Return position targets: the initial positions with angles in their place, by the end of the joint's name."""
    positions = world.hand.get_joint_positions()
    for joint, angle in angles.items():
        for index, name in enumerate(JOINT_NAMES):
            if name == joint or (joint.startswith("joint_") and name.endswith(joint) and "thumb" not in name):
                positions[0, index] = angle
    return positions


def transform(origin: Origin) -> np.ndarray:
    """Return the homogeneous matrix of an origin: rotations about the fixed axes x, y, z in this order."""
    (roll, pitch, yaw), matrix = np.radians(origin[1]), np.eye(4)
    about_x = [[1, 0, 0], [0, math.cos(roll), -math.sin(roll)], [0, math.sin(roll), math.cos(roll)]]
    about_y = [[math.cos(pitch), 0, math.sin(pitch)], [0, 1, 0], [-math.sin(pitch), 0, math.cos(pitch)]]
    about_z = [[math.cos(yaw), -math.sin(yaw), 0], [math.sin(yaw), math.cos(yaw), 0], [0, 0, 1]]
    matrix[:3, :3] = np.array(about_z) @ np.array(about_y) @ np.array(about_x)
    matrix[:3, 3] = origin[0]
    return matrix


def placement() -> np.ndarray:
    """Return the pose of the mount in the world: the axes of its quaternion, by hand."""
    w, x, y, z = np.array(HAND.orientation) / np.linalg.norm(HAND.orientation)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = HAND.position
    return matrix


def test_masses_are_the_published_ones(world: World) -> None:
    masses = dict(zip(world.hand.body_names, world.hand.get_body_masses()[0].tolist(), strict=True))
    expected = {"allegro_mount": 0.05, "palm_link": 0.4154}
    for finger in FINGERS:
        links = (0.0119, 0.065, 0.0355, 0.0096 + 0.021)
        expected |= {f"{finger}_link_{link}": mass for link, mass in enumerate(links)}
    links = (0.0176, 0.0119, 0.038, 0.0388 + 0.021)
    expected |= {f"thumb_link_{link}": mass for link, mass in enumerate(links)}
    assert masses == pytest.approx(expected, abs=1e-6)
    assert sum(masses.values()) == pytest.approx(1.0217, abs=1e-4)


def test_joints_are_in_upstream_order_with_its_limits(world: World) -> None:
    order = [f"{finger}_joint_{joint}" for joint in range(4) for finger in (*FINGERS, "thumb")]
    assert world.hand.dof_names == order == list(JOINT_NAMES)
    spread, flexion = [-0.5585, 0.5585], [-0.2792, 1.7278]
    thumb = [[0.2792, 1.5708], [-0.3316, 1.1519], flexion, [-0.2792, 1.7627]]
    limits = [joint for index in range(4) for joint in [spread if index == 0 else flexion] * 3 + [thumb[index]]]
    torch.testing.assert_close(world.hand.get_dof_limits()[0], torch.tensor(limits))


def test_each_joint_has_one_drive_with_the_gains_and_limit_of_upstream(world: World) -> None:
    assert world.model.nu == 16
    assert sorted(world.model.actuator_trnid[:, 0].tolist()) == list(range(16))
    stiffness, damping = world.hand.get_gains()
    assert stiffness.unique().tolist() == [3.0]
    assert damping.unique().tolist() == pytest.approx([0.1])
    assert world.hand.get_max_efforts().unique().tolist() == [0.5]
    assert world.model.dof_damping[:16] == pytest.approx(
        0.5 / 6.283, abs=1e-4
    )  # effort limit / published maximum speed


def test_fingertips_are_where_the_published_kinematics_put_them(world: World) -> None:
    random = np.random.default_rng(0)
    lower, upper = world.hand.get_dof_limits()[0].double().numpy().T
    data = mujoco.MjData(world.model)
    for _ in range(20):
        positions = random.uniform(lower, upper)
        for name, position in zip(JOINT_NAMES, positions, strict=True):
            data.joint(f"allegro_hand/{name}").qpos = position
        mujoco.mj_kinematics(world.model, data)
        for finger, origins in CHAINS.items():
            frame = placement() @ transform(PALM)
            for joint, origin in enumerate(origins):
                angle = math.degrees(positions[JOINT_NAMES.index(f"{finger}_joint_{joint}")])
                frame = frame @ transform(origin) @ transform(((0.0, 0.0, 0.0), (0.0, 0.0, angle)))
            expected = frame @ [TIPS[finger], 0.0, 0.0, 1.0]
            distal = data.body(f"allegro_hand/{finger}_link_3")
            tip = distal.xpos + distal.xmat.reshape(3, 3) @ [TIPS[finger], 0.0, 0.0]
            np.testing.assert_allclose(tip, expected[:3], rtol=0.0, atol=1e-6)
            shape = world.model.geom(f"allegro_hand/{finger}_distal")  # a capsule along the link
            assert [shape.pos[0] + shape.size[1], *shape.pos[1:]] == pytest.approx([TIPS[finger], 0.0, 0.0], abs=1e-6)
            assert shape.size[0] == 0.012


def push(world: World, torque: float) -> list[float]:
    """Push the joints of the middle finger for a second with a torque in N·m; return how far they are bent, in rad."""
    fixed = targets(world)
    torques = torch.zeros(1, len(FINGERTIPS), 3)
    torques[0, FINGERTIPS.index("middle_link_3"), 0] = -torque  # the axis of the three joints is −x of the world
    for _ in range(120):
        world.tips.apply_forces_and_torques_at_pos(torques=torques)
        world.drive(fixed, 1)
    bending = [JOINT_NAMES.index(f"middle_joint_{joint}") for joint in (1, 2, 3)]
    return world.hand.get_joint_positions()[0, bending].tolist()


@pytest.mark.parametrize(("torque", "bent"), [(0.3, 0.1), (-0.45, -0.15), (-0.49, -0.49 / 3)])
def test_drive_gives_way_as_its_stiffness_says(world: World, torque: float, bent: float) -> None:
    """Torque / stiffness, within the dry friction of 0.01 N·m."""
    put_away(world)
    assert push(world, torque) == pytest.approx([bent] * 3, abs=0.01 / 3 + 1e-3)


def test_drive_gives_way_beyond_its_limit(world: World) -> None:
    """0.53 N·m are more than 0.5 of the drive and 0.01 of friction, but 3 N·m/rad would hold it at −0.18 rad."""
    put_away(world)
    assert push(world, -0.53) == pytest.approx([-0.2792] * 3, abs=0.01)


def test_joints_follow_their_targets_without_ringing(world: World) -> None:
    put_away(world)
    start = targets(world)
    goal = targets(world, joint_1=0.8)
    bending = JOINT_NAMES.index("middle_joint_1")
    trace = []
    world.hand.set_joint_position_targets(goal)
    for _ in range(120):
        world.engine.step()
        trace.append(world.hand.get_joint_positions()[0, bending].item())
    assert max(trace) < 0.8 + 0.08
    assert trace[-1] == pytest.approx(0.8, abs=0.01 / 3 + 1e-3)
    assert trace[60] == pytest.approx(0.8, abs=0.02)  # 0.5 s
    assert 4.5 < np.diff(trace).max() / DT < 6.283  # rad/s, of 0.5 N·m against the damping
    others = [index for index in range(16) if index != bending and "joint_1" not in JOINT_NAMES[index]]
    torch.testing.assert_close(world.hand.get_joint_positions()[:, others], start[:, others], atol=0.02, rtol=0.0)


def test_fingers_bend_towards_the_side_that_the_palm_faces(world: World) -> None:
    put_away(world)
    straight = world.tips.get_world_poses()[0][0]
    world.drive(targets(world, joint_1=0.5), 120)
    bent = world.tips.get_world_poses()[0][0]
    assert (bent[:3, 2] - straight[:3, 2]).min() > 0.03  # up
    assert straight[:3, 0].tolist() == sorted(straight[:3, 0].tolist())  # index, middle, ring along x
    assert straight[3, 0] < straight[0, 0] - 0.05  # thumb beside the index finger


def test_initial_pose_touches_nothing_and_fists_open_again(world: World) -> None:
    put_away(world)
    start = world.hand.get_joint_positions()
    data = mujoco.MjData(world.model)
    data.qpos[:16] = [start[0, JOINT_NAMES.index(world.model.joint(i).name.split("/")[1])] for i in range(16)]
    data.qpos[16] = 5.0
    mujoco.mj_forward(world.model, data)
    assert data.ncon == 0
    upper = world.hand.get_dof_limits()[:, :, 1]
    world.drive(upper, 240)
    assert world.hand.get_joint_positions()[0].mean() > 0.8  # a fist
    world.drive(start, 360)
    torch.testing.assert_close(world.hand.get_joint_positions(), start, atol=0.01, rtol=0.0)


def test_cube_comes_to_rest_on_the_palm(world: World) -> None:
    """The finger links are 9.8 mm thick above the line of their joints, which descends by 5.4° towards the tips."""
    world.drive(targets(world), 240)
    (x, y, z), _ = (part[0].tolist() for part in world.cube.get_world_poses())
    slope = math.sin(math.radians(5.4)), math.cos(math.radians(5.4))
    knuckle = placement() @ transform(PALM) @ [0.0537375, 0.0087771, -0.0113, 1.0]
    above = knuckle[2] - (knuckle[1] - y) / slope[1] * slope[0] + (0.0098 + CUBE / 2) / slope[1]
    assert (x, y) == pytest.approx((0.0, -0.2), abs=0.01)
    assert z == pytest.approx(above, abs=2.5e-3)
    assert world.cube.get_velocities().abs().max() < 2e-3  # m/s, rad/s
    assert world.hand.get_joint_velocities().abs().max() < 2e-3


def test_held_cube_does_not_creep(world: World) -> None:
    world.drive(targets(world), 60)
    world.drive(targets(world, **CLOSED), 180)
    before = world.cube.get_world_poses()[0].clone()
    seconds = 4.0
    world.engine.step(round(seconds / DT))
    drift = (world.cube.get_world_poses()[0] - before).norm().item() / seconds
    assert drift < 1e-4  # m/s
    assert before[0, 2] > 0.5


def test_closing_hand_needs_few_contacts_and_hardly_enters_the_cube(world: World) -> None:
    """Buffers of the GPU have room for them; contacts with MuJoCo's default stiffness would be deeper."""
    contacts, rows = probe_buffers(world.model)
    model, data, cube = world.model, mujoco.MjData(world.model), world.model.body("object").geomadr[0]
    data.qpos[:] = world.engine.compiled.qpos
    most, depths = [0, 0], []
    for step in range(960):
        opens = (step // 120) % 2
        data.ctrl[:] = 3.0 * model.jnt_range[:16, 0 if opens else 1]  # targets times stiffness
        mujoco.mj_step(model, data)
        most = [max(most[0], data.ncon), max(most[1], data.nefc)]
        depths += [-contact.dist for contact in data.contact if cube in contact.geom]
    assert 8 <= most[0] <= contacts / 1.5
    assert most[1] <= rows / 1.3
    assert np.percentile(depths, 99) < 4e-3  # m


def test_random_targets_do_no_harm() -> None:
    """10,000 physics steps of 8 worlds: nothing diverges or flies off."""
    world = make_world(num_envs=8)
    random = torch.Generator().manual_seed(0)
    low, high = world.hand.get_dof_limits()[0].unbind(-1)
    start, opened = world.cube.get_world_poses(), targets(world)
    fastest = highest = 0.0
    for step in range(2500):
        if step % 50 == 0:
            world.cube.set_world_poses(*start)
            world.cube.set_velocities(torch.zeros(8, 6))
            world.hand.set_joint_positions(opened)
            world.hand.set_joint_velocities(torch.zeros(8, 16))
        world.drive(low + (high - low) * torch.rand(8, 16, generator=random), 4)
        speeds, heights = world.hand.get_joint_velocities(), world.cube.get_world_poses()[0][:, 2]
        assert speeds.isfinite().all()
        fastest, highest = max(fastest, speeds.abs().max().item()), max(highest, heights.max().item())
    assert world.engine.problems() == {}
    assert 6.0 < fastest < 40.0  # rad/s, which contacts make larger than the drives can
    assert 0.55 < highest < 1.5  # m
    world.engine.close()
