"""What a scene takes and refuses, and what the embedded engine makes of it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from oige_core.config import ActorConfig, MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.batch import Silence
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import ArticulationAsset, Drive, Scene

G = 9.81

# Breadth first: root, a, b, a2, b2; MuJoCo's order is root, a, a2, b, b2.
LINKS = """<mujoco><worldbody><body name="root">
  <body name="a"><joint name="a" axis="0 1 0"/><geom size=".1"/>
    <body name="a2"><joint name="a2" axis="0 1 0"/><geom size=".1"/></body></body>
  <body name="b" pos="1 0 0"><joint name="b" axis="0 1 0"/><geom size=".1"/>
    <body name="b2"><joint name="b2" axis="0 1 0"/><geom size=".1"/></body></body>
</body></worldbody></mujoco>"""


def asset(mjcf: str | Path = LINKS, **options: Any) -> ArticulationAsset:
    return ArticulationAsset(mjcf=mjcf, **options)


def new_scene(
    num_envs: int = 1, actors: dict[str, ActorConfig] | None = None, **sim: Any
) -> tuple[MujocoEngine, Scene]:
    engine = MujocoEngine(num_envs, num_threads=1)
    return engine, Scene(engine, SimConfig(actors=actors or {}, **sim))


def raises(kind: type[OigeError], message: str) -> Any:
    """Expect an error whose whole, single line matches."""
    return pytest.raises(kind, match=rf"\A{message}\Z")


# ------------------------------------------------------------------------------------------------ refused


def test_links_whose_joint_forces_are_asked_for_exist() -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(), track_joint_forces=["a2", "hand"])
    with raises(OigeError, r"track_joint_forces of 'robot', link 'hand': unknown\. Available: a, a2, b, b2, root\."):
        engine.build(scene)


def test_names_are_unique() -> None:
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
        with raises(OigeError, r"scene element '(ball|robot|hands)': the name is taken; choose another\."):
            add()
    for name in ("", "robot/a"):
        with raises(OigeError, rf"scene element '{name}': expected a name without '/', .*"):
            scene.add_sphere(name, radius=0.1)


def test_links_of_an_unknown_articulation() -> None:
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
        ("c.*", r"links of 'robot' 'c\.\*': matches none\. Available: a, a2, b, b2, root\."),
        ("a(", r"links of 'robot' 'a\(': not a regular expression: .*"),
    ],
)
def test_unknown_links(links: list[str] | str, message: str) -> None:
    for tracked in (False, True):
        engine, scene = new_scene()
        scene.add_articulation("robot", asset())
        scene.add_link_view("links", "robot", links, track_contact_forces=tracked)
        with raises(OigeError, message):
            engine.build(scene)


@pytest.mark.parametrize("option", [{"drives": {"knee": Drive()}}, {"joint_positions": {"knee": 1.0}}])
def test_patterns_that_match_no_joint(option: dict[str, Any]) -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(**option))
    with raises(OigeError, r"joints of 'robot' 'knee': matches none\. Available: a, a2, b, b2\."):
        engine.build(scene)


BODY = '<body name="{0}"><joint name="{0}"/><geom size=".1"/></body>'


@pytest.mark.parametrize(
    ("mjcf", "message"),
    [
        ("<mujoco><worldbody", "articulation 'robot': MuJoCo cannot read its MJCF: .+"),
        ("<mujoco><worldbody><boddy/></worldbody></mujoco>", "articulation 'robot': MuJoCo cannot read .*boddy.*"),
        (Path("/nowhere/robot.xml"), "articulation 'robot': MuJoCo cannot read its MJCF: .*/nowhere/robot.xml.*"),
        ("<mujoco/>", "articulation 'robot': its MJCF has 0 root bodies, expected one\\."),
        (
            f"<mujoco><worldbody>{BODY.format('a')}{BODY.format('b')}</worldbody></mujoco>",
            "articulation 'robot': its MJCF has 2 root bodies, expected one\\.",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint name="neck" type="ball"/></body></worldbody></mujoco>',
            "articulation 'robot': joint 'neck' is a ball; use three hinges\\.",
        ),
        (
            '<mujoco><worldbody><body><joint name="a"/><geom size=".1"/></body></worldbody></mujoco>',
            "articulation 'robot': a body in its MJCF has no name; name all bodies and joints\\.",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint/><geom size=".1"/></body></worldbody></mujoco>',
            "articulation 'robot': a joint in its MJCF has no name; name all bodies and joints\\.",
        ),
        (
            '<mujoco><worldbody><body name="a"><joint name="a"/></body></worldbody></mujoco>',
            "scene of robot: MuJoCo cannot compile it: .*robot/a.*",
        ),
    ],
)
def test_bad_assets(mjcf: str | Path, message: str) -> None:
    engine, scene = new_scene()
    scene.add_articulation("robot", asset(mjcf))
    with raises(OigeError, message):
        engine.build(scene)


def test_block_of_an_actor_that_the_scene_lacks() -> None:
    engine, scene = new_scene(actors={"bal": ActorConfig(mass=2.0)})
    scene.add_sphere("ball", radius=0.1)
    with raises(ConfigError, r"task\.sim\.bal: unknown key, and no scene element\. Did you mean ball\?"):
        engine.build(scene)


@pytest.mark.parametrize("name", ["ground_plane", "camera"])
def test_block_of_an_element_without_settings(name: str) -> None:
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
                r"height field 'b': expected rows of finite heights, all as long\.",
            )
            for heights in ([[0, 0], [0]], [[0, 0], [0, "a"]])
        ),
        (lambda: scene.add_sphere("b", radius="0.1"), r"sphere 'b': size=\('0\.1',\): expected a finite number\."),
        (lambda: scene.add_sphere(["b"], radius=1), r"scene element '\['b'\]': expected a name without '/'.*"),
        (lambda: scene.add_articulation(["b"], asset()), r"scene element '\['b'\]': expected a name without '/'.*"),
        (lambda: scene.add_sphere("world", radius=1), r"scene element 'world': the name is taken; choose another\."),
    ):
        with raises(OigeError, message):
            add()  # type: ignore[no-untyped-call]


def test_engine_without_a_capability_is_named() -> None:
    engine, scene = new_scene()
    engine.capabilities = frozenset()  # type: ignore[misc]
    heights = np.zeros((2, 2))
    for use, message in (
        (lambda: scene.add_camera("c", width=8, height=8, horizontal_fov=1), "camera 'c': .* no cameras"),
        (lambda: scene.add_height_field("h", heights, horizontal_scale=1), "height field 'h': .* no height fields"),
        (
            lambda: scene.add_articulation("r", asset(), track_joint_forces=True),
            ".* 'r': .* no measured joint forces",
        ),
        (
            lambda: scene.add_sphere("s", radius=1, track_contact_forces=True),
            ".* 's': .* no measured contact forces",
        ),
    ):
        with raises(CapabilityError, rf"{message}; only Isaac Sim has\."):
            use()


def test_sizes_above_zero() -> None:
    _, scene = new_scene()
    with raises(OigeError, r"sphere 'ball' of size \(0\.0,\): expected lengths above 0\."):
        scene.add_sphere("ball", radius=0.0)
    with raises(OigeError, r"box 'box': size=\(1, nan, 1\): expected 3 finite numbers\."):
        scene.add_box("box", size=(1, math.nan, 1))
    for heights in ([1.0, 2.0], [[1.0, 2.0]], [[1.0, math.inf], [1.0, 2.0]]):
        with raises(OigeError, r"height field 'hill' of shape .*: expected finite heights, 2 × 2 or more\."):
            scene.add_height_field("hill", torch.tensor(heights).numpy(), horizontal_scale=0.1)
    with raises(OigeError, r"height field 'hill': horizontal_scale=0\.0, expected metres above 0\."):
        scene.add_height_field("hill", torch.ones(2, 2).numpy(), horizontal_scale=0.0)


def test_as_many_moving_elements_as_collision_masks_allow() -> None:
    engine, scene = new_scene()
    for index in range(31):
        scene.add_sphere(f"ball{index}", radius=0.1)
    with raises(CapabilityError, r"the scene has 31 moving elements: the embedded engine takes up to 30\."):
        engine.build(scene)


def test_views_are_for_after_the_build() -> None:
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
        robot.num_legs  # noqa: B018
    with raises(OigeError, r"the engine is built already; make a new one for another scene\."):
        engine.build(scene)


# ------------------------------------------------------------------------------------------------ taken


def test_links_by_name_and_by_pattern(build: Callable[..., Any]) -> None:
    """A list keeps its order, a pattern gives breadth-first order; the first drive whose pattern matches counts."""

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        drives = {"a2?": Drive(stiffness=1.0), "a2": Drive(stiffness=2.0), ".*2": Drive(stiffness=3.0)}
        return {
            "robot": scene.add_articulation("robot", asset(drives=drives, joint_positions={"b": 0.5, ".*": 0.25})),
            "listed": scene.add_link_view("listed", "robot", ["b", "root"]),
            "matched": scene.add_link_view("matched", "robot", ".*2|root"),
        }

    world = build(set_up_scene)
    assert world.robot.body_names == ["root", "a", "b", "a2", "b2"]
    world.close(world.robot.get_gains()[0], [1, 0, 1, 3], tol=0)
    world.close(world.robot.get_joint_positions(), [0.25, 0.5, 0.25, 0.25], tol=0)
    world.close(world.listed.get_world_poses()[0], [[[1, 0, 0], [0, 0, 0]]], tol=1e-7)
    world.close(world.matched.get_world_poses()[0], [[[0, 0, 0], [0, 0, 0], [1, 0, 0]]], tol=1e-7)


def test_assets_bring_a_mechanism_and_nothing_else(
    build: Callable[..., Any], recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Options, actuators, sensors and keyframes of the file do not count; its root lies where the scene says."""
    mjcf = """<mujoco><option timestep="0.05" gravity="0 0 -1" integrator="RK4" cone="pyramidal" iterations="3"/>
      <worldbody><geom name="floor" type="plane" size="1 1 1"/>
        <body name="root" pos="1 2 3" euler="0 0 90"><inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/>
          <body name="arm" pos="1 0 0"><joint name="arm" ref="30"/><geom size=".1"/></body></body></worldbody>
      <actuator><motor name="motor" joint="arm"/></actuator>
      <sensor><jointpos name="angle" joint="arm"/></sensor>
      <keyframe><key name="home" qpos="1"/></keyframe></mujoco>"""
    world = build(
        lambda scene: {
            "robot": scene.add_articulation("robot", asset(mjcf), position=(0, 0, 5)),
            "arm": scene.add_link_view("arm", "robot", "arm"),
        },
        dt=0.02,
        substeps=4,
        gravity=[0.0, 0.0, -3.0],
        mujoco=MujocoConfig(iterations=7, impratio=2.0, tolerance=1e-9),
    )
    model = world.engine.compiled.model
    assert (model.nu, model.nsensor, model.nkey, model.ngeom) == (1, 0, 0, 1)
    assert model.actuator(0).name == "robot/arm"
    assert model.opt.timestep == 0.02 / 4
    assert model.opt.gravity.tolist() == [0, 0, -3]
    assert (model.opt.iterations, model.opt.impratio, model.opt.tolerance) == (7, 2.0, 1e-9)
    assert (int(model.opt.integrator), int(model.opt.cone)) == (3, 1)  # implicitfast, elliptic
    world.close(world.robot.get_world_poses()[0], [0, 0, 5], tol=0)
    world.close(world.robot.get_world_poses()[1], [1, 0, 0, 0], tol=0)
    world.close(world.arm.get_world_poses()[0], [1, 0, 5], tol=1e-7)
    world.close(world.robot.get_joint_positions(), math.radians(30), tol=1e-7)  # its reference position
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_assets_close_loops_and_hold_links_to_the_world(build: Callable[..., Any]) -> None:
    """A parallelogram, driven at one corner, and a rod that swings on its held end, not where the files have them.

    Gravity pulls the rod, horizontal at first, round by 3 g / 2 l per second.
    """
    mjcf = """<mujoco><worldbody><body name="root">
        <body name="left"><joint name="left" axis="0 1 0"/><geom size=".01" fromto="0 0 0 0 0 1" type="capsule"/>
          <body name="bar" pos="0 0 1"><joint name="bar" axis="0 1 0"/>
            <geom size=".01" fromto="0 0 0 .5 0 0" type="capsule"/></body></body>
        <body name="right" pos=".5 0 0"><joint name="right" axis="0 1 0"/>
          <geom size=".01" fromto="0 0 0 0 0 1" type="capsule"/></body>
      </body></worldbody>
      <equality><connect body1="bar" body2="right" anchor=".5 0 0"/></equality></mujoco>"""
    rod = """<mujoco><worldbody><body name="root"><freejoint/>
        <geom size=".01 .01 .5" pos="0 0 .5" type="box" mass="1"/></body></worldbody>
      <equality><connect body1="root" anchor="0 0 0" solimp=".999 .999 .001"/></equality></mujoco>"""
    half = math.sqrt(0.5)
    world = build(
        lambda scene: {
            "robot": scene.add_articulation(
                "robot", asset(mjcf, drives={"left": Drive(stiffness=4e3, damping=4e2)}), position=(3, 0, 2)
            ),
            "rod": scene.add_articulation("rod", asset(rod), position=(0, 2, 1), orientation=(half, 0, half, 0)),
        },
        dt=0.002,
        mujoco=MujocoConfig(integrator="discrete"),
    )
    world.run(0.002)
    world.close(world.rod.get_angular_velocities(), [0, 1.5 * G * 0.002, 0], tol=1e-4, rel=1e-2)
    world.robot.set_joint_position_targets(world.everywhere(0.3, 0.0, 0.0))
    world.run(1.2)
    world.close(world.robot.get_joint_positions(), [0.3, 0.3, -0.3], tol=3e-3)  # left, right, bar
    world.close(world.rod.get_world_poses()[0], [0, 2, 1], tol=3e-3)


def test_defaults_of_numbers_are_those_of_mujoco(build: Callable[..., Any]) -> None:
    option = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1)}).engine.compiled.model.opt
    names = ["ccd_iterations", "impratio", "iterations", "ls_iterations", "noslip_iterations", "tolerance"]
    assert {name: getattr(option, name) for name in names} == {
        name: getattr(mujoco.MjSpec().option, name) for name in names
    }


STIFF = """<mujoco><worldbody><body name="rail"><geom size=".01"/><body name="block">
  <joint name="slide" type="slide" axis="1 0 0"/><geom type="box" size=".1 .1 .1" mass="2" contype="0" conaffinity="0"/>
</body></body></worldbody></mujoco>"""


def test_discrete_integrator_takes_drives_implicitly(build: Callable[..., Any], executor: str) -> None:
    """With h² k = 5 and m + h d = 3: (m + h d + h² k) v⁺ = m v − h k x; implicit in velocity alone, it overshoots."""
    drive = Drive(stiffness=5e4, damping=100.0)
    for integrator, inertia in (("discrete", 2.0 + 1.0 + 5.0), ("implicitfast", 2.0 + 1.0)):
        world = build(
            lambda scene: {"robot": scene.add_articulation("robot", asset(STIFF, drives={".*": drive}))},
            executor=executor,
            dt=0.01,
            mujoco=MujocoConfig(integrator=integrator),
        )
        world.robot.set_joint_position_targets(world.everywhere(0.0))
        world.robot.set_joint_positions(world.everywhere(0.1))
        world.robot.set_joint_velocities(world.everywhere(0.5))
        world.engine.step()
        world.close(world.robot.get_joint_velocities(), (2.0 * 0.5 - 0.01 * 5e4 * 0.1) / inertia, tol=1e-5)


def test_substeps_divide_a_physics_step(build: Callable[..., Any]) -> None:
    """After one step of dt in two halves h: z = −g h² (1 + 2)."""
    world = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1)}, dt=0.02, substeps=2)
    assert world.engine.physics_dt == 0.02
    world.engine.step()
    world.close(world.ball.get_world_poses()[0], [0, 0, -G * 0.01**2 * 3], tol=1e-7)
    world.close(world.ball.get_linear_velocities(), [0, 0, -G * 0.02], tol=1e-7)


def test_scene_takes_numbers_of_numpy_and_torch(build: Callable[..., Any]) -> None:
    """The box weighs 2 · 0.1 · 0.2 · 0.3 kg."""
    world = build(
        lambda scene: {
            "box": scene.add_box(
                "box",
                size=torch.tensor([0.1, 0.2, 0.3]),  # type: ignore[arg-type]
                position=np.array([1.0, 2.0, 3.0]),  # type: ignore[arg-type]
                density=np.float32(2.0),  # type: ignore[arg-type]
                kinematic=np.bool_(False),  # type: ignore[arg-type]
            ),
            "camera": scene.add_camera("c", width=np.int64(9), height=np.int32(8), horizontal_fov=np.float32(1.0)),
        }
    )
    world.close(world.box.get_world_poses()[0], [1, 2, 3], tol=0)
    world.close(world.box.get_masses(), 2 * 0.1 * 0.2 * 0.3, tol=1e-7)
    assert world.camera.get_rgb().shape == (1, 8, 9, 3)


@pytest.mark.parametrize("kind", ["nothing", "plane", "kinematic", "fixed"])
def test_scene_in_which_nothing_moves(build: Callable[..., Any], executor: str, kind: str) -> None:
    fixed = asset('<mujoco><worldbody><body name="root"><geom size=".1"/></body></worldbody></mujoco>')
    add: dict[str, Callable[[Scene], Any]] = {
        "nothing": lambda scene: None,
        "plane": lambda scene: scene.add_ground_plane(),
        "kinematic": lambda scene: scene.add_sphere("it", radius=0.1, position=(1, 2, 3), kinematic=True),
        "fixed": lambda scene: scene.add_articulation("it", fixed, position=(1, 2, 3)),
    }
    world = build(lambda scene: {"it": add[kind](scene)}, num_envs=2, executor=executor)
    world.engine.step(2)
    world.engine.reset(torch.tensor([1], device=world.engine.device))
    world.engine.load_state_dict(world.engine.state_dict())
    assert world.engine.problems() == {}
    if world.it is not None:
        world.close(world.it.get_world_poses()[0], [[1, 2, 3]] * 2, tol=1e-6)
    if kind == "fixed":
        assert world.it.get_joint_positions().shape == (2, 0)


def test_density_of_an_actor_block_replaces_the_mass_of_the_task(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {"box": scene.add_box("box", size=(1, 2, 3), mass=500.0)},
        actors={"box": ActorConfig(density=10.0)},
    )
    world.close(world.box.get_masses(), 60.0, tol=1e-5)


def test_actor_blocks_override_the_task(build: Callable[..., Any]) -> None:
    actors = {
        "light": ActorConfig(density=10.0),
        "heavy": ActorConfig(mass=50.0),
        "held": ActorConfig(make_kinematic=1),
        "loose": ActorConfig(make_kinematic=0),
        "robot": ActorConfig(density=200.0),
    }
    world = build(
        lambda scene: {
            "light": scene.add_box("light", size=(1, 2, 3), density=500.0),
            "heavy": scene.add_sphere("heavy", radius=0.1, mass=1.0, position=(5, 0, 0)),
            "held": scene.add_sphere("held", radius=0.1, position=(7, 0, 0)),
            "loose": scene.add_sphere("loose", radius=0.1, position=(9, 0, 0), kinematic=True),
            "robot": scene.add_articulation("robot", asset(), position=(15, 0, 0)),
        },
        actors=actors,
    )
    world.close(world.light.get_masses(), 60.0, tol=1e-5)
    world.close(world.heavy.get_masses(), 50.0, tol=1e-5)
    world.close(world.robot.get_body_masses(), [0.0] + [200 * 4 / 3 * math.pi * 0.1**3] * 4, tol=1e-6)
    world.engine.step()
    world.close(world.held.get_world_poses()[0], [7, 0, 0], tol=0)
    assert world.loose.get_velocities()[0, 2] < -0.1


def test_ground_plane_has_its_height_and_can_be_left_out(build: Callable[..., Any]) -> None:
    """Balls, cans and pills rest on it with their lower ends; soft contact sinks by less than a millimetre."""

    def set_up_scene(scene: Scene) -> dict[str, Any]:
        scene.add_ground_plane(height=-1.5)
        return {
            "ball": scene.add_sphere("ball", radius=0.2, position=(0, 0, -1.3)),
            "can": scene.add_cylinder("can", radius=0.2, length=0.5, position=(1, 0, -1.25)),
            "pill": scene.add_capsule("pill", radius=0.2, length=0.5, position=(2, 0, -1.05)),
        }

    world = build(set_up_scene, dt=0.005)
    world.run(0.5)
    for view, height in ((world.ball, -1.3), (world.can, -1.25), (world.pill, -1.05)):
        world.close(view.get_world_poses()[0][:, 2], height, tol=1e-3)
    world = build(set_up_scene, dt=0.005, add_ground_plane=False)
    world.run(0.5)
    assert (world.ball.get_world_poses()[0][:, 2] < -2.4).all()


def test_results_do_not_depend_on_threads() -> None:
    """Bit for bit, for balls that fall on each other in five worlds."""
    positions = []
    for threads in (1, 3):
        engine = MujocoEngine(5, num_threads=threads)
        scene = Scene(engine, SimConfig())
        scene.add_ground_plane()
        balls = [scene.add_sphere(f"ball{i}", radius=0.1, position=(0.01 * i, 0, 0.1 + 0.21 * i)) for i in range(3)]
        engine.build(scene)
        balls[0].set_linear_velocities(0.1 * torch.arange(15.0).reshape(5, 3))
        for _ in range(60):
            engine.step()
        positions.append(torch.stack([ball.get_world_poses()[0] for ball in balls]))
        engine.close()
    assert torch.equal(positions[0], positions[1])
    assert (positions[0][:, 0] - positions[0][:, 4]).abs().max() > 0.01


def test_diverged_worlds_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a word on the console or a log file."""
    monkeypatch.chdir(tmp_path)
    engine, scene = new_scene(num_envs=2)
    ball = scene.add_sphere("ball", radius=0.1, position=(0, 0, 1))
    engine.build(scene)
    assert engine.problems() == {}
    ball.set_linear_velocities(torch.tensor([[math.nan, 0.0, 0.0]]), indices=[1])
    engine.step()
    assert engine.problems() == {"diverged": 1}
    assert ball.get_world_poses()[0].isfinite().all()
    assert not list(tmp_path.iterdir())


def test_steps_that_overlap_put_the_handler_of_warnings_back() -> None:
    """As steps of two environments do that are in two threads."""
    before = mujoco.get_mju_user_warning()
    heard: list[str] = []
    mujoco.set_mju_user_warning(heard.append)
    ours = mujoco.get_mju_user_warning()
    try:
        first, second = Silence(), Silence()
        first.__enter__()
        second.__enter__()
        first.__exit__()
        assert mujoco.get_mju_user_warning() is not ours
        second.__exit__()
        assert mujoco.get_mju_user_warning() is ours
    finally:
        mujoco.set_mju_user_warning(before)
