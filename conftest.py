"""How the tests run: in as many processes as there are cores, with one thread each."""

import gc
import os
import sys
from collections.abc import Generator

import pytest

MAX_WORKERS = 8
"""A process takes up to 2 GB."""

# Torch reads it when it is imported, also in programs that tests start. Threads of several processes would wait busily.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> Generator[None, int, int]:
    """Return 0, which is this process, where one file is named: its tests then start sooner, and ``-s`` works."""
    cores = yield
    named = config.option.file_or_dir
    one_file = len(named) == 1 and ".py" in named[0]
    return 0 if one_file else min(cores, MAX_WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Hide what collection leaves behind, a million objects, from the garbage collector, which would visit them often.

    Training programs collect garbage explicitly when they end, and tests run them many times.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _restore_torch_threads() -> Generator[None]:
    """Set the number of torch's threads again after each test, because configurations of trainings change it."""
    yield
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"].split(",")[0]))
