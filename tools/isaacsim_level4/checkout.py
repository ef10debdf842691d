"""Imports Python packages from checkouts of Isaac Sim and of the PhysX repository, where they lie."""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Checkouts", "install_checkouts"]

TENSORS = "omni/extensions/runtime/source/omni.physics.tensors"


class Checkouts:
    """Finds packages of checkouts; a finder for ``sys.meta_path``.

    An extension's folder ``python`` becomes the package of the extension's name when Isaac Sim is built. Packages above
    it have no file.

    Args:
        isaac_sim: checkout of Isaac Sim.
        physx: checkout of the PhysX repository; its release of ``omni.physics.tensors`` should be that of Isaac Sim.
    """

    def __init__(self, isaac_sim: Path, physx: Path) -> None:
        if not (isaac_sim / "source" / "extensions").is_dir():
            raise FileNotFoundError(f"{isaac_sim}: expected a checkout of Isaac Sim, with source/extensions")
        tensors = physx / TENSORS
        if not (tensors / "python" / "api.py").is_file():
            raise FileNotFoundError(f"{physx}: expected a checkout of NVIDIA's PhysX repository, with {TENSORS}")
        self.folders: dict[str, list[Path]] = {
            "omni.physics.tensors": [],
            "omni.physics.tensors.impl": [tensors / "python"],
        }
        self._inits = {"omni.physics.tensors": tensors / "bindings" / "python" / "__init__.py"}
        for kind in ("extensions", "deprecated"):
            for folder in sorted((isaac_sim / "source" / kind).iterdir()):
                self._add_extension(folder)
        self.version = (isaac_sim / "VERSION").read_text().split("-")[0].strip()

    def _add_extension(self, folder: Path) -> None:
        name = folder.name
        python, own = folder / "python", folder / Path(*name.split("."))
        if (python / "__init__.py").is_file():
            self.folders[name] = [python, python / "impl"]
            self._inits[name] = python / "__init__.py"
        elif (python / "scripts" / "__init__.py").is_file():
            self.folders[name] = [python / "scripts"]
            self._inits[name] = python / "scripts" / "__init__.py"
        elif (python / "impl").is_dir():
            self.folders[name] = [python / "impl", python]
        elif (own / "__init__.py").is_file():
            self.folders[name] = [own]
            self._inits[name] = own / "__init__.py"

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """Return where a package of the checkouts is; None for all others."""
        if name in self.folders:
            folders = self.folders[name]
            init = self._inits.get(name) or next(
                (f / "__init__.py" for f in folders if (f / "__init__.py").is_file()), None
            )
            if init is None:
                return _namespace(name, folders)
            return importlib.util.spec_from_file_location(
                name, init, submodule_search_locations=[str(folder) for folder in folders]
            )
        if any(known.startswith(f"{name}.") for known in self.folders):
            return _namespace(name, [])
        return None


def _namespace(name: str, folders: Sequence[Path]) -> ModuleSpec:
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder) for folder in folders]
    return spec


def install_checkouts(isaac_sim: Path, physx: Path) -> Checkouts:
    """Let Python import the packages of two checkouts, before all others of their names.

    Raises:
        FileNotFoundError: a folder is not such a checkout.
    """
    checkouts = Checkouts(isaac_sim, physx)
    sys.meta_path.insert(0, checkouts)
    return checkouts
