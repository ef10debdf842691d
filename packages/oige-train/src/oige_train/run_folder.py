"""The folder of a run: its results, and a record of how they were made. Two runs never share one."""

import contextlib
import dataclasses
import datetime
import json
import math
import os
import platform
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from oige_core.devices import resolve_devices
from oige_core.errors import OigeError, reason
from omegaconf import OmegaConf

from oige_train.atomic import remove_unfinished, written_atomically
from oige_train.checkpoint import read_info
from oige_train.config import Run
from oige_train.config.torchrun import Torchrun
from oige_train.download import is_address
from oige_train.machine import machine
from oige_train.runs.files import CONFIG_FILE, POLICIES, RUNS, STARTS_FILE, locked
from oige_train.runs.run_summary import read_starts
from oige_train.schema import ALGORITHM_NAMES, TrainRunConfig
from oige_train.stopping import INTERRUPTED
from oige_train.versions import installed_versions

__all__ = [
    "RUNS",
    "RunEnd",
    "RunFolder",
    "RunFolderError",
    "best_score",
    "commits",
    "lock_folder",
    "make_folder",
    "own_folder",
    "restore_best",
    "videos_folder",
]

CONFIG_HEADER = "# For your information. Resuming and playing read the configuration from the checkpoint.\n"
#: How often, and after how many seconds, a folder is tried again that a program such as oige-runs looks at.
LOCK_ATTEMPTS, LOCK_PAUSE = 3, 0.05


class RunFolderError(OigeError):
    """A run's folder cannot be made or written."""


@dataclasses.dataclass
class RunEnd:
    """How a run ended.

    Attributes:
        code: exit code of the program.
        early: which goal ended training before its limit; empty: none.
    """

    code: int = 0
    early: str = ""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """Where a run's results go.

    Attributes:
        path: the folder.
        is_new: whether it was made for this start of the run; False: it is the folder of the resumed run.
        note: line for the user that names the folder.
    """

    path: Path
    is_new: bool
    note: str

    @classmethod
    def of(cls, run: Run) -> "RunFolder":
        """Return the folder of a training run: that of the run that is resumed under the same name, else a new one.

        A run of rl_games or OmniIsaacGymEnvs that is resumed gets a new folder, too.

        Raises:
            RunFolderError: it cannot be made or written.
        """
        name = run.config.train.params.config.full_experiment_name
        if run.config.resume and (RUNS / name).is_dir():
            return cls._continued(RUNS / name, run.checkpoint)
        own = own_folder(run.checkpoint, run.config)
        if run.checkpoint is not None and read_info(run.checkpoint, f"checkpoint={run.checkpoint}") is None:
            own = None
        same_name = run.former is not None and run.former.folder == name
        if own is not None and (same_name or own.name == name):
            _check_writable(own)
            return cls(own, is_new=False, note=f"results: {own}, continued")
        wanted = RUNS / name
        path = make_folder(wanted)
        return cls(
            path, is_new=True, note=f"results: {path}" + ("" if path == wanted else f", because {wanted} exists")
        )

    @classmethod
    def _continued(cls, path: Path, checkpoint: Path | None) -> "RunFolder":
        """Return the folder of a run that ``resume=True`` continues, or starts again if there is no checkpoint."""
        _check_writable(path)
        how = "continued" if checkpoint is not None else "started again, because it has no checkpoint"
        return cls(path, is_new=False, note=f"results: {path}, {how}")

    def remove_unfinished(self) -> str:
        """Remove what a killed process left under temporary names, and return a line that says so, or nothing."""
        if self.is_new:
            return ""
        config = Path(CONFIG_FILE)
        own = (STARTS_FILE, f"{config.stem}*{config.suffix}")  # a program that evaluates may write others
        removed = [file for name in own for file in remove_unfinished(self.path, name)]
        removed += remove_unfinished(self.path / POLICIES)
        return f"removed unfinished files of an earlier start: {', '.join(map(str, removed))}" if removed else ""

    def describe(self, run: Run, command: list[str]) -> None:
        """Write the configuration, and add what ran, on what and how in this start of the run to ``run.json``.

        Files of earlier starts are kept: a resumed run writes ``config_2.yaml``, and so on.

        Args:
            run: the checked run.
            command: the command line, split into arguments.

        Raises:
            RunFolderError: the files cannot be written.
        """
        try:
            starts_file = self.path / STARTS_FILE
            starts = _earlier_starts(starts_file)
            config = _unused(self.path / CONFIG_FILE)
            with written_atomically(config) as stream:
                stream.write((CONFIG_HEADER + OmegaConf.to_yaml(OmegaConf.create(run.resolved))).encode())
            settings, params = run.config, run.config.train.params
            start = {
                "task": settings.task.name,
                "train": run.train_name,
                "algorithm": ALGORITHM_NAMES[params.algo.name],
                "seed": settings.seed,
                "num_envs": settings.task.env.numEnvs,
                "processes": Torchrun.from_environment().size if settings.multi_gpu else 1,
                "command": shlex.join(command),
                "date": _now(),
                "overrides": list(run.record.overrides),
                "config": config.name,
                "resumed_from": _source(run),
                "versions": installed_versions(),
                "commits": commits(Path.cwd(), Path(__file__), run.task.cfg),
                "machine": {"host": platform.node(), **machine()},
                "devices": {"simulation": resolve_devices(settings).simulation, "learner": settings.rl_device},
                "float32_matmul_precision": torch.get_float32_matmul_precision(),
                "mixed_precision": params.config.mixed_precision and settings.rl_device != "cpu",
                "deterministic": settings.torch_deterministic,
                "end": None,
            }
            _write_starts(starts_file, [*starts, start])
        except OSError as error:
            raise RunFolderError(f"{self.path}: cannot be written ({reason(error)}).") from error

    @contextlib.contextmanager
    def recorded_end(self) -> Iterator["RunEnd"]:
        """Add to ``run.json``, after the block, how this start of the run ended.

        Yields:
            An object on which the block notes how the run ended.
        """
        end = RunEnd()
        state, cause = "failed", ""
        try:
            yield end
            state, cause = "stopped" if end.code == INTERRUPTED else "finished", end.early
        except KeyboardInterrupt:
            state, cause = "stopped", "interrupted before a checkpoint was written"
            raise
        except BaseException as error:
            cause = " ".join(str(error).split()) or type(error).__name__
            raise
        finally:
            self._add_end({"state": state, "date": _now(), "reason": cause})

    def _add_end(self, end: dict[str, str]) -> None:
        """Write how the latest start ended, unless the folder was removed or the disk is full."""
        starts_file = self.path / STARTS_FILE
        with contextlib.suppress(OSError, RunFolderError):
            if starts := _earlier_starts(starts_file):
                _write_starts(starts_file, [*starts[:-1], starts[-1] | {"end": end}])

    def discard(self) -> None:
        """Remove the folder if it was made for this start, which failed before training began."""
        if self.is_new:
            shutil.rmtree(self.path, ignore_errors=True)


def make_folder(wanted: Path) -> Path:
    """Make a new folder: ``wanted``, or the first of ``wanted_2``, ``wanted_3``, … that does not exist.

    Processes that start at the same time get different folders.

    Raises:
        RunFolderError: it cannot be made.
    """
    number = 1
    while True:
        path = wanted if number == 1 else wanted.with_name(f"{wanted.name}_{number}")
        try:
            wanted.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
        except FileExistsError as error:
            if not wanted.parent.is_dir():
                raise RunFolderError(
                    f"{wanted.parent}: expected a folder for results, found a file; move it."
                ) from error
            number += 1
        except OSError as error:
            raise RunFolderError(
                f"{path}: cannot be made ({reason(error)}); start the program in a folder where you may write."
            ) from error
        else:
            return path


@contextlib.contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes that train there until the block ends; does nothing on Windows.

    Raises:
        RunFolderError: another process trains there.
    """
    for attempt in range(LOCK_ATTEMPTS):
        with locked(folder) as free:
            if free is not False:
                yield
                return
        if attempt + 1 < LOCK_ATTEMPTS:
            time.sleep(LOCK_PAUSE)
    raise RunFolderError(
        f"{folder}: another process trains in this folder; wait for it to end, or give the resumed run a folder of its "
        "own with experiment=."
    )


def own_folder(checkpoint: Path | None, config: TrainRunConfig) -> Path | None:
    """Return the folder of the run that wrote a checkpoint; None if the file is no longer where the run wrote it.

    Args:
        checkpoint: the file, if any; one that was downloaded is in a cache, whatever the names of its folders.
        config: the configuration that names it.
    """
    if checkpoint is None or checkpoint.parent.name != "nn" or is_address(config.checkpoint):
        return None
    folder = checkpoint.parent.parent
    return folder if (folder / CONFIG_FILE).is_file() else None


def videos_folder(config: TrainRunConfig, checkpoint: Path | None = None) -> Path:
    """Return the folder of videos of a program that does not train: in the folder of the checkpoint's run, if any."""
    return (own_folder(checkpoint, config) or RUNS / config.train.params.config.full_experiment_name) / "videos"


def best_score(folder: RunFolder, run: Run) -> float:
    """Return the mean reward of the best policy in a folder, which later ones must exceed; −∞ if there is none."""
    file = _best_file(folder, run)
    info = read_info(file, str(file)) if file.is_file() else None
    return -math.inf if info is None or info.mean_reward is None else info.mean_reward


def restore_best(folder: RunFolder, run: Run, best: float) -> None:
    """Write the file of the best policy if the run's checkpoint is the best one, and was written just before a kill.

    Args:
        folder: the folder of the run.
        run: the checked run, with its checkpoint.
        best: score of the best policy so far, which the folder does not contain.

    Raises:
        OSError: it cannot be written.
    """
    assert run.checkpoint is not None
    info = read_info(run.checkpoint, str(run.checkpoint))
    if info is not None and info.mean_reward == best:
        with written_atomically(_best_file(folder, run)) as stream:
            stream.write(run.checkpoint.read_bytes())


def _best_file(folder: RunFolder, run: Run) -> Path:
    return folder.path / POLICIES / f"{run.config.train.params.config.name}.pth"


def _earlier_starts(file: Path) -> list[dict[str, Any]]:
    """Return the earlier starts of the run that ``run.json`` lists.

    Raises:
        RunFolderError: it is damaged.
    """
    try:
        return read_starts(file.parent)
    except ValueError as error:
        raise RunFolderError(f"{file}: {error}; move it away.") from error


def _write_starts(file: Path, starts: list[dict[str, Any]]) -> None:
    with written_atomically(file) as stream:
        stream.write((json.dumps(starts, indent=2, ensure_ascii=False) + "\n").encode())


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _source(run: Run) -> str | None:
    """Return the file that a run resumes from, or the address that it was downloaded from."""
    if run.checkpoint is None:
        return None
    return run.config.checkpoint if is_address(run.config.checkpoint) else str(run.checkpoint)


def _check_writable(folder: Path) -> None:
    for path in (folder, folder / POLICIES):
        if path.exists() and not os.access(path, os.W_OK):
            raise RunFolderError(
                f"{path}: cannot be written; copy the checkpoint to another folder, or choose a name with experiment=."
            )


def _unused(file: Path) -> Path:
    """Return ``file``, or the first of ``file_2``, ``file_3``, … that does not exist."""
    number, path = 1, file
    while path.exists():
        number += 1
        path = file.with_stem(f"{file.stem}_{number}")
    return path


def commits(*paths: Path) -> dict[str, str]:
    """Return the git commits of the working copies that contain the paths, by folder of the working copy.

    ``+`` after a commit means that tracked files differ from it. Without git, the result is empty.
    """
    found: dict[str, str] = {}
    for path in paths:
        folder = path if path.is_dir() else path.parent
        top = _git(folder, "rev-parse", "--show-toplevel")
        if top and top not in found:
            commit = _git(folder, "rev-parse", "HEAD")
            changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
            if commit:
                found[top] = commit + ("+" if changed else "")
    return found


def _git(folder: Path, *arguments: str) -> str:
    try:
        process = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.strip() if process.returncode == 0 else ""
