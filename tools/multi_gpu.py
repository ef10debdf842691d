"""Train tasks on one and on several GPUs, and report speed, time in collectives, and rewards over time.

    uv run python tools/multi_gpu.py --gpus 1 2 4 --envs 4096 16384 --tasks Ant AnymalTerrain ShadowHand --seconds 60
    uv run python tools/multi_gpu.py --kill --gpus 2 --envs 4096 --tasks Ant
    uv run python tools/multi_gpu.py --report

Each configuration is a training of its own, started with torchrun as users start it, and leaves a JSON file in
``--out``. The clock starts when kernels are compiled and graphs captured. A configuration whose file exists is skipped.
``--kill`` kills a process while it trains, measures until the others have ended, and resumes the last checkpoint.
``--report`` writes ``docs/results/multi_gpu.md`` and its pictures from all files.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from multi_gpu_page import DATA, write_page
from oige_core.errors import OigeError
from oige_train.cli.common import run_cli

WORKER = Path(__file__).resolve().with_name("multi_gpu_worker.py")
#: Seconds that start, compilation, warm-up and the traced epochs may take.
PREPARATION = 480.0
#: Overrides that let nothing but the clock end training.
ENDLESS = ("headless=True", "max_iterations=1000000", "train.params.config.score_to_win=inf")
#: Epochs between checkpoints, epoch after which a process is killed, and epochs of the resumed training.
SAVE_EVERY, KILL_AFTER, RESUMED = 5, 12, 5


def launcher(processes: int) -> list[str]:
    """Return the command that starts ``processes`` processes of a Python program."""
    if processes == 1:
        return [sys.executable]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", f"--master-port={port}"]


def overrides(task: str, envs: int, processes: int, device: str) -> list[str]:
    """Return the overrides of a configuration."""
    chosen = [f"task={task}", f"num_envs={envs}", *ENDLESS]
    if processes > 1:
        chosen.append("multi_gpu=True")
    if device == "cpu":
        chosen += ["sim_device=cpu", "rl_device=cpu", "num_threads=1"]
    return chosen


def start(command: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a program in a process group of its own, and not as a child of ``uv run``, which it would name."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("UV_RUN_")}
    environment.setdefault("OMP_NUM_THREADS", "1")
    with log.open("wb") as stream:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait(program: subprocess.Popen[bytes], seconds: float) -> int:
    """Return the exit code; a program that takes longer is killed with its children."""
    try:
        return program.wait(seconds)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:  # also if this program is interrupted
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()


def measure(task: str, envs: int, processes: int, device: str, seconds: float, file: Path, note: str) -> None:
    """Train a configuration, and write its file; that of a failure has only ``error``."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        options = ["--seconds", str(seconds), "--out", str(file.resolve())]
        command = [*launcher(processes), str(WORKER), *overrides(task, envs, processes, device), *options]
        code = wait(start(command, folder, log), seconds + PREPARATION)
        if code or not file.is_file():
            lines = log.read_text(errors="replace").replace("\r", "\n").splitlines()[-30:]
            file.write_text(json.dumps({"error": f"exit code {code}", "end": lines}, indent=1) + "\n", encoding="utf-8")
            print(f"{file.stem}: exit code {code}", *lines, sep="\n", flush=True)
            return
    report = json.loads(file.read_text(encoding="utf-8")) | {"note": note}
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{file.stem}: {report['rate']:,.0f} env-steps/s, {report['epochs']} epochs", flush=True)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, in order."""
    return sorted(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def kill(task: str, envs: int, processes: int, device: str, file: Path) -> None:
    """Kill the last process of a training; write how long the others go on, their report, and what resuming says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log, again = folder / "log", folder / "again"
        chosen = [*overrides(task, envs, processes, device), f"train.params.config.save_frequency={SAVE_EVERY}"]
        program = start([*launcher(processes), "-m", "oige_train.cli.train", *chosen], folder, log)
        deadline = time.monotonic() + PREPARATION
        while epoch_of(log) < KILL_AFTER:
            if program.poll() is not None or time.monotonic() > deadline:
                wait(program, 0.0)
                raise OigeError(f"{file.stem}: did not reach epoch {KILL_AFTER}: {log.read_text()[-2000:]}")
            time.sleep(0.1)
        killed = children(program.pid)[-1]
        os.kill(killed, signal.SIGKILL)
        begun = time.monotonic()
        code = wait(program, 120.0)
        seconds = time.monotonic() - begun
        text = log.read_text(errors="replace")
        lines = [line for line in re.split(r"[\r\n]+", text) if line.startswith("error: ")]
        checkpoint = re.search(r"checkpoint=(\S+)", lines[0]) if lines else None
        resumed = ""
        if checkpoint is not None:
            epoch = int(re.findall(r"_ep_(\d+)", checkpoint[1])[-1])
            chosen = [override for override in chosen if not override.startswith("max_iterations=")]
            chosen += [f"checkpoint={checkpoint[1]}", f"max_iterations={epoch + RESUMED}"]
            wait(
                start([*launcher(processes), "-m", "oige_train.cli.train", *chosen], folder, again),
                PREPARATION,
            )
            found = re.findall(r"(?:resuming \S+\.pth|done:) .*", again.read_text(errors="replace"))
            resumed = "\n".join(found)
    report = {
        "task": task,
        "num_envs": envs,
        "processes": processes,
        "device": device,
        "code": code,
        "seconds": round(seconds, 1),
        "lines": lines,
        "resumed": resumed,
    }
    file.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{file.stem}: the others ended after {seconds:.1f} s with exit code {code}", *lines, resumed, sep="\n")


def epoch_of(log: Path) -> int:
    """Return the last epoch that a program has shown; 0 before the first."""
    return int(([*re.findall(r"epoch (\d+)/", log.read_text(errors="replace"))] or ["0"])[-1])


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 2], help="numbers of processes")
    parser.add_argument("--envs", type=int, nargs="+", default=[4096, 16384], help="numbers of worlds of a process")
    parser.add_argument("--tasks", nargs="+", default=["Ant", "AnymalTerrain", "ShadowHand"])
    parser.add_argument("--seconds", type=float, default=60.0, help="timed seconds of a training")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: one thread per process, gloo")
    parser.add_argument("--out", type=Path, default=DATA, help="folder of JSON files")
    parser.add_argument("--note", default="", help="sentence for the page, such as what else ran on the machine")
    parser.add_argument("--kill", action="store_true", help="kill a process instead of measuring speed")
    parser.add_argument("--report", action="store_true", help="only write the page")
    options = parser.parse_args(argv)
    if options.report:
        write_page(options.out)
        return
    if options.kill and min(options.gpus) < 2:
        raise OigeError(f"--kill --gpus {min(options.gpus)}: expected at least 2, because others must go on.")
    options.out.mkdir(parents=True, exist_ok=True)
    for task in options.tasks:
        for envs in options.envs:
            for processes in options.gpus:
                name = f"{'kill_' if options.kill else ''}{task}_{envs}_{processes}_{options.device}"
                file = options.out / f"{name}.json"
                if file.is_file():
                    print(f"{name}: exists", flush=True)
                elif options.kill:
                    kill(task, envs, processes, options.device, file)
                else:
                    measure(task, envs, processes, options.device, options.seconds, file, options.note)


if __name__ == "__main__":
    run_cli(main)
