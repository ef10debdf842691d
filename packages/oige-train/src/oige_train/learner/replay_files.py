"""Replay buffers on the disk, beside the checkpoints that they belong to.

A replay buffer is up to a thousand times as large as the rest of a checkpoint. Only that of the newest periodic
checkpoint is kept, so that checkpoints stay small enough to be copied, and to be kept by the dozen.
"""

import hashlib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from oige_train.atomic import written_atomically
from oige_train.runs.files import REPLAY_SUFFIX, replay_file

__all__ = ["load_replay", "remove_other_replays", "save_replay"]

STAMP = "stamp"


def save_replay(checkpoint: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Write the replay buffer of a checkpoint atomically, before the checkpoint itself.

    Args:
        checkpoint: path of the checkpoint.
        tensors: contents of the buffer by name.
        state: contents of the checkpoint.

    Raises:
        OSError: it cannot be written.
    """
    arrays: dict[str, Any] = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    arrays[STAMP] = np.array(_stamp(state))
    with written_atomically(replay_file(checkpoint)) as stream:
        np.savez(stream, **arrays)


def load_replay(checkpoint: Path, state: Mapping[str, Any]) -> dict[str, torch.Tensor] | None:
    """Return the replay buffer of a checkpoint; None if there is none, or if it is damaged or of another state.

    Args:
        checkpoint: path of the checkpoint.
        state: contents of the checkpoint.
    """
    file = replay_file(checkpoint)
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as arrays:
            if str(arrays[STAMP]) != _stamp(state):
                return None
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != STAMP}
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error):
        return None


def remove_other_replays(checkpoint: Path) -> None:
    """Remove the replay buffers of all other checkpoints in the folder of one that was written."""
    for file in checkpoint.parent.glob(f"*{REPLAY_SUFFIX}"):
        if file != replay_file(checkpoint):
            file.unlink(missing_ok=True)


def _stamp(state: Mapping[str, Any]) -> str:
    """Return a text that differs between the states of any two trainings, and of one training at any two moments."""
    digest = hashlib.sha256(state["random_state"]["torch"].cpu().numpy().tobytes())
    digest.update(str(state["frame"]).encode())
    return digest.hexdigest()
