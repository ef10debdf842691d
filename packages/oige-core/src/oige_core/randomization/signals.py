"""Delays and losses on the way of observations and actions, per world, in fixed memory.

A control step calls :meth:`Delay.push` or :meth:`Drop.push` once for all worlds. Nothing here waits for the device, and
every tensor is changed in place, so that the calls can be captured in a graph.
"""

from typing import Literal

import torch

from oige_core.tasks import selection

__all__ = ["Delay", "Drop"]


class Delay:
    """A ring buffer that delays a signal by a number of control steps, separately in every world.

    Before an episode is as old as its delay there is no older value. A delayed observation is then the first one of the
    episode, and a delayed action is zero.

    Args:
        num_envs: number of worlds, N.
        shape: shape of the signal of one world.
        max_delay: longest delay, in control steps.
        fill: what is returned while the episode is younger than the delay: its first value, or zeros.
        dtype: type of the signal.
        device: device of the signal.

    Attributes:
        max_delay: see above.
        delays: ``(N,)`` int64, in control steps.
    """

    def __init__(
        self,
        num_envs: int,
        shape: tuple[int, ...],
        max_delay: int,
        *,
        fill: Literal["first", "zero"] = "first",
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.max_delay = max_delay
        self.delays = torch.zeros(num_envs, dtype=torch.int64, device=device)
        self._zero = fill == "zero"
        self._past = torch.zeros(max_delay + 1, num_envs, *shape, dtype=dtype, device=device)
        self._newest = torch.zeros(1, dtype=torch.int64, device=device)  # index of the newest values in _past
        self._age = torch.full_like(self.delays, -1)  # control steps since the first value of the episode
        self._worlds = torch.arange(num_envs, device=device)

    def set_delays(self, delays: torch.Tensor, worlds: torch.Tensor | None = None) -> None:
        """Set delays, rounded to whole control steps and clamped to 0 and the longest delay.

        Args:
            delays: ``(len(worlds),)``, in control steps.
            worlds: a selection of worlds, or None for all.
        """
        whole = delays.round().clamp(0, self.max_delay).to(torch.int64)
        self.delays.copy_(whole if worlds is None else selection.assign(self.delays, worlds, whole))

    def restart(self, worlds: torch.Tensor) -> None:
        """Begin new episodes in a selection of worlds: the next value that arrives is their first one."""
        self._age.copy_(selection.assign(self._age, worlds, -1))

    def push(self, values: torch.Tensor) -> torch.Tensor:
        """Take the values of a control step and return the delayed ones.

        Args:
            values: ``(N, …)``.
        """
        self._newest.add_(1).remainder_(self.max_delay + 1)
        self._age.add_(1)
        self._past.index_copy_(0, self._newest, values.unsqueeze(0))
        return self.read()

    def replace(self, worlds: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Take the first values of episodes that began in a selection of worlds after the last :meth:`push`.

        Args:
            worlds: the selection.
            values: ``(len(worlds), …)``.

        Returns:
            The values of the selected worlds that arrive now, ``(len(worlds), …)``.
        """
        self._age.copy_(selection.assign(self._age, worlds, 0))
        if worlds.dtype == torch.bool:
            newest = self._past.index_select(0, self._newest)[0]
            self._past.index_copy_(0, self._newest, selection.assign(newest, worlds, values).unsqueeze(0))
        else:
            self._past.flatten(0, 1).index_copy_(0, self._newest * len(self._worlds) + worlds, values)
        return self.read(worlds)

    def read(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the values that arrived last in a selection of worlds, or in all: ``(len(worlds), …)``."""
        age, delays, rows = (selection.rows(each, worlds) for each in (self._age, self.delays, self._worlds))
        moments = (self._newest - torch.minimum(delays, age.clamp(min=0))) % (self.max_delay + 1)
        values = self._past.flatten(0, 1).index_select(0, moments * len(self._worlds) + rows)
        if not self._zero:
            return values
        return values.masked_fill((delays > age).view(-1, *[1] * (values.ndim - 1)), 0)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the live tensors that are part of a saved state."""
        return {"past": self._past, "newest": self._newest, "age": self._age, "delays": self.delays}


class Drop:
    """Drops a signal in some control steps, independently in every world; then the last value that arrived remains.

    The first value of an episode always arrives.

    Args:
        num_envs: number of worlds, N.
        shape: shape of the signal of one world.
        generator: random stream that decides what is dropped, on the device of the signal.
        dtype: type of the signal.

    Attributes:
        probabilities: ``(N,)``; of losing a value.
    """

    def __init__(
        self,
        num_envs: int,
        shape: tuple[int, ...],
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        device = generator.device
        self.probabilities = torch.zeros(num_envs, device=device)
        self._generator = generator
        self._arrived = torch.zeros(num_envs, *shape, dtype=dtype, device=device)
        self._is_first = torch.ones(num_envs, dtype=torch.bool, device=device)

    def set_probabilities(self, values: torch.Tensor, worlds: torch.Tensor | None = None) -> None:
        """Set probabilities ``(len(worlds),)``, clamped to 0 and 1, of a selection of worlds, or of all."""
        values = values.clamp(0.0, 1.0)
        self.probabilities.copy_(values if worlds is None else selection.assign(self.probabilities, worlds, values))

    def restart(self, worlds: torch.Tensor) -> None:
        """Begin new episodes in a selection of worlds."""
        self._is_first.copy_(selection.assign(self._is_first, worlds, True))

    def push(self, values: torch.Tensor) -> torch.Tensor:
        """Take the values of a control step, ``(N, …)``, and return those that arrived last."""
        drawn = torch.empty_like(self.probabilities).uniform_(generator=self._generator)
        arrives = (drawn >= self.probabilities) | self._is_first
        arrived = torch.where(arrives.view(-1, *[1] * (values.ndim - 1)), values, self._arrived)
        self._arrived.copy_(arrived)
        self._is_first.fill_(False)
        return arrived

    def replace(self, worlds: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Take the first values ``(len(worlds), …)`` of episodes that began after the last :meth:`push`."""
        self._arrived.copy_(selection.assign(self._arrived, worlds, values))
        self._is_first.copy_(selection.assign(self._is_first, worlds, False))
        return self.read(worlds)

    def read(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Return the values that arrived last in a selection of worlds, or in all: ``(len(worlds), …)``."""
        values = selection.rows(self._arrived, worlds)
        return values.clone() if values is self._arrived else values

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the live tensors that are part of a saved state; the owner of the random stream saves it."""
        return {"probabilities": self.probabilities, "arrived": self._arrived, "is_first": self._is_first}
