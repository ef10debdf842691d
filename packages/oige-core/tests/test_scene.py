"""What the embedded engine makes of a scene."""

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
from oige_core.scene import Drive, Scene
from scene_helpers import asset, new_scene

G = 9.81


def test_links_are_selected_by_name_and_by_pattern(build: Callable[..., Any]) -> None:
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


def test_assets_add_only_their_mechanism(
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


def test_assets_may_close_loops_and_attach_links_to_the_world(build: Callable[..., Any]) -> None:
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


def test_default_values_match_mujoco(build: Callable[..., Any]) -> None:
    option = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1)}).engine.compiled.model.opt
    names = ["ccd_iterations", "impratio", "iterations", "ls_iterations", "noslip_iterations", "tolerance"]
    names += ["sdf_initpoints", "sdf_iterations"]
    assert {name: getattr(option, name) for name in names} == {
        name: getattr(mujoco.MjSpec().option, name) for name in names
    }


STIFF = """<mujoco><worldbody><body name="rail"><geom size=".01"/><body name="block">
  <joint name="slide" type="slide" axis="1 0 0"/><geom type="box" size=".1 .1 .1" mass="2" contype="0" conaffinity="0"/>
</body></body></worldbody></mujoco>"""


def test_discrete_integrator_integrates_drives_implicitly(build: Callable[..., Any], executor: str) -> None:
    """With h² k = 5 and m + h d = 3: (m + h d + h² k) v⁺ = m v − h k x; implicit only in velocity, it overshoots."""
    drive = Drive(stiffness=5e4, damping=100.0)
    inertias: dict[Any, float] = {"discrete": 2.0 + 1.0 + 5.0, "implicitfast": 2.0 + 1.0}
    for integrator, inertia in inertias.items():
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


def test_scene_accepts_numpy_and_torch_numbers(build: Callable[..., Any]) -> None:
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
def test_scene_without_moving_bodies_is_simulated(build: Callable[..., Any], executor: str, kind: str) -> None:
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
        assert world.views["it"].get_joint_positions().shape == (2, 0)


def test_actor_density_replaces_the_mass_of_the_task(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {"box": scene.add_box("box", size=(1, 2, 3), mass=500.0)},
        actors={"box": ActorConfig(density=10.0)},
    )
    world.close(world.box.get_masses(), 60.0, tol=1e-5)


def test_actor_sections_override_the_task(build: Callable[..., Any]) -> None:
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


def test_bodies_share_a_section(build: Callable[..., Any]) -> None:
    world = build(
        lambda scene: {
            name: scene.add_box(name, size=(1, 2, 3), position=(5 * i, 0, 0), section="cubes")
            for i, name in enumerate(("one", "two"))
        },
        actors={"cubes": ActorConfig(density=10.0)},
    )
    for box in (world.one, world.two):
        world.close(box.get_masses(), 60.0, tol=1e-5)


def test_ground_plane_has_its_height_and_can_be_omitted(build: Callable[..., Any]) -> None:
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


def test_results_do_not_depend_on_the_number_of_threads() -> None:
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


def test_overlapping_steps_restore_the_warning_handler() -> None:
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
