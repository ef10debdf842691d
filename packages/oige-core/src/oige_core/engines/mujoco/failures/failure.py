"""A world that failed, with what is needed to repeat its last steps, as one file."""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mujoco
import numpy as np

from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.errors import OigeError, reason

__all__ = ["STATE", "Failure", "FailureFileError", "since_reset"]

STATE = mujoco.mjtState.mjSTATE_INTEGRATION
"""What a state of a failure contains, for ``mj_setState``: also controls, applied forces and warm starts."""

FORMAT = 1


class FailureFileError(OigeError):
    """A file of a failed world cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A world whose state diverged or exploded, and its last states.

    Attributes:
        kind: what happened, a key of :data:`~oige_core.problems.PROBLEMS`.
        world: number of the world.
        step: number of the control step in which it happened, counted from 1 since recording began.
        model: the model of that world, with its own masses, frictions, gains and so on.
        states: ``(k, n)`` float64; the integration state before each of the last k calls of physics since the world was
            reset, the failing one last. ``mj_setState(model, data, states[i], STATE)`` restores one.
        solver_steps: ``(k,)`` number of solver steps of each call.
        bounds: bounds beyond which a world counts as exploded.
        velocity_limits: ``(nv,)`` limits of joint velocities, in m/s or rad/s; None if the engine limits none.
        executor: what simulated the world, ``mujoco.batch`` (the C engine) or ``mujoco_warp``.
        notes: texts by name about the run, such as its task.
    """

    kind: Literal["diverged", "exploded"]
    world: int
    step: int
    model: mujoco.MjModel
    states: np.ndarray
    solver_steps: np.ndarray
    bounds: StateBounds
    velocity_limits: np.ndarray | None
    executor: str
    notes: dict[str, str]

    def save(self, path: Path) -> None:
        """Write a file, without leaving a broken one behind.

        Args:
            path: of the file, with the suffix ``.npz``.

        Raises:
            OSError: it cannot be written.
        """
        model = np.empty(mujoco.mj_sizeModel(self.model), np.uint8)
        mujoco.mj_saveModel(self.model, None, model)
        header = {
            "format": FORMAT,
            "mujoco": mujoco.__version__,
            "kind": self.kind,
            "world": self.world,
            "step": self.step,
            "executor": self.executor,
            "notes": self.notes,
        }
        arrays = {
            "header": np.array(json.dumps(header)),
            "model": model,
            "states": self.states,
            "solver_steps": self.solver_steps,
            "qpos_bounds": self.bounds.qpos,
            "qvel_bounds": self.bounds.qvel,
        }
        if self.velocity_limits is not None:
            arrays["velocity_limits"] = self.velocity_limits
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        part.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Failure":
        """Read a file of :meth:`save`.

        Raises:
            FailureFileError: the file is missing, damaged, or was written with another version of MuJoCo.
        """
        if path.is_dir():
            raise FailureFileError(f"{path}: is a folder; expected a file, such as runs/<name>/failures/*.npz.")
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            return cls._from_arrays(arrays, path)
        except FileNotFoundError as error:
            raise FailureFileError(f"{path}: no such file; expected one of runs/<name>/failures/*.npz.") from error
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
            raise FailureFileError(
                f"{path}: is damaged, or not the file of a failed world ({_reason(error)}); expected one of "
                "runs/<name>/failures/*.npz."
            ) from error

    @classmethod
    def _from_arrays(cls, arrays: dict[str, np.ndarray], path: Path) -> "Failure":
        header: dict[str, Any] = json.loads(str(arrays["header"]))
        if header["format"] != FORMAT:
            raise FailureFileError(f"{path}: has format {header['format']}, expected {FORMAT}; use a matching OIGE.")
        if header["mujoco"] != mujoco.__version__:
            raise FailureFileError(
                f"{path}: contains a model of MuJoCo {header['mujoco']}, but {mujoco.__version__} is installed; run "
                f"uv run --with mujoco=={header['mujoco']} oige-replay {path}"
            )
        model = mujoco.MjModel.from_binary_path("model.mjb", {"model.mjb": arrays["model"].tobytes()})
        states, solver_steps = arrays["states"], arrays["solver_steps"]
        expected = (len(solver_steps), mujoco.mj_stateSize(model, STATE))
        if states.shape != expected or not len(states):
            raise ValueError(f"states have shape {states.shape}, expected {expected}")
        bounds = StateBounds(model)
        bounds.qpos, bounds.qvel = arrays["qpos_bounds"], arrays["qvel_bounds"]
        return cls(
            kind=header["kind"],
            world=header["world"],
            step=header["step"],
            model=model,
            states=states,
            solver_steps=solver_steps,
            bounds=bounds,
            velocity_limits=arrays.get("velocity_limits"),
            executor=header["executor"],
            notes=header["notes"],
        )


def since_reset(times: np.ndarray, durations: np.ndarray) -> int:
    """Return the number of the first call of physics since the last reset.

    Args:
        times: ``(k,)`` time of a world before each call, in seconds; a reset sets it back.
        durations: ``(k,)`` simulated time of each call, in seconds.
    """
    breaks = np.flatnonzero(np.abs(np.diff(times) - durations[:-1]) > 0.5 * durations[:-1])
    return 0 if not len(breaks) else int(breaks[-1]) + 1


def _reason(error: Exception) -> str:
    """Return what went wrong, as part of a sentence."""
    if isinstance(error, OSError):
        return reason(error)
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]}"
    if "allow_pickle" in str(error):  # numpy's advice is to load it all the same, which may run code
        return "it is no archive of numbers"
    return str(error).splitlines()[0].removesuffix(".") if str(error) else type(error).__name__
