"""Descriptions of tasks: what each number of observations and actions means, what is rewarded, what ends an episode.

A description is plain data beside a task, which its :class:`~oige_core.spec.TaskSpec` names. The pages in docs/tasks
and the contract of exported policies are made from it. Importing it imports neither torch nor an engine.
"""

import importlib
import inspect
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from oige_core.config import RunConfig
from oige_core.errors import OigeError
from oige_core.registry import find_task, load_spec
from oige_core.spec import TaskSpec

__all__ = [
    "QUATERNION",
    "UNITS",
    "XYZ",
    "ActionEntry",
    "Command",
    "CommandKind",
    "Ending",
    "ObservationEntry",
    "Quantity",
    "Randomization",
    "Reference",
    "ResolvedDescription",
    "ResolvedReward",
    "RewardTerm",
    "TaskDescription",
    "component_names",
    "describe",
    "load_description",
]

UNITS = ("1", "m", "rad", "m/s", "rad/s", "N", "N·m", "N/s", "0 to 255", "0 to 1")
"""Units of observations and actions. ``1`` means without unit; the last two are levels of image channels."""

XYZ = ("x", "y", "z")
QUATERNION = ("w", "x", "y", "z")

Reference = Literal["zero", "limits", "default_pose", "current"]
"""What positions are relative to.

``zero``: nothing. ``limits``: −1 is the lower limit of the joint and 1 the upper one. ``default_pose``: the joint's
position in the default pose. ``current``: where the robot is when the action arrives.
"""

CommandKind = Literal[
    "effort", "force", "force_rate", "position_target", "position_target_speed", "velocity_target", "none"
]
"""What an action sets.

``effort``: force or torque of a joint. ``force``: force or torque on a body. ``force_rate``: change of such a force per
second. ``position_target``, ``velocity_target``: target of a drive or a controller. ``position_target_speed``: change
of a position target per second. ``none``: nothing.
"""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """A quantity in an observation: one number, or one for each component.

    An observed number is the quantity in ``unit``, relative to ``relative_to``, times ``scale`` and the value of
    ``key``, clamped to ±``clipObservations``.

    Attributes:
        name: its name, unique in the observation, such as ``joint_velocity``.
        text: what it is, for people.
        unit: its unit, one of :data:`UNITS`, or one unit for each component.
        components: names of its numbers, such as joints or axes; none if it is one number.
        scale: factor of the observed number.
        key: dotted key below ``task.env`` whose value is another factor, if any.
        relative_to: what it is relative to.
    """

    name: str
    text: str
    unit: str | tuple[str, ...] = "1"
    components: tuple[str, ...] = ()
    scale: float = 1.0
    key: str = ""
    relative_to: Reference = "zero"


@dataclass(frozen=True, kw_only=True)
class Command:
    """What one or more actions set.

    Action a stands for (``offset`` + ``scale`` · a) times the value of ``key``, in ``unit``, relative to
    ``relative_to``.

    Attributes:
        name: its name, unique among the actions, such as ``joint_torque``.
        text: what it is, for people.
        kind: what it sets.
        unit: its unit, one of :data:`UNITS`, or one unit for each component.
        components: names of its numbers, such as joints or axes; none if it is one number.
        scale: factor of the action, or one factor for each component.
        key: dotted key below ``task.env`` whose value, or sequence of one value for each component, is another factor.
        relative_to: what it is relative to.
        offset: value at action 0, or one value for each component.
    """

    name: str
    text: str
    kind: CommandKind
    unit: str | tuple[str, ...] = "1"
    components: tuple[str, ...] = ()
    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    key: str = ""
    relative_to: Reference = "zero"


@dataclass(frozen=True, kw_only=True)
class RewardTerm:
    """A term of the reward of a step: ``text`` times ``weight`` times the value of ``key``.

    Attributes:
        name: name under which training logs it.
        text: its value before the weight, for people.
        weight: factor.
        key: dotted key below ``task.env`` whose value is another factor, if any.
    """

    name: str
    text: str
    weight: float = 1.0
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A condition that ends an episode before its time.

    Attributes:
        text: the condition, for people, a sentence without its full stop.
        truncation: whether it truncates the episode instead of terminating it.
        key: dotted key below ``task.env`` that sets it, if any.
    """

    text: str
    truncation: bool = False
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class Randomization:
    """A quantity that is drawn at random.

    Attributes:
        text: the quantity and its range with units, for people.
        when: when it is drawn: ``reset``, ``step`` or a time such as ``15 s``.
        key: dotted key below ``task.env`` that sets it, if any.
    """

    text: str
    when: str = "reset"
    key: str = ""


@dataclass(frozen=True, kw_only=True)
class TaskDescription:
    """The description of a task with one configuration.

    Attributes:
        summary: what the robot does, one or two sentences.
        observations: quantities of an observation in order; of images, one for each channel.
        states: quantities of the privileged state of an asymmetric critic in order.
        actions: commands in the order of the actions.
        rewards: terms of the reward in the order in which they are logged.
        endings: conditions that end an episode before its time.
        randomization: quantities that are drawn at random.
        episode_steps: control steps after which an episode is truncated; 0: ``episodeLength``.
        success: when an episode is a success and what is logged about it; empty if the task does not say.
        observation_notes: Markdown that explains the observations.
        action_notes: Markdown that explains the actions.
        reward_notes: Markdown that explains the rewards.
        layouts: overrides by dotted key, one mapping for each other layout of observations, states or actions.
    """

    summary: str
    observations: tuple[Quantity, ...]
    actions: tuple[Command, ...]
    rewards: tuple[RewardTerm, ...]
    endings: tuple[Ending, ...] = ()
    randomization: tuple[Randomization, ...] = ()
    states: tuple[Quantity, ...] = ()
    episode_steps: int = 0
    success: str = ""
    observation_notes: str = ""
    action_notes: str = ""
    reward_notes: str = ""
    layouts: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, kw_only=True)
class ObservationEntry:
    """One number of an observation, or of a privileged state.

    Attributes:
        name: its own name, such as ``joint_velocity[LF_HAA]``.
        quantity: name of the quantity, without the component.
        component: name of the component, empty if the quantity is one number.
        text: what the quantity is, for people.
        unit: unit of the quantity, one of :data:`UNITS`; empty if the task has no description.
        scale: the observed number is the quantity times this.
        relative_to: what the quantity is relative to. With ``limits``, ``scale`` applies to the position from −1 to 1.
    """

    name: str
    quantity: str
    component: str
    text: str = ""
    unit: str = ""
    scale: float = 1.0
    relative_to: Reference = "zero"


@dataclass(frozen=True, kw_only=True)
class ActionEntry:
    """One number of an action; attributes as in :class:`ObservationEntry`.

    Attributes:
        kind: what the action sets; empty if the task has no description.
        scale: change of the quantity per unit of action.
        offset: value of the quantity at action 0.
    """

    name: str
    quantity: str
    component: str
    text: str = ""
    kind: CommandKind | Literal[""] = ""
    unit: str = ""
    scale: float = 1.0
    offset: float = 0.0
    relative_to: Reference = "zero"


@dataclass(frozen=True, kw_only=True)
class ResolvedReward:
    """A term of the reward with the weight of a configuration.

    Attributes:
        name: name under which training logs it.
        text: its value before the weight, for people.
        weight: factor.
    """

    name: str
    text: str
    weight: float


@dataclass(frozen=True, kw_only=True)
class ResolvedDescription:
    """What each number means with one configuration.

    Attributes:
        task: name of the task.
        observations: numbers of an observation in order; of images, the channels of a pixel.
        states: numbers of the privileged state in order.
        actions: numbers of an action in order.
        rewards: terms of the reward; empty if the task has no description.
        source: the description, or None: the task has none, so that names are numbers: ``observation[0]``.
    """

    task: str
    observations: tuple[ObservationEntry, ...]
    states: tuple[ObservationEntry, ...]
    actions: tuple[ActionEntry, ...]
    rewards: tuple[ResolvedReward, ...] = ()
    source: TaskDescription | None = field(default=None, repr=False)


def component_names(parts: Sequence[str], components: Sequence[str] = XYZ) -> tuple[str, ...]:
    """Return ``part.component`` for all components of the first part, then of the second, and so on."""
    return tuple(f"{part}.{component}" for part in parts for component in components)


def load_description(spec: TaskSpec[Any], config: RunConfig) -> TaskDescription | None:
    """Return the description of a task with a validated configuration, or None if it has none.

    Raises:
        OigeError: the record names something else.
    """
    if spec.description is None:
        return None
    module, _, name = spec.description.partition(":")
    found: Any = getattr(importlib.import_module(module), name, None)
    if inspect.isfunction(found):
        found = found(config.task.env, config)
    if not isinstance(found, TaskDescription):
        kind = "nothing" if found is None else type(found).__name__
        raise OigeError(f"{spec.description}: expected a TaskDescription, found {kind}; correct the task's record.")
    return found


def describe(config: RunConfig) -> ResolvedDescription:
    """Return what each number of the observations, states and actions of a configuration means.

    Args:
        config: the validated configuration, such as that of :func:`~oige_core.registry.load_config`.

    Raises:
        OigeError: the task is unknown, or its description has another number of entries than the task.
    """
    task, env = config.task.name, config.task.env
    spec = load_spec(find_task(task))
    sizes = (spec.shape_for(env)[-1], spec.states_for(env), spec.num_actions)
    description = load_description(spec, config)
    if description is None:
        return ResolvedDescription(
            task=task,
            observations=_numbered("observation", sizes[0]),
            states=_numbered("state", sizes[1]),
            actions=tuple(
                ActionEntry(name=f"action[{i}]", quantity="action", component=str(i)) for i in range(spec.num_actions)
            ),
        )
    resolved = ResolvedDescription(
        task=task,
        observations=_observed(description.observations, env),
        states=_observed(description.states, env),
        actions=_commanded(description.actions, env),
        rewards=tuple(
            ResolvedReward(name=term.name, text=term.text, weight=term.weight * _value(env, term.key))
            for term in description.rewards
        ),
        source=description,
    )
    described = (len(resolved.observations), len(resolved.states), len(resolved.actions))
    for what, count, expected in zip(("observations", "states", "actions"), described, sizes, strict=True):
        if count != expected:
            raise OigeError(f"task={task}: its description has {count} {what}, expected {expected}; correct it.")
    return resolved


def _observed(quantities: tuple[Quantity, ...], env: Any) -> tuple[ObservationEntry, ...]:
    """Return an entry for each number."""
    return tuple(
        ObservationEntry(
            name=_name(quantity.name, component),
            quantity=quantity.name,
            component=component,
            text=quantity.text,
            unit=unit,
            scale=quantity.scale * _value(env, quantity.key),
            relative_to=quantity.relative_to,
        )
        for quantity in quantities
        for component, unit in zip(quantity.components or ("",), _each(quantity.unit, quantity.components), strict=True)
    )


def _commanded(commands: tuple[Command, ...], env: Any) -> tuple[ActionEntry, ...]:
    """Return an entry for each action."""
    return tuple(
        ActionEntry(
            name=_name(command.name, component),
            quantity=command.name,
            component=component,
            text=command.text,
            kind=command.kind,
            unit=unit,
            scale=scale * factor,
            offset=offset * factor,
            relative_to=command.relative_to,
        )
        for command in commands
        for component, unit, scale, offset, factor in zip(
            command.components or ("",),
            _each(command.unit, command.components),
            _each(command.scale, command.components),
            _each(command.offset, command.components),
            _each(_values(env, command.key), command.components),
            strict=True,
        )
    )


def _numbered(name: str, size: int) -> tuple[ObservationEntry, ...]:
    """Return entries without description."""
    return tuple(ObservationEntry(name=f"{name}[{i}]", quantity=name, component=str(i)) for i in range(size))


def _name(quantity: str, component: str) -> str:
    return f"{quantity}[{component}]" if component else quantity


def _value(env: Any, key: str) -> float:
    """Return the value of a dotted key below ``task.env``, or 1 without a key."""
    return float(operator.attrgetter(key)(env)) if key else 1.0


def _values(env: Any, key: str) -> float | tuple[float, ...]:
    """Return the value of a key, or its values if it is a sequence."""
    values = operator.attrgetter(key)(env) if key else 1.0
    return tuple(values) if isinstance(values, Sequence) else float(values)


EachT = TypeVar("EachT")


def _each(value: EachT | tuple[EachT, ...], components: tuple[str, ...]) -> tuple[EachT, ...]:
    """Return one value for each component."""
    return value if isinstance(value, tuple) else (value,) * max(len(components), 1)
