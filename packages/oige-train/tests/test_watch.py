"""When one of several processes ends, all end, and one of them says why."""

import errno
import json
import re
import signal
import socket
import subprocess
import threading
import types
from pathlib import Path
from typing import Any

import pytest
from oige_train.learner import watch
from oige_train.learner.watch import Death, PeerError, Watch
from processes import end_processes, start_processes

SCRIPT = "import os; from watch_process import main; main(int(os.environ['RANK']))"
ADVICE = "so training has ended; look at nn/last.pth"


def start(what: str, folder: Path, size: int) -> list[subprocess.Popen]:
    return start_processes(SCRIPT, folder, size, (what,))


def wait_until_ready(processes: list[subprocess.Popen]) -> None:
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize(("what", "size", "killed", "reporter"), [("go on", 3, 1, 0), ("stuck", 2, 0, 1)])
def test_killed_process_ends_the_others_with_one_line(
    what: str, size: int, killed: int, reporter: int, tmp_path: Path
) -> None:
    processes = start(what, tmp_path, size)
    wait_until_ready(processes)
    processes[killed].send_signal(signal.SIGKILL)
    for rank, (code, err) in enumerate(end_processes(processes, timeout=30)):
        if rank == killed:
            continue
        assert code == 2
        if rank != reporter:
            assert err == ""
            continue
        name = rf"process {killed} of {size} \(PID {processes[killed].pid} on \S+\)"
        assert re.fullmatch(rf"error: {name} was killed or has crashed, {ADVICE}\n", err), err


@pytest.mark.parametrize(
    ("what", "code", "cause"),
    [
        ("memory", 2, "CUDA out of memory. Tried to allocate 2 GiB"),
        ("bug", 1, "ValueError: a bug"),
    ],
)
def test_error_of_one_process_is_reported_once(what: str, code: int, cause: str, tmp_path: Path) -> None:
    (first, err), (second, its_own) = end_processes(start(what, tmp_path, 2), timeout=60)
    assert (first, second) == (2, code)
    assert re.fullmatch(rf"error: process 1 of 2 \(PID \d+ on \S+\) failed: {re.escape(cause)}, {ADVICE}\n", err), err
    assert its_own.endswith("ValueError: a bug.\n") if what == "bug" else its_own == ""


def test_processes_that_cannot_connect_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(PeerError, match=rf"process 0 cannot be reached at 127\.0\.0\.1, port {port} \(\S.*\); let"):
        Watch(1, ["process 0", "process 1"], "127.0.0.1", lambda _: json.dumps([port, "token"]))
    monkeypatch.setattr(watch, "CONNECTING", 0.1)
    with pytest.raises(PeerError, match=r"^process 1 has not connected to process 0 within 0 s; see its output"):
        Watch(0, ["process 0", "process 1"], "127.0.0.1", str)


def test_processes_with_different_settings_are_refused_with_one_line(tmp_path: Path) -> None:
    (first, err), (second, its_own) = end_processes(start("settings", tmp_path, 2), timeout=60)
    assert (first, second, its_own) == (2, 2, "")
    assert err == (
        "error: train.params.config.max_epochs=5: process 1 differs from process 0, which has 3; start all processes "
        "with the same arguments.\n"
    )


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.EHOSTUNREACH, "cannot be reached any more (no answer)"),
        (errno.ETIMEDOUT, "cannot be reached any more (no answer)"),
        (errno.ECONNRESET, "was killed or has crashed"),
    ],
)
def test_machine_that_cannot_be_reached_is_not_taken_for_a_crash(number: int, cause: str) -> None:
    class Silent(socket.socket):
        def recv(self, *_: Any) -> bytes:
            raise OSError(number, "no answer")

    theirs, ours = socket.socketpair()
    learned: list[Death] = []
    with Silent(fileno=ours.detach()) as peer:
        theirs.close()  # lets the other end be read
        Watch._listen(types.SimpleNamespace(_peers={peer: 3}, death=None, _learn=learned.append))  # type: ignore[arg-type]
    assert learned == [Death(3, cause)]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "[gloo] connectFullMesh failed",
            "; set GLOO_SOCKET_IFNAME to the network interface between the machines, as in GLOO_SOCKET_IFNAME=eth0.",
        ),
        ("[gloo] timed out", ""),
    ],
)
def test_wrong_network_interface_is_named(text: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_ignore_signals", lambda: None)
    told: list[Any] = []
    alone: Any = types.SimpleNamespace(
        _over=threading.Event(), _is_consequence=lambda _: False, _tell=told.append, _end_within_grace=told.append
    )
    message = re.escape(f"another process does not answer: {text}{hint}")
    with pytest.raises(PeerError, match=f"^{message}$"), Watch.reporting(alone):
        raise RuntimeError(text)
    assert told == [f"failed: {text}", 2]
