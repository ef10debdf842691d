"""Converts robots of USD files, which UsdPhysics describes, to MJCF."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import mujoco
import numpy as np
from oige_core.engines.isaacsim.usd.description import unused_name
from oige_core.errors import OigeError, one_line
from oige_core.scene.assets import ArticulationAsset, Drive, RigidAsset
from pxr import Usd, UsdPhysics

from oige_compat.assets.bodies import is_kinematic, is_link
from oige_compat.assets.couplings import add_loop, add_mimics, add_tendons
from oige_compat.assets.filters import excluded_pairs
from oige_compat.assets.joints import Axis, Joint, read_joint
from oige_compat.assets.masses import read_mass
from oige_compat.assets.mjcf import add_joint, add_pose, add_shape, numbers, quaternion
from oige_compat.assets.report import Report
from oige_compat.assets.shapes import Shape, is_geometry, read_shape
from oige_compat.assets.stages import Frames, find_prim, open_stage, prims_below, rigid_inverse
from oige_compat.assets.tree import Tree, build_tree, find_articulation

__all__ = ["load_rigid_usd", "load_usd", "rigid_asset", "static_asset"]


def load_usd(
    source: Path | str | Usd.Stage,
    prim: str | None = None,
    *,
    variants: Mapping[str, str] | None = None,
    complete: bool = True,
) -> tuple[ArticulationAsset, Report]:
    """Return the articulation of a USD file, and what of it acts otherwise.

    Links are called by their prims, and degrees of freedom by the prims of their joints; several of one joint get
    ``:0``, ``:1``, … at their ends, as in Isaac Sim. The file of the asset is MJCF as text. Lengths and masses are
    converted to m and kg, and angles to rad; if y is up, the robot is turned upright.

    Args:
        source: path of a file, or a stage, which is only read.
        prim: path of the prim that holds the robot; None: the default prim, or the only one at the top.
        variants: selections by variant set of the file's default prim; others are as the file has them.
        complete: whether it is an error that a file to which the stage refers is missing.

    Raises:
        OigeError: the file does not exist, is damaged, or refers to one that does not exist; it has no articulation, or
            several; or one of its joints cannot be expressed.
    """
    stage, title = _stage(source, variants)
    found = find_prim(stage, prim, title, complete=complete)
    report, frames = Report(), Frames(stage)
    articulation = find_articulation(found, title)
    robot = articulation if found.GetPath().HasPrefix(articulation.GetPath()) else found
    return _Converter(robot, articulation, frames, report, title).convert(), report


def load_rigid_usd(
    source: Path | str | Usd.Stage, prim: str | None = None, *, variants: Mapping[str, str] | None = None
) -> tuple[RigidAsset, Report]:
    """Return the rigid body of a USD file, and what of it acts otherwise.

    Args:
        source: path of a file, or a stage, which is only read.
        prim: path of the prim that holds the body; None: the default prim, or the only one at the top. If nothing there
            is a rigid body, its shapes are one.
        variants: selections by variant set of the file's default prim.

    Raises:
        OigeError: the file does not exist, is damaged, or refers to one that does not exist; there are several rigid
            bodies or joints, or no colliders.
    """
    stage, title = _stage(source, variants)
    found = find_prim(stage, prim, title)
    report, frames = Report(), Frames(stage)
    links = [each for each in prims_below(found) if is_link(each) or is_kinematic(each)]
    joints = [each for each in prims_below(found) if each.IsA(UsdPhysics.Joint)]
    if len(links) > 1 or joints:
        raise OigeError(
            f"{title}: {found.GetPath()} has {len(links)} rigid bodies and {len(joints)} joints; expected one body: "
            "choose it with prim=, or load an articulation."
        )
    link = links[0] if links else found
    if not any(shape.collides for shape in _shapes_of(link, frames, Report())):
        raise OigeError(f"{title}: {link.GetPath()} has no colliders; apply PhysicsCollisionAPI to its shapes.")
    upright = np.eye(4)
    upright[:3, :3] = frames.upright[:3, :3] @ (rigid_inverse(frames.rigid(found)) @ frames.rigid(link))[:3, :3]
    return rigid_asset(link, frames, report, upright), report


def rigid_asset(link: Usd.Prim, frames: Frames, report: Report, pose: np.ndarray | None = None) -> RigidAsset:
    """Return a rigid body of a stage as an asset, whose frame is that of its prim.

    Args:
        link: the prim of the body; prims of other bodies below it are left out.
        frames: of the stage.
        report: gets what of the body acts otherwise.
        pose: of the body in the file ``(4, 4)``; None: none.

    Raises:
        OigeError: a shape or a mass is damaged.
    """
    file, assets, world = _file(link.GetName())
    body = SubElement(world, "body", name=link.GetName())
    add_pose(body, np.eye(4) if pose is None else pose)
    shapes = _shapes_of(link, frames, report)
    _note_dampings(link, report)
    _add_inertia(body, link, shapes, frames, report)
    for shape in shapes:
        add_shape(assets, body, shape, _shape_name(shape))
    return RigidAsset(mjcf=_text(file))


def static_asset(colliders: Sequence[Usd.Prim], frame: Usd.Prim, frames: Frames, report: Report) -> RigidAsset | None:
    """Return shapes that nothing moves as one asset; None: none of them collides.

    Args:
        colliders: prims of the shapes.
        frame: the prim whose frame the asset has.
        frames: of the stage.
        report: gets what of the shapes acts otherwise.

    Raises:
        OigeError: a shape is damaged.
    """
    file, assets, world = _file(frame.GetName())
    body = SubElement(world, "body", name=frame.GetName())
    read = (read_shape(prim, frame, frames, report) for prim in colliders)
    shapes = [shape for shape in read if shape is not None]
    for shape in shapes:
        add_shape(assets, body, shape, _shape_name(shape))
    return RigidAsset(mjcf=_text(file)) if any(shape.collides for shape in shapes) else None


class _Converter:
    def __init__(self, robot: Usd.Prim, articulation: Usd.Prim, frames: Frames, report: Report, title: str) -> None:
        self._robot = robot
        self._frames = frames
        self._report = report
        self._title = title
        links = [str(each.GetPath()) for each in prims_below(robot) if is_link(each)]
        read = (
            read_joint(each, set(links), frames, report) for each in prims_below(robot) if each.IsA(UsdPhysics.Joint)
        )
        joints = [joint for joint in read if joint is not None]
        self._bodies = set(links)
        self._tree: Tree = build_tree(articulation, links, joints, report, title)
        taken: set[str] = set()
        self._names = {path: self._unused(path, Path(path).name, taken) for path in self._tree.links}
        self._axes: dict[str, Axis] = {}
        """Degrees of freedom by name."""
        self._of_joint: dict[str, list[str]] = {}
        """Names of degrees of freedom by path of their joint."""
        self._colliders: dict[str, str] = {}

    def convert(self) -> ArticulationAsset:
        file, assets, world = _file(self._robot.GetName())
        bodies: dict[str, Element] = {}
        for path in self._tree.links:
            joint = self._tree.above.get(path)
            parent = world if joint is None or joint.bodies[0] is None else bodies[joint.bodies[0]]
            bodies[path] = SubElement(parent, "body", name=self._names[path])
            self._write_link(assets, bodies[path], path, joint)
        contact = SubElement(file, "contact")
        for first, second in excluded_pairs(self._robot, self._colliders, self._report):
            SubElement(contact, "exclude", body1=self._names[first], body2=self._names[second])
        equality = SubElement(file, "equality")
        for loop in self._tree.loops:
            add_loop(equality, contact, loop, bodies, self._report)
        add_mimics(equality, self._robot, self._of_joint, self._frames, self._report)
        add_tendons(SubElement(file, "tendon"), self._robot, self._of_joint, self._report)
        for empty in [each for each in file if not len(each)]:
            file.remove(empty)
        file.insert(0, Element("compiler", angle="radian", autolimits="true"))
        self._note_outside()
        text = _text(file)
        positions = {re.escape(name): axis.position for name, axis in self._axes.items() if axis.position}
        return ArticulationAsset(mjcf=text, drives=self._drives(text), joint_positions=positions)

    def _unused(self, path: str, name: str, taken: set[str]) -> str:
        unique = unused_name(name, taken)
        if unique != name:
            self._report.add("converted", path, f"its name '{name}' is taken; it is called '{unique}'")
        return unique

    def _write_link(self, assets: Element, body: Element, path: str, joint: Joint | None) -> None:
        link = self._robot.GetStage().GetPrimAtPath(path)
        add_pose(body, self._pose(link, joint))
        if joint is not None:
            self._write_joint(body, joint)
        elif self._tree.floating:
            SubElement(body, "freejoint")
        if _flag(link, "physxRigidBody:disableGravity"):
            body.set("gravcomp", "1")
        _note_dampings(link, self._report)
        shapes = _shapes_of(link, self._frames, self._report)
        _add_inertia(body, link, shapes, self._frames, self._report)
        for shape in shapes:
            add_shape(assets, body, shape, _shape_name(shape))
            if shape.collides:
                self._colliders[shape.path] = path

    def _pose(self, link: Usd.Prim, joint: Joint | None) -> np.ndarray:
        """Return the pose of a link in its parent, or of the root in the robot's prim, with joints at position 0."""
        if joint is not None and joint.bodies[0] is not None:
            return joint.frames[0] @ rigid_inverse(joint.frames[1])
        place = self._frames.rigid(link) if joint is None else joint.frames[0] @ rigid_inverse(joint.frames[1])
        return self._frames.upright @ rigid_inverse(self._frames.rigid(self._robot)) @ place

    def _write_joint(self, body: Element, joint: Joint) -> None:
        if joint.collides:
            self._report.add("lost", joint.path, "collisions between the two links of the joint (collisionEnabled)")
        for axis in joint.axes:
            name = self._unused(joint.path, axis.name, set(self._axes))
            self._axes[name] = axis
            self._of_joint.setdefault(joint.path, []).append(name)
            add_joint(body, axis, name, joint.frames[1])

    def _drives(self, text: str) -> dict[str, Drive]:
        """Return drives, with gains for the inertia of the joint where they are given per inertia."""
        inertias: dict[str, float] = {}
        if any(axis.per_inertia for axis in self._axes.values()):
            inertias = self._inertias(text)
        drives = {}
        for name, axis in self._axes.items():
            drive = axis.drive
            if drive is None:
                continue
            if axis.per_inertia:
                scale = inertias[name]
                drive = dataclasses.replace(drive, stiffness=drive.stiffness * scale, damping=drive.damping * scale)
                text = f"gains of the acceleration drive of {name} are those for its inertia at the start, {scale:.4g}"
                self._report.add("approximated", self._path_of(name), f"{text} kg·m² or kg")
            drives[re.escape(name)] = drive
        return drives

    def _path_of(self, name: str) -> str:
        return next(path for path, names in self._of_joint.items() if name in names)

    def _inertias(self, text: str) -> dict[str, float]:
        """Return the inertia that a force on each joint accelerates, at the start, while the others move freely."""
        try:
            model = mujoco.MjModel.from_xml_string(text)
        except ValueError as error:
            raise OigeError(f"{self._title}: MuJoCo cannot compile the robot: {one_line(error)}") from error
        data = mujoco.MjData(model)
        for name, axis in self._axes.items():
            data.joint(name).qpos[0] = axis.position
        mujoco.mj_forward(model, data)
        full = np.empty((model.nv, model.nv))
        mujoco.mj_fullM(model, data, full)
        mobility = np.linalg.inv(full).diagonal()
        return {name: float(1.0 / mobility[model.joint(name).dofadr[0]]) for name in self._axes}

    def _note_outside(self) -> None:
        """Note what of the robot's prim belongs to no link, and what its articulation says of collisions."""
        for prim in prims_below(self._robot):
            if is_geometry(prim) and prim.HasAPI(UsdPhysics.CollisionAPI) and _owner(prim) not in self._bodies:
                text = "a collider that belongs to no link; add it to the scene"
                self._report.add("lost", prim.GetPath(), text)
            if prim.HasAPI(UsdPhysics.CollisionAPI) and not is_geometry(prim):
                text = f"collisions of a prim of type '{prim.GetTypeName()}'; apply PhysicsCollisionAPI to its shapes"
                self._report.add("lost", prim.GetPath(), text)
            if prim.HasAttribute("physxArticulation:enabledSelfCollisions"):
                value = int(bool(prim.GetAttribute("physxArticulation:enabledSelfCollisions").Get()))
                text = f"self-collisions are those of task.sim.<name>.enable_self_collisions; the file has {value}"
                self._report.add("converted", prim.GetPath(), text)


def _stage(source: Path | str | Usd.Stage, variants: Mapping[str, str] | None) -> tuple[Usd.Stage, str]:
    if isinstance(source, Path | str):
        return open_stage(Path(source), variants or {}), str(source)
    return source, str(source.GetRootLayer().identifier)


def _note_dampings(link: Usd.Prim, report: Report) -> None:
    for damping in ("physxRigidBody:linearDamping", "physxRigidBody:angularDamping"):
        value = link.GetAttribute(damping).Get() if link.HasAttribute(damping) else None
        if value:
            report.add("lost", link.GetPath(), f"{damping} {value:g} 1/s")


def _shapes_of(link: Usd.Prim, frames: Frames, report: Report) -> list[Shape]:
    """Return the shapes of a link, without those of links below it."""
    shapes = []
    iterator = iter(Usd.PrimRange(link, Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)))
    for prim in iterator:
        if prim != link and (is_link(prim) or is_kinematic(prim)):
            iterator.PruneChildren()
        elif is_geometry(prim):
            shape = read_shape(prim, link, frames, report)
            if shape is not None:
                shapes.append(shape)
    return shapes


def _add_inertia(body: Element, link: Usd.Prim, shapes: list[Shape], frames: Frames, report: Report) -> None:
    mass = read_mass(link, shapes, frames, report)
    inertial = SubElement(body, "inertial", pos=numbers(mass.center), quat=numbers(quaternion(mass.axes)))
    inertial.set("mass", numbers((mass.mass,)))
    inertial.set("diaginertia", numbers(mass.moments))


def _file(name: str) -> tuple[Element, Element, Element]:
    file = Element("mujoco", model=name)
    return file, SubElement(file, "asset"), SubElement(file, "worldbody")


def _text(file: Element) -> str:
    indent(file)
    return tostring(file, "unicode")


def _shape_name(shape: Shape) -> str:
    return shape.path.strip("/")


def _owner(prim: Usd.Prim) -> str | None:
    """Return the path of the rigid body that geometry belongs to."""
    while prim and not prim.IsPseudoRoot():
        if is_link(prim) or is_kinematic(prim):
            return str(prim.GetPath())
        prim = prim.GetParent()
    return None


def _flag(prim: Usd.Prim, name: str) -> bool:
    attribute = prim.GetAttribute(name)
    return bool(attribute and attribute.Get())
