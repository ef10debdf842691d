"""Joints between bodies of different elements, against closed forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset, Frame, Scene, add_body_joint

DT = 0.002
ARM = """<mujoco><worldbody><body name="base"><geom type="sphere" size="0.1" contype="0" conaffinity="0"/>
<body name="hand"><joint name="turn" axis="0 1 0"/><geom type="sphere" size="0.1" mass="1" pos="0.5 0 0"/></body>
</body></worldbody></mujoco>"""


def new_scene() -> tuple[MujocoEngine, Scene]:
    engine = MujocoEngine(1, torch.device("cpu"))
    return engine, Scene(engine, SimConfig(dt=DT, add_ground_plane=False))


def test_fixed_joint_carries_a_body_with_its_moment_of_inertia() -> None:
    """A ball of 1 kg at 0.5 m on an arm with another ball of 3 kg at 1 m: the arm falls as one rigid body."""
    engine, scene = new_scene()
    arm = scene.add_articulation("arm", ArticulationAsset(mjcf=ARM, floating=False))
    ball = scene.add_sphere("ball", radius=0.1, mass=3.0, position=(1.0, 0.0, 0.0))
    add_body_joint(scene, "grip", "fixed", Frame(body="arm/hand", position=(1.0, 0.0, 0.0)), Frame(body="ball"))
    engine.build(scene)
    engine.step(1)
    inertia = 1.0 * 0.5**2 + 3.0 * 1.0**2 + 0.4 * (1.0 + 3.0) * 0.1**2
    expected = 9.81 * (0.5 + 3.0) / inertia * DT  # about +y, downwards
    torch.testing.assert_close(arm.get_joint_velocities(), torch.tensor([[expected]]), rtol=5e-3, atol=0.0)
    engine.step(200)
    angle = arm.get_joint_positions()[0, 0].item()
    assert angle > 0.5
    expected_place = torch.tensor([[math.cos(angle), 0.0, -math.sin(angle)]])
    torch.testing.assert_close(ball.get_world_poses()[0], expected_place, atol=5e-3, rtol=0.0)


def test_spherical_joint_holds_a_point_of_the_world() -> None:
    engine, scene = new_scene()
    ball = scene.add_sphere("ball", radius=0.1, mass=1.0, position=(0.5, 0.0, 1.0))
    add_body_joint(
        scene, "string", "spherical", Frame(body="ball", position=(-0.5, 0.0, 0.0)), Frame(position=(0.0, 0.0, 1.0))
    )
    engine.build(scene)
    engine.step(150)
    place = ball.get_world_poses()[0][0]
    assert place[2] < 0.8
    assert math.isclose((place - torch.tensor([0.0, 0.0, 1.0])).norm().item(), 0.5, abs_tol=2e-3)


def test_revolute_joint_only_turns_about_its_axis() -> None:
    engine, scene = new_scene()
    door = scene.add_box("door", size=(1.0, 0.1, 2.0), mass=1.0, position=(0.5, 0.0, 3.0))
    hinge = (math.sqrt(0.5), 0.0, -math.sqrt(0.5), 0.0)  # its x is z of the world
    edge = Frame(body="door", position=(-0.5, 0.0, 0.0), orientation=hinge)
    add_body_joint(scene, "hinge", "revolute", edge, Frame(position=(0.0, 0.0, 3.0), orientation=hinge))
    engine.build(scene)
    door.set_velocities(torch.tensor([[0.0, 0.5, 0.0, 0.0, 0.0, 1.0]]))
    engine.step(100)
    angle = 1.0 * DT * 100
    expected = torch.tensor([[0.5 * math.cos(angle), 0.5 * math.sin(angle), 3.0]])
    torch.testing.assert_close(door.get_world_poses()[0], expected, atol=5e-3, rtol=0.0)


def test_joined_bodies_do_not_collide() -> None:
    engine, scene = new_scene()
    first = scene.add_sphere("first", radius=0.2, mass=1.0, position=(0.0, 0.0, 1.0))
    scene.add_sphere("second", radius=0.2, mass=1.0, position=(0.1, 0.0, 1.0))
    add_body_joint(scene, "glue", "fixed", Frame(body="first", position=(0.1, 0.0, 0.0)), Frame(body="second"))
    engine.build(scene)
    engine.step(10)
    torch.testing.assert_close(first.get_linear_velocities()[0, :2], torch.zeros(2), atol=1e-5, rtol=0.0)


def test_joint_holds_a_ball_on_every_executor(build: Callable[..., Any], any_executor: str) -> None:
    def set_up(scene: Scene) -> Any:
        ball = scene.add_sphere("ball", radius=0.1, mass=1.0, position=(0.0, 0.0, 1.0))
        add_body_joint(scene, "hook", "fixed", Frame(body="ball"), Frame(position=(0.0, 0.0, 1.0)))
        return ball

    built = build(set_up, 1, any_executor, dt=DT)
    built.engine.step(20)
    place = built.views.get_world_poses()[0]
    torch.testing.assert_close(place.cpu(), torch.tensor([[0.0, 0.0, 1.0]]), atol=1e-3, rtol=0.0)


@pytest.mark.parametrize(
    ("kind", "first", "second", "message"),
    [
        ("weld", "ball", None, "joint 'j': kind='weld'. Available: fixed, revolute, spherical."),
        ("fixed", "bal", None, "joint 'j': no body 'bal'. Did you mean ball?"),
        ("fixed", "ball", "ball", "joint 'j': both frames are in ball; expected two bodies."),
    ],
)
def test_invalid_joint_raises(kind: str, first: str, second: str | None, message: str) -> None:
    _, scene = new_scene()
    scene.add_sphere("ball", radius=0.1)
    with pytest.raises(OigeError) as caught:
        add_body_joint(scene, "j", kind, Frame(body=first), Frame(body=second))  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_unknown_link_is_named_when_the_scene_is_built() -> None:
    engine, scene = new_scene()
    scene.add_articulation("arm", ArticulationAsset(mjcf=ARM, floating=False))
    add_body_joint(scene, "grip", "fixed", Frame(body="arm/hnd"), Frame())
    with pytest.raises(OigeError) as caught:
        engine.build(scene)
    assert str(caught.value) == "joint 'grip': no body 'arm/hnd'. Did you mean arm/hand?"
