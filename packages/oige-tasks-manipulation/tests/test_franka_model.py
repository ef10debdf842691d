"""The model of the Franka Panda against its published parameters; independent sums over links check its dynamics."""

import itertools
import math
import re

import mujoco
import numpy as np
import pytest
from oige_tasks_manipulation.franka.description import JOINT_NAMES
from oige_tasks_manipulation.franka.robot import DEFAULT_JOINT_POSITIONS, FRANKA, MAX_VELOCITY

G = 9.81

# Franka's documentation, Craig's convention: a in m, d in m, alpha in rad, of joints 1 to 7 and the flange.
DH = [
    (0.0, 0.333, 0.0),
    (0.0, 0.0, -math.pi / 2),
    (0.0, 0.316, math.pi / 2),
    (0.0825, 0.0, math.pi / 2),
    (-0.0825, 0.384, -math.pi / 2),
    (0.0, 0.0, math.pi / 2),
    (0.088, 0.0, math.pi / 2),
    (0.0, 0.107, 0.0),
]
FINGER_HEIGHT = 0.0584  # m; of the fingers' frames above the hand's
PAD = 0.04525  # m; of the middle of the pads above the fingers' frames
START = [1.157, -1.066, -0.155, -2.239, -1.841, 1.003, 0.469, 0.035, 0.035]  # where FrankaCabinet begins

# Gaz et al. 2019, links 1 to 7: mass in kg, centre of mass in m, inertia about it (xx, yy, zz, xy, xz, yz) in kg m².
LINKS = [
    (4.970684, (3.875e-3, 2.081e-3, -0.04762), (0.70337, 0.70661, 9.117e-3, -1.39e-4, 6.772e-3, 1.9169e-2)),
    (0.646926, (-3.141e-3, -0.02872, 3.495e-3), (7.962e-3, 2.811e-2, 2.5995e-2, -3.925e-3, 1.0254e-2, 7.04e-4)),
    (3.228604, (0.027518, 0.039252, -0.066502), (3.7242e-2, 3.6155e-2, 1.083e-2, -4.761e-3, -1.1396e-2, -1.2805e-2)),
    (3.587895, (-0.05317, 0.104419, 0.027454), (2.5853e-2, 1.9552e-2, 2.8323e-2, 7.796e-3, -1.332e-3, 8.641e-3)),
    (1.225946, (-0.011953, 0.041065, -0.038437), (3.5549e-2, 2.9474e-2, 8.627e-3, -2.117e-3, -4.037e-3, 2.29e-4)),
    (1.666555, (0.060149, -0.014117, -0.010517), (1.964e-3, 4.354e-3, 5.433e-3, 1.09e-4, -1.158e-3, 3.41e-4)),
    (0.735522, (0.010517, -0.004252, 0.061597), (1.2516e-2, 1.0027e-2, 4.815e-3, -4.28e-4, -1.196e-3, -7.41e-4)),
]
HAND = (0.6544, (-3.76e-5, 0.0119128, 0.020726), (1.86e-3, 3e-4, 1.74e-3, 0.0, 0.0, -2e-5))
LEFT_FINGER = (0.0291, (0.0, 0.015285, 0.0219675), (8.49e-6, 8.53e-6, 1.77e-6, 0.0, 0.0, -1.06e-6))
RIGHT_FINGER = (0.0291, (0.0, -0.015285, 0.0219675), (8.49e-6, 8.53e-6, 1.77e-6, 0.0, 0.0, 1.06e-6))
BASE_MASS = 0.629769
ROTORS = [0.605721456] * 2 + [0.462474144] * 2 + [0.205544064] * 3 + [0.0] * 2  # kg m², of the FR3


@pytest.fixture(scope="module")
def model() -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(FRANKA.mjcf))


def transform(a: float, d: float, alpha: float, theta: float) -> np.ndarray:
    """Return the pose (4, 4) of a frame in the one before it: Rx(alpha) Tx(a) Rz(theta) Tz(d)."""
    sa, ca, st, ct = math.sin(alpha), math.cos(alpha), math.sin(theta), math.cos(theta)
    return np.array(
        [
            [ct, -st, 0.0, a],
            [st * ca, ct * ca, -sa, -sa * d],
            [st * sa, ct * sa, ca, ca * d],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def shifted(pose: np.ndarray, x: float, y: float, z: float) -> np.ndarray:
    result = pose.copy()
    result[:3, 3] += pose[:3, :3] @ [x, y, z]
    return result


def frames(q: np.ndarray) -> list[np.ndarray]:
    """Return the poses (4, 4) of links 1 to 7, of the flange, the hand and the fingers in that of the base."""
    result, pose = [], np.eye(4)
    for (a, d, alpha), theta in zip(DH, [*q[:7], 0.0], strict=True):
        pose = pose @ transform(a, d, alpha, theta)
        result.append(pose)
    hand = pose @ transform(0.0, 0.0, 0.0, -math.pi / 4)
    return [*result, hand, shifted(hand, 0.0, q[7], FINGER_HEIGHT), shifted(hand, 0.0, -q[8], FINGER_HEIGHT)]


def moving_links(q: np.ndarray) -> list[tuple[np.ndarray, float, np.ndarray, np.ndarray]]:
    """Return pose, mass, centre of mass and inertia (3, 3), in the world, of each moving link with a mass."""
    poses = frames(q)
    result = []
    for pose, (mass, centre, inertia) in zip(
        [*poses[:7], *poses[8:]], [*LINKS, HAND, LEFT_FINGER, RIGHT_FINGER], strict=True
    ):
        xx, yy, zz, xy, xz, yz = inertia
        tensor = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        rotation = pose[:3, :3]
        result.append((pose, mass, pose[:3, 3] + rotation @ centre, rotation @ tensor @ rotation.T))
    return result


def random_poses(model: mujoco.MjModel, count: int) -> np.ndarray:
    low, high = model.jnt_range.T
    return np.random.default_rng(0).uniform(low, high, (count, 9))


def placed(model: mujoco.MjModel, q: np.ndarray) -> mujoco.MjData:
    data = mujoco.MjData(model)
    data.qpos[:] = q
    mujoco.mj_forward(model, data)
    return data


def test_frames_match_the_dh_parameters(model: mujoco.MjModel) -> None:
    names = [*(f"panda_link{number}" for number in range(1, 9)), "panda_hand", "panda_leftfinger", "panda_rightfinger"]
    for q in random_poses(model, 50):
        data = placed(model, q)
        for name, pose in zip(names, frames(q), strict=True):
            assert data.body(name).xpos == pytest.approx(pose[:3, 3], abs=1e-6), name
            assert data.body(name).xmat.reshape(3, 3) == pytest.approx(pose[:3, :3], abs=1e-6), name


def test_pads_meet_in_the_middle_of_the_hand(model: mujoco.MjModel) -> None:
    """The inner face of a pad is as far from the middle as its joint's position."""
    half_depth = model.geom("leftfinger_pad").size[1]
    for q in random_poses(model, 10):
        data, hand = placed(model, q), frames(q)[8]
        for side, position in (("left", q[7]), ("right", -q[8])):
            face = position + math.copysign(half_depth, position)
            expected = shifted(hand, 0.0, face, FINGER_HEIGHT + PAD)[:3, 3]
            assert data.geom(f"{side}finger_pad").xpos == pytest.approx(expected, abs=1e-6)


def test_masses_match_the_published_ones(model: mujoco.MjModel) -> None:
    expected = [BASE_MASS, *(link[0] for link in LINKS), 0.0, HAND[0], LEFT_FINGER[0], RIGHT_FINGER[0]]
    assert model.body_mass[1:] == pytest.approx(expected, abs=1e-7)
    assert model.body_subtreemass[1] == pytest.approx(17.4045, abs=1e-4)


def test_limits_match_the_published_ones(model: mujoco.MjModel) -> None:
    assert [model.joint(joint).name for joint in range(model.njnt)] == list(JOINT_NAMES)
    assert model.jnt_limited.all()
    assert model.jnt_range[:, 0].tolist() == [-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973, 0.0, 0.0]
    assert model.jnt_range[:, 1].tolist() == [2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973, 0.04, 0.04]
    assert model.dof_armature.tolist() == ROTORS
    efforts = np.array(
        [
            next(drive.max_effort for joints, drive in FRANKA.drives.items() if re.fullmatch(joints, name))
            for name in JOINT_NAMES
        ]
    )
    assert efforts.tolist() == [87.0] * 4 + [12.0] * 3 + [200.0] * 2
    assert model.dof_damping == pytest.approx(efforts / MAX_VELOCITY, rel=1e-3)


def test_gravity_torques_equal_the_sum_over_links(model: mujoco.MjModel) -> None:
    """They are the slope of the potential energy of the links."""
    step = 1e-5
    for q in [*random_poses(model, 5), np.array(START)]:
        expected = []
        for joint in range(9):
            forward, back = q.copy(), q.copy()
            forward[joint] += step
            back[joint] -= step
            energies = [
                G * sum(mass * centre[2] for _, mass, centre, _ in moving_links(pose)) for pose in (forward, back)
            ]
            expected.append((energies[0] - energies[1]) / (2 * step))
        assert placed(model, q).qfrc_bias == pytest.approx(expected, abs=1e-6)


def test_mass_matrix_equals_the_sum_over_links(model: mujoco.MjModel) -> None:
    """It is Σ m Jv'Jv + Jw' I Jw and the rotors' inertias, with Jacobians from the axes of the joints."""
    for q in [*random_poses(model, 5), np.array(START)]:
        poses, links = frames(q), moving_links(q)
        total = np.diag(ROTORS).astype(float)
        for index, (_, mass, centre, inertia) in enumerate(links):
            linear, angular = np.zeros((3, 9)), np.zeros((3, 9))
            for joint in range(min(index + 1, 7)):
                axis = poses[joint][:3, 2]
                linear[:, joint] = np.cross(axis, centre - poses[joint][:3, 3])
                angular[:, joint] = axis
            if index >= 8:
                linear[:, index - 1] = poses[8][:3, 1] * (1.0 if index == 8 else -1.0)
            total += mass * linear.T @ linear + angular.T @ inertia @ angular
        data = placed(model, q)
        matrix = np.zeros((9, 9))
        mujoco.mj_fullM(model, data, matrix)
        assert matrix == pytest.approx(total, abs=1e-9)
        assert np.linalg.eigvalsh(matrix).min() > 0.0


def test_robot_touches_neither_itself_nor_the_ground() -> None:
    """Neighbours of first and second degree never collide, and nothing does in the poses in which tasks start."""
    spec = mujoco.MjSpec.from_file(str(FRANKA.mjcf))
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[0, 0, 1], contype=1, conaffinity=1)
    model = spec.compile()
    for q in (list(DEFAULT_JOINT_POSITIONS.values()), START):
        assert placed(model, np.array(q)).ncon == 0
    neighbours = [{f"panda_link{a}", f"panda_link{b}"} for a, b in itertools.pairwise(range(8))]
    neighbours += [{f"panda_link{a}", f"panda_link{a + 2}"} for a in range(6)]
    for q in random_poses(model, 300):
        for contact in placed(model, q).contact:
            assert {model.body(model.geom_bodyid[geom]).name for geom in contact.geom} not in neighbours


def test_shells_lie_around_the_colliding_capsules(model: mujoco.MjModel) -> None:
    """What is seen of the moving links, and what collides, differ by at most 3 cm, in any pose."""
    capsules = np.flatnonzero((model.geom_type == mujoco.mjtGeom.mjGEOM_CAPSULE) & (model.geom_contype != 0))
    shells = np.flatnonzero((model.geom_type == mujoco.mjtGeom.mjGEOM_MESH) & (model.geom_bodyid > 1))
    assert len(shells) == 8
    assert not model.geom_contype[shells].any()
    assert not model.geom_conaffinity[shells].any()
    for q in random_poses(model, 3):
        data = placed(model, q)
        for shell in shells.tolist():
            mesh = model.geom_dataid[shell]
            first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
            vertices = _in_world(data, shell, model.mesh_vert[first : first + count])
            gaps = np.min([_gap(model, data, capsule, vertices) for capsule in capsules.tolist()], axis=0)
            assert gaps.max() < 0.03, model.body(model.geom_bodyid[shell]).name
            assert gaps.max() > 0.0


def _in_world(data: mujoco.MjData, geom: int, points: np.ndarray) -> np.ndarray:
    return points @ data.geom_xmat[geom].reshape(3, 3).T + data.geom_xpos[geom]


def _gap(model: mujoco.MjModel, data: mujoco.MjData, capsule: int, points: np.ndarray) -> np.ndarray:
    """Return the distances (N,) of points from a capsule, in m; negative inside."""
    axis = data.geom_xmat[capsule].reshape(3, 3)[:, 2]
    radius, half_length, _ = model.geom_size[capsule]
    offset = points - data.geom_xpos[capsule]
    along = np.clip(offset @ axis, -half_length, half_length)
    return np.linalg.norm(offset - along[:, None] * axis, axis=1) - radius
