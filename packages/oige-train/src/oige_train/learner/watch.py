"""Ends all processes that train together soon after one of them has ended, with one report.

Each process holds a TCP connection to process 0. The operating system closes it when a process ends, however it ends.
Heartbeats, which a busy process would miss, are not needed. Process 0 passes the news on.
"""

import atexit
import contextlib
import errno
import json
import logging
import os
import re
import secrets
import selectors
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.distributed as dist
from oige_core.errors import OigeError, one_line, reason

from oige_train.stopping import INTERRUPTED, STOPPING_SIGNALS

__all__ = ["REPORTED", "PeerError", "Watch"]

#: Exit codes: of a process whose error another one reports, or that another one's death ends; after a bug.
REPORTED, CRASHED = 2, 1
#: How long, in seconds, a process may take to end by itself. It cannot while it waits for a collective on a GPU.
GRACE = 10.0
#: How long, in seconds, the news of a death may take after a collective has failed.
NEWS = 5.0
#: How long, in seconds, the processes may take to connect.
CONNECTING = 60.0
#: Seconds until the system asks a silent machine whether it is still there, seconds between two questions, questions.
KEEPALIVE = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
#: What the system says of a machine that does not answer those questions.
UNREACHABLE = (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH)
#: What helps if gloo tells the others an address of this machine that is not theirs, such as 127.0.1.1.
INTERFACE = "; set GLOO_SOCKET_IFNAME to the network interface between the machines, as in GLOO_SOCKET_IFNAME=eth0."
#: Beginning of a long message that a report quotes.
QUOTED = 300

_log = logging.getLogger(__name__)


class PeerError(OigeError):
    """Another of the processes that train together does not answer."""


@dataclass(frozen=True)
class Death:
    """The end of one of the processes that train together.

    Attributes:
        rank: its number.
        cause: what has happened to it, as the rest of a sentence.
        told: whether the process has told it itself.
    """

    rank: int
    cause: str
    told: bool = False

    def reporter(self) -> int | None:
        """Return the number of the process that reports this death; None: process 0 has printed its own error."""
        if self.rank != 0:
            return 0
        return None if self.told else 1


class Watch:
    """The connections of this process to others, and a thread that learns from them of deaths.

    Args:
        rank: number of this process.
        names: a description of each process, for messages.
        address: address of process 0.
        from_first: returns the text that process 0 passes; every process calls it once.

    Attributes:
        advice: returns what a report adds to its sentence, such as the newest checkpoint.
        death: the first death of another process that is known.
    """

    def __init__(self, rank: int, names: list[str], address: str, from_first: Callable[[str], str]) -> None:
        self.rank, self.names = rank, names
        self.advice: Callable[[], str] = str
        self.death: Death | None = None
        self._news, self._over = threading.Event(), threading.Event()
        self._peers = self._accept(address, from_first) if rank == 0 else self._connect(address, from_first)
        self._thread = threading.Thread(target=self._listen, name="watch", daemon=True)
        self._thread.start()

    # --- connections -------------------------------------------------------------------------------------------------

    def _accept(self, address: str, from_first: Callable[[str], str]) -> dict[socket.socket, int]:
        """Wait for the connections of all other processes; return them with their numbers."""
        peers: dict[socket.socket, int] = {}
        token = secrets.token_hex(16)
        with socket.create_server((address if address == "127.0.0.1" else "", 0)) as server:
            from_first(json.dumps([server.getsockname()[1], token]))
            deadline = time.monotonic() + CONNECTING
            while len(peers) < len(self.names) - 1:
                server.settimeout(max(0.1, deadline - time.monotonic()))
                try:
                    peer, _ = server.accept()
                except TimeoutError as error:
                    missing = sorted(set(range(1, len(self.names))) - set(peers.values()))
                    raise PeerError(
                        f"{self.names[missing[0]]} has not connected to process 0 within {CONNECTING:.0f} s; see its "
                        "output, and let the machines connect to each other at any port."
                    ) from error
                _set_options(peer)
                with contextlib.suppress(OSError, ValueError, TypeError):
                    said, rank = json.loads(peer.recv(1024))
                    if secrets.compare_digest(said, token):
                        peers[peer] = rank
        return peers

    def _connect(self, address: str, from_first: Callable[[str], str]) -> dict[socket.socket, int]:
        port, token = json.loads(from_first(""))
        try:
            first = socket.create_connection((address, port), timeout=CONNECTING)
        except OSError as error:
            raise PeerError(
                f"process 0 cannot be reached at {address}, port {port} ({reason(error)}); let the machines connect to "
                "each other at any port."
            ) from error
        _set_options(first)
        first.sendall(json.dumps([token, self.rank]).encode())
        return {first: 0}

    def _send(self, message: dict[str, Any]) -> None:
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.sendall(json.dumps(message).encode() + b"\n")

    # --- for the main thread -----------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def reporting(self, *expected: type[BaseException]) -> Iterator[None]:
        """If the block raises an error that is not ``expected``, let all processes end, with one report.

        An error of process 0 is raised. An error of another process that users can act on is reported by process 0. If
        a collective failed because a process has died, that death is reported.

        Raises:
            SystemExit: the error is reported.
            PeerError: a process does not answer.
        """
        try:
            yield
        except expected:
            raise
        except BaseException as error:
            if self._over.is_set():  # an enclosed block has dealt with it
                raise
            consequence = self._is_consequence(error)
            _ignore_signals()
            if consequence:
                self._report()
                self._end_within_grace(REPORTED)
                raise SystemExit(REPORTED) from error
            if _is_of_collective(error):
                self._tell(f"failed: {_quoted(error)}")
                self._end_within_grace(REPORTED)
                hint = INTERFACE if "connectFullMesh" in str(error) else ""
                raise PeerError(f"another process does not answer: {_quoted(error)}{hint}") from error
            code, cause = _description(error)
            self._tell(cause)
            self._end_within_grace(code)
            if self.rank != 0 and code != CRASHED:
                raise SystemExit(code) from error
            raise

    def leave(self) -> None:
        """Tell the others that this process ends because it has finished."""
        self._over.set()
        self._send({})
        for peer in self._peers:
            with contextlib.suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=1.0)

    def _is_consequence(self, error: BaseException) -> bool:
        """Whether an error follows from the death of another process."""
        if isinstance(error, KeyboardInterrupt):  # torchrun terminates the others
            return self.death is not None and self.death.cause != _description(error)[1]
        return _is_of_collective(error) and self._news.wait(NEWS)

    def _tell(self, cause: str) -> None:
        """Tell the others that this process is about to end."""
        self._over.set()
        self._send(asdict(Death(self.rank, cause, told=True)))

    def _report(self) -> None:
        """Log the known death, if it is for this process to do so."""
        self._over.set()
        death = self.death
        if death is not None and death.reporter() == self.rank:
            _log.error(f"error: {self.names[death.rank]} {death.cause}, so training has ended{self._safe_advice()}")

    def _safe_advice(self) -> str:
        """Return the advice; nothing if it fails, because the report matters more."""
        try:
            return self.advice()
        except Exception:
            return ""

    def _end_within_grace(self, code: int) -> None:
        """Let this process end with an exit code even if a GPU does not answer, and without cleaning up Python."""

        def end() -> None:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)

        timer = threading.Timer(GRACE, end)
        timer.daemon = True
        timer.start()
        atexit.register(end)

    # --- the thread --------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        received = dict.fromkeys(self._peers, b"")
        selector = selectors.DefaultSelector()
        for peer in received:
            selector.register(peer, selectors.EVENT_READ)
        while received and self.death is None:
            for key, _ in selector.select():
                peer: Any = key.fileobj
                data, end = b"", "was killed or has crashed"
                try:
                    data = peer.recv(4096)
                except OSError as error:
                    if error.errno in UNREACHABLE:
                        end = f"cannot be reached any more ({reason(error)})"
                *lines, received[peer] = (received[peer] + data).split(b"\n")
                messages = [json.loads(line) for line in lines]
                if not data or {} in messages:  # it has ended, or is about to because it has finished
                    selector.unregister(peer)
                    del received[peer]
                deaths = [Death(**message) for message in messages if message]
                if not data and not deaths:
                    deaths = [Death(self._peers[peer], end)]
                if deaths:
                    self._learn(deaths[0])

    def _learn(self, death: Death) -> None:
        """Pass on the first death; end this process unless its main thread does so in time."""
        if self.death is not None or self._over.is_set():
            return
        self.death = death
        if self.rank == 0:
            self._send(asdict(death))
        self._news.set()
        if not self._over.wait(GRACE):
            self._report()
            os._exit(REPORTED)


def _ignore_signals() -> None:
    """Ignore signals from now on; torchrun terminates the other processes as soon as one has ended."""
    if threading.current_thread() is threading.main_thread():
        for number in STOPPING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def _set_options(connection: socket.socket) -> None:
    """Let the system notice that the other machine has gone, and give up sending after some seconds."""
    connection.settimeout(5.0)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):  # names of Linux
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _is_of_collective(error: BaseException) -> bool:
    """Whether an error looks like that of a collective, for which torch has no type on the CPU."""
    return isinstance(error, dist.DistError) or (
        type(error) is RuntimeError and re.search("gloo|nccl|connection", str(error), re.IGNORECASE) is not None
    )


def _description(error: BaseException) -> tuple[int, str]:
    """Return the exit code of a process that an error ends, and the cause of its death."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "was interrupted"
    if isinstance(error, (OigeError, torch.OutOfMemoryError)):
        return REPORTED, f"failed: {_quoted(error)}"
    return CRASHED, f"failed: {type(error).__name__}: {_quoted(error)}"


def _quoted(error: BaseException) -> str:
    """Return the beginning of a message, on one line and without the full stop."""
    text = one_line(error)  # type: ignore[arg-type]
    return (text if len(text) <= QUOTED else f"{text[:QUOTED]}…").removesuffix(".")
