"""Trained policies as files that run without this project: ONNX and TorchScript.

The functions here are imported when they are first used, because they need torch; contracts are read without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oige_train.export.deployment import export_deployment
    from oige_train.export.network import export_policy

__all__ = ["export_deployment", "export_policy"]

MODULES = {"export_deployment": "deployment", "export_policy": "network"}


def __getattr__(name: str) -> Any:
    """Import a function on first use."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)
