"""Opens USD files, and gives poses of prims in metres."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from oige_core.errors import OigeError, nearest, one_line
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics

__all__ = ["Frames", "find_prim", "open_stage", "prims_below", "rigid_inverse", "rotation_of"]


def open_stage(path: Path, variants: Mapping[str, str]) -> Usd.Stage:
    """Return a stage with the selected variants.

    Args:
        path: of the file.
        variants: selection by name of the variant set of the default prim.

    Raises:
        OigeError: the file does not exist or is damaged, or a variant does not exist.
    """
    if not path.is_file():
        raise OigeError(f"{path}: there is no such file; expected a USD file.")
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        text = _reason(error).removeprefix(f"{path}:")
        raise OigeError(f"{path}: USD cannot read it: {text.strip()}") from error
    default = stage.GetDefaultPrim()
    if not variants:
        return stage
    sets = default.GetVariantSets() if default else None
    with Usd.EditContext(stage, stage.GetSessionLayer()):
        for name, selection in variants.items():
            known = list(sets.GetNames()) if sets else []
            if sets is None or name not in known:
                raise OigeError(f"{path}: the default prim has no variant set '{name}'. {nearest(name, known)}")
            selections = sets.GetVariantSet(name).GetVariantNames()
            if selection not in selections:
                raise OigeError(f"{path}: variant set '{name}' has no '{selection}'. {nearest(selection, selections)}")
            sets.GetVariantSet(name).SetVariantSelection(selection)
    return stage


def find_prim(stage: Usd.Stage, path: str | None, title: str, *, complete: bool = True) -> Usd.Prim:
    """Return the prim that holds an asset, after a check that everything that it refers to is there.

    Args:
        stage: the stage.
        path: of the prim; None: the default prim, or the only child of the root.
        title: start of messages.
        complete: whether a missing file is an error.

    Raises:
        OigeError: there is no such prim, or a file that the stage refers to is missing.
    """
    if path is None:
        children = list(stage.GetPseudoRoot().GetChildren())
        prim = stage.GetDefaultPrim() or (children[0] if len(children) == 1 else None)
        if not prim:
            names = ", ".join(str(child.GetPath()) for child in children) or "none"
            raise OigeError(f"{title}: has no default prim; choose one with prim=. Top prims: {names}.")
    else:
        prim = stage.GetPrimAtPath(path) if Sdf.Path.IsValidPathString(path) and path.startswith("/") else None
        if not prim:
            known = [str(each.GetPath()) for each in stage.Traverse()]
            raise OigeError(f"{title}: has no prim '{path}'. {nearest(path, known[:50])}")
    for error in stage.GetCompositionErrors() if complete else ():
        raise OigeError(f"{title}: a part of it cannot be read: {' '.join(str(error).split())}")
    return prim


def prims_below(prim: Usd.Prim) -> Iterator[Usd.Prim]:
    """Yield a prim and all active prims below it, also those of instances."""
    return iter(Usd.PrimRange(prim, Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)))


class Frames:
    """Poses of prims as matrices ``(4, 4)`` whose columns are axes, in metres, in the frame of the stage.

    Attributes:
        meters: metres per unit of length of the stage.
        kilograms: kilograms per unit of mass.
        upright: rotation ``(4, 4)`` from the stage's axes to axes of which z is up.
    """

    def __init__(self, stage: Usd.Stage) -> None:
        self._cache = UsdGeom.XformCache(Usd.TimeCode.Default())
        self.meters = float(UsdGeom.GetStageMetersPerUnit(stage))
        self.kilograms = float(UsdPhysics.GetStageKilogramsPerUnit(stage))
        self.upright = np.eye(4)
        if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y:
            self.upright[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]

    def full(self, prim: Usd.Prim) -> np.ndarray:
        """Return the matrix from coordinates of a prim, in units of the stage, to the stage's frame in metres."""
        matrix = np.array(self._cache.GetLocalToWorldTransform(prim)).T
        matrix[:3] *= self.meters
        return matrix

    def rigid(self, prim: Usd.Prim) -> np.ndarray:
        """Return the pose of a prim without its scale."""
        matrix = self.full(prim)
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = _nearest_rotation(matrix[:3, :3]), matrix[:3, 3]
        return pose

    def scale(self, prim: Usd.Prim) -> np.ndarray:
        """Return the lengths ``(3,)`` in metres of the unit vectors of a prim."""
        return np.linalg.norm(self.full(prim)[:3, :3], axis=0)


def rotation_of(orientation: Gf.Quatf | Gf.Quatd | Gf.Quath) -> np.ndarray:
    """Return the matrix ``(3, 3)`` of a quaternion of any length; a zero stands for no rotation."""
    w, vector = float(orientation.GetReal()), np.array(orientation.GetImaginary(), float)
    length = np.sqrt(w * w + vector @ vector)
    if length == 0.0:
        return np.eye(3)
    w, (x, y, z) = w / length, vector / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def rigid_inverse(pose: np.ndarray) -> np.ndarray:
    """Return the inverse ``(4, 4)`` of a pose."""
    inverse = np.eye(4)
    inverse[:3, :3] = pose[:3, :3].T
    inverse[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
    return inverse


def _reason(error: Exception) -> str:
    """Return the first message of an error of USD, without the places in its source code."""
    text = one_line(error)
    found = re.search(r"in file \S+ : '(.*?)' (?:Error in|$)", f"{text} ")
    return found[1] if found else text


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """Return the rotation of a matrix of rotation and scale, also if a scale is negative."""
    lengths = np.linalg.norm(matrix, axis=0)
    if not lengths.all():
        return np.eye(3)
    left, _, right = np.linalg.svd(matrix / lengths)
    rotation = left @ right
    if np.linalg.det(rotation) < 0.0:  # a mirrored prim: its axes are those of the mirror image
        rotation = -rotation
    return rotation
