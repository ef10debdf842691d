"""Golden vectors of OmniIsaacGymEnvs, and tasks that see their inputs instead of a simulation.

``tools/golden_vectors`` recorded the vectors. A test makes the real environment, replaces the views of its task by
:class:`GoldenView` and compares what the methods of the task return.
"""

import functools
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from oige_core.envs import VecEnv, make_vec
from oige_core.math import quat_apply_inverse

__all__ = [
    "DATA",
    "Golden",
    "GoldenView",
    "assert_columns",
    "assert_distribution",
    "assert_endings",
    "assert_flight_resets",
    "make_env",
]

DATA = Path(__file__).parent / "data"
TOLERANCE = 1e-5
BY_LINK = ("measured_joint_forces", "body_masses", "jacobians")  # getters whose columns are links, not joints


class Golden:
    """The golden vectors of a task.

    Args:
        task: name of the file.

    Attributes:
        note: how they were recorded.
        arrays: tensors by name; arrays of names are lists of strings.
    """

    def __init__(self, task: str) -> None:
        with np.load(DATA / f"{task}.npz") as file:
            self.note: dict[str, Any] = json.loads(str(file["note"]))
            self.arrays = {name: _decode(file[name]) for name in file.files if name != "note"}

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.arrays[name]

    def view(self, name: str, prefix: str = "in") -> dict[str, Any]:
        """Return the values of a view by getter, tuples as tuples."""
        start = f"{prefix}/{name}/"
        values: dict[str, Any] = {}
        for key, value in sorted(self.arrays.items()):
            if key.startswith(start):
                getter, _, element = key.removeprefix(start).partition("/")
                values[getter] = (*values.get(getter, ()), value) if element else value
        return values

    def terms(self) -> dict[str, torch.Tensor]:
        """Return the weighted reward terms by name."""
        return {key.removeprefix("out/terms/"): self[key] for key in self.arrays if key.startswith("out/terms/")}


class GoldenView:
    """A view that returns golden values, and keeps what is written to it instead of passing it on.

    The rest of the protocol is that of the real view. Joints and links must have the names and the order that they have
    in the original, as far as the values say them.

    Args:
        view: the real view.
        values: values by getter; see :meth:`Golden.view`.

    Attributes:
        written: arguments of the last call of each setter, with ``indices`` and ``joint_indices`` by name.
    """

    def __init__(self, view: Any, values: dict[str, Any]) -> None:
        self._view = view
        self._links = values.get("body_names")
        self._values = {name: value for name, value in values.items() if not name.endswith("_names")}
        self.written: dict[str, Any] = {}
        if "dof_names" in values:
            assert list(view.dof_names) == values["dof_names"]

    def replace(self, **values: Any) -> None:
        """Replace values by getter."""
        self._values |= values

    def get_body_frame_velocities(self, indices: Any = None) -> torch.Tensor:
        """Return the golden velocities along the axes of the golden orientations."""
        orientations = self.get_world_poses(indices)[1].unsqueeze(-2)
        return quat_apply_inverse(orientations, self.get_velocities(indices).unflatten(-1, (2, 3))).flatten(-2)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("set_", "apply_")):
            return functools.partial(self._write, name)
        if name.startswith("get_") and name.removeprefix("get_") in self._values:
            return functools.partial(self._get, name.removeprefix("get_"))
        return getattr(self._view, name)

    def _write(self, method: str, *args: Any, **kwargs: Any) -> None:
        self.written[method] = (*args, kwargs) if kwargs else args

    def _get(self, name: str, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> Any:
        value = self._values[name]
        if joint_indices is not None and name in BY_LINK and self._links:
            joint_indices = [self._links.index(self._view.body_names[link]) for link in joint_indices]
        rows = [_select(each, indices, joint_indices) for each in (value if isinstance(value, tuple) else (value,))]
        return tuple(rows) if isinstance(value, tuple) else rows[0]


@contextmanager
def make_env(
    task: str, num_envs: int, *, compat: str, warp: bool = False, seed: int = 7, **env: Any
) -> Iterator[VecEnv]:
    """Make the environment of a task on the CPU, already reset.

    Args:
        task: name of the task.
        num_envs: number of worlds, which is that of the golden samples.
        compat: ``upstream`` or ``fixed``.
        warp: whether to make the Warp variant.
        seed: seed of the environment.
        env: values of ``task.env`` by key.
    """
    overrides = {f"task.env.{key.replace('__', '.')}": value for key, value in env.items()}
    overrides["task.domain_randomization.randomize"] = False  # as in the recordings
    made = make_vec(
        task, num_envs, {"task.env.compat": compat, **overrides}, sim_device="cpu", seed=seed, num_threads=1, warp=warp
    )
    try:
        made.reset()
        yield made
    finally:
        made.close()


def assert_columns(ours: torch.Tensor, golden: torch.Tensor, *, skip: Sequence[int] = ()) -> None:
    """Assert that each column agrees to 1e-5, or to 1e-5 of the largest golden value of the column if that is above 1.

    Args:
        ours: ``(N, …)``.
        golden: ``(N, …)``.
        skip: columns that are known to differ.
    """
    assert ours.shape == golden.shape
    ours, golden = ours.double().flatten(1) if ours.ndim > 1 else ours.double().unsqueeze(1), golden.double()
    golden = golden.flatten(1) if golden.ndim > 1 else golden.unsqueeze(1)
    errors = (ours - golden).abs().amax(dim=0) / golden.abs().amax(dim=0).clamp(min=1.0)
    wrong = [column for column in range(len(errors)) if not errors[column] <= TOLERANCE and column not in skip]
    assert not wrong, f"columns {wrong} differ by {[round(errors[column].item(), 7) for column in wrong]}"


def assert_distribution(samples: torch.Tensor, golden: Golden, name: str, *, skip: Sequence[int] = ()) -> None:
    """Assert that samples have the distribution of the original's, in each column.

    The largest difference of the two cumulative distributions (Kolmogorov-Smirnov) is below the value that samples of
    one distribution exceed once in 100,000 columns, plus the distance of two recorded quantiles. The range must agree
    too: up to 1 % of it, or of distributions with thin tails up to the distance of the last two quantiles. A
    constant must be the same constant.

    Args:
        samples: ``(n, …)``.
        golden: golden vectors, which have ``out/reset/<name>``.
        name: name of the distribution.
        skip: columns that are known to differ.
    """
    quantiles = golden[f"out/reset/{name}/quantiles"].double()
    count = int(golden[f"out/reset/{name}/count"])
    values = samples.double().flatten(1)
    assert values.shape[1] == quantiles.shape[1]
    levels = torch.linspace(0.0, 1.0, len(quantiles), dtype=torch.float64)
    limit = 2.47 * (1 / count + 1 / len(values)) ** 0.5 + 0.5 / (len(quantiles) - 1)
    for column in range(values.shape[1]):
        if column in skip:
            continue
        ours, theirs = values[:, column].sort().values, quantiles[:, column].contiguous()
        width = (theirs[-1] - theirs[0]).item()
        where = f"{name}, column {column}"
        ends = torch.stack((ours[0], ours[-1])), torch.stack((theirs[0], theirs[-1]))
        tails = torch.stack((theirs[1] - theirs[0], theirs[-1] - theirs[-2]))
        within = (ends[0] - ends[1]).abs() <= tails.clamp(min=0.01 * width) + TOLERANCE
        assert within.all(), f"{where}: range {ends[0].tolist()}, not {ends[1].tolist()}"
        if width > TOLERANCE:
            # Values that occur more than once, as those at a limit, have a range of levels.
            below = torch.searchsorted(ours, theirs - TOLERANCE) / len(ours)
            up_to = torch.searchsorted(ours, theirs + TOLERANCE, right=True) / len(ours)
            distance = torch.maximum(below - levels, levels - up_to)[1:-1].max().item()
            assert distance < limit, f"{where}: cumulative distributions differ by {distance:.3f}"


def assert_endings(task: Any, golden: Golden, *, last: int) -> None:
    """Assert that episodes end in the states in which they do in the original, which the task has observed.

    Args:
        task: the task; in the default mode, its episodes do not end yet at the progress ``last``.
        golden: golden vectors of the task.
        last: progress at which the original ends episodes by time.
    """
    task.progress_buf = golden["in/progress"]
    ended, expected = task.is_done() | task.is_cut_short(), golden["out/resets"].bool()
    assert 0.1 < expected.float().mean() < 0.9
    same = torch.ones_like(expected) if task.upstream else task.progress_buf != last
    assert torch.equal(ended[same], expected[same])
    assert torch.equal(ended, expected) == task.upstream


def assert_flight_resets(task: Any, golden: Golden) -> None:
    """Assert that a task with ``vehicles`` that fly to ``targets`` was reset to the distribution of the original's."""
    positions, orientations = task.vehicles.get_world_poses()
    samples = {
        "positions": positions,
        "orientations": orientations,
        "targets": task.targets,
        "velocities": task.vehicles.get_velocities(),
        "joint_positions": task.vehicles.get_joint_positions(),
        "joint_velocities": task.vehicles.get_joint_velocities(),
    }
    for name, values in samples.items():
        assert_distribution(values, golden, name)


def _decode(array: np.ndarray) -> Any:
    return array.tolist() if array.dtype.kind == "U" else torch.from_numpy(array.copy())


def _select(values: torch.Tensor, indices: Any, columns: Any) -> torch.Tensor:
    values = values if indices is None else values[torch.as_tensor(indices)]
    return values if columns is None else values[:, torch.as_tensor(columns)]
