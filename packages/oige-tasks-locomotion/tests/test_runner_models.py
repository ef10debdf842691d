"""The models of ant and humanoid against the published figures, and how they stand, fall and flail."""

import math
from pathlib import Path

import mujoco
import numpy as np
import pytest
import torch
from oige_core.envs import make_vec
from oige_tasks_locomotion.ant.task import ANT_ASSET
from oige_tasks_locomotion.ant_humanoid.task import LocomotionTask
from oige_tasks_locomotion.humanoid.task import HUMANOID_ASSET


def capsule(radius: float, length: float) -> float:
    return math.pi * radius**2 * (length + 4.0 / 3.0 * radius)


def ball(radius: float) -> float:
    return capsule(radius, 0.0)


def load(mjcf: Path | str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(mjcf))


@pytest.fixture(scope="module")
def ant() -> mujoco.MjModel:
    return load(ANT_ASSET.mjcf)


@pytest.fixture(scope="module")
def humanoid() -> mujoco.MjModel:
    return load(HUMANOID_ASSET.mjcf)


def degrees(model: mujoco.MjModel, joint: str) -> list[float]:
    return [math.degrees(limit) for limit in model.joint(joint).range]


# --- ant -----------------------------------------------------------------------------------------------------------


def test_ant_masses_match_the_model(ant: mujoco.MjModel) -> None:
    short, long = 5.0 * capsule(0.08, 0.2 * math.sqrt(2.0)), 5.0 * capsule(0.08, 0.4 * math.sqrt(2.0))
    for leg in ("front_left", "front_right", "left_back", "right_back"):
        assert ant.body(f"{leg}_leg").mass[0] == pytest.approx(short)
        assert ant.body(f"{leg}_foot").mass[0] == pytest.approx(long)
    assert ant.body("torso").mass[0] == pytest.approx(5.0 * ball(0.25) + 4 * short)
    assert ant.body_subtreemass[1] == pytest.approx(0.9109, abs=1e-4)


def test_ant_links_match_the_model(ant: mujoco.MjModel) -> None:
    for leg, (x, y) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1)), start=1):
        hip, ankle = ant.joint(f"hip_{leg}"), ant.joint(f"ankle_{leg}")
        assert ant.body_pos[hip.bodyid[0]].tolist() == pytest.approx([0.2 * x, 0.2 * y, 0.0])
        assert ant.body_pos[ankle.bodyid[0]].tolist() == pytest.approx([0.2 * x, 0.2 * y, 0.0])
        foot = ant.geom(f"foot_{leg}")
        assert 2 * foot.size[1] == pytest.approx(0.4 * math.sqrt(2.0))
        assert foot.size[0] == 0.08


def test_ant_limits_armature_and_damping_match_the_model(ant: mujoco.MjModel) -> None:
    for leg, ankle in enumerate(([30.0, 100.0], [-100.0, -30.0], [-100.0, -30.0], [30.0, 100.0]), start=1):
        assert degrees(ant, f"hip_{leg}") == pytest.approx([-40.0, 40.0])
        assert degrees(ant, f"ankle_{leg}") == pytest.approx(ankle)
    assert ant.dof_armature[6:].tolist() == [0.01] * 8
    assert ant.dof_damping[6:].tolist() == [0.1] * 8
    assert ant.jnt_stiffness.tolist() == [0.0] * 9
    assert ant.dof_damping[:6].tolist() == ant.dof_armature[:6].tolist() == [0.0] * 6  # of the free joint


def test_bending_ankles_within_their_limits_lowers_the_feet(ant: mujoco.MjModel) -> None:
    data = mujoco.MjData(ant)
    for leg in range(1, 5):
        data.joint(f"ankle_{leg}").qpos[0] = math.copysign(math.radians(60.0), ant.joint(f"ankle_{leg}").range.sum())
    mujoco.mj_kinematics(ant, data)
    for leg in range(1, 5):
        # The middle of the foot hangs by half its length times the sine below its ankle.
        assert data.geom(f"foot_{leg}").xpos[2] == pytest.approx(-0.2 * math.sqrt(2.0) * math.sin(math.radians(60.0)))


def test_ant_stands_on_stretched_legs() -> None:
    """With no torque, its ankles rest on their limits: the torso is 0.4 √2 sin 30° + 0.08 m above the ground."""
    env = make_vec("Ant", 4, num_threads=1)
    env.reset(seed=0)
    robots = env.task.robots  # type: ignore[attr-defined]
    for _ in range(240):
        _, _, terminated, *_ = env.step(torch.zeros(4, 8))
        assert not terminated.any()
    before = robots.get_world_poses()[0]
    torch.testing.assert_close(before[:, 2], torch.full((4,), 0.2 * math.sqrt(2.0) + 0.08), atol=0.02, rtol=0.0)
    for _ in range(60):
        env.step(torch.zeros(4, 8))
    assert (robots.get_world_poses()[0] - before).abs().max() < 2e-3  # m, in a second
    assert robots.get_velocities().abs().max() < 0.01
    env.close()


# --- humanoid ------------------------------------------------------------------------------------------------------

STIFFNESS_DAMPING_ARMATURE = {
    "abdomen_z": (20.0, 5.0, 0.02),
    "abdomen_y": (20.0, 5.0, 0.01),
    "abdomen_x": (10.0, 5.0, 0.01),
    "hip_x": (10.0, 5.0, 0.01),
    "hip_y": (20.0, 5.0, 0.01),
    "hip_z": (10.0, 5.0, 0.01),
    "knee": (5.0, 0.1, 0.007),
    "ankle_y": (2.0, 1.0, 0.006),
    "ankle_x": (2.0, 1.0, 0.006),
    "shoulder1": (10.0, 5.0, 0.01),
    "shoulder2": (10.0, 5.0, 0.01),
    "elbow": (2.0, 1.0, 0.006),
}
LIMITS = {
    "abdomen_z": (-45.0, 45.0),
    "abdomen_y": (-75.0, 30.0),
    "abdomen_x": (-35.0, 35.0),
    "hip_x": (-45.0, 15.0),
    "hip_y": (-120.0, 45.0),
    "hip_z": (-60.0, 35.0),
    "knee": (-160.0, 2.0),
    "ankle_y": (-50.0, 50.0),
    "ankle_x": (-50.0, 50.0),
    "shoulder1": (-90.0, 70.0),
    "shoulder2": (-90.0, 70.0),
    "elbow": (-90.0, 50.0),
}


def kind(joint: str) -> str:
    return joint.removeprefix("left_").removeprefix("right_")


def hinges(model: mujoco.MjModel) -> list[str]:
    return [model.joint(number).name for number in range(1, model.njnt)]


def test_humanoid_masses_match_the_model(humanoid: mujoco.MjModel) -> None:
    arm = capsule(0.04, 0.16 * math.sqrt(3.0)) + capsule(0.031, 0.16 * math.sqrt(3.0)) + ball(0.04)
    foot = capsule(0.027, math.hypot(0.21, 0.02))
    leg = capsule(0.06, math.hypot(0.34, 0.01)) + capsule(0.049, 0.3) + 2 * foot
    trunk = capsule(0.07, 0.14) + 2 * capsule(0.06, 0.12) + ball(0.09) + capsule(0.09, 0.14)
    assert humanoid.body_subtreemass[1] == pytest.approx(1000.0 * (trunk + 2 * arm + 2 * leg))
    assert humanoid.body_subtreemass[1] == pytest.approx(40.84, abs=0.01)  # as MuJoCo's documentation has it


def test_humanoid_joints_match_the_model(humanoid: mujoco.MjModel) -> None:
    names = hinges(humanoid)
    assert len(names) == 21
    for name in names:
        joint, dof = humanoid.joint(name), humanoid.jnt_dofadr[humanoid.joint(name).id]
        assert degrees(humanoid, name) == pytest.approx(LIMITS[kind(name)]), name
        values = (float(joint.stiffness[0]), humanoid.dof_damping[dof], humanoid.dof_armature[dof])
        assert values == pytest.approx(STIFFNESS_DAMPING_ARMATURE[kind(name)]), name


def test_humanoid_standing_height_and_limbs_match_the_model(humanoid: mujoco.MjModel) -> None:
    data = mujoco.MjData(humanoid)
    mujoco.mj_forward(humanoid, data)
    for side, y in (("left", 0.1), ("right", -0.1)):
        assert data.body(f"{side}_thigh").xpos.tolist() == pytest.approx([-0.01, y, -0.465])
        thigh, shin, foot = (data.body(f"{side}_{link}").xpos[2] for link in ("thigh", "shin", "foot"))
        assert thigh - shin == pytest.approx(0.403)
        assert shin - foot == pytest.approx(0.39)
        sole = data.geom(f"{side}_foot_inner").xpos[2] - 0.027
        assert -sole == pytest.approx(0.26 + 0.165 + 0.04 + 0.403 + 0.39 + 0.027)  # 1.285 m from sole to torso
        arm = data.body(f"{side}_lower_arm").xpos - data.body(f"{side}_upper_arm").xpos
        assert math.hypot(*arm) == pytest.approx(0.18 * math.sqrt(3.0))


def test_humanoid_is_symmetric(humanoid: mujoco.MjModel) -> None:
    """The same angles on both sides give mirrored positions of every link; only ankle_x counts the other way."""
    data = mujoco.MjData(humanoid)
    joints = ("hip_x", "hip_y", "hip_z", "knee", "ankle_y", "ankle_x", "shoulder1", "shoulder2", "elbow")
    for number, name in enumerate(joints):
        data.joint(f"right_{name}").qpos[0] = -0.1 - 0.05 * number
        data.joint(f"left_{name}").qpos[0] = (-1.0 if name == "ankle_x" else 1.0) * (-0.1 - 0.05 * number)
    mujoco.mj_kinematics(humanoid, data)
    for name in (humanoid.body(number).name for number in range(humanoid.nbody)):
        if name.startswith("left_"):
            x, y, z = data.body(name).xipos
            assert data.body(name.replace("left", "right")).xipos.tolist() == pytest.approx([x, -y, z], abs=1e-9), name


def test_humanoid_hips_turn_about_x_then_y_then_z(humanoid: mujoco.MjModel) -> None:
    """Consecutive joints of each hip turn the thigh by the product of their rotations, in this order."""
    data = mujoco.MjData(humanoid)
    angles = np.array([-0.3, -0.9, 0.4])
    for side, sign in (("right", 1.0), ("left", -1.0)):
        joints = [humanoid.joint(f"{side}_hip_{axis}") for axis in "xyz"]
        assert [joint.id for joint in joints] == list(range(joints[0].id, joints[0].id + 3))
        for joint, axis, angle in zip(joints, (sign, 1.0, sign) * np.eye(3), angles, strict=True):
            assert joint.axis.tolist() == axis.tolist()
            data.qpos[joint.qposadr[0]] = angle
        mujoco.mj_kinematics(humanoid, data)
        x, y, z = angles * (sign, 1.0, sign)
        expected = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
        expected = expected @ [[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]]
        expected = expected @ [[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]]
        np.testing.assert_allclose(data.body(f"{side}_thigh").xmat.reshape(3, 3), expected, atol=1e-9)


def test_humanoid_links_collide_only_as_intended() -> None:
    env = make_vec("Humanoid", 1, num_threads=1)
    model = env.task.engine.compiled.model  # type: ignore[attr-defined]
    data = mujoco.MjData(model)
    data.qpos[:] = env.task.engine.compiled.qpos  # type: ignore[attr-defined]
    data.qpos[2] = 3.0
    mujoco.mj_forward(model, data)
    assert data.ncon == 0  # in the default pose, off the ground

    def touching() -> set[tuple[str, ...]]:
        mujoco.mj_forward(model, data)
        names = [model.body(body).name.removeprefix("Humanoid/") for body in model.geom_bodyid]
        return {tuple(sorted(names[geom] for geom in contact.geom)) for contact in data.contact}

    for angle in range(-120, 46, 5):  # the right thigh swings from front to back
        data.joint("Humanoid/right_hip_y").qpos[0] = math.radians(angle)
        assert not touching()
    data.joint("Humanoid/right_hip_y").qpos[0] = 0.0
    for side in ("left", "right"):  # knees together: legs may not pass through each other
        data.joint(f"Humanoid/{side}_hip_x").qpos[0] = math.radians(15.0)
    assert ("left_shin", "right_shin") in touching()
    env.close()


# --- both ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("task", "speed"), [("Ant", 12.0), ("Humanoid", 8.0)])
def test_maximum_random_torques_do_not_explode(task: str, speed: float) -> None:
    """A world where a contact or a limit went wrong shows in the speed of its torso, in m/s."""
    env = make_vec(task, 32, num_threads=1)
    env.reset(seed=0)
    assert isinstance(env.task, LocomotionTask)
    robots = env.task.robots
    generator = torch.Generator().manual_seed(0)
    fastest = torch.zeros(())
    for _ in range(200):
        env.step(torch.randint(0, 2, (32, robots.num_dof), generator=generator) * 2.0 - 1.0)
        fastest = torch.maximum(fastest, robots.get_linear_velocities().abs().max())
    assert env.task.engine.problems() == {}
    assert 0.5 < fastest < speed
    env.close()
