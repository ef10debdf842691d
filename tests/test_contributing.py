"""What CONTRIBUTING.md says about making a task is true."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from oige_core import make_vec
from oige_core.config.defaults import load_yaml
from oige_core.registry import load_config
from oige_core.scene import ArticulationAsset
from oige_tasks_classic.cartpole.task import CartpoleTask
from oige_train.cli.new_task import new_task
from oige_train.config.overrides import TRAIN_CFG
from omegaconf import OmegaConf

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()
SECTION = PAGE[PAGE.index("\n## A new task\n") : PAGE.index("\n## A Warp variant\n")]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)


def leaves(section: Mapping[Any, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the page's first command writes, and its second one enters."""
    monkeypatch.chdir(tmp_path)
    command = re.search(r"^    uv run oige-new-task (.*)\n    cd (.*)$", SECTION, re.MULTILINE)
    assert command
    new_task(command[1].split())
    return tmp_path / command[2]


def test_table_lists_the_files_of_a_new_package(project: Path) -> None:
    listed = set(re.findall(r"^\| `([\w/]+\.\w+)` \|", SECTION, re.MULTILINE))
    there = {file.relative_to(project).as_posix() for file in project.rglob("*") if file.is_file()}
    assert len(listed) == 8
    assert there - listed == {".gitignore", "README.md", "src/reach_cube/py.typed"}
    assert not listed - there


def test_methods_are_called_in_the_documented_order(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", SECTION, re.MULTILINE)
    once = [name for name, called in rows if called.startswith("once")]
    in_a_step = [name for name, called in rows if called.startswith("in a step")]
    after_resets = ["reset_idx", *(name for name, called in rows if called.endswith("after resets"))]
    assert (len(once), len(in_a_step), len(after_resets)) == (2, 4, 2)
    calls: list[str] = []

    def recorded(name: str) -> Any:
        method = getattr(CartpoleTask, name)

        def call(*arguments: Any) -> Any:
            calls.append(name)
            return method(*arguments)

        return call

    for name, _ in rows:
        monkeypatch.setattr(CartpoleTask, name, recorded(name))
    env = make_vec("Cartpole", num_envs=2, sim_device="cpu", overrides={"task.env.episodeLength": 2})
    assert calls == once
    for expected, act in (
        (after_resets, lambda: env.reset(seed=0)),
        (in_a_step, lambda: env.step(torch.zeros(2, 1))),
        (in_a_step + after_resets, lambda: env.step(torch.zeros(2, 1))),
    ):
        calls.clear()
        act()
        assert calls == expected


def test_asset_example_is_valid(project: Path) -> None:
    (block,) = blocks("python")
    names: dict[str, Any] = {}
    exec(block, names)
    arm = names["ARM"]
    assert isinstance(arm, ArticulationAsset)
    assert len(arm.drives) == 2


def test_configurations_have_keys_that_exist() -> None:
    task, train = (yaml.safe_load(block) for block in blocks("yaml"))
    overrides = {f"task.{key}": value for key, value in leaves(task)}
    config = load_config("Cartpole", overrides)
    assert config.task.sim.actors["Arm"].enable_self_collisions == 1
    assert config.task.sim.dt * config.task.env.controlFrequencyInv == pytest.approx(1 / 50), "as the comment says"
    assert train.pop("defaults") == ["PPO", "_self_"]
    base = OmegaConf.to_container(load_yaml(TRAIN_CFG / "train" / "PPO.yaml"))
    assert isinstance(base, Mapping)
    for key, value in leaves(train):
        assert dict(leaves(base)).get(key, value) != value, f"{key}: differs from PPO"


def test_sources_are_what_the_program_writes(project: Path) -> None:
    sources, wheels = (tomllib.loads(block)["tool"]["uv"] for block in blocks("toml"))
    written = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["uv"]
    assert written.keys() == sources.keys()
    for name, source in written["sources"].items():
        assert source.keys() == sources["sources"][name].keys()
        assert source["path"].endswith(f"packages/{name}")
    assert list(wheels) == ["find-links"]
