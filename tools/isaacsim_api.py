"""Write names and parameters of Isaac Sim's Python, which tests compare with what OIGE calls.

    uv run python tools/isaacsim_api.py --isaac-sim 6.0.1=IsaacSim --physx 110.0=PhysX

The sources are checkouts; nothing of them is copied but names and parameters, without default values. Entries of other
releases in the file stay.
"""

import argparse
import ast
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parent.parent / "tests" / "data" / "isaacsim_api.json"

TENSORS = "omni/extensions/runtime/source/omni.physics.tensors/python/api.py"

CLASSES = {
    "isaacsim.core.api": (
        "DynamicCapsule",
        "DynamicCuboid",
        "DynamicCylinder",
        "DynamicSphere",
        "GroundPlane",
        "PhysicsContext",
        "PhysicsMaterial",
        "SimulationContext",
        "VisualCapsule",
        "VisualCuboid",
        "VisualCylinder",
        "VisualSphere",
        "World",
    ),
    "isaacsim.core.cloner": ("Cloner", "GridCloner"),
    "isaacsim.core.experimental.prims": ("Articulation", "GeomPrim", "RigidPrim", "XformPrim"),
    "isaacsim.core.prims": ("Articulation", "GeometryPrim", "RigidPrim", "XFormPrim"),
    "isaacsim.core.rendering_manager": ("ViewportManager",),
    "isaacsim.core.simulation_manager": ("SimulationManager",),
    "isaacsim.sensors.camera": ("CameraView",),
    "isaacsim.simulation_app": ("SimulationApp",),
}
FUNCTIONS = {
    "isaacsim.core.utils": ("add_reference_to_stage", "set_camera_view"),
    "isaacsim.core.version": ("get_version",),
    "isaacsim.storage.native": ("get_assets_root_path",),
}
RENAMED = {
    "omni.isaac.cloner": ("Cloner", "GridCloner"),
    "omni.isaac.core": (
        "ArticulationView",
        "GeometryPrimView",
        "RigidPrimView",
        "SimulationContext",
        "World",
        "XFormPrimView",
    ),
    "omni.isaac.kit": ("SimulationApp",),
}
"""Names that packages of releases before 4.5 had, which 5.0 forwards."""


class Sources:
    """The Python files of a checkout of Isaac Sim."""

    def __init__(self, folder: Path) -> None:
        self._classes: dict[str, dict[str, ast.ClassDef]] = {}
        self.extensions = {
            path.name: path
            for kind in ("extensions", "deprecated")
            for path in sorted((folder / "source" / kind).glob("*"))
        }
        if not self.extensions:
            raise FileNotFoundError(f"{folder}: expected a checkout of Isaac Sim, with source/extensions")

    def trees(self, extension: str) -> Iterator[tuple[Path, ast.Module]]:
        """Yield the parsed files of an extension, without its tests."""
        for path in sorted(self.extensions[extension].rglob("*.py")):
            if "tests" not in path.parts:
                yield path, ast.parse(path.read_text(encoding="utf-8"))

    def classes(self, extension: str) -> dict[str, ast.ClassDef]:
        """Return the classes of an extension by name."""
        if extension not in self._classes:
            self._classes[extension] = {
                node.name: node
                for _, tree in self.trees(extension)
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef)
            }
        return self._classes[extension]

    def members(self, extension: str, name: str) -> dict[str, Any]:
        """Return the public members of a class, with those that it inherits: parameters of methods, None for others.

        ``__init__`` counts as public.
        """
        owner = self._owner(extension, name)
        if owner is None:
            raise LookupError(f"{extension} has no class {name}")
        node = self.classes(owner)[name]
        found: dict[str, Any] = {}
        for base in reversed(node.bases):
            base_name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
            if base_name and base_name != name and self._owner(owner, base_name):
                found |= self.members(owner, base_name)
        return found | own_members(node)

    def _owner(self, extension: str, name: str) -> str | None:
        """Return the extension that defines a class which an extension uses."""
        candidates = (extension, *(other for other in CLASSES if other in self.extensions))
        return next((candidate for candidate in candidates if name in self.classes(candidate)), None)

    def function(self, extension: str, name: str) -> list[str]:
        """Return the parameters of a function of an extension."""
        for _, tree in self.trees(extension):
            for node in tree.body:
                if isinstance(node, ast.FunctionDef) and node.name == name:
                    return parameters(node)
        raise LookupError(f"{extension} has no function {name}")

    def forwarded(self, extension: str, name: str) -> str:
        """Return what a package imports under a name from a package that replaced it."""
        for _, tree in self.trees(extension):
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("isaacsim"):
                    for alias in node.names:
                        if name == (alias.asname or alias.name):
                            return f"{node.module}.{alias.name}"
        raise LookupError(f"{extension} does not forward {name}")


def own_members(node: ast.ClassDef) -> dict[str, Any]:
    """Return the public members that a class defines: parameters of methods, None for properties."""
    found: dict[str, Any] = {}
    for item in node.body:
        if not isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if item.name.startswith("_") and item.name != "__init__":
            continue
        decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in item.decorator_list}
        if "property" in decorators:
            found[item.name] = None
        elif not decorators & {"setter"}:
            found[item.name] = parameters(item, bound="staticmethod" not in decorators)
    return found


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool = False) -> list[str]:
    """Return parameters as in a signature, with ``=`` behind those that have a default value.

    Args:
        node: the function.
        bound: leave out the first one, the object.
    """
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args]
    first_default = len(plain) - len(arguments.defaults)
    shown = [argument.arg + ("=" if i >= first_default else "") for i, argument in enumerate(plain)][bound:]
    if arguments.vararg:
        shown.append(f"*{arguments.vararg.arg}")
    elif arguments.kwonlyargs:
        shown.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        shown.append(argument.arg + ("=" if default else ""))
    if arguments.kwarg:
        shown.append(f"**{arguments.kwarg.arg}")
    return shown


def launcher_settings(sources: Sources) -> list[str]:
    """Return the keys of ``SimulationApp.DEFAULT_LAUNCHER_CONFIG``."""
    for node in sources.classes("isaacsim.simulation_app")["SimulationApp"].body:
        match node:
            case ast.Assign(targets=[ast.Name(id="DEFAULT_LAUNCHER_CONFIG")], value=ast.Dict(keys=keys)):
                return sorted(str(key.value) for key in keys if isinstance(key, ast.Constant))
    raise LookupError("SimulationApp has no DEFAULT_LAUNCHER_CONFIG")


def read_isaac_sim(folder: Path) -> dict[str, Any]:
    """Return the entry of a release."""
    sources = Sources(folder)
    present = {name: names for name, names in CLASSES.items() if name in sources.extensions}
    return {
        "classes": {
            f"{extension}.{name}": sources.members(extension, name)
            for extension, names in present.items()
            for name in names
        },
        "functions": {
            f"{extension}.{name}": sources.function(extension, name)
            for extension, names in FUNCTIONS.items()
            for name in names
        },
        "forwarded": {
            f"{extension}.{name}": sources.forwarded(extension, name)
            for extension, names in RENAMED.items()
            if extension in sources.extensions
            for name in names
        },
        "launcher_settings": launcher_settings(sources),
        "experiences": sorted(path.name for path in (folder / "source" / "apps").glob("*.kit")),
    }


def read_tensors(folder: Path) -> dict[str, Any]:
    """Return the entry of a release of ``omni.physics.tensors``."""
    tree = ast.parse((folder / TENSORS).read_text(encoding="utf-8"))
    return {
        "classes": {node.name: own_members(node) for node in tree.body if isinstance(node, ast.ClassDef)},
        "functions": {node.name: parameters(node) for node in tree.body if isinstance(node, ast.FunctionDef)},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Update the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, what in (("--isaac-sim", "Isaac Sim"), ("--physx", "NVIDIA's PhysX repository")):
        parser.add_argument(option, nargs="+", default=[], metavar="VERSION=FOLDER", help=f"checkouts of {what}")
    options = parser.parse_args(arguments)
    data = json.loads(FILE.read_text()) if FILE.exists() else {"isaac_sim": {}, "tensors": {}}
    try:
        for entry in options.isaac_sim:
            version, _, folder = entry.partition("=")
            data["isaac_sim"][version] = read_isaac_sim(Path(folder))
        for entry in options.physx:
            version, _, folder = entry.partition("=")
            data["tensors"][version] = read_tensors(Path(folder))
    except (FileNotFoundError, LookupError) as error:
        parser.error(str(error))
    FILE.write_text(json.dumps(data, sort_keys=True, separators=(",", ":")).replace('},"', '},\n"') + "\n")


if __name__ == "__main__":
    main()
