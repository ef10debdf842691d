"""What a scene refuses."""

# pyright: reportArgumentType=false, reportCallIssue=false
# Arguments of wrong types are what these tests are about.

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, SimConfig
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import Drive
from scene_helpers import LINKS, asset, new_scene, raises


def test_tracked_joint_forces_of_unknown_links_raise() -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(), track_joint_forces=["a2", "hand"])
    with raises(OigeError, r"track_joint_forces of 'robot', link 'hand': unknown\. Available: a, a2, b, b2, root\."):
        engine.build(scene)


def test_duplicate_names_raise() -> None:
    _, scene = new_scene()
    scene.add_sphere("ball", radius=0.1)
    scene.add_articulation("robot", asset())
    scene.add_link_view("hands", "robot", ["a2"])
    for add in (
        lambda: scene.add_box("ball", size=(1, 1, 1)),
        lambda: scene.add_link_view("ball", "robot", "a"),
        lambda: scene.add_link_view("robot", "robot", "a"),
        lambda: scene.add_articulation("hands", asset()),
    ):
        with raises(OigeError, r"scene element '(ball|robot|hands)': this name is in use; choose another one\."):
            add()
    for name in ("", "robot/a"):
        with raises(OigeError, rf"scene element '{name}': expected a name without '/', .*"):
            scene.add_sphere(name, radius=0.1)


def test_links_of_an_unknown_articulation_raise() -> None:
    _, scene = new_scene()
    scene.add_articulation("robot", asset())
    scene.add_sphere("robo", radius=0.1)
    with raises(OigeError, r"links of 'robo': no such articulation\. Did you mean robot\?"):
        scene.add_link_view("links", "robo", "a")
    for links in ([], ["a", "b", "a"], ""):
        with raises(OigeError, r"links of 'robot' .*: expected one or more names, each once\."):
            scene.add_link_view("links", "robot", links)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        (["a", "c"], r"links of 'robot' 'c': unknown\. Available: a, a2, b, b2, root\."),
        ("c.*", r"links of 'robot' 'c\.\*': matches no name\. Available: a, a2, b, b2, root\."),
        ("a(", r"links of 'robot' 'a\(': not a regular expression: .*"),
    ],
)
def test_unknown_links_raise(links: list[str] | str, message: str) -> None:
    for tracked in (False, True):
        engine, scene = new_scene()
        scene.add_articulation("robot", asset())
        scene.add_link_view("links", "robot", links, track_contact_forces=tracked)
        with raises(OigeError, message):
            engine.build(scene)


@pytest.mark.parametrize("option", [{"drives": {"knee": Drive()}}, {"joint_positions": {"knee": 1.0}}])
def test_patterns_without_a_matching_joint_raise(option: dict[str, Any]) -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(**option))
    with raises(OigeError, r"joints of 'robot' 'knee': matches no name\. Available: a, a2, b, b2\."):
        engine.build(scene)


BODY = '<body name="{0}"><joint name="{0}"/><geom size=".1"/></body>'


@pytest.mark.parametrize(
    ("mjcf", "message"),
    [
        ("<mujoco><worldbody", "articulation 'robot': MuJoCo cannot read its MJCF: .+"),
        ("<mujoco><worldbody><boddy/></worldbody></mujoco>", "articulation 'robot': MuJoCo cannot read .*boddy.*"),
        (
            Path("/nowhere/robot.xml"),
            r"articulation 'robot': its file '/nowhere/robot\.xml' does not exist; give the path of an MJCF or URDF "
            r"file\.",
        ),
        (
            "<mujoco/>",
            r"articulation 'robot': its file has no bodies, expected a root body with the links of the articulation.",
        ),
        (
            f"<mujoco><worldbody>{BODY.format('a')}{BODY.format('b')}</worldbody></mujoco>",
            "articulation 'robot': its file has 2 root bodies: a, b; choose one of them with ArticulationAsset "
            r"root='a'\.",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint name="neck" type="ball"/></body></worldbody></mujoco>',
            r"articulation 'robot': joint 'neck' is a ball, which has no single position; replace it by three hinges "
            r"at the same place, with axes 1 0 0, 0 1 0 and 0 0 1\.",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint name="a"/></body></worldbody></mujoco>',
            "scene of robot: MuJoCo cannot compile it: .*robot/a.*; give this link a mass and an inertia, or fix the "
            r"joint that moves it\.",
        ),
    ],
)
def test_invalid_assets_raise(mjcf: str | Path, message: str) -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(mjcf))
    with raises(OigeError, message):
        engine.build(scene)


def test_section_of_an_unknown_element_raises() -> None:
    engine, scene = new_scene(actors={"bal": ActorConfig(mass=2.0)})
    scene.add_sphere("ball", radius=0.1)
    with raises(ConfigError, r"task\.sim\.bal: neither a known key nor a scene element\. Did you mean ball\?"):
        engine.build(scene)


@pytest.mark.parametrize("name", ["ground_plane", "camera"])
def test_section_of_an_element_without_settings_raises(name: str) -> None:
    engine, scene = new_scene(actors={name: ActorConfig(enable_self_collisions=1)})
    scene.add_ground_plane()
    scene.add_camera("camera", width=8, height=8, horizontal_fov=1.0)
    with raises(
        ConfigError, rf"task\.sim\.{name}: only articulations and rigid bodies have such settings; remove it\."
    ):
        engine.build(scene)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"mass": 0.0}, r"task\.sim\.ball\.mass=0\.0: expected a number above 0, or -1 to keep .*"),
        ({"density": -5.0}, r"task\.sim\.ball\.density=-5\.0: expected a number above 0, or -1 to keep .*"),
        ({"make_kinematic": 2}, r"task\.sim\.ball\.make_kinematic=2: expected 0, 1, or -1 to keep .*"),
        (
            {"enable_self_collisions": -2},
            r"task\.sim\.ball\.enable_self_collisions=-2: expected 0, 1, or -1 to keep .*",
        ),
        ({"mass": 1.0, "density": 2.0}, r"task\.sim\.ball: density=2\.0 and mass=1\.0 both set the mass.*"),
    ],
)
def test_invalid_actor_settings_raise(values: dict[str, Any], message: str) -> None:
    with raises(ConfigError, message):
        SimConfig(actors={"ball": ActorConfig(**values)})


@pytest.mark.parametrize(("key", "value"), [("mass", 2.0), ("make_kinematic", 1), ("make_kinematic", 0)])
def test_settings_without_effect_on_an_articulation_raise(key: str, value: float) -> None:
    _, scene = new_scene(actors={"robot": ActorConfig(**{key: value})})
    with raises(ConfigError, rf"task\.sim\.robot\.{key}={value}: has no effect on an articulation; .*\."):
        scene.add_articulation("robot", asset())


def test_invalid_scene_values_raise() -> None:
    _, scene = new_scene()
    for add, message in (
        (lambda: scene.add_sphere("b", radius=0.1, position=(0, 0)), r"sphere 'b': position=\(0, 0\): expected 3 .*"),
        (lambda: scene.add_sphere("b", radius=0.1, mass=0.0), r"sphere 'b': mass=0\.0, expected a number above 0\."),
        (lambda: scene.add_sphere("b", radius=0.1, density=math.nan), r"sphere 'b': density=nan: expected a finite .*"),
        (lambda: scene.add_sphere("b", radius=0.1, colour=1), r"sphere 'b': unknown option 'colour'\. .*position.*"),
        (lambda: scene.add_box("b", size=(1, 1)), r"box 'b': size=\(1, 1\): expected 3 finite numbers\."),
        (
            lambda: scene.add_sphere("b", radius=0.1, orientation=(0, 0, 0, 0)),
            r"sphere 'b': orientation=.*not all zero\.",
        ),
        (lambda: scene.add_articulation("b", asset(), position=(0, 0, math.nan)), r"articulation 'b': position=.*"),
        (lambda: scene.add_articulation("b", LINKS), r"articulation 'b': its asset is a str, expected Articulation.*"),
        (lambda: scene.add_ground_plane(height=math.inf), r"ground plane 'ground_plane': height=inf: expected a .*"),
        (
            lambda: scene.add_camera("b", width=8.5, height=8, horizontal_fov=1),
            r"camera 'b': width=8\.5: expected a whole.*",
        ),
        (lambda: scene.add_camera("b", width=8, height=8, horizontal_fov=None), r"camera 'b': horizontal_fov=None: .*"),
        (
            lambda: scene.add_sphere("b", radius=1, material=0.3),
            r"scene element 'b': material=0\.3, expected Material.*",
        ),
        *(
            (
                lambda key=key: scene.add_sphere("b", radius=1, **{key: "False"}),
                rf"sphere 'b': {key}='False': expected True or False\.",
            )
            for key in ("kinematic", "collision", "track_contact_forces", "disable_gravity")
        ),
        (
            lambda: scene.add_articulation("b", asset(), disable_gravity="False"),
            r"articulation 'b': disable_gravity='False': expected True or False\.",
        ),
        *(
            (
                lambda key=key: scene.add_camera("b", width=8, height=8, horizontal_fov=1, **{key: "rgb"}),
                rf"camera 'b': {key}='rgb': expected a list of names, \['rgb'\]\.",
            )
            for key in ("outputs", "hidden")
        ),
        *(
            (
                lambda heights=heights: scene.add_height_field("b", heights, horizontal_scale=1.0),
                r"height field 'b': expected rows of finite heights of equal length\.",
            )
            for heights in ([[0, 0], [0]], [[0, 0], [0, "a"]])
        ),
        (lambda: scene.add_sphere("b", radius="0.1"), r"sphere 'b': size=\('0\.1',\): expected a finite number\."),
        (lambda: scene.add_sphere(["b"], radius=1), r"scene element '\['b'\]': expected a name without '/'.*"),
        (lambda: scene.add_articulation(["b"], asset()), r"scene element '\['b'\]': expected a name without '/'.*"),
        (
            lambda: scene.add_sphere("world", radius=1),
            r"scene element 'world': this name is in use; choose another one\.",
        ),
    ):
        with raises(OigeError, message):
            add()  # type: ignore[no-untyped-call]


def test_missing_capability_raises_with_the_engine() -> None:
    engine, scene = new_scene()
    engine.capabilities = frozenset()  # type: ignore[misc]
    heights = np.zeros((2, 2))
    for use, message in (
        (lambda: scene.add_camera("c", width=8, height=8, horizontal_fov=1), "camera 'c': .* not support cameras"),
        (
            lambda: scene.add_height_field("h", heights, horizontal_scale=1),
            "height field 'h': .* not support height fields",
        ),
        (
            lambda: scene.add_articulation("r", asset(), track_joint_forces=True),
            ".* 'r': .* not support measured joint forces",
        ),
        (
            lambda: scene.add_sphere("s", radius=1, track_contact_forces=True),
            ".* 's': .* not support measured contact forces",
        ),
    ):
        with raises(CapabilityError, rf"{message}; supported by: Isaac Sim\."):
            use()


def test_invalid_sizes_raise() -> None:
    _, scene = new_scene()
    with raises(OigeError, r"sphere 'ball' of size \(0\.0,\): expected lengths above 0\."):
        scene.add_sphere("ball", radius=0.0)
    with raises(OigeError, r"box 'box': size=\(1, nan, 1\): expected 3 finite numbers\."):
        scene.add_box("box", size=(1, math.nan, 1))
    for heights in ([1.0, 2.0], [[1.0, 2.0]], [[1.0, math.inf], [1.0, 2.0]]):
        with raises(OigeError, r"height field 'hill' of shape .*: expected finite heights, 2 × 2 or more\."):
            scene.add_height_field("hill", torch.tensor(heights).numpy(), horizontal_scale=0.1)
    with raises(OigeError, r"height field 'hill': horizontal_scale=0\.0, expected a length above 0 m\."):
        scene.add_height_field("hill", torch.ones(2, 2).numpy(), horizontal_scale=0.0)


def test_more_moving_elements_than_collision_masks_raise() -> None:
    engine, scene = new_scene()
    for index in range(31):
        scene.add_sphere(f"ball{index}", radius=0.1)
    with raises(CapabilityError, r"the scene has 31 moving elements, .*: the embedded engine allows 30\."):
        engine.build(scene)


def test_views_before_build_raise() -> None:
    engine, scene = new_scene()
    robot, ball = scene.add_articulation("robot", asset()), scene.add_sphere("ball", radius=0.1)
    for name, use in (
        ("robot", lambda: robot.num_dof),
        ("robot", robot.get_joint_positions),
        ("ball", ball.get_masses),
        ("ball", ball.get_world_poses),
    ):
        with raises(OigeError, rf"'{name}': views can be used after set_up_scene, not in it\."):
            use()
    with raises(OigeError, r"the engine is not built: views can be used after set_up_scene, not in it\."):
        engine.step()
    engine.build(scene)
    assert robot.num_dof == 4
    with pytest.raises(AttributeError, match="has no attribute 'num_legs'"):
        getattr(robot, "num_legs")  # noqa: B009
    with raises(OigeError, r"the engine is already built; create a new one for another scene\."):
        engine.build(scene)
