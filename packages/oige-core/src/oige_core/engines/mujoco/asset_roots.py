"""Reduces the specification of a file to the tree of one root body."""

from collections.abc import Iterator

import mujoco

from oige_core.engines.mujoco.file_notes import FileNotes
from oige_core.errors import OigeError, nearest

__all__ = ["depth_first", "keep_root", "name_parts", "references", "title_of"]

Part = tuple[str, str]
"""Kind and name of a part of a file, such as ``("site", "hook")``."""


def name_parts(asset: mujoco.MjSpec) -> None:
    """Name bodies and joints without a name ``body_3`` and ``joint_2``: by their numbers in the compiled file.

    A name that another part has gets underscores at its end.
    """
    bodies = depth_first(asset)
    joints = [joint for body in bodies for joint in body.joints]
    for kind, parts in (("body", bodies), ("joint", joints)):
        taken = {part.name for part in parts}
        for number, part in enumerate(parts):
            if not part.name:
                name = f"{kind}_{number + (kind == 'body')}"  # body 0 is the world
                while name in taken:
                    name += "_"
                part.name = name
                taken.add(name)


def keep_root(asset: mujoco.MjSpec, root: str | None, notes: FileNotes, title: str) -> None:
    """Delete all bodies of the world body except one.

    Args:
        asset: specification of the file, with names.
        root: name of the body that remains; None: there is only one.
        notes: gets what is deleted.
        title: start of messages.

    Raises:
        OigeError: there is no such body, or several are there to choose from.
    """
    names = [body.name for body in asset.worldbody.bodies]
    if not names:
        raise OigeError(f"{title}: its file has no bodies, expected a root body with the links of the articulation.")
    if root is None:
        if len(names) > 1:
            raise OigeError(
                f"{title}: its file has {len(names)} root bodies: {', '.join(names)}; choose one of them with "
                f"ArticulationAsset root='{names[0]}'."
            )
        return
    if root not in names:
        raise OigeError(f"{title}: root='{root}' is no root body of its file. {nearest(root, names)}")
    others = [body for body in asset.worldbody.bodies if body.name != root]
    inside = _parts_of(asset.body(root))
    outside = {part for body in others for part in _parts_of(body)}
    for what, parts in references(asset):
        if parts & inside and parts & outside:
            kind, name = min(parts & outside)
            notes.changed.append(f"{what} is left out: it uses {kind} '{name}', which is not below root='{root}'")
    for body in others:
        asset.delete(body)
    if others:
        notes.ignored.append(f"root bodies {', '.join(name for name in names if name != root)}")


def references(asset: mujoco.MjSpec) -> Iterator[tuple[str, set[Part]]]:
    """Yield descriptions of all elements that refer to parts of bodies, and the parts."""
    kinds = {mujoco.mjtObj.mjOBJ_SITE: "site", mujoco.mjtObj.mjOBJ_BODY: "body"}
    for equality in asset.equalities:
        kind = mujoco.mjtEq(equality.type).name.removeprefix("mjEQ_").lower()
        named = {str(name) for name in (equality.name1, equality.name2)} - {"", "world"}
        yield title_of(equality), {(str(kinds.get(equality.objtype, kind)), name) for name in named}
    for tendon in asset.tendons:
        parts: set[Part] = set()
        for point in tendon.path:
            for part in (point.target, point.sidesite):
                if part is not None:
                    parts.add((type(part).__name__.removeprefix("Mjs").lower(), part.name))
        yield f"tendon '{tendon.name}'", parts
    for pair in asset.pairs:
        names = pair.geomname1, pair.geomname2
        yield "the contact pair of '{}' and '{}'".format(*names), {("geom", name) for name in names}
    for exclude in asset.excludes:
        names = exclude.bodyname1, exclude.bodyname2
        yield "the exclude of '{}' and '{}'".format(*names), {("body", name) for name in names}


def title_of(equality: "mujoco.MjsEquality") -> str:
    """Return the kind and the name of a constraint in messages."""
    kind = mujoco.mjtEq(equality.type).name.removeprefix("mjEQ_").lower()
    return f"{kind} '{equality.name}'" if equality.name else f"a {kind}"


def depth_first(asset: mujoco.MjSpec) -> "list[mujoco.MjsBody]":
    """Return all bodies of a file except the world, in the order of the compiled file."""
    bodies: list[mujoco.MjsBody] = []
    stack = list(reversed(asset.worldbody.bodies))
    while stack:
        body = stack.pop()
        bodies.append(body)
        stack.extend(reversed(body.bodies))
    return bodies


def _parts_of(body: "mujoco.MjsBody") -> set[Part]:
    """Return the named parts of a tree of bodies."""
    parts = {("body", body.name)}
    for kind in ("joint", "geom", "site"):
        parts |= {(kind, part.name) for part in getattr(body, f"{kind}s") if part.name}
    for child in body.bodies:
        parts |= _parts_of(child)
    return parts
