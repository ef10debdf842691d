"""Tests of other packages in the same process find Isaac Sim's modules, torch and logging as before."""

import logging
import sys
from collections.abc import Iterator

import pytest
import torch
from oige_compat import devices
from oige_compat.imports import ROOTS, install

PATCHED = ((torch.cuda, "set_device"), (torch.Tensor, "cuda"), (torch.nn.Module, "cuda"))
FINDERS, MODULES = list(sys.meta_path), set(sys.modules)
LOGGERS = [logging.getLogger(name) for name in (None, "oige_core", "oige_train", "oige_compat", "carb")]


def forget_isaac_sim() -> None:
    sys.meta_path[:] = FINDERS
    for name in set(sys.modules) - MODULES:
        if name == "pxr.PhysxSchema" or name.partition(".")[0] in {*ROOTS, "fork_task"} - {"pxr"}:
            del sys.modules[name]


def pytest_collection_finish() -> None:
    """Forget what was imported while tests were collected."""
    forget_isaac_sim()


@pytest.fixture(scope="module", autouse=True)
def _forgets_isaac_sim() -> Iterator[None]:
    originals = [getattr(owner, name) for owner, name in PATCHED]
    handlers = [list(logger.handlers) for logger in LOGGERS]
    install()
    yield
    for (owner, name), original in zip(PATCHED, originals, strict=True):
        setattr(owner, name, original)
    while devices._modes:
        devices._modes.pop().__exit__(None, None, None)
    for logger, before in zip(LOGGERS, handlers, strict=True):
        logger.handlers[:] = before
    forget_isaac_sim()
