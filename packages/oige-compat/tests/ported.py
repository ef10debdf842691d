"""Ports the sample fork with changes to its files, for tests."""

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from oige_compat.cli import compat
from oige_core import VecEnv, make_vec
from oige_core.registry import installed_tasks

sys.path.insert(0, str(Path(__file__).parent))
from sample_fork import TASK, write_fork

__all__ = ["TASK", "TASK_FILE", "made", "method", "port", "write_fork"]

TASK_FILE = "wagons/tasks/wagon.py"


def port(folder: Path, *, code: str = TASK, files: dict[str, str] | None = None) -> Path:
    """Write the fork with this code of its task and these files, port it, and return the folder of the new package."""
    fork = write_fork(folder / "fork")
    for name, text in {TASK_FILE: code, **(files or {})}.items():
        (fork / name).parent.mkdir(parents=True, exist_ok=True)
        (fork / name).write_text(text, encoding="utf-8")
    assert compat(["port", str(fork / TASK_FILE), str(folder / "new")]) == 0
    return folder / "new"


def method(package: Path, name: str) -> str:
    """Return the source of a method of the ported task."""
    text = (package / "src/wagon/task.py").read_text()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return ast.get_source_segment(text, node) or ""
    raise AssertionError(name)


@contextmanager
def made(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VecEnv]:
    """Install the ported task, and make four worlds of it."""
    names = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]["oige.tasks"]
    metadata = package / "src" / "wagon-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: wagon\nVersion: 0.1.0\n")
    lines = [f"{name} = {value}" for name, value in names.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[oige.tasks]", *lines]))
    monkeypatch.syspath_prepend(str(package / "src"))
    importlib.invalidate_caches()
    installed_tasks.cache_clear()
    try:
        env = make_vec("Wagon", num_envs=4, sim_device="cpu")
        yield env
        env.close()
    finally:
        installed_tasks.cache_clear()
        for name in [name for name in sys.modules if name.partition(".")[0] == "wagon"]:
            del sys.modules[name]
