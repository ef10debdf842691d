"""Train once in this process for a program that starts many trainings."""

import gc
from collections.abc import Sequence
from pathlib import Path

from oige_core.gpu import create_context

from oige_train.cli.common import checked_run
from oige_train.runner import execute
from oige_train.supervisor import Supervisor

__all__ = ["train_once"]


class _FolderRecorder(Supervisor):
    """Takes note of the folder of the run."""

    def __init__(self) -> None:
        self.folder: Path | None = None

    def opened(self, folder: Path) -> None:
        """Take note of the folder of the run."""
        self.folder = folder


def train_once(arguments: Sequence[str]) -> tuple[Path, int]:
    """Train as ``oige-train`` does with these arguments.

    Args:
        arguments: command-line arguments.

    Returns:
        The folder of the run, and the exit code.

    Raises:
        OigeError: an argument is wrong, or training failed.
    """
    gc.collect()  # agents are parts of cycles, which keep their memory on the GPU
    run = checked_run(list(arguments), starts=True)
    create_context(run.config.rl_device)
    recorder = _FolderRecorder()
    code = execute(run, arguments, recorder)
    assert recorder.folder is not None
    return recorder.folder, code
