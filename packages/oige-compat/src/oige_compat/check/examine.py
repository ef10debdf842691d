"""Examines a code base."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from oige_compat.check.code import find_in_code
from oige_compat.check.files import CodeBase, find_files
from oige_compat.check.findings import Entry, Finding, merge
from oige_compat.check.keys import find_in_yaml
from oige_compat.check.modules import Module, Project
from oige_compat.check.paths import find_assets, strings_of
from oige_compat.check.tasks import TaskUse, uses_of_tasks
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

    Args:
        path: its folder, or one Python file.

    Raises:
        ConfigError: there is no such folder or file, or it has no Python file.
    """
    code = find_files(path)
    project, findings = read_project(code)
    findings += find_in_code(project)
    strings: set[str] = set()
    for module in project.modules:
        findings += find_assets(module, code)
        strings.update(text for text, _ in strings_of(module.tree))
        strings.update(node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute))
    for file in code.configuration:
        findings += find_in_yaml(file, strings)
    entries = merge(findings)
    tasks = uses_of_tasks(TypeInference(project), entries)
    return Examination(entries, len(code.python) + len(code.configuration), tasks)


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
