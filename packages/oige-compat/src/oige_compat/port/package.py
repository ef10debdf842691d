"""Writes the package of a ported task."""

import ast
import importlib
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from oige_core.errors import OigeError
from oige_train.cli.new_task import package_of, uv_sources, write_template

from oige_compat.check.modules import Module
from oige_compat.port.configuration import config_module, task_yaml, train_yaml
from oige_compat.port.constructor import Constructor, read_constructor
from oige_compat.port.methods import MethodPorter, as_lines
from oige_compat.port.scenes import ASSETS, Element, SceneParts, View, read_scene
from oige_compat.port.sources import Source, imported_text
from oige_compat.served import SERVED, canonical

__all__ = ["Ported", "write_package"]

TORCH = "omni.isaac.core.utils.torch"
TODO = "TODO(port)"
HELPERS = ("maths", "rotations", "tensor", "transformations")
"""Modules of functions on tensors."""


@dataclass(frozen=True)
class Ported:
    """A written package.

    Attributes:
        folder: of the package.
        files: number of files.
        marks: ``file:line`` of each place that a user must finish.
    """

    folder: Path
    files: int
    marks: tuple[str, ...]


def write_package(source: Source, folder: Path) -> Ported:
    """Write the package of a task.

    Args:
        source: the task.
        folder: where to write it; it does not exist, or is empty.
    """
    name, package = source.name, package_of(source.name)
    constructor = read_constructor(source)
    parts = read_scene(source, constructor.constants)
    inside = folder / "src" / package
    scene = SceneWriter(source, parts, inside)
    texts = {
        inside / "task.py": _task_module(source, constructor, parts, scene),
        inside / "__init__.py": config_module(source, constructor, package),
        inside / "cfg" / "task" / f"{name}.yaml": task_yaml(source, constructor, parts),
        inside / "cfg" / "train" / f"{name}PPO.yaml": train_yaml(source),
        folder / "tests" / f"test_{package}.py": _tests(name, constructor),
        folder / "README.md": _readme(source),
    }
    for pattern in ("pyproject.toml", ".gitignore", "py.typed"):
        write_template(folder, name, package, pattern)
    for file, text in texts.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    _add_dependencies(folder / "pyproject.toml", scene.packages)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return Ported(folder, len(files), tuple(_marks(folder, files)))


def _marks(folder: Path, files: list[Path]) -> list[str]:
    found = []
    for file in files:
        if file.suffix in (".py", ".yaml"):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
                if TODO in line:
                    found.append(f"{file.relative_to(folder).as_posix()}:{number}")
    return found


class SceneWriter:
    """Writes ``set_up_scene``.

    Args:
        source: the task.
        parts: its scene.
        inside: folder of the Python package, where assets go.
    """

    def __init__(self, source: Source, parts: SceneParts, inside: Path) -> None:
        self._source = source
        self._parts = parts
        self._inside = inside
        self.imports: list[str] = []
        self.constants: list[str] = []
        self.packages: set[str] = set()
        self.built: set[str] = set()

    def lines(self) -> list[str]:
        """Return the lines of the method."""
        lines = ["    def set_up_scene(self, scene: Scene) -> None:", '        """Describe one world."""']
        if (self._source.task.get("sim") or {}).get("add_ground_plane", True):
            lines.append("        scene.add_ground_plane()")
        whole = {view.element: view for view in self._parts.views if not view.links}
        for element in self._parts.elements.values():
            view = whole.get(element.name)
            lines += [f"        # {TODO}: {note}." for note in element.notes]
            lines += [f"        {line}" for line in self._element(element, view)]
        for view in self._parts.views:
            if view.links and view.element in self._parts.elements:
                tracked = ", track_contact_forces=True" if view.contacts else ""
                call = f'scene.add_link_view("{view.name}", "{view.element}", {_links(view)}{tracked})'
                lines.append(f"        self.{view.attribute} = {call}")
                self.built.add(view.attribute)
            elif view.element not in self._parts.elements:
                lines.append(f"        # {TODO}: self.{view.attribute} is a view of {view.element or 'a prim'},")
                lines.append("        # which no statement that could be read adds to the scene.")
        for statement in self._parts.unread:
            lines.append(f"        # {TODO}: this part of the scene could not be read:")
            lines += [f"        #     {line}" for line in ast.unparse(statement).splitlines()]
        return lines

    def _element(self, element: Element, view: View | None) -> list[str]:
        options = {"position": element.position, "orientation": element.orientation, **element.options}
        given = "".join(f", {key}={value}" for key, value in options.items() if value is not None)
        target = f"self.{view.attribute} = " if view is not None else ""
        if view is not None:
            self.built.add(view.attribute)
        if element.shape is not None:
            method, keyword, size = element.shape
            contacts = ", track_contact_forces=True" if view is not None and view.contacts else ""
            return [f'{target}scene.{method}("{element.name}", {keyword}={size}{given}{contacts})']
        asset = self._asset(element)
        if "get_measured_joint_forces" in "".join(ast.unparse(info.node) for info in self._source.classes):
            given += ", track_joint_forces=True"
        return [f'{target}scene.add_articulation("{element.name}", {asset}{given})']

    def _asset(self, element: Element) -> str:
        """Return the name of the asset of a robot, and add what defines it."""
        for end, (module, name) in ASSETS.items():
            if element.usd is not None and f"/{element.usd}".endswith(f"/{end}"):
                self.imports.append(f"from {module} import {name}")
                self.packages.add(module.partition(".")[0].replace("_", "-"))
                return name
        name = re.sub(r"\W", "_", element.name).upper()
        file = re.sub(r"\W", "_", element.name).lower() + ".xml"
        self.constants += [*self._converted(element, file), f'{name} = ArticulationAsset(mjcf=ASSETS / "{file}")']
        return name

    def _converted(self, element: Element, file: str) -> list[str]:
        """Convert a USD file of the code base; return comments about what a user must do."""
        end = (element.usd or "").replace("\\", "/").lstrip("./")
        found = next((name for name in self._source.code.assets if end and f"/{name}".endswith(f"/{end}")), None)
        if found is None:
            return [f"# {TODO}: write the robot of {element.usd or 'an unknown file'} as assets/{file}."]
        from oige_compat.assets import load_usd

        path = self._source.code.root / found
        try:
            asset, report = load_usd(path)
        except OigeError as error:
            return [f"# {TODO}: {error}"]
        target = self._inside / "assets" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(asset.mjcf, Path):
            shutil.copy(asset.mjcf, target)
        else:
            target.write_text(asset.mjcf, encoding="utf-8")
        return [
            f"# Converted from {found}.",
            *(f"# {line}" for line in str(report).splitlines()),
            f"# {TODO}: add the drives of {found} with drives={{…}}." if asset.drives else "# It has no drives.",
        ]


def _links(view: View) -> str:
    return json.dumps(view.links) if re.search(r"[^\w]", view.links) else json.dumps([view.links])


def _task_module(source: Source, constructor: Constructor, parts: SceneParts, scene: SceneWriter) -> str:
    package = package_of(source.name)
    set_up = scene.lines()
    porter = MethodPorter(source, constructor, scene.built)
    methods = porter.methods()
    functions = _functions(source, porter, methods)
    documentation = ast.get_docstring(source.info.node) or f"{source.name}."
    body = [
        f"class {source.name}Task(RLTask[{source.name}Config]):",
        '    """See the module."""',
        "",
        *set_up,
    ]
    for method in methods:
        body += ["", *as_lines(method, 4)]
    for function in functions:
        body += ["", "", *as_lines(function)]
    text = "\n".join(body)
    heads = _imports(source, porter, text, scene, package)
    summary = f'"""{documentation.strip()}\n\nPorted from {source.info.module.source.name}.\n"""'
    constants = ["", 'ASSETS = Path(__file__).parent / "assets"', *scene.constants] if scene.constants else []
    constants += _constants(source, text)
    return "\n".join([summary, "", *heads, "", f'__all__ = ["{source.name}Task"]', *constants, "", "", text]) + "\n"


def _modules(source: Source) -> list[Module]:
    return list(dict.fromkeys(info.module for info in source.classes))


def _functions(source: Source, porter: MethodPorter, methods: list[ast.stmt]) -> list[ast.stmt]:
    """Return the functions of the modules that the methods call, with those that these call."""
    found: dict[str, ast.stmt] = {}
    pending = _names(methods)
    while pending:
        name = pending.pop()
        for module in _modules(source):
            if name in module.functions and name not in found:
                found[name] = porter.function(module, module.functions[name])
                pending |= _names([found[name]])
    order = {name: number for module in _modules(source) for number, name in enumerate(module.functions)}
    return sorted(found.values(), key=lambda node: order[getattr(node, "name", "")])  # torch.jit.script needs it


def _names(nodes: list[ast.stmt]) -> set[str]:
    return {node.id for each in nodes for node in ast.walk(each) if isinstance(node, ast.Name)}


def _constants(source: Source, text: str) -> list[str]:
    """Return the constants of the modules that the text uses."""
    lines = []
    for module in _modules(source):
        for statement in module.tree.body:
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                name = statement.targets[0].id
                if name != "__all__" and re.search(rf"\b{name}\b", text):
                    lines.append(ast.unparse(statement))
    return ["", *lines] if lines else []


def _imports(source: Source, porter: MethodPorter, text: str, scene: SceneWriter, package: str) -> list[str]:
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    lines: list[str] = ["import torch"]
    helpers: set[str] = set()
    modules = _modules(source)
    for module in modules:
        ours = set()
        for name, full in module.imports.items():
            if name not in names or name == "torch":
                continue
            plain = canonical(full)
            if plain == TORCH:
                lines.append(f"import oige_compat.torch_utils as {name}")
            elif plain.startswith(f"{TORCH}."):
                helpers.add(name if plain.endswith(f".{name}") else f"{plain.rpartition('.')[2]} as {name}")
            elif source.project.find_module(full.rpartition(".")[0]) is None and full not in ("omni", "pxr", "carb"):
                ours.add(name)
        lines += imported_text(
            module, {name for name in ours if not canonical(module.imports[name]).startswith("omni")}
        )
        if any(canonical(star) == TORCH for star in module.stars):
            own = {*module.functions, *module.imports}
            helpers |= {name for name in names - own if f"{TORCH}.{name}" in SERVED}
    if helpers:
        scene.packages.add("oige-compat")
        lines += _helper_imports(helpers)
    if any("oige_compat" in line for line in lines):
        scene.packages.add("oige-compat")
    core = ["RLTask", "Scene", *(["ArticulationAsset"] if scene.constants else [])]
    lines += [*scene.imports, f"from oige_core import {', '.join(sorted(core))}"]
    lines.append(f"from {package} import {source.name}Config")
    lines += ["from pathlib import Path"] if scene.constants else []
    groups: tuple[list[str], list[str], list[str]] = ([], [], [])
    for line in dict.fromkeys(lines):
        module = line.split()[1].partition(".")[0]
        groups[0 if module in sys.stdlib_module_names else 2 if module == package else 1].append(line)
    return "\n\n".join("\n".join(sorted(group, key=_by_module)) for group in groups if group).splitlines()


def _helper_imports(helpers: set[str]) -> list[str]:
    """Return the imports of functions on tensors, which may say ``function as name``."""
    lines = []
    for helper in sorted(helpers):
        function = helper.partition(" ")[0]
        modules = [f"oige_compat.torch_utils.{name}" for name in HELPERS]
        found = (module for module in modules if function in importlib.import_module(module).__all__)
        module = next(found, None)
        lines.append(f"# {TODO}: import {helper}" if module is None else f"from {module} import {helper}")
    return lines


def _by_module(line: str) -> tuple[bool, str]:
    return line.startswith("from "), line


def _add_dependencies(file: Path, packages: set[str]) -> None:
    """Add packages of OIGE to ``pyproject.toml``."""
    text = file.read_text(encoding="utf-8")
    extra = "".join(f'    "{name}",\n' for name in sorted(packages))
    text = re.sub(r'(    "oige-train",.*\n)', lambda match: match[1] + extra, text, count=1)
    sources = uv_sources(sorted(packages))
    if "[tool.uv.sources]\n" in sources:
        text += sources.partition("[tool.uv.sources]\n")[2]
    file.write_text(text, encoding="utf-8")


def _tests(name: str, constructor: Constructor) -> str:
    observations, actions = constructor.sizes.get("observations", 1), constructor.sizes.get("actions", 1)
    return f'''"""The ported task runs. Add tests of rewards, actions and ends of episodes."""

import torch
from oige_core import make_vec


def test_steps_give_finite_results() -> None:
    env = make_vec("{name}", num_envs=4, sim_device="cpu")
    env.reset(seed=0)
    for _ in range(8):
        observations, rewards, _, _, _ = env.step(torch.zeros(4, {actions}))
    assert observations.shape == (4, {observations})
    assert torch.isfinite(observations).all()
    assert torch.isfinite(rewards).all()
'''


def _readme(source: Source) -> str:
    name, package = source.name, package_of(source.name)
    return f"""# {name}

A task for OIGE, ported by `oige-compat port` from `{source.info.module.source.name}`.
Comments with `{TODO}` mark what is left to do, with the original lines.

    grep -rn '{TODO}' src
    uv run pytest
    uv run oige-train task={name}

| file | contents |
|---|---|
| [src/{package}/\\_\\_init\\_\\_.py](src/{package}/__init__.py) | settings of the task, sizes |
| [src/{package}/task.py](src/{package}/task.py) | scene, actions, observations, rewards, ends and starts of episodes |
| [src/{package}/cfg/task/{name}.yaml](src/{package}/cfg/task/{name}.yaml) | values of the settings, time steps |
| [src/{package}/cfg/train/{name}PPO.yaml](src/{package}/cfg/train/{name}PPO.yaml) | settings of training |
"""
