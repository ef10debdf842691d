"""Which coefficient of friction acts: closed forms of boxes and robots that slide on planes and terrain."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oige_core.config import DefaultPhysicsMaterialConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import ArticulationAsset, Material, Scene

G = 9.81
SPEED, TIME = 2.0, 0.3


def sled(friction: str = "") -> ArticulationAsset:
    return ArticulationAsset(
        mjcf=f"""<mujoco><worldbody><body name="sled"><freejoint/>
          <geom type="box" size=".5 .5 .05" {friction}/></body></worldbody></mujoco>"""
    )


def default(friction: float) -> DefaultPhysicsMaterialConfig:
    return DefaultPhysicsMaterialConfig(static_friction=friction, dynamic_friction=friction)


@pytest.mark.parametrize("ground", ["plane", "terrain"])
@pytest.mark.parametrize(
    ("default_friction", "of_ground", "of_sled", "acting"),
    [
        (0.2, None, "", 0.2),
        (0.2, None, 'friction="0.4"', 0.4),  # stated against default: the stated one
        (0.5, None, 'friction="0.2"', 0.2),
        (1.0, 0.2, "", 0.2),
        (1.0, 0.2, 'friction="0.4"', 0.4),  # both stated: the larger
        (1.0, 0.4, 'friction="0.2"', 0.4),
        (1.0, None, 'friction="1"', 1.0),
    ],
)
def test_stated_or_default_friction_applies(
    build: Callable[..., Any],
    ground: str,
    default_friction: float,
    of_ground: float | None,
    of_sled: str,
    acting: float,
) -> None:
    """A sled at 2 m/s loses μ g t; on the soft contacts of terrain it slips more, or less, by a third."""
    material = Material(friction=of_ground)

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        if ground == "plane":
            scene.add_ground_plane(material=material)
        else:
            scene.add_height_field(
                "terrain", np.zeros((3, 3)), horizontal_scale=5.0, origin=(-5.0, -5.0, 0.0), material=material
            )
        for x in (-3, -2.5):  # these touch each other, so that the default acts somewhere
            scene.add_sphere(f"ball{x}", radius=0.25, position=(x, -3, 0.25))
        return {"sled": scene.add_articulation("sled", sled(of_sled), position=(0, 0, 0.05))}

    world = build(set_up_scene, dt=0.002, default_physics_material=default(default_friction))
    if acting == default_friction == 1.0:
        world.close(world.tensor(world.engine.compiled.model.geom_priority), 0, tol=0)
    world.run(0.2)  # it settles
    world.sled.set_velocities(world.everywhere(SPEED, 0, 0, 0, 0, 0))
    world.run(TIME)
    lost = SPEED - world.sled.get_linear_velocities()[:, 0]
    world.close(lost, min(acting * G * TIME, SPEED), tol=0.02, rel=0.02 if ground == "plane" else 0.33)


def test_coloured_shapes_use_the_default_friction(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {
            "red": scene.add_sphere("red", radius=0.1, material=Material(color=(1, 0, 0, 1))),
            "blue": scene.add_sphere("blue", radius=0.1, position=(2, 0, 0), material=Material(color=(0, 0, 1, 1))),
            "icy": scene.add_sphere("icy", radius=0.1, position=(1, 0, 0), material=Material(friction=0.02)),
        },
        default_physics_material=default(0.7),
    )
    world.close(world.red.get_material_properties(), [0.7, 0.7, 0.0], tol=1e-6)
    world.close(world.icy.get_material_properties(), [0.02, 0.02, 0.0], tol=1e-6)


@pytest.mark.filterwarnings("error")
def test_frictionless_shape_keeps_sliding(build: Callable[..., Any], executor: str) -> None:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        return {"sled": scene.add_articulation("sled", sled(), position=(0, 0, 0.05))}

    world = build(set_up_scene, executor=executor, dt=0.01, default_physics_material=default(0.0))
    world.sled.set_velocities(world.everywhere(1.0, 0, 0, 0, 0, 0))
    world.run(0.1)
    world.close(world.sled.get_linear_velocities()[:, 0], 1.0, tol=1e-3)
    assert world.engine.problems() == {}


def test_frictionless_shape_with_priority_stays_so_below_the_default_friction(build: Callable[..., Any]) -> None:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        asset = sled('friction="0.3" priority="1" condim="1"')
        return {"sled": scene.add_articulation("sled", asset, position=(0, 0, 0.05))}

    world = build(set_up_scene, dt=0.005, default_physics_material=default(1.0))
    world.sled.set_velocities(world.everywhere(1.0, 0, 0, 0, 0, 0))
    world.run(0.1)
    world.close(world.sled.get_linear_velocities()[:, 0], 1.0, tol=1e-3)


def refused(kind: type[OigeError], message: str, asset: ArticulationAsset, **material: float) -> None:
    engine = MujocoEngine(1)
    scene = Scene(engine, SimConfig(default_physics_material=DefaultPhysicsMaterialConfig(**material)))
    scene.add_ground_plane()
    scene.add_articulation("sled", asset)
    with pytest.raises(kind, match=rf"\A{message}\Z"):
        engine.build(scene)


def test_default_friction_without_effect_raises() -> None:
    """The sled's own coefficient acts in its one contact; a ghost has no contacts."""
    title = r"task\.sim\.default_physics_material: a friction of 0\.2 has no effect in this scene: "
    alike = {"static_friction": 0.2, "dynamic_friction": 0.2}
    refused(
        ConfigError,
        title + r"shapes of 'sled' have their own friction, .*\.",
        sled('friction="1.5"'),
        **alike,
    )
    ghost = sled('contype="0" conaffinity="0"')
    refused(ConfigError, title + r"no shapes without a friction coefficient collide\.", ghost, **alike)


URDF_SLED = """<robot name="sled"><link name="sled"><inertial><mass value="1"/>
    <inertia ixx=".1" iyy=".1" izz=".1" ixy="0" ixz="0" iyz="0"/></inertial>
  <collision><geometry><box size="1 1 .1"/></geometry></collision></link></robot>"""


@pytest.mark.parametrize(
    "mjcf",
    [
        sled().mjcf.replace("<mujoco>", "<mujoco >"),  # type: ignore[union-attr]
        sled().mjcf.replace("<mujoco>", "<mujoco\n>"),  # type: ignore[union-attr]
        sled().mjcf.replace("<mujoco>", "<mujoco model='a>b/'>"),  # type: ignore[union-attr]
        sled().mjcf.replace("<mujoco>", "\ufeff\n<mujoco><default class='main'><geom density='500'/></default>"),  # type: ignore[union-attr]
        URDF_SLED,
        URDF_SLED.replace("</robot>", '<mujoco><compiler balanceinertia="true"/></mujoco></robot>'),
    ],
)
def test_default_friction_applies_to_all_file_formats(build: Callable[..., Any], mjcf: str) -> None:
    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane()
        asset = ArticulationAsset(mjcf=mjcf, floating=True)
        return {"sled": scene.add_articulation("sled", asset, position=(0, 0, 0.05))}

    model = build(set_up_scene, default_physics_material=default(0.2)).engine.compiled.model
    assert model.geom_friction[:, 0].tolist() == [0.2, 0.2]


def test_different_coefficients_or_restitution_raise() -> None:
    title = r"task\.sim\.default_physics_material"
    lacks = "the engine MuJoCo does not support"
    refused(
        CapabilityError,
        rf"{title}: static_friction=0\.2, dynamic_friction=1\.0: {lacks} static friction that differs from dynamic "
        r"friction; supported by: Isaac Sim\. Set both keys to one value\.",
        sled(),
        static_friction=0.2,
    )
    refused(
        CapabilityError,
        rf"{title}\.restitution=0\.5: {lacks} restitution; supported by: Isaac Sim\. Set it to 0\.",
        sled(),
        restitution=0.5,
    )


@pytest.mark.parametrize("key", ["static_friction", "dynamic_friction", "restitution"])
def test_invalid_default_material_raises(key: str) -> None:
    for value in (-0.1, float("nan")):
        with pytest.raises(ConfigError, match=rf"task\.sim\.default_physics_material\.{key}={value}: expected a .*"):
            DefaultPhysicsMaterialConfig(**{key: value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"friction": -0.5}, r"Material\(friction=-0\.5\): expected a finite number of at least 0\."),
        ({"friction": "0.5"}, r"Material\(friction='0\.5'\): expected a number\."),
        ({"friction": float("nan")}, r"Material\(friction=nan\): expected .*"),
        (
            {"color": (1.0, 0.0, 0.0)},
            r"Material\(color=\(1\.0, 0\.0, 0\.0\)\): expected red, green, blue and opacity, .*",
        ),
        ({"color": (255, 0, 0, 1)}, r"Material\(color=\(255, 0, 0, 1\)\): expected .*"),
    ],
)
def test_invalid_materials_raise(values: dict[str, Any], message: str) -> None:
    with pytest.raises(OigeError, match=rf"\A{message}\Z"):
        Material(**values)
