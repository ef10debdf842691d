"""The Shadow Hand against its published figures: tree, masses, limits, drives and kinematics."""

import math
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
import torch
from oige_tasks_manipulation.shadow_hand.description import FINGERTIPS
from oige_tasks_manipulation.shadow_hand.robot import ACTUATED_JOINTS, SHADOW_HAND
from shadow_hand_worlds import ROOT, HandWorlds, make_hand

FINGERS = ("FF", "MF", "RF", "LF")

JOINTS = [
    *("WRJ1", "WRJ0"),
    *("FFJ3", "MFJ3", "RFJ3", "LFJ4", "THJ4"),
    *("FFJ2", "MFJ2", "RFJ2", "LFJ3", "THJ3"),
    *("FFJ1", "MFJ1", "RFJ1", "LFJ2", "THJ2"),
    *("FFJ0", "MFJ0", "RFJ0", "LFJ1", "THJ1"),
    *("LFJ0", "THJ0"),
]
"""Breadth-first."""

LIMITS = {
    "WRJ1": (-0.489, 0.14),
    "WRJ0": (-0.698, 0.489),
    **{f"{finger}J3": (-0.349, 0.349) for finger in FINGERS},
    **{f"{finger}J{joint}": (0.0, 1.571) for finger in FINGERS for joint in (2, 1, 0)},
    "LFJ4": (0.0, 0.785),
    "THJ4": (-1.047, 1.047),
    "THJ3": (0.0, 1.222),
    "THJ2": (-0.209, 0.209),
    "THJ1": (-0.524, 0.524),
    "THJ0": (-1.571, 0.0),
}  # rad

MAX_EFFORTS = {
    "WRJ1": 4.785,
    "WRJ0": 2.175,
    **{f"{finger}J{joint}": 0.9 for finger in FINGERS for joint in (3, 2)},
    **{f"{finger}J1": 0.7245 for finger in FINGERS},
    **{f"{finger}J0": 0.0 for finger in FINGERS},
    "LFJ4": 0.9,
    "THJ4": 2.3722,
    "THJ3": 1.45,
    "THJ2": 0.99,
    "THJ1": 0.99,
    "THJ0": 0.81,
}  # N·m

MASSES = {
    "hand_mount": 0.1,
    "forearm": 4.0,
    "wrist": 0.3,
    "palm": 0.3,
    "lfmetacarpal": 0.075,
    **{f"{finger.lower()}knuckle": 0.008 for finger in FINGERS},
    **{f"{finger.lower()}proximal": 0.014 for finger in FINGERS},
    **{f"{finger.lower()}middle": 0.012 for finger in FINGERS},
    **{f"{finger.lower()}distal": 0.01 for finger in FINGERS},
    "thbase": 0.01,
    "thproximal": 0.016,
    "thhub": 0.002,
    "thmiddle": 0.016,
    "thdistal": 0.016,
}  # kg


@pytest.fixture(scope="module")
def worlds() -> Iterator[HandWorlds]:
    worlds = make_hand(8)
    yield worlds
    worlds.engine.close()


def test_joints_are_in_breadth_first_order(worlds: HandWorlds) -> None:
    assert worlds.hand.dof_names == [f"robot0_{name}" for name in JOINTS]


def test_limits_are_the_published_ones(worlds: HandWorlds) -> None:
    expected = torch.tensor([LIMITS[name] for name in JOINTS])
    torch.testing.assert_close(worlds.hand.get_dof_limits()[0], expected)


def test_masses_are_the_published_ones(worlds: HandWorlds) -> None:
    masses = dict(zip(worlds.hand.body_names, worlds.hand.get_body_masses()[0].tolist(), strict=True))
    assert masses == {f"robot0_{name}": pytest.approx(mass, rel=1e-6) for name, mass in MASSES.items()}
    assert sum(masses.values()) == pytest.approx(5.011, abs=1e-5)


def test_each_joint_has_one_drive_with_the_published_gains(worlds: HandWorlds) -> None:
    """Twenty joints are driven. The other four have a drive without gains, that exerts no effort."""
    model = worlds.engine.compiled.model
    assert sorted(model.actuator_trnid[:, 0]) == list(range(24))
    assert not (model.actuator_trntype != mujoco.mjtTrn.mjTRN_JOINT).any()
    assert len(ACTUATED_JOINTS) == 20
    assert {f"robot0_{name}" for name in JOINTS} - set(ACTUATED_JOINTS) == {f"robot0_{name}J0" for name in FINGERS}
    stiffness, damping = (gains[0] for gains in worlds.hand.get_gains())
    expected = torch.tensor([5.0 if name[:2] == "WR" else 0.0 if MAX_EFFORTS[name] == 0 else 1.0 for name in JOINTS])
    torch.testing.assert_close(stiffness, expected)
    torch.testing.assert_close(damping, 0.1 * expected)
    efforts = torch.tensor([MAX_EFFORTS[name] for name in JOINTS])
    torch.testing.assert_close(worlds.hand.get_max_efforts()[0], efforts)


def test_actuated_joints_are_those_of_the_original() -> None:
    assert ACTUATED_JOINTS[:6] == tuple(f"robot0_{name}" for name in ("WRJ1", "WRJ0", "FFJ3", "FFJ2", "FFJ1", "MFJ3"))
    assert ACTUATED_JOINTS[11:16] == tuple(f"robot0_{name}" for name in ("LFJ4", "LFJ3", "LFJ2", "LFJ1", "THJ4"))


def turn(axis: str, angle: float) -> np.ndarray:
    """Return the matrix of a rotation about x, y or z."""
    c, s = math.cos(angle), math.sin(angle)
    rows = {
        "x": ((1, 0, 0), (0, c, -s), (0, s, c)),
        "y": ((c, 0, s), (0, 1, 0), (-s, 0, c)),
        "z": ((c, -s, 0), (s, c, 0), (0, 0, 1)),
    }
    return np.array(rows[axis], dtype=float)


def turn_about(axis: np.ndarray, angle: float) -> np.ndarray:
    """Return the matrix of a rotation about any axis, by Rodrigues' formula."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross


def ends_of_fingers(q: dict[str, float]) -> np.ndarray:
    """Return the ends of fingers and thumb ``(5, 3)`` in the world, in m.

    The lengths are those of Shadow Robot's specification: 100 mm from a knuckle to the end of a finger, in segments of
    45, 25 and 30 mm, and 102 mm from the base of the thumb to its end, in segments of 38, 32 and 32 mm.
    """

    def along(length: float) -> np.ndarray:
        return np.array([0.0, 0.0, length])

    # The hand's x, y and z point to -x, -z and -y of the world.
    world = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, -1.0, 0.0]])
    palm = turn("y", q["WRJ1"]) @ turn("x", q["WRJ0"])
    wrist = along(0.256) + turn("y", q["WRJ1"]) @ along(0.034)
    ends = []
    for finger, x, z in (("FF", 0.033, 0.095), ("MF", 0.011, 0.099), ("RF", -0.011, 0.095), ("LF", 0.0, 0.0)):
        knuckle, frame = np.array([x, 0.0, z]), np.eye(3)
        if finger == "LF":
            frame = turn_about(np.array([0.571, 0.0, 0.821]), q["LFJ4"])
            knuckle = np.array([-0.017, 0.0, 0.044]) + frame @ np.array([-0.017, 0.0, 0.044])
        proximal = frame @ turn("y", q[f"{finger}J3"]) @ turn("x", q[f"{finger}J2"])
        middle = proximal @ turn("x", q[f"{finger}J1"])
        distal = middle @ turn("x", q[f"{finger}J0"])
        ends.append(knuckle + proximal @ along(0.045) + middle @ along(0.025) + distal @ along(0.03))
    base = turn("y", math.pi / 4) @ turn("z", -q["THJ4"]) @ turn("x", q["THJ3"])
    middle = base @ turn("x", q["THJ2"]) @ turn("y", q["THJ1"])
    distal = middle @ turn("y", q["THJ0"])
    ends.append(np.array([0.034, -0.009, 0.029]) + base @ along(0.038) + middle @ along(0.032) + distal @ along(0.032))
    forearm = np.array(ROOT) - along(0.01)
    return np.array([forearm + world @ (wrist + palm @ end) for end in ends])


def modelled_ends(worlds: HandWorlds, world: int) -> np.ndarray:
    """Return the points of the colliding shapes of fingertips that lie farthest along the fingers."""
    model = worlds.engine.compiled.model
    positions, orientations = worlds.tips.get_world_poses()
    ends = []
    for index, link in enumerate(FINGERTIPS):
        geom = model.geom(f"shadow_hand/{link}")
        length = geom.pos[2] + geom.size[1] + geom.size[0]
        rotation = np.empty(9)
        mujoco.mju_quat2Mat(rotation, orientations[world, index].double().numpy())
        ends.append(positions[world, index].double().numpy() + rotation.reshape(3, 3)[:, 2] * length)
    return np.array(ends)


def test_fingers_end_where_published_lengths_say(worlds: HandWorlds) -> None:
    generator = torch.Generator().manual_seed(4)
    low, high = worlds.hand.get_dof_limits()[0].unbind(dim=-1)
    positions = low + (high - low) * torch.rand(8, 24, generator=generator)
    positions[0] = 0.0
    worlds.hand.set_joint_positions(positions)
    for world in range(8):
        pose = dict(zip(JOINTS, positions[world].tolist(), strict=True))
        assert np.abs(modelled_ends(worlds, world) - ends_of_fingers(pose)).max() < 1e-6


def test_fingers_of_the_flat_hand_point_to_minus_y() -> None:
    """The palm faces up, the middle finger ends 489 mm from the root, and the thumb is on the side of -x."""
    ends = ends_of_fingers(dict.fromkeys(JOINTS, 0.0))
    assert ends[1] == pytest.approx([-0.011, -(0.256 + 0.034 + 0.099 + 0.1), 0.49])
    assert ends[:, 0].argsort().tolist() == [4, 0, 1, 2, 3]
    bent = ends_of_fingers(dict.fromkeys(JOINTS, 0.0) | {"MFJ2": 1.0})
    assert bent[1, 2] > ends[1, 2]


def test_flat_hand_does_not_touch_itself() -> None:
    model = mujoco.MjModel.from_xml_path(str(SHADOW_HAND.mjcf))
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    assert data.ncon == 0
    colliding = {model.body(model.geom_bodyid[geom]).name for geom in np.flatnonzero(model.geom_contype)}
    segments = {f"robot0_{name}" for name in MASSES} - {"robot0_hand_mount", "robot0_thbase", "robot0_thhub"}
    assert colliding == {name for name in segments if not name.endswith("knuckle")}


def test_palm_has_the_published_size() -> None:
    """84 mm wide and 22 mm thick."""
    model = mujoco.MjModel.from_xml_path(str(SHADOW_HAND.mjcf))
    palm, heel = model.geom("robot0_palm"), model.geom("robot0_palm_heel")
    assert palm.pos[0] + palm.size[0] - (heel.pos[0] - heel.size[0]) == pytest.approx(0.084)
    assert [2 * part.size[1] for part in (palm, heel, model.geom("robot0_lfmetacarpal"))] == pytest.approx([0.022] * 3)
