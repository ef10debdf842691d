"""Load MJCF and URDF files of others, and compare their robots with what MuJoCo makes of the same files.

    uv run python tools/public_robots.py CHECKOUTS --out docs/results/public_robots.md
    uv run python tools/public_robots.py CHECKOUTS --only go1 --warp

``CHECKOUTS`` is a folder with clones of the repositories in ``FILES``, under their names: for example
``CHECKOUTS/unitree_ros``. Nothing of them belongs in this repository. For each file, the tool

* builds a scene of two worlds with the robot, and compares its mass, its degrees of freedom, the names and limits of
  its joints and their largest efforts with MuJoCo's own model of the file;
* steps it for 200 steps of 2 ms, without contacts, with joints that move at the start, and compares positions of joints
  and of the root; once without drives, and once with drives that hold the initial positions, against MuJoCo's position
  actuators;
* with ``--warp``, compares 20 steps of MuJoCo Warp on its CPU device with the C engine.

MuJoCo's own model of a URDF with meshes that MuJoCo does not find has no shapes; that of an MJCF with missing files has
no textures and visual meshes.
"""

import argparse
import dataclasses
import datetime
import logging
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import mujoco
import numpy as np
import torch
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine, on_warp
from oige_core.errors import OigeError
from oige_core.robot_files import file_report
from oige_core.scene import ArticulationAsset, Drive, Scene
from oige_core.views import ArticulationView
from oige_train.machine import machine

STEPS, DT = 200, 0.002
TOLERANCE = 1e-4
"""Largest difference of positions after the fall, in m or rad; views are in single precision."""

UNNAMED = "without a name "

ROOT = 1
"""Body id of the root link in MuJoCo's model."""

TENSOR = ("xx", "xy", "xz", "yy", "yz", "zz")
TENSOR_INDICES = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])

LINES = 6
"""Lines of a report that the page shows."""

SPEED = 0.5
"""Of joints at the start of the fall, in m/s or rad/s, alternately in both directions."""

HOLD = Drive(stiffness=200.0, damping=10.0)


@dataclass(frozen=True)
class File:
    """A file of a repository, and what its asset needs.

    Attributes:
        repository: owner and name.
        path: of the file.
        options: further fields of the asset.
        weightless: whether the scene disables gravity on it.
    """

    repository: str
    path: str
    options: dict[str, Any] = field(default_factory=dict)
    weightless: bool = False


def _urdf(repository: str, path: str, floating: bool) -> File:
    return File(repository, path, {"floating": floating})


_SUITE = "dm_control/suite/"
_LAB = "src/mjlab/asset_zoo/robots/"
_ROBOTICS = "gymnasium_robotics/envs/"
FILES = (
    File("google-deepmind/dm_control", f"{_SUITE}cheetah.xml"),
    File("google-deepmind/dm_control", f"{_SUITE}walker.xml"),
    File("google-deepmind/dm_control", f"{_SUITE}humanoid_CMU.xml"),
    File("google-deepmind/dm_control", f"{_SUITE}dog.xml", {"root": "torso"}),
    File("google-deepmind/dm_control", f"{_SUITE}quadruped.xml", {"root": "torso"}),
    File("google-deepmind/dm_control", f"{_SUITE}manipulator.xml", {"root": "upper_arm"}),
    File("google-deepmind/dm_control", f"{_SUITE}fish.xml", weightless=True),
    File("google-deepmind/dm_control", "dm_control/locomotion/walkers/assets/humanoid_CMU_V2020.xml"),
    File("google-deepmind/dm_control", "dm_control/third_party/kinova/jaco_arm.xml"),
    File("mujocolab/mjlab", f"{_LAB}unitree_g1/xmls/g1.xml"),
    File("mujocolab/mjlab", f"{_LAB}unitree_go1/xmls/go1.xml"),
    File("unitreerobotics/unitree_mujoco", "unitree_robots/go2/go2.xml"),
    File("unitreerobotics/unitree_mujoco", "unitree_robots/g1/g1_29dof.xml"),
    File("unitreerobotics/unitree_mujoco", "unitree_robots/h1/h1.xml", {"root": "pelvis"}),
    File("unitreerobotics/unitree_mujoco", "unitree_robots/b2w/scene_terrain.xml"),
    File("isaac-sim/IsaacGymEnvs", "assets/mjcf/nv_ant.xml"),
    File("isaac-sim/IsaacGymEnvs", "assets/mjcf/nv_humanoid.xml"),
    File("isaac-sim/IsaacGymEnvs", "assets/mjcf/amp_humanoid.xml"),
    File("isaac-sim/IsaacGymEnvs", "assets/mjcf/open_ai_assets/hand/shadow_hand.xml"),
    File("Farama-Foundation/Gymnasium-Robotics", f"{_ROBOTICS}mujoco/assets/ant.xml"),
    File("Farama-Foundation/Gymnasium-Robotics", f"{_ROBOTICS}assets/hand/reach.xml", {"root": "robot0:hand mount"}),
    File("Farama-Foundation/Gymnasium-Robotics", f"{_ROBOTICS}assets/fetch/reach.xml", {"root": "robot0:base_link"}),
    _urdf("ANYbotics/anymal_c_simple_description", "urdf/anymal.urdf", True),
    _urdf("isaac-sim/IsaacGymEnvs", "assets/urdf/anymal_c/urdf/anymal_minimal.urdf", True),
    _urdf("isaac-sim/IsaacGymEnvs", "assets/urdf/franka_description/robots/franka_panda.urdf", False),
    _urdf("isaac-sim/IsaacGymEnvs", "assets/urdf/kuka_allegro_description/kuka.urdf", False),
    _urdf("isaac-sim/IsaacGymEnvs", "assets/urdf/cartpole.urdf", False),
    _urdf("unitreerobotics/unitree_ros", "robots/a1_description/urdf/a1.urdf", True),
    _urdf("unitreerobotics/unitree_ros", "robots/b2_description/urdf/b2_description.urdf", True),
    _urdf("unitreerobotics/unitree_ros", "robots/g1_description/g1_29dof.urdf", True),
    _urdf("unitreerobotics/unitree_ros", "robots/h1_description/urdf/h1.urdf", True),
    _urdf("unitreerobotics/unitree_ros", "robots/z1_description/xacro/z1.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/talos_data/robots/talos_reduced.urdf", True),
    _urdf("Gepetto/example-robot-data", "robots/solo_description/robots/solo12.urdf", True),
    _urdf("Gepetto/example-robot-data", "robots/pr2_description/urdf/pr2.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/ur_description/urdf/ur5_robot.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/tiago_pro_description/robots/tiago_pro.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/panda_description/urdf/panda.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/allegro_hand_description/urdf/allegro_right_hand.urdf", False),
    _urdf("Gepetto/example-robot-data", "robots/hyq_description/robots/hyq_no_sensors.urdf", True),
    _urdf("ros-industrial/abb", "abb_irb2400_support/urdf/irb2400.urdf", False),
    _urdf("ros-industrial/abb", "abb_irb6640_support/urdf/irb6640_185_280.urdf", False),
    _urdf("bulletphysics/bullet3", "data/kuka_iiwa/model.urdf", False),
    _urdf("bulletphysics/bullet3", "data/r2d2.urdf", True),
    _urdf("bulletphysics/bullet3", "data/quadruped/minitaur.urdf", True),
    _urdf("bulletphysics/bullet3", "data/kuka_lwr/kuka.urdf", False),
)


@dataclass
class Outcome:
    """What became of a file.

    Attributes:
        file: the file.
        verdict: ``agrees``, ``differs: …`` or ``refused``.
        detail: of a refusal.
        sizes: links, degrees of freedom and mass.
        fall: largest difference of positions after the fall.
        held: the same with drives.
        notes: lines of the asset's report.
    """

    file: File
    verdict: str
    detail: str = ""
    sizes: str = ""
    fall: str = ""
    held: str = ""
    notes: tuple[str, ...] = ()


def try_file(folder: Path, file: File, *, warp: bool) -> Outcome:
    """Load a file, and compare its robot with MuJoCo's."""
    checkout = folder / file.repository.partition("/")[2]
    path = checkout / file.path
    asset = ArticulationAsset(mjcf=path, **file.options)
    try:
        notes = file_report(asset)
    except OigeError as error:
        return Outcome(file, "refused", " ".join(str(error).replace(str(folder), "…").split()))
    reference = make_reference(checkout, path, asset)
    engine, robot = build(asset, reference.model, file)
    model = engine.compiled.model
    take_mended(reference, engine)
    problems = [*compare_models(reference.model, engine, robot)]
    fall = compare_motions(reference.model, engine, robot, driven=False)
    driven_asset = dataclasses.replace(asset, drives={".*": HOLD}) if robot.dof_names else asset
    held = compare_motions(reference.model, *build(driven_asset, reference.model, file), driven=True)
    for what, difference in (("without", fall), ("with", held)):
        if not difference < TOLERANCE:
            problems.append(f"moves {difference:.1e} elsewhere {what} drives")
    if warp:
        difference = compare_executors(asset, reference.model, file)
        print(f"  C engine and Warp differ by {difference:.1e} after 20 steps")
    mass = float(model.body_subtreemass[engine.compiled.articulations["robot"].body_ids[0]])
    return Outcome(
        file,
        "agrees" if not problems else f"differs: {'; '.join(problems)}",
        "" if reference.plain else "MuJoCo alone does not read the file",
        f"{len(robot.body_names)} | {len(robot.dof_names)} | {mass:.4g}",
        f"{fall:.0e}",
        f"{held:.0e}",
        notes,
    )


@dataclass
class Reference:
    """MuJoCo's own model of a file.

    Attributes:
        model: the model.
        mended: links whose inertias, which MuJoCo refuses, are those of the asset.
        plain: whether MuJoCo reads the file as it is.
    """

    model: mujoco.MjModel
    mended: Sequence[str]
    plain: bool


def make_reference(checkout: Path, path: Path, asset: ArticulationAsset) -> Reference:
    """Return MuJoCo's model of a file, or of the file without what MuJoCo does not read."""
    mended: list[str] = []
    try:
        spec, plain = prepare(mujoco.MjSpec.from_file(str(path)), asset), True
        model = spec.compile()
    except ValueError:
        if path.suffix == ".urdf":
            text, mended = without_shapes(checkout, path)
            spec = mujoco.MjSpec.from_string(text)
        else:
            spec = without_visuals(path)
        spec, plain = prepare(spec, asset), False
        model = spec.compile()
    return Reference(model, mended, plain)


def prepare(spec: mujoco.MjSpec, asset: ArticulationAsset) -> mujoco.MjSpec:
    """Have links stay links, delete other root bodies, let the root float if the asset says so, and replace actuators.

    Position actuators with the gains of ``HOLD`` drive all joints.
    """
    spec.compiler.fusestatic = False
    if asset.root:
        for body in [body for body in spec.worldbody.bodies if body.name != asset.root]:
            spec.delete(body)
    for part in [*spec.actuators, *spec.sensors, *spec.keys, *spec.skins, *spec.cameras, *spec.lights]:
        spec.delete(part)
    for number, joint in enumerate(spec.joints):
        if joint.type not in (mujoco.mjtJoint.mjJNT_FREE, mujoco.mjtJoint.mjJNT_BALL):
            joint.name = joint.name or f"{UNNAMED}{number}"
            actuator = spec.add_actuator(
                trntype=mujoco.mjtTrn.mjTRN_JOINT, target=joint.name, biastype=mujoco.mjtBias.mjBIAS_AFFINE
            )
            actuator.ctrllimited = actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_FALSE  # a class may limit them
            actuator.gear = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
            actuator.gainprm[0] = HOLD.stiffness
            actuator.biasprm[1:3] = -HOLD.stiffness, -HOLD.damping
    for body in spec.bodies[1:]:
        body.simple = 0  # so that inertias can be set
    if asset.floating:
        spec.worldbody.bodies[0].add_freejoint()
    return spec


def without_shapes(checkout: Path, path: Path) -> tuple[str, list[str]]:
    """Return a URDF with shapes only where they are the mass of a link, and the links whose inertia MuJoCo refuses."""
    root = ElementTree.fromstring(path.read_text(encoding="utf-8-sig").lstrip())
    mended: list[str] = []
    for extension in root.findall("mujoco"):
        root.remove(extension)
    for link in root.iter("link"):
        inertia = link.find("inertial/inertia")
        for part in [*link.findall("visual"), *link.findall("inertial")[1:]]:
            link.remove(part)
        if inertia is not None:
            for part in link.findall("collision"):
                link.remove(part)
            tensor = np.array([float(inertia.get(f"i{axes}", 0)) for axes in TENSOR])[TENSOR_INDICES]
            moments = np.linalg.eigvalsh(tensor)
            if moments[0] < 1e-14 or moments[0] + moments[1] < moments[2]:
                mended.append(link.get("name", ""))
                for axes in TENSOR:
                    inertia.set(f"i{axes}", "1" if axes in ("xx", "yy", "zz") else "0")
        elif link.find("inertial") is not None:
            mended.append(link.get("name", ""))
            link.remove(link.findall("inertial")[0])
        for mesh in link.iterfind("collision/geometry/mesh"):
            name = mesh.get("filename", "").rpartition("://")[2].lstrip("./")
            mesh.set("filename", next((str(each) for each in sorted(checkout.rglob(name))), name))
    compiler = ElementTree.SubElement(ElementTree.SubElement(root, "mujoco"), "compiler")
    compiler.set("strippath", "false")
    return ElementTree.tostring(root, encoding="unicode"), mended


def without_visuals(path: Path) -> mujoco.MjSpec:
    """Return an MJCF without textures, materials, and meshes that only show."""
    spec = mujoco.MjSpec.from_file(str(path))
    for part in [*spec.sites, *spec.tendons]:
        part.material = ""
    for geom in spec.geoms:
        geom.material = ""
        if geom.meshname and not geom.contype and not geom.conaffinity:
            spec.delete(geom)
    for part in [*spec.materials, *spec.textures]:
        spec.delete(part)
    used = {geom.meshname for geom in spec.geoms}
    for mesh in [mesh for mesh in spec.meshes if (mesh.name or Path(mesh.file).stem) not in used]:
        spec.delete(mesh)
    return spec


def take_mended(reference: Reference, engine: MujocoEngine) -> None:
    """Give links of the reference whose inertia MuJoCo refuses the inertia that the asset has."""
    for name in reference.mended:
        own, link = reference.model.body(name), engine.compiled.model.body(f"robot/{name}")
        own.mass, own.inertia, own.ipos, own.iquat = link.mass, link.inertia, link.ipos, link.iquat
    mujoco.mj_setConst(reference.model, mujoco.MjData(reference.model))


def build(
    asset: ArticulationAsset, reference: mujoco.MjModel, file: File, *, warp: bool = False
) -> tuple[MujocoEngine, ArticulationView]:
    """Build two worlds with the robot where the file has it."""
    engine = MujocoEngine(2, num_threads=1, executor=on_warp(2, "cpu") if warp else None)
    scene = Scene(engine, SimConfig(dt=DT, substeps=1))
    robot = scene.add_articulation(
        "robot",
        asset,
        position=tuple(reference.body_pos[ROOT].tolist()),
        orientation=tuple(reference.body_quat[ROOT].tolist()),
        disable_gravity=True if file.weightless else None,
    )
    engine.build(scene)
    return engine, robot


def joints_of(model: mujoco.MjModel) -> dict[str, int]:
    """Return the ids of joints by name, or by number where they have none."""
    return {
        f"joint_{joint}" if model.joint(joint).name.startswith(UNNAMED) else model.joint(joint).name: joint
        for joint in range(model.njnt)
        if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE
    }


def compare_models(reference: mujoco.MjModel, engine: MujocoEngine, robot: ArticulationView) -> Sequence[str]:
    """Return in what mass, names, limits and efforts differ."""
    model, layout = engine.compiled.model, engine.compiled.articulations["robot"]
    problems = []
    masses = float(reference.body_subtreemass[ROOT]), float(model.body_subtreemass[layout.body_ids[0]])
    if not np.isclose(*masses, rtol=1e-6):
        problems.append(f"mass {masses[1]:.6g} instead of {masses[0]:.6g} kg")
    joints = joints_of(reference)
    if set(joints) != set(robot.dof_names):
        return [*problems, f"joints {sorted(set(joints) ^ set(robot.dof_names))[:4]} are only in one of them"]
    for name, joint in zip(layout.dof_names, layout.joint_ids, strict=True):
        own = joints[name]
        if reference.jnt_limited[own] != model.jnt_limited[joint] or not np.allclose(
            reference.jnt_range[own], model.jnt_range[joint]
        ):
            problems.append(f"limits of {name}")
    efforts = [
        float(reference.jnt_actfrcrange[joints[name], 1]) if reference.jnt_actfrclimited[joints[name]] else np.inf
        for name in layout.dof_names
    ]
    if not np.allclose(robot.get_max_efforts()[0].numpy(), efforts, rtol=1e-5):
        problems.append("largest efforts")
    return problems


def compare_motions(reference: mujoco.MjModel, engine: MujocoEngine, robot: ArticulationView, *, driven: bool) -> float:
    """Return the largest difference of positions after a motion, in m or rad; drives hold the initial positions."""
    option, ours = reference.opt, engine.compiled.model.opt
    for name in ("timestep", "integrator", "cone", "solver", "iterations", "ls_iterations", "tolerance", "impratio"):
        setattr(option, name, getattr(ours, name))
    option.gravity = ours.gravity
    actuation = int(mujoco.mjtDisableBit.mjDSBL_ACTUATION)
    option.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT) | actuation
    if driven:
        option.disableflags &= ~actuation
    data = mujoco.MjData(reference)
    joints = joints_of(reference)
    velocities = SPEED * (-1.0) ** np.arange(len(joints))
    for name, velocity in zip(robot.dof_names, velocities, strict=True):
        data.qvel[reference.jnt_dofadr[joints[name]]] = velocity
    for actuator in range(reference.nu):
        data.ctrl[actuator] = data.qpos[reference.jnt_qposadr[reference.actuator_trnid[actuator, 0]]]
    if joints:
        robot.set_joint_velocities(torch.tensor(velocities, dtype=torch.float32).repeat(2, 1))
        if driven:
            robot.set_joint_position_targets(robot.get_joint_positions())
    mujoco.mj_step(reference, data, STEPS)
    engine.step(STEPS)
    expected = [data.qpos[reference.jnt_qposadr[joints[name]]] for name in robot.dof_names]
    found = robot.get_joint_positions()[0].numpy()
    mujoco.mj_kinematics(reference, data)
    position = robot.get_world_poses()[0][0].numpy() - data.xpos[ROOT]
    return float(np.abs([*(found - expected), *position]).max())


def compare_executors(asset: ArticulationAsset, reference: mujoco.MjModel, file: File) -> float:
    """Return the largest difference of joint positions between the C engine and Warp after 20 steps."""
    found = []
    for warp in (False, True):
        engine, robot = build(asset, reference, file, warp=warp)
        engine.step(20)
        found.append(robot.get_joint_positions()[0].cpu().numpy())
    return float(np.abs(found[0] - found[1]).max())


def commit_of(checkout: Path) -> str:
    """Return the commit of a clone, shortened."""
    done = subprocess.run(
        ["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()[:12] or "?"


def page(outcomes: Sequence[Outcome], folder: Path, command: str) -> str:
    """Return the page of results."""
    agreeing = [each for each in outcomes if each.verdict == "agrees"]
    refused = [each for each in outcomes if each.verdict == "refused"]
    kinds = {kind: [each for each in outcomes if each.file.path.endswith(kind)] for kind in (".urdf", ".xml")}
    data = machine()
    lines = [
        "# Public robots",
        "",
        f"{len(kinds['.xml'])} MJCF and {len(kinds['.urdf'])} URDF files of others, unchanged: {len(agreeing)} agree "
        f"with MuJoCo's own model of the same file, {len(refused)} are refused with a message that says what to do, "
        f"{len(outcomes) - len(agreeing) - len(refused)} differ. [Robots](../robots.md) says what is read from a file.",
        "",
        "A file agrees if the masses, the names and limits of joints and their largest efforts are the same, and if "
        f"two worlds of it move like MuJoCo's model: after {STEPS} steps of {DT} s, no position differs by more than "
        f"{TOLERANCE} m or rad. Contacts are off, and joints start at ±{SPEED} rad/s or m/s. Columns *fall* and *held* "
        f"have the largest differences: without drives, and with drives of {HOLD.stiffness:g} N·m/rad and "
        f"{HOLD.damping:g} N·m·s/rad against MuJoCo's position actuators. Other root bodies are deleted. A star marks "
        "files that MuJoCo does not read without changes, because it does not find meshes or refuses an inertia; "
        "MuJoCo's model then has no textures and visual meshes, or no shapes, and inertias that MuJoCo refuses are "
        "those of the asset.",
        "",
        f"Command: `{command}`. Date {datetime.datetime.now(tz=datetime.UTC).date()}, {data['cpu']}, {data['system']}, "
        f"MuJoCo {version('mujoco')}, Python {platform.python_version()}. Nothing is random.",
        "",
        "| repository | commit | file | links | joints | mass in kg | fall | held | result |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in outcomes:
        checkout = folder / each.file.repository.partition("/")[2]
        sizes = each.sizes or "– | – | –"
        mark = " *" if each.detail and each.verdict != "refused" else ""
        given = "".join(f", {key}={value!r}" for key, value in each.file.options.items())
        lines.append(
            f"| {each.file.repository} | {commit_of(checkout)} | {each.file.path}{mark}{given} | {sizes} | "
            f"{each.fall or '–'} | {each.held or '–'} | {each.verdict} |"
        )
    lines += ["", "## Refused", ""]
    lines += [f"* {each.file.path}: `{each.detail}`" for each in refused] or ["No file."]
    lines += ["", "## What was changed or is not read", "", "As `file_report` says.", ""]
    for each in outcomes:
        if each.notes:
            lines += [f"{each.file.repository}, {each.file.path}:", ""]
            shown = [*each.notes[:LINES], *([f"{len(each.notes) - LINES} more"] if len(each.notes) > LINES else [])]
            lines += [f"* `{line}`" for line in shown] + [""]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Try all files, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", type=Path, help="folder with clones of the repositories")
    parser.add_argument("--only", default="", help="try only files whose path contains this text")
    parser.add_argument("--out", type=Path, help="write the page of results")
    parser.add_argument("--warp", action="store_true", help="compare with MuJoCo Warp, which compiles for minutes")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.ERROR)
    outcomes = []
    for file in FILES:
        if options.only in file.path:
            print(file.repository, file.path, flush=True)
            outcomes.append(try_file(options.checkouts, file, warp=options.warp))
            print(f"  {outcomes[-1].verdict} {outcomes[-1].detail}", flush=True)
    if options.out:
        command = f"uv run python tools/public_robots.py CHECKOUTS --out {options.out}"
        options.out.write_text(page(outcomes, options.checkouts, command), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
