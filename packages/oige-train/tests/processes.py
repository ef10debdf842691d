"""Start processes that train together over gloo, on the CPU, without torchrun."""

import os
import socket
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent


def start_processes(script: str, folder: Path, size: int, arguments: tuple[str, ...] = ()) -> list[subprocess.Popen]:
    """Start ``size`` processes in ``folder`` that run ``script``, with the environment that torchrun would set."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    paths = os.pathsep.join(filter(None, (str(TESTS), os.environ.get("PYTHONPATH"))))
    return [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            cwd=folder,
            env=os.environ | shared | {"PYTHONPATH": paths, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def end_processes(processes: list[subprocess.Popen], timeout: float) -> list[tuple[int, str]]:
    """Wait until all processes have ended; return the exit code of each, and what it wrote to standard error."""
    try:
        errors = [process.communicate(timeout=timeout)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, err) for process, err in zip(processes, errors, strict=True)]


def run_processes(script: str, folder: Path, size: int, arguments: tuple[str, ...] = ()) -> list[str]:
    """Run ``size`` processes until all have ended well, and return what each wrote to standard error."""
    ends = end_processes(start_processes(script, folder, size, arguments), timeout=180)
    for code, err in ends:
        assert code == 0, err
    return [err for _, err in ends]
