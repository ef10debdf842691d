"""Measure which settings make MuJoCo Warp repeat itself bit by bit on a GPU, and what they cost.

    python tools/gpu_determinism.py --tasks Ant ShadowHand --envs 1024 --out determinism

For each task and setting, two environments of one process and one of another process take the same random actions from
the same seed. The program compares positions, velocities, observations, rewards and ends of episodes of every control
step bitwise and stops a setting after the first difference. Then it repeats each kernel of one solver step from
identical inputs, which shows the kernels and arrays in which runs begin to differ, and measures the time of a step by
turns with the other settings. Settings are bits of MuJoCo Warp's ``opt.deterministic``;
with ``ordered``, contacts are sorted and Warp orders the constraint rows that kernels append
(``warp.DeterministicMode.RUN_TO_RUN``), and ``ordered+all`` is ``task.sim.mujoco.deterministic=True``.

``--training`` trains a task twice instead, and reports the first epoch whose weights differ. Each task is written to a
file of its own in the folder ``--out``, after each setting. ``--device cpu`` runs everything on Warp's CPU device.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import warp as wp
from mujoco_warp import DeterminismType
from oige_core.engines.mujoco.engine import MujocoEngine, on_warp
from oige_core.envs import VecEnv
from oige_core.errors import ConfigError, nearest
from oige_core.registry import find_task, load_config, load_spec, load_task_class
from oige_train.cli.common import run_cli

TASKS = (
    "Cartpole",
    "Ant",
    "Humanoid",
    "Anymal",
    "AnymalTerrain",
    "BallBalance",
    "ShadowHand",
    "FrankaCabinet",
    "FactoryTaskNutBoltScrew",
    "FrankaDeformable",
)
ORDER = DeterminismType.CONTACTS | DeterminismType.CONSTRAINT
#: Bits of ``opt.deterministic``, and whether contacts and constraint rows have a fixed order.
SETTINGS: dict[str, tuple[int, bool]] = {
    "none": (0, False),
    "contacts": (DeterminismType.CONTACTS, False),
    "constraints": (DeterminismType.CONSTRAINT, False),
    "contacts+constraints": (ORDER, False),
    "atomics": (DeterminismType.ATOMICS, False),
    "all": (DeterminismType.ALL, False),
    "ordered": (0, True),
    "ordered+all": (DeterminismType.ALL, True),
}
GROUPS = ("positions and velocities", "observations", "rewards", "ends of episodes")
WARM_UP = 4  # control steps after which a step on CUDA is captured
CHUNK = 100  # control steps between two comparisons
ROUNDS = 7
ROUND_SECONDS = 0.25
REPETITIONS = 4  # of a kernel from identical inputs
LAUNCHES = 6  # of one kernel that are repeated
EPOCHS = 20


class Run:
    """An environment with one setting that takes the actions of a seed, and checksums of each of its steps."""

    def __init__(self, task: str, setting: str, arguments: argparse.Namespace) -> None:
        bits, ordered = SETTINGS[setting]
        started = time.perf_counter()
        count, device = arguments.envs, arguments.device
        spec = load_spec(find_task(task))
        config = load_config(task, {"num_envs": count, "seed": arguments.seed, **device_keys(device)})
        executor = on_warp(count, device, deterministic=int(bits), ordered=ordered)
        engine: Any = MujocoEngine(count, device, 1, executor=executor)
        self.env = VecEnv(load_task_class(spec)(config, spec, engine))
        self.executor: Any = engine.executor
        self.device = self.env.task.device
        self.generator = torch.Generator().manual_seed(arguments.seed)
        self.shape = (count, spec.num_actions)
        self.env.reset(seed=arguments.seed)
        for _ in range(WARM_UP):
            self.env.step(self.actions(1)[0])
        synchronize(self.device)
        self.start_seconds = time.perf_counter() - started
        self.digests = torch.zeros(0, len(GROUPS), count, dtype=torch.int64)

    def actions(self, steps: int) -> torch.Tensor:
        """Draw the next actions, between -1 and 1, on the CPU, so that all devices get the same."""
        return (2.0 * torch.rand(steps, *self.shape, generator=self.generator) - 1.0).to(self.device)

    def advance(self, steps: int) -> None:
        """Take steps and keep their checksums."""
        rows = []
        for actions in self.actions(steps):
            observations, rewards, terminated, truncated, _ = self.env.step(actions)
            state = torch.cat([self.executor.field("qpos"), self.executor.field("qvel")], dim=1)
            groups = (state, observations, rewards, terminated | truncated)
            rows.append(torch.stack([checksums(values) for values in groups]))
        self.digests = torch.cat([self.digests, torch.stack(rows).cpu()])

    def time_steps(self, steps: int) -> float:
        """Return the milliseconds of a control step."""
        actions = self.actions(1)[0]
        synchronize(self.device)
        began = time.perf_counter()
        for _ in range(steps):
            self.env.step(actions)
        synchronize(self.device)
        return 1e3 * (time.perf_counter() - began) / steps


def device_keys(device: str) -> dict[str, Any]:
    """Return the keys of a configuration that select a device."""
    kind, _, index = device.partition(":")
    if device != "cpu" and not (kind == "cuda" and index.isdecimal()):
        raise ConfigError(f"--device {device}: expected cpu, or cuda: and the number of a GPU, such as cuda:0.")
    name = "cpu" if device == "cpu" else "gpu"
    return {"sim_device": name, "pipeline": name, "device_id": int(index or 0)}


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def checksums(values: torch.Tensor) -> torch.Tensor:
    """Return an integer for each row, ``(N,)`` int64, from all bits of the row."""
    rows = as_integers(values.reshape(len(values), -1))
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(2**62, (rows.shape[1],), generator=generator, dtype=torch.int64) * 2 + 1
    return (rows * weights.to(rows.device)).sum(dim=1)


def as_integers(values: torch.Tensor) -> torch.Tensor:
    """Return the bit patterns of numbers as int64."""
    if values.is_floating_point():
        values = values.contiguous().view(torch.int32 if values.element_size() == 4 else torch.int64)
    return values.to(torch.int64)


def compare(one: torch.Tensor, other: torch.Tensor) -> dict[str, Any]:
    """Return where the checksums of two runs, ``(steps, groups, worlds)``, first differ."""
    steps = min(len(one), len(other))
    differ = one[:steps] != other[:steps]
    found = differ.flatten(1).any(dim=1).nonzero()
    result: dict[str, Any] = {"steps": steps, "equal": not len(found)}
    if len(found):
        first = int(found[0])
        result["first_step"] = first + 1
        result["first_in"] = [name for name, rows in zip(GROUPS, differ[first], strict=True) if rows.any()]
        result["worlds_at_first"] = int(differ[first].any(dim=0).sum())
        result["worlds_at_end"] = int(differ[-1, 0].sum())
    return result


@contextlib.contextmanager
def replaced_launches(replace: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
    """Replace the functions by which MuJoCo Warp launches kernels."""
    with (
        mock.patch.object(wp, "launch", replace(wp.launch)),
        mock.patch.object(wp, "launch_tiled", replace(wp.launch_tiled)),
    ):
        yield


class Repeater:
    """Repeats launches of kernels from identical inputs and notes the arrays whose bits differ."""

    def __init__(self) -> None:
        self.kernels: dict[str, dict[str, Any]] = {}

    def replace(self, launch: Callable[..., Any]) -> Callable[..., Any]:
        """Return a launch function that repeats each launch; what the last one wrote remains."""

        def repeat(*args: Any, **kwargs: Any) -> Any:
            kernel = kwargs["kernel"] if "kernel" in kwargs else args[0]
            name = f"{kernel.func.__module__.rsplit('.', 1)[-1]}.{kernel.func.__qualname__.split('.<locals>')[0]}"
            entry = self.kernels.setdefault(name, {"launches": 0, "repeated": 0, "differing": 0, "arrays": {}})
            entry["launches"] += 1
            if entry["repeated"] == LAUNCHES:
                return launch(*args, **kwargs)
            entry["repeated"] += 1
            given = [*args[2:4], kwargs.get("inputs", ()), kwargs.get("outputs", ())]
            values = [value for group in given for value in group]
            labels = [each.label for each in kernel.adj.args]
            arrays = {
                label: wp.to_torch(value)
                for label, value in zip(labels, values, strict=False)
                if isinstance(value, wp.array) and value.size
            }
            before = {label: tensor.clone() for label, tensor in arrays.items()}
            result = launch(*args, **kwargs)
            first = {label: tensor.clone() for label, tensor in arrays.items()}
            differing = False
            for _ in range(REPETITIONS - 1):
                for label, tensor in arrays.items():
                    tensor.copy_(before[label])
                result = launch(*args, **kwargs)
                for label, tensor in arrays.items():
                    ours, theirs = as_integers(first[label]).flatten(), as_integers(tensor).flatten()
                    if not torch.equal(ours, theirs):
                        differing = True
                        same = torch.equal(ours.sort().values, theirs.sort().values)
                        if entry["arrays"].get(label) != "values":
                            entry["arrays"][label] = "order" if same else "values"
            entry["differing"] += differing
            return result

        return repeat


def repeat_kernels(run: Run) -> dict[str, Any]:
    """Return, in the order of first launch, the kernels of one solver step that differ, with their arrays.

    An array has the entry ``order`` if it contains the same numbers in another order, otherwise ``values``.
    """
    repeater = Repeater()
    executor = run.executor
    with executor.graphs.on_torch_stream(), replaced_launches(repeater.replace):
        executor._launch_step(1, False)
    synchronize(run.device)
    differing = {name: entry for name, entry in repeater.kernels.items() if entry["differing"]}
    return {"kernels": len(repeater.kernels), "differing": differing}


def measure(task: str, settings: list[str], arguments: argparse.Namespace) -> None:
    """Measure settings in this process; write results and checksums to the folder of a task after each."""
    folder = Path(arguments.folder)
    results: dict[str, Any] = {}
    runs: dict[str, Run] = {}

    def write() -> None:
        name = "second" if arguments.second else "first"
        (folder / f"{name}_{'_'.join(settings)}.json").write_text(json.dumps(results))

    for setting in settings:
        if time.time() > arguments.until:
            results[setting] = {"error": "not measured: the time was over"}
            continue
        try:
            results[setting] = measure_setting(task, setting, arguments, runs)
        except Exception as error:  # a setting that MuJoCo Warp or Warp refuses leaves the others
            results[setting] = {"error": f"{type(error).__name__}: {error}"}
        write()
    if not arguments.second:
        times: dict[str, list[float]] = {setting: [] for setting in runs}
        steps = {name: max(2, int(1e3 * ROUND_SECONDS / run.time_steps(2))) for name, run in runs.items()}
        for _ in range(ROUNDS):
            for setting, run in runs.items():
                if time.time() < arguments.until:
                    times[setting].append(round(run.time_steps(steps[setting]), 4))
        for setting, values in times.items():
            results[setting]["ms_per_step"] = values
    write()


def measure_setting(task: str, setting: str, arguments: argparse.Namespace, runs: dict[str, Run]) -> dict[str, Any]:
    file = Path(arguments.folder) / f"{setting}.npy"
    first = Run(task, setting, arguments)
    result: dict[str, Any] = {"start_seconds": round(first.start_seconds, 1)}
    if arguments.second:
        expected = torch.from_numpy(np.load(file))
        first.advance(len(expected))
        return result | {"between_processes": compare(first.digests, expected)}
    second = Run(task, setting, arguments)
    result["second_start_seconds"] = round(second.start_seconds, 1)
    began = time.perf_counter()
    while len(first.digests) < arguments.steps:
        steps = min(CHUNK, arguments.steps - len(first.digests))
        first.advance(steps)
        second.advance(steps)
        found = compare(first.digests, second.digests)
        spent = time.perf_counter() - began
        if not found["equal"] or spent > arguments.seconds or time.time() > arguments.until:
            break
    np.save(file, first.digests.numpy())
    result["in_one_process"] = compare(first.digests, second.digests)
    result["problems"] = {kind: count for kind, count in first.env.problems().items() if count}
    result["one_solver_step"] = repeat_kernels(second)
    second.env.close()
    runs[setting] = first
    return result


def machine(device: str) -> dict[str, Any]:
    packages = ("mujoco", "mujoco-warp", "warp-lang", "torch")
    name = "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": name,
        "python": sys.version.split()[0],
        "versions": {package: version(package) for package in packages},
    }


def measure_task(task: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure a task in processes of their own, and write its file after each."""
    out = Path(arguments.out) / f"{task}.json"
    result: dict[str, Any] = {"task": task, "envs": arguments.envs, "steps": arguments.steps, "seed": arguments.seed}
    result |= {"machine": machine(arguments.device), "settings": {}}
    groups = [[name for name in arguments.settings if SETTINGS[name][1] == ordered] for ordered in (False, True)]
    with tempfile.TemporaryDirectory() as folder:
        for group in filter(None, groups):
            for process in ("first", "second"):
                # Once Warp orders what a kernel appends, it does so for all settings in that process.
                child = {"task": task, "settings": group, "second": process == "second", "folder": folder}
                run_child(child, arguments)
                file = Path(folder) / f"{process}_{'_'.join(group)}.json"
                measured = json.loads(file.read_text()) if file.exists() else {}
                for setting in group:
                    entry = result["settings"].setdefault(setting, {})
                    found = measured.get(setting, {"error": "its process failed"})
                    if process == "second":
                        found = {f"second_process_{key}" if key == "error" else key: found[key] for key in found}
                        found.pop("start_seconds", None)
                    entry |= found
                out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def run_child(child: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Run this program with other arguments in another process, and wait."""
    given = vars(arguments) | child
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, __file__, "--child", json.dumps(given)], check=False, env=environment)


def measure_training(task: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train twice with each setting and compare the weights after every epoch."""
    out = Path(arguments.out) / f"{task}_training.json"
    result: dict[str, Any] = {"task": task, "epochs": EPOCHS, "seed": arguments.seed, "settings": {}}
    result["machine"] = machine(arguments.device)
    for setting in arguments.settings:
        with tempfile.TemporaryDirectory() as folder:
            weights, seconds = [], []
            for number in range(2):
                if time.time() > arguments.until:
                    break
                began = time.perf_counter()
                run_child({"task": task, "train": setting, "folder": f"{folder}/{number}"}, arguments)
                seconds.append(round(time.perf_counter() - began, 1))
                weights.append(saved_weights(Path(folder, str(number))))
            entry: dict[str, Any] = {"seconds": seconds}
            if len(weights) < 2 or not (epochs := sorted(weights[0].keys() & weights[1].keys())):
                entry["error"] = "not measured: the time was over, or no checkpoints"
            else:
                different = [epoch for epoch in epochs if weights[0][epoch] != weights[1][epoch]]
                entry |= {"epochs": len(epochs), "equal": not different, "first_epoch": min(different, default=None)}
        result["settings"][setting] = entry
        out.write_text(json.dumps(result, indent=1) + "\n")
    return result


def saved_weights(folder: Path) -> dict[int, list[int]]:
    """Return a checksum of each tensor of the weights after each epoch."""
    weights = {}
    for file in folder.glob("**/nn/last_*_ep_*.pth"):
        epoch = int(file.stem.split("_ep_")[1].split("_")[0])
        model = torch.load(file, weights_only=True, map_location="cpu")["model"]
        weights[epoch] = [int(checksums(values.reshape(1, -1))) for _, values in sorted(model.items())]
    return weights


def train(task: str, setting: str, arguments: argparse.Namespace) -> None:
    """Train in this process, in a folder of its own."""
    from oige_core.engines.mujoco import engine
    from oige_train.cli.train import train as run_training

    bits, ordered = SETTINGS[setting]
    folder = Path(arguments.folder)
    folder.mkdir(parents=True)
    os.chdir(folder)
    device = arguments.device
    overrides = [f"task={task}", f"num_envs={arguments.envs}", f"seed={arguments.seed}", f"max_iterations={EPOCHS}"]
    overrides += [f"{key}={value}" for key, value in device_keys(device).items()]
    overrides += [f"rl_device={device}", "headless=True", "torch_deterministic=True"]
    overrides += ["train.params.config.save_frequency=1"]

    def executor(self: Any, compiled: Any, scene: Any) -> Any:
        return on_warp(self.num_envs, device, deterministic=int(bits), ordered=ordered)(compiled, scene)

    with mock.patch.object(engine.MujocoEngine, "_default_executor", executor):
        run_training(overrides)


def run_as_child(text: str) -> None:
    arguments = argparse.Namespace(**json.loads(text))
    if getattr(arguments, "train", None):
        train(arguments.task, arguments.train, arguments)
    else:
        measure(arguments.task, arguments.settings, arguments)


def main(argv: list[str]) -> None:
    if argv[:1] == ["--child"]:
        run_as_child(argv[1])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS))
    parser.add_argument("--envs", type=int, default=1024)
    parser.add_argument("--steps", type=int, default=1000, help="control steps of a run")
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of the two runs of one setting")
    parser.add_argument("--minutes", type=float, default=60.0, help="limit of the whole measurement")
    parser.add_argument("--device", default="cuda:0", help="cuda:N, or cpu for Warp's CPU device")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--training", action="store_true", help="train twice instead")
    parser.add_argument("--out", default="determinism", help="folder")
    arguments = parser.parse_args(argv)
    for setting in arguments.settings:
        if setting not in SETTINGS:
            raise ConfigError(f"--settings {setting}: unknown. {nearest(setting, SETTINGS)}")
    for task in arguments.tasks:
        find_task(task)
    device_keys(arguments.device)
    arguments.until = time.time() + 60.0 * arguments.minutes
    arguments.out = str(Path(arguments.out).resolve())
    Path(arguments.out).mkdir(parents=True, exist_ok=True)
    for task in arguments.tasks:
        if time.time() > arguments.until:
            print(f"{task}: not measured, the time was over", flush=True)
            continue
        result = (measure_training if arguments.training else measure_task)(task, arguments)
        for setting, entry in result["settings"].items():
            print(f"{task}, {setting}: {json.dumps(entry)}", flush=True)


if __name__ == "__main__":
    run_cli(main)
