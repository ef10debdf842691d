"""Properties of the whole repository: lock file, versions, licences, layering, exports, links."""

import ast
import graphlib
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = {path.parent.name: path.parent for path in sorted((REPOSITORY / "packages").glob("*/pyproject.toml"))}
SOURCES = [
    path
    for package in PACKAGES.values()
    for path in sorted(package.glob("src/**/*.py"))
    if not path.stem.startswith("_")
] + [path for package in PACKAGES.values() for path in sorted(package.glob("src/**/__init__.py"))]
DEPENDENCIES = {
    "oige-core": set(),
    "oige-tasks-classic": {"oige-core"},
    "oige-tasks-locomotion": {"oige-core"},
    "oige-tasks-manipulation": {"oige-core"},
    "oige-train": {"oige-core"},
    "oige-extension": {"oige-train"},
    "oige-compat": {"oige-core", "oige-train"},
}
"""Dependencies point one way: tasks know nothing of training, training finds tasks through entry points."""

TRAINING = {"hydra", "rl_games", "tensorboard"}
"""What task packages must work without."""


def project(package: str) -> dict:
    return tomllib.loads((PACKAGES[package] / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def lock() -> dict:
    return tomllib.loads((REPOSITORY / "uv.lock").read_text())


def test_lock_file_matches_the_projects(uv: Callable[..., str]) -> None:
    uv("lock", "--check", "--offline")


def test_lock_file_names_one_index_and_no_local_build(lock: dict) -> None:
    sources = [package["source"] for package in lock["package"]]
    assert len({source["registry"] for source in sources if "registry" in source}) == 1
    members = {package["name"] for package in lock["package"] if "registry" not in package["source"]}
    assert members == {"oige", *PACKAGES}
    assert not re.search(r"\+cpu|file:", (REPOSITORY / "uv.lock").read_text())


@pytest.mark.parametrize(
    ("system", "machine", "tag"),
    [
        ("linux", "x86_64", r"linux_[\d_]*x86_64"),
        ("linux", "aarch64", r"linux_[\d_]*aarch64"),
        ("darwin", None, r"macosx_\d+_\d+_(arm64|universal2)"),
        ("win32", None, r"win_amd64"),
    ],
)
def test_lock_file_covers_the_platforms(lock: dict, system: str, machine: str | None, tag: str) -> None:
    marker = f"sys_platform == '{system}'"
    assert (f"platform_machine == '{machine}' and {marker}" if machine else marker) in lock["supported-markers"]
    wheels = {package["name"]: [wheel["url"] for wheel in package.get("wheels", [])] for package in lock["package"]}
    for name in ("mujoco-core", "numpy", "torch", "warp-lang"):
        assert any(re.search(tag, url) for url in wheels[name]), f"{name} has no wheel for {system} {machine or ''}"


@pytest.mark.parametrize("package", PACKAGES)
def test_changelog_starts_with_the_current_version(package: str) -> None:
    headings = re.findall(r"^## (.*)$", (PACKAGES[package] / "CHANGELOG.md").read_text(), re.MULTILINE)
    version = re.escape(project(package)["version"])
    assert headings, "no version in CHANGELOG.md"
    assert re.fullmatch(rf"\[{version}\] - (unreleased|\d{{4}}-\d{{2}}-\d{{2}})", headings[0]), headings[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_licence_is_the_repository_s(package: str) -> None:
    assert (PACKAGES[package] / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()
    assert project(package)["license"] == "BSD-3-Clause"


@pytest.mark.parametrize("package", PACKAGES)
def test_version_is_the_one_of_pyproject(package: str) -> None:
    assert importlib.import_module(package.replace("-", "_")).__version__ == project(package)["version"]


@pytest.mark.parametrize("package", PACKAGES)
def test_package_index_gets_authors_links_and_classifiers(package: str) -> None:
    metadata = project(package)
    classifiers = metadata["classifiers"]
    assert metadata["authors"]
    assert metadata["keywords"]
    assert set(metadata["urls"]) == {"Homepage", "Documentation", "Changelog", "Issues"}
    for page in ("Documentation", "Changelog"):
        _, _, path = metadata["urls"][page].partition("/blob/main/")
        assert (REPOSITORY / path).is_file(), path
    assert len([name for name in classifiers if name.startswith("Development Status ::")]) == 1
    assert not [name for name in classifiers if name.startswith("License ::")], "`license` says it; PEP 639"
    empty = len(list(PACKAGES[package].glob("src/**/*.py"))) == 1
    assert ("Private :: Do Not Upload" in classifiers) == empty, "a package without code stays off package indices"


def requirement_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0] for requirement in requirements}


def test_dependencies_point_one_way() -> None:
    assert set(PACKAGES) == set(DEPENDENCIES)
    for package, allowed in DEPENDENCIES.items():
        assert requirement_names(project(package)["dependencies"]) & set(PACKAGES) == allowed, package
    root = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert set(root["project"]["dependencies"]) == set(PACKAGES), "a bare `uv run` must install every package"


def imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_follow_the_dependencies(package: str) -> None:
    def import_name(distribution: str) -> str:
        return distribution.replace("-", "_")

    own = import_name(package)
    # The extension may use oige-core through oige-train.
    allowed = {own, *map(import_name, DEPENDENCIES[package]), *(["oige_core"] if package == "oige-extension" else [])}
    forbidden = {import_name(name) for name in PACKAGES} - allowed
    if package not in ("oige-train", "oige-extension", "oige-compat"):
        forbidden |= TRAINING
    for path in PACKAGES[package].glob("src/**/*.py"):
        assert not set(imported_packages(path)) & forbidden, path


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(REPOSITORY / "packages").as_posix())
def test_public_modules_define_all(path: Path) -> None:
    names = exported_names(ast.parse(path.read_text()).body)
    assert not [name for name in names if name.startswith("_") and name != "__version__"], "expected public names"


def exported_names(body: list[ast.stmt]) -> list[str]:
    """Return what the one ``__all__`` of a module holds; nothing where there is no other statement than a docstring."""
    if len(body) <= 1:
        return []
    exports = [
        node.value
        for node in body
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    assert len(exports) == 1, "expected one __all__"
    return ast.literal_eval(exports[0])


def module_name(path: Path) -> str:
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[3:]).removesuffix(".__init__")  # without packages, <package>, src


@pytest.fixture(scope="module")
def exports() -> dict[str, list[str]]:
    return {module_name(path): exported_names(ast.parse(path.read_text()).body) for path in SOURCES}


@pytest.mark.parametrize("package", PACKAGES)
def test_names_that_other_modules_import_are_exported(package: str, exports: dict[str, list[str]]) -> None:
    hidden = {
        f"{node.module}.{alias.name}"
        for path in PACKAGES[package].glob("src/**/*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module in exports
        for alias in node.names
        if alias.name not in exports[node.module] and f"{node.module}.{alias.name}" not in exports
    }
    assert not hidden


def tracked_files() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    return [REPOSITORY / name for name in listing.stdout.split("\0") if name]


def test_no_path_of_a_developer_s_machine() -> None:
    # Written so that this file does not match itself.
    pattern = re.compile(r"(?<![\w.~-])/(?:work|farm|root|home|Users)/")
    offenders = []
    for path in tracked_files():
        if path.suffix in {".png", ".gif", ".webp", ".svg", ".lock", ".pth", ".npz", ".usdc"} or not path.is_file():
            continue
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if pattern.search(line):
                offenders.append(f"{path.relative_to(REPOSITORY)}:{number}")
    assert not offenders


def test_links_between_documents_exist() -> None:
    broken = []
    for page in (path for path in tracked_files() if path.suffix == ".md" and path.is_file()):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(REPOSITORY)}: {target}")
    assert not broken


def test_paths_in_comments_and_text_exist() -> None:
    example = {"tests/test_reach_cube.py"}  # of the package that CONTRIBUTING.md shows
    pattern = re.compile(r"(?<![\w/.@+-])(?:docs|tools|packages|tests|typings|\.ci)/[\w./*{}<>-]*\w")
    broken = []
    for file in tracked_files():
        in_tests = file.suffix == ".py" and "tests" in file.parts  # which make files of their own
        if (
            in_tests
            or file.suffix not in {".md", ".py", ".yaml", ".yml", ".toml", ".xml", ".js", ""}
            or file.is_symlink()
        ):
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            for path in set(pattern.findall(line)) - example:
                exists = (REPOSITORY / path).exists() or (file.parent / path).exists()
                if not exists and not re.search(r"[*{}<>]", path):
                    broken.append(f"{file.relative_to(REPOSITORY)}:{number}: {path}")
    assert not broken


def anchors(page: Path) -> set[str]:
    """Return what GitHub makes of the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }


def test_links_lead_to_headings_that_exist() -> None:
    broken = []
    for page in (path for path in tracked_files() if path.suffix == ".md" and path.is_file()):
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text()):
            linked = page.parent / target if target else page
            if "://" not in target and linked.is_file() and anchor not in anchors(linked):
                broken.append(f"{page.relative_to(REPOSITORY)}: {target}#{anchor}")
    assert not broken


def test_contributing_names_every_tool() -> None:
    page = (REPOSITORY / "CONTRIBUTING.md").read_text()
    _, _, section = page.partition("\n## Tools\n")
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    tools = REPOSITORY / "tools"
    packages = {file.parent.name for file in tools.glob("*/__main__.py")}
    assert named == packages | {file.stem for file in tools.glob("*.py")}


def imported_modules(path: Path, known: Collection[str]) -> set[str]:
    """Return the modules among ``known`` that a file imports, in functions and for type checkers, too."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            imported |= names & set(known) or {node.module}
    return imported & set(known)


def test_modules_import_each_other_in_one_direction() -> None:
    modules = {module_name(path): path for package in PACKAGES.values() for path in package.glob("src/**/*.py")}
    graph = {module: imported_modules(path, modules) - {module} for module, path in modules.items()}
    assert "oige_core.errors" in graph["oige_core.registry"]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")


MAX_LINES = 500


def test_python_files_have_at_most_500_lines() -> None:
    files = [path for path in tracked_files() if path.suffix == ".py" and path.is_file()]
    lengths = {path: len(path.read_text().splitlines()) for path in files}
    assert len(lengths) > 100
    assert not {path.name: lines for path, lines in lengths.items() if lines > MAX_LINES}


TASK_MODULES = sorted(
    path for package in PACKAGES if package.startswith("oige-tasks-") for path in PACKAGES[package].glob("src/**/*.py")
)


@pytest.mark.parametrize("path", TASK_MODULES, ids=lambda path: "/".join(path.parts[-2:]))
def test_task_modules_import_from_few_modules_of_core(path: Path) -> None:
    imported = {
        node.module
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] == "oige_core"
    }
    assert imported <= {
        "oige_core",
        "oige_core.control",
        "oige_core.description",
        "oige_core.math",
        "oige_core.warp_arrays",
    }
    assert len(imported - {"oige_core.control"}) <= 2


IMPORT_EACH = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    for module in [module for module in sys.modules if module.startswith("oige_")]:
        del sys.modules[module]
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:  # an optional library
        if error.name.startswith("oige_"):
            raise
"""


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_each_module_can_be_imported_first(package: str) -> None:
    """A module that is imported first runs the packages above it, which may import it in turn."""
    names = [module_name(path) for path in sorted(PACKAGES[package].glob("src/**/*.py"))]
    done = subprocess.run([sys.executable, "-c", IMPORT_EACH, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
