"""What scripts of the time of OmniIsaacGymEnvs use of other libraries, and newer versions have removed."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["default_devices", "restore"]

DEVICE_KEYS = {"pipeline": "cpu", "sim_device": "cpu", "rl_device": "cpu"}
LIGHTS = ("CylinderLight", "DiskLight", "DistantLight", "DomeLight", "RectLight", "SphereLight")


def restore() -> None:
    """Restore names of NumPy and of lights on the stage, and let calls about GPUs pass where there is none."""
    import numpy as np
    import torch

    for name, value in {
        "Inf": np.inf,
        "NaN": np.nan,
        "float": float,
        "int": int,
        "bool": bool,
        "object": object,
    }.items():
        if name not in vars(np):
            setattr(np, name, value)
    if not torch.cuda.is_available():
        torch.cuda.set_device = lambda device: None
        torch.Tensor.cuda = torch.nn.Module.cuda = _stay
    _name_light_attributes()
    os.environ.setdefault(
        "EXP_PATH", str(Path(sys.prefix) / "apps")
    )  # of files of the application, which nothing reads


def _stay(self: Any, *device: Any, **options: Any) -> Any:
    """Return a tensor or a module, which stays on the CPU."""
    return self


def _name_light_attributes() -> None:
    """Give lights the attribute ``intensity`` as well, which is ``inputs:intensity`` since USD 21.02."""
    from pxr import Sdf, Usd, UsdLux

    def wrapped(define: Callable[..., Any]) -> Callable[..., Any]:
        def define_light(stage: Usd.Stage, path: Any) -> Any:
            light = define(stage, path)
            light.GetPrim().CreateAttribute("intensity", Sdf.ValueTypeNames.Float)
            return light

        return define_light

    for kind in (getattr(UsdLux, name) for name in LIGHTS):
        if kind.Define.__name__ != "define_light":
            kind.Define = staticmethod(wrapped(kind.Define))


def default_devices(script: Path, arguments: Sequence[str]) -> list[str]:
    """Return overrides that a script with Hydra needs on a machine without GPU and without window."""
    import torch

    if "hydra" not in script.read_text(encoding="utf-8"):
        return []
    given = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    defaults = {"headless": "True", **({} if torch.cuda.is_available() else DEVICE_KEYS)}
    return [f"{key}={value}" for key, value in defaults.items() if key not in given]
