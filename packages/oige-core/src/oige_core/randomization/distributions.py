"""Random numbers of a configured distribution, on the device of the simulation."""

import math
from typing import Any

import torch

from oige_core.errors import ConfigError
from oige_core.randomization.schema import DrawConfig, check_choices, check_parameters

__all__ = ["Choice", "Distribution"]


class Distribution:
    """Draws numbers for worlds; its parameters may change at any time, also between replays of a captured step.

    Args:
        config: the configured draw.
        key: key of the configuration section, for messages.
        dimension: numbers per world.
        device: device of the tensors.
        repeats: whether parameters of three numbers apply to each link.
        is_whole: whether whole numbers are drawn, uniform ones with both bounds equally often as others.
        highest: largest number that may be drawn.

    Raises:
        ConfigError: the parameters do not fit the dimension.

    Attributes:
        config: see above.
        parameters: ``(2, dimension)``: bounds, or mean and standard deviation.
    """

    def __init__(
        self,
        config: DrawConfig,
        key: str,
        dimension: int,
        device: torch.device,
        *,
        repeats: bool = False,
        is_whole: bool = False,
        highest: float = math.inf,
    ) -> None:
        self.config = config
        self._key = f"{key}.distribution_parameters"
        self._dimension = dimension
        self._repeats = repeats
        self._is_whole = is_whole
        self._highest = highest
        self.parameters = torch.zeros(2, dimension, device=device)
        self._start = torch.zeros(dimension, device=device)  # of the drawn number, or of its logarithm
        self._width = torch.zeros(dimension, device=device)
        self.set_parameters(config.parameters)
        self.initial_parameters = self.parameters.clone()

    def set_parameters(self, values: Any) -> None:
        """Set the parameters, in place.

        Args:
            values: two numbers, two rows of ``dimension`` numbers, or, for attributes of links, two rows of three.

        Raises:
            ConfigError: they are not parameters of this distribution, or do not fit the dimension.
        """
        rows = check_parameters(self._key, self.config.distribution, values)
        parameters = torch.tensor([self._row(row, values) for row in rows])
        if self._is_whole and self.config.distribution == "uniform" and bool((parameters != parameters.round()).any()):
            raise ConfigError(f"{self._key}={values}: expected whole numbers.")
        if self._highest < math.inf and bool((parameters > self._highest).any()):
            raise ConfigError(f"{self._key}={values}: expected at most {self._highest:g}, as configured at the start.")
        self.parameters.copy_(parameters)
        self._derive()

    def _row(self, row: float | tuple[float, ...], values: Any) -> list[float]:
        size = self._dimension
        if not isinstance(row, tuple):
            return [row] * size
        if len(row) == size:
            return list(row)
        if self._repeats and len(row) == 3 and size % 3 == 0:
            return list(row) * (size // 3)
        shown = [list(each) for each in values]
        expected = ["two numbers", f"two lists of {size} numbers"]
        if self._repeats and size != 3:
            expected.append("two lists of 3 numbers, which apply to each link")
        raise ConfigError(f"{self._key}={shown}: lists of {len(row)} numbers; expected {' or '.join(expected)}.")

    def _derive(self) -> None:
        first, second = self.parameters.log() if self.config.distribution == "loguniform" else self.parameters
        self._start.copy_(first)
        self._width.copy_(second if self.config.distribution == "gaussian" else second - first)
        if self._is_whole and self.config.distribution == "uniform":
            self._width.add_(1.0)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return ``(n, dimension)`` random numbers."""
        drawn = torch.empty(n, self._dimension, device=self.parameters.device)
        if self.config.distribution == "gaussian":
            drawn.normal_(generator=generator)
        else:
            drawn.uniform_(generator=generator)
        if self.config.num_buckets:
            drawn = self._bucketed(drawn)
        values = torch.addcmul(self._start, self._width, drawn)
        if self._is_whole and self.config.distribution == "uniform":
            return values.floor_().minimum(self.parameters[1])
        values = values.exp_() if self.config.distribution == "loguniform" else values
        return values.round_() if self._is_whole else values

    def _bucketed(self, drawn: torch.Tensor) -> torch.Tensor:
        """Round standard random numbers to evenly spaced ones, Gaussian ones within two standard deviations."""
        low, high = (-2.0, 2.0) if self.config.distribution == "gaussian" else (0.0, 1.0)
        count = self.config.num_buckets
        if count == 1:
            return torch.full_like(drawn, (low + high) / 2)
        steps = (drawn - low) * ((count - 1) / (high - low))
        return steps.round_().clamp_(0, count - 1) * ((high - low) / (count - 1)) + low

    @property
    def bounds(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Lowest and highest numbers ``(dimension,)`` that can be drawn; infinite if there are none."""
        if self.config.distribution != "gaussian":
            return self.parameters[0], self.parameters[1]
        mean, deviation = self.parameters
        reach = torch.where(deviation > 0, math.inf, 0.0)
        return mean - reach, mean + reach

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the current parameters."""
        return {"parameters": self.parameters.clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Restore :meth:`state_dict`."""
        self.parameters.copy_(state["parameters"])
        self._derive()


class Choice(Distribution):
    """Draws, equally often, one of several indices of names; see :class:`Distribution`.

    Args:
        config: the configured draw.
        key: key of the configuration section, for messages.
        dimension: numbers per world.
        device: device of the tensors.
        names: all names.

    Attributes:
        names: see above.
        chosen: indices of the names that are drawn.
    """

    def __init__(
        self, config: DrawConfig, key: str, dimension: int, device: torch.device, names: tuple[str, ...]
    ) -> None:
        self.names = names
        self.chosen: tuple[float, ...] = ()
        self._thresholds = torch.zeros(len(names) - 1, device=device)
        super().__init__(config, key, dimension, device)

    def set_parameters(self, values: Any) -> None:
        """Set the names, or their indices, that are drawn, in place.

        Raises:
            ConfigError: they are no list of different names.
        """
        self.chosen = check_choices(self._key, values.tolist() if hasattr(values, "tolist") else values, self.names)
        weights = torch.zeros(len(self.names))
        weights[[int(index) for index in self.chosen]] = 1.0 / len(self.chosen)
        thresholds = weights.cumsum(0)[:-1]
        thresholds[int(max(self.chosen)) :] = 2.0  # beyond every draw, whatever the rounding
        self._thresholds.copy_(thresholds)

    def sample(self, n: int, generator: torch.Generator) -> torch.Tensor:
        """Return ``(n, dimension)`` random indices."""
        drawn = torch.empty(n, self.parameters.shape[1], 1, device=self.parameters.device)
        return (drawn.uniform_(generator=generator) >= self._thresholds).sum(dim=-1).float()
