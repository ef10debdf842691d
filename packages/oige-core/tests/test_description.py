"""Descriptions of tasks are resolved to one entry for each number, with the scales of a configuration."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from oige_core import EnvConfig, OigeError, TaskSpec, description
from oige_core.config import RunConfig, TaskConfig
from oige_core.description import XYZ, Command, Quantity, RewardTerm, TaskDescription, component_names, describe

LEGS = ("left", "right")
WALK = TaskDescription(
    summary="Two legs walk.",
    observations=(
        Quantity(name="height", text="height", unit="m"),
        Quantity(name="position", text="positions", unit=("rad", "m"), components=LEGS, relative_to="limits"),
        Quantity(name="velocity", text="velocities", unit="rad/s", components=LEGS, scale=0.5, key="gains.velocity"),
    ),
    states=(Quantity(name="force", text="force", unit="N", components=XYZ),),
    actions=(
        Command(name="torque", text="torques", kind="effort", components=LEGS, scale=(2.0, 3.0), key="power"),
        Command(name="lift", text="lifts", kind="force", components=LEGS, scale=0.5, offset=(0.5, 0.0), key="lifts"),
    ),
    rewards=(RewardTerm(name="speed", text="speed", weight=-2.0, key="power"), RewardTerm(name="alive", text="1")),
)


@dataclass
class Gains:
    velocity: float = 0.1


@dataclass(kw_only=True)
class WalkConfig(EnvConfig):
    power: float = 10.0
    lifts: tuple[float, float] = (4.0, 6.0)
    gains: Gains


Describe = Callable[[object], description.ResolvedDescription]


@pytest.fixture
def describe_walk(monkeypatch: pytest.MonkeyPatch) -> Describe:
    """Resolve a description, or a function, of a task with 5 observations, 3 states and 4 actions."""
    spec: TaskSpec[Any] = TaskSpec(
        task="", env=WalkConfig, observation_shape=(5,), num_actions=4, num_states=3, description=f"{__name__}:FOUND"
    )
    env = WalkConfig(numEnvs=1, envSpacing=1.0, episodeLength=10, gains=Gains())
    config = RunConfig(task=TaskConfig(name="Walk", env=env))
    monkeypatch.setattr(description, "find_task", lambda name: name)

    def resolve(found: object) -> description.ResolvedDescription:
        named = replace(spec, description=None) if found is None else spec
        monkeypatch.setattr(description, "load_spec", lambda task: named)
        monkeypatch.setitem(globals(), "FOUND", found)
        return describe(config)

    return resolve


def test_each_number_has_a_name_a_unit_and_the_scale_of_the_configuration(describe_walk: Describe) -> None:
    walk = describe_walk(WALK)
    assert [(entry.name, entry.unit, entry.scale, entry.relative_to) for entry in walk.observations] == [
        ("height", "m", 1.0, "zero"),
        ("position[left]", "rad", 1.0, "limits"),
        ("position[right]", "m", 1.0, "limits"),
        ("velocity[left]", "rad/s", 0.05, "zero"),
        ("velocity[right]", "rad/s", 0.05, "zero"),
    ]
    assert [(entry.name, entry.quantity, entry.component) for entry in walk.states] == [
        (f"force[{axis}]", "force", axis) for axis in "xyz"
    ]
    assert [(entry.name, entry.kind, entry.scale, entry.offset) for entry in walk.actions] == [
        ("torque[left]", "effort", 20.0, 0.0),
        ("torque[right]", "effort", 30.0, 0.0),
        ("lift[left]", "force", 2.0, 2.0),
        ("lift[right]", "force", 3.0, 0.0),
    ]
    assert [(term.name, term.weight) for term in walk.rewards] == [("speed", -20.0), ("alive", 1.0)]


def test_a_function_describes_the_configuration(describe_walk: Describe) -> None:
    def walk(env: WalkConfig, config: RunConfig) -> TaskDescription:
        return replace(WALK, summary=f"{config.task.name} with a power of {env.power:g}.")

    source = describe_walk(walk).source
    assert source is not None
    assert source.summary == "Walk with a power of 10."


def test_a_task_without_description_has_numbered_entries(describe_walk: Describe) -> None:
    walk = describe_walk(None)
    assert [entry.name for entry in walk.observations] == [f"observation[{i}]" for i in range(5)]
    assert [entry.name for entry in walk.states] == ["state[0]", "state[1]", "state[2]"]
    assert [entry.name for entry in walk.actions] == [f"action[{i}]" for i in range(4)]
    assert (walk.rewards, walk.source, walk.actions[0].kind, walk.observations[0].unit) == ((), None, "", "")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            replace(WALK, observations=WALK.observations[1:]),
            "task=Walk: its description has 4 observations, expected 5; correct it.",
        ),
        (replace(WALK, states=()), "task=Walk: its description has 0 states, expected 3; correct it."),
        (
            replace(WALK, actions=WALK.actions * 2),
            "task=Walk: its description has 8 actions, expected 4; correct it.",
        ),
        ((1, 2), f"{__name__}:FOUND: expected a TaskDescription, found tuple; correct the task's record."),
    ],
)
def test_a_description_that_does_not_fit_raises(describe_walk: Describe, found: object, message: str) -> None:
    with pytest.raises(OigeError) as error:
        describe_walk(found)
    assert str(error.value) == message


def test_component_names_are_parts_first() -> None:
    assert component_names(("a", "b"), ("x", "y")) == ("a.x", "a.y", "b.x", "b.y")
