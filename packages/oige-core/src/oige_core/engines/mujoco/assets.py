"""Reads an articulation's MJCF or URDF file, ready to be attached to a scene.

Contents of a file either take effect, are documented as ignored by :class:`~oige_core.scene.ArticulationAsset`, or
raise an error.
"""

import logging
import re
import warnings
from pathlib import Path
from typing import Any, NoReturn

import mujoco
import numpy as np

from oige_core.config import ActorConfig
from oige_core.engines.joints import select_names
from oige_core.engines.mujoco.asset_files import parse
from oige_core.engines.mujoco.asset_roots import keep_root, name_parts, references, title_of
from oige_core.engines.mujoco.file_notes import FileNotes, some
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene.assets import ArticulationAsset
from oige_core.scene.elements import ArticulationElement

__all__ = ["ON_JOINTS", "apply_density", "read_asset", "read_with_actuators"]

_log = logging.getLogger(__name__)

ON_JOINTS = (mujoco.mjtTrn.mjTRN_JOINT, mujoco.mjtTrn.mjTRN_JOINTINPARENT)
"""Types of actuators that act on a joint."""

_FREE = mujoco.mjtJoint.mjJNT_FREE

_FLAGS = mujoco.mjtDisableBit
_NO_CONTACTS = _FLAGS.mjDSBL_CONTACT | _FLAGS.mjDSBL_CONSTRAINT
_NO_LIMITS = _FLAGS.mjDSBL_LIMIT | _FLAGS.mjDSBL_CONSTRAINT
_NO_FRICTION = _FLAGS.mjDSBL_FRICTIONLOSS | _FLAGS.mjDSBL_CONSTRAINT
_NO_EQUALITIES = _FLAGS.mjDSBL_EQUALITY | _FLAGS.mjDSBL_CONSTRAINT


def read_asset(element: ArticulationElement, notes: FileNotes | None = None) -> mujoco.MjSpec:
    """Return an asset as a specification of one tree with named links and joints, without actuators and sensors.

    Shapes without a friction coefficient have :data:`~oige_core.engines.mujoco.friction.DEFAULT_FRICTION`.

    Args:
        element: the articulation.
        notes: gets what of the file does not act as it is written there; None: it is logged.

    Raises:
        OigeError: the asset is invalid, or contains something unsupported; the message names the articulation.
    """
    collected = FileNotes() if notes is None else notes
    asset = read_with_actuators(element, collected)
    _delete_ignored(asset, element.asset, collected)
    if notes is None:
        _log_notes(collected, element)
    return asset


def read_with_actuators(element: ArticulationElement, notes: FileNotes) -> mujoco.MjSpec:
    """Return an asset as :func:`read_asset` does, with everything that articulations ignore.

    Raises:
        OigeError: see :func:`read_asset`.
    """
    title = f"articulation '{element.name}'"
    packages = [Path(folder) for folder in element.asset.package_paths]
    asset, is_urdf = parse(element.asset.mjcf, title, package_paths=packages, notes=notes)
    if asset.flexes:
        raise CapabilityError(f"{title}: its MJCF has a flex; articulations consist only of rigid links.")
    name_parts(asset)
    keep_root(asset, element.asset.root, notes, title)
    root = asset.worldbody.bodies[0]
    if root.mocap:
        raise OigeError(f"{title}: its root '{root.name}' is a mocap body; remove mocap, and add no joints.")
    _set_base(asset, element.asset.floating, is_urdf=is_urdf, title=title)
    joints = [joint for joint in asset.joints if joint.type != _FREE]
    for joint in joints:
        if joint.type == mujoco.mjtJoint.mjJNT_BALL:
            raise CapabilityError(
                f"{title}: joint '{joint.name}' is a ball, which has no single position; replace it by three hinges "
                "at the same place, with axes 1 0 0, 0 1 0 and 0 0 1."
            )
    names = [joint.name for joint in joints]
    for pattern in [*element.asset.drives, *element.asset.joint_positions]:
        select_names(pattern, names, f"joints of '{element.name}'")
    if element.disable_gravity is not None and asset.option.disableflags & _FLAGS.mjDSBL_GRAVITY:
        notes.ignored.append('<flag gravity="disable"/>; disable_gravity of add_articulation decides')
        asset.option.disableflags &= ~int(_FLAGS.mjDSBL_GRAVITY)
    _apply_flags(asset, title)
    _check_references_to_the_world(asset, title)
    apply_density(asset, element.actor, element.name)
    _keep_total_mass(asset)
    return asset


def _delete_ignored(asset: mujoco.MjSpec, described: ArticulationAsset, notes: FileNotes) -> None:
    """Delete what articulations do not read, and note it unless the asset describes the same itself."""
    world = asset.worldbody
    for part in _described_parts(asset, described):
        asset.delete(part)
    ignored: list[tuple[str, list[Any], str]] = [
        ("actuator", list(asset.actuators), "; with_actuators reads their gains into drives"),
        ("sensor", list(asset.sensors), ""),
        ("keyframe", list(asset.keys), "; with_keyframe reads joint positions"),
        ("camera", list(asset.cameras), ""),
        ("light", list(asset.lights), ""),
        ("skin", list(asset.skins), ""),
        ("shape", list(world.geoms), ""),
        ("site", list(world.sites), ""),
    ]
    for kind, parts, remedy in ignored:
        if parts:
            names = [part.name for part in parts if part.name]
            plural = "s" * (len(parts) > 1)
            listed = f" ({some(names)})" if names else ""
            where = " of the world body" if kind in ("shape", "site") else ""
            notes.ignored.append(f"{len(parts)} {kind}{plural}{where}{listed}{remedy}")
        for part in parts:
            asset.delete(part)


def _described_parts(asset: mujoco.MjSpec, described: ArticulationAsset) -> list[Any]:
    """Return the actuators of joints that have a drive, and the keyframes if there are initial positions."""
    drives = [re.compile(pattern) for pattern in described.drives]
    actuators = [each for each in asset.actuators if each.trntype in ON_JOINTS]
    driven = [each for each in actuators if any(drive.fullmatch(each.target) for drive in drives)]
    return [*driven, *(asset.keys if described.joint_positions else ())]


def _log_notes(notes: FileNotes, element: ArticulationElement) -> None:
    source = element.asset.mjcf
    file = f"'{source}'" if isinstance(source, Path) else "its text"
    for line in notes.changed:
        _log.warning("articulation '%s': of %s, %s.", element.name, file, line)
    for line in notes.ignored:
        _log.info("articulation '%s': of %s, no engine reads %s.", element.name, file, line)


def _set_base(asset: mujoco.MjSpec, floating: bool | None, *, is_urdf: bool, title: str) -> None:
    root = asset.worldbody.bodies[0]
    free = [joint for joint in root.joints if joint.type == _FREE]
    if floating is None:
        if is_urdf and not free:
            raise OigeError(
                f"{title}: a URDF does not say whether its root link '{root.name}' is fixed; give ArticulationAsset "
                "floating=True or floating=False."
            )
        return
    if floating and not free:
        if root.joints:
            raise OigeError(f"{title}: floating=True, but its root '{root.name}' has joints; expected none.")
        root.add_freejoint()
    elif not floating:
        for joint in free:
            asset.delete(joint)


def _check_references_to_the_world(asset: mujoco.MjSpec, title: str) -> None:
    """Raise if something refers to sites or shapes of the file's world body, which is not part of the articulation.

    MuJoCo silently drops such elements when a body is attached.
    """
    world = asset.worldbody
    parts = {("site", each.name) for each in world.sites} | {("geom", each.name) for each in world.geoms}
    for equality in asset.equalities:
        if equality.objtype == mujoco.mjtObj.mjOBJ_BODY:
            _check_pose_in_the_world(equality, title_of(equality), title)
    for what, used in references(asset):
        for kind, name in sorted(used & parts):
            raise OigeError(
                f"{title}: {what} uses {kind} '{name}' of the world body, which is not part of the articulation; put "
                f"'{name}' on the root link or on another link."
            )


def _check_pose_in_the_world(equality: "mujoco.MjsEquality", what: str, title: str) -> None:
    """Raise for poses in the world frame, because the scene places the articulation elsewhere."""
    world = ("", "world")
    if equality.type == mujoco.mjtEq.mjEQ_CONNECT and equality.name1 in world:
        raise OigeError(f"{title}: {what} gives its anchor in the world; name link '{equality.name2}' as body1.")
    related = np.asarray(equality.data[6:10])  # zero: computed from the initial poses
    if equality.type == mujoco.mjtEq.mjEQ_WELD and related.any() and {equality.name1, equality.name2} & set(world):
        raise OigeError(
            f"{title}: {what} has a relpose in the world; remove it: the link is attached where the scene places it."
        )


def _apply_flags(asset: mujoco.MjSpec, title: str) -> None:
    """Remove from an asset what its flags disable.

    Raises:
        CapabilityError: a flag cannot be applied to a single articulation.
    """
    disabled, unlimited = asset.option.disableflags, mujoco.mjtLimited.mjLIMITED_FALSE
    for flag, name, remedy in (
        (_FLAGS.mjDSBL_GRAVITY, 'gravity="disable"', "give add_articulation disable_gravity=True"),
        (_FLAGS.mjDSBL_FILTERPARENT, 'filterparent="disable"', "name pairs of shapes that collide in <contact>"),
    ):
        if disabled & flag:
            _refuse_flag(title, name, remedy)
    if asset.option.enableflags & mujoco.mjtEnableBit.mjENBL_OVERRIDE:
        _refuse_flag(title, 'override="enable"', "give solref, solimp and friction to its geoms")
    if disabled & _NO_CONTACTS:
        for geom in asset.geoms:
            geom.contype = geom.conaffinity = 0
        for pair in asset.pairs:
            asset.delete(pair)
    for part in [*asset.joints, *asset.tendons]:
        if disabled & _NO_LIMITS:
            part.limited = unlimited
        if disabled & _NO_FRICTION:
            part.frictionloss = 0.0
        if disabled & _FLAGS.mjDSBL_SPRING:
            part.stiffness = np.zeros_like(part.stiffness)
        if disabled & _FLAGS.mjDSBL_DAMPER:
            part.damping = np.zeros_like(part.damping)
    if disabled & _NO_EQUALITIES:
        for equality in asset.equalities:
            asset.delete(equality)


def _refuse_flag(title: str, flag: str, remedy: str) -> NoReturn:
    raise CapabilityError(
        f"{title}: its MJCF has <flag {flag}/>, which cannot be applied to a single articulation; {remedy}."
    )


def apply_density(asset: mujoco.MjSpec, actor: ActorConfig, name: str) -> None:
    """Compute masses of shapes from a density instead of stated masses; masses of zero remain.

    Args:
        asset: the specification of an element.
        actor: its section of ``task.sim``.
        name: its name.

    Raises:
        ConfigError: a body states its mass as ``<inertial>``.
    """
    if actor.density <= 0:
        return
    stated = [body.name for body in asset.bodies[1:] if body.explicitinertial]
    if stated and asset.compiler.inertiafromgeom != mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_TRUE:
        raise ConfigError(
            f"task.sim.{name}.density={actor.density}: '{stated[0]}' states its mass as <inertial>, which no "
            "density changes; leave the key at -1, and change the asset."
        )
    for geom in asset.geoms:
        if geom.mass != 0:
            geom.density, geom.mass = actor.density, np.nan
    asset.compiler.settotalmass = -1


def _keep_total_mass(asset: mujoco.MjSpec) -> None:
    """Write the inertias that result from ``settotalmass``, which has no effect in an attached file."""
    compiler = asset.compiler
    if compiler.settotalmass <= 0:
        return
    scaled = asset.copy()
    scaled.compiler.fusestatic = False
    try:
        with warnings.catch_warnings():  # ignores the warning that the attribute is deprecated
            warnings.simplefilter("ignore", UserWarning)
            model = scaled.compile()
    except ValueError:
        return  # compiling the scene with this articulation fails in the same way
    for body in asset.bodies[1:]:
        compiled = model.body(body.name)
        body.explicitinertial = True
        body.mass, body.inertia = float(compiled.mass[0]), compiled.inertia
        body.ipos, body.iquat = compiled.ipos, compiled.iquat
        body.ialt.type, body.fullinertia = mujoco.mjtOrientation.mjORIENTATION_QUAT, [np.nan] * 6
    compiler.settotalmass, compiler.boundmass, compiler.boundinertia = -1, 0, 0
    compiler.inertiafromgeom = mujoco.mjtInertiaFromGeom.mjINERTIAFROMGEOM_FALSE
