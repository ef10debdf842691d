"""Descriptions of tasks say what the tasks compute: each number of an observation, reward terms, what actions set."""

import operator
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from observed_states import OBSERVED, OF_LAYOUTS, STATES, State
from oige_core import installed_tasks, load_config, make_vec
from oige_core.description import UNITS, ObservationEntry, ResolvedDescription, describe

TASKS = [name for name in installed_tasks() if not name.endswith(("SAC", "_LSTM"))]
QUIET = {"task.domain_randomization.randomize": False}
SMALL: dict[str, dict[str, Any]] = {
    "AnymalTerrain": {"task.env.learn.addNoise": False, "task.env.terrain.numTerrains": 5},
    "CartpoleCamera": {"task.env.cameraWidth": 24, "task.env.cameraHeight": 16},
    "ShadowHandOpenAI_FF": QUIET,
    "TargetFollowing": {"task.env.imageSize": 16},
}
"""Overrides that change no description but make a task quick and its observations exact."""

UPSTREAM = {"task.env.compat": "upstream"}
DELTA = 0.01


def make_task(name: str, overrides: dict[str, Any]) -> Any:
    """Return a task of two worlds after two steps in which no episode ended."""
    env = make_vec(name, num_envs=2, overrides=SMALL.get(name, {}) | overrides, sim_device="cpu")
    env.reset(seed=3)
    actions = torch.linspace(-0.9, 0.9, 2 * env.task.spec.num_actions).view(2, -1)
    for _ in range(2):
        env.step(actions)
    assert not env.task.ended_buf.any()
    return env.task


@pytest.fixture(scope="module", params=TASKS)
def task(request: pytest.FixtureRequest) -> Iterator[Any]:
    task = make_task(request.param, {})
    yield task
    task.engine.close()


@pytest.fixture
def description(task: Any) -> ResolvedDescription:
    return describe(task.config)


def assert_observed(
    entries: tuple[ObservationEntry, ...], observed: torch.Tensor, states: list[State], task: Any
) -> None:
    """Check that observations are the states times the described scales."""
    expected = torch.cat([state(task) for state in states], dim=-1)
    expected = expected * torch.tensor([entry.scale for entry in entries])
    for entry, ours, theirs in zip(entries, observed.unbind(-1), expected.unbind(-1), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4, msg=lambda m, name=entry.name: f"{name}: {m}")


@pytest.mark.parametrize("name", TASKS)
def test_all_layouts_have_distinct_names_and_known_units(name: str) -> None:
    default = describe(load_config(name))
    assert default.source is not None
    for layout in ({}, *default.source.layouts, UPSTREAM):
        described = describe(load_config(name, layout))  # which compares the numbers of entries with the record
        for entries in (described.observations, described.states, described.actions):
            assert len({entry.name for entry in entries}) == len(entries)
            assert {entry.unit for entry in entries} <= set(UNITS)


def test_observations_are_the_described_quantities(task: Any, description: ResolvedDescription) -> None:
    if task.spec.images:
        pytest.skip("observations are images")
    assert_observed(description.observations, task.get_observations(), OBSERVED[task.name], task)


def test_states_are_the_described_quantities(task: Any, description: ResolvedDescription) -> None:
    if not description.states:
        pytest.skip("no privileged states")
    assert_observed(description.states, task.get_states(), STATES, task)


@pytest.mark.parametrize(("name", "kind"), OF_LAYOUTS)
def test_observations_of_other_layouts_are_the_described_quantities(name: str, kind: str) -> None:
    task = make_task(name, {"task.env.observationType": kind})
    entries = describe(task.config).observations
    assert_observed(entries, task.get_observations(), OF_LAYOUTS[name, kind], task)
    task.engine.close()


def joints_of(task: Any, description: ResolvedDescription) -> Iterator[tuple[str, Any, int]]:
    """Yield each joint of which the position or velocity is observed: its name, its view, and its index."""
    names = {
        entry.component
        for entry in (*description.observations, *description.states)
        if entry.quantity.endswith(("joint_position", "joint_velocity", "gimbal_position"))
    }
    for view in vars(task).values():
        for index, name in enumerate(getattr(view, "dof_names", ())):
            if name in names:
                yield name, view, index


def moved(task: Any, view: Any, what: str, index: int) -> torch.Tensor:
    """Return how observations change if a joint's position or velocity does by ``DELTA``."""
    before, values = task.get_observations().clone(), getattr(view, f"get_joint_{what}")()
    changed = values.clone()
    changed[:, index] += DELTA
    getattr(view, f"set_joint_{what}")(changed)
    after = task.get_observations().clone()
    getattr(view, f"set_joint_{what}")(values)
    return after - before


def test_joints_change_only_the_entries_with_their_names(task: Any, description: ResolvedDescription) -> None:
    joints = list(joints_of(task, description))
    named = {e.component for e in description.observations if e.quantity in ("joint_position", "joint_velocity")}
    assert named <= {name for name, _, _ in joints}
    if not joints:
        pytest.skip("no joint is named in observations")
    entries = description.observations
    for name, view, index in joints:
        low, high = view.get_dof_limits()[0, index]
        for what, suffix in (("positions", "_position"), ("velocities", "joint_velocity")):
            changes = moved(task, view, what, index)
            for column, entry in enumerate(entries):
                is_joint = entry.component in view.dof_names and entry.quantity.endswith(("position", "velocity"))
                if not is_joint:
                    continue
                expected = 0.0
                if entry.component == name and entry.quantity.endswith(suffix):
                    unit = 2.0 / (high - low) if entry.relative_to == "limits" else 1.0
                    expected = DELTA * entry.scale * float(unit)
                torch.testing.assert_close(
                    changes[:, column],
                    torch.full((2,), expected),
                    atol=1e-5,
                    rtol=2e-3,
                    msg=lambda m, entry=entry, joint=name, what=what: f"{what} of {joint}, {entry.name}: {m}",
                )


def test_previous_actions_are_those_of_the_step(task: Any, description: ResolvedDescription) -> None:
    columns = [i for i, entry in enumerate(description.observations) if entry.quantity in ("previous_action", "action")]
    if not columns:
        pytest.skip("actions are not observed")
    actions = torch.linspace(-0.8, 0.8, 2 * len(columns)).view(2, -1)
    task.pre_physics_step(actions)
    torch.testing.assert_close(task.get_observations()[:, columns], actions)
    driven = [entry.component for entry in description.actions]
    assert [description.observations[i].component for i in columns] == driven


def test_upstream_terrain_observes_absolute_joint_positions() -> None:
    task = make_task("AnymalTerrain", UPSTREAM)
    entries = [e for e in describe(task.config).observations if e.quantity == "joint_position"]
    assert {entry.relative_to for entry in entries} == {"zero"}
    torch.testing.assert_close(task.get_observations()[:, 12:24], task.anymals.get_joint_positions())
    task.engine.close()


def test_reward_terms_and_weights_are_those_of_the_task(task: Any, description: ResolvedDescription) -> None:
    weights = {term.name: term.weight for term in description.rewards}
    terms = {name: task.reward_weights.get(name, 1.0) for name in task.reward_terms_by_name()}
    assert [name for name, weight in weights.items() if weight] == [name for name, weight in terms.items() if weight]
    assert {name: weights[name] for name in terms} == pytest.approx(terms)


@pytest.mark.parametrize("name", ["Ant", "Anymal", "Crazyflie", "FactoryTaskNutBoltPick", "FrankaDeformable"])
def test_upstream_weights_are_those_of_the_task(name: str) -> None:
    task = make_task(name, UPSTREAM)
    weights = {term.name: term.weight for term in describe(task.config).rewards if term.weight}
    assert weights == pytest.approx(
        {term: task.reward_weights.get(term, 1.0) for term in task.reward_terms_by_name() if term in weights}
    )
    task.engine.close()


def test_episodes_have_the_described_length(task: Any, description: ResolvedDescription) -> None:
    assert description.source is not None
    assert task.time_limit == (description.source.episode_steps or task.cfg.episodeLength)


def test_keys_are_keys_of_the_task(task: Any, description: ResolvedDescription) -> None:
    source = description.source
    assert source is not None
    described = (*source.observations, *source.states, *source.actions, *source.rewards)
    for key in filter(None, (item.key for item in (*described, *source.endings, *source.randomization))):
        operator.attrgetter(key)(task.cfg)
