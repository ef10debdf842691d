"""Inheritance between YAML files, devices, isolation and the messages of further errors."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from oige_core import devices
from oige_core.config import EnvConfig, RunConfig, compose, register_resolvers, validate
from oige_core.devices import Devices, resolve_devices
from oige_core.errors import ConfigError, nearest
from oige_core.seeding import derive_seed
from omegaconf import OmegaConf

BASE = """
name: Base
env:
  numEnvs: ${resolve_default:512,${...num_envs}}
  envSpacing: 4.0
  episodeLength: 500
  resetDist: 3.0
  gains: [1.0, 2.0]
sim:
  dt: 0.01
  robot:
    enable_self_collisions: 1
    density: 500
"""
CHILD = """
defaults:
  - Base
  - _self_
name: Child
env:
  episodeLength: 100
  gains: [5.0]
"""


@dataclass(kw_only=True)
class BallConfig(EnvConfig):
    resetDist: float
    gains: list[float]
    limit: float | None = None


SECTIONS = {"task.env": BallConfig}
Configure = Callable[..., RunConfig]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "Base.yaml").write_text(BASE)
    (tmp_path / "task" / "Child.yaml").write_text(CHILD)
    return tmp_path


@pytest.fixture
def configure(folder: Path) -> Configure:
    def configure(overrides: dict[str, Any] | None = None, name: str = "Base") -> RunConfig:
        return validate(compose([folder], name, overrides), sections=SECTIONS)

    return configure


def test_file_inherits_from_another(configure: Configure) -> None:
    config = configure(name="Child")
    assert isinstance(config.task.env, BallConfig)
    assert (config.task.name, config.task_name) == ("Child", "Child")
    assert (config.task.env.episodeLength, config.task.env.resetDist) == (100, 3.0)
    assert config.task.env.gains == [5.0]  # a list replaces a list
    assert config.task.sim.dt == 0.01
    assert configure(name="Base").task.env.episodeLength == 500


def test_optional_values_and_numeric_strings_are_converted(configure: Configure) -> None:
    for given, expected in ((None, None), (2, 2.0)):
        assert configure({"task.env.limit": given}).task.env.limit == expected  # type: ignore[attr-defined]
    config = configure({"num_envs": "64", "seed": "7", "task.env.resetDist": "2.5"})
    assert (config.task.env.numEnvs, config.seed, config.task.env.resetDist) == (64, 7, 2.5)  # type: ignore[attr-defined]


def test_configurations_share_no_mutable_values(configure: Configure) -> None:
    first, second = configure(), configure()
    first.task.sim.gravity[2] = 0.0
    first.task.sim.actors.clear()
    assert second.task.sim.gravity == [0.0, 0.0, -9.81]
    assert configure() == second


def test_program_extends_the_root_schema(folder: Path) -> None:
    train = dataclasses.make_dataclass("Train", [("rate", float)])
    program = dataclasses.make_dataclass("Program", [("train", Any)], bases=(RunConfig,), kw_only=True)
    sections = SECTIONS | {"train": train}
    config = validate(compose([folder], "Base", {"train.rate": 1}), program, sections=sections)
    assert config.train.rate == 1.0
    with pytest.raises(ConfigError) as caught:
        validate(compose([folder], "Base", {"train.rat": 1}), program, sections=sections)
    assert str(caught.value) == "train.rat: unknown key. Did you mean rate?"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("${eq:a,b}", False),
        ("${contains:one,ne}", False),
        ("${if:${eq:a,b},1,2}", 2),
        ("${resolve_default:5,7}", 7),
        ("${resolve_default:5,0}", 0),
        ("${resolve_default:5,null}", 5),
    ],
)
def test_resolvers_compute_expressions(expression: str, expected: Any) -> None:
    register_resolvers()
    assert OmegaConf.create({"x": expression}).x == expected


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("task.sim.robot.densty", 1.0, "task.sim.robot.densty: unknown key. Did you mean density?"),
        ("task.env.resetDist", True, "task.env.resetDist=True: expected a float."),
        ("task.env.limit", "x", "task.env.limit=x: expected a float."),
        ("task.env.gains", ["x"], "task.env.gains=['x']: expected a list[float]."),
        ("num_envs", "many", "task.env.numEnvs=many: expected an int."),
        ("num_envs", 10**12, "task.env.numEnvs=1000000000000: expected a number of at most 2147483647."),
        ("task.sim.substeps", 2**31, "task.sim.substeps=2147483648: expected a number of at most 2147483647."),
        ("num_threads", 2**31, "num_threads=2147483648: expected a number of at most 2147483647."),
        ("num_envs", 0, "task.env.numEnvs=0: expected a number above 0."),
        ("task.env.resetDist", "???", "task.env.resetDist: a value is required."),
        ("task.env.controlFrequencyInv", 0, "task.env.controlFrequencyInv=0: expected a number above 0."),
        ("task.env.envSpacing", -1.0, "task.env.envSpacing=-1.0: expected a number of at least 0."),
        ("task.sim.dt", math.inf, "task.sim.dt=inf: expected a finite number."),
        ("task.sim.substeps", 0, "task.sim.substeps=0: expected a number above 0."),
        ("task.sim.mujoco.tolerance", -1.0, "task.sim.mujoco.tolerance=-1.0: expected a number of at least 0."),
        ("device_id", -1, "device_id=-1: expected a number of at least 0."),
        ("task.env.autoresetMode", "same", "task.env.autoresetMode=same: expected one of auto, same_step, next_step, "
         "upstream. Did you mean same_step?"),
        ("task.env.compat", "x", "task.env.compat=x: expected one of fixed, upstream."),
        ("physics_engine", "mojoco", "physics_engine=mojoco: expected one of mujoco, isaacsim, physx. "
         "Did you mean mujoco?"),
    ],
)  # fmt: skip
def test_invalid_override_raises_one_line(configure: Configure, key: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure({key: value})
    assert str(caught.value) == message


@pytest.mark.parametrize("section", ["task.sim.robot", "task.sim.mujoco", "task.sim"])
def test_number_in_place_of_a_section_raises(configure: Configure, section: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure({section: 3})
    assert str(caught.value).startswith(section)


def test_missing_key_without_default_raises(folder: Path) -> None:
    config = compose([folder], "Base")
    del config.task.env["resetDist"]
    with pytest.raises(ConfigError) as caught:
        validate(config, sections=SECTIONS)
    place = "in the YAML file of the task or in config= of register_task."
    assert str(caught.value) == f"task.env.resetDist: a value is required, {place}"
    del config.task.env["envSpacing"]
    with pytest.raises(ConfigError) as caught:
        validate(config, sections=SECTIONS)
    assert str(caught.value) == f"task.env.envSpacing, task.env.resetDist: values are required, {place}"


def test_broken_interpolation_raises_with_its_key(configure: Configure) -> None:
    with pytest.raises(ConfigError, match=r"\Atask\.env\.resetDist: .*nowhere") as caught:
        configure({"task.env.resetDist": "${nowhere}"})
    assert "\n" not in str(caught.value)


def test_nearest_suggests_at_most_three_names() -> None:
    assert nearest("CARTPOLE", ["Cartpole", "Ant"]) == "Did you mean Cartpole?"
    assert nearest("zzz", []) == "None is available."
    assert nearest("aaaa", ["aaaab", "aaaac", "aaaad", "aaaae"]).count(" or ") == 2


def test_derived_seeds_are_distinct_and_in_range() -> None:
    seeds = {(seed, stream): derive_seed(seed, stream) for seed in range(100) for stream in ("task", "learner", "x")}
    assert len(set(seeds.values())) == 300
    assert all(0 <= value < 2**63 for value in seeds.values())  # what torch's generators take
    # Neighbouring seeds and other streams share no more bits than chance: 31.5 ± 4 of 63.
    for key in ((1, "task"), (0, "learner")):
        assert 12 < (seeds[0, "task"] ^ seeds[key]).bit_count() < 51


@pytest.mark.parametrize(
    ("count", "values", "expected"),
    [
        (0, {}, ("cpu", "cpu")),
        (2, {}, ("cuda:0", "cuda:0")),
        (2, {"device_id": 1}, ("cuda:1", "cuda:1")),
        (2, {"sim_device": "cpu"}, ("cpu", "cpu")),
        (2, {"pipeline": "cpu"}, ("cuda:0", "cpu")),
        (2, {"sim_device": "cpu", "pipeline": "gpu"}, ("cpu", "cuda:0")),
        (0, {"sim_device": "gpu"}, "sim_device=gpu: this machine has no CUDA device; use sim_device=cpu or "
         "sim_device=auto."),
        (0, {"pipeline": "gpu"}, "pipeline=gpu: this machine has no CUDA device; use pipeline=cpu or pipeline=auto."),
        (2, {"device_id": 2}, "device_id=2: expected a number below 2, the number of CUDA devices of this machine."),
    ],
)  # fmt: skip
def test_devices_are_resolved_or_raise(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, count: int, values: dict[str, Any], expected: Any
) -> None:
    monkeypatch.setattr(devices, "cuda_device_count", lambda: count)
    config = dataclasses.replace(configure(), **values)
    if isinstance(expected, tuple):
        assert resolve_devices(config) == Devices(*expected)
        return
    with pytest.raises(ConfigError) as caught:
        resolve_devices(config)
    assert str(caught.value) == expected
