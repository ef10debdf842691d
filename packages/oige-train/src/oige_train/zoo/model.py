"""A compiled model for another release of MuJoCo: MJCF, and the numbers that it does not say."""

import re
from collections.abc import Mapping
from pathlib import Path

import mujoco
import numpy as np
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.errors import OigeError
from oige_core.scene import Scene
from oige_core.scene.elements import ArticulationElement, RigidAssetElement

__all__ = ["mesh_files", "model_xml", "stated_fields"]

_ELEVATION = re.compile(r' elevation="[^"]*"')
_MESH_FILE = re.compile(r'<mesh [^>]*file="([^"]*)"')
_NUMBERS = "fiu"


def model_xml(compiled: CompiledScene) -> str:
    """Return the MJCF text of a scene, without the heights of height fields."""
    return _ELEVATION.sub("", compiled.spec.to_xml())


def mesh_files(xml: str, scene: Scene) -> dict[str, bytes]:
    """Return the files of meshes that MJCF text names, from the folders of the scene's robots and bodies.

    Raises:
        OigeError: a file is missing.
    """
    elements = scene.elements.values()
    assets = [element.asset for element in elements if isinstance(element, ArticulationElement)]
    assets += [asset for element in elements if isinstance(element, RigidAssetElement) for asset in element.assets]
    folders = [Path(asset.mjcf).parent for asset in assets]
    files: dict[str, bytes] = {}
    for name in _MESH_FILE.findall(xml):
        found = next((path for folder in folders for path in folder.rglob(Path(name).name)), None)
        if found is None:
            raise OigeError(f"mesh {name}: no such file in {', '.join(map(str, folders))}.")
        files[name] = found.read_bytes()
    return files


def stated_fields(model: mujoco.MjModel, xml: str, files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Return the fields of a model that differ from those of its MJCF text, which has rounded numbers.

    Args:
        model: the model, as it is used.
        xml: its MJCF text.
        files: the files that the text names.

    Returns:
        Arrays by name, and ``opt.gravity`` if it differs.

    Raises:
        ValueError: the text describes another model.
    """
    read = mujoco.MjModel.from_xml_string(xml, dict(files))
    fields: dict[str, np.ndarray] = {}
    for name in dir(model):
        if name.startswith("_"):
            continue
        own = getattr(model, name)
        if not isinstance(own, np.ndarray) or own.dtype.kind not in _NUMBERS:
            continue
        other = getattr(read, name)
        if own.shape != other.shape:
            raise ValueError(f"{name}: shape {other.shape} from MJCF, {own.shape} in the model.")
        if not np.array_equal(own, other):
            fields[name] = own.copy()
    if not np.array_equal(model.opt.gravity, read.opt.gravity):
        fields["opt.gravity"] = model.opt.gravity.copy()
    return fields
