"""Library and programs compose the same configuration: our composer against Hydra's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.errors import HydraException
from hydra.types import RunMode
from oige_core.config import compose
from oige_core.errors import ConfigError
from oige_core.registry import installed_tasks, load_config
from oige_train.cli.common import checked_run, checked_runs
from omegaconf import DictConfig, OmegaConf
from yaml import YAMLError

Files = Mapping[str, str]

BASE = {"task/Base": "a: 1\nb: 1\nc: 1", "task/sub/small": "size: 1\nonly_small: 1", "task/sub/large": "size: 2"}
SAME = {
    "no self": {"task/T": "defaults: [Base]\nb: 2"},
    "self first": {"task/T": "defaults: [_self_, Base]\nb: 2\nd: 2"},
    "self last": {"task/T": "defaults: [Base, _self_]\nb: 2"},
    "self between": {
        "task/Other": "b: 3\nc: 3",
        "task/T": "defaults: [Base, _self_, Other]\na: 2\nb: 2\nc: 2",
    },
    "no defaults": {"task/T": "b: 2"},
    "empty file": {"task/T": ""},
    "empty defaults": {"task/T": "defaults: []\nb: 2"},
    "nested": {"task/Middle": "defaults: [Base, _self_]\nb: 2", "task/T": "defaults: [Middle, _self_]\nc: 3"},
    "nested, self first": {
        "task/Middle": "defaults: [_self_, Base]\nb: 2\nd: 2",
        "task/T": "defaults: [_self_, Middle]\nc: 3\nd: 3",
    },
    "lists are replaced": {"task/L": "x: [1, 2]\ny: {k: 1}", "task/T": "defaults: [L, _self_]\nx: [3]\ny: {l: 2}"},
    "group": {"task/T": "defaults: [Base, sub: small, _self_]\nsub: {size: 5}"},
    "group, self first": {"task/T": "defaults: [_self_, sub: small]\nsub: {size: 5}"},
    "group by path": {"task/T": "defaults: [sub/small, _self_]\nb: 2"},
    "absolute group": {"task/T": "defaults: [/task/sub: small, _self_]\nb: 2"},
    "absolute path": {"task/T": "defaults: [/task/Base, _self_]\nb: 2"},
    "no choice": {"task/T": "defaults: [sub: null, Base, _self_]"},
    "override": {
        "task/Middle": "defaults: [Base, sub: small, _self_]",
        "task/T": "defaults: [Middle, _self_, override sub: large]\nb: 2",
    },
    "absolute override": {
        "task/Middle": "defaults: [Base, /task/sub: small, _self_]",
        "task/T": "defaults: [Middle, _self_, override /task/sub: large]",
    },
    "override by nothing": {
        "task/Middle": "defaults: [Base, sub: small, _self_]",
        "task/T": "defaults: [Middle, _self_, override sub: null]",
    },
    "outermost override": {
        "task/sub/huge": "size: 9",
        "task/Middle": "defaults: [Base, sub: small, _self_]",
        "task/Second": "defaults: [Middle, _self_, override sub: large]",
        "task/T": "defaults: [Second, _self_, override sub: huge]",
    },
    "optional": {"task/T": "defaults: [optional sub: absent, Base, _self_]\nb: 2"},
    "group of a group": {
        "task/sub/deep": "defaults: [in: x, _self_]\nsize: 7",
        "task/sub/in/x": "y: 1",
        "task/T": "defaults: [sub: deep, _self_]\nb: 2",
    },
    "siblings": {"task/T": "defaults: [sub: small, Base, _self_]\nsub: {only_small: 3}"},
}
REFUSED_BY_BOTH = {
    "missing file": {"task/T": "defaults: [Bas, _self_]"},
    "self twice": {"task/T": "defaults: [_self_, Base, _self_]"},
    "override first": {"task/T": "defaults: [override sub: large, sub: small, _self_]"},
    "override of another section": {
        "task/Middle": "defaults: [Base, sub: small, _self_]",
        "task/T": "defaults: [Middle, _self_, override /task/sub: large]",
    },
    "override of nothing": {"task/T": "defaults: [Base, _self_, override sub: large]"},
    "no list": {"task/T": "defaults: 3"},
    "a number": {"task/T": "defaults: [3]"},
    "two groups in one entry": {"task/T": "defaults: [{sub: small, other: large}]"},
    "no YAML": {"task/T": "a: [1"},
}
REFUSED_BY_US = {
    "a list": {"task/T": "[1, 2]"},
    "package": {"task/T": "defaults: [sub@here: small, _self_]"},
    "package header": {"task/T": "# @package _global_\nb: 2"},
    "interpolation": {"task/T": "defaults: [sub: '${task}', _self_]"},
    "several names": {"task/T": "defaults: [sub: [small, large], _self_]"},
}


def write(folder: Path, files: Files) -> None:
    for name, text in {**BASE, "config": "defaults: [task: T]", **files}.items():
        file = folder / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def with_hydra(folder: Path) -> Any:
    with initialize_config_dir(version_base="1.3", config_dir=str(folder)):
        return OmegaConf.to_container(hydra_compose("config"))["task"]  # type: ignore[index,call-overload]


@pytest.mark.parametrize("case", SAME)
def test_library_composes_defaults_as_hydra_does(case: str, tmp_path: Path) -> None:
    write(tmp_path, SAME[case])
    added = {"physics_engine": "${physics_engine}"}  # which task files need not set
    assert OmegaConf.to_container(compose([tmp_path], "T").task) == added | with_hydra(tmp_path)


@pytest.mark.parametrize("case", REFUSED_BY_BOTH | REFUSED_BY_US)
def test_library_refuses_a_defaults_list_in_one_line(case: str, tmp_path: Path) -> None:
    write(tmp_path, (REFUSED_BY_BOTH | REFUSED_BY_US)[case])
    with pytest.raises(ConfigError) as caught:
        compose([tmp_path], "T")
    assert "T.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)
    if case in REFUSED_BY_BOTH:
        with pytest.raises((HydraException, ValueError, TypeError, YAMLError)):
            with_hydra(tmp_path)


@pytest.mark.parametrize("name", installed_tasks())
def test_library_and_programs_give_a_task_the_same_configuration(name: str) -> None:
    overrides = {"num_envs": 8, "seed": 3, "task.env.episodeLength": 777, "task.sim.dt": 0.01}
    arguments = [f"{key}={value}" for key, value in overrides.items()]
    run = checked_run([f"task={name}", *arguments, "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])
    library = load_config(name, {**overrides, "sim_device": "cpu", "pipeline": "cpu"})
    assert library.task == run.config.task
    assert {key: getattr(run.config, key) for key in vars(library)} == vars(library)


@pytest.fixture
def compositions(monkeypatch: pytest.MonkeyPatch) -> list[RunMode]:
    """Mode of each composition by Hydra."""
    modes = []
    load = ConfigLoaderImpl.load_configuration

    def recording(loader: ConfigLoaderImpl, *arguments: Any, run_mode: RunMode, **options: Any) -> DictConfig:
        modes.append(run_mode)
        return load(loader, *arguments, run_mode=run_mode, **options)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", recording)
    return modes


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        ("seed=1", 1),
        ("-m seed=1,2", 1 + 2 * 2),
        ("hydra.mode=MULTIRUN seed=1,2", 1 + 1 + 2 * 2),
    ],
)
def test_configuration_is_composed_once_unless_hydra_mode_may_be_set(
    arguments: str, number: int, compositions: list[RunMode]
) -> None:
    """Hydra composes a sweep, and each of its jobs twice."""
    runs = checked_runs(["sim_device=cpu", *arguments.split()])
    assert len(runs) == arguments.count(",") + 1
    assert len(compositions) == number


def test_mode_in_a_file_of_the_user_starts_a_sweep(tmp_path: Path) -> None:
    (tmp_path / "task").mkdir()
    text = "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '1,2'}}}\n"
    (tmp_path / "swept.yaml").write_text(text)
    runs = checked_runs(["sim_device=cpu", "--config-dir", str(tmp_path), "+task@_global_=../swept"])
    assert [run.config.seed for run in runs] == [1, 2]
