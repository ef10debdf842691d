"""Pages of the API: what ``__all__`` of each package lists, each object once."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import griffe

REPOSITORY = Path(__file__).resolve().parents[2]

FURTHER = ("oige_core.warp_arrays",)
"""Modules that tasks use although they are no packages."""


def sources() -> dict[str, Path]:
    """Return the folder that contains each Python package of this repository, by the name of the package."""
    found = sorted((REPOSITORY / "packages").glob("*/src/*/__init__.py"))
    return {file.parent.name: file.parent.parent for file in found}


def exported_names(file: Path) -> list[str]:
    """Return what ``__all__`` of a module lists, except the version."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return [name for name in ast.literal_eval(node.value) if name != "__version__"]
    return []


def public_modules() -> dict[str, list[str]]:
    """Return the exports of packages, and of :data:`FURTHER`, by dotted names; those of distributions come last."""
    found = {}
    for top, folder in sources().items():
        for file in [*folder.glob(f"{top}/**/__init__.py"), *(folder / f"{n.replace('.', '/')}.py" for n in FURTHER)]:
            name = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
            if file.is_file() and (exports := exported_names(file)):
                found[name] = exports
    return dict(sorted(found.items(), key=lambda item: ("." not in item[0], item[0].count("."), item[0])))


def page_of(module: str) -> str:
    """Return the page that documents a module: one for each package in oige_core, one for each other distribution."""
    top, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    return f"api/{top}.{below}.md" if top == "oige_core" and below else f"api/{top}.md"


@dataclass(frozen=True)
class Export:
    """A name that a module exports.

    Attributes:
        module: the module that exports it.
        name: its name. It has a dot if it belongs to a module below that has the same name.
        target: the object.
        home: the module that documents it, if that is another one.
    """

    module: str
    name: str
    target: griffe.Object
    home: str = ""


def is_record(item: griffe.Object) -> bool:
    """Return whether an object is the record of a task."""
    return isinstance(item, griffe.Attribute) and str(item.value).startswith("TaskSpec(")


class Reference:
    """The public objects of all packages."""

    @cached_property
    def _loader(self) -> griffe.GriffeLoader:
        loader = griffe.GriffeLoader(search_paths=list(sources().values()))
        for top in sources():
            loader.load(top)
        loader.resolve_aliases(implicit=False, external=False)
        return loader

    @cached_property
    def exports(self) -> dict[str, list[Export]]:
        """What each public module exports. The first module with an object documents it."""
        homes: dict[str, str] = {}
        found: dict[str, list[Export]] = {}
        for module, names in public_modules().items():
            for name in sorted(names, key=str.lower):
                target = self._loader.modules_collection[f"{module}.{name}"]
                if target.is_module:  # griffe hides a function behind the module whose name it has
                    name, target = f"{name}.{name}", target[name]
                target = target.final_target if isinstance(target, griffe.Alias) else target
                home = homes.setdefault(target.path, module)
                found.setdefault(module, []).append(Export(module, name, target, "" if home == module else home))
        return found

    def undocumented(self) -> list[str]:
        """Return the names of public objects, and of their methods, that have no docstring.

        Records of tasks need none: the docstring of their module describes the task.
        """
        targets = [export.target for exports in self.exports.values() for export in exports if not export.home]
        methods = [
            member
            for target in targets
            if isinstance(target, griffe.Class)
            for name, member in target.members.items()
            if isinstance(member, griffe.Function) and not name.startswith("_")
        ]
        return sorted(item.path for item in [*targets, *methods] if not item.docstring and not is_record(item))

    def pages(self) -> Iterator[tuple[str, str]]:
        """Yield path and text of each page."""
        by_page: dict[str, list[str]] = {}
        for module in sorted(self.exports):
            by_page.setdefault(page_of(module), []).append(self._section(module))
        for page, sections in by_page.items():
            title = page.removeprefix("api/").removesuffix(".md")
            heading = [] if title in self.exports else [f"# {title}\n"]
            yield page, "\n".join([*heading, *sections])

    def _section(self, module: str) -> str:
        """Return the heading of a module, what mkdocstrings turns into its reference, and links to other modules."""
        level = 1 if page_of(module) == f"api/{module}.md" else 2
        lines = [f"{'#' * level} {module}\n", f"[](){{ #{module} }}\n"]  # an anchor to which docstrings link
        own = [export.name for export in self.exports[module] if not export.home]
        lines += [
            f"::: {module}",
            "    options:",
            "      show_root_heading: false",
            "      show_root_toc_entry: false",
            f"      heading_level: {level + 1}",
            f"      members: {[name for name in own if '.' not in name]}\n",
        ]
        for name in own:
            if "." in name:
                lines += [f"::: {module}.{name}", "    options:", f"      heading_level: {level + 1}\n"]
        if elsewhere := [export for export in self.exports[module] if export.home]:
            lines += ["Further names that this module exports:\n", "| name | documented in |", "| --- | --- |"]
            lines += [f"| [`{e.name}`][{e.home}.{e.name}] | [`{e.home}`][{e.home}] |" for e in elsewhere]
        return "\n".join([*lines, ""])
