"""Kernels are compiled and loaded before they are needed."""

import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
import warp as wp
from oige_core.engines.mujoco.executors.graphs import Graphs
from oige_core.engines.mujoco.executors.modules import load_modules, needed_modules
from oige_core.testing import make_env_on
from oige_core.warp_runtime import init_warp

CPU = torch.device("cpu")


def add_kernel(step: float) -> Any:
    """Return a kernel in a module of its own that adds ``step`` to each element of an array."""
    amount = wp.constant(step)

    @wp.kernel(module="unique")
    def add(values: wp.array[float]) -> None:
        index = wp.tid()
        values[index] = values[index] + amount

    return add


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of compiled kernels."""
    init_warp()
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(tmp_path))
    return tmp_path


def test_needed_modules_are_found_without_running_kernels() -> None:
    init_warp()
    first, second = add_kernel(1.0), add_kernel(2.0)
    values = wp.zeros(3, device="cpu")

    def work() -> None:
        for kernel in (second, first, second):
            wp.launch(kernel, 3, inputs=[values], device="cpu")

    assert needed_modules(work) == [(second.module, 1), (first.module, 1)]
    assert values.numpy().tolist() == [0.0, 0.0, 0.0]
    work()
    assert values.numpy().tolist() == [5.0, 5.0, 5.0]


def test_launches_of_other_threads_run_meanwhile() -> None:
    init_warp()
    kernel = add_kernel(3.0)
    values = wp.zeros(1, device="cpu")

    def work() -> None:
        other = threading.Thread(target=lambda: wp.launch(kernel, 1, inputs=[values], device="cpu"))
        other.start()
        other.join()

    assert needed_modules(work) == []
    assert values.numpy().tolist() == [3.0]


def test_modules_are_compiled_at_once_and_reported(empty_cache: Path, caplog: pytest.LogCaptureFixture) -> None:
    modules = [(add_kernel(step).module, 1) for step in (4.0, 5.0)]
    device = wp.get_device("cpu")
    with caplog.at_level(logging.INFO):
        load_modules(modules, device)
    first, last = caplog.messages[0], caplog.messages[-1]
    assert first == f"compiling kernels for {device.name}: 0 of 2 modules, kept in {empty_cache} for later runs"
    assert last.startswith("compiling kernels: 2 of 2 modules after ")
    assert len(list(empty_cache.glob("*/*.o"))) == 2

    for module, _ in modules:
        module.unload()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        load_modules(modules, device)
    assert caplog.messages == []


def test_an_error_of_the_compiler_is_raised(empty_cache: Path) -> None:
    @wp.kernel(module="unique")
    def broken(values: wp.array[float]) -> None:
        values[0] = no_such_function()  # noqa: F821  # pyright: ignore[reportUndefinedVariable]

    with pytest.raises(Exception, match="no_such_function"):
        load_modules([(broken.module, 1)], wp.get_device("cpu"))


def test_a_graph_runs_once_although_its_kernels_are_found_first() -> None:
    graphs = Graphs(CPU)
    kernel = add_kernel(6.0)
    values = wp.zeros(1, device="cpu")
    graphs.run("add", lambda: wp.launch(kernel, 1, inputs=[values]))
    assert values.numpy().tolist() == [6.0]


def test_no_kernel_is_loaded_after_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for the first contacts nor for the first episodes that end."""
    env = make_env_on("warp-cpu", "Ant", 2, episodeLength=20)
    env.reset()
    env.step(torch.zeros(2, 8))
    loaded = []
    load = wp.Module.load

    def note(module: Any, *arguments: Any, **options: Any) -> Any:
        before = len(module.execs)
        result = load(module, *arguments, **options)
        loaded.extend([module.name] * (len(module.execs) - before))
        return result

    monkeypatch.setattr(wp.Module, "load", note)
    ended = 0
    for _ in range(60):
        _, _, terminated, truncated, _ = env.step(torch.rand(2, 8) * 2 - 1)
        ended += int((terminated | truncated).sum())
    assert ended > 0
    assert loaded == []
    env.close()
