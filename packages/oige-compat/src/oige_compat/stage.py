"""``omni.usd`` and ``omni.isaac.core.utils.stage``, ``prims`` and ``nucleus``: functions on the current stage."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from oige_compat.cameras.mounts import add_mounted_cameras
from oige_compat.errors import CompatError, TellsMissing, caller
from oige_compat.joint_paths import serve_joint_paths
from oige_compat.local_files import resolve, resolve_references
from oige_compat.parts import find_part, part_layer
from oige_compat.poses import local_pose, pose_of
from oige_compat.robots import reference_file
from oige_compat.session import BASE, session
from oige_compat.values import as_list

__all__ = [
    "UsdContext",
    "add_reference_to_stage",
    "clear_stage",
    "create_prim",
    "define_prim",
    "delete_prim",
    "find_matching_prim_paths",
    "find_nucleus_server",
    "find_unique_string_name",
    "first_world_path",
    "get_all_matching_child_prims",
    "get_assets_root_path",
    "get_context",
    "get_current_stage",
    "get_first_matching_child_prim",
    "get_prim_at_path",
    "get_prim_children",
    "get_prim_parent",
    "get_prim_path",
    "get_stage_next_free_path",
    "get_stage_units",
    "get_stage_up_axis",
    "is_prim_non_root_articulation_link",
    "is_prim_path_valid",
    "is_stage_loading",
    "matching_prims",
    "move_prim",
    "pose_in_world",
    "set_pose",
    "set_stage_up_axis",
    "traverse_stage",
    "update_stage",
]

serve_joint_paths()

ASSETS_ROOT = "oige:/Assets"
POSE_OPS = {"xformOp:translate": 0, "xformOp:orient": 1, "xformOp:scale": 3}
"""Operations of a pose and their places: a translation is not scaled. Others are between orientation and scale."""


class UsdContext(TellsMissing):
    """What ``omni.usd.get_context()`` returns."""

    def get_stage(self) -> Usd.Stage:
        """Return the stage."""
        return session().stage

    def new_stage(self) -> bool:
        """Keep the stage, which is new when an application starts."""
        return True

    def get_stage_state(self) -> int:
        """Return that the stage is open."""
        return 3  # opened


def get_context(name: str = "") -> UsdContext:
    """Return the context, which has the stage."""
    return UsdContext()


def get_stage_next_free_path(stage: Usd.Stage, path: str, prepend_default_prim: bool) -> str:
    """Return a path, with a number at its end if it has a prim.

    Args:
        stage: the stage.
        path: the path.
        prepend_default_prim: whether to put it below the stage's default prim.
    """
    default = stage.GetDefaultPrim()
    if prepend_default_prim and default and not Sdf.Path(path).HasPrefix(default.GetPath()):
        path = f"{default.GetPath()}{path}"
    if not stage.GetPrimAtPath(path):
        return path
    stem, number = re.fullmatch(r"(.*?)(?:_(\d+))?", path).groups()  # pyright: ignore[reportOptionalMemberAccess]
    count = int(number or 0) + 1
    while stage.GetPrimAtPath(f"{stem}_{count:02d}"):
        count += 1
    return f"{stem}_{count:02d}"


def find_unique_string_name(initial_name: str, is_unique_fn: Callable[[str], bool]) -> str:
    """Return a name, with the first number at its end that makes it unique, if it is not."""
    if is_unique_fn(initial_name):
        return initial_name
    return next(name for name in (f"{initial_name}_{number}" for number in itertools.count(1)) if is_unique_fn(name))


def get_current_stage(fabric: bool = False) -> Usd.Stage:
    """Return the stage."""
    return session().stage


def get_assets_root_path() -> str:
    """Return the folder below which names of Isaac Sim's own assets are looked up."""
    return ASSETS_ROOT


def find_nucleus_server(suffix: str = "") -> tuple[bool, str]:
    """Return that Isaac Sim's assets are found, and the folder below which their names are looked up."""
    return True, ASSETS_ROOT + suffix


def add_reference_to_stage(usd_path: str, prim_path: str, prim_type: str = "Xform") -> Usd.Prim:
    """Let a prim refer to a USD file: one of Isaac Sim's that has a counterpart in OIGE, or a file of this
    machine, or a file of the checkout with the end of the path.

    Raises:
        CompatError: there is none of them.
    """
    part = find_part(str(usd_path))
    usd_path = str(usd_path) if part is not None else resolve(str(usd_path))
    file = reference_file(usd_path)
    if file is None and part is None:
        option = f"--asset {PurePosixPath(usd_path).name}=FILE"
        raise CompatError(
            f"{usd_path} (used in {caller()}): neither a file on this machine nor a robot that OIGE has; download the "
            f"file and put it into the checkout, or give it with {option} before the script."
        )
    if file is not None:
        resolve_references(file)
        _tell_units(str(file))
    prim = session().stage.DefinePrim(str(prim_path), prim_type)
    prim.GetReferences().AddReference(str(file) if part is None else part_layer(part.body, part.is_soft).identifier)
    session().references[str(prim_path)] = usd_path
    add_mounted_cameras(session().stage, str(prim_path), usd_path)
    return prim


def _tell_units(file: str) -> None:
    """Say if a file has other units or another upward axis than the stage."""
    layer = Sdf.Layer.Find(file)
    if layer is None:
        return  # it is damaged, which the builder reports
    root = layer.pseudoRoot
    found = {key: root.GetInfo(key) for key in ("metersPerUnit", "upAxis") if root.HasInfo(key)}
    if found.get("metersPerUnit", 1.0) != 1.0 or found.get("upAxis", "Z") != "Z":
        units = ", ".join(f"{key}={value}" for key, value in found.items())
        session().note(f"{file}: {units}; the stage has 1 m and Z. Prims are as in the file: scale and turn them.")


def get_prim_at_path(prim_path: str, fabric: bool = False) -> Usd.Prim:
    """Return the prim of a path; for a joint of a robot, also where its path differs from that in Isaac Sim's file."""
    stage, path = session().stage, str(prim_path)
    prim = stage.GetPrimAtPath(path)
    if prim.IsValid():
        return prim
    name = path.rpartition("/")[2]
    for root in session().references:
        if path.startswith(f"{root}/"):
            for candidate in Usd.PrimRange(stage.GetPrimAtPath(root)):
                if candidate.GetName() == name:
                    return candidate
    return prim


def is_prim_non_root_articulation_link(prim_path: str) -> bool:
    """Whether a prim is a link of a robot, but not its root."""
    prim = session().stage.GetPrimAtPath(str(prim_path))
    above = prim.GetParent()
    while above.IsValid() and not above.IsPseudoRoot():
        if above.HasAPI(UsdPhysics.ArticulationRootAPI):
            return prim.HasAPI(UsdPhysics.RigidBodyAPI)
        above = above.GetParent()
    return False


def is_prim_path_valid(prim_path: str, fabric: bool = False) -> bool:
    """Whether there is a prim of that path."""
    return session().stage.GetPrimAtPath(str(prim_path)).IsValid()


def define_prim(prim_path: str, prim_type: str = "Xform", fabric: bool = False) -> Usd.Prim:
    """Create a prim."""
    return session().stage.DefinePrim(str(prim_path), prim_type)


def create_prim(
    prim_path: str,
    prim_type: str = "Xform",
    position: Any = None,
    translation: Any = None,
    orientation: Any = None,
    scale: Any = None,
    usd_path: str | None = None,
    semantic_label: str | None = None,
    semantic_type: str = "class",
    attributes: dict[str, Any] | None = None,
) -> Usd.Prim:
    """Create a prim with a pose, on the stage or in its parent, attributes, a label, and a reference."""
    prim = define_prim(prim_path, prim_type)
    for name, value in (attributes or {}).items():
        prim.GetAttribute(name).Set(value)
    if usd_path is not None:
        add_reference_to_stage(usd_path, prim_path, prim_type)
    if semantic_label is not None and semantic_type == "class":
        session().labels[str(prim_path)] = semantic_label
    if position is not None and translation is None:
        translation, orientation = local_pose(prim, position, orientation)
    set_pose(prim, translation, orientation, scale)
    return prim


def delete_prim(prim_path: str) -> None:
    """Remove a prim and everything below it."""
    path = str(prim_path)
    session().stage.RemovePrim(path)
    for reference in [key for key in session().references if key == path or key.startswith(f"{path}/")]:
        del session().references[reference]


def move_prim(path_from: str, path_to: str) -> None:
    """Move a prim and everything below it.

    Raises:
        CompatError: there is no such prim, or one at the other path.
    """
    current, old, new = session(), str(path_from), str(path_to)
    if not current.stage.GetPrimAtPath(old) or current.stage.GetPrimAtPath(new):
        expected = "a prim" if not current.stage.GetPrimAtPath(old) else "no prim at the new path"
        raise CompatError(f"MovePrim {old} to {new} (used in {caller()}): expected {expected}.")
    layer = current.stage.GetRootLayer()
    above = Sdf.Path(new).GetParentPath()
    if not current.stage.GetPrimAtPath(above):
        current.stage.DefinePrim(above, "Xform")
    Sdf.CopySpec(layer, old, layer, new)
    moved = {key: file for key, file in current.references.items() if f"{key}/".startswith(f"{old}/")}
    current.references.update({f"{new}{key.removeprefix(old)}": file for key, file in moved.items()})
    delete_prim(old)


def set_pose(prim: Usd.Prim, translation: Any = None, orientation: Any = None, scale: Any = None) -> None:
    """Set the local pose of a prim: metres, and a quaternion w, x, y, z. None keeps what it has."""
    if translation is not None:
        attribute = prim.CreateAttribute("xformOp:translate", Sdf.ValueTypeNames.Double3)
        attribute.Set(Gf.Vec3d(*as_list(translation)))
    if orientation is not None:
        real, *imaginary = as_list(orientation)
        attribute = prim.GetAttribute("xformOp:orient")
        double = not attribute.IsValid() or attribute.GetTypeName() == Sdf.ValueTypeNames.Quatd
        if not attribute.IsValid():
            attribute = prim.CreateAttribute("xformOp:orient", Sdf.ValueTypeNames.Quatd)
        attribute.Set(Gf.Quatd(real, *imaginary) if double else Gf.Quatf(real, *imaginary))
    if scale is not None:
        prim.CreateAttribute("xformOp:scale", Sdf.ValueTypeNames.Double3).Set(Gf.Vec3d(*as_list(scale)))
    given = dict(zip(POSE_OPS, (translation, orientation, scale), strict=True))
    listed = list(UsdGeom.Xformable(prim).GetXformOpOrderAttr().Get() or [])
    names = dict.fromkeys([*listed, *(name for name, value in given.items() if value is not None)])
    ordered = sorted(names, key=lambda name: POSE_OPS.get(name, 2))
    if ordered != listed:
        UsdGeom.Xformable(prim).CreateXformOpOrderAttr().Set(ordered)


def find_matching_prim_paths(prim_path_regex: str, prim_type: str | None = None) -> list[str]:
    """Return paths of the first world's prims that match a path whose names are regular expressions.

    The prims of other worlds are copies of these and are not on the stage.
    """
    return [path for path, _ in matching_prims(prim_path_regex)]


def matching_prims(expression: str) -> Iterator[tuple[str, Usd.Prim]]:
    """Return the first world's prims that match an expression, in the order of the stage."""
    tokens = expression.strip("/").split("/")
    base = BASE.strip("/").split("/")
    if tokens[: len(base)] == base and len(tokens) > len(base) and re.fullmatch(tokens[len(base)], "env_0"):
        tokens[len(base)] = "env_0"

    def descend(prim: Usd.Prim, depth: int) -> Iterator[tuple[str, Usd.Prim]]:
        if depth == len(tokens):
            yield str(prim.GetPath()), prim
            return
        for child in prim.GetFilteredChildren(Usd.TraverseInstanceProxies()):
            if re.fullmatch(tokens[depth], child.GetName()):
                yield from descend(child, depth + 1)

    yield from descend(session().stage.GetPseudoRoot(), 0)


def first_world_path(path: str) -> str:
    """Return the path in the first world of a prim of any world, or the path itself if it is outside the worlds."""
    return re.sub(rf"^({re.escape(BASE)}/env_)\d+(?=/|$)", r"\g<1>0", str(path))


def pose_in_world(prim: Usd.Prim) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return position in m and orientation w, x, y, z of a prim of the first world in the frame of that world."""
    cache, paths = UsdGeom.XformCache(), session().env_paths
    matrix = cache.GetLocalToWorldTransform(prim)
    if paths and prim.GetPath().HasPrefix(Sdf.Path(paths[0])):
        matrix *= cache.GetLocalToWorldTransform(session().stage.GetPrimAtPath(paths[0])).GetInverse()
    position, orientation = pose_of(matrix)
    return tuple(position), tuple(orientation)


def get_prim_children(prim: Usd.Prim) -> list[Usd.Prim]:
    """Return the children of a prim."""
    return prim.GetChildren()


def get_prim_parent(prim: Usd.Prim) -> Usd.Prim:
    """Return the parent of a prim."""
    return prim.GetParent()


def get_prim_path(prim: Usd.Prim) -> str:
    """Return the path of a prim."""
    return str(prim.GetPath())


def get_all_matching_child_prims(
    prim_path: str, predicate: Callable[[str], bool] = lambda _: True, depth: int | None = None
) -> list[Usd.Prim]:
    """Return prims below a path, itself included, whose paths satisfy a predicate, down to a depth."""
    root = get_prim_at_path(prim_path)
    level = root.GetPath().pathElementCount
    return [
        prim
        for prim in Usd.PrimRange(root)
        if (depth is None or prim.GetPath().pathElementCount - level <= depth) and predicate(str(prim.GetPath()))
    ]


def get_first_matching_child_prim(
    prim_path: str, predicate: Callable[[str], bool], fabric: bool = False
) -> Usd.Prim | None:
    """Return the first such prim, or None."""
    return next(iter(get_all_matching_child_prims(prim_path, predicate)), None)


def traverse_stage(fabric: bool = False) -> Iterator[Usd.Prim]:
    """Return all prims."""
    return session().stage.Traverse()


def get_stage_units() -> float:
    """Return metres per unit of the stage."""
    return UsdGeom.GetStageMetersPerUnit(session().stage)


def get_stage_up_axis() -> str:
    """Return the upward axis of the stage."""
    return UsdGeom.GetStageUpAxis(session().stage)


def set_stage_up_axis(axis: str = "z") -> None:
    """Accept the upward axis z.

    Raises:
        CompatError: it is another one.
    """
    if axis.lower() != "z":
        raise CompatError(f"set_stage_up_axis('{axis}') (used in {caller()}): only z is supported.")


def is_stage_loading() -> bool:
    """Return False: references are read at once."""
    return False


def update_stage() -> None:
    """Do nothing: changes act at once."""


def clear_stage(predicate: Callable[[str], bool] | None = None) -> None:
    """Remove prims below ``/World``."""
    for prim in session().stage.GetPrimAtPath("/World").GetChildren():
        if predicate is None or predicate(str(prim.GetPath())):
            delete_prim(str(prim.GetPath()))
