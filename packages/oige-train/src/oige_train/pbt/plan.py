"""What the members of a population have in common, and how their settings begin and change."""

import dataclasses
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oige_train.sweeps.search_space import Setting

__all__ = ["Plan", "explored", "first_values"]


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all members have in common.

    Attributes:
        arguments: command-line arguments of ``oige-train``.
        settings: the settings that vary.
        name: name of the runs' folders, before the number of the member.
        seed: seed of member 0; the next member has the next number.
        interval: epochs between two comparisons.
        directory: where the program was started.
    """

    arguments: tuple[str, ...]
    settings: tuple[Setting, ...]
    name: str
    seed: int
    interval: int
    directory: str

    def arguments_of(self, member: int, seed: int, values: Mapping[str, Any]) -> list[str]:
        """Return the arguments of a member.

        Args:
            member: its number.
            seed: its seed, or that of the member that it copies.
            values: encoded values of its settings.
        """
        varied = [f"{setting.key}={setting.decode(values[setting.key])}" for setting in self.settings]
        return [*self.arguments, *varied, f"seed={seed}", f"experiment={self.name}_{member}"]


def first_values(settings: Iterable[Setting], population: int, seed: int) -> list[dict[str, Any]]:
    """Return the encoded values with which the members begin.

    Args:
        settings: the settings that vary.
        population: number of members.
        seed: seed of the random numbers.
    """
    generator = random.Random(seed)
    chosen = list(settings)
    return [{setting.key: setting.sample(generator) for setting in chosen} for _ in range(population)]


def explored(settings: Sequence[Setting], values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoded values of a copy, within their bounds.

    Args:
        settings: the settings that vary.
        values: encoded values that Ray Tune has changed.
        before: those of the copied member.
    """
    return {setting.key: setting.changed(values[setting.key], before[setting.key]) for setting in settings}
