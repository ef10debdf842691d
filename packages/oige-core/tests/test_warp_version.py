import importlib.metadata
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from oige_core.math import quat_mul
from oige_core.warp_version import has_warp

ONE = torch.tensor([[1.0, 0.0, 0.0, 0.0]])


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    has_warp.cache_clear()
    yield
    has_warp.cache_clear()


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.8.2", False), ("1.18.9", False), ("1.19.0", True), ("1.20.0.dev3", True), ("2.0", True)],
)
def test_imported_warp_decides(version: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "warp", SimpleNamespace(config=SimpleNamespace(version=version)))
    assert has_warp() == expected


@pytest.mark.parametrize(("version", "expected"), [("1.13.0", False), ("1.19.1", True)])
def test_installed_warp_decides_where_none_is_imported(
    version: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "warp", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", {"warp-lang": version}.__getitem__)
    assert has_warp() == expected


def test_without_warp_torch_computes_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setitem(sys.modules, "oige_core.math.rotation_kernels", None)  # importing it raises ImportError
    monkeypatch.delitem(sys.modules, "warp", raising=False)
    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr("oige_core.math.fused._on_gpu", lambda values: True)
    with torch.no_grad():
        torch.testing.assert_close(quat_mul(ONE, ONE), ONE)
