"""Trained policies as files that run without this project: ONNX and TorchScript."""

from oige_train.export.network import export_policy

__all__ = ["export_policy"]
