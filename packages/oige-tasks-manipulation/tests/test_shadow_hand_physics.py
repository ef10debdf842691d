"""How the Shadow Hand moves, and how it holds a block."""

import math

import mujoco
import numpy as np
import pytest
import torch
from oige_tasks_manipulation.shadow_hand.description import FINGERTIPS
from oige_tasks_manipulation.shadow_hand.robot import ACTUATED_JOINTS
from shadow_hand_worlds import BLOCK_MASS, HandWorlds, make_hand

G = 9.81  # m/s²

PINCH = {"FFJ3": 0.075, "FFJ2": 0.465, "FFJ1": 0.596, "FFJ0": 0.58, "MFJ3": 0.06, "MFJ2": 0.742, "MFJ1": 0.389,
         "MFJ0": 0.344, "THJ4": 0.432, "THJ3": 1.073, "THJ2": 0.184, "THJ1": 0.278, "THJ0": -1.411}  # fmt: skip
"""First and middle finger face the thumb, 50 mm apart, above the palm, in rad."""

PINCH_TARGETS = {"FFJ3": 0.085, "FFJ2": 0.593, "FFJ1": 0.737, "MFJ3": 0.068, "MFJ2": 0.892, "MFJ1": 0.531,
                 "THJ4": 0.604, "THJ3": 0.914, "THJ2": 0.093, "THJ1": 0.197, "THJ0": -1.393}  # fmt: skip
"""Targets with which they press with about 4 N: the pose plus Jᵀ f / stiffness."""

PINCHED_BLOCK = (-0.026, -0.4037, 0.56)  # m

DROPPED_BLOCK = (0.0, -0.39, 0.6)  # m, where the tasks drop it


def turned(worlds: HandWorlds, index: int, torque: tuple[float, float, float], steps: int) -> torch.Tensor:
    """Return joint positions after a torque in the world frame has acted on the fingertip with an index."""
    torques = torch.zeros(1, len(FINGERTIPS), 3)
    torques[0, index] = torch.tensor(torque)
    for _ in range(steps):
        worlds.tips.apply_forces_and_torques_at_pos(torques=torques)
        worlds.engine.step()
    return worlds.hand.get_joint_positions()[0]


def test_each_command_moves_its_joint() -> None:
    """Twenty worlds, one command in each. The distal joint of a finger also moves, and nothing else does."""
    worlds = make_hand(len(ACTUATED_JOINTS), self_collisions=False)
    joints = worlds.actuated
    low, high = worlds.hand.get_dof_limits()[0, joints].unbind(dim=-1)
    goals = torch.where(high > -low, 0.6 * high, 0.6 * low)
    worlds.hand.set_joint_position_targets(torch.diag(goals), joint_indices=joints)
    worlds.engine.step(300)
    positions = worlds.hand.get_joint_positions()
    torch.testing.assert_close(positions[:, joints], torch.diag(goals), atol=2e-3, rtol=0)
    for world, name in enumerate(ACTUATED_JOINTS):
        for finger in ("FF", "MF", "RF", "LF"):
            follows = name == f"robot0_{finger}J1"
            assert (positions[world, worlds.index(f"{finger}J0")].item() > 0.5) == follows, (name, finger)
    worlds.engine.close()


def test_joint_steps_as_its_gains_say() -> None:
    """A joint with inertia I, stiffness k and damping b follows I q̈ = k (target − q) − b q̇ from rest."""
    dt, target, joint = 5e-4, 0.5, "FFJ2"
    worlds = make_hand(dt=dt, self_collisions=False)
    index = worlds.index(joint)
    inertia = worlds.hand.get_mass_matrices()[0, index, index].item()
    segments = 0.014 * 0.0225**2 + 0.012 * 0.0575**2 + 0.01 * 0.0815**2
    assert inertia == pytest.approx(0.001 + segments, rel=0.01)  # rotor and segments about the knuckle
    stiffness, damping = 1.0, 0.1
    slow, fast = np.roots([inertia, damping, stiffness]).real[::-1]
    worlds.set_targets({joint: target})
    for step in range(1, 601):
        worlds.engine.step()
        if step % 100 == 0:
            time = step * dt
            rest = (fast * math.exp(slow * time) - slow * math.exp(fast * time)) / (fast - slow)
            assert worlds.joint(joint).item() == pytest.approx(target * (1 - rest), abs=3e-3), time
    worlds.engine.close()


def test_effort_limit_acts() -> None:
    """The drive of the thumb's end is a spring for torques below 0.81 N·m, and gives way to larger ones."""
    limit, stiffness, target = 0.81, 1.0, -1.571
    for torque, end in ((0.97 * limit, target + 0.97 * limit / stiffness), (1.03 * limit, 0.0)):
        worlds = make_hand(self_collisions=False)
        worlds.set_joints({"THJ0": -0.7})
        worlds.set_targets({"THJ0": target})
        positions = turned(worlds, 4, (0.0, 0.0, -torque), 120)  # its joint turns about -z of the world
        assert positions[worlds.index("THJ0")].item() == pytest.approx(end, abs=5e-3), torque
        worlds.engine.close()


def test_blocked_joint_exerts_its_limit() -> None:
    worlds = make_hand()
    index = worlds.index("MFJ2")
    worlds.hand.set_dof_limits(torch.tensor([[[0.0, 0.1]]]), joint_indices=[index])
    worlds.set_targets({"MFJ2": 1.571})
    reactions = worlds.engine.executor.field("qfrc_constraint")
    worlds.engine.step(240)
    assert worlds.hand.get_measured_joint_efforts()[0, index].item() == pytest.approx(0.9)
    address = worlds.engine.compiled.articulations["shadow_hand"].dofs[index]
    assert reactions[0, address].item() == pytest.approx(-0.9, rel=1e-4)
    worlds.engine.close()


@pytest.mark.parametrize("substeps", [1, 2])
def test_tendon_couples_the_end_joint(substeps: int) -> None:
    """The tendon keeps 7.05 mm J0 - 8.05 mm J1 within 1 mm: at J1 = 1 rad, J0 is between 1.000 and 1.284 rad."""
    worlds = make_hand(substeps=substeps)
    worlds.set_targets({"FFJ1": 1.0})
    overshoot = 0.0
    for _ in range(240):
        worlds.engine.step()
        length = 0.00705 * worlds.joint("FFJ0").item() - 0.00805 * worlds.joint("FFJ1").item()
        overshoot = max(overshoot, abs(length) - 1e-3)
    assert overshoot < {1: 6e-4, 2: 3e-4}[substeps]  # m, for a moment when J0 is dragged along; 0.04 to 0.08 rad
    assert worlds.joint("FFJ1").item() == pytest.approx(1.0, abs=1e-3)
    assert 1.0 < worlds.joint("FFJ0").item() < 1.284
    for torque, bound in ((0.1, 0.001), (-0.1, -0.001)):  # straightens, then bends the tip, with a force of some 4 N
        positions = turned(worlds, 0, (torque, 0.0, 0.0), 120)
        outer, inner = positions[worlds.index("FFJ0")].item(), positions[worlds.index("FFJ1")].item()
        assert 0.00705 * outer - 0.00805 * inner == pytest.approx(-bound, abs=5e-5)
        # The drive of J1 holds the torque itself, and that of the tendon, larger by the ratio of its lever arms.
        assert inner == pytest.approx(1.0 - torque * (1 + 805 / 705), abs=2e-3)
    worlds.set_targets({})
    worlds.engine.step(240)
    assert 0.0 <= worlds.joint("FFJ0").item() < 0.142
    worlds.engine.close()


def forces_of_tips(worlds: HandWorlds) -> tuple[np.ndarray, np.ndarray]:
    """Return forces and torques ``(5, 3)``, in N and N·m, that sensors at fingertips measure, in the world frame."""
    links = [worlds.hand.get_link_index(name) for name in FINGERTIPS]
    wrenches = worlds.hand.get_measured_joint_forces(joint_indices=links)[0].double().numpy()
    orientations = worlds.tips.get_world_poses()[1][0].double().numpy()
    turned = np.zeros((2, len(links), 3))
    for index, orientation in enumerate(orientations):
        for part in range(2):
            mujoco.mju_rotVecQuat(turned[part, index], wrenches[index, 3 * part : 3 * part + 3], orientation)
    return turned[0], turned[1]


def test_sensor_of_a_fingertip_measures_what_presses_on_it() -> None:
    """A weight on a known point of the middle finger: its joint holds the weight, and its moment about the joint."""
    worlds = make_hand(track_joint_forces=True)
    weight, lever = 0.5, 0.02  # N, m from the joint
    forces, positions = torch.zeros(1, 5, 3), torch.zeros(1, 5, 3)
    forces[0, 1, 2] = -weight
    for _ in range(240):
        positions[0, 1] = worlds.tips.get_world_poses()[0][0, 1] + torch.tensor([0.0, -lever, 0.0])
        worlds.tips.apply_forces_and_torques_at_pos(forces=forces, positions=positions)
        worlds.engine.step()
    measured, torques = forces_of_tips(worlds)
    assert measured[1] == pytest.approx([0.0, 0.0, weight], abs=1e-4)
    assert torques[1] == pytest.approx([-weight * lever, 0.0, 0.0], abs=1e-5)
    assert np.abs(np.delete(measured, 1, axis=0)).max() < 1e-4
    worlds.engine.close()


def test_sensors_of_fingertips_share_a_weight() -> None:
    """A plate of 100 g lies across the ends of the four fingers."""
    plate = (-0.0005, -0.469, 0.509)
    worlds = make_hand(block=plate, block_size=(0.1, 0.008, 0.004), block_mass=0.1, track_joint_forces=True)
    worlds.engine.step(360)
    forces, _ = forces_of_tips(worlds)
    assert forces[:4, 2].sum() == pytest.approx(0.1 * G, rel=5e-3)
    assert forces[:4, 2].min() > 0.05
    assert np.abs(forces[4]).max() < 1e-3
    worlds.engine.close()


def resting(worlds: HandWorlds, seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return drifts of blocks ``(N,)`` over some seconds in m/s, and their highest speeds ``(N,)`` in m/s or rad/s."""
    assert worlds.block is not None
    start = worlds.block.get_world_poses()[0].double()
    fastest = torch.zeros(len(start))
    for _ in range(round(120 * seconds)):
        worlds.engine.step()
        fastest = torch.maximum(fastest, worlds.block.get_velocities().abs().amax(dim=1))
    end = worlds.block.get_world_poses()[0].double()
    return (end - start).norm(dim=1) / seconds, fastest


def contacts_of_block(worlds: HandWorlds, world: int) -> dict[str, float]:
    """Return by name the parts of the hand that touch the block in a world, and their distances in m."""
    model = worlds.engine.compiled.model
    data = mujoco.MjData(model)
    data.qpos[:] = worlds.engine.executor.field("qpos")[world].numpy()
    mujoco.mj_forward(model, data)
    block = model.body("object").id
    touching: dict[str, float] = {}
    for contact in data.contact:
        bodies = model.geom_bodyid[contact.geom]
        if block in bodies:
            name = model.body(int(bodies[bodies != block][0])).name.removeprefix("shadow_hand/robot0_")
            touching[name] = min(touching.get(name, 1.0), float(contact.dist))
    return touching


@pytest.mark.parametrize("substeps", [1, 2])
def test_dropped_blocks_come_to_rest_on_the_hand(substeps: int) -> None:
    """They fall by about 63 mm onto the knuckles of the flat hand, each from another place, as after a reset."""
    count = 16
    worlds = make_hand(count, block=DROPPED_BLOCK, substeps=substeps)
    assert worlds.block is not None
    positions, orientations = worlds.block.get_world_poses()
    generator = torch.Generator().manual_seed(2)
    worlds.block.set_world_poses(positions + 0.01 * (2.0 * torch.rand(count, 3, generator=generator) - 1), orientations)
    worlds.engine.step(360)
    drifts, speeds = resting(worlds, 1.0)
    assert (worlds.block.get_world_poses()[0][:, 2] > 0.5).sum() >= count - 1
    assert drifts.median() < 1e-4
    assert speeds.median() < 1e-3
    assert drifts.sort().values[-2] < 1e-3
    for world in range(count):
        assert min(contacts_of_block(worlds, world).values()) > -1e-3
    worlds.engine.close()


@pytest.mark.parametrize("substeps", [1, 2])
def test_held_block_does_not_creep(substeps: int) -> None:
    """Two fingers and the thumb hold it above the palm. Its weight moves it by less than 0.1 mm/s."""
    worlds = make_hand(block=PINCHED_BLOCK, substeps=substeps)
    worlds.set_joints(PINCH)
    worlds.set_targets(PINCH_TARGETS)
    worlds.engine.step(240)
    drifts, speeds = resting(worlds, 2.0)
    assert drifts[0] < 1e-4
    assert speeds[0] < 0.01
    touching = contacts_of_block(worlds, 0)
    assert touching.keys() - {"mfmiddle"} == {"ffdistal", "mfdistal", "thdistal"}
    assert min(touching.values()) > -1e-3
    worlds.engine.close()


def test_palm_keeps_its_friction() -> None:
    """With a coefficient of 1, a plate stays on a palm that is inclined by 40 degrees and slides at 50 degrees."""
    for degrees, slides in ((40.0, False), (50.0, True)):
        worlds = make_hand(block=(0.0, -0.335, 0.51), block_size=(0.04, 0.04, 0.01), block_mass=BLOCK_MASS)
        worlds.engine.step(60)
        assert worlds.block is not None
        start = worlds.block.get_world_poses()[0][0, 0].item()
        angle = math.radians(degrees)
        worlds.engine.set_gravity(torch.tensor([[G * math.sin(angle), 0.0, -G * math.cos(angle)]]))
        worlds.engine.step(60)
        moved = worlds.block.get_world_poses()[0][0, 0].item() - start
        assert (moved > 5e-3) == slides, (degrees, moved)
        assert slides or moved < 1e-3  # m, by which the wrist yields
        worlds.engine.close()


def test_neighbouring_fingers_do_not_pass_through_each_other() -> None:
    worlds = make_hand()
    worlds.set_targets({"FFJ3": -0.349, "MFJ3": 0.349})
    worlds.engine.step(240)
    gap = worlds.joint("FFJ3").item() - worlds.joint("MFJ3").item()
    assert gap > -0.2  # rad; the targets are 0.7 rad apart
    worlds.engine.close()


def play_randomly(worlds: HandWorlds, steps: int, hold: int) -> None:
    """Set random targets for some control steps of two physics steps, and drop fallen blocks again.

    Args:
        worlds: worlds with a block.
        steps: control steps.
        hold: control steps for which targets remain. If it is above 1, they are at the ends of joints' ranges.
    """
    assert worlds.block is not None
    generator = torch.Generator().manual_seed(5)
    count, joints = worlds.engine.num_envs, worlds.actuated
    low, high = worlds.hand.get_dof_limits()[0, joints].unbind(dim=-1)
    start = worlds.block.get_world_poses()[0]
    for step in range(steps):
        if step % hold == 0:
            fraction = torch.rand(count, len(joints), generator=generator)
            fraction = fraction.round() if hold > 1 else fraction
            worlds.hand.set_joint_position_targets(low + (high - low) * fraction, joint_indices=joints)
        fallen = (worlds.block.get_world_poses()[0] - start).norm(dim=1) > 0.24
        indices = fallen.nonzero()[:, 0]
        if len(indices):
            orientations = torch.nn.functional.normalize(torch.randn(len(indices), 4, generator=generator), dim=1)
            worlds.block.set_world_poses(start[indices], orientations, indices=indices)
            worlds.block.set_velocities(torch.zeros(len(indices), 6), indices=indices)
        worlds.engine.step(2)
        assert worlds.block.get_velocities()[:, :3].norm(dim=1).max() < 10.0  # m/s; NaN fails, too
        assert worlds.hand.get_joint_velocities().abs().max() < 60.0  # rad/s
    assert worlds.engine.problems() == {}


@pytest.mark.parametrize("hold", [1, 15])
def test_random_actions_do_not_make_the_hand_explode(hold: int) -> None:
    worlds = make_hand(8, block=DROPPED_BLOCK)
    play_randomly(worlds, 500, hold)
    worlds.engine.close()


@pytest.mark.slow
@pytest.mark.parametrize("substeps", [1, 2])
def test_many_random_actions_do_not_make_the_hand_explode(substeps: int) -> None:
    worlds = make_hand(8, block=DROPPED_BLOCK, substeps=substeps)
    play_randomly(worlds, 10_000, 15)
    worlds.engine.close()


@pytest.mark.slow  # MuJoCo Warp compiles its kernels
@pytest.mark.parametrize("holds", [True, False], ids=["block", "fist"])
def test_executors_agree(holds: bool) -> None:
    """Two fingers and the thumb grip a block, or all fingers close and press against each other."""
    fist = {f"{finger}J{joint}": 1.4 for finger in ("FF", "MF", "RF", "LF") for joint in (1, 2)}
    fist |= {"FFJ3": -0.3, "MFJ3": 0.3, "LFJ4": 0.7, "THJ4": 1.0, "THJ3": 1.1, "THJ0": -1.0}
    trajectories = []
    for executor in ("c", "warp-cpu"):
        worlds = make_hand(2, executor=executor, block=PINCHED_BLOCK if holds else None)
        worlds.set_joints(PINCH if holds else {})
        worlds.set_targets(PINCH_TARGETS if holds else fist)
        states = []
        for _ in range(60):
            worlds.engine.step()
            poses = worlds.block.get_world_poses() if worlds.block is not None else ()
            states.append(torch.cat([worlds.hand.get_joint_positions(), *poses], dim=1))
        assert worlds.engine.problems() == {}
        trajectories.append(torch.stack(states))
        worlds.engine.close()
    torch.testing.assert_close(trajectories[0], trajectories[1], atol=3e-5, rtol=0)
