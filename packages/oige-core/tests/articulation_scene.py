"""Articulations in one scene without contacts, so that kernels are compiled for one model."""

import math
from collections.abc import Callable
from typing import Any

import torch
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
    branched = "branched_tendons" in scene.views.capabilities
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
        **({"coupled": scene.add_articulation("coupled", asset(COUPLED))} if branched else {}),
        "links": scene.add_link_view("links", "tree", ["foot", "trunk", "arm"]),
        "hand": scene.add_link_view("hand", "tree", "hand"),
        "all_links": scene.add_link_view("all_links", "tree", ["trunk", "arm", "leg", "hand", "foot"]),
        "lower": scene.add_link_view("lower", "chain", "lower"),
        "bobs": scene.add_link_view("bobs", "pendulum", "bob"),
    }


def asset(mjcf: str, **options: Any) -> ArticulationAsset:
    return ArticulationAsset(mjcf=mjcf, usd="none.usd", **options)


def build_articulations(build: Callable[..., Any], executor: str) -> Any:
    """Build three worlds of the scene; see the fixture ``build``."""
    return build(set_up_scene, NUM_ENVS, executor, dt=DT)


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
