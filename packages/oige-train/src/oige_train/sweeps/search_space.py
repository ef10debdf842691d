"""Settings that population-based training varies, in Hydra's notation of sweeps."""

import dataclasses
import math
import random
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.errors import HydraException
from oige_core.errors import ConfigError

__all__ = ["Setting", "split_arguments", "tried_values"]

Value = float | int | str

COMPLEMENTS = ("gamma", "tau")
"""Last parts of keys of discounts: numbers just below 1, of which the distance from 1 matters."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting that varies between members of a population.

    Ray Tune changes numbers by a factor, so that it gets *encoded* values: of a discount, the distance from 1. Whole
    numbers are floats, as it would round 2 × 1.2 to 2.

    Attributes:
        key: dotted key of the configuration.
        choices: possible values, in order, if these are listed; otherwise empty.
        low: lower end of an interval.
        high: upper end of an interval.
        log: whether first values are drawn uniformly on a logarithmic scale.
        integer: whether values are whole numbers.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    integer: bool = False

    @property
    def reaches_one(self) -> bool:
        """Whether this is a discount whose distance from 1 may become 0."""
        return not self.choices and self.key.rpartition(".")[2] in COMPLEMENTS and self.high == 1

    @property
    def is_complement(self) -> bool:
        """Whether encoded values are distances from 1, on a logarithmic scale."""
        return not self.choices and self.key.rpartition(".")[2] in COMPLEMENTS and self.low > 0 and self.high < 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The ends of the interval of encoded values."""
        return (1 - self.high, 1 - self.low) if self.is_complement else (self.low, self.high)

    def sample(self, generator: random.Random) -> Value:
        """Draw an encoded value.

        Args:
            generator: source of random numbers.
        """
        if self.choices:
            return generator.choice(self.choices)
        low, high = self.bounds
        if self.log or self.is_complement:
            value = math.exp(generator.uniform(math.log(low), math.log(high)))
        else:
            value = generator.uniform(low, high)
        return self.clamp(value)

    def clamp(self, value: Value) -> Value:
        """Return the nearest encoded value that is allowed."""
        if self.choices:
            return value
        low, high = self.bounds
        clamped = min(max(float(value), low), high)
        return float(round(clamped)) if self.integer else clamped

    def changed(self, value: Value, before: Value) -> Value:
        """Return the nearest encoded value that is allowed and differs from the one before.

        A copy with the same settings would repeat what the copied member does.

        Args:
            value: what Ray Tune made of the value before.
            before: the encoded value of the copied member.
        """
        if self.choices:
            if value != before:
                return value
            position = self.choices.index(str(before))
            return self.choices[position - 1 if position else 1]
        new, old, wanted = float(self.clamp(value)), float(before), float(value)
        if new != old or not old:
            return new
        if not self.integer:
            return self.clamp(old * old / wanted)  # turns back from the end of the interval
        step = 1 if wanted > old else -1
        new = self.clamp(old + step)
        return new if new != old else self.clamp(old - step)

    def decode(self, value: Value) -> str:
        """Return what the configuration gets for an encoded value."""
        if self.choices:
            return str(value)
        if self.integer:
            return str(round(float(value)))
        return f"{1 - float(value) if self.is_complement else float(value):.6g}"

    def ends(self) -> tuple[str, str]:
        """Return the first and the last value for the configuration."""
        if self.choices:
            return self.choices[0], self.choices[-1]
        low, high = map(self.decode, self.bounds)
        return low, high


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[Setting]]:
    """Return the arguments that are the same for all members, and the settings that vary.

    ``key=a,b,c`` lists values; ``key=interval(low,high)`` and ``key=tag(log,interval(low,high))`` are intervals.

    Args:
        arguments: command-line arguments.

    Raises:
        ConfigError: a setting cannot be varied.
    """
    same: list[str] = []
    settings: list[Setting] = []
    for argument in arguments:
        setting = _setting(argument)
        if setting is None:
            same.append(argument)
        else:
            settings.append(setting)
    return same, settings


def _setting(argument: str) -> Setting | None:
    """Return the setting that an argument varies, or None if it has one value."""
    if "=" not in argument or argument.startswith("-"):
        return None
    try:
        override = OverridesParser.create().parse_override(argument)
    except (HydraException, ValueError, RecursionError):
        return None  # is reported when the runs are checked
    if not override.is_sweep_override():
        return None
    key = override.key_or_group
    if override.is_interval_sweep():
        return _interval(argument, key, override)
    choices = tuple(dict.fromkeys(str(value).strip("'\"") for value in override.sweep_string_iterator()))
    if len(choices) < 2:
        raise ConfigError(f"{argument}: expected at least two different values.")
    return Setting(key, choices=choices)


def _interval(argument: str, key: str, override: Override) -> Setting:
    interval = override.value()
    assert isinstance(interval, IntervalSweep)
    low, high = interval.start, interval.end
    assert low is not None
    assert high is not None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{argument}: expected interval(<low>,<high>) with low below high.")
    log = "log" in interval.tags
    if unknown := sorted(interval.tags - {"log"}):
        raise ConfigError(f"{argument}: unknown tag {unknown[0]}; expected tag(log,interval(<low>,<high>)).")
    if log and low <= 0:
        raise ConfigError(f"{argument}: expected ends above 0 on a logarithmic scale.")
    integer = isinstance(low, int) and isinstance(high, int)
    return Setting(key, low=float(low), high=float(high), log=log, integer=integer)


def tried_values(settings: Sequence[Setting]) -> list[dict[str, str]]:
    """Return values by key, with which each end of an interval and each listed value is checked before runs start.

    Args:
        settings: the settings that vary.
    """
    values = [setting.choices or setting.ends() for setting in settings]
    count = max(map(len, values))
    return [
        {setting.key: each[min(number, len(each) - 1)] for setting, each in zip(settings, values, strict=True)}
        for number in range(count)
    ]
