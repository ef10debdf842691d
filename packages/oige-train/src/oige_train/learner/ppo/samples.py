"""The samples of an epoch in the order of minibatches."""

from collections.abc import Sequence

import torch
from oige_core.tasks import Symmetry

from oige_train.learner.ppo.cursor import Cursor

__all__ = ["SampleStore"]


class SampleStore:
    """Samples of an epoch, ``(M, n, …)`` for ``M`` minibatches, in memory that stays the same.

    Each minibatch has ``B`` samples, followed by their images under each symmetry: ``n = (1 + symmetries) B``.

    Args:
        horizon: number of control steps ``T`` of a rollout.
        num_worlds: number of worlds ``N``.
        minibatch_size: ``B``; divides ``T × N``.
        symmetries: symmetries of the task.
        cursor: the minibatch that :meth:`current` returns.
    """

    def __init__(
        self, horizon: int, num_worlds: int, minibatch_size: int, symmetries: Sequence[Symmetry], cursor: Cursor
    ) -> None:
        self.shape = (horizon, num_worlds)
        self.minibatches = horizon * num_worlds // minibatch_size
        self.minibatch_size = minibatch_size
        self.symmetries = tuple(symmetries)
        self.cursor = cursor
        self.fields: dict[str, torch.Tensor] = {}
        self._images = {"obs": "observations", "actions": "actions"}

    def allocate(self, name: str, like: torch.Tensor, *, augmented: bool = True) -> torch.Tensor:
        """Return the field of a name, and reserve its memory if there is none.

        Args:
            name: name of the field.
            like: a tensor ``(…, …, *rest)`` with the type of values and the shape of a sample.
            augmented: whether the field also has images of samples.
        """
        if name not in self.fields:
            rows = self.minibatch_size * (1 + len(self.symmetries) if augmented else 1)
            self.fields[name] = like.new_zeros((self.minibatches, rows, *like.shape[2:]))
        return self.fields[name]

    def scratch(self, name: str) -> torch.Tensor:
        """Return a field's memory as a tensor ``(T, N, …)``, free to use until :meth:`fill`."""
        field = self.fields[name]
        return field.flatten(0, 1)[: self.shape[0] * self.shape[1]].unflatten(0, self.shape)

    def fill(self, name: str, values: torch.Tensor, order: torch.Tensor, *, augmented: bool = True) -> None:
        """Set a field.

        Args:
            name: name of the field; for ``obs`` and ``actions``, images are computed, for others copied.
            values: ``(T, N, …)``.
            order: ``(T N,)``; indices of the samples among the first two dimensions, in the order of minibatches.
            augmented: whether the field also has images of samples.
        """
        field, rows = self.allocate(name, values, augmented=augmented), values.flatten(0, 1)
        if field.shape[1] == self.minibatch_size:
            torch.index_select(rows, 0, order, out=field.flatten(0, 1))
            return
        chosen = rows.index_select(0, order).unflatten(0, (self.minibatches, self.minibatch_size))
        blocks = field.unflatten(1, (1 + len(self.symmetries), self.minibatch_size))
        blocks[:, 0].copy_(chosen)
        for number, symmetry in enumerate(self.symmetries, start=1):
            mapped = getattr(symmetry, self._images[name])(chosen) if name in self._images else chosen
            blocks[:, number].copy_(mapped)

    def fill_memory(self, states: Sequence[torch.Tensor]) -> None:
        """Set the hidden states at the start of sequences.

        Args:
            states: ``(sequences, layers, N, units)`` each; those of a world follow each other in minibatches.
        """
        for number, state in enumerate(states):
            by_world = state.permute(1, 2, 0, 3).flatten(1, 2).unflatten(1, (self.minibatches, -1)).transpose(0, 1)
            name = f"memory{number}"
            if name not in self.fields:
                self.fields[name] = torch.empty_like(by_world, memory_format=torch.contiguous_format)
            self.fields[name].copy_(by_world)

    def current(self, without: Sequence[str] = ()) -> dict[str, torch.Tensor]:
        """Return the fields of the minibatch at the cursor, ``(n, …)`` each.

        Args:
            without: fields to leave out.
        """
        return {name: self.cursor.read(field) for name, field in self.fields.items() if name not in without}
