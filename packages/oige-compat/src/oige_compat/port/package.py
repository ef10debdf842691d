"""Writes the package of a ported task."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from oige_train.cli.new_task import package_of, uv_sources, write_template

from oige_compat.port.configuration import config_module, task_yaml, train_yaml
from oige_compat.port.constructor import Constructor, names_of_reads, read_constructor
from oige_compat.port.helper_views import initialized, view_classes
from oige_compat.port.methods import MethodPorter
from oige_compat.port.module_names import ModuleNames
from oige_compat.port.scene_writer import TODO, SceneWriter
from oige_compat.port.scenes import read_scene
from oige_compat.port.sources import Source
from oige_compat.port.statements import as_lines

__all__ = ["Ported", "write_package"]

TORCH = "omni.isaac.core.utils.torch"
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
    parts = read_scene(source)
    constructor = read_constructor(source, parts.values)
    inside = folder / "src" / package
    scene = SceneWriter(source, parts, inside)
    texts = {
        inside / "task.py": _task_module(source, constructor, scene),
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


def _task_module(source: Source, constructor: Constructor, scene: SceneWriter) -> str:
    package = package_of(source.name)
    set_up = scene.lines()
    porter = MethodPorter(source, constructor, scene)
    helpers = view_classes(scene.helpers, porter)
    read = names_of_reads(ast.parse("\n".join(helpers)))
    methods = porter.methods(read, initialized(scene.helpers, porter))
    names = ModuleNames(source, porter, [*methods, *ast.parse("\n".join(helpers)).body])
    documentation = ast.get_docstring(source.info.node) or f"{source.name}."
    body = [
        f"class {source.name}Task(RLTask[{source.name}Config]):",
        '    """See the module."""',
        "",
        *_class_attributes(source),
        *set_up,
    ]
    for method in methods:
        body += ["", *as_lines(method, 4)]
    for definition in names.definitions:
        body += ["", "", *as_lines(definition)]
    text = "\n".join([*helpers, *(["", ""] if helpers else []), *body]).lstrip("\n")
    heads = names.import_lines(text, scene, package)
    summary = f'"""{documentation.strip()}\n\nPorted from {source.info.module.source.name}.\n"""'
    constants = scene.constants
    if any("ASSETS /" in line for line in constants):
        constants = ['ASSETS = Path(__file__).parent / "assets"', *constants]
    constants = ["", *constants] if constants else []
    constants += names.constant_lines(text)
    return "\n".join([summary, "", *heads, "", f'__all__ = ["{source.name}Task"]', *constants, "", "", text]) + "\n"


def _class_attributes(source: Source) -> list[str]:
    """Return what the classes assign outside their methods; derived classes come last, as they replace values."""
    statements = [each for info in reversed(source.classes) for each in info.node.body]
    found = [ast.unparse(each) for each in statements if isinstance(each, ast.Assign | ast.AnnAssign)]
    return [*(f"    {line}" for text in found for line in text.splitlines()), ""] if found else []


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
