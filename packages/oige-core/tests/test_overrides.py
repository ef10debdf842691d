"""Overrides of library use: values of other libraries, keys that nothing reads, and what is refused."""

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
import torch
from oige_core import make_vec
from oige_core.config import compose
from oige_core.errors import ConfigError
from oige_core.registry import find_task, load_config
from omegaconf import OmegaConf

ISAAC_SIM = "has no effect; read by Isaac Sim only, not by the embedded engine; leave it out."


def load(overrides: Any, task: str = "Cartpole") -> Any:
    return load_config(task, overrides)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("num_envs", np.int64(8), 8),
        ("num_envs", np.array(8), 8),
        ("num_envs", torch.tensor(8), 8),
        ("seed", np.uint32(7), 7),
        ("task.env.resetDist", np.float32(0.5), 0.5),
        ("task.env.resetDist", np.float64(0.5), 0.5),
        ("headless", np.bool_(True), True),
        ("pipeline", np.str_("cpu"), "cpu"),
        ("task.sim.gravity", np.array([0.0, 0.0, -1.0]), [0.0, 0.0, -1.0]),
        ("task.sim.gravity", (0, 0, np.float32(-1)), [0.0, 0.0, -1.0]),
        ("task.sim", {"substeps": np.int8(3)}, 3),
        ("task.sim.mujoco", OmegaConf.create({"iterations": 3}), 3),
    ],
)
def test_numpy_and_torch_values_are_accepted(key: str, value: Any, expected: Any) -> None:
    config = load({key: value})
    read = {
        "num_envs": config.task.env.numEnvs,
        "seed": config.seed,
        "task.env.resetDist": config.task.env.resetDist,
        "headless": config.headless,
        "pipeline": config.pipeline,
        "task.sim.gravity": config.task.sim.gravity,
        "task.sim": config.task.sim.substeps,
        "task.sim.mujoco": config.task.sim.mujoco.iterations,
    }[key]
    assert read == expected
    assert type(read) is type(expected)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["num_envs=4"], "overrides=['num_envs=4']: expected a mapping of dotted keys"),
        ("num_envs=4", "overrides='num_envs=4': expected a mapping of dotted keys"),
        ({"seed": object}, "seed=<class 'object'>: expected a number, a string, a list or a mapping, not type."),
        ({"seed": 1j}, "seed=1j: expected a number, a string, a list or a mapping, not complex."),
        ({"task.sim.gravity": [0, 0, b"1"]}, "task.sim.gravity=b'1': expected a number, a string, a list or a mapping"),
        ({3: 4}, "3: expected a dotted key, such as task.env.episodeLength."),
        ({"": 4}, "'': expected a dotted key"),
        ({"task..env": 4}, "'task..env': expected a dotted key"),
        ({"task.env[0]": 4}, "'task.env[0]': expected a dotted key"),
        ({"seed": "${"}, "seed=${: "),
        ({"task.sim.mujoco": [], "task.sim.mujoco.solver": "cg"}, "task.sim.mujoco.solver=cg: "),
        ({"seed": np.array([1, 2])}, "seed=[1, 2]: expected an int."),
        ({"seed": PurePosixPath("a")}, "seed=a: expected an int."),
        ({"num_envs": np.float64(1.5)}, "task.env.numEnvs=1.5: expected an int."),
        (
            {"task.sim.actors": {"Cartpole": {}}},
            "task.sim.actors: unknown key; name the section after the scene element",
        ),
        ({"task.sim.physx.solver_type": 0}, f"task.sim.physx.solver_type: {ISAAC_SIM}"),
        ({"task.sim": {"dt": 0.1, "physx": {"solver_type": 0}}}, f"task.sim.physx.solver_type: {ISAAC_SIM}"),
        ({"task.sim.physx": {}}, f"task.sim.physx: {ISAAC_SIM}"),
        ({"task.sim.Cartpole.sleep_threshold": 0}, f"task.sim.Cartpole.sleep_threshold: {ISAAC_SIM}"),
        ({"task.sim.rendering_dt": 0.1}, f"task.sim.rendering_dt: {ISAAC_SIM}"),
        ({"solver_type": 0}, f"solver_type: {ISAAC_SIM}"),
        ({"task.name": "Ant"}, "task.name: has no effect; set task instead."),
        ({"task_name": "Ant"}, "task_name: has no effect; set task instead."),
        ({"task.physics_engine": "physx"}, "task.physics_engine: has no effect; set physics_engine, without task.,"),
        (
            {"task.domain_randomization.randomize": True},
            "task.domain_randomization.randomize=True: task.domain_randomization.randomization_params says nothing to",
        ),
        ({"task.domain_randomization.nonsense": 1}, "task.domain_randomization.nonsense: unknown key."),
        (
            {"task.domain_randomization.randomization_params": {"gravity": 1}},
            "task.domain_randomization.randomization_params.gravity: unknown group. Available: actions,",
        ),
    ],
)
def test_override_without_effect_raises(overrides: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(overrides)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("engine", ["isaacsim", "physx"])
def test_isaac_sim_reads_the_keys_that_mujoco_refuses(engine: str) -> None:
    overrides = {
        "physics_engine": engine,
        "task.sim.physx.bounce_threshold_velocity": 0.5,
        "task.sim.Cartpole.sleep_threshold": 0.25,
        "task.sim.rendering_dt": 0.1,
        "solver_type": 0,
    }
    sim = load(overrides).task.sim
    assert (sim.physx.bounce_threshold_velocity, sim.actors["Cartpole"].sleep_threshold) == (0.5, 0.25)
    assert (sim.rendering_dt, sim.physx.solver_type) == (0.1, 0)
    assert load(overrides | {"task.sim.physx.solver_type": 1}).task.sim.physx.solver_type == 1


@pytest.mark.parametrize(
    ("key", "value", "advice"),
    [
        ("task.sim.mujoco.cone", "elliptic", "read by the embedded engine only, not by Isaac Sim; leave it out"),
        ("num_threads", 2, "read by the embedded engine only, not by Isaac Sim; leave it out"),
        ("task.sim.physx.use_gpu", True, "set sim_device instead"),
        ("task.sim.use_gpu_pipeline", True, "set pipeline instead"),
        ("task.sim.physx.num_threads", 2, "OmniIsaacGymEnvs does not use it; set worker_thread_count"),
        ("task.sim.physx.density", 500.0, "every body states its mass; set task.sim.<name>.density"),
    ],
)
def test_isaac_sim_refuses_keys_that_it_does_not_read(key: str, value: object, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load({"physics_engine": "isaacsim", key: value})
    assert str(caught.value) == f"{key}: has no effect; {advice}."


@pytest.mark.parametrize(("key", "value"), [("gpu_heap_capacity", 0), ("contact_offset", -0.1), ("solver_type", 2)])
def test_impossible_settings_of_physx_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=rf"task\.sim\.physx\.{key}={value}: expected "):
        load({"physics_engine": "isaacsim", f"task.sim.physx.{key}": value})


def test_yaml_files_may_contain_isaac_sim_keys() -> None:
    assert load({}, "BallBalance").task.sim.physx.gpu_found_lost_pairs_capacity == 262144


def test_task_file_with_the_name_of_another_task_raises(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a file that inherits Cartpole's without a name of its own: Cartpole itself would have been built."""
    cartpole = find_task("Cartpole")
    renamed = cartpole.__class__(**{**vars(cartpole), "name": "Mine", "cfg": tmp_path})
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "Mine.yaml").write_text("defaults: [Cartpole, _self_]\nenv: {resetDist: 1.0}")
    monkeypatch.setattr("oige_core.envs.make.find_task", lambda name: renamed)
    with pytest.raises(ConfigError) as caught:
        make_vec("Mine")
    assert str(caught.value) == "task.name=Cartpole: expected Mine; correct the name in task/Mine.yaml."


def test_yaml_file_in_two_packages_raises(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "CartpolePPO.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"train/CartpolePPO\.yaml: is in both .*; rename one of the two files\."):
        compose([find_task("Cartpole").cfg, tmp_path], "Cartpole")
