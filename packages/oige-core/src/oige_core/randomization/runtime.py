"""Domain randomisation of the worlds of a task: triggers, random stream, scheduling and saved state."""

import logging
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import torch

from oige_core.capabilities import require
from oige_core.config import DomainRandomizationConfig
from oige_core.engines.base import Engine
from oige_core.errors import CapabilityError, ConfigError, OigeError, nearest
from oige_core.randomization.attribute import Attribute
from oige_core.randomization.attributes import ATTRIBUTES, SIGNAL_ATTRIBUTES, VIEW_GROUPS
from oige_core.randomization.distributions import Choice, Distribution
from oige_core.randomization.noise import SignalNoise
from oige_core.randomization.schema import SIGNALS, Path, path_key
from oige_core.randomization.signal_path import SignalPath, longest_delay
from oige_core.randomization.signals import Delay, Drop
from oige_core.randomization.targets import EffortTarget, Target
from oige_core.seeding import derive_seed
from oige_core.selections import is_mask, write_rows

__all__ = ["Randomization", "RandomizedTask", "find_views", "requested_shapes"]

DYNAMIC = ("mass", "inertia", "com", "density", "force")
"""Attributes by which physics moves a rigid body."""

_log = logging.getLogger(__name__)


class RandomizedTask(Protocol):
    """The members of a task that randomisation needs; see :class:`~oige_core.tasks.task.Task`."""

    name: str
    config: Any
    spec: Any
    engine: Engine
    observation_shape: tuple[int, ...]
    observes_bytes: bool
    upstream: bool


def find_views(
    config: DomainRandomizationConfig, views: Mapping[str, Mapping[str, Any]], kinematic: Collection[str] = ()
) -> dict[Path, Any]:
    """Return the views that a configuration names, by group and name in the configuration.

    The name of a view is that of its element or of the set of links, with or without ``_view``, in any case.

    Args:
        config: the ``task.domain_randomization`` section.
        views: the views of a scene by group and name.
        kinematic: names of bodies that only the task moves.

    Raises:
        ConfigError: there is no such view, two names stand for the same one, or physics does not read an attribute.
    """
    found: dict[Path, Any] = {}
    for path in config.draws if config.randomize else ():
        group, name = path[:2]
        if group not in VIEW_GROUPS:
            continue
        there = {each: {_folded(key): view for key, view in views.get(each, {}).items()} for each in VIEW_GROUPS}
        folded = _folded(name)
        if folded not in there[group]:
            other = next((other for other in VIEW_GROUPS if folded in there[other]), None)
            hint = f"It belongs to {other}." if other else nearest(name, views.get(group, {}))
            if folded in map(_folded, views.get("deformable_prim_views", {})):
                hint = "It is a soft body, of which nothing can be randomised; remove the block."
            raise ConfigError(f"{path_key((group, name))}: the scene has no such view. {hint}")
        view = there[group][folded]
        for (other_group, other_name), other_view in found.items():
            if other_view is view and other_name != name:
                raise ConfigError(
                    f"{path_key((group, name))}: is the same view as {other_group}.{other_name}; join them."
                )
        found[group, name] = view
        if path[2] in DYNAMIC and view.name in kinematic:
            raise ConfigError(
                f"{path_key(path[:3])}: has no effect on '{view.name}', which the task moves without physics; remove "
                "the block."
            )
    return found


def requested_shapes(config: DomainRandomizationConfig) -> Callable[[str], Sequence[str]]:
    """Return a function that returns the shapes that a configuration draws for the rigid body of a name."""
    requested: dict[str, list[str]] = {}
    for path, draw in config.draws.items() if config.randomize else ():
        if path[0] == "rigid_prim_views" and path[2] == "shape":
            names = ATTRIBUTES[path[0]]["shape"].choices
            requested.setdefault(_folded(path[1]), []).extend(names[int(index)] for index in draw.parameters)
    return lambda name: requested.get(_folded(name), ())


def _folded(name: str) -> str:
    """Return the name of a view for comparison: names of OmniIsaacGymEnvs end in ``_view`` or ``view``."""
    return re.sub("_?view$", "", name.lower())


def _plain(values: Any) -> Any:
    """Return nested lists of numbers from nested lists, tensors or arrays."""
    if hasattr(values, "tolist"):
        return values.tolist()
    return [_plain(value) for value in values] if isinstance(values, list | tuple) else values


def _is_noise(path: Path) -> bool:
    """Whether a distribution is one of noise on observations or actions."""
    return path[0] in SIGNALS and len(path) == 2


class Randomization:
    """Randomises the worlds of a task as ``task.domain_randomization`` says.

    Draws of a world are independent of those of other worlds. Tensors stay in place, so that a captured step continues
    to use them, and a world without a trigger keeps its values.

    Args:
        task: the task; its engine is built.
        views: from :func:`find_views`.

    Raises:
        ConfigError: distribution parameters do not fit an attribute, or it has no values in this scene.
        CapabilityError: the engine does not support what is drawn.

    Attributes:
        config: the ``task.domain_randomization`` section.
        generator: the random stream, which other random numbers of the task do not affect.
        targets: randomised attributes by path without trigger.
        observations: noise, delay and losses of observations; None: there are none.
        actions: the same of actions.
        distributions: distributions by path.
        changes_states: whether a target is a state.
    """

    def __init__(self, task: RandomizedTask, views: Mapping[Path, Any]) -> None:
        self.config: DomainRandomizationConfig = task.config.task.domain_randomization
        self._name = task.name
        self._engine = engine = task.engine
        self._draws = self.config.draws
        self.generator = torch.Generator(engine.device)
        self.distributions: dict[Path, Distribution] = {}
        self._given: dict[Path, Any] = {path: draw.parameters for path, draw in self._draws.items()}
        dtype = torch.uint8 if task.observes_bytes else torch.float32
        self.observations = self._signal_path("observations", task.observation_shape, dtype)
        self.actions = self._signal_path("actions", (task.spec.num_actions,))
        self.targets = self._find_targets(views)
        by_interval: dict[int, list[Target]] = {}
        for path, draw in self._draws.items():
            if not _is_noise(path) and path[-1] == "on_interval":
                by_interval.setdefault(draw.frequency_interval, []).append(self.targets[path[:-1]])
        self._by_interval = by_interval
        self.changes_states = any(target.attribute.kind == "state" for target in self.targets.values())
        self._efforts = [target for target in self.targets.values() if isinstance(target, EffortTarget)]
        self._on_reset = [target for target in self.targets.values() if "on_reset" in target.draws]
        n, device = engine.num_envs, engine.device
        # OmniIsaacGymEnvs counts from the start of a run, so that the first episodes are not randomised.
        first = 0 if task.upstream else self.config.min_frequency
        self._since_reset = torch.full((n,), first, dtype=torch.int64, device=device)
        self._steps = torch.zeros(n, dtype=torch.int64, device=device)
        seed = task.config.seed
        self.seed(seed)
        startup = torch.Generator(device)
        startup.manual_seed(derive_seed(seed, "randomization on_startup"))
        for target in self.targets.values():
            target.start(startup)
        for target in self.targets.values():
            target.read_base()

    # Triggers

    def begin_step(self) -> None:
        """Draw what is due at the beginning of a control step, before the task's targets and physics."""
        if not self.targets:
            return
        self._since_reset += 1
        self._steps += 1
        for interval, targets in self._by_interval.items():
            worlds = self._engine.selection(self._steps % interval == 0)
            if len(worlds):
                for target in targets:
                    target.apply("on_interval", worlds)

    def before_physics(self) -> None:
        """Apply efforts that act during this control step, after the task has set its own."""
        for target in self._efforts:
            target.add(skip_if_zero=not self._engine.selects_by_mask)

    def after_physics(self) -> None:
        """Remove efforts that acted during this control step."""
        for target in self._efforts:
            target.remove()

    def reset(self, worlds: torch.Tensor, *, noise_was_drawn: bool = False) -> None:
        """Draw what worlds keep for their new episodes, after the task has reset them.

        Args:
            worlds: the selection.
            noise_was_drawn: whether the noise of their observations was drawn already.
        """
        if self.actions is not None:
            self.actions.begin(worlds)
        if self.observations is not None:
            self.observations.begin(worlds, noise_was_drawn=noise_was_drawn)
        if not self.targets:
            return
        chosen = self._long_enough(worlds)
        if not len(chosen):
            return
        for counter in (self._since_reset, self._steps):
            write_rows(counter, counter.new_zeros(len(chosen)), chosen)
        for target in self._on_reset:
            target.apply("on_reset", chosen)

    def _long_enough(self, worlds: torch.Tensor) -> torch.Tensor:
        """Return those of the selected worlds whose last randomisation at a reset is ``min_frequency`` steps ago."""
        if self.config.min_frequency == 1:
            return worlds
        due = self._since_reset >= self.config.min_frequency
        return worlds & due if is_mask(worlds) else worlds[due[worlds]]

    def seed(self, seed: int) -> None:
        """Restart the random stream; values that were drawn ``on_startup`` remain."""
        self.generator.manual_seed(derive_seed(seed, "randomization"))

    # Scheduling

    def get_initial_dr_distribution_parameters(self, *distribution_path: str) -> torch.Tensor:
        """Return the configured parameters of a distribution, on the CPU, in the shape in which they are configured.

        Args:
            distribution_path: group, view (in groups of views), attribute and trigger; for noise on ``observations``
                and ``actions`` group and trigger.

        Raises:
            ConfigError: there is no such distribution.
        """
        self._find(distribution_path)
        return torch.tensor(self._draws[distribution_path].parameters)

    def get_dr_distribution_parameters(self, *distribution_path: str) -> torch.Tensor:
        """Return the current parameters of a distribution; see :meth:`get_initial_dr_distribution_parameters`."""
        self._find(distribution_path)
        return torch.tensor(self._given[distribution_path])

    def set_dr_distribution_parameters(self, distribution_parameters: Any, *distribution_path: str) -> None:
        """Set the parameters of a distribution, which the next draws use. A captured step does so, too.

        Args:
            distribution_parameters: numbers in the form of ``distribution_parameters`` in YAML files: nested lists,
                an array or a tensor.
            distribution_path: see :meth:`get_initial_dr_distribution_parameters`.

        Raises:
            ConfigError: there is no such distribution, or these are not parameters of it.
        """
        given = _plain(distribution_parameters)
        distribution = self._find(distribution_path)
        distribution.set_parameters(given)
        self._given[distribution_path] = distribution.chosen if isinstance(distribution, Choice) else given

    def _find(self, path: Path) -> Distribution:
        if path not in self.distributions:
            paths = [".".join(each) for each in self.distributions]
            raise ConfigError(f"{'.'.join(map(str, path))}: no such distribution. {nearest('.'.join(path), paths)}")
        return self.distributions[path]

    # Saved states

    def state_dict(self) -> dict[str, Any]:
        """Return counters, kept values, distribution parameters and the random stream."""
        state: dict[str, Any] = {
            "draws": self._described(),
            "generator": self.generator.get_state(),
            "tensors": {name: value.clone() for name, value in self._tensors().items()},
            "given": {".".join(path): torch.tensor(value, dtype=torch.float64) for path, value in self._given.items()},
        }
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore :meth:`state_dict` exactly, for which :meth:`accepts` must hold."""
        self.generator.set_state(state["generator"].cpu())
        for name, value in self._tensors().items():
            value.copy_(state["tensors"][name])
        for path, distribution in self.distributions.items():
            given = state["given"][".".join(path)].tolist()
            self._given[path] = given
            distribution.set_parameters(given)

    def accepts(self, state: Mapping[str, Any]) -> bool:
        """Whether a state was saved with the same randomisation; distribution parameters may differ."""
        own, other = self._tensors(), state["tensors"]
        return state["draws"] == self._described() and all(own[name].shape == other[name].shape for name in own)

    def _described(self) -> list[str]:
        fields = ("operation", "distribution", "frequency_interval", "num_buckets")
        return [
            " ".join((".".join(path), *(f"{name}={getattr(draw, name)}" for name in fields)))
            for path, draw in self._draws.items()
        ]

    def _tensors(self) -> dict[str, torch.Tensor]:
        tensors = {"steps": self._steps, "since_reset": self._since_reset}
        for path, target in self.targets.items():
            tensors |= {".".join((*path, name)): value for name, value in target.tensors().items()}
        for name, signal in (("observations", self.observations), ("actions", self.actions)):
            if signal is not None:
                tensors |= {f"{name}.{key}": value for key, value in signal.tensors().items()}
        return tensors

    # Construction

    def _signal_path(self, group: str, shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> SignalPath | None:
        paths = [path for path in self._draws if path[0] == group]
        if not paths:
            return None
        n, size, device = self._engine.num_envs, math.prod(shape), self._engine.device
        noise = delay = drop = None
        draws = {path[-1]: self._distribution(path, size) for path in paths if _is_noise(path)}
        if draws:
            noise = SignalNoise(draws.get("on_reset"), draws.get("on_interval"), n, size, self.generator)
        if any(path[1] == "delay" for path in paths):
            fill = "first" if group == "observations" else "zero"
            delay = Delay(n, shape, longest_delay(group, self._draws), fill=fill, dtype=dtype, device=device)
        if any(path[1] == "drop" for path in paths):
            drop = Drop(n, shape, self.generator, dtype=dtype)
        return SignalPath(noise, delay, drop)

    def _distribution(self, path: Path, dimension: int, attribute: Attribute | None = None) -> Distribution:
        options: dict[str, Any] = {}
        if attribute is not None:
            options = {"repeats": attribute.repeats, "is_whole": attribute.is_whole}
        if path[0] in SIGNALS and path[1] == "delay":
            options["highest"] = longest_delay(path[0], self._draws)
        arguments = self._draws[path], path_key(path), dimension, self._engine.device
        if attribute is not None and attribute.choices:
            self.distributions[path] = Choice(*arguments, attribute.choices)
        else:
            self.distributions[path] = Distribution(*arguments, **options)
        return self.distributions[path]

    def _find_targets(self, views: Mapping[Path, Any]) -> dict[Path, Target]:
        targets: dict[Path, Target] = {}
        for path in dict.fromkeys(path[:-1] for path in self._draws if not _is_noise(path)):
            group = path[0]
            attribute = SIGNAL_ATTRIBUTES[path[1]] if group in SIGNALS else ATTRIBUTES[group][path[-1]]
            if self._engine.name not in attribute.engines:
                others = " and ".join(attribute.engines) or "none"
                raise CapabilityError(
                    f"{path_key(path)}: the engine {self._engine.name} does not support this attribute; supported by: "
                    f"{others}. {attribute.note}".rstrip()
                )
            signals = {"observations": self.observations, "actions": self.actions}
            view = views[path[:2]] if group in VIEW_GROUPS else signals.get(group, self._engine)
            values = self._start_values(path, attribute, view)
            dimension = math.prod(values.shape[1:])
            draws = {
                draw[-1]: self._distribution(draw, dimension, attribute) for draw in self._draws if draw[:-1] == path
            }
            one_friction = "static_friction" not in self._engine.capabilities
            kind = EffortTarget if attribute.kind == "effort" else Target
            targets[path] = kind(
                attribute, view, draws, values, self.generator, key=path_key(path), one_friction=one_friction
            )
            if path[-1] == "material_properties":
                self._check_restitution(path, values, draws)
            self._warn_without_effect(path, values, draws)
        return targets

    def _start_values(self, path: Path, attribute: Any, view: Any) -> torch.Tensor:
        try:
            values = attribute.read(view)
        except OigeError as error:
            raise CapabilityError(f"{path_key(path)}: {error}") from error
        if not values[0].numel():
            raise ConfigError(f"{path_key(path)}: this view has no {attribute.dimension}; remove the block.")
        return values

    def _warn_without_effect(self, path: Path, values: torch.Tensor, draws: Mapping[str, Distribution]) -> None:
        operations = {draw.config.operation for draw in draws.values()}
        reason = ""
        if operations == {"scaling"} and not values.any():
            reason = "the values at the start are 0, and scaling keeps them"
        elif "direct" not in operations and bool(values.isinf().all()):
            reason = "the values at the start are infinite; use direct"
        if reason:
            _log.warning("%s: has no effect, because %s.", path_key(path), reason)

    def _check_restitution(self, path: Path, values: torch.Tensor, draws: Mapping[str, Distribution]) -> None:
        """Raise if a restitution above 0 may be drawn and the engine has none."""
        start = values.reshape(len(values), -1)[:, 2::3]
        for trigger, draw in draws.items():
            low, high = (bound[2::3] for bound in draw.bounds)
            if draw.config.operation == "scaling":
                low, high = low * start, high * start
            if bool((low != 0).any() or (high != 0).any()):
                remedy = "Let the third number be 0, or 1 with operation scaling."
                require(self._engine, "restitution", path_key((*path, trigger)), remedy)
