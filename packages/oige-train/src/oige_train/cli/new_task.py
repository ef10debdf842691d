"""``oige-new-task``: write the package of a new task."""

import json
import keyword
import re
from collections.abc import Iterable
from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["TEMPLATE", "check_name", "main", "package_of", "uv_sources", "write_template"]

HELP = """usage: oige-new-task NAME [--folder DIR]

Write a package with a new task that works: a pendulum to swing up. Its comments say what to change where.

  NAME            name of the task in CamelCase, such as ReachCube
  --folder DIR    folder of the package; default: the name in lower case, such as reach-cube"""

TEMPLATE = Path(__file__).resolve().parent.parent / "new_task_template"
SUFFIX = ".template"
OIGE = ("oige-core", "oige-train")

FROM_CHECKOUT = """
# OIGE is on no package index. uv takes it from this checkout.
[tool.uv.sources]
"""
FROM_WHEELS = """
# If OIGE is on no package index, name the folder of its wheels here.
# [tool.uv]
# find-links = ["/path/to/oige/dist"]
"""


def main() -> None:
    """Run the program."""
    run_cli(new_task, HELP)


def new_task(arguments: list[str]) -> int:
    """Write the package and print what to do next.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, the name is taken, or the folder has files in it.
    """
    from oige_core.errors import OigeError

    name, folder = _parse(arguments)
    package = package_of(name)
    check_name(name, package)
    folder = folder or Path(package.replace("_", "-"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OigeError(f"{folder}: exists already; remove it, or choose another folder with --folder.")
    files = write_template(folder, name, package)
    print(f"{folder}: {files} files written. Next:\n")
    print(f"    cd {json.dumps(str(folder)) if ' ' in str(folder) else folder}")
    print("    uv run pytest")
    print(f"    uv run oige-train task={name}\n")
    print(f"The task is in {folder / 'src' / package / 'task.py'}; README.md describes the other files.")
    return 0


def package_of(name: str) -> str:
    """Return the name of the package of a task."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z0-9])(?=[A-Z][a-z])", "_", name).lower()


def _parse(arguments: list[str]) -> tuple[str, Path | None]:
    """Return the name and the folder."""
    from oige_core.errors import ConfigError

    names: list[str] = []
    folder = None
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        option, equals, value = argument.partition("=")
        if option == "--folder":
            if not equals:
                value = remaining.pop(0) if remaining else ""
            if not value:
                raise ConfigError("--folder: expected the name of a folder after it.")
            folder = Path(value).expanduser()
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: unknown option; oige-new-task has --folder and --help.")
        else:
            names.append(argument)
    if not names:
        raise ConfigError("oige-new-task: expected the name of the task, such as ReachCube.")
    if len(names) > 1:
        raise ConfigError(f"{' '.join(names)}: expected one name; a task has a package of its own.")
    return names[0], folder


def check_name(name: str, package: str) -> None:
    """Raise ConfigError unless a task and a package can have these names."""
    import importlib.util

    from oige_core.errors import ConfigError
    from oige_core.registry import installed_tasks

    if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name, re.ASCII):
        parts = re.findall(r"[A-Za-z0-9]+", name)
        proposal = "".join(part[0].upper() + part[1:] for part in parts).lstrip("0123456789")
        example = proposal if re.fullmatch(r"[A-Z][A-Za-z0-9]*", proposal) else "ReachCube"
        raise ConfigError(f"{name}: expected letters and digits in CamelCase, such as {example}.")
    taken = {other.lower(): task for other, task in installed_tasks().items()}
    if task := taken.get(name.lower()):
        raise ConfigError(f"{name}: {task.package} has a task {task.name}; choose another name.")
    if keyword.iskeyword(package):
        raise ConfigError(f"{name}: its package would be called {package}, a keyword of Python; choose another name.")
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin is not None:  # a folder of that name is not a package
        raise ConfigError(f"{name}: its package would hide the module {package}; choose another name.")


def write_template(folder: Path, name: str, package: str, pattern: str = "*") -> int:
    """Copy files of the template under the new names; return their number.

    Args:
        folder: of the package.
        name: of the task.
        package: name of the package.
        pattern: which files, by their names without the suffix of templates.
    """
    names = {
        "NewTask": name,
        "NEW_TASK": package.upper(),
        "new_task": package,
        "new-task": package.replace("_", "-"),
    }

    def renamed(text: str) -> str:
        return re.sub("|".join(names), lambda match: names[match[0]], text)

    templates = sorted(path for path in TEMPLATE.rglob(f"{pattern}{SUFFIX}") if path.is_file())
    for template in templates:
        target = folder / renamed(template.relative_to(TEMPLATE).as_posix().removesuffix(SUFFIX))
        target.parent.mkdir(parents=True, exist_ok=True)
        text = renamed(template.read_text(encoding="utf-8"))
        if target.name == "pyproject.toml":
            text += uv_sources(OIGE)
        target.write_text(text, encoding="utf-8")
    return len(templates)


def uv_sources(packages: Iterable[str]) -> str:
    """Return the lines of ``pyproject.toml`` that say where uv finds packages of OIGE."""
    import importlib.metadata
    import urllib.parse
    import urllib.request

    lines = []
    for name in packages:
        origin = json.loads(importlib.metadata.distribution(name).read_text("direct_url.json") or "{}")
        if "dir_info" in origin:
            path = urllib.request.url2pathname(urllib.parse.urlsplit(origin["url"]).path)
            lines.append(f"{name} = {{ path = {json.dumps(Path(path).as_posix())}, editable = true }}\n")
    return FROM_CHECKOUT + "".join(lines) if lines else FROM_WHEELS


if __name__ == "__main__":
    main()
