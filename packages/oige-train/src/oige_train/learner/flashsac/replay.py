"""A replay buffer on the learner's device, whose control steps are written and sampled by index tensors."""

from collections.abc import Mapping

import torch

__all__ = ["Replay", "Transitions"]

#: Tensors of a batch by name; see :meth:`Replay.sample`.
Transitions = dict[str, torch.Tensor]


class Replay:
    """A ring of the last control steps of all worlds, sampled as transitions over n steps.

    Position and size are tensors, so that writing and sampling can be parts of a CUDA graph.

    Args:
        size: number of transitions; rounded down to whole control steps of all worlds.
        num_envs: number of worlds, N.
        shapes: shapes of one world's values by name; each is float32.
        n_step: number of steps of a transition, at least 1.
        gamma: discount factor per control step.
        device: where the ring is.

    Raises:
        ValueError: the ring cannot hold ``n_step`` control steps.
    """

    def __init__(
        self,
        size: int,
        num_envs: int,
        shapes: dict[str, tuple[int, ...]],
        *,
        n_step: int,
        gamma: float,
        device: torch.device,
    ) -> None:
        self.capacity = size // num_envs
        if self.capacity < n_step:
            raise ValueError(f"a ring of {self.capacity} control steps cannot hold {n_step}")
        self.num_envs, self.n_step = num_envs, n_step
        rows = (self.capacity, num_envs)
        self._values = {name: torch.zeros(*rows, *shape, device=device) for name, shape in shapes.items()}
        self._rewards = torch.zeros(rows, device=device)
        self._terminated = torch.zeros(rows, dtype=torch.bool, device=device)
        self._done = torch.zeros(rows, dtype=torch.bool, device=device)
        self._position = torch.zeros((), dtype=torch.int64, device=device)
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        self._steps = torch.arange(n_step, device=device)
        self._discounts = gamma ** torch.arange(n_step + 1, dtype=torch.float32, device=device)

    def add(
        self, values: dict[str, torch.Tensor], rewards: torch.Tensor, terminated: torch.Tensor, done: torch.Tensor
    ) -> None:
        """Write a control step over the oldest one.

        Args:
            values: ``(N, …)`` by name: ``action``, what was observed before the step, and after it as ``next_<name>``.
            rewards: ``(N,)``.
            terminated: ``(N,)`` bool; the episode ended in a state without value.
            done: ``(N,)`` bool; the episode ended, also by truncation. The next row is then of another one.
        """
        row = self._position.reshape(1)
        for name, value in values.items():
            self._values[name].index_copy_(0, row, value.unsqueeze(0))
        self._rewards.index_copy_(0, row, rewards.unsqueeze(0))
        self._terminated.index_copy_(0, row, terminated.unsqueeze(0))
        self._done.index_copy_(0, row, done.unsqueeze(0))
        self._position.copy_((self._position + 1) % self.capacity)
        self._count.add_(1).clamp_(max=self.capacity)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the control steps so far, ``(steps, N, …)`` by name, and where the next one goes."""
        size = int(self._count)
        place = torch.tensor([int(self._position), self.capacity])
        return {name: values[:size] for name, values in self._rings().items()} | {"place": place}

    def load_tensors(self, tensors: Mapping[str, torch.Tensor]) -> bool:
        """Copy what :meth:`tensors` returned; return False, without changes, if another buffer has written it."""
        size = len(tensors["rewards"])
        position, capacity = tensors["place"].tolist()
        rings = {name: values[:size] for name, values in self._rings().items()}
        if (
            capacity != self.capacity
            or tensors.keys() != rings.keys() | {"place"}
            or any(tensors[name].shape != values.shape for name, values in rings.items())
        ):
            return False
        for name, values in rings.items():
            values.copy_(tensors[name])
        self._position.fill_(position)
        self._count.fill_(size)
        return True

    def _rings(self) -> dict[str, torch.Tensor]:
        """Return all values ``(capacity, N, …)`` by name."""
        flags = {"rewards": self._rewards, "terminated": self._terminated, "done": self._done}
        return {f"values.{name}": values for name, values in self._values.items()} | flags

    def sample(self, batch: int) -> Transitions:
        """Return random transitions, which end early where their episode ends.

        At least ``n_step`` control steps must have been added.

        Returns:
            ``(batch, …)`` by name: the values as in :meth:`add`, of which those called ``next_<name>`` follow the last
            step of the transition; ``reward``, the discounted sum of its rewards; ``discount`` of the value after it, 0
            after a termination.
        """
        device = self._rewards.device
        # float32 has too few digits for tens of millions of transitions.
        chance = torch.rand(2, batch, dtype=torch.float64, device=device)
        starts = (chance[0] * (self._count - self.n_step + 1)).long()
        worlds = (chance[1] * self.num_envs).long()
        return self.gather(starts, worlds)

    def gather(self, starts: torch.Tensor, worlds: torch.Tensor) -> Transitions:
        """Return the transitions that start ``starts`` control steps after the oldest one, in ``worlds``.

        Args:
            starts: ``(B,)`` int64.
            worlds: ``(B,)`` int64.

        Returns:
            See :meth:`sample`.
        """
        first = self._position - self._count + starts
        rows = (first.unsqueeze(-1) + self._steps) % self.capacity  # (B, n)
        cells = rows * self.num_envs + worlds.unsqueeze(-1)
        done = self._done.view(-1)[cells]
        before_end = (done.long().cumsum(dim=-1) - done.long()) == 0  # also true in the step that ends the episode
        length = before_end.sum(dim=-1)
        rewards = self._rewards.view(-1)[cells] * self._discounts[:-1]
        last = cells.gather(1, (length - 1).unsqueeze(-1)).squeeze(-1)
        batch = {
            name: values.flatten(0, 1)[last if name.startswith("next_") else cells[:, 0]]
            for name, values in self._values.items()
        }
        batch["reward"] = (rewards * before_end).sum(dim=-1)
        batch["discount"] = self._discounts[length] * ~self._terminated.view(-1)[last]
        return batch
