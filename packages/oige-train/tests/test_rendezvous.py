"""Processes that cannot find each other say so in one line."""

import datetime
import re
import socket
from typing import Any

import pytest
import torch.distributed as dist
from oige_core.errors import ConfigError
from oige_train.config.torchrun import Torchrun
from oige_train.learner import rendezvous
from oige_train.learner.rendezvous import Rendezvous

PATIENCE = datetime.timedelta(minutes=10)


def process(address: str) -> Torchrun:
    return Torchrun(rank=1, size=2, local_rank=0, local_size=1, nodes=2, address=address)


def test_machine_whose_name_has_no_address_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_address(*_: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_address)
    monkeypatch.setenv("MASTER_PORT", "29500")
    message = (
        "MASTER_ADDR=node-a: process 1 of 2 knows no address of this machine (Name or service not known); let its name "
        "be resolved, or start torchrun there with --local-addr=<its address>."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Rendezvous(process("node-a"), PATIENCE)


@pytest.mark.parametrize("port", [None, "2950O"])
def test_wrong_port_is_named(port: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "CONNECTING", datetime.timedelta(0))
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = str(server.getsockname()[1])
    cause = "Connection refused" if port is None else "invalid literal for int() with base 10: '2950O'"
    monkeypatch.setenv("MASTER_PORT", port or closed)
    message = (
        f"MASTER_ADDR=127.0.0.1, MASTER_PORT={port or closed}: process 1 of 2 does not meet the others there "
        f"({cause}); give all processes the address of process 0 and a port that is free on it and open to the others."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Rendezvous(process("127.0.0.1"), PATIENCE)


def test_torchrun_is_started_again_as_before() -> None:
    assert Torchrun(rank=3, size=4, local_rank=3, local_size=4).options() == ["--nproc-per-node=4"]
    assert Torchrun(rank=3, size=4, local_rank=1, local_size=2, nodes=2, address="node-a").options() == [
        "--nnodes=2",
        "--nproc-per-node=2",
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=node-a:29500",
    ]


@pytest.mark.parametrize(("nodes", "address"), [(1, "127.0.0.1"), (2, "node-a")])
def test_processes_of_one_machine_connect_locally(nodes: int, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendezvous, "_connect", lambda *_: dist.HashStore())  # pyright: ignore[reportPrivateImportUsage]
    whole = Torchrun(rank=1, size=2, local_rank=0, local_size=1, nodes=nodes, address="node-a")
    assert Rendezvous(whole, PATIENCE).address == address


def test_process_waits_until_process_0_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    class Opened:
        def close(self) -> None:
            attempts.append("closed")

    def connect(*_: Any, **__: Any) -> Opened:
        attempts.append("tried")
        if len(attempts) < 3:
            raise ConnectionRefusedError
        return Opened()

    attempts: list[str] = []
    monkeypatch.setattr(rendezvous, "INTERVAL", 0.0)
    monkeypatch.setattr(socket, "create_connection", connect)
    rendezvous._wait_for_port("node-a", 29500, PATIENCE)
    assert attempts == ["tried", "tried", "tried", "closed"]


def test_processes_that_do_not_come_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def time_out(*_: Any, **__: Any) -> None:
        raise dist.DistStoreError("Timed out after 600 seconds.")

    monkeypatch.setattr(rendezvous, "rendezvous", time_out)
    monkeypatch.setenv("MASTER_PORT", "29500")
    message = (
        "MASTER_ADDR=127.0.0.1, MASTER_PORT=29500: process 0 of 2 does not meet the others there (Timed out after 600 "
        "seconds); give all processes the address of process 0 and a port that is free on it and open to the others."
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Rendezvous(Torchrun(rank=0, size=2, local_rank=0, local_size=1, nodes=2), PATIENCE)


@pytest.mark.parametrize(("group", "local", "nodes"), [("3", "2", 3), (None, "2", 4), (None, None, 1)])
def test_number_of_machines_is_that_of_torchrun(
    group: str | None, local: str | None, nodes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "node-a", "MASTER_PORT": "29500"}
    for key, value in (given | {"GROUP_WORLD_SIZE": group, "LOCAL_WORLD_SIZE": local}).items():
        if value is None:
            monkeypatch.delenv(key, raising=False)
        else:
            monkeypatch.setenv(key, value)
    assert Torchrun.from_environment() == Torchrun(5, 8, 1, int(local or 8), nodes, "node-a")
