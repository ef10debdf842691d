"""Checks ``task.domain_randomization.randomization_params`` and converts it to plain data, without torch."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from oige_core.errors import ConfigError, did_you_mean, nearest
from oige_core.randomization.attribute import TRIGGERS, Attribute, Trigger
from oige_core.randomization.attributes import ATTRIBUTES, SIGNAL_ATTRIBUTES, VIEW_GROUPS

__all__ = [
    "DISTRIBUTIONS",
    "OPERATIONS",
    "PARAMS_KEY",
    "SIGNALS",
    "DrawConfig",
    "Path",
    "check_choices",
    "check_parameters",
    "check_warp_draws",
    "parse_params",
    "path_key",
]

PARAMS_KEY = "task.domain_randomization.randomization_params"
SIGNALS = ("observations", "actions")
OPERATIONS = ("additive", "scaling", "direct")
DISTRIBUTIONS = {
    "uniform": "uniform",
    "gaussian": "gaussian",
    "normal": "gaussian",
    "loguniform": "loguniform",
    "log_uniform": "loguniform",
}
"""Names of distributions in YAML files, and their canonical names."""

Path = tuple[str, ...]
"""Group, view (of groups of views), attribute (not of observations and actions) and trigger of a distribution."""

REQUIRED = ("operation", "distribution", "distribution_parameters")
COUNTS = ("frequency_interval", "num_buckets")


@dataclass(frozen=True, kw_only=True)
class DrawConfig:
    """What is drawn at a trigger.

    Attributes:
        operation: how a draw x changes a value v: ``additive`` v + x, ``scaling`` v · x, ``direct`` x.
        distribution: ``uniform`` between two bounds, ``gaussian`` with mean and standard deviation, ``loguniform``
            between two bounds above 0, or a ``choice`` among names.
        parameters: two numbers, or two rows of one number per dimension; of a ``choice``, indices of names.
        frequency_interval: control steps between two draws ``on_interval``; otherwise 0.
        num_buckets: number of distinct values that are drawn; 0: any.
    """

    operation: str
    distribution: str
    parameters: tuple[Any, ...]
    frequency_interval: int = 0
    num_buckets: int = 0


def path_key(path: Path) -> str:
    """Return the dotted key of a distribution."""
    return ".".join((PARAMS_KEY, *path))


def parse_params(params: Mapping[str, Any]) -> dict[Path, DrawConfig]:
    """Return the draws of ``randomization_params`` by path, in the order of the file.

    Sections that are empty are ignored, as in OmniIsaacGymEnvs.

    Raises:
        ConfigError: a key or a value is wrong; the message names it and what was expected.
    """
    draws: dict[Path, DrawConfig] = {}
    for group, section in params.items():
        _known(PARAMS_KEY, group, (*SIGNALS, *ATTRIBUTES), "group")
        for path, block, attribute in _blocks(group, section):
            for trigger, draw in _section(path, block).items():
                draws[(*path, trigger)] = _draw((*path, trigger), draw, attribute)
    return draws


def check_warp_draws(config: Any) -> None:
    """Check a ``task.domain_randomization`` section for the Warp variant of a task, whose step is one graph.

    Raises:
        ConfigError: something would have to be drawn within that graph.
    """
    for path in config.draws if config.randomize else ():
        if path[0] not in SIGNALS:
            kind = ATTRIBUTES[path[0]][path[-2]].kind
            if kind == "effort" or (kind == "state" and path[-1] == "on_reset"):
                raise ConfigError(f"{path_key(path)}: the Warp variant of a task cannot draw this; leave warp out.")


def _blocks(group: str, section: Any) -> Iterator[tuple[Path, Any, Attribute | None]]:
    """Yield the paths of attributes, their blocks of triggers and their records; the noise of signals has no record."""
    if group in SIGNALS:
        blocks = _section((group,), section)
        for name, attribute in SIGNAL_ATTRIBUTES.items():
            yield (group, name), blocks.get(name), attribute
        yield (group,), {name: block for name, block in blocks.items() if name not in SIGNAL_ATTRIBUTES}, None
        return
    if group not in VIEW_GROUPS:
        targets = {(group,): section}
    else:
        targets = {(group, str(name)): block for name, block in _section((group,), section).items()}
    for target, attributes in targets.items():
        for name, block in _section(target, attributes).items():
            _known(path_key(target), name, ATTRIBUTES[group], "attribute")
            yield (*target, name), block, ATTRIBUTES[group][name]


def _section(path: Path, section: Any) -> Mapping[str, Any]:
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigError(f"{path_key(path)}={section!r}: expected a section with keys.")
    return section


def _known(key: str, name: Any, names: Any, what: str) -> None:
    if name not in names:
        raise ConfigError(f"{key}.{name}: unknown {what}. {nearest(str(name), names)}")


def _draw(path: Path, block: Any, attribute: Attribute | None) -> DrawConfig:
    key, trigger = path_key(path), path[-1]
    allowed: tuple[Trigger, ...] = attribute.triggers if attribute else ("on_reset", "on_interval")
    _known(path_key(path[:-1]), trigger, TRIGGERS if attribute else (*TRIGGERS, *SIGNAL_ATTRIBUTES), "trigger")
    if trigger not in allowed:
        raise ConfigError(f"{key}: cannot be drawn then; use {' or '.join(allowed)}.")
    block = _section(path, block)
    required = (*REQUIRED, "frequency_interval") if trigger == "on_interval" else REQUIRED
    optional = ("num_buckets",) if path[-2] == "material_properties" else ()
    for name in block:
        _known(key, name, (*required, *optional), "key")
    for name in required:
        if block.get(name) is None:
            raise ConfigError(f"{key}.{name}: a value is required.")
    operation, distribution = block["operation"], block["distribution"]
    choices = attribute.choices if attribute else ()
    _choice(f"{key}.operation", operation, ("direct",) if choices else OPERATIONS)
    _choice(f"{key}.distribution", distribution, ("choice",) if choices else tuple(DISTRIBUTIONS))
    if attribute is not None and attribute.is_zero and operation == "scaling":
        raise ConfigError(
            f"{key}.operation=scaling: this attribute is 0 without randomisation; use additive or direct."
        )
    distribution = DISTRIBUTIONS.get(distribution) or str(distribution)
    values, values_key = block["distribution_parameters"], f"{key}.distribution_parameters"
    if choices:
        parameters = check_choices(values_key, values, choices)
    else:
        parameters = check_parameters(values_key, distribution, values)
    if attribute is not None and attribute.is_zero:
        _check_bounds(values_key, attribute, distribution, parameters)
    return DrawConfig(
        operation=operation,
        distribution=distribution,
        parameters=parameters,
        **{name: _count(f"{key}.{name}", block[name]) for name in COUNTS if name in block},
    )


def _check_bounds(key: str, attribute: Attribute, distribution: str, parameters: tuple[Any, ...]) -> None:
    """Raise if numbers may be drawn that the attribute cannot have."""
    low, high = (row if isinstance(row, tuple) else (row,) for row in parameters)
    if distribution == "gaussian":  # the mean
        high = low
    lowest, highest = attribute.lowest, attribute.highest
    if (lowest is not None and min(low) < lowest) or (highest is not None and max(high) > highest):
        bounds = f"from {lowest:g} to {highest:g}" if highest is not None else f"of at least {lowest:g}"
        raise ConfigError(f"{key}={list(parameters)}: expected numbers {bounds}.")


def _choice(key: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        hint = did_you_mean(str(value), choices)
        raise ConfigError(f"{key}={value}: expected one of {', '.join(choices)}. {hint}".rstrip())


def _count(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{key}={value}: expected a whole number of at least 1.")
    return value


def check_choices(key: str, values: Any, choices: tuple[str, ...]) -> tuple[float, ...]:
    """Return the indices of what is chosen, which may be given as names or as indices.

    Raises:
        ConfigError: it is no list of different choices.
    """
    if not isinstance(values, list | tuple) or not values:
        raise ConfigError(f"{key}={values}: expected a list of some of {', '.join(choices)}.")
    indices = []
    for value in values:
        name = choices[int(value)] if value in range(len(choices)) else value
        _choice(key, name, choices)
        indices.append(float(choices.index(name)))
    if len(set(indices)) < len(indices):
        raise ConfigError(f"{key}={values}: expected each name once.")
    return tuple(indices)


def check_parameters(key: str, distribution: str, values: Any) -> tuple[Any, Any]:
    """Return distribution parameters as two numbers, or two tuples of equally many numbers.

    Args:
        key: key of the parameters, for messages.
        distribution: canonical name.
        values: nested lists.

    Raises:
        ConfigError: they are something else, or no parameters of the distribution.
    """
    names = "mean, standard deviation" if distribution == "gaussian" else "low, high"
    if not isinstance(values, list | tuple) or len(values) != 2:
        raise ConfigError(f"{key}={values}: expected two entries, [{names}].")
    rows = [value if isinstance(value, list | tuple) else [value] for value in values]
    numbers = [*rows[0], *rows[1]]
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in numbers):
        raise ConfigError(f"{key}={values}: expected finite numbers.")
    if (
        len(rows[0]) != len(rows[1])
        or not rows[0]
        or isinstance(values[0], list | tuple) != isinstance(values[1], list | tuple)
    ):
        raise ConfigError(f"{key}={values}: expected two numbers, or two lists of the same length, [{names}].")
    for first, second in zip(*rows, strict=True):
        if distribution == "gaussian" and second < 0:
            raise ConfigError(f"{key}={values}: expected a standard deviation of at least 0, not {second}.")
        if distribution != "gaussian" and first > second:
            raise ConfigError(f"{key}={values}: expected [low, high] with low <= high.")
        if distribution == "loguniform" and first <= 0:
            raise ConfigError(
                f"{key}={values}: expected bounds above 0, because they are drawn on a logarithmic scale."
            )
    first, second = (tuple(map(float, row)) for row in rows)
    return (first, second) if isinstance(values[0], list | tuple) else (first[0], second[0])
