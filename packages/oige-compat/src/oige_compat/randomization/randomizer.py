"""Draws values in the worlds of a session, as the graph of Replicator does in Isaac Sim.

An attribute keeps two values in each world: that at registration, and that after the last draw at a reset. A draw at a
reset changes the former, a draw at an interval the latter.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from oige_core.errors import OigeError
from oige_core.randomization.attribute import Attribute
from oige_core.randomization.attributes import ATTRIBUTES
from oige_core.randomization.distributions import Distribution
from oige_core.randomization.schema import DrawConfig
from oige_core.randomization.targets import Target

from oige_compat.errors import CompatError, caller
from oige_compat.randomization.items import Item, uniform
from oige_compat.session import session

__all__ = ["SEED", "Randomizer", "note_without_effect", "randomizer"]

SEED = "/replicator/seed"
"""The setting of the application that holds the seed."""

RESET = 0
"""The interval of draws at resets."""

KINDS = {"Uniform": "uniform", "Normal": "gaussian", "LogUniform": "loguniform"}
OPERATIONS = ("additive", "scaling", "direct")

_OF_THE_STAGE = ("position", "joint_positions", "joint_velocities")
"""Attributes that are read and written through the view of the script."""

_READERS = {
    "joint_positions": lambda view: view.get_joint_positions(),
    "joint_velocities": lambda view: view.get_joint_velocities(),
    "joint_efforts": lambda view: torch.zeros_like(view.get_applied_joint_efforts()),
}


class _Draw(Distribution):
    """Random numbers of an item; one number per world if the item has one."""

    def __init__(self, item: Item, config: DrawConfig, key: str, dimension: int, device: torch.device) -> None:
        self._columns = dimension
        size = dimension if len(item.rows[0]) > 1 else 1
        super().__init__(config, key, size, device)
        item.listeners.append(self.set_parameters)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return ``(n, dimension)`` random numbers."""
        return super().sample(n, generator).expand(n, self._columns)


@dataclasses.dataclass
class _Rule:
    """What is drawn, and when: at resets, or every ``interval`` calls."""

    interval: int
    target: Target
    everywhere: bool


class Randomizer:
    """Rules that draw values, and the counters of the worlds.

    Attributes:
        generator: the random stream.
        frames: ``(N,)`` int64; calls of :meth:`step` since the last reset of each world.
    """

    def __init__(self) -> None:
        engine = session().engine
        if engine is None:
            raise CompatError(f"randomisation (used in {caller()}): the worlds do not exist; set it up in post_reset.")
        self._engine = engine
        self.generator = torch.Generator(engine.device).manual_seed(session().settings.get(SEED, 0))
        self.frames = torch.zeros(engine.num_envs, dtype=torch.int64, device=engine.device)
        self.views: dict[tuple[str, str], Any] = {}
        self._interval: int | None = None
        self._rules: list[_Rule] = []
        self._first: dict[tuple[str, str, str], Target] = {}

    # Registration

    def register(self, group: str, view: Any) -> None:
        """Register a view of a group of attributes.

        Raises:
            CompatError: the view has several bodies per world.
        """
        if view._bodies > 1:
            raise CompatError(
                f"view '{view.name}' (used in {caller()}): randomisation of {view._bodies} bodies per world in one "
                "view is not served; make a view for each."
            )
        view._bound()
        self.views[group, view.name] = view

    def initial(self, group: str, name: str, attribute: str) -> torch.Tensor:
        """Return the values ``(N, d)`` of an attribute at its first use."""
        key = (group, name, attribute)
        if key in self._first:
            return self._first[key].base
        record, view = self._attribute(group, attribute), self._view(group, name, attribute)
        values = self._read(record, view)
        return values.reshape(len(values), -1).clone()

    @contextmanager
    def gate(self, interval: int) -> Iterator[None]:
        """Let rules that are added act at an interval, or at resets for :data:`RESET`."""
        self._interval = interval
        try:
            yield
        finally:
            self._interval = None

    def add(self, group: str, name: str, attribute: str, values: Any, operation: str, num_buckets: Any) -> None:
        """Add a rule.

        Raises:
            CompatError: it is not within a gate, or its values do not fit the attribute.
        """
        where = f"randomisation of {attribute} of '{name}' (used in {caller()})"
        if self._interval is None:
            raise CompatError(f"{where}: expected within gate.on_interval or gate.on_env_reset.")
        if operation not in OPERATIONS:
            raise CompatError(f"{where}: operation='{operation}', expected one of {', '.join(OPERATIONS)}.")
        item = values if isinstance(values, Item) else uniform(values, values)
        record, view = self._attribute(group, attribute), self._view(group, name, attribute)
        start = self.initial(group, name, attribute)
        dimension = start.shape[1]
        if len(item.rows[0]) not in (1, dimension):
            raise CompatError(f"{where}: {len(item.rows[0])} numbers, expected {dimension}, or one.")
        config = DrawConfig(
            operation=operation,
            distribution=KINDS[item.kind],
            parameters=tuple(tuple(row) for row in item.rows),
            frequency_interval=self._interval,
            num_buckets=int(num_buckets or 0),
        )
        draw = _Draw(item, config, where, dimension, self._engine.device)
        trigger = "on_interval" if self._interval else "on_reset"
        target = Target(
            record,
            view,
            {trigger: draw},
            self._read(record, view),
            self.generator,
            key=where,
            one_friction="static_friction" not in self._engine.capabilities,
        )
        self._note_without_effect(f"{attribute} of '{name}'", operation, start)
        first = self._first.setdefault((group, name, attribute), target)
        target.base, target.kept = first.base, first.kept
        if attribute == "material_properties":
            self._check_restitution(where, target, draw)
        self._rules.append(_Rule(self._interval, target, everywhere=group == "simulation"))

    def _note_without_effect(self, what: str, operation: str, start: torch.Tensor) -> None:
        reason = ""
        if operation == "scaling" and not start.any():
            reason = "its values are 0, and scaling keeps them"
        elif operation != "direct" and bool(start.isinf().all()):
            reason = "its values are infinite; use direct"
        if reason:
            session().note(f"randomisation of {what} has no effect: {reason}.")

    def _check_restitution(self, where: str, target: Target, draw: _Draw) -> None:
        low, high = (bound.expand(target.base.shape[1])[2::3] for bound in draw.bounds)
        if draw.config.operation == "scaling":
            low, high = low * target.nominal[2::3], high * target.nominal[2::3]
        if bool((low != 0).any() or (high != 0).any()):
            raise CompatError(
                f"{where}: restitutions other than 0 may be drawn, which the engine does not have; let the third "
                "number be 0, or 1 with operation scaling."
            )

    def _attribute(self, group: str, name: str) -> Attribute:
        record = ATTRIBUTES[group][name]
        if self._engine.name not in record.engines:
            raise CompatError(
                f"randomisation of {name} (used in {caller()}): the engine does not have it. {record.note}".rstrip()
            )
        kind = record.kind if record.kind == "load" else "property"
        return dataclasses.replace(record, kind=kind, read=_READERS.get(name, record.read))

    def _view(self, group: str, name: str, attribute: str) -> Any:
        if group == "simulation":
            return self._engine
        if (group, name) not in self.views:
            raise CompatError(f"view '{name}' (used in {caller()}): it is not registered for randomisation.")
        view = self.views[group, name]
        return view if attribute in _OF_THE_STAGE else view._bound()

    @staticmethod
    def _read(record: Attribute, view: Any) -> torch.Tensor:
        try:
            return record.read(view)
        except OigeError as error:
            raise CompatError(f"randomisation (used in {caller()}): {error}") from error

    # Steps

    def step(self, reset: torch.Tensor) -> None:
        """Draw what is due: in worlds that are reset, given by their indices, and where an interval has passed."""
        self.frames[reset] = 0
        for rule in self._rules:
            if rule.interval == RESET:
                worlds = reset
            else:
                due = (self.frames % rule.interval == 0) & (self.frames > 0)
                worlds = due.nonzero().squeeze(-1)
            if len(worlds):
                trigger = "on_interval" if rule.interval else "on_reset"
                if rule.everywhere:
                    self._apply_everywhere(rule.target, trigger)
                else:
                    rule.target.apply(trigger, worlds)
        self.frames += 1

    def _apply_everywhere(self, target: Target, trigger: str) -> None:
        """Draw one value for all worlds."""
        draw = target.draws[trigger]
        drawn = draw.sample(1, self.generator).expand(len(target.base), -1)
        before = target.base if trigger == "on_reset" else target.kept
        values = target.combined(draw.config.operation, before, drawn)
        if trigger == "on_reset":
            target.kept.copy_(values)
        target.attribute.write(target.view, values, None)


def randomizer() -> Randomizer:
    """Return the randomizer of the session, which is made at first."""
    current = session()
    if current.randomizer is None:
        current.randomizer = Randomizer()
    return current.randomizer


def note_without_effect(task: Any) -> None:
    """Say so if a task of OmniIsaacGymEnvs enables randomisation without setting it up."""
    if getattr(getattr(task, "_dr_randomizer", None), "randomize", False) and session().randomizer is None:
        session().note(
            f"domain_randomization.randomize=True has no effect: {type(task).__name__} does not call "
            "set_up_domain_randomization in post_reset; nothing is drawn, as in Isaac Sim."
        )
