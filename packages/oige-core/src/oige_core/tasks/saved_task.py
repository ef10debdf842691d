"""The part of a torch task that checkpoints contain: the attributes that change from step to step."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from oige_core.errors import OigeError
from oige_core.tasks.state import UNSAVED, decode_into, encode, is_constant, shared_memory
from oige_core.tasks.task import EnvConfigT, Task

__all__ = ["OUTCOME", "SavedTask", "sections"]

OUTCOME = (
    "obs_buf",
    "final_obs_buf",
    "final_states_buf",
    "states_buf",
    "rew_buf",
    "terminated_buf",
    "truncated_buf",
    "ended_buf",
    "failed_buf",
)
"""Buffers that the last step returned."""


class SavedTask(Task[EnvConfigT]):
    """A task whose attributes make up its state.

    A checkpoint contains the attributes that are tensors, NumPy arrays, numbers, strings or random generators, or
    lists, tuples, sets, deques or dictionaries of these. A task that keeps other values between steps adds them in
    :meth:`state_dict` and restores them in :meth:`load_state_dict`. A warning names attributes that would be lost.

    Attributes:
        unsaved: names of attributes that are not part of the state.
    """

    unsaved = frozenset(
        {
            "config",
            "cfg",
            "spec",
            "engine",
            "generator",
            "extras",
            "problem_counts",
            "clone_results",
            "clamped",
            "randomization",
            "_randomized_views",
        }
    )

    def state_dict(self) -> dict[str, Any]:
        """See :class:`~oige_core.tasks.task.Task`; also includes plain values, arrays and containers."""
        given = self._given_attributes()
        others = {name: encode(value) for name, value in vars(self).items() if name not in given}
        return super().state_dict() | {
            "values": {name: value for name, value in others.items() if value is not UNSAVED},
            "shared_memory": shared_memory(self.kept_attributes()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See :class:`~oige_core.tasks.task.Task`.

        Tensors are overwritten in place, so that views of them remain views.
        """
        if "shared_memory" not in state:
            raise OigeError(f"this state of {self.name} belongs to its Warp variant; resume with warp=True.")
        super().load_state_dict(state)
        replaced = self._replaced_tensors(state["shared_memory"])
        for name, value in (state["values"] | state["tensors"]).items():
            current = getattr(self, name, None)
            setattr(self, name, decode_into(current, value, self.device, name=name, replaced=replaced))

    def unsaved_attributes(self) -> list[str]:
        """See :class:`~oige_core.tasks.task.Task`."""
        saves_more = not type(self).state_dict.__module__.startswith("oige_core.")
        return [] if saves_more else self.uncertain_attributes()

    def uncertain_attributes(self) -> list[str]:
        """Return the attributes, with their types, that may or may not change in a step."""
        given, configured = self._given_attributes(), sections(self.config)
        return [
            f"{name} ({type(value).__name__})"
            for name, value in vars(self).items()
            if name not in given
            and encode(value) is UNSAVED
            and not is_constant(value)
            and not any(value is section for section in configured)
        ]

    def kept_attributes(self) -> dict[str, Any]:
        """Return the attributes that are state of the task, including tensors."""
        given = self._given_attributes() - self._tensors().keys()
        return {name: value for name, value in vars(self).items() if name not in given}

    def _replaced_tensors(self, together: Iterable[Sequence[str]]) -> set[str]:
        """Return the names of tensors that must not be overwritten when a state is loaded.

        Callers hold the results of the last step. Other tensors share memory here, but had separate values in the
        state.

        Args:
            together: groups of names of tensors in the state that share memory.
        """
        groups = [set(names) for names in together]
        replaced: set[str] = set(OUTCOME)
        for names in map(set, shared_memory(self.kept_attributes())):
            if names & replaced or not any(names <= group for group in groups):
                replaced |= names
        return replaced

    def _given_attributes(self) -> set[str]:
        """Return the attributes that are not state of the task: they are arguments, or saved elsewhere."""
        return {*self.unsaved, *self._tensors()}

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {name: value for name, value in super()._tensors().items() if name not in self.unsaved}


def sections(config: Any) -> list[Any]:
    """Return a configuration and all its sections."""
    if not dataclasses.is_dataclass(config):
        return []
    return [config, *(part for value in vars(config).values() for part in sections(value))]
