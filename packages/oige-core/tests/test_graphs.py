"""Warp work that is captured once and replayed; on Warp's CPU device too."""

import gc
import warnings
from typing import Any

import pytest
import torch
import warp as wp
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.torch_graphs import TorchGraphs, calling_line

DEVICES = ["cpu", pytest.param("cuda:0", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


class Loop:
    """An object that only the garbage collector frees."""

    def __init__(self, log: list[str]) -> None:
        self.itself = self
        self.log = log

    def __del__(self) -> None:
        self.log.append("freed")


def collect_by_chance() -> list[Any]:
    """Create so many objects that Python starts its garbage collector if it may."""
    return [[] for _ in range(100 * gc.get_threshold()[0])]


@pytest.mark.parametrize("device", DEVICES)
def test_no_garbage_is_collected_while_a_graph_is_captured(device: str) -> None:
    """Garbage may contain another CUDA graph, and freeing that makes the capture fail."""
    graphs = Graphs(torch.device(device))
    array = wp.zeros(4, device=graphs.warp_device)
    log: list[str] = []
    freed: list[int] = []

    def work() -> None:
        array.zero_()
        before = len(log)
        Loop(log)
        collect_by_chance()
        freed.append(len(log) - before)

    graphs.run("work", work)
    assert freed == [0, 0]
    collect_by_chance()
    assert log == ["freed", "freed"]


def test_garbage_is_collected_again_after_a_failed_capture() -> None:
    log: list[str] = []

    def fail() -> None:
        Loop(log)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Graphs(torch.device("cpu")).run("work", fail)
    collect_by_chance()
    assert log == ["freed"]


def test_waits_are_reported_with_their_line_and_other_warnings_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)
    graphs = TorchGraphs(torch.device("cuda"))
    with warnings.catch_warnings(record=True) as others, graphs.watch_waits() as waits:
        warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
        line = calling_line()
        warnings.warn("something else", stacklevel=1)
    assert [str(warning.message) for warning in others] == ["something else"]
    name, _, number = line.partition(":")
    assert waits == [f"{name}:{int(number) - 1}"]
    assert name == "test_graphs.py"
    assert modes == ["warn", 0]
