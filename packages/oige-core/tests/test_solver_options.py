"""Options of ``task.sim.mujoco`` reach the model of each executor, or are refused before anything is built."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from oige_core.config import MujocoConfig, RunConfig
from oige_core.devices import Devices, resolve_devices
from oige_core.errors import ConfigError
from oige_core.registry import load_config

# key: a value that is not the default, and the number that MuJoCo has for it
OPTIONS: dict[str, tuple[Any, float]] = {
    "integrator": ("rk4", 1),
    "cone": ("pyramidal", 0),
    "solver": ("cg", 1),
    "iterations": (7, 7),
    "ls_iterations": (6, 6),
    "tolerance": (1e-5, 1e-5),
    "impratio": (4.0, 4.0),
    "noslip_iterations": (3, 3),
    "ccd_iterations": (9, 9),
}
SIZES = {"max_contacts", "max_constraints"}
OPTIONS_OF_SDF = {"sdf_iterations", "sdf_initpoints"}  # see test_rigid_assets.py
OPTIONS_OF_WARP = {"deterministic"}  # see test_ordering.py


def test_every_solver_option_is_tested() -> None:
    assert OPTIONS.keys() | SIZES | OPTIONS_OF_SDF | OPTIONS_OF_WARP == {
        field.name for field in dataclasses.fields(MujocoConfig)
    }
    for key, (value, _) in OPTIONS.items():
        assert getattr(MujocoConfig(), key) != value, key


def test_solver_options_reach_the_model(build: Callable[..., Any], executor: str) -> None:
    config = MujocoConfig(**{key: value for key, (value, _) in OPTIONS.items()})
    world = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1)}, executor=executor, mujoco=config)
    models = [world.engine.compiled.model]
    if executor != "c":
        models.append(world.engine.executor._model)
    for model in models:
        for key, (_, number) in OPTIONS.items():
            value: Any = getattr(model.opt, key, None)
            if key == "impratio" and value is None:  # MuJoCo Warp keeps its inverse square root
                value = model.opt.impratio_invsqrt.numpy()[0] ** -2.0
            value = value.numpy()[0] if hasattr(value, "numpy") else value
            assert float(value) == pytest.approx(number), key


@pytest.mark.parametrize(
    ("name", "number"), [("euler", 0), ("rk4", 1), ("implicit", 2), ("implicitfast", 3), ("discrete", 4)]
)
def test_integrators_match_mujoco(build: Callable[..., Any], name: Any, number: int) -> None:
    world = build(lambda scene: {"ball": scene.add_sphere("ball", radius=0.1)}, mujoco=MujocoConfig(integrator=name))
    assert int(world.engine.compiled.model.opt.integrator) == number


def run_config(**values: Any) -> RunConfig:
    return load_config("Cartpole", {f"task.sim.mujoco.{key}": value for key, value in values.items()})


def test_option_unsupported_by_mujoco_warp_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    config = run_config(integrator="discrete", noslip_iterations=3)
    config.sim_device = "cpu"
    assert resolve_devices(config) == Devices("cpu", "cpu")
    monkeypatch.setattr("oige_core.devices.cuda_device_count", lambda: 1)
    config.sim_device = "gpu"
    with pytest.raises(ConfigError) as caught:
        resolve_devices(config)
    assert str(caught.value) == (
        "task.sim.mujoco.noslip_iterations=3: MuJoCo Warp, which simulates on cuda:0, has no such pass with "
        "integrator=discrete; use another integrator, noslip_iterations=0 or sim_device=cpu."
    )
    assert (
        resolve_devices(dataclasses.replace(run_config(noslip_iterations=3), sim_device="gpu")).simulation == "cuda:0"
    )
