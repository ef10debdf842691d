"""oige-new-task writes a package that works, and refuses names that cannot work."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from oige_core.errors import OigeError
from oige_train.cli.new_task import TEMPLATE, new_task

REPOSITORY = Path(__file__).resolve().parent.parent
NAME, PACKAGE = "ReachCube", "reach_cube"
FILES = {
    ".gitignore",
    "README.md",
    "pyproject.toml",
    f"src/{PACKAGE}/__init__.py",
    f"src/{PACKAGE}/assets/{PACKAGE}.xml",
    f"src/{PACKAGE}/cfg/task/{NAME}.yaml",
    f"src/{PACKAGE}/description.py",
    f"src/{PACKAGE}/cfg/train/{NAME}PPO.yaml",
    f"src/{PACKAGE}/py.typed",
    f"src/{PACKAGE}/task.py",
    f"tests/test_{PACKAGE}.py",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is written."""
    folder = tmp_path_factory.mktemp("new") / "project"
    assert new_task([NAME, "--folder", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def python(project: Path, install: Callable[..., Callable[..., str]]) -> Callable[..., str]:
    """Run Python where the package is installed."""
    return install(project.parent, project)


def text_of(folder: Path) -> str:
    return "\n".join(file.read_text() for file in sorted(folder.rglob("*")) if file.is_file())


def test_every_file_has_the_new_name(project: Path) -> None:
    assert {file.relative_to(project).as_posix() for file in project.rglob("*") if file.is_file()} == FILES
    without_paths = re.sub("path = .*", "", text_of(project))
    assert not re.search("new.?task", without_paths, re.IGNORECASE)
    assert len(re.findall("new.?task", text_of(TEMPLATE), re.IGNORECASE)) > 30


def test_package_names_its_task_and_where_oige_is(project: Path) -> None:
    pyproject = tomllib.loads((project / "pyproject.toml").read_text())
    assert pyproject["project"]["name"] == "reach-cube"
    assert pyproject["project"]["entry-points"]["oige.tasks"] == {NAME: f"{PACKAGE}:REACH_CUBE"}
    for name, source in pyproject["tool"]["uv"]["sources"].items():
        assert source["editable"]
        assert Path(source["path"]) == REPOSITORY / "packages" / name


def test_oige_from_wheels_has_no_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PathDistribution, "read_text", lambda self, filename: None)
    new_task([NAME, "--folder", str(tmp_path / "project")])
    pyproject = tomllib.loads((tmp_path / "project" / "pyproject.toml").read_text())
    assert pyproject["project"]["dependencies"] == ["oige-core[mujoco]", "oige-train"]
    assert "uv" not in pyproject["tool"]


def test_printed_commands_are_those_of_the_readme(project: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_task([NAME])
    printed = re.findall(r"^    (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert printed == ["cd reach-cube", "uv run pytest", f"uv run oige-train task={NAME}"]
    shown = [
        line.partition("#")[0].strip()
        for line in re.findall(r"^    (uv.*)$", (project / "README.md").read_text(), re.M)
    ]
    assert shown[:2] == printed[1:]
    assert (tmp_path / "reach-cube" / "src" / PACKAGE / "task.py").is_file()


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("Reach", "reach"),
        ("ReachRGB", "reach_rgb"),
        ("RGBReach", "rgb_reach"),
        ("Reach2D", "reach2d"),
        ("G1Run", "g1_run"),
    ],
)
def test_package_is_the_name_in_lower_case(name: str, package: str, tmp_path: Path) -> None:
    new_task([name, f"--folder={tmp_path / 'project'}"])
    assert [path.name for path in (tmp_path / "project" / "src").iterdir()] == [package]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-new-task: expected the name of the task, such as ReachCube."),
        (["A", "B"], "A B: expected one name; a task has a package of its own."),
        (["reach-cube"], "reach-cube: expected letters and digits in CamelCase, such as ReachCube."),
        (["2Reach"], "2Reach: expected letters and digits in CamelCase, such as Reach."),
        (["Réach"], "Réach: expected letters and digits in CamelCase, such as"),
        (["CARTPOLE"], "CARTPOLE: oige-tasks-classic has a task Cartpole; choose another name."),
        (["Class"], "Class: its package would be called class, a keyword of Python; choose another name."),
        (["Torch"], "Torch: its package would hide the module torch; choose another name."),
        (["Reach", "--dir=x"], "--dir=x: unknown option; oige-new-task has --folder and --help."),
        (["Reach", "--folder"], "--folder: expected the name of a folder after it."),
        (["Reach", "--folder", "taken"], "taken: exists already; remove it, or choose another folder with --folder."),
        (["Reach", "--folder", "file"], "file: exists already; remove it, or choose another folder with --folder."),
    ],
)
def test_invalid_name_is_one_line_and_writes_nothing(arguments: list[str], message: str, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    for file in (tmp_path / "taken" / "mine.txt", tmp_path / "file"):
        file.write_text("mine")
    before = text_of(tmp_path)
    with pytest.raises(OigeError) as caught:
        new_task(arguments)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert text_of(tmp_path) == before


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    new_task([NAME, "--folder", str(tmp_path)])
    assert (tmp_path / "pyproject.toml").is_file()


def test_tests_of_the_package_pass(project: Path, python: Callable[..., str]) -> None:
    assert "5 passed" in python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(project / "tests"))


def test_package_follows_our_style(project: Path, python: Callable[..., str]) -> None:
    ours = ["--config", str(REPOSITORY / "pyproject.toml"), "--config", f"src = ['{project / 'src'}']"]
    for options in (["check"], ["check", *ours], ["format", "--check"]):
        python("-m", "ruff", *options, "--no-cache", str(project))


@pytest.mark.slow
def test_types_of_the_package_are_right(project: Path) -> None:
    (project.parent / "pyrightconfig.json").write_text(
        json.dumps({"include": ["project"], "extraPaths": ["project/src"], "typeCheckingMode": "standard"})
    )
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(project.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_task_of_the_package_is_learned(project: Path, python: Callable[..., str]) -> None:
    """A pendulum that hangs gets 0, one that stands from the first step on gets 250."""
    printed = python("-m", "oige_train.cli.train", f"task={NAME}", "sim_device=cpu", "seed=1")
    match = re.search(r"mean episode reward ([\d.]+)", printed)
    assert match, printed
    assert float(match[1]) > 190.0
