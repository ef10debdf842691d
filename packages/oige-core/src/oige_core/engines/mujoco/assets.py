"""Reads an articulation's MJCF or URDF file, ready to be attached to a scene.

Contents of a file either take effect, are documented as ignored by :class:`~oige_core.scene.ArticulationAsset`, or
raise an error.
"""

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import mujoco
import numpy as np

from oige_core.config import ActorConfig
from oige_core.engines.joints import select_names
from oige_core.engines.mujoco.friction import DEFAULT_FRICTION
from oige_core.errors import CapabilityError, ConfigError, OigeError, one_line
from oige_core.scene.elements import ArticulationElement

__all__ = ["apply_density", "parse", "read_asset"]

_FREE = mujoco.mjtJoint.mjJNT_FREE

_FLAGS = mujoco.mjtDisableBit
_NO_CONTACTS = _FLAGS.mjDSBL_CONTACT | _FLAGS.mjDSBL_CONSTRAINT
_NO_LIMITS = _FLAGS.mjDSBL_LIMIT | _FLAGS.mjDSBL_CONSTRAINT
_NO_FRICTION = _FLAGS.mjDSBL_FRICTIONLOSS | _FLAGS.mjDSBL_CONSTRAINT
_NO_EQUALITIES = _FLAGS.mjDSBL_EQUALITY | _FLAGS.mjDSBL_CONSTRAINT


def read_asset(element: ArticulationElement) -> mujoco.MjSpec:
    """Return an asset as a specification of one tree with named links and joints, without actuators and sensors.

    Shapes without a friction coefficient have :data:`~oige_core.engines.mujoco.friction.DEFAULT_FRICTION`.

    Raises:
        OigeError: the asset is invalid, or contains something unsupported; the message names the articulation.
    """
    title = f"articulation '{element.name}'"
    asset, is_urdf = parse(element.asset.mjcf, title)
    if asset.flexes:
        raise CapabilityError(f"{title}: its MJCF has a flex; articulations consist only of rigid links.")
    roots = asset.worldbody.bodies
    if len(roots) != 1:
        raise OigeError(f"{title}: its MJCF has {len(roots)} root bodies, expected one.")
    if roots[0].mocap:
        raise OigeError(f"{title}: its root '{roots[0].name}' is a mocap body; remove mocap, and add no joints.")
    _set_base(asset, element.asset.floating, is_urdf=is_urdf, title=title)
    joints = [joint for joint in asset.joints if joint.type != _FREE]
    for joint in joints:
        if joint.type == mujoco.mjtJoint.mjJNT_BALL:
            raise OigeError(f"{title}: joint '{joint.name}' is a ball; use three hinges.")
    for kind, named in (("body", asset.bodies), ("joint", joints)):
        if not all(part.name for part in named):
            raise OigeError(f"{title}: a {kind} in its MJCF has no name; name all bodies and joints.")
    names = [joint.name for joint in joints]
    for pattern in [*element.asset.drives, *element.asset.joint_positions]:
        select_names(pattern, names, f"joints of '{element.name}'")
    _apply_flags(asset, title)
    _check_references_to_the_world(asset, title)
    apply_density(asset, element.actor, element.name)
    _keep_total_mass(asset)
    for part in [*asset.actuators, *asset.sensors, *asset.keys]:
        asset.delete(part)
    return asset


def parse(source: Path | str, title: str) -> tuple[mujoco.MjSpec, bool]:
    """Return the specification of a file or of its contents, and whether it is a URDF.

    Shapes without a friction coefficient have :data:`~oige_core.engines.mujoco.friction.DEFAULT_FRICTION`.

    Raises:
        OigeError: MuJoCo cannot read it; the message starts with ``title``.
    """
    if isinstance(source, str):
        source = source.lstrip("\ufeff \t\r\n")
        if not source:
            raise OigeError(f"{title}: its MJCF is empty; expected a path, or the contents of a file.")
    path = None if isinstance(source, str) and source.startswith("<") else Path(source)
    try:
        text = path.read_text(encoding="utf-8-sig") if path else str(source)
        is_urdf = _root_tag(text) == "robot"
        marked = text if is_urdf else _mark_default_friction(text)
        if path is None:
            spec = mujoco.MjSpec.from_string(marked)
        else:  # replaces the file, so that paths in it remain relative to its folder
            spec = mujoco.MjSpec.from_file(str(path), include={str(path): marked.encode()})
    except (ValueError, OSError) as error:
        raise OigeError(f"{title}: MuJoCo cannot read its MJCF: {one_line(error)}") from error
    for geom in spec.geoms if is_urdf else ():  # URDF files have no friction coefficients
        geom.friction[0] = DEFAULT_FRICTION
    return spec, is_urdf


def _without_comments(text: str) -> str:
    """Replace XML comments by blanks; line numbers in MuJoCo's messages remain correct."""
    return re.sub(r"<!--.*?-->", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)


def _root_tag(text: str) -> str:
    match = re.search(r"<([A-Za-z]\w*)", _without_comments(text))
    return match[1] if match else ""


def _mark_default_friction(text: str) -> str:
    """Insert the placeholder coefficient of the default material before the defaults of an MJCF."""
    default = f'<default><geom friction="{DEFAULT_FRICTION} 0.005 0.0001"/></default>'
    start = r"""<mujoco\b(?:"[^"]*"|'[^']*'|[^'">/])*>"""
    return re.sub(start, lambda match: match[0] + default, _without_comments(text), count=1)


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
    sites, geoms = {site.name for site in world.sites} - {""}, {geom.name for geom in world.geoms} - {""}
    used: list[tuple[str, str, Iterable[str]]] = []
    for equality in asset.equalities:
        kind = "connect" if equality.type == mujoco.mjtEq.mjEQ_CONNECT else "weld"
        what = f"{kind} '{equality.name}'" if equality.name else f"a {kind}"
        if equality.objtype == mujoco.mjtObj.mjOBJ_SITE:
            used.append((what, "site", {equality.name1, equality.name2} & sites))
        elif equality.objtype == mujoco.mjtObj.mjOBJ_BODY:
            _check_pose_in_the_world(equality, what, title)
    for tendon in asset.tendons:
        targets = {point.target.name for point in tendon.path if point.target is not None}
        sides = {point.sidesite.name for point in tendon.path if point.sidesite is not None}
        used.append((f"tendon '{tendon.name}'", "site or geom", (targets | sides) & (sites | geoms)))
    for pair in asset.pairs:
        used.append((f"the contact pair of '{pair.geomname1}' and '{pair.geomname2}'", "geom",
                     {pair.geomname1, pair.geomname2} & geoms))  # fmt: skip
    for what, kind, names in used:
        for name in sorted(names):
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
