"""A training under torchrun when one of its processes is killed, and after Ctrl-C."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from oige_train.checkpoint import load_checkpoint

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")

# Each process writes its PID.
PROGRAM = """
import os
from pathlib import Path
from oige_train.cli.train import main

Path(f"pid{os.environ['RANK']}").write_text(str(os.getpid()))
main()
"""
ARGUMENTS = [
    *("num_envs=8", "multi_gpu=True", "max_iterations=100000", "sim_device=cpu", "num_threads=1"),
    *("train.params.config.save_frequency=2", "train.params.config.mini_epochs=1"),
]


@pytest.fixture
def training(tmp_path: Path) -> Iterator[subprocess.Popen]:
    """A training that has written a checkpoint, in a process group of its own, as in a terminal."""
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "program.py", *ARGUMENTS],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120.0
    while not list(tmp_path.glob("runs/Cartpole/nn/last_*.pth")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def test_killed_process_ends_training_with_one_line_and_the_newest_checkpoint(
    training: subprocess.Popen, tmp_path: Path
) -> None:
    killed = int((tmp_path / "pid1").read_text())
    os.kill(killed, signal.SIGKILL)
    _, err = training.communicate(timeout=30)
    lines = re.findall(r"^error: .*$", err, re.MULTILINE)
    assert len(lines) == 1, err
    (line,) = lines
    assert line.startswith(f"error: process 1 of 2 (PID {killed} on ")
    checkpoint = re.search(
        r"\) was killed or has crashed, so training has ended; resume: (?:uv run (?:--project \S+ )?)?torchrun "
        r"--nproc-per-node=2 .* checkpoint=(\S+) ",
        line,
    )
    assert checkpoint is not None
    load_checkpoint(tmp_path / checkpoint[1], "cpu")
    assert line in (tmp_path / "runs" / "Cartpole" / "log.txt").read_text()
    assert "interrupted" not in err
    assert "SIGTERM: saving" not in err


def test_ctrl_c_saves_a_checkpoint(training: subprocess.Popen, tmp_path: Path) -> None:
    os.killpg(training.pid, signal.SIGINT)  # each process gets it from the terminal, and again from torchrun
    _, err = training.communicate(timeout=30)
    stopped = re.search(r"^stopped after epoch (\d+); saved (\S+)$", err, re.MULTILINE)
    assert stopped is not None, err
    assert load_checkpoint(tmp_path / stopped[2], "cpu")["epoch"] == int(stopped[1])
    assert err.count("SIGINT: saving after this epoch") == 1
    assert "interrupted" not in err
