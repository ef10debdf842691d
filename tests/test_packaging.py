"""Wheels hold what they should, and a task package works when it is installed alone."""

import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from oige_extension.kit.bundle import distribution_files

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in (REPOSITORY / "packages").glob("*/pyproject.toml"))

TASK_PROGRAM = """
import importlib.util
import sys

import gymnasium as gym, oige_core
env = gym.make_vec("oige/Cartpole-v0", num_envs=8)

import torch

observations, _ = env.reset(seed=1)
assert observations.shape == (8, 4) and observations.dtype == torch.float32, observations
before = observations.clone()
actions = torch.ones(8, 1, device=observations.device)
for _ in range(3):
    observations, rewards, terminated, truncated, info = env.step(actions)
assert rewards.shape == (8,) and terminated.dtype == truncated.dtype == torch.bool
# 400 N on 2 kg for 3 steps of 1/60 s: every cart has gained speed.
assert (observations[:, 1] > before[:, 1] + 1.0).all(), (before, observations)
env.close()

for name in ("hydra", "rl_games", "oige_train", "tensorboard", "viser", "av"):
    assert name not in sys.modules, f"{name} was imported"
    assert importlib.util.find_spec(name) is None, f"{name} is installed"
assert not oige_core.__file__.startswith(sys.argv[1]), "the checkout was imported, not the wheel"
print("stepped")
"""


@pytest.fixture(scope="module")
def wheels(uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build every package of the workspace into one folder."""
    folder = tmp_path_factory.mktemp("wheels")
    uv("build", "--all-packages", "--wheel", "--quiet", "--out-dir", folder)
    return folder


def test_wheels_hold_every_source_file_and_the_licence(wheels: Path) -> None:
    assert len(list(wheels.glob("*.whl"))) == len(PACKAGES) == 7
    for package in PACKAGES:
        version = tomllib.loads((package / "pyproject.toml").read_text())["project"]["version"]
        import_name = package.name.replace("-", "_")
        source = package / "src"
        expected = {
            path.relative_to(source).as_posix()
            for path in source.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert f"{import_name}/py.typed" in expected
        wheel = wheels / f"{import_name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel) as archive:
            names = set(archive.namelist())
            information = f"{import_name}-{version}.dist-info"
            assert archive.read(f"{information}/licenses/LICENSE") == (REPOSITORY / "LICENSE").read_bytes()
            metadata = archive.read(f"{information}/METADATA").decode()
        assert {name for name in names if not name.startswith(information)} == expected
        assert "License-Expression: BSD-3-Clause" in metadata
        assert f"# {package.name}\n" in metadata, "the README is the wheel's description"


def test_kit_extension_carries_what_the_wheels_hold(wheels: Path) -> None:
    """The extension takes editable packages from their sources; a wheel of the same commit holds the same files."""
    for package in PACKAGES:
        with zipfile.ZipFile(next(wheels.glob(f"{package.name.replace('-', '_')}-*.whl"))) as wheel:
            held = {name: wheel.read(name) for name in wheel.namelist() if not name.endswith("/RECORD")}
        carried = {path.as_posix(): source.read_bytes() for path, source in distribution_files(package.name)}
        assert carried.keys() == held.keys(), package.name
        # An environment keeps the README of the day on which a package was installed.
        assert not [name for name in held if carried[name] != held[name] and not name.endswith("/METADATA")]


def test_wheels_contain_the_data_files(wheels: Path) -> None:
    def names(package: str) -> set[str]:
        with zipfile.ZipFile(next(wheels.glob(f"{package}-*.whl"))) as archive:
            return set(archive.namelist())

    assert "oige_core/cfg/simulation.yaml" in names("oige_core")
    assert "oige_train/cfg/oige_train.yaml" in names("oige_train")
    assert {
        "oige_tasks_classic/cfg/task/Cartpole.yaml",
        "oige_tasks_classic/cfg/train/CartpolePPO.yaml",
        "oige_tasks_classic/cartpole/assets/cartpole.xml",
        "oige_tasks_classic/cartpole/assets/cartpole.usda",
    } <= names("oige_tasks_classic")


def test_task_package_runs_without_the_others(uv: Callable[..., str], wheels: Path, tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    locked = tmp_path / "locked.txt"
    python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    # The versions of uv.lock, which lie in uv's cache already, linked instead of copied: torch alone is gigabytes.
    export = uv("export", "--frozen", "--all-packages", "--no-emit-workspace", "--no-hashes", "--no-annotate")
    locked.write_text(export)
    uv("venv", "--quiet", "--python", sys.executable, environment)
    install = ["--python", python, "--find-links", wheels, "--constraints", locked, "oige-tasks-classic"]
    uv("pip", "install", "--quiet", *install, UV_LINK_MODE="symlink")

    done = subprocess.run(
        [python, "-I", "-c", TASK_PROGRAM, str(REPOSITORY)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "stepped\n"), done.stderr


def test_programs_can_be_started_as_modules() -> None:
    silent = []
    for package in PACKAGES:
        scripts = tomllib.loads((package / "pyproject.toml").read_text())["project"].get("scripts", {})
        for module in (target.partition(":")[0] for target in scripts.values()):
            text = (package / "src" / f"{module.replace('.', '/')}.py").read_text()
            if "main()" not in text.partition('\nif __name__ == "__main__":\n')[2]:
                silent.append(module)
    assert not silent
