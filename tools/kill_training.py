"""Kill training with SIGKILL at random moments, resume it with ``resume=True``, and compare it with a whole run.

    uv run python tools/kill_training.py --kills 50 --seed 1 --record docs/results/interruption.md

Every kind of run is trained twice: without interruption, and as a chain of processes that are killed. Each process of a
chain executes the same command. Half of the kills come at a random moment; the other half when a temporary file shows
that a checkpoint is being written, where the synchronisation of files with the disk is slowed down. After each kill,
every file under a final name must be whole. At the end, all checkpoints must equal those of the whole run bit for bit:
weights, moments of optimisers, normalisers, simulation, task, statistics and random generators, and replay buffers. In
TensorBoard, all scalars must have the same values at the same steps, without doubles or gaps, other than times.

Processes are forked from one that has imported torch, because imports take longer than the training of small tasks.
"""

import argparse
import contextlib
import datetime
import importlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONFIG = "train.params.config"
#: Scalars that measure time.
TIMES = ("performance/",)
#: Seconds by which the synchronisation of a file is delayed in a process that is killed in it.
DELAY = 0.02
COMMON = ("sim_device=cpu", "num_threads=1", "train.params.torch_threads=1", f"{CONFIG}.save_best_after=2")
SMALL_SAC = (
    "task=Ant",
    "num_envs=8",
    "max_iterations=40",
    "task.env.episodeLength=60",
    f"{CONFIG}.batch_size=32",
    f"{CONFIG}.replay_buffer_size=1200",
    f"{CONFIG}.num_steps_per_episode=8",
    f"{CONFIG}.num_updates_per_step=1",
    f"{CONFIG}.save_frequency=4",
)
LSTM = tuple(f"train.params.network.rnn.{key}" for key in ("name=lstm", "units=16", "layers=1"))

#: Arguments by name; each trains for some seconds.
KINDS: dict[str, tuple[str, ...]] = {
    "Cartpole, PPO": ("task=Cartpole", "num_envs=32", "max_iterations=48", f"{CONFIG}.save_frequency=4"),
    "Cartpole, PPO with LSTM": (
        "task=Cartpole",
        "num_envs=16",
        "max_iterations=24",
        f"{CONFIG}.save_frequency=3",
        f"{CONFIG}.seq_length=4",
        f"{CONFIG}.symmetry_augmentation=False",
        *LSTM,
    ),
    "Ant, PPO": (
        "task=Ant",
        "num_envs=16",
        "max_iterations=20",
        "task.env.episodeLength=60",
        f"{CONFIG}.save_frequency=2",
        f"{CONFIG}.stagger_episodes=True",
    ),
    "AnymalTerrain, PPO (curriculum)": (
        "task=AnymalTerrain",
        "num_envs=16",
        "max_iterations=16",
        "task.env.learn.episodeLength_s=1",
        f"{CONFIG}.save_frequency=2",
    ),
    "ShadowHandOpenAI_LSTM, PPO (randomised, asymmetric critic)": (
        "task=ShadowHandOpenAI_LSTM",
        "num_envs=8",
        "max_iterations=10",
        "task.env.episodeLength=40",
        f"{CONFIG}.save_frequency=1",
        "train.params.network.rnn.units=16",
        "train.params.network.mlp.units=[16]",
        f"{CONFIG}.central_value_config.network.rnn.units=16",
        f"{CONFIG}.central_value_config.network.mlp.units=[16]",
    ),
    "Ant, SAC": ("train=AntSAC", "train.params.network.mlp.units=[32]", f"{CONFIG}.num_warmup_steps=6", *SMALL_SAC),
    "Ant, FlashSAC": (
        "train=AntFlashSAC",
        "train.params.network.actor.units=16",
        "train.params.network.critic.units=16",
        f"{CONFIG}.num_warmup_frames=300",
        *SMALL_SAC,
    ),
}


@dataclass
class Outcome:
    """What happened to one kind of run.

    Attributes:
        seconds: duration of the run without interruption.
        kills: number of kills.
        saving: number of kills that left a temporary file behind.
        starts: number of processes of the chains.
        runs: number of chains that were compared.
        compared: number of checkpoints that were compared.
        differences: what differs from the run without interruption.
    """

    seconds: float = 0.0
    kills: int = 0
    saving: int = 0
    starts: int = 0
    runs: int = 0
    compared: int = 0
    differences: list[str] = field(default_factory=list)


def train(arguments: list[str], folder: Path, slow: bool) -> None:
    """Execute ``oige-train`` in a process that was forked."""
    os.chdir(folder)
    with (folder / "output.txt").open("a") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    if slow:
        fsync = os.fsync

        def slow_fsync(descriptor: int) -> None:
            time.sleep(DELAY)
            fsync(descriptor)
            time.sleep(DELAY)

        os.fsync = slow_fsync
    sys.argv = ["oige-train", *arguments]
    from oige_train.cli.train import main

    main()


@contextlib.contextmanager
def started(arguments: list[str], folder: Path, *, slow: bool = False) -> Iterator[Any]:
    """Start a process, which is killed at the end of the block if it still runs."""
    process = multiprocessing.get_context("fork").Process(target=train, args=(arguments, folder, slow))
    process.start()
    try:
        yield process
    finally:
        if process.is_alive():
            process.kill()
        process.join()


def temporary_files(folder: Path) -> list[Path]:
    return [file for place in (folder, folder / "nn") for file in place.glob(".*.tmp")]


def kill(process: Any, run: Path, moment: float, *, saving: bool) -> bool:
    """Kill a process at a moment, in seconds, or in the first save after it; return whether it still ran."""
    process.join(moment)
    while saving and process.is_alive() and not temporary_files(run):
        time.sleep(0.0005)
    if saving:
        time.sleep(random.uniform(0.0, 2.5 * DELAY))
    if not process.is_alive():
        return False
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    return process.exitcode == -signal.SIGKILL


def check_whole(run: Path) -> list[str]:
    """Return which files under final names are not whole."""
    import numpy as np
    import yaml
    from oige_train.checkpoint import load_checkpoint

    problems = []
    for file in [*run.glob("*"), *run.glob("nn/*")]:
        try:
            if file.name.startswith(".") or file.is_dir():
                continue
            if file.suffix == ".pth":
                load_checkpoint(file, "cpu")
            elif file.suffix == ".replay":
                with np.load(file) as arrays:
                    assert all(arrays[name] is not None for name in arrays.files)
            elif file.suffix == ".json":
                json.loads(file.read_text())
            elif file.suffix == ".yaml":
                assert yaml.safe_load(file.read_text())["task"]
        except Exception as error:
            problems.append(f"{file.name} is not whole: {error!r}")
    return problems


def compare(whole: Path, killed: Path) -> tuple[int, list[str]]:
    """Return the number of checkpoints of both runs that were compared, and what differs."""
    from oige_train.checkpoint import load_checkpoint

    ours, theirs = ({file.name for file in (run / "nn").glob("*.pth")} for run in (whole, killed))
    problems = [f"only one run has {name}" for name in sorted(ours ^ theirs)]
    for name in sorted(ours & theirs):
        states = [load_checkpoint(run / "nn" / name, "cpu") for run in (whole, killed)]
        problems += [f"{name}: {where}" for where in differences(states[0], states[1])]
    problems += compare_replays(whole, killed)
    first, second = (scalars(run / "summaries") for run in (whole, killed))
    for tag in sorted(first.keys() | second.keys()):
        problems += compare_points(tag, first.get(tag, []), second.get(tag, []))
    return len(ours & theirs), problems


def differences(a: Any, b: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of values that are not equal bit for bit."""
    import numpy as np
    import torch

    if isinstance(a, dict) and isinstance(b, dict):
        for key in a.keys() | b.keys():
            if key in a and key in b:
                yield from differences(a[key], b[key], f"{path}/{key}")
            else:
                yield f"{path}/{key} is missing"
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for number, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{path}/{number}")
    elif isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape
        if not same or a.numpy().tobytes() != b.numpy().tobytes():
            yield path
    elif isinstance(a, (float, np.generic)) and isinstance(b, (float, np.generic)):
        if np.float64(a).tobytes() != np.float64(b).tobytes():
            yield f"{path}: {a} and {b}"
    elif type(a) is not type(b) or a != b:
        yield f"{path}: {a!r} and {b!r}"


def compare_replays(whole: Path, killed: Path) -> list[str]:
    """Return how the replay buffers of the last checkpoints differ."""
    import numpy as np

    ours, theirs = (sorted((run / "nn").glob("*.replay")) for run in (whole, killed))
    if [file.name for file in ours] != [file.name for file in theirs]:
        return [f"replay buffers {[file.name for file in ours]} and {[file.name for file in theirs]}"]
    problems = []
    for first, second in zip(ours, theirs, strict=True):
        with np.load(first) as a, np.load(second) as b:
            problems += [
                f"{first.name}: {name}"
                for name in {*a.files, *b.files}
                if name not in a.files or name not in b.files or a[name].tobytes() != b[name].tobytes()
            ]
    return problems


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the points of all scalars as TensorBoard shows them, other than times."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), {"scalars": 0})
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
        if not tag.startswith(TIMES)
    }


def compare_points(tag: str, ours: list[tuple[int, float]], theirs: list[tuple[int, float]]) -> list[str]:
    steps = [step for step, _ in theirs]
    if len(steps) != len(set(steps)):
        return [f"TensorBoard: {tag} has {len(steps) - len(set(steps))} doubles"]
    if [step for step, _ in ours] != steps:
        missing = sorted({step for step, _ in ours} ^ set(steps))
        return [f"TensorBoard: {tag} differs in the steps {missing[:5]}"]
    wrong = [a[0] for a, b in zip(ours, theirs, strict=True) if repr(a) != repr(b)]
    return [f"TensorBoard: {tag} differs at {wrong[:5]}"] if wrong else []


def interrupt(name: str, kills: int, folder: Path) -> Outcome:
    """Train one kind of run without interruption, and again and again with kills until there are enough of them."""
    outcome = Outcome()
    arguments = [*KINDS[name], *COMMON, "experiment=run", "resume=True"]
    whole = folder / "whole"
    whole.mkdir(parents=True)
    began = time.monotonic()
    with started(arguments, whole) as process:
        process.join()
    outcome.seconds = time.monotonic() - began
    if process.exitcode:
        raise SystemExit(f"{name}: the run without interruption failed:\n{(whole / 'output.txt').read_text()[-2000:]}")
    while outcome.kills < kills:
        chain = folder / f"killed_{outcome.runs + 1}"
        chain.mkdir()
        run = chain / "runs" / "run"
        while True:
            saving = outcome.kills % 2 == 1
            begun = time.time()
            with started(arguments, chain, slow=saving) as process:
                outcome.starts += 1
                if outcome.kills < kills:
                    window = min(0.7 * outcome.seconds, 2.0 + 2.5 * outcome.seconds * len(KINDS) / max(kills, 1))
                    if kill(process, run, random.uniform(0.3, window), saving=saving):
                        outcome.kills += 1
                        outcome.saving += bool(temporary_files(run))
                        outcome.differences += check_whole(run)
                        # The names of event files have the second in which they were made.
                        time.sleep(max(0.0, begun + 1.1 - time.time()))
                        continue
                process.join()
            if process.exitcode:
                raise SystemExit(f"{name}: a run failed:\n{(chain / 'output.txt').read_text()[-2000:]}")
            break
        outcome.runs += 1
        compared, problems = compare(whole / "runs" / "run", run)
        outcome.compared += compared
        outcome.differences += problems
    return outcome


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="number of kills in all")
    parser.add_argument("--seed", type=int, default=1, help="seed of the moments")
    parser.add_argument("--kind", choices=list(KINDS), help="only this kind of run")
    parser.add_argument("--folder", type=Path, help="where the runs go; must not exist")
    parser.add_argument("--record", type=Path, help="append a table to this file")
    options = parser.parse_args()
    random.seed(options.seed)
    kinds = [options.kind] if options.kind else list(KINDS)
    folder = options.folder or Path(f"kill_training_{os.getpid()}")
    folder = folder.resolve()
    for module in ("numpy", "tensorboardX", "torch", "oige_train.runner"):
        importlib.import_module(module)

    failed = False
    for number, name in enumerate(kinds):
        kills = options.kills * (number + 1) // len(kinds) - options.kills * number // len(kinds)
        outcome = interrupt(name, kills, folder / f"kind_{number + 1}")
        failed |= bool(outcome.differences)
        row = (
            f"| {name} | {outcome.seconds:.0f} s | {outcome.kills} | {outcome.saving} | {outcome.starts} | "
            f"{outcome.compared} | {len(outcome.differences)} |"
        )
        print(row, flush=True)
        for difference in outcome.differences[:20]:
            print("   ", difference, flush=True)
        if options.record:
            with options.record.open("a") as file:
                file.write(f"{row}\n")
    print(datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"))
    sys.exit(failed)


if __name__ == "__main__":
    main()
