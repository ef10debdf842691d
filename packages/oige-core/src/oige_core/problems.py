"""Problems in a simulation: what they mean and what to do.

A world with a problem ends its episode without reward and is reset, unless the kind says that episodes go on; see
:class:`~oige_core.tasks.Task`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

__all__ = ["PROBLEMS", "Problem", "ProblemCounts", "ProblemReport", "Recording", "describe_problems"]


@dataclass(frozen=True)
class Problem:
    """One kind of problem.

    Attributes:
        meaning: what happened, as the end of a sentence that begins with the number of times.
        remedy: what the user can do, as an imperative.
        ends_episode: whether the episode ends without reward; otherwise it goes on.
    """

    meaning: str
    remedy: str
    ends_episode: bool = True


_SMALLER_STEPS = "try a smaller task.sim.dt, more task.sim.substeps, or softer gains"

PROBLEMS: dict[str, Problem] = {
    "diverged": Problem("the state of a world became NaN, infinite or larger than 1e10", _SMALLER_STEPS),
    "exploded": Problem(
        "a world moved beyond task.sim.max_position or max_velocity",
        f"{_SMALLER_STEPS}; if such motion is intended, raise the bound",
    ),
    "singular_inertia": Problem(
        "the inertia matrix of a world became singular", f"check masses and armatures of the model; {_SMALLER_STEPS}"
    ),
    "contacts_overflow": Problem(
        "a world had more contacts than its buffer holds, and some were dropped",
        "raise task.sim.mujoco.max_contacts, or use sim_device=cpu",
    ),
    "constraints_overflow": Problem(
        "a world had more constraint rows than its buffer holds, and some were dropped",
        "raise task.sim.mujoco.max_constraints, or use sim_device=cpu",
    ),
    "height_field_overflow": Problem(
        "a shape covered more cells of a height field than collision detection checks",
        "make the field coarser, or use sim_device=cpu",
    ),
    "contact_sensor_overflow": Problem(
        "a link had more contacts than its contact sensor adds up", "track fewer links, or use sim_device=cpu"
    ),
    "convex_collision_overflow": Problem(
        "collision detection between convex shapes reached its iteration limit", "use simpler shapes, or sim_device=cpu"
    ),
    "physx_overflow": Problem(
        "PhysX reported that a buffer is full, and dropped contacts in some world",
        "raise the key of task.sim.physx that its message names",
    ),
    "non_finite_actions": Problem(
        "an action was NaN or infinite and was replaced by zero",
        "check the policy, for example with a lower learning rate",
    ),
    "non_finite_observations": Problem(
        "the task computed an observation that is NaN or infinite", "run with debug=True, which names the method"
    ),
    "non_finite_rewards": Problem(
        "the task computed a reward that is NaN or infinite", "run with debug=True, which names the reward term"
    ),
    "nut_left_thread": Problem(
        "a nut on a bolt was pushed half a pitch or more through its thread",
        "raise task.sim.substeps, or end episodes in which fingers have lost the nut",
        ends_episode=False,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What to record of worlds that fail.

    Attributes:
        limit: number of worlds; later failures are only counted.
        solver_steps: physics steps of a control step; for an executor, solver steps.
        notes: texts by name that describe the run, which the records contain.
    """

    limit: int
    solver_steps: int
    notes: dict[str, str]


def describe_problems(counts: Mapping[str, int]) -> str:
    """Return a short description of the counts for a status line, or an empty string if all are zero.

    Args:
        counts: number of occurrences of each kind; kinds that did not occur may be missing.
    """
    return ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in counts.items() if count)


class ProblemCounts:
    """Counts problems by kind and world on the device of the simulation, without host synchronisation.

    Args:
        kinds: the kinds that can occur, each a key of :data:`PROBLEMS`.
        num_envs: number of worlds, N.
        device: device of the tensors.
        in_graphs: whether Warp kernels or captured graphs write the tensors, so that the host does not know whether a
            world has failed.

    Attributes:
        kinds: see above.
        counts: ``(len(kinds), N)`` int32; number of occurrences of each kind in each world since the start.
        failed: ``(N,)`` bool; the worlds with a problem that ends episodes since the last :meth:`clear_failed`.
        in_graphs: see above.
    """

    def __init__(
        self, kinds: Sequence[str], num_envs: int, device: torch.device | str, *, in_graphs: bool = False
    ) -> None:
        self.kinds = tuple(kinds)
        self.counts = torch.zeros(len(self.kinds), num_envs, dtype=torch.int32, device=device)
        self.failed = torch.zeros(num_envs, dtype=torch.bool, device=device)
        self.in_graphs = in_graphs
        self._added = False  # since the last clear_failed

    @property
    def may_have_failed(self) -> bool:
        """Whether ``failed`` may mark a world or a count may have changed, as far as is known without reading them."""
        return self._added or self.in_graphs

    def add(self, kind: str, worlds: torch.Tensor) -> None:
        """Count a problem in the worlds of a bool mask ``(N,)``, which have failed if the kind ends episodes."""
        self.counts.select(0, self.kinds.index(kind)).add_(worlds)
        if PROBLEMS[kind].ends_episode:
            self.failed.logical_or_(worlds)
        self._added = True

    def clear_failed(self) -> None:
        """Mark no world as failed, at the beginning of a control step."""
        if self.may_have_failed:
            self.failed.zero_()
            self._added = False

    def totals(self) -> dict[str, int]:
        """Return the number of occurrences of each kind that occurred; this waits for the device."""
        totals = self.counts.sum(dim=1).tolist()
        return {kind: count for kind, count in zip(self.kinds, totals, strict=True) if count}

    def state_dict(self) -> dict[str, Any]:
        """Return copies of ``counts`` and ``failed``."""
        return {"kinds": list(self.kinds), "counts": self.counts.clone(), "failed": self.failed.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; unknown kinds are ignored, and missing kinds are zero."""
        self.counts.zero_()
        for kind, counts in zip(state["kinds"], state["counts"], strict=True):
            if kind in self.kinds:
                self.counts[self.kinds.index(kind)].copy_(counts)
        self.failed.copy_(state["failed"])
        self._added = True


class ProblemReport:
    """Explains each kind of problem once, when it first occurs."""

    def __init__(self) -> None:
        self._explained: set[str] = set()

    def new_lines(self, counts: Mapping[str, int]) -> list[str]:
        """Return a line for each kind that occurred and has not been explained yet.

        Args:
            counts: number of occurrences of each kind so far.
        """
        new = [kind for kind, count in counts.items() if count and kind not in self._explained]
        self._explained.update(new)
        return [
            f"warning: {PROBLEMS[kind].meaning} ({counts[kind]:,} so far). "
            f"Each such episode {'ends without reward' if PROBLEMS[kind].ends_episode else 'goes on'}. "
            f"What to do: {PROBLEMS[kind].remedy}."
            for kind in new
        ]
