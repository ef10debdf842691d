"""The example task of CONTRIBUTING.md works as it is printed there."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def example(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page shows, in which the wheel that they make is unpacked."""
    sources, folder = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("example")
    page = (REPOSITORY / "CONTRIBUTING.md").read_text()
    files = re.findall(r"`((?:my_tasks|tests)/[\w/.]+|pyproject\.toml)`:\n\n```\w+\n(.*?)```", page, re.DOTALL)
    assert len(files) == 6
    for name, text in files:
        path = (folder if name.startswith("tests/") else sources) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (sources / "my_tasks" / "__init__.py").write_text('"""Tasks of a reader."""\n')
    uv("build", "--wheel", "--quiet", "--out-dir", folder, sources)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
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
