"""The example task of CONTRIBUTING.md works as it is printed there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page shows, installed as a package by hand."""
    folder = tmp_path_factory.mktemp("example")
    page = (REPOSITORY / "CONTRIBUTING.md").read_text()
    files = re.findall(r"`((?:my_tasks|tests)/[\w/.]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL)
    assert len(files) == 5
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "my_tasks" / "__init__.py").write_text('"""Tasks of a reader."""\n')
    (entry_points,) = re.findall(r'```toml\n\[project\.entry-points\."(oige\.tasks)"\]\n(\w+) = "(.*?)"\n```', page)
    information = folder / "my_tasks-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: my-tasks\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[{}]\n{} = {}\n".format(*entry_points))
    return folder


def run(example: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=example,
        env=os.environ | {"PYTHONPATH": str(example)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_tests_pass(example: Path) -> None:
    assert "3 passed" in run(example, "-m", "pytest", "-q", "tests")


def test_it_trains(example: Path) -> None:
    run(example, "-m", "oige_train.cli.train", "task=Slider", "num_envs=16", "max_iterations=2", "sim_device=cpu")
    saved = (example / "runs" / "Slider" / "config.yaml").read_text()
    assert "maxForce: 4.0" in saved
    assert list((example / "runs" / "Slider" / "nn").glob("*.pth"))


def test_it_keeps_to_our_style(example: Path) -> None:
    settings = str(REPOSITORY / "pyproject.toml")
    run(example, "-m", "ruff", "check", "--config", settings, "my_tasks", "tests")
    run(example, "-m", "ruff", "format", "--check", "--config", settings, "my_tasks", "tests")
