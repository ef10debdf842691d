"""Options of population-based training."""

import dataclasses
import math
import re

from oige_core.config.schema import check_positive
from oige_core.cores import available_cores
from oige_core.errors import ConfigError

__all__ = ["PbtOptions", "gpu_share"]


@dataclasses.dataclass(frozen=True)
class PbtOptions:
    """How a population is trained.

    Attributes:
        population: number of members, at least 2.
        interval: epochs between two comparisons of the members.
        quantile: fraction of the members that is replaced by copies of as many of the best; 0 to 0.5.
        resample: probability that a setting of a copy is drawn again instead of changed by a factor.
        factor: a number above 1; other settings of a copy are multiplied or divided by it.
        parallel: number of members that train at the same time; 0: one per core, or all of them on a GPU.
    """

    population: int = 4
    interval: int = 20
    quantile: float = 0.25
    resample: float = 0.25
    factor: float = 1.2
    parallel: int = 0

    def __post_init__(self) -> None:
        if self.population < 2:
            raise ConfigError(f"population={self.population}: expected at least 2 members.")
        check_positive("interval", self.interval)
        for name, highest in (("quantile", 0.5), ("resample", 1.0)):
            value = getattr(self, name)
            if not 0 <= value <= highest:
                raise ConfigError(f"{name}={value}: expected a number from 0 to {highest:g}.")
        if not 1 < self.factor < float("inf"):
            raise ConfigError(f"factor={self.factor}: expected a number above 1.")
        if self.parallel < 0 or self.parallel > self.population:
            raise ConfigError(f"parallel={self.parallel}: expected a number from 1 to population={self.population}.")

    @classmethod
    def taken_from(cls, arguments: list[str]) -> "PbtOptions":
        """Remove the options from arguments, and return them.

        Args:
            arguments: command-line arguments, which are changed.

        Raises:
            ConfigError: an option has the wrong type or is out of range.
        """
        kinds = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        values: dict[str, int | float] = {}
        for argument in list(arguments):
            name, equals, text = argument.partition("=")
            if not equals or name not in kinds:
                continue
            pattern, expected = (
                (r"\d{1,9}", "a whole number")
                if kinds[name] is int
                else (r"\d*\.?\d+([eE][+-]?\d+)?|\d+\.", "a number")
            )
            if not re.fullmatch(pattern, text, re.ASCII):
                raise ConfigError(f"{argument}: expected {expected}.")
            values[name] = int(text) if kinds[name] is int else float(text)
            arguments.remove(argument)
        return cls(**values)  # pyright: ignore[reportArgumentType]

    def at_once(self, *, on_gpu: bool) -> int:
        """Return how many members train at the same time.

        Args:
            on_gpu: whether they train on a GPU.
        """
        if self.parallel:
            return self.parallel
        return self.population if on_gpu else min(self.population, available_cores())


def gpu_share(gpus: int, parallel: int) -> float:
    """Return the part of a GPU that each member gets, so that all that train at the same time find room.

    Args:
        gpus: number of GPUs; 0: members train on the CPU.
        parallel: number of members that train at the same time.
    """
    return 1 / math.ceil(parallel / gpus) if gpus else 0.0
