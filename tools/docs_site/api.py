"""Pages of the API: what ``__all__`` of each package lists, each object once."""

import ast
from collections.abc import Iterator, Mapping
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
    """Return what ``__all__`` of a module lists."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return ast.literal_eval(node.value)
    return []


def public_modules() -> dict[str, Path]:
    """Return the packages that export something, and :data:`FURTHER`, by their dotted names, those above first."""
    found = {}
    for top, folder in sources().items():
        files = [*folder.glob(f"{top}/**/__init__.py"), *(folder / f"{n.replace('.', '/')}.py" for n in FURTHER)]
        for file in files:
            name = ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
            if file.is_file() and [export for export in exported_names(file) if export != "__version__"]:
                found[name] = file
    return dict(sorted(found.items(), key=lambda item: (item[0].count("."), item[0])))


def documented() -> dict[str, list[str]]:
    """Return the names that each public module documents: those that no module above it exports, too.

    A name with a dot belongs to a module below that has the name of what it defines.
    """
    collection = griffe.ModulesCollection()
    lines = griffe.LinesCollection()
    paths = list(sources().values())
    loader = griffe.GriffeLoader(search_paths=paths, modules_collection=collection, lines_collection=lines)
    for top in sources():
        loader.load(top)
    loader.resolve_aliases(implicit=False, external=False)
    seen: set[str] = set()
    names: dict[str, list[str]] = {}
    for module, file in public_modules().items():
        names[module] = []
        for name in exported_names(file):
            if name == "__version__":
                continue
            target = collection[f"{module}.{name}"]
            if target.is_module:  # a function that has the name of its module, behind which griffe hides it
                name, target = f"{name}.{name}", target[name]
            path = target.final_target.path if target.is_alias else target.path
            if path not in seen:
                seen.add(path)
                names[module].append(name)
    return {module: own for module, own in names.items() if own}


def page_of(module: str) -> str:
    """Return the page that documents a module: one for each package in oige_core, one for each other distribution."""
    top, _, rest = module.partition(".")
    below = rest.partition(".")[0]
    return f"api/{top}.{below}.md" if top == "oige_core" and below else f"api/{top}.md"


def api_pages(names: Mapping[str, list[str]] | None = None) -> Iterator[tuple[str, str]]:
    """Yield path and text of each page of the API.

    Args:
        names: what each module documents; None: :func:`documented`.
    """
    by_page: dict[str, list[str]] = {}
    names = documented() if names is None else names
    for module, own in names.items():
        by_page.setdefault(page_of(module), []).append(block(module, own))
    for page, blocks in by_page.items():
        title = Path(page).stem
        yield page, "\n".join([f"# {title}\n", *blocks])


def block(module: str, names: list[str]) -> str:
    """Return what mkdocstrings turns into the reference of a module."""
    members = "".join(f"\n        - {name}" for name in sorted(names, key=str.lower) if "." not in name)
    hidden = "".join(f"\n::: {module}.{name}\n" for name in names if "." in name)
    return f"::: {module}\n    options:\n      members:{members}\n{hidden}"
