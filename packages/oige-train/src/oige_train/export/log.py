"""Logs of a robot that runs an exported policy: NumPy archives that ``oige-deploy-check`` reads."""

import dataclasses
import zipfile
import zlib
from pathlib import Path

import numpy as np
from oige_core.errors import OigeError, nearest

__all__ = ["LAYOUT", "Finding", "Log", "read_log"]

#: Arrays of a log. T is the number of control steps; D, A and J those of observations, actions and joints.
LAYOUT = {
    "observations": "(T, D): what the policy got, in the order of the contract; required",
    "actions": "(T, A): what the policy gave for them",
    "time": "(T,): when each observation was taken, in s",
    "starts": "(T,): whether the hidden state was reset before the step; by default only before the first",
    "observation_names": "(D,): names of the observations, as in the contract",
    "action_names": "(A,): names of the actions, as in the contract",
    "joint_names": "(J,): names of the columns of joint_positions",
    "joint_positions": "(T, J): what the encoders measured, in rad or m",
    "base_orientation": "(T, 4): orientation of the base as a quaternion w, x, y, z",
}
TEXTS = ("observation_names", "action_names", "joint_names")


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something in a log that does not look like what the policy was recorded with.

    Attributes:
        entry: name of the observation, the action or the array at fault.
        text: what it looks like, with figures.
    """

    entry: str
    text: str

    def __str__(self) -> str:
        """Return the finding as one line."""
        return f"{self.entry}: {self.text}"


@dataclasses.dataclass
class Log:
    """A log; attributes are the arrays of :data:`LAYOUT`, None where the file has none.

    Attributes:
        file: the file.
        starts: ``(T,)`` bool.
    """

    file: Path
    observations: np.ndarray
    starts: np.ndarray
    actions: np.ndarray | None = None
    time: np.ndarray | None = None
    observation_names: np.ndarray | None = None
    action_names: np.ndarray | None = None
    joint_names: np.ndarray | None = None
    joint_positions: np.ndarray | None = None
    base_orientation: np.ndarray | None = None


def read_log(file: Path) -> Log:
    """Read a log.

    Raises:
        OigeError: it is no NumPy archive, or has other arrays, or arrays of another type.
    """
    if not file.is_file():
        raise OigeError(f"{file}: no such file; expected a log written with numpy.savez.")
    try:
        archive = np.load(file, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise OigeError(f"{file}: holds one array, expected an archive of named arrays; write it with numpy.savez.")
        with archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise OigeError(f"{file}: not a NumPy archive of arrays; write the log with numpy.savez.") from error
    for name in arrays:
        if name not in LAYOUT:
            raise OigeError(f"{file}: has an array '{name}', which logs do not have. {nearest(name, LAYOUT)}")
    if "observations" not in arrays:
        raise OigeError(f"{file}: has no array 'observations' (T, D), which is required.")
    for name, array in arrays.items():
        kinds, expected = ("U", "texts") if name in TEXTS else ("fiub", "numbers")
        if array.dtype.kind not in kinds:
            raise OigeError(f"{file}: {name} has the type {array.dtype}; expected {expected}.")
    steps = len(arrays["observations"]) if arrays["observations"].ndim else 0
    if "starts" not in arrays:
        arrays["starts"] = np.arange(steps) == 0
    arrays["starts"] = arrays["starts"].astype(bool)
    return Log(file=file, **arrays)
