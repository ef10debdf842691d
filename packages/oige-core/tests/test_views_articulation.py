"""Articulations against closed forms, on both executors: joints, drives, tendons, kinematics, dynamics, wrenches.

All articulations stand in one scene without contacts, so that kernels are compiled for one model. Where nothing else is
said, a tolerance is the rounding of float32 (views of the C engine compute in double, MuJoCo Warp in single precision)
or, for motions, the first-order error of the time step of 1 ms.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.errors import CapabilityError, OigeError
from oige_core.math import quat_apply, quat_apply_inverse, quat_mul, quat_to_matrix
from oige_core.scene import ArticulationAsset, Drive, Scene

G = 9.81
DT = 1e-3
NUM_ENVS = 3

# A bob on a stand. Moment of inertia about the hinge: m l² + i.
PENDULUM = """<mujoco><worldbody><body name="stand"><inertial pos="0 0 0" mass="3" diaginertia="1 1 1"/>
  <body name="bob"><joint name="hinge" axis="0 1 0"/><inertial pos="0 0 -.5" mass="2" diaginertia=".01 .01 .01"/></body>
</body></worldbody></mujoco>"""
PENDULUM_MASS, PENDULUM_LENGTH, PENDULUM_INERTIA = 2.0, 0.5, 2.0 * 0.5**2 + 0.01

# Two links hang from a ceiling. The anchor of the lower joint is 5 cm above the origin of the lower link.
CHAIN = """<mujoco><worldbody><body name="ceiling"><inertial pos=".3 0 0" mass="1" diaginertia="1 1 1"/>
  <body name="upper" pos="0 0 -.1"><joint name="upper" axis="0 1 0"/>
    <inertial pos="0 0 -.2" mass="2" diaginertia=".02 .02 .02"/>
    <body name="lower" pos="0 0 -.4"><joint name="lower" axis="0 1 0" pos="0 0 .05"/>
      <inertial pos="0 0 -.1" mass="3" diaginertia=".03 .03 .03"/></body></body>
</body></worldbody></mujoco>"""

# A planar arm in the x-z plane; angles are positive upwards from the x axis.
ARM = """<mujoco><worldbody><body name="base"><inertial pos="0 0 0" mass="5" diaginertia="1 1 1"/>
  <body name="upper"><joint name="shoulder" axis="0 -1 0"/><inertial pos=".3 0 0" mass="2" diaginertia=".01 .05 .05"/>
    <body name="fore" pos=".8 0 0"><joint name="elbow" axis="0 -1 0"/>
      <inertial pos=".25 0 0" mass="1.5" diaginertia=".01 .03 .03"/>
      <body name="hand" pos=".6 0 0"/></body></body>
</body></worldbody></mujoco>"""
L1, L2, C1, C2, M1, M2, I1, I2 = 0.8, 0.6, 0.3, 0.25, 2.0, 1.5, 0.05, 0.03

# A floating tree whose breadth-first order (trunk, arm, leg, hand, foot) is not MuJoCo's (trunk, arm, hand, leg, foot).
TREE = """<mujoco><worldbody><body name="trunk"><freejoint/>
  <inertial pos=".1 -.05 .02" mass="4" fullinertia=".3 .25 .2 .02 -.03 .01"/>
  <body name="arm" pos=".3 0 .1" euler="0 30 0"><joint name="arm" axis="1 1 0"/>
    <inertial pos="0 .1 .2" mass="1" fullinertia=".05 .06 .04 .005 0 .002"/>
    <body name="hand" pos="0 0 .4"><joint name="hand" type="slide" axis="0 0 1"/>
      <inertial pos="0 0 .05" mass=".5" diaginertia=".01 .02 .03"/></body></body>
  <body name="leg" pos="-.2 .1 -.3"><joint name="leg" axis="0 0 1" pos="0 .05 0"/>
    <inertial pos="0 0 -.2" mass="1.5" diaginertia=".07 .07 .01"/>
    <body name="foot" pos="0 0 -.4" euler="20 0 0"><joint name="foot" axis="0 1 0"/>
      <inertial pos=".05 0 0" mass=".7" diaginertia=".01 .02 .02"/></body></body>
</body></worldbody></mujoco>"""

# Carts on parallel rails, across gravity: what each is for is its name.
CART = """<body name="{0}"><joint name="{0}" type="slide" axis="1 0 0" {2}/>
  <inertial pos="0 0 0" mass="{1}" diaginertia="1 1 1"/></body>"""
CARTS = [("position", 2, ""), ("velocity", 1, 'damping="10"'), ("effort", 4, ""), ("limited", 1, 'range="-.1 .2"')]
RAILS = f"""<mujoco><compiler autolimits="true"/><worldbody><body name="rails">
  <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>{"".join(CART.format(*cart) for cart in CARTS)}
</body></worldbody></mujoco>"""
MASSES = [float(mass) for _, mass, _ in CARTS]
POSITION, VELOCITY, EFFORT, LIMITED = range(4)
STIFFNESS, DAMPING = 50.0, 4.0

# Two carts coupled by tendons: L = a + 2 b.
COUPLED = f"""<mujoco><compiler autolimits="true"/><worldbody><body name="rails">
  <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>{CART.format("a", 1, "")}{CART.format("b", 2, "")}
</body></worldbody><tendon>
  <fixed name="limited" range="-.5 .5"><joint joint="a" coef="1"/><joint joint="b" coef="2"/></fixed>
  <fixed name="free"><joint joint="a" coef="1"/><joint joint="b" coef="2"/></fixed>
</tendon></mujoco>"""


def set_up_scene(scene: Scene) -> dict[str, Any]:
    drives = {
        "position": Drive(stiffness=STIFFNESS, damping=DAMPING),
        "velocity": Drive(damping=90.0),
        "effort": Drive(max_effort=6.0),
    }
    turned = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))  # a quarter about z
    return {
        "pendulum": scene.add_articulation("pendulum", asset(PENDULUM), position=(0, 0, 1)),
        "chain": scene.add_articulation("chain", asset(CHAIN), position=(2, 0, 3), track_joint_forces=True),
        "partly": scene.add_articulation("partly", asset(CHAIN), position=(3, 0, 3), track_joint_forces=["lower"]),
        "arm": scene.add_articulation("arm", asset(ARM), position=(0, 4, 1), disable_gravity=False),
        "turned_arm": scene.add_articulation("turned_arm", asset(ARM), position=(0, 6, 1), orientation=turned),
        "tree": scene.add_articulation(
            "tree", asset(TREE), position=(5, 5, 50), track_joint_forces=True, disable_gravity=False
        ),
        "rails": scene.add_articulation("rails", asset(RAILS, drives=drives, joint_positions={"position": 0.1})),
        "coupled": scene.add_articulation("coupled", asset(COUPLED)),
        "links": scene.add_link_view("links", "tree", ["foot", "trunk", "arm"]),
        "hand": scene.add_link_view("hand", "tree", "hand"),
        "all_links": scene.add_link_view("all_links", "tree", ["trunk", "arm", "leg", "hand", "foot"]),
        "lower": scene.add_link_view("lower", "chain", "lower"),
        "bobs": scene.add_link_view("bobs", "pendulum", "bob"),
    }


def asset(mjcf: str, **options: Any) -> ArticulationAsset:
    return ArticulationAsset(mjcf=mjcf, usd="none.usd", **options)


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    world = build(set_up_scene, NUM_ENVS, executor, dt=DT)
    world.state = world.engine.state_dict()
    return world


@pytest.fixture
def world(built: Any) -> Any:
    """The worlds, as they were after the build."""
    built.engine.load_state_dict(built.state)
    return built


# ------------------------------------------------------------------------------------------------ names and state


def test_joints_and_links_are_in_breadth_first_order(world: Any) -> None:
    assert world.tree.body_names == ["trunk", "arm", "leg", "hand", "foot"]
    assert world.tree.dof_names == ["arm", "leg", "hand", "foot"]
    assert (world.tree.num_dof, world.tree.num_bodies, world.tree.num_fixed_tendons) == (4, 5, 0)
    assert (world.tree.get_dof_index("hand"), world.tree.get_link_index("hand")) == (2, 3)
    assert world.tree.count == NUM_ENVS
    # The joint called hand moves the link called hand along its z axis, and no other link.
    before = world.tree.get_jacobians()
    before_pose = world.hand.get_world_poses()[0]
    world.tree.set_joint_positions(world.everywhere(0.3), joint_indices=[2])
    moved = world.hand.get_world_poses()[0] - before_pose
    # The arm is turned by 30° about y: z' = (sin 30°, 0, cos 30°).
    world.close(moved, [0.15, 0.0, 0.3 * math.cos(math.pi / 6)], tol=1e-5)
    world.close(before[:, :, :3, 6 + 2].norm(dim=-1), [0.0, 0.0, 0.0, 1.0, 0.0], tol=1e-6)


def test_every_combination_of_indices(world: Any) -> None:
    view, n = world.tree, NUM_ENVS
    table = world.tensor(torch.arange(n * 4).reshape(n, 4)) / 10
    worlds = [None, [2], [2, 0], torch.tensor([1, 2]), []]
    joints = [None, [1], [3, 1], torch.tensor([0, 2]), [1, 2, 3]]
    for setter, getter in (
        (view.set_joint_positions, view.get_joint_positions),
        (view.set_joint_velocities, view.get_joint_velocities),
        (view.set_joint_efforts, view.get_applied_joint_efforts),
        (view.set_armatures, view.get_armatures),
        (view.set_friction_coefficients, view.get_friction_coefficients),
        (view.set_max_efforts, view.get_max_efforts),
    ):
        for rows in worlds:
            for columns in joints:
                setter(table)
                picked = np.ix_(range(n) if rows is None else rows, range(4) if columns is None else columns)
                expected = table.cpu().numpy().copy()
                expected[picked] = 7.0 + expected[picked]
                values = world.tensor(expected[picked])
                on_device = [i.to(world.engine.device) if isinstance(i, torch.Tensor) else i for i in (rows, columns)]
                setter(values, indices=on_device[0], joint_indices=on_device[1])
                world.close(getter(), expected, tol=1e-5)
                world.close(getter(indices=on_device[0], joint_indices=on_device[1]), expected[picked], tol=1e-5)
    with pytest.raises(OigeError, match="bool"):
        view.get_joint_positions(indices=torch.ones(n, dtype=torch.bool))


def test_one_row_for_all_worlds_and_one_column_for_all_joints(world: Any) -> None:
    view, n, joints = world.tree, NUM_ENVS, [0.1, 0.2, 0.3, 0.4]
    view.set_joint_positions(world.tensor(joints))
    world.close(view.get_joint_positions(), [joints] * n, tol=1e-6)
    view.set_joint_positions(world.tensor([joints[::-1]]), indices=[2, 0])
    world.close(view.get_joint_positions(), [joints[::-1], joints, joints[::-1]], tol=1e-6)
    view.set_joint_positions(world.tensor([[1.0], [2.0], [3.0]]))
    world.close(view.get_joint_positions(), [[1.0] * 4, [2.0] * 4, [3.0] * 4], tol=1e-6)


def test_indices_of_links(world: Any) -> None:
    view = world.tree
    world.close(view.get_body_masses(), [4.0, 1.0, 1.5, 0.5, 0.7], tol=1e-6)
    view.set_body_masses(world.tensor([[8.0, 9.0]]), indices=[1], body_indices=[4, 2])
    world.close(view.get_body_masses(), [[4, 1, 1.5, 0.5, 0.7], [4, 1, 9, 0.5, 8], [4, 1, 1.5, 0.5, 0.7]], tol=1e-6)
    world.close(view.get_body_masses(indices=[1], body_indices=torch.tensor([2])), [[9.0]], tol=1e-6)
    world.close(view.get_body_coms(body_indices=[0])[:, 0], [0.1, -0.05, 0.02], tol=1e-6)
    view.set_body_coms(world.tensor([[[0.1, 0.2, 0.3]]]), indices=[2], body_indices=[3])
    world.close(view.get_body_coms(indices=[1, 2], body_indices=[3])[:, 0], [[0, 0, 0.05], [0.1, 0.2, 0.3]], tol=1e-6)


def test_copies_and_live_values(world: Any) -> None:
    """With clone=True the caller may keep, and write, what it gets."""
    for getter in (
        world.tree.get_joint_positions,
        world.tree.get_joint_velocities,
        world.tree.get_applied_joint_efforts,
        world.rails.get_applied_joint_efforts,
        world.rails.get_measured_joint_efforts,
        world.tree.get_body_masses,
        world.tree.get_velocities,
        world.tree.get_linear_velocities,
        lambda **options: world.tree.get_world_poses(**options)[0],
        lambda **options: world.rails.get_gains(**options)[0],
        lambda **options: world.hand.get_world_poses(**options)[1],
    ):
        before = getter(clone=True)
        kept = before.clone()
        before += 1.0
        assert torch.equal(getter(clone=True), kept)
        assert torch.equal(getter(clone=False), kept)


def test_setter_then_getter_within_a_step(world: Any) -> None:
    """Poses and velocities of links follow the state that was set, in the worlds where it was set."""
    bob = world.bobs
    world.run(0.01)
    bob.get_world_poses()
    world.pendulum.set_joint_positions(world.tensor([[0.5]]), indices=[1])
    world.pendulum.set_joint_velocities(world.tensor([[2.0]]), indices=[1])
    angle = torch.tensor([0.0, 0.5, 0.0], dtype=torch.float64)
    half = angle / 2
    world.close(bob.get_world_poses()[1], torch.stack([half.cos(), 0 * half, half.sin(), 0 * half], -1), tol=1e-6)
    world.close(bob.get_angular_velocities(), [[0, 0, 0], [0, 2, 0], [0, 0, 0]], tol=1e-6)
    world.pendulum.set_joint_positions(world.tensor([[-0.5], [0.2]]), indices=torch.tensor([2, 0]))
    half = torch.tensor([0.2, 0.5, -0.5], dtype=torch.float64) / 2
    world.close(bob.get_world_poses()[1], torch.stack([half.cos(), 0 * half, half.sin(), 0 * half], -1), tol=1e-6)


def test_fixed_root_can_be_moved_and_is_reset(world: Any) -> None:
    view = world.pendulum
    world.close(view.get_world_poses()[0], [0, 0, 1], tol=0)
    world.close(view.get_velocities(), 0.0, tol=0)
    turned = world.tensor([[math.sqrt(0.5), 0, 0, math.sqrt(0.5)]])
    view.set_world_poses(world.tensor([[1.0, 2.0, 3.0]]), turned, indices=[1])
    world.close(view.get_world_poses()[0], [[0, 0, 1], [1, 2, 3], [0, 0, 1]], tol=1e-6)
    world.close(view.get_world_poses(indices=[1])[1], turned, tol=1e-6)
    view.set_joint_velocities(world.everywhere(1.0))
    # The hinge is along y of a root that a quarter turn about z makes the world's −x.
    world.close(world.bobs.get_angular_velocities(), [[0, 1, 0], [-1, 0, 0], [0, 1, 0]], tol=1e-6)
    with pytest.raises(CapabilityError, match="'pendulum': only free bodies and floating roots have a velocity"):
        view.set_velocities(world.everywhere(*[0.0] * 6))
    world.engine.reset(torch.tensor([0], device=world.engine.device))
    world.close(view.get_world_poses(indices=[1])[0], [[1, 2, 3]], tol=1e-6)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    world.close(view.get_world_poses()[0], [0, 0, 1], tol=1e-6)
    world.close(view.get_world_poses()[1], [1, 0, 0, 0], tol=1e-6)


# ------------------------------------------------------------------------------------------------ pendulum


def energy(world: Any) -> torch.Tensor:
    q, v = world.pendulum.get_joint_positions()[:, 0], world.pendulum.get_joint_velocities()[:, 0]
    return 0.5 * PENDULUM_INERTIA * v * v - PENDULUM_MASS * G * PENDULUM_LENGTH * q.cos()


def test_pendulum_keeps_its_energy(world: Any) -> None:
    """Semi-implicit Euler is symplectic: the energy's error does not grow; its share is about dt · ω / 2 = 0.2 %."""
    world.pendulum.set_joint_positions(world.tensor([[0.5], [1.5], [2.5]]))
    before = energy(world)
    scale = PENDULUM_MASS * G * PENDULUM_LENGTH
    assert (before.diff() > 0.5 * scale).all()
    for _ in range(4):
        world.run(0.1)
        world.close(energy(world), before, tol=0.006 * scale)


def test_small_oscillations_have_the_period_of_the_formula(world: Any) -> None:
    """T = 2 π √(I / m g l), here with g = 40: after a quarter it passes zero, after a half it is at the other side."""
    quarter = math.pi / 2 * math.sqrt(PENDULUM_INERTIA / (PENDULUM_MASS * 40.0 * PENDULUM_LENGTH))
    world.engine.set_gravity(world.everywhere(0.0, 0.0, -40.0))
    world.pendulum.set_joint_positions(world.everywhere(0.01))
    world.run(round(quarter, 3))
    # A step and the rounding of the quarter to one are a phase of 1.5 ω dt.
    world.close(world.pendulum.get_joint_positions(), 0.0, tol=0.01 * 0.014)
    world.run(round(quarter, 3))
    world.close(world.pendulum.get_joint_positions(), -0.01, tol=2e-5)


def test_gravity_of_each_world(world: Any) -> None:
    """A step from rest at the horizontal gives v = dt · m g l / I, and the gravity of the world is g."""
    world.close(world.engine.get_gravity(), [0, 0, -G], tol=1e-6)
    world.engine.set_gravity(world.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, -20.0]]), indices=[0, 2])
    world.close(world.engine.get_gravity()[:, 2], [-1.0, -G, -20.0], tol=1e-6)
    world.pendulum.set_joint_positions(world.everywhere(-math.pi / 2))
    world.run(DT)
    gravity = torch.tensor([1.0, G, 20.0], dtype=torch.float64)
    expected = DT * PENDULUM_MASS * gravity * PENDULUM_LENGTH / PENDULUM_INERTIA
    world.close(world.pendulum.get_joint_velocities()[:, 0], expected, tol=1e-7, rel=1e-5)
    forces = world.pendulum.get_generalized_gravity_forces()[:, 0]
    # At about −π/2 the bob is at +x; holding it there takes a torque about −y.
    world.close(forces, -PENDULUM_MASS * gravity * PENDULUM_LENGTH, tol=1e-4, rel=1e-5)


# ------------------------------------------------------------------------------------------------ planar arm

Q = [[0.3, 0.9], [-1.2, 0.4], [2.0, -1.7]]
QD = [[0.5, -1.0], [2.0, 1.5], [-0.7, 0.3]]


def pose_arm(world: Any, view: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Set all worlds to different states; return angles and velocities ``(n, 2)`` in double precision."""
    view.set_joint_positions(world.tensor(Q))
    view.set_joint_velocities(world.tensor(QD))
    return torch.tensor(Q, dtype=torch.float64), torch.tensor(QD, dtype=torch.float64)


def arm_points(q: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Jacobians ``(n, 2)`` of x and z of the elbow and of the hand: the 2R arm of every textbook."""
    s1, c1 = q[:, 0].sin(), q[:, 0].cos()
    s12, c12 = q.sum(1).sin(), q.sum(1).cos()
    zero = torch.zeros_like(s1)
    elbow = (torch.stack([-L1 * s1, zero], -1), torch.stack([L1 * c1, zero], -1))
    hand_x = torch.stack([-L1 * s1 - L2 * s12, -L2 * s12], -1)
    hand_z = torch.stack([L1 * c1 + L2 * c12, L2 * c12], -1)
    return [elbow, (hand_x, hand_z)]


def test_jacobians_of_an_arm(world: Any) -> None:
    q, _ = pose_arm(world, world.arm)
    expected = torch.zeros(NUM_ENVS, 4, 6, 2, dtype=torch.float64)  # base, upper, fore, hand
    for link, (x, z) in zip((2, 3), arm_points(q), strict=True):
        expected[:, link, 0], expected[:, link, 2] = x, z
    expected[:, 1:, 4, 0] = -1.0  # positive angles turn about −y
    expected[:, 2:, 4, 1] = -1.0
    world.close(world.arm.get_jacobians(), expected, tol=2e-6)
    world.close(world.arm.get_jacobians(indices=[2, 0]), expected[[2, 0]], tol=2e-6)
    # On a base turned by a quarter about z, x is the world's y, and −y its x.
    pose_arm(world, world.turned_arm)
    turned = torch.zeros_like(expected)
    turned[:, :, 1], turned[:, :, 2], turned[:, :, 3] = expected[:, :, 0], expected[:, :, 2], -expected[:, :, 4]
    world.close(world.turned_arm.get_jacobians(), turned, tol=2e-6)


def arm_mass_matrix(q: torch.Tensor, m1: torch.Tensor | float = M1, m2: torch.Tensor | float = M2) -> torch.Tensor:
    c2 = q[:, 1].cos()
    m22 = m2 * C2**2 + I2 + 0 * c2
    m12 = m22 + m2 * L1 * C2 * c2
    m11 = m1 * C1**2 + I1 + m2 * (L1**2 + C2**2 + 2 * L1 * C2 * c2) + I2
    return torch.stack([torch.stack([m11, m12], -1), torch.stack([m12, m22], -1)], -2)


def arm_gravity(q: torch.Tensor, m1: Any = M1, m2: Any = M2, g: Any = G) -> torch.Tensor:
    lower = m2 * C2 * g * q.sum(1).cos()
    return torch.stack([(m1 * C1 + m2 * L1) * g * q[:, 0].cos() + lower, lower], -1)


def arm_coriolis(q: torch.Tensor, v: torch.Tensor, m2: Any = M2) -> torch.Tensor:
    h = m2 * L1 * C2 * q[:, 1].sin()
    return torch.stack([-h * (2 * v[:, 0] * v[:, 1] + v[:, 1] ** 2), h * v[:, 0] ** 2], -1)


def test_mass_matrix_gravity_and_coriolis_forces_of_an_arm(world: Any) -> None:
    for view in (world.arm, world.turned_arm):
        q, v = pose_arm(world, view)
        world.close(view.get_mass_matrices(), arm_mass_matrix(q), tol=1e-5)
        world.close(view.get_generalized_gravity_forces(), arm_gravity(q), tol=3e-5)
        world.close(view.get_coriolis_and_centrifugal_forces(), arm_coriolis(q, v), tol=5e-5)
    world.close(world.arm.get_mass_matrices(indices=[1]), arm_mass_matrix(q)[[1]], tol=1e-5)
    world.close(world.arm.get_generalized_gravity_forces(indices=[1]), arm_gravity(q)[[1]], tol=3e-5)
    world.close(world.arm.get_coriolis_and_centrifugal_forces(indices=[1]), arm_coriolis(q, v)[[1]], tol=5e-5)


def test_dynamics_follow_masses_armatures_and_gravity_of_each_world(world: Any) -> None:
    view = world.arm
    q, v = pose_arm(world, view)
    masses, g = torch.tensor([[2.0, 1.5], [4.0, 0.5], [1.0, 3.0]], dtype=torch.float64), torch.tensor([G, 1.0, 20.0])
    view.set_body_masses(world.tensor(masses), body_indices=[1, 2])
    view.set_armatures(world.tensor([[0.1, 0.2]]), indices=[1])
    world.engine.set_gravity(world.tensor([[0, 0, -float(value)] for value in g]))
    m1, m2 = masses.unbind(1)
    expected = arm_mass_matrix(q, m1, m2)
    expected[1] += torch.diag(torch.tensor([0.1, 0.2], dtype=torch.float64))
    world.close(view.get_mass_matrices(), expected, tol=1e-5)
    world.close(view.get_generalized_gravity_forces(), arm_gravity(q, m1, m2, g.double()), tol=1e-4)
    world.close(view.get_coriolis_and_centrifugal_forces(), arm_coriolis(q, v, m2), tol=1e-4)
    # And the motion obeys them: M dv = −dt (c + g).
    forces = arm_coriolis(q, v, m2) + arm_gravity(q, m1, m2, g.double())
    world.run(DT)
    expected_v = v - DT * torch.linalg.solve(expected, forces.unsqueeze(-1)).squeeze(-1)
    world.close(view.get_joint_velocities(), expected_v, tol=5e-6)


def test_gravity_is_switched_per_link_and_world(world: Any) -> None:
    view = world.arm
    q, _ = pose_arm(world, view)
    view.set_joint_velocities(torch.zeros_like(world.tensor(QD)))
    assert not view.get_body_disable_gravity().any()
    view.set_body_disable_gravity(torch.tensor([[True]], device=world.engine.device), indices=[1], body_indices=[2])
    view.set_body_disable_gravity(torch.ones(1, 4, dtype=torch.bool, device=world.engine.device), indices=[2])
    expected = [[False] * 4, [False, False, True, False], [True] * 4]
    assert view.get_body_disable_gravity().tolist() == expected
    # World 1 carries the upper arm alone, world 2 nothing.
    m1, m2 = (torch.tensor(m, dtype=torch.float64) for m in ([M1, M1, 0.0], [M2, 0.0, 0.0]))
    gravity = arm_gravity(q, m1, m2)
    world.close(view.get_generalized_gravity_forces(), gravity, tol=3e-5)
    world.close(view.get_coriolis_and_centrifugal_forces(), 0.0, tol=3e-5)
    world.run(DT)
    expected_v = -DT * torch.linalg.solve(arm_mass_matrix(q), gravity.unsqueeze(-1)).squeeze(-1)
    world.close(view.get_joint_velocities(), expected_v, tol=1e-6)
    with pytest.raises(CapabilityError, match=r"'chain': gravity cannot be switched; .* disable_gravity=False"):
        world.chain.set_body_disable_gravity(world.tensor(torch.ones(NUM_ENVS, 3)).bool())


# ------------------------------------------------------------------------------------------------ floating tree


def pose_tree(world: Any) -> torch.Tensor:
    """Set the tree to a random state that differs between worlds; return the motion ``(n, 10)``, world frame."""
    random = torch.Generator().manual_seed(1)
    draw = lambda *shape: world.tensor(torch.randn(*shape, generator=random))  # noqa: E731
    orientations = torch.nn.functional.normalize(draw(NUM_ENVS, 4), dim=1)
    world.tree.set_world_poses(draw(NUM_ENVS, 3), orientations)
    root, joints = draw(NUM_ENVS, 6), draw(NUM_ENVS, 4)
    world.tree.set_velocities(root)
    world.tree.set_joint_positions(0.5 * draw(NUM_ENVS, 4))
    world.tree.set_joint_velocities(joints)
    return torch.cat([root, joints], dim=1)


def link_states(world: Any) -> dict[str, torch.Tensor]:
    """Masses, centres of mass, their velocities, and inertias in the world frame, of all links, in double precision."""
    view, links = world.tree, world.all_links
    mass, inertia = view.get_body_masses().double(), view.get_body_inertias().double().reshape(NUM_ENVS, 5, 3, 3)
    position, orientation = (values.double() for values in links.get_world_poses())
    velocity = links.get_velocities().double()
    arm = quat_apply(orientation, view.get_body_coms().double())
    rotation = quat_to_matrix(orientation)
    return {
        "mass": mass[..., None],
        "centre": position + arm,
        "linear": velocity[..., :3] + torch.linalg.cross(velocity[..., 3:], arm),
        "angular": velocity[..., 3:],
        "inertia": rotation @ inertia @ rotation.transpose(-1, -2),
    }


def test_root_state_of_a_floating_tree(world: Any) -> None:
    motion = pose_tree(world)
    world.close(world.tree.get_velocities(), motion[:, :6], tol=2e-6)
    world.close(world.tree.get_linear_velocities(indices=[2]), motion[[2], :3], tol=2e-6)
    world.close(world.tree.get_angular_velocities(indices=[2]), motion[[2], 3:6], tol=2e-6)
    orientations = world.tree.get_world_poses()[1].unsqueeze(1)
    turned = quat_apply_inverse(orientations, motion[:, :6].unflatten(1, (2, 3))).flatten(1)
    world.close(world.tree.get_body_frame_velocities(), turned, tol=3e-6)
    world.close(world.tree.get_body_frame_velocities(indices=[2]), turned[[2]], tol=3e-6)
    world.close(world.links.get_body_frame_velocities(indices=[0, 2])[:, 1], turned[[0, 2]], tol=5e-6)
    assert (turned - motion[:, :6]).abs().max() > 1.0
    # The first link of the tree is its root, whichever way one looks at it.
    world.close(world.links.get_velocities()[:, 1], motion[:, :6], tol=3e-6)
    for own, link in zip(world.tree.get_world_poses(), world.links.get_world_poses(), strict=True):
        world.close(link[:, 1], own, tol=1e-6)
    # Turning the root keeps its velocity in the world frame.
    world.tree.set_world_poses(orientations=world.tensor([[0.0, 1.0, 0.0, 0.0]]), indices=[1])
    world.close(world.tree.get_velocities(), motion[:, :6], tol=2e-6)
    world.tree.set_angular_velocities(world.tensor([[1.0, 2.0, 3.0]]), indices=[0])
    world.tree.set_linear_velocities(world.tensor([[4.0, 5.0, 6.0]]), indices=[0])
    world.close(world.tree.get_velocities(indices=[0]), [[4, 5, 6, 1, 2, 3]], tol=2e-6)
    world.close(world.tree.get_velocities(indices=[1, 2]), motion[1:, :6], tol=2e-6)


def test_jacobians_times_motion_are_link_velocities(world: Any) -> None:
    motion = pose_tree(world)
    velocities = (world.tree.get_jacobians() @ motion[:, None, :, None]).squeeze(-1)
    world.close(velocities, world.all_links.get_velocities(), tol=1e-5)
    world.close(velocities[:, [4, 0, 1]], world.links.get_velocities(), tol=1e-5)
    assert velocities.abs().max() > 1.0


def test_link_velocities_are_derivatives_of_link_poses(world: Any) -> None:
    pose_tree(world)
    world.engine.set_gravity(world.everywhere(0.0, 0.0, 0.0))
    position, orientation = world.all_links.get_world_poses()
    world.run(DT)
    velocity = world.all_links.get_velocities()
    next_position, next_orientation = world.all_links.get_world_poses()
    world.close((next_position - position) / DT, velocity[..., :3], tol=0.02)
    # q' = q · (1, ω dt / 2): the vector part of q' q⁻¹ is ω dt / 2.
    conjugate = orientation * world.tensor([1.0, -1.0, -1.0, -1.0])
    turn = quat_mul(next_orientation, conjugate)
    turn = turn * turn[..., :1].sign()
    world.close(2 * turn[..., 1:] / DT, velocity[..., 3:], tol=0.02)


def test_kinetic_energy_is_that_of_the_mass_matrix(world: Any) -> None:
    motion = pose_tree(world).double()
    s = link_states(world)
    linear = (0.5 * s["mass"] * s["linear"] ** 2).sum((1, 2))
    angular = 0.5 * torch.einsum("nbi,nbij,nbj->n", s["angular"], s["inertia"], s["angular"])
    mass = world.tree.get_mass_matrices().double()
    world.close(0.5 * torch.einsum("ni,nij,nj->n", motion, mass, motion), linear + angular, tol=0, rel=1e-5)
    world.close(mass, mass.transpose(1, 2), tol=1e-5)
    # In the world-frame convention the force that a linear acceleration of the whole takes is m a.
    world.close(mass[:, :3, :3], 7.7 * torch.eye(3, dtype=torch.float64), tol=1e-5)


def test_power_of_gravity_is_loss_of_height(world: Any) -> None:
    motion = pose_tree(world)
    s = link_states(world)
    forces = world.tree.get_generalized_gravity_forces()
    world.close((forces * motion).sum(1), (G * s["mass"] * s["linear"][..., 2:]).sum((1, 2)), tol=1e-4, rel=1e-5)
    world.close(forces[:, :3], [0, 0, 7.7 * G], tol=1e-4)


def test_equations_of_motion_of_a_floating_tree(world: Any) -> None:
    """M a + c + g = τ in the world-frame convention; a is taken from two steps half a time step apart: error O(dt)."""
    before = pose_tree(world)
    effort = world.tensor([[1.0, -2.0, 3.0, 0.5]])
    world.tree.set_joint_efforts(effort.expand(NUM_ENVS, -1))
    forces = world.tree.get_coriolis_and_centrifugal_forces() + world.tree.get_generalized_gravity_forces()
    forces[:, 6:] -= effort
    mass = world.tree.get_mass_matrices()
    world.run(DT)
    after = torch.cat([world.tree.get_velocities(), world.tree.get_joint_velocities()], dim=1)
    world.close(
        (mass @ ((after - before) / DT).unsqueeze(-1)).squeeze(-1), -forces, tol=0.02 * float(forces.abs().max())
    )
    assert world.tree.get_coriolis_and_centrifugal_forces().abs().max() > 1.0


def test_momentum_is_conserved_in_flight(world: Any) -> None:
    """Semi-implicit Euler drifts by a share of the order of ω dt per turn."""
    world.engine.set_gravity(world.everywhere(0.0, 0.0, 0.0))
    pose_tree(world)

    def momenta() -> tuple[torch.Tensor, torch.Tensor]:
        s = link_states(world)
        linear = s["mass"] * s["linear"]
        spin = (s["inertia"] @ s["angular"].unsqueeze(-1)).squeeze(-1)
        return linear.sum(1), (torch.linalg.cross(s["centre"], linear) + spin).sum(1)

    linear, angular = momenta()
    world.run(0.1)
    for before, after in zip((linear, angular), momenta(), strict=True):
        world.close(after, before, tol=0.02 * float(before.abs().max()))


def test_inertias_set_are_inertias_read(world: Any) -> None:
    world.close(
        world.tree.get_body_inertias(indices=[0], body_indices=[0]),
        [[[0.3, 0.02, -0.03, 0.02, 0.25, 0.01, -0.03, 0.01, 0.2]]],
        tol=1e-6,
    )
    values = world.tensor([0.5, 0.05, 0.02, 0.05, 0.4, -0.03, 0.02, -0.03, 0.3])
    world.tree.set_body_inertias(values.expand(1, 1, 9), indices=[1], body_indices=[2])
    world.close(world.tree.get_body_inertias(indices=[1], body_indices=[2]), values.expand(1, 1, 9), tol=1e-6)
    test_kinetic_energy_is_that_of_the_mass_matrix(world)
    for wrong, message in (([1, 2, 0, 0, 1, 0, 0, 0, 1], "symmetric"), ([1, 0, 0, 0, -1, 0, 0, 0, 1], "positive")):
        with pytest.raises(OigeError, match=f"inertias of 'tree': expected {message}"):
            world.tree.set_body_inertias(world.tensor(wrong).expand(NUM_ENVS, 1, 9), body_indices=[1])


# ------------------------------------------------------------------------------------------------ joint wrenches


def test_wrenches_in_a_hanging_chain(world: Any) -> None:
    """Each link carries what hangs on it: 6, 5 and 3 kg. The ceiling's own kilogram sits 0.3 m from its origin."""
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[:, 2] = torch.tensor([6.0, 5.0, 3.0]) * G
    expected[0, 4] = -1.0 * G * 0.3  # r × m g ẑ with r = 0.3 x̂ is −0.3 m g ŷ
    world.close(world.chain.get_measured_joint_forces(), expected, tol=1e-3)
    world.close(
        world.chain.get_measured_joint_forces(indices=[2], joint_indices=[2, 0]), expected[[2, 0]][None], tol=1e-3
    )


def test_wrenches_of_some_links_alone(world: Any) -> None:
    world.run(DT)
    carried = torch.tensor([[0.0, 0.0, 3.0 * G, 0.0, 0.0, 0.0]], dtype=torch.float64)
    for lower in ([2], torch.tensor([2], device=world.engine.device)):
        world.close(world.partly.get_measured_joint_forces(joint_indices=lower), carried, tol=1e-3)
    for missing in (None, [2, 0]):
        with pytest.raises(
            CapabilityError, match=r"'partly': joint forces of link 'ceiling' are not measured, only those of lower;"
        ):
            world.partly.get_measured_joint_forces(joint_indices=missing)


def test_wrenches_in_a_cantilever(world: Any) -> None:
    """Turned by +90° about y the chain points to −x; drives hold it, and their torques are the joints' y components.

    Centres of mass: upper 0.2 m from its anchor; lower 0.15 m from its own and 0.4 + 0.1 = 0.5 m from the upper one.
    In a link's frame up is −x. The ceiling is not turned.
    """
    world.chain.set_joint_positions(world.everywhere(math.pi / 2, 0.0))
    held = torch.tensor([2 * 0.2 + 3 * 0.5, 3 * 0.15], dtype=torch.float64) * G
    world.close(world.chain.get_generalized_gravity_forces(), held, tol=1e-3)
    world.chain.set_joint_efforts(world.tensor(held).expand(NUM_ENVS, -1))
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[0, 2] = 6 * G
    expected[1, 0], expected[2, 0] = -5 * G, -3 * G
    expected[1, 4], expected[2, 4] = held[0], held[1]
    expected[0, 4] = held[0] - 1.0 * G * 0.3
    world.close(world.chain.get_measured_joint_forces(), expected, tol=2e-3)
    world.close(world.chain.get_joint_velocities(), 0.0, tol=1e-4)


def test_wrenches_answer_external_forces(world: Any) -> None:
    """4 N along y at the lower centre of mass: every joint pulls it back, with a torque about its own anchor."""
    world.lower.apply_forces(world.everywhere(0.0, 4.0, 0.0))
    world.run(DT)
    expected = torch.zeros(3, 6, dtype=torch.float64)
    expected[:, 2] = torch.tensor([6.0, 5.0, 3.0]) * G
    expected[:, 1] = -4.0
    # −(r × F ŷ) with r = (0, 0, −d) is (−d F, 0, 0): d from the anchor to the point.
    expected[:, 3] = -4.0 * torch.tensor([0.6, 0.5, 0.15])
    expected[0, 4] = -0.3 * G
    world.close(world.chain.get_measured_joint_forces(), expected, tol=2e-3)
    # Gone after the step.
    world.run(DT)
    world.close(world.chain.get_measured_joint_forces()[..., 1], 0.0, tol=1e-3)


def test_a_floating_root_hangs_on_nothing(world: Any) -> None:
    pose_tree(world)
    world.run(DT)
    forces = world.tree.get_measured_joint_forces()
    world.close(forces[:, 0], 0.0, tol=1e-3)
    assert forces[:, 1:].abs().max() > 0.1


def test_without_gravity_joints_carry_no_weight(world: Any) -> None:
    """The tree rests with gravity off on all links and falls as one with it on: no forces in joints either way."""
    world.tree.set_body_disable_gravity(
        torch.tensor([[True] * 5, [False] * 5, [True, True, False, True, True]], device=world.engine.device)
    )
    world.tree.set_joint_positions(world.everywhere(0.4, -0.3, 0.1, 0.2))
    world.run(DT)
    forces = world.tree.get_measured_joint_forces()
    world.close(forces[:2], 0.0, tol=2e-3)
    # In world 2 the leg alone falls; it pulls the rest along.
    world.close(forces[2, 0], 0.0, tol=2e-3)
    assert forces[2, 2].norm() > 1.0
    world.close(world.tree.get_linear_velocities()[:2], [[0, 0, 0], [0, 0, -G * DT]], tol=1e-6)


# ------------------------------------------------------------------------------------------------ drives


def damped_step(time: float, mass: float, start: float, target: float, stiffness: float, damping: float) -> float:
    """Position of m x¨ = k (target − x) − d x˙ from rest, underdamped."""
    omega, zeta = math.sqrt(stiffness / mass), damping / (2 * math.sqrt(stiffness * mass))
    damped = omega * math.sqrt(1 - zeta**2)
    decay = math.exp(-zeta * omega * time)
    return target + (start - target) * decay * (
        math.cos(damped * time) + zeta * omega / damped * math.sin(damped * time)
    )


def test_position_drive_follows_the_second_order_response(world: Any) -> None:
    """Gains differ between worlds. The integrator's error is of the order of dt · ω · amplitude = 1e-3 · 20 · 0.4."""
    world.close(world.rails.get_joint_positions(), [0.1, 0, 0, 0], tol=1e-7)  # where the asset starts
    gains = [(200.0, 4.0), (800.0, 4.0), (200.0, 24.0)]
    kps, kds = world.tensor([[kp] for kp, _ in gains]), world.tensor([[kd] for _, kd in gains])
    world.rails.set_gains(kps, joint_indices=[POSITION])
    world.rails.set_gains(kds=kds[2:], indices=[2], joint_indices=[POSITION])
    stiffness, damping = world.rails.get_gains()
    world.close(stiffness, [[200, 0, 0, 0], [800, 0, 0, 0], [200, 0, 0, 0]], tol=0)
    world.close(damping, [[4, 90, 0, 0], [4, 90, 0, 0], [24, 90, 0, 0]], tol=0)
    world.rails.set_joint_position_targets(world.everywhere(0.5), joint_indices=[POSITION])
    for step in range(1, 5):
        world.run(0.05)
        expected = [damped_step(0.05 * step, 2.0, 0.1, 0.5, kp, kd) for kp, kd in gains]
        world.close(world.rails.get_joint_positions()[:, POSITION], expected, tol=8e-3)
    q, v = world.rails.get_joint_positions()[:, 0], world.rails.get_joint_velocities()[:, 0]
    expected_effort = kps[:, 0] * (0.5 - q) - kds[:, 0] * v
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], expected_effort, tol=1e-4)


def test_one_step_of_a_drive_is_implicit_in_velocity(world: Any) -> None:
    """(m + dt d) dv = dt (k (target − x) + d (v target − v) + effort), to the last digits."""
    world.rails.set_joint_velocities(world.everywhere(0.7), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(0.4), joint_indices=[POSITION])
    world.rails.set_joint_velocity_targets(world.everywhere(-0.2), joint_indices=[POSITION])
    world.rails.set_joint_efforts(world.everywhere(1.5), joint_indices=[POSITION])
    world.run(DT)
    force = STIFFNESS * (0.4 - 0.1) + DAMPING * (-0.2 - 0.7) + 1.5
    velocity = 0.7 + DT * force / (2.0 + DT * DAMPING)
    world.close(world.rails.get_joint_velocities()[:, POSITION], velocity, tol=1e-6)
    world.close(world.rails.get_joint_positions()[:, POSITION], 0.1 + DT * velocity, tol=1e-6)


def test_velocity_drive_against_a_viscous_load(world: Any) -> None:
    """d (target − v) = b v at last. The rate is (d + b) / m = 100/s; an implicit step divides what is left by 1.1."""
    world.rails.set_joint_velocity_targets(world.everywhere(0.8), joint_indices=[VELOCITY])
    final = 0.8 * 90.0 / (90.0 + 10.0)
    world.run(0.01)
    world.close(world.rails.get_joint_velocities()[:, VELOCITY], final * (1 - 1.1**-10), tol=1e-6)
    world.run(0.14)
    world.close(world.rails.get_joint_velocities()[:, VELOCITY], final, tol=1e-5)


def test_effort_limits_make_a_constant_acceleration(world: Any) -> None:
    """6 N on 4 kg, whatever is asked for; 2 N where less than the limit is asked for; per-world limits."""
    assert world.rails.get_max_efforts()[0].tolist() == [math.inf, math.inf, 6.0, math.inf]
    world.rails.set_joint_efforts(world.tensor([[100.0], [-100.0], [2.0]]), joint_indices=[EFFORT])
    world.close(world.rails.get_applied_joint_efforts()[:, EFFORT], [100, -100, 2], tol=0)
    world.close(world.rails.get_measured_joint_efforts()[:, EFFORT], [6, -6, 2], tol=0)
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.15, -0.15, 0.05], tol=1e-6)
    world.rails.set_max_efforts(world.tensor([[20.0]]), indices=[0], joint_indices=[EFFORT])
    world.rails.set_max_efforts(world.tensor([[math.inf]]), indices=[1], joint_indices=[EFFORT])
    assert world.rails.get_max_efforts()[:, EFFORT].tolist() == [20.0, math.inf, 6.0]
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.15 + 0.5, -0.15 - 2.5, 0.1], tol=1e-5)
    # A position drive too is bounded as a whole: 1 N on 2 kg.
    world.rails.set_max_efforts(world.everywhere(1.0), joint_indices=[POSITION])
    world.rails.set_joint_positions(world.everywhere(0.1), joint_indices=[POSITION])
    world.rails.set_joint_velocities(world.everywhere(0.0), joint_indices=[POSITION])
    world.rails.set_joint_position_targets(world.everywhere(10.0), joint_indices=[POSITION])
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, POSITION], 0.05, tol=1e-6)
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 1.0, tol=0)
    # Bounds that come back with a state count again.
    state = world.engine.state_dict()
    world.rails.set_max_efforts(world.everywhere(0.5), joint_indices=[POSITION])
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 0.5, tol=0)
    world.engine.load_state_dict(state)
    world.close(world.rails.get_measured_joint_efforts()[:, POSITION], 1.0, tol=0)


def test_control_modes(world: Any) -> None:
    view = world.rails
    view.set_joint_position_targets(world.everywhere(0.5), joint_indices=[POSITION])
    view.set_joint_velocity_targets(world.everywhere(0.3), joint_indices=[POSITION])
    view.set_joint_efforts(world.everywhere(3.0), joint_indices=[POSITION])
    first = [POSITION]
    for mode, kp, kd in (("velocity", 0.0, DAMPING), ("effort", 0.0, 0.0), ("position", STIFFNESS, DAMPING)):
        view.switch_control_mode(mode, joint_indices=first)
        stiffness, damping = view.get_gains(joint_indices=first)
        world.close(stiffness, kp, tol=0)
        world.close(damping, kd, tol=0)
        view.set_joint_positions(world.everywhere(0.1), joint_indices=first)
        view.set_joint_velocities(world.everywhere(0.0), joint_indices=first)
        world.run(DT)
        force = kp * (0.5 - 0.1) + kd * 0.3 + 3.0
        world.close(view.get_joint_velocities()[:, POSITION], DT * force / (2.0 + DT * kd), tol=1e-6)
    world.close(view.get_gains()[1][:, VELOCITY], 90.0, tol=0)  # the others were left alone
    with pytest.raises(OigeError, match="control mode 'torque': expected position, velocity or effort"):
        view.switch_control_mode("torque")


def test_gains_given_to_an_articulation_without(world: Any) -> None:
    """Its position targets are its initial positions, its efforts stay."""
    view = world.coupled
    with pytest.raises(OigeError, match=r"'coupled': its drives have no gains, .* set_gains first"):
        view.set_joint_position_targets(world.everywhere(0.0, 0.0))
    view.set_joint_efforts(world.everywhere(2.0, 0.0))
    view.set_joints_default_state(positions=world.everywhere(0.2, -0.1))
    view.set_gains(world.everywhere(30.0, 40.0), world.everywhere(0.0, 0.0))
    world.close(view.get_applied_joint_efforts(), [2, 0], tol=0)
    view.set_joint_positions(world.everywhere(0.05, 0.0))
    world.close(view.get_measured_joint_efforts(), [2.0 - 30 * 0.05, 0.0], tol=1e-5)
    world.run(DT)
    world.close(view.get_joint_velocities(), [DT * (2.0 - 30 * 0.05), 0.0], tol=1e-7)
    world.engine.reset()
    world.close(view.get_joint_positions(), [0.2, -0.1], tol=1e-7)
    world.close(view.get_measured_joint_efforts(), 0.0, tol=1e-5)
    world.run(DT)
    world.close(view.get_joint_velocities(), 0.0, tol=1e-6)


# ------------------------------------------------------------------------------------------------ joint properties


def test_armature_adds_inertia(world: Any) -> None:
    """a = F / (m + armature)."""
    world.rails.set_armatures(world.tensor([[1.0], [2.0]]), indices=[0, 2], joint_indices=[EFFORT])
    world.close(world.rails.get_armatures()[:, EFFORT], [1, 0, 2], tol=0)
    world.rails.set_joint_efforts(world.everywhere(3.0), joint_indices=[EFFORT])
    world.run(0.1)
    world.close(world.rails.get_joint_velocities()[:, EFFORT], [0.3 / 5, 0.3 / 4, 0.3 / 6], tol=1e-6)
    world.close(world.rails.get_mass_matrices()[:, EFFORT, EFFORT], [5, 4, 6], tol=1e-6)


def test_joint_friction_holds_below_and_slips_above_breakaway(world: Any) -> None:
    """MuJoCo's dry friction is a soft constraint: a held joint creeps, by about 1 mm/s here."""
    world.rails.set_friction_coefficients(world.tensor([[2.0], [5.0]]), indices=[0, 1], joint_indices=[EFFORT])
    world.close(world.rails.get_friction_coefficients()[:, EFFORT], [2, 5, 0], tol=0)
    world.rails.set_joint_efforts(world.everywhere(4.0), joint_indices=[EFFORT])
    world.run(0.1)
    velocity = world.rails.get_joint_velocities()[:, EFFORT]
    world.close(velocity, [0.1 * (4 - 2) / 4, 0.0, 0.1 * 4 / 4], tol=1.5e-3)


def test_joint_limits_stop_a_joint(world: Any) -> None:
    """Limits are soft: 5 N press the 1 kg cart less than 2 mm beyond them."""
    view = world.rails
    infinite = [-math.inf, math.inf]
    world.close(view.get_dof_limits()[:, LIMITED], [-0.1, 0.2], tol=1e-6)
    assert view.get_dof_limits()[0, POSITION].tolist() == infinite
    view.set_dof_limits(view.get_dof_limits()[[1]] * world.tensor([3.0, 0.25]), indices=[1])
    world.close(view.get_dof_limits()[:, LIMITED], [[-0.1, 0.2], [-0.3, 0.05], [-0.1, 0.2]], tol=1e-6)
    assert view.get_dof_limits()[:, POSITION].tolist() == [infinite] * NUM_ENVS
    view.set_joint_positions(world.tensor([[0.199], [0.049], [-0.099]]), joint_indices=[LIMITED])
    view.set_joint_efforts(world.tensor([[5.0], [5.0], [-5.0]]), joint_indices=[LIMITED])
    world.run(0.1)
    world.close(view.get_joint_positions()[:, LIMITED], [0.2, 0.05, -0.1], tol=2e-3)
    with pytest.raises(CapabilityError, match="joint 'position' of 'rails': has no limits to change"):
        view.set_dof_limits(world.tensor([[[-1.0, 1.0]]]), joint_indices=[POSITION])
    view.set_dof_limits(world.tensor([[infinite]]), indices=[2], joint_indices=[LIMITED])
    assert view.get_dof_limits()[2, LIMITED].tolist() == infinite
    before = view.get_joint_velocities()[2, LIMITED]
    world.run(0.01)
    assert view.get_joint_velocities()[2, LIMITED] < before - 0.04


# ------------------------------------------------------------------------------------------------ fixed tendons


def test_tendon_couples_its_joints(world: Any) -> None:
    """L = a + 2 b; a force f = −k (L − L0) − d L˙ along c = (1, 2), implicit in velocity: (M + dt D) dv = dt c f.

    D has the diagonal of d c cᵀ alone: the integrator leaves out what couples joints of different branches.
    """
    view = world.coupled
    assert view.num_fixed_tendons == 2
    view.set_joint_positions(world.tensor([[0.1, 0.05], [0.1, 0.05], [-0.2, 0.1]]))
    view.set_joint_velocities(world.everywhere(0.4, -0.1))
    length = torch.tensor([0.2, 0.2, 0.0], dtype=torch.float64)
    world.close(view.get_fixed_tendon_lengths(), length[:, None].expand(-1, 2), tol=1e-6)
    stiffness, rest, damping = [30.0, 0.0, 50.0], [0.0, 0.1, -0.1], [0.0, 5.0, 2.0]
    view.set_fixed_tendon_properties(
        stiffnesses=world.tensor([[0.0, k] for k in stiffness]),
        rest_lengths=world.tensor([[0.0, r] for r in rest]),
        dampings=world.tensor([[0.0, d] for d in damping]),
    )
    world.close(view.get_fixed_tendon_stiffnesses()[:, 1], stiffness, tol=0)
    world.close(view.get_fixed_tendon_rest_lengths()[:, 1], rest, tol=1e-7)
    world.close(view.get_fixed_tendon_dampings()[:, 1], damping, tol=0)
    world.run(DT)
    arms, velocity = torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([0.4, -0.1], dtype=torch.float64)
    for index in range(NUM_ENVS):
        force = -stiffness[index] * (length[index] - rest[index]) - damping[index] * (arms @ velocity)
        expected = velocity + DT * force * arms / (torch.tensor([1.0, 2.0]) + DT * damping[index] * arms**2)
        world.close(view.get_joint_velocities(indices=[index]), expected[None], tol=1e-6)


def test_tendon_limits_stop_both_joints(world: Any) -> None:
    """A force on one joint alone pulls the other along once L is at its limit; the limit is soft, by 2 mm here."""
    view = world.coupled
    limits = view.get_fixed_tendon_limits()
    world.close(limits[:, 0], [-0.5, 0.5], tol=1e-6)
    assert limits[0, 1].tolist() == [-math.inf, math.inf]
    with pytest.raises(CapabilityError, match="tendon 'free' of 'coupled': has no limits to change"):
        view.set_fixed_tendon_properties(limits=torch.full_like(limits, 0.5))
    limits[1, 0, 1] = 0.3
    view.set_fixed_tendon_properties(limits=limits[[1]], indices=[1])
    stops = [0.5, 0.3, 0.5]
    world.close(view.get_fixed_tendon_limits()[:, 0, 1], stops, tol=1e-6)
    view.set_joint_positions(world.tensor(stops)[:, None] - 1e-3, joint_indices=[0])
    view.set_joint_efforts(world.everywhere(3.0), joint_indices=[0])
    world.run(0.1)
    world.close(view.get_fixed_tendon_lengths()[:, 0], stops, tol=2e-3)
    assert (view.get_joint_velocities()[:, 1] < -0.05).all()


def test_spring_of_a_tendon_balances_an_effort(world: Any) -> None:
    """At rest under efforts f (1, 2) the tendon is longer by f / k: 1 and 0.5 mm; the damping is about critical."""
    view = world.coupled
    view.set_fixed_tendon_properties(
        stiffnesses=world.tensor([[0.0, 4000.0], [0.0, 8000.0]]),
        dampings=world.tensor([[0.0, 73.0], [0.0, 103.0]]),
        indices=[0, 2],
    )
    view.set_joint_efforts(world.everywhere(4.0, 8.0))
    world.run(0.15)
    world.close(view.get_fixed_tendon_lengths()[[0, 2], 1], [4 / 4000, 4 / 8000], tol=1e-6)


# ------------------------------------------------------------------------------------------------ reset and state


def snapshot(world: Any) -> dict[str, torch.Tensor]:
    view = world.rails
    return {
        "q": view.get_joint_positions(),
        "v": view.get_joint_velocities(),
        "effort": view.get_applied_joint_efforts(),
        "measured": view.get_measured_joint_efforts(),
        "pendulum": world.pendulum.get_joint_positions(),
        "wrench": world.chain.get_measured_joint_forces(),
        "root": torch.cat([*world.tree.get_world_poses(), world.tree.get_velocities()], dim=1),
        "pushed": world.chain.get_applied_joint_efforts(),
        "links": world.links.get_world_poses()[0],
    }


def stir(world: Any) -> None:
    """Give every world another state."""
    world.rails.set_joint_position_targets(world.tensor([[0.2], [0.4], [0.6]]), joint_indices=[POSITION])
    world.rails.set_joint_efforts(world.tensor([[1.0], [2.0], [3.0]]), joint_indices=[EFFORT])
    world.pendulum.set_joint_velocities(world.tensor([[1.0], [2.0], [3.0]]))
    world.chain.set_joint_efforts(world.tensor([[1.0, 0.1], [2.0, 0.2], [3.0, 0.3]]))
    pose_tree(world)
    world.run(0.02)


def test_reset_by_world(world: Any) -> None:
    first = snapshot(world)
    stir(world)
    before = snapshot(world)
    world.lower.apply_forces(world.everywhere(0.0, 50.0, 0.0))
    world.engine.reset(torch.tensor([0, 2], device=world.engine.device))
    after = snapshot(world)
    for name, values in after.items():
        assert torch.equal(values[1], before[name][1]), name
        assert torch.equal(values[[0, 2]], first[name][[0, 2]]), name
        assert not torch.equal(values[[0, 2]], before[name][[0, 2]]), name
    assert not after["wrench"][[0, 2]].any()
    # The external force is cleared in the worlds that were reset, and acts in the other.
    world.run(DT)
    world.close(world.chain.get_measured_joint_forces()[:, 2, 1], [0, -50.0, 0], tol=0.5)
    world.engine.reset()
    for name, values in snapshot(world).items():
        assert torch.equal(values, first[name]), name


def test_reset_restores_default_joint_states(world: Any) -> None:
    positions, velocities = world.tensor([[0.3], [0.2], [0.1]]), world.tensor([[1.0], [2.0], [3.0]])
    world.pendulum.set_joints_default_state(positions, velocities)
    world.close(world.pendulum.get_joint_positions(), 0.0, tol=0)
    world.engine.reset(torch.tensor([1, 2], device=world.engine.device))
    world.close(world.pendulum.get_joint_positions(), [[0.0], [0.2], [0.1]], tol=1e-7)
    world.close(world.pendulum.get_joint_velocities(), [[0.0], [2.0], [3.0]], tol=1e-7)
    # A driven joint is driven to where it starts.
    world.rails.set_joints_default_state(positions=world.everywhere(0.3, 0.0, 0.0, 0.0))
    world.rails.set_joint_position_targets(world.everywhere(-1.0), joint_indices=[POSITION])
    world.engine.reset()
    world.run(0.1)
    world.close(world.rails.get_joint_positions(), [0.3, 0, 0, 0], tol=1e-6)


def test_loaded_state_continues_bit_by_bit(world: Any, build: Callable[..., Any]) -> None:
    """In the same engine after further changes, and in a new one."""
    world.pendulum.set_world_poses(world.tensor([[0.0, 0.0, 2.0]]), indices=[1])
    world.rails.set_gains(world.tensor([[70.0]]), indices=[2], joint_indices=[POSITION])
    world.arm.set_body_masses(world.tensor([[3.0]]), indices=[0], body_indices=[1])
    stir(world)
    world.lower.apply_forces(world.everywhere(0.0, 5.0, 0.0))
    saved = world.engine.state_dict()
    world.run(0.02)
    expected = snapshot(world)
    world.engine.set_gravity(world.everywhere(0.0, 0.0, -3.0))
    world.rails.set_friction_coefficients(world.everywhere(*[1.0] * 4))
    world.chain.set_body_masses(world.everywhere(*[9.0] * 3))
    world.run(0.02)
    others = [world]
    if world.executor == "cpu":
        others.append(build(set_up_scene, NUM_ENVS, world.executor, dt=DT))
    for other in others:
        other.engine.load_state_dict(saved)
        other.run(0.02)
        for name, values in snapshot(other).items():
            if world.executor == "cpu":
                assert torch.equal(values, expected[name]), name
            else:  # constants that follow from masses are recomputed in single precision
                world.close(values, expected[name], tol=1e-4)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    world.close(world.pendulum.get_world_poses()[0], [0, 0, 1], tol=1e-6)


# ------------------------------------------------------------------------------------------------ errors


def test_unknown_names(world: Any) -> None:
    with pytest.raises(OigeError, match=r"joint 'shouldr' of 'arm': unknown\. Did you mean shoulder\?"):
        world.arm.get_dof_index("shouldr")
    with pytest.raises(OigeError, match=r"link 'elbow' of 'arm': unknown\. Available: base, fore, hand, upper\."):
        world.arm.get_link_index("elbow")


def test_what_was_not_prepared_is_refused(world: Any) -> None:
    with pytest.raises(CapabilityError, match=r"'arm': joint forces are not measured; .* track_joint_forces=True"):
        world.arm.get_measured_joint_forces()
    with pytest.raises(CapabilityError, match=r"'hand': contact forces are not measured; .* track_contact_forces=True"):
        world.hand.get_net_contact_forces()
    with pytest.raises(CapabilityError, match="'hand': links are moved by their joints; set joint positions"):
        world.hand.set_world_poses(world.everywhere(0.0, 0.0, 0.0))
    with pytest.raises(CapabilityError, match="'hand': only free bodies and floating roots have a velocity to set"):
        world.hand.set_velocities(world.everywhere(*[0.0] * 6))
