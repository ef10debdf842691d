"""Checkpoints: one file, written atomically, and loaded without running code from it.

A checkpoint is the zip archive that ``torch.save`` writes, with one more entry: ``oige.json``, a
:class:`CheckpointInfo`. That entry is read without torch, so that a wrong file is refused before anything starts.
"""

import contextlib
import dataclasses
import functools
import io
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from oige_core.config import EnvConfig
from oige_core.spec import TaskSpec

from oige_train.atomic import written_atomically
from oige_train.checkpoint_info import FORMAT, CheckpointError, CheckpointInfo
from oige_train.download import fetch, is_address
from oige_train.export.contract import is_exported, read_contract
from oige_train.rl_games_layouts import to_installed_layout
from oige_train.run_record import RunRecord
from oige_train.schema import ALGORITHM_NAMES

__all__ = [
    "CheckpointError",
    "CheckpointInfo",
    "check_checkpoint",
    "check_content",
    "check_fit",
    "checkpoint_path",
    "load_checkpoint",
    "read_info",
    "save_checkpoint",
]

INFO_ENTRY = "oige.json"
LARGEST_INFO = 2**24  # bytes
#: First bytes of the files that ``torch.save`` wrote before version 1.6, which are no archives.
LEGACY_START = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


def check_checkpoint(path: str, *, task: str, algo: str, spec: TaskSpec, env: EnvConfig) -> Path:
    """Check, without torch, that a checkpoint fits the run, and return its path.

    A checkpoint of plain rl_games has no ``oige.json``; only its archive is checked here.

    Args:
        path: the path as the user typed it.
        task: name of the task that is about to run.
        algo: rl_games' name of the algorithm that is about to run.
        spec: record of that task.
        env: its ``task.env`` section.

    Raises:
        CheckpointError: the file is missing, is not a checkpoint, or belongs to another task.
    """
    shown = f"checkpoint={path}"
    file = checkpoint_path(path)
    if not file.exists():
        if "#sha256=" in path:
            raise CheckpointError(f"{shown}: #sha256= follows an address, such as https://…; leave it out.")
        raise CheckpointError(f"{shown}: no such file. {_what_is_in(file.parent)}")
    if not file.is_file():
        folder = file / "nn" if (file / "nn").is_dir() else file
        raise CheckpointError(f"{shown}: expected a file, found a folder; name a .pth file. {_what_is_in(folder)}")
    info = read_info(file, shown)
    if info is None:
        return file
    if info.format > FORMAT:
        raise CheckpointError(
            f"{shown}: written by a newer version (format {info.format}, not {FORMAT}); update oige-train."
        )
    if info.task != task:
        raise CheckpointError(
            f"{shown}: belongs to task {info.task}, not {task}; give a checkpoint of {task}, or leave task= out."
        )
    expected = (spec.shape_for(env), spec.num_actions, spec.states_for(env))
    found_sizes = (info.observation_shape, info.num_actions, info.num_states)
    if found_sizes != expected:
        was, now = (
            f"observations of shape {shape}, {actions} actions and {states} states"
            for shape, actions, states in (found_sizes, expected)
        )
        raise CheckpointError(f"{shown}: trained with {was}, but {task} has {now}; train a new policy.")
    if info.algo != algo:
        then, now = (ALGORITHM_NAMES.get(name, name) for name in (info.algo, algo))
        raise CheckpointError(f"{shown}: trained with {then}, not {now}; choose the same train= as then.")
    return file


def checkpoint_path(text: str) -> Path:
    """Return the path of a checkpoint as a user typed it, with ``~`` expanded; the file at an address is downloaded.

    On command lines of OmniIsaacGymEnvs, backslashes precede characters such as ``[`` and ``=``. They are left out if
    only the file without them exists.

    Raises:
        DownloadError: the file at an address cannot be downloaded.
        CheckpointError: the file at an address is not a checkpoint.
    """
    if is_address(text):
        return _downloaded(text)
    typed = Path(text).expanduser()
    plain = Path(re.sub(r"\\([\\()\[\]{}:=, ])", r"\1", text)).expanduser()
    return plain if plain.is_file() and not typed.is_file() else typed


@functools.cache
def _downloaded(address: str) -> Path:
    """Return the file at an address, which is requested once in a process, so that its content stays the same."""

    def check(file: Path) -> None:
        shown = f"checkpoint={address}"
        read_info(file, shown)
        check_content(file, shown)

    return fetch(address, check)


def _what_is_in(folder: Path) -> str:
    """Return a sentence that lists the checkpoints in a folder, the best policy and the newest ones first."""
    files = [file for file in folder.glob("*.pth") if file.is_file()]
    files.sort(key=lambda file: (file.name.startswith("last_"), -file.stat().st_mtime, file.name))
    place = "this folder" if folder == Path() else str(folder)
    return (
        f"{place} has {', '.join(file.name for file in files[:5])}." if files else f"There is no checkpoint in {place}."
    )


def read_info(file: Path, shown: str) -> CheckpointInfo | None:
    """Return the info of a checkpoint, or None if plain rl_games wrote it; of an exported policy, from its contract.

    Args:
        file: an existing file.
        shown: name of the file in error messages.

    Raises:
        CheckpointError: it is not a checkpoint, or damaged.
    """
    if is_exported(file):
        return read_contract(file, shown).info()
    try:
        if _is_legacy(file):
            return None
        with zipfile.ZipFile(file) as archive:
            names = {name.partition("/")[2]: name for name in archive.namelist()}
            if "data.pkl" not in names:
                raise CheckpointError(f"{shown}: not a checkpoint; expected a .pth file of oige-train or rl_games.")
            if INFO_ENTRY not in names:
                return None
            if archive.getinfo(names[INFO_ENTRY]).file_size > LARGEST_INFO:
                raise ValueError(f"{INFO_ENTRY} is larger than {LARGEST_INFO:,} bytes")
            values = json.loads(archive.read(names[INFO_ENTRY]))
            values["observation_shape"] = tuple(values["observation_shape"])
            if values.get("run") is not None:
                values["run"] = RunRecord.from_json(values["run"])
            versions = values.get("versions", {})
            if not isinstance(versions, dict) or not all(isinstance(text, str) for text in versions.values()):
                raise TypeError("versions of packages are not text")
            known = {field.name for field in dataclasses.fields(CheckpointInfo)}
            return CheckpointInfo(**{key: value for key, value in values.items() if key in known})
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{shown}: not a checkpoint; expected a .pth file of oige-train or rl_games.") from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError, RuntimeError, zlib.error) as error:
        raise CheckpointError(f"{shown}: damaged ({error}); use another checkpoint.") from error


def save_checkpoint(file: Path, state: dict[str, Any], info: CheckpointInfo) -> None:
    """Write a checkpoint atomically: ``file`` is always either the whole old one or the whole new one.

    Args:
        file: path, whose folder must exist.
        state: tensors and plain values.
        info: description that can be read without loading.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(state, buffer)
    with zipfile.ZipFile(buffer, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{root}/{INFO_ENTRY}", json.dumps(dataclasses.asdict(info)))
    with written_atomically(file) as stream:
        stream.write(buffer.getbuffer())


@contextlib.contextmanager
def check_fit(file: Path | str) -> Iterator[None]:
    """Report errors of the block, which loads a checkpoint into networks, as a checkpoint that does not fit.

    Args:
        file: of the checkpoint.

    Raises:
        CheckpointError: the block has raised a RuntimeError, KeyError or ValueError.
    """
    try:
        yield
    except (RuntimeError, KeyError, ValueError) as error:
        misfit = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise CheckpointError(f"checkpoint={file}: does not fit the network of this run ({misfit}).") from error


def load_checkpoint(file: Path, device: str) -> dict[str, Any]:
    """Load a checkpoint onto a device: only tensors and plain values, never code.

    Those of older versions of rl_games get the layout of the installed one.

    Raises:
        CheckpointError: the file is damaged, or contains other objects.
    """
    import pickle

    import numpy as np
    import torch
    from numpy._core.multiarray import scalar

    # rl_games stores its best score as a NumPy number. These classes restore one, of NumPy 2 and 1.
    numbers = [
        (scalar, "numpy._core.multiarray.scalar"),
        (scalar, "numpy.core.multiarray.scalar"),
        np.dtype,
        np.dtypes.Float32DType,
        np.dtypes.Float64DType,
    ]
    try:
        _check_sums(file)
        with torch.serialization.safe_globals(numbers):
            state = torch.load(file, map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        culprit = re.search(r"GLOBAL (\S+)", str(error))
        named = f" ({culprit[1]})" if culprit else ""
        raise CheckpointError(
            f"checkpoint={file}: refused: it holds more than tensors and plain values{named} and could run code; "
            "use a checkpoint that you trust, written by oige-train or rl_games."
        ) from error
    except Exception as error:  # a damaged pickle can raise errors of many types
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"checkpoint={file}: damaged ({why}); use another checkpoint.") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"checkpoint={file}: not a checkpoint; expected a .pth file of oige-train or rl_games.")
    return to_installed_layout(state)


def check_content(file: Path, shown: str) -> None:
    """Check the content of a checkpoint against its checksums.

    Args:
        file: an existing file for which :func:`read_info` succeeds.
        shown: name of the file in error messages.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        _check_sums(file)
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, zlib.error) as error:
        raise CheckpointError(f"{shown}: damaged ({error}); use another checkpoint.") from error


def _is_legacy(file: Path) -> bool:
    """Whether ``torch.save`` wrote a file in the format that it had before version 1.6."""
    with file.open("rb") as stream:
        return stream.read(len(LEGACY_START)) == LEGACY_START


def _check_sums(file: Path) -> None:
    """Raise BadZipFile if content differs from its checksums, which ``torch.load`` ignores.

    Programs other than this one may write archives without them, and files that are no archives have none.
    """
    if _is_legacy(file):
        return
    with zipfile.ZipFile(file) as archive:
        ours = any(name.endswith(f"/{INFO_ENTRY}") for name in archive.namelist())
        if ours and (entry := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the content of {entry} has changed")
