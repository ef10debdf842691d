"""What is known of a checkpoint without loading it."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from oige_core.errors import OigeError

from oige_train.run_record import RunRecord

__all__ = ["FORMAT", "CheckpointError", "CheckpointInfo"]

#: Version of the layout of checkpoints.
FORMAT = 1


class CheckpointError(OigeError):
    """A file is not a checkpoint, is damaged, or belongs to something else."""


@dataclass(frozen=True, kw_only=True)
class CheckpointInfo:
    """Description of a checkpoint that can be read without loading it.

    Attributes:
        task: name of the task that was trained.
        algo: rl_games' name of the algorithm.
        observation_shape: shape of one world's observation.
        num_actions: size of one world's action.
        num_states: size of the privileged state; 0 if there is none.
        epoch: number of epochs trained.
        mean_reward: mean episode reward when it was written; None before any episode ended.
        run: record of its run; None if unknown.
        versions: versions of Python and of packages that affect results, by name; empty if unknown.
        format: version of the layout of the file.
    """

    task: str
    algo: str
    observation_shape: tuple[int, ...]
    num_actions: int
    num_states: int
    epoch: int
    mean_reward: float | None
    run: RunRecord | None = None
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    format: int = FORMAT
