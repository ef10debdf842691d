"""Domain randomisation works in every torch task: of all properties of its articulations, in several episodes."""

from typing import Any

import pytest
import torch
from oige_core import make_vec
from oige_core.randomization.attributes import ATTRIBUTES
from oige_core.registry import installed_tasks

GROUP = "articulation_views"
SMALL: dict[str, dict[str, Any]] = {
    "AnymalTerrain": {"task.env.terrain.numLevels": 1, "task.env.terrain.numTerrains": 1},
    "CartpoleCamera": {"task.env.cameraHeight": 16, "task.env.cameraWidth": 24},
    "FactoryTaskNutBoltPick": {"task.env.close_and_lift": False},
    "TargetFollowing": {"task.env.imageSize": 16},
}
TASKS = [
    name
    for name in installed_tasks()
    if not name.endswith("SAC") and "OpenAI" not in name  # those are the same classes
    if name != "FactoryTaskNutBolt"  # its shortest episode has 561 steps; its parts are tested
]
SCALE = {"operation": "scaling", "distribution": "uniform", "distribution_parameters": [0.95, 1.05]}
NOISE = {"operation": "additive", "distribution": "gaussian", "distribution_parameters": [0.0, 0.02]}
UP_TO_TWO_STEPS = {"on_reset": {"operation": "direct", "distribution": "uniform", "distribution_parameters": [0, 2]}}
SOMETIMES = {"on_reset": {"operation": "direct", "distribution": "uniform", "distribution_parameters": [0.1, 0.2]}}
EVERY_STEP = {"on_interval": NOISE | {"frequency_interval": 1}}


def make(name: str, **overrides: Any) -> Any:
    options = {"num_threads": 1, "sim_device": "cpu", "task.env.episodeLength": 6} | SMALL.get(name, {})
    return make_vec(name, 4, options | {f"task.domain_randomization.{key}": value for key, value in overrides.items()})


def articulations(task: Any) -> dict[str, Any]:
    return {view.name: view for view in vars(task).values() if hasattr(view, "dof_names")}


@pytest.mark.parametrize("name", TASKS)
def test_task_runs_with_everything_randomised(name: str) -> None:
    plain = make(name, randomize=False)
    blocks = {
        f"{view_name}_view": {
            key: {"on_reset": NOISE if attribute.is_zero else SCALE}
            for key, attribute in ATTRIBUTES[GROUP].items()
            if attribute.kind == "property" and "MuJoCo" in attribute.engines and "on_reset" in attribute.triggers
            if attribute.read(view)[0].numel()
        }
        for view_name, view in articulations(plain.task).items()
    }
    plain.close()
    env = make(
        name,
        randomize=True,
        randomization_params={
            "observations": {"on_reset": NOISE, "delay": UP_TO_TWO_STEPS, "drop": SOMETIMES} | EVERY_STEP,
            "actions": {"delay": UP_TO_TWO_STEPS, "drop": SOMETIMES} | EVERY_STEP,
            "simulation": {"gravity": {"on_interval": SCALE | {"frequency_interval": 4}}},
            GROUP: blocks,
        },
    )
    targets = env.task.randomization.targets
    actions = torch.zeros(env.action_space.shape)
    env.reset()
    ended = 0
    for _ in range(14):
        observations, rewards, terminated, truncated, _ = env.step(actions)
        ended += int((terminated | truncated).sum())
        assert observations.float().isfinite().all()
        assert rewards.isfinite().all()
    assert ended >= 8
    assert not sum(env.problems().values())
    changed = 0
    for target in (target for path, target in targets.items() if path[0] == GROUP):
        values, base = target.read(), target.base
        moves = (base != 0) & base.isfinite()
        changed += int((values != base)[moves].sum())
        assert ((values - base).abs()[moves] <= 0.0501 * base.abs()[moves]).all()
        assert not values[moves].eq(base[moves]).all() or not moves.any()
    assert changed
    env.close()


# Of each attribute: the least and the largest factor, or the standard deviation of what is added.
FACTORS = {
    ("rigid_prim_views", "object_view", "material_properties"): (0.7, 1.3),
    ("rigid_prim_views", "object_view", "scale"): (0.95, 1.05),
    ("rigid_prim_views", "object_view", "mass"): (0.5, 1.5),
    ("articulation_views", "shadow_hand_view", "stiffness"): (0.75, 1.5),
    ("articulation_views", "shadow_hand_view", "damping"): (0.3, 3.0),
    ("articulation_views", "shadow_hand_view", "tendon_stiffnesses"): (0.75, 1.5),
    ("articulation_views", "shadow_hand_view", "tendon_dampings"): (0.3, 3.0),
    ("articulation_views", "shadow_hand_view", "material_properties"): (0.7, 1.3),
}
ADDED = {
    ("articulation_views", "shadow_hand_view", "lower_dof_limits"): 0.01,
    ("articulation_views", "shadow_hand_view", "upper_dof_limits"): 0.01,
}


def test_hands_are_randomised_as_in_the_original() -> None:
    """The block of ShadowHandOpenAI_FF: factors fill their ranges, limits move by hundredths of a radian."""
    n = 64
    overrides = {"num_threads": 1, "sim_device": "cpu", "task.domain_randomization.randomize": True}
    env: Any = make_vec("ShadowHandOpenAI_FF", n, overrides)
    targets = env.task.randomization.targets
    assert targets.keys() == FACTORS.keys() | ADDED.keys() | {("simulation", "gravity")}
    nominal = {path: target.nominal.clone() for path, target in targets.items()}
    env.reset()
    for path, (low, high) in FACTORS.items():
        moves = nominal[path] != 0
        factors = (targets[path].read() / targets[path].nominal)[:, moves]
        if path[-1] == "mass":  # in proportion to the volume of the scaled object, then by its own factor
            factors = targets[path].read() / targets[path].base
        assert ((factors >= low - 1e-4) & (factors <= high + 1e-4)).all(), path
        if factors.numel():
            assert (factors.max() - factors.min()) > 0.7 * (high - low), path
            assert len(factors[:, 0].unique()) > n / 2, path  # materials have 250 buckets
    for path, deviation in ADDED.items():
        added = (targets[path].read() - nominal[path]).flatten()
        error = deviation / (2 * len(added)) ** 0.5
        assert abs(added.std() - deviation) < 5 * error, path
    assert (targets["simulation", "gravity"].read() == nominal["simulation", "gravity"]).all()
    env.close()
