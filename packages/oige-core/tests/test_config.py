"""Composing and checking configurations without Hydra: what a user can get wrong, and what is said."""

import subprocess
import sys
from typing import Any

import pytest
from oige_core.config import register_resolvers
from oige_core.errors import ConfigError, nearest
from oige_core.registry import UnknownTaskError, find_task, load_config
from oige_core.seeding import derive_seed
from omegaconf import OmegaConf


def load(**overrides: Any) -> Any:
    return load_config("Cartpole", {key.replace("__", "."): value for key, value in overrides.items()})


def test_defaults_and_overrides_reach_the_typed_configuration():
    config = load(num_envs=8, task__sim__mujoco__iterations=3, task__env__resetDist=2)
    assert config.task.env.numEnvs == 8
    assert config.task.env.maxEffort == 400.0
    assert config.task.env.resetDist == 2.0
    assert isinstance(config.task.env.resetDist, float)
    assert config.task.sim.mujoco.iterations == 3
    assert config.task.sim.dt == 0.0083
    assert load().task.env.numEnvs == 512


def test_section_named_after_a_scene_element_is_its_actor_configuration():
    config = load(task__sim__Cartpole={"enable_self_collisions": 1})
    assert config.task.sim.actors["Cartpole"].enable_self_collisions == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("sede", 3, "sede: unknown key. Did you mean seed?"),
        ("resetDist", 3, "resetDist: unknown key. Did you mean task.env.resetDist?"),
        ("task__env__dt", 3, "task.env.dt: unknown key. Did you mean task.sim.dt?"),
        ("density", 3, "density: unknown key. Did you mean task.sim.physx.density?"),
        ("task__env__maxEfort", 3, "task.env.maxEfort: unknown key. Did you mean maxEffort?"),
        ("task__sim__dtt", 3, "task.sim.dtt: unknown key. Did you mean dt?"),
        ("task__env__maxEffort", "abc", "task.env.maxEffort=abc: expected a float."),
        ("task__env__episodeLength", 1.5, "task.env.episodeLength=1.5: expected an int."),
        ("headless", "maybe", "headless=maybe: expected a bool."),
        ("task__env__numEnvs", -3, "task.env.numEnvs=-3: expected a number above 0."),
        ("task__sim__dt", 0, "task.sim.dt=0.0: expected a number above 0."),
        ("task__env__clipActions", float("nan"), "task.env.clipActions=nan: expected a finite number."),
        ("task__sim__gravity", [0, 1], "task.sim.gravity=[0.0, 1.0]: expected three numbers, in m/s²."),
        ("pipeline", "gpuu", "pipeline=gpuu: expected one of auto, gpu, cpu. Did you mean gpu?"),
        ("task__env", 3, "task.env=3: expected a section with keys."),
        ("seed", -2, "seed=-2: expected -1 (random) or a number of at least 0."),
    ],
)
def test_invalid_values_raise_one_line(key, value, message):
    with pytest.raises(ConfigError) as error:
        load(**{key: value})
    assert str(error.value) == message


def test_unknown_task_suggests_the_nearest():
    with pytest.raises(UnknownTaskError, match=r"task=cartpol: unknown task 'cartpol'. Did you mean Cartpole\b"):
        find_task("cartpol")
    assert nearest("zzz", ["b", "a"]) == "Available: a, b."


def test_resolvers_match_upstream():
    register_resolvers()
    register_resolvers()
    values = {
        "a": "${eq:GPU,gpu}",
        "b": "${contains:gp,GPU}",
        "c": "${if:${.a},1,2}",
        "n": "",
        "d": "${resolve_default:7,${.n}}",
    }
    resolved = OmegaConf.to_container(OmegaConf.create(values), resolve=True)
    assert resolved == {"a": True, "b": True, "c": 1, "n": "", "d": 7}


def test_streams_of_one_seed_are_reproducible_and_differ():
    assert derive_seed(1, "task") == derive_seed(1, "task")
    assert len({derive_seed(seed, name) for seed in range(10) for name in ("task", "learner")}) == 20
    assert derive_seed(-1, "task") != derive_seed(-1, "task")


def test_validating_a_configuration_imports_neither_torch_nor_mujoco():
    code = (
        "import sys, oige_core; from oige_core.registry import load_config; load_config('Cartpole');"
        "assert not {'torch', 'mujoco', 'hydra', 'rl_games'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
