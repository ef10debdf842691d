"""Rigid bodies of several shapes from MJCF files, on both executors."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, MujocoConfig
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import ArticulationAsset, RigidAsset, Scene
from scene_helpers import new_scene, raises

G = 9.81
# Two balls of density 1000 at the ends of a rod; a plate of 0.6 kg under three studs.
DUMBBELL_MASS = 1000 * 4 / 3 * math.pi * 0.05**3
DUMBBELL = """<mujoco><worldbody><body name="any" pos="9 9 9">
  <geom size=".05" pos="-.1 0 0"/><geom size=".05" pos=".1 0 0"/></body></worldbody></mujoco>"""
PLATE = """<mujoco><worldbody><body>
  <inertial pos="0 0 .01" mass=".6" diaginertia=".001 .002 .003"/>
  <geom type="box" size=".1 .1 .01"/><geom size=".02" pos="-.05 -.05 .02"/><geom size=".02" pos=".05 -.05 .02"/>
  <geom size=".02" pos="0 .05 .02"/></body></worldbody></mujoco>"""
# A key that only locks may touch, beside a knob that everything touches.
KEY = """<mujoco><worldbody><body name="key">
  <geom size=".05" mass="1" contype="2" conaffinity="2"/><geom size=".02" mass="0" pos="0 0 {knob}"/>
</body></worldbody></mujoco>"""
LOCK = """<mujoco><worldbody><body name="lock"><geom type="box" size=".1 .1 .1" contype="2" conaffinity="2"/>
</body></worldbody></mujoco>"""


def rigid(mjcf: str | Path) -> RigidAsset:
    return RigidAsset(mjcf=mjcf)


def set_up_scene(scene: Scene) -> dict[str, Any]:
    scene.add_ground_plane()
    return {
        "dumbbell": scene.add_rigid_body(
            "dumbbell", rigid(DUMBBELL), position=(0, 0, 0.05), track_contact_forces=True, disable_gravity=False
        ),
        "plate": scene.add_rigid_body("plate", rigid(PLATE), position=(2, 0, 1), kinematic=True),
        "key": scene.add_rigid_body("key", rigid(KEY.format(knob=-0.2)), position=(5, 0, 0.6)),
        "lock": scene.add_rigid_body("lock", rigid(LOCK), position=(5, 0, 0.3), kinematic=True),
    }


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    return build(set_up_scene, 2, executor, dt=2e-3)


def test_mass_and_inertia_are_those_of_all_shapes(world: Any) -> None:
    """A ball has 2/5 m r² about its own centre; the balls are 0.1 m from that of the body."""
    balls, about_axis = 2 * DUMBBELL_MASS, 2 * 0.4 * DUMBBELL_MASS * 0.05**2
    across = about_axis + balls * 0.1**2
    world.close(world.dumbbell.get_masses(), [balls] * 2, tol=1e-6)
    world.close(world.dumbbell.get_inertias(), np.diag([about_axis, across, across]).ravel(), tol=1e-7)
    world.close(world.plate.get_masses(), [0.6] * 2, tol=1e-7)
    world.close(world.plate.get_coms(), [0, 0, 0.01], tol=1e-7)
    world.close(world.plate.get_inertias(), np.diag([0.001, 0.002, 0.003]).ravel(), tol=1e-9)


def test_bodies_start_where_the_scene_puts_them(world: Any) -> None:
    world.close(world.dumbbell.get_world_poses()[0], [0, 0, 0.05], tol=1e-7)
    world.close(world.plate.get_world_poses()[0], [2, 0, 1], tol=1e-7)


def test_all_shapes_touch_the_ground(world: Any) -> None:
    world.run(0.2)
    world.close(world.dumbbell.get_world_poses()[0], [0, 0, 0.05], tol=1e-3)
    weight = 2 * DUMBBELL_MASS * G
    world.close(world.dumbbell.get_net_contact_forces(), [0, 0, weight], tol=1e-2 * weight)


def test_kinematic_bodies_push_with_all_shapes(world: Any) -> None:
    """The plate comes up under one ball of the dumbbell, whose other end stays on the ground."""
    world.plate.set_world_poses(world.tensor([[0.2, 0.0, 0.02]] * 2))
    world.run(0.05)
    orientation = world.dumbbell.get_world_poses()[1]
    assert (orientation[:, 2] < -1e-3).all()  # turned about −y: the end at +x is up
    world.close(world.plate.get_world_poses()[0], [0.2, 0, 0.02], tol=1e-7)


def test_masks_say_what_shapes_touch(world: Any) -> None:
    """The key stops on the lock, into which its knob enters; without the lock it falls on its knob."""
    world.lock.set_world_poses(world.tensor([[8.0, 0.0, 0.3]]), indices=[1])
    world.run(0.6)
    world.close(world.key.get_world_poses()[0][:, 2], [0.45, 0.22], tol=2e-3)


def test_gravity_can_be_switched(world: Any) -> None:
    world.dumbbell.set_world_poses(world.tensor([[0.0, 0.0, 3.0]] * 2))
    world.dumbbell.disable_gravities(indices=[1])
    world.run(0.1)
    world.close(world.dumbbell.get_linear_velocities()[:, 2], [-0.1 * G, 0.0], tol=1e-4)


def test_deepest_penetration(world: Any) -> None:
    """In world 0 the key is 10 mm in the lock; in world 1 the dumbbell is 20 mm in the ground."""
    world.needs("penetration")
    apart = world.tensor([[0.0, 0.0, 3.0], [0.0, 0.0, 0.03]])
    world.dumbbell.set_world_poses(apart)
    world.lock.set_world_poses(world.tensor([[5.0, 0.0, 0.3], [0.0, 0.0, 9.0]]))
    world.close(world.engine.deepest_penetration(), [0.0, 0.02], tol=1e-6)
    world.key.set_world_poses(world.tensor([[5.0, 0.0, 0.44], [0.2, 0.0, 0.3]]))
    world.close(world.engine.deepest_penetration(), [0.01, 0.02], tol=1e-6)
    world.close(world.engine.deepest_penetration("dumbbell"), [0.0, 0.02], tol=1e-6)
    world.close(world.engine.deepest_penetration("lock", "key"), [0.01, 0.0], tol=1e-6)
    world.close(world.engine.deepest_penetration("key", "lock"), [0.01, 0.0], tol=1e-6)
    world.close(world.engine.deepest_penetration("ground_plane"), [0.0, 0.02], tol=1e-6)
    world.close(world.engine.deepest_penetration("dumbbell", "key"), [0.0, 0.0], tol=1e-6)
    with raises(OigeError, r"contacts of 'nut': no such element\. .*"):
        world.engine.deepest_penetration("nut")


def test_own_surfaces_are_kept() -> None:
    engine, scene = new_scene()
    shape = 'priority="{}" condim="{}" solref=".003 .9" solimp=".8 .9 .002" margin=".004" gap=".001" friction="{}"'
    body = '<body><geom type="box" size=".1 .1 .1" {}/><geom size=".2" {}/></body>'.format(
        shape.format(3, 1, ".3 .01 .02"), shape.format(1, 4, ".5 .03 .04")
    )
    scene.add_ground_plane()
    scene.add_rigid_body("nut", rigid(f"<mujoco><worldbody>{body}</worldbody></mujoco>"))
    scene.add_box("table", size=(1, 1, 1))
    engine.build(scene)
    model = engine.compiled.model
    first = model.body("nut").geomadr[0]
    own = slice(first, first + 2)
    assert model.geom_friction[own].tolist() == [[0.3, 0.01, 0.02], [0.5, 0.03, 0.04]]
    assert np.diff(model.geom_priority[own]).tolist() == [-2]
    assert (model.geom_priority[own] > model.geom_priority[model.body("table").geomadr[0]]).all()
    # A shape whose file gives it priority keeps its dimensions; the other one has at least those of the table's shapes.
    assert model.geom_condim[own].tolist() == [1, 4]
    assert model.geom_solref[own].tolist() == [[0.003, 0.9]] * 2
    assert model.geom_solimp[own, :3].tolist() == [[0.8, 0.9, 0.002]] * 2
    assert model.geom_margin[own].tolist() == [0.004] * 2
    assert model.geom_gap[own].tolist() == [0.001] * 2


def collide(model: mujoco.MjModel, first: str, second: str) -> bool:
    """Return whether any shapes of two bodies collide, as MuJoCo's documentation of the masks says."""
    one, other = (model.body(name) for name in (first, second))
    shapes = [range(body.geomadr[0], body.geomadr[0] + body.geomnum[0]) for body in (one, other)]
    types, affinities = model.geom_contype, model.geom_conaffinity
    return any(types[i] & affinities[j] or types[j] & affinities[i] for i in shapes[0] for j in shapes[1])


def test_masks_of_all_kinds_of_elements() -> None:
    engine, scene = new_scene(actors={"robot": ActorConfig(enable_self_collisions=1)})
    finger = '<body name="{}"><joint name="{}"/><geom size=".1"/></body>'
    links = finger.format("a", "a") + finger.format("b", "b")
    robot = f'<mujoco><worldbody><body name="root"><geom size=".1"/>{links}</body></worldbody></mujoco>'
    scene.add_articulation("robot", ArticulationAsset(mjcf=robot))
    scene.add_rigid_body("lock", rigid(LOCK))
    scene.add_rigid_body("second_lock", rigid(LOCK))
    scene.add_rigid_body("key", rigid(KEY.format(knob=0)))
    # One-sided: it touches what lets itself be touched by bit 4, which is nothing, and what has bit 1.
    scene.add_rigid_body(
        "sided",
        rigid('<mujoco><worldbody><body><geom size=".1" contype="4" conaffinity="1"/></body></worldbody></mujoco>'),
    )
    scene.add_rigid_body(
        "ghost",
        rigid('<mujoco><worldbody><body><geom size=".1" contype="0" conaffinity="0"/></body></worldbody></mujoco>'),
    )
    scene.add_box("box", size=(1, 1, 1))
    scene.add_ground_plane()
    engine.build(scene)
    model = engine.compiled.model
    bodies = ["robot/a", "robot/b", "lock", "second_lock", "key", "sided", "ghost", "box", "world"]
    touching = {(a, b) for i, a in enumerate(bodies) for b in bodies[i + 1 :] if collide(model, a, b)}
    assert touching == {
        ("robot/a", "robot/b"), ("robot/a", "key"), ("robot/a", "sided"), ("robot/a", "box"), ("robot/a", "world"),
        ("robot/b", "key"), ("robot/b", "sided"), ("robot/b", "box"), ("robot/b", "world"),
        ("lock", "second_lock"), ("lock", "key"), ("second_lock", "key"),
        ("key", "sided"), ("key", "box"), ("key", "world"),
        ("sided", "box"), ("sided", "world"), ("box", "world"),
    }  # fmt: skip


CUBE = """<mujoco><asset><mesh name="cube" {}/></asset><worldbody><body>
  <geom type="sdf" mesh="cube" density="1000"/></body></worldbody></mujoco>"""
CORNERS = 'vertex="{}" scale=".1 .1 .1"'.format(
    " ".join(f"{x} {y} {z}" for x in (-1, 1) for y in (-1, 1) for z in (-1, 1))
)


def test_sdf_meshes_collide(build: Callable[..., Any]) -> None:
    """A ball falls on a kinematic cube, whose mesh has its corners inline."""
    world = build(
        lambda scene: {
            "cube": scene.add_rigid_body("cube", rigid(CUBE.format(CORNERS)), position=(0, 0, 1), kinematic=True),
            "ball": scene.add_sphere("ball", radius=0.05, position=(0.02, 0.03, 1.16)),
        },
        dt=2e-3,
        mujoco=MujocoConfig(sdf_iterations=12, sdf_initpoints=20),
    )
    option = world.engine.compiled.model.opt
    assert (option.sdf_iterations, option.sdf_initpoints) == (12, 20)
    world.close(world.cube.get_masses(), [8.0], tol=1e-3)
    world.run(0.2)
    world.close(world.ball.get_world_poses()[0], [0.02, 0.03, 1.15], tol=3e-3)


def test_sdf_options_without_sdf_shapes_are_refused() -> None:
    engine, scene = new_scene(mujoco=MujocoConfig(sdf_iterations=12))
    scene.add_sphere("ball", radius=0.1)
    message = r"task\.sim\.mujoco\.sdf_iterations=12: has no effect: the scene has no shapes of type sdf; remove it\."
    with raises(ConfigError, message):
        engine.build(scene)


def test_meshes_are_read_from_beside_the_file(tmp_path: Path) -> None:
    vertices, faces = ("0 0 0", "1 0 0", "0 1 0", "0 0 1"), ("1 3 2", "1 2 4", "1 4 3", "2 3 4")
    lines = [f"v {vertex}" for vertex in vertices] + [f"f {face}" for face in faces]
    (tmp_path / "corner.obj").write_text("\n".join(lines))
    (tmp_path / "corner.xml").write_text(
        '<mujoco><asset><mesh file="corner.obj"/></asset><worldbody><body>'
        '<geom type="mesh" mesh="corner" mass="2"/></body></worldbody></mujoco>'
    )
    engine, scene = new_scene()
    view = scene.add_rigid_body("corner", rigid(tmp_path / "corner.xml"))
    engine.build(scene)
    torch.testing.assert_close(view.get_coms(), torch.full((1, 3), 0.25), atol=1e-6, rtol=0)


def test_density_of_the_configuration_applies() -> None:
    engine, scene = new_scene(actors={"dumbbell": ActorConfig(density=500.0)})
    view = scene.add_rigid_body("dumbbell", rigid(DUMBBELL))
    engine.build(scene)
    assert view.get_masses().item() == pytest.approx(DUMBBELL_MASS)
    engine, scene = new_scene(actors={"plate": ActorConfig(density=500.0)})
    scene.add_rigid_body("plate", rigid(PLATE))
    message = r"task\.sim\.plate\.density=500\.0: 'plate' states its mass as <inertial>, which no density .*"
    with raises(ConfigError, message):
        engine.build(scene)


WORLD = "<mujoco><worldbody>{}</worldbody>{}</mujoco>"
BALL = '<geom name="ball" size=".1"/>'


@pytest.mark.parametrize(
    ("mjcf", "kind", "problem"),
    [
        (WORLD.format("", ""), OigeError, "its MJCF has 0 root bodies, expected one."),
        (WORLD.format("<body/>", ""), OigeError, "its MJCF has no shapes, expected one or more."),
        (WORLD.format(f"<body>{BALL}<body name='part'/></body>", ""), OigeError, "its MJCF has a child .*"),
        (WORLD.format(f"<body>{BALL}<freejoint/></body>", ""), OigeError, "its MJCF has a joint; remove it: .*"),
        (
            WORLD.format(f"<body name='a'>{BALL}</body>", "<contact><exclude body1='a' body2='world'/></contact>"),
            CapabilityError,
            "its MJCF has an exclude, which a rigid body cannot have; remove it.",
        ),
    ],
)  # fmt: skip
def test_files_that_are_no_rigid_body(mjcf: str, kind: Any, problem: str) -> None:
    engine, scene = new_scene()
    scene.add_rigid_body("nut", rigid(mjcf))
    with raises(kind, rf"rigid body 'nut': {problem}"):
        engine.build(scene)
