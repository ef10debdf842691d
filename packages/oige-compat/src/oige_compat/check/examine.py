"""Examines a code base."""

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oige_compat.check.code import find_in_code
from oige_compat.check.files import CodeBase, checkout, find_files
from oige_compat.check.findings import Entry, Finding, merge
from oige_compat.check.keys import find_in_yaml
from oige_compat.check.modules import Module, Project
from oige_compat.check.paths import find_assets, strings_of
from oige_compat.check.tasks import TaskUse, files_of_tasks, uses_of_tasks
from oige_compat.check.types import TypeInference

__all__ = ["Examination", "examine", "read_project"]


@dataclass(frozen=True)
class Examination:
    """What a check found.

    Attributes:
        entries: one for each name, what is missing first.
        files: number of files that were read.
        tasks: the tasks of the code base.
    """

    entries: list[Entry]
    files: int
    tasks: list[TaskUse]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not any(entry.state == "missing" for entry in self.entries)


def examine(path: Path) -> Examination:
    """Return what a code base uses of Isaac Sim, and what becomes of it.

    Of a folder or file inside a checkout, the entries are those of its own files, and what is missing in the other
    files of the checkout that its tasks import. Names of files are relative to the checkout.

    Args:
        path: a folder, or one Python file.

    Raises:
        ConfigError: there is no such folder or file, or it has no Python file.
    """
    root = checkout(path)
    code = find_files(path, root)
    own = {file.name for file in [*code.python, *code.configuration]} | set(code.unread)
    project, findings = read_project(_with_surroundings(code) if root != path.resolve() else code)
    findings += find_in_code(project)
    strings: set[str] = set()
    for module in project.modules:
        findings += find_assets(module, code)
        strings.update(text for text, _ in strings_of(module.tree))
        strings.update(node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute))
    for file in code.configuration:
        findings += find_in_yaml(file, strings)
    types = TypeInference(project)
    tasks = [task for task in uses_of_tasks(types, merge(findings)) if task.file in own]
    imported = files_of_tasks(types, own)
    entries = merge(
        found for found in findings if found.file in own or (found.state == "missing" and found.file in imported)
    )
    return Examination(entries, len(code.python) + len(code.configuration), tasks)


def _with_surroundings(code: CodeBase) -> CodeBase:
    """Return a code base with the Python files and the assets of the whole checkout, its own files first."""
    whole = find_files(code.root)
    known = {file.path.resolve() for file in code.python}
    others = [file for file in whole.python if file.path.resolve() not in known]
    code.assets = whole.assets
    return dataclasses.replace(code, python=[*code.python, *others])


def read_project(code: CodeBase) -> tuple[Project, list[Finding]]:
    """Return the modules of a code base, and the files that cannot be read or parsed."""
    findings = [Finding("file", name, "missing", text, name, 1) for name, text in code.unread.items()]
    return Project(list(_modules(code, findings))), findings


def _modules(code: CodeBase, findings: list[Finding]) -> Iterator[Module]:
    for source in code.python:
        try:
            yield Module.of(source)
        except SyntaxError as error:
            text = f"Python 3 cannot parse it: {error.msg}"
            findings.append(Finding("file", source.name, "missing", text, source.name, error.lineno or 1))
        except (ValueError, RecursionError, MemoryError) as error:
            text = f"Python cannot parse it: {type(error).__name__}"
            findings.append(Finding("file", source.name, "missing", text, source.name, 1))
