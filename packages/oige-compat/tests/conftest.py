"""Tests of other packages in the same process find Isaac Sim's modules as missing as before."""

import sys
from collections.abc import Iterator

import pytest
from oige_compat.imports import ROOTS


@pytest.fixture(scope="module", autouse=True)
def _forgets_isaac_sim() -> Iterator[None]:
    finders, modules = list(sys.meta_path), set(sys.modules)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        if name == "pxr.PhysxSchema" or name.partition(".")[0] in {*ROOTS, "fork_task"} - {"pxr"}:
            del sys.modules[name]
