"""How processes that torchrun started find each other, and check that they fit together."""

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from oige_core.errors import ConfigError, reason
from torch.distributed.rendezvous import rendezvous

from oige_train.config import Run
from oige_train.config.torchrun import Torchrun
from oige_train.learner.resumption import flat

__all__ = ["Rendezvous", "common_settings"]

#: Beginnings of the keys in which processes may differ.
OWN_KEYS = (
    *("seed", "train.params.seed", "device_id", "rl_device", "train.params.config.device", "num_threads"),
    *("train.params.torch_threads", "headless", "enable_", "livestream_", "recording_", "wandb_"),
    *("checkpoint", "train.params.load_path"),
)

#: How long a process tries to reach process 0.
CONNECTING = timedelta(minutes=3)
#: Seconds between two looks at whether all processes are there.
INTERVAL = 0.1
#: Seconds that others may take to read what all have written.
READING = 5.0


def common_settings(run: Run) -> dict[str, Any]:
    """Return the settings that all processes must have in common, by dotted key."""
    settings = {key: value for key, value in flat(run.resolved).items() if not key.startswith(OWN_KEYS)}
    file = run.checkpoint
    return settings | {"checkpoint": "" if file is None else f"{file.name} ({file.stat().st_size} bytes)"}


class Rendezvous:
    """The store that all processes share.

    Args:
        process: the place of this process among all.
        patience: how long to wait for the others.

    Attributes:
        address: address of process 0.

    Raises:
        ConfigError: the machine of process 0 has no address or does not answer, or processes do not come.
    """

    def __init__(self, process: Torchrun, patience: timedelta) -> None:
        self.process, self.patience = process, patience
        self.address = "127.0.0.1" if process.nodes == 1 else process.address
        store = _connect(process, patience)
        self.store = dist.PrefixStore("oige", store)  # pyright: ignore[reportPrivateImportUsage]

    def meet(self, device: str, settings: Mapping[str, Any]) -> list[str]:
        """Wait until all processes are there; return a description of each for messages.

        Args:
            device: device of the learner in this process.
            settings: what all processes must agree on, by dotted key.

        Raises:
            ConfigError: another process did not come, its settings differ, or it uses the same GPU.
        """
        rank, size = self.process.rank, self.process.size
        host = socket.gethostname()
        mine = {"settings": dict(settings), "gpu": _gpu(device, host), "place": f"PID {os.getpid()} on {host}"}
        self.store.set(f"facts/{rank}", json.dumps(mine))
        everyone = [json.loads(self._wait_for(f"facts/{number}", number)) for number in range(size)]
        self.store.add("readers", 1)
        try:
            self._check(everyone)
        except ConfigError:
            self._let_others_read()
            raise
        return [f"process {number} of {size} ({facts['place']})" for number, facts in enumerate(everyone)]

    def from_first(self, text: str) -> str:
        """Return the text that process 0 passes."""
        if self.process.rank == 0:
            self.store.set("first", text)
            return text
        return self._wait_for("first", 0)

    def _wait_for(self, key: str, rank: int) -> str:
        """Return a value that process ``rank`` stores; signals can interrupt the wait."""
        deadline = time.monotonic() + self.patience.total_seconds()
        while not self.store.check([key]):
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"process {rank} of {self.process.size}: has not started within {self.patience}; see its output."
                )
            time.sleep(INTERVAL)
        return self.store.get(key).decode()

    def _let_others_read(self) -> None:
        """Wait a moment for the others before this process ends, with which the store ends if torchrun has none."""
        deadline = time.monotonic() + READING
        while self.store.add("readers", 0) < self.process.size and time.monotonic() < deadline:
            time.sleep(INTERVAL)

    def _check(self, everyone: list[dict[str, Any]]) -> None:
        """Raise ConfigError unless the processes fit together; all of them raise the same one."""
        first = everyone[0]["settings"]
        gpus: dict[str, int] = {}
        for number, facts in enumerate(everyone):
            for key, (mine, its) in _differences(first, facts["settings"]):
                raise ConfigError(
                    f"{key}={its}: process {number} differs from process 0, which has {mine}; start all processes with "
                    "the same arguments."
                )
            gpu = facts["gpu"]
            if gpu in gpus:
                raise ConfigError(
                    f"process {number}: expected a GPU of its own, but it shares one with process {gpus[gpu]}; start "
                    "at most one process per GPU."
                )
            if gpu:
                gpus[gpu] = number


def _connect(process: Torchrun, patience: timedelta) -> Any:
    """Return the store that torchrun, or else process 0, provides.

    Raises:
        ConfigError: the machine of process 0 has no address or does not answer, or processes do not come.
    """
    address, port = process.address, os.environ["MASTER_PORT"]
    who, where = f"process {process.rank} of {process.size}", f"MASTER_ADDR={address}, MASTER_PORT={port}"
    try:
        socket.getaddrinfo(address, None)
    except OSError as error:
        raise ConfigError(
            f"MASTER_ADDR={address}: {who} knows no address of this machine ({reason(error)}); let its name be "
            "resolved, or start torchrun there with --local-addr=<its address>."
        ) from error
    try:
        if process.rank != 0:
            _wait_for_port(address, int(port), min(patience, CONNECTING))
        store, *_ = next(rendezvous("env://", timeout=patience))
    except (OSError, ValueError, dist.DistError) as error:
        raise ConfigError(
            f"{where}: {who} does not meet the others there ({reason(error).rstrip('.')}); give all processes the "
            "address of process 0 and a port that is free on it and open to the others."
        ) from error
    return store


def _wait_for_port(address: str, port: int, patience: timedelta) -> None:
    """Wait until something listens at a port; torch would print a warning for each attempt.

    Raises:
        OSError: nothing listens there.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            socket.create_connection((address, port), timeout=5.0).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(INTERVAL)


def _differences(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in [*first, *(key for key in other if key not in first)]:
        if first.get(key) != other.get(key):
            yield key, (first.get(key), other.get(key))


def _gpu(device: str, host: str) -> str:
    """Return what identifies the GPU of this process; an empty text on the CPU."""
    if not device.startswith("cuda"):
        return ""
    properties = torch.cuda.get_device_properties(device)
    return f"{host} {getattr(properties, 'uuid', device)}"
