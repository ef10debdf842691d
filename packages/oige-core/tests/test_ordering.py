"""Kernels that append contacts and constraint rows are ordered, and no others; scenes choose whether they are."""

from types import SimpleNamespace
from typing import Any

import pytest
import warp as wp
from mujoco_warp import DeterminismType
from oige_core.config import MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import on_warp
from oige_core.engines.mujoco.executors import warp as executors
from oige_core.engines.mujoco.executors.ordering import order_appends


def make_module(file: str, changes: list[str]) -> Any:
    function = SimpleNamespace(__module__=f"mujoco_warp._src.{file}")
    kernels = {"kernel": SimpleNamespace(func=function)}
    return SimpleNamespace(kernels=kernels, options={}, mark_modified=lambda: changes.append(file))


def test_only_modules_that_append_are_ordered_and_compiled_again_once() -> None:
    changes: list[str] = []
    modules = [make_module(file, changes) for file in ("collision_convex", "solver", "constraint", "smooth")]
    order_appends((module, 128) for module in modules)
    order_appends((module, 128) for module in modules)
    assert changes == ["collision_convex", "constraint"]
    ordered = {"deterministic": wp.DeterministicMode.RUN_TO_RUN, "deterministic_max_records": 64}
    assert [module.options for module in modules] == [ordered, {}, ordered, {}]


@pytest.mark.parametrize(
    ("deterministic", "given", "expected"),
    [
        (False, {}, (0, False)),
        (True, {}, (int(DeterminismType.ALL), True)),
        (True, {"deterministic": 0, "ordered": False}, (0, False)),
        (False, {"deterministic": 4, "ordered": True}, (4, True)),
    ],
)
def test_scene_is_deterministic_if_its_configuration_says_so(
    deterministic: bool, given: dict[str, Any], expected: tuple[int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, Any] = {}
    monkeypatch.setattr(executors, "WarpExecutor", lambda *others, **named: taken.update(named))
    scene: Any = SimpleNamespace(sim=SimConfig(mujoco=MujocoConfig(deterministic=deterministic)))
    compiled: Any = SimpleNamespace(model=None, other_models=tuple)
    on_warp(2, "cpu", **given)(compiled, scene)
    assert (taken["deterministic"], taken["ordered"]) == expected
