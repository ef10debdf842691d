"""Count the GPU kernels that a captured control step launches beside physics, by source line; without a GPU.

    uv run python tools/step_kernels.py [--tasks Ant Cartpole] [--lines] [--json step_kernels.json]

The step runs on Warp's CPU device, where a tape stands for a CUDA graph. Counted are the operations of torch that
compute something, and launches of Warp: on a GPU, each is one kernel, except that a copy of a list of tensors is one
kernel only if their strides agree. The columns are the graph before physics, the graph after it, what runs outside of
graphs, and the total; then the total by the code that launches the kernels. ``--lines`` prints every line of code.
"""

import argparse
import contextlib
import json
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import warp as wp
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.registry import installed_tasks
from oige_core.testing import TapeRecorder, make_env_on
from oige_train.cli.common import run_cli
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

NUM_ENVS = 4
GRAPHS = ("before", "after")
PLACES = (*GRAPHS, "outside")
PARTS = {"oige_core/math": "math", "oige_core/engines": "engine", "oige_core/tasks": "base", "oige_core/envs": "base"}
MACHINERY = ("/oige_core/testing/", "/oige_core/kernel_launch.py", "/executors/graphs.py")
SMALL: dict[str, dict[str, Any]] = {
    "AnymalTerrain": {"task.env.terrain.numLevels": 2, "task.env.terrain.numTerrains": 2},
    "CartpoleCamera": {"task.env.cameraHeight": 16, "task.env.cameraWidth": 24},
    "TargetFollowing": {"task.env.imageSize": 16},
}


class Kernels(TorchDispatchMode):
    """Counts kernels by place and source line.

    Attributes:
        counts: kernels by place and source line.
        place: where kernels are launched now; empty: they do not count.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[tuple[str, str]] = Counter()
        self.place = ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        if self.place and "empty" not in func.name() and not _is_view(func, args, outputs):
            self.add(_list_kernels(args) if "foreach" in func.name() else 1)
        return outputs

    def add(self, kernels: int = 1) -> None:
        """Count kernels at the line of the project that is being executed."""
        if self.place:
            self.counts[self.place, _line()] += kernels

    @contextlib.contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Count kernels at a place."""
        before, self.place = self.place, place
        try:
            yield
        finally:
            self.place = before


class CountingRecorder(TapeRecorder):
    """Counts the kernels of the graphs that are recorded."""

    def __init__(self, kernels: Kernels) -> None:
        self.kernels = kernels
        self.graphs = iter(GRAPHS)
        self.env: Any = None

    def record(self, work: Callable[[], None], generators: Sequence[torch.Generator]) -> Callable[[], None]:
        self.env.task.engine.executor.graphs.forget()  # Warp's work is launched again, not replayed
        with self.kernels.at(next(self.graphs)), patch.object(Graphs, "load"):
            play = super().record(work, generators)

        def play_uncounted() -> None:
            with self.kernels.at(""):
                play()

        return play_uncounted


def count(task: str, *, live: bool) -> Counter[tuple[str, str]]:
    """Return the kernels of a captured step, by place and source line.

    Args:
        task: name of the task.
        live: whether the step returns live tensors, see ``VecEnv.clone_results``.
    """
    kernels = Kernels()
    recorder = CountingRecorder(kernels)
    launch = wp.launch  # pyright: ignore[reportAttributeAccessIssue]

    def counted_launch(*args: Any, **kwargs: Any) -> Any:
        kernels.add()
        return launch(*args, **kwargs)

    with (
        patch.object(wp, "launch", counted_launch),
        patch.object(MujocoEngine, "graph_recorder", lambda _: recorder),
        patch("oige_core.math.fused._on_gpu", lambda _: True),
    ):
        recorder.env = env = make_env_on("warp-cpu", task, NUM_ENVS, overrides=SMALL.get(task))
        env.clone_results = not live
        env.reset(seed=1)
        actions = torch.zeros(NUM_ENVS, env.task.spec.num_actions)
        step = env.task.engine.step

        def uncounted_step(n_substeps: int = 1) -> None:
            with kernels.at(""):
                step(n_substeps)

        with kernels, patch.object(env.task.engine, "step", uncounted_step):
            for _ in range(3):  # the first two are eager, the third is captured
                env.step(actions)
            capture: Any = getattr(env.task, "capture", None)
            if capture is None or not capture.captured:
                print(f"{task}: {capture.reason if capture else 'is not captured'}")
                return Counter()
            with kernels.at("outside"):
                env.step(actions)
        env.close()
    return kernels.counts


def _is_view(func: Any, args: Any, outputs: Any) -> bool:
    """Whether an operation returns views of its arguments, without computing anything."""
    memory = {leaf.untyped_storage().data_ptr() for leaf in _tensors(args)}
    return not func._schema.is_mutable and all(
        not leaf.numel() or leaf.untyped_storage().data_ptr() in memory for leaf in _tensors(outputs)
    )


def _list_kernels(args: Any) -> int:
    """Return the kernels of an operation on lists of tensors: one if corresponding tensors have the same strides."""
    places, values = args[0], args[1] if len(args) > 1 and isinstance(args[1], list) else args[0]
    alike = all(a.stride() == b.stride() and a.dtype == b.dtype for a, b in zip(places, values, strict=True))
    return 1 if alike else len(places)


def _tensors(values: Any) -> list[torch.Tensor]:
    return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, torch.Tensor)]


def _line() -> str:
    """Return the innermost line of the project's code that is no machinery for launches."""
    for frame in reversed(traceback.extract_stack()):
        path = Path(frame.filename).as_posix()
        if "/src/oige_" in path and not any(part in path for part in MACHINERY):
            return f"{path.partition('/src/')[2]}:{frame.lineno}"
    return "?"


def part_of(line: str) -> str:
    """Return the part of the code to which a line belongs: base, engine, math or task."""
    return next((part for folder, part in PARTS.items() if line.startswith(folder)), "task")


def main(argv: list[str]) -> None:
    """Print the kernels of each task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=installed_tasks(), help="by default every installed task")
    parser.add_argument("--live", action="store_true", help="count a step that returns live tensors, as in training")
    parser.add_argument("--lines", action="store_true", help="also print the kernels of each line of code")
    parser.add_argument("--json", type=Path, help="output file")
    options = parser.parse_args(argv)
    results: dict[str, dict[str, int]] = {}
    parts = ("base", "engine", "math", "task")
    print("".join(f"{title:>9}" for title in ("", *PLACES, "total", *parts)))
    for task in options.tasks:
        counts = count(task, live=options.live)
        if not counts:
            continue
        row: Counter[str] = Counter()
        for (place, line), kernels in counts.items():
            for column in (place, "total", part_of(line)):
                row[column] += kernels
        results[task] = {column: row[column] for column in (*PLACES, "total", *parts)}
        print(task.ljust(16) + "".join(f"{value:>9}" for value in results[task].values()), flush=True)
        if options.lines:
            for (place, line), kernels in sorted(counts.items(), key=lambda item: (PLACES.index(item[0][0]), -item[1])):
                print(f"    {place:8}{kernels:4}  {line}")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    run_cli(main)
