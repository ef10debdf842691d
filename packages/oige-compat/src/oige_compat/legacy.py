"""What scripts of the time of OmniIsaacGymEnvs use of other libraries, and newer versions have removed."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["default_devices", "restore"]

DEVICE_KEYS = {"pipeline": "cpu", "sim_device": "cpu", "rl_device": "cpu"}


def restore() -> None:
    """Restore names of NumPy, and let calls about GPUs pass where there is none."""
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
    os.environ.setdefault(
        "EXP_PATH", str(Path(sys.prefix) / "apps")
    )  # of files of the application, which nothing reads


def default_devices(script: Path, arguments: Sequence[str]) -> list[str]:
    """Return overrides that a script with Hydra needs on a machine without GPU and without window."""
    import torch

    if "hydra" not in script.read_text(encoding="utf-8"):
        return []
    given = {argument.lstrip("+").partition("=")[0] for argument in arguments}
    defaults = {"headless": "True", **({} if torch.cuda.is_available() else DEVICE_KEYS)}
    return [f"{key}={value}" for key, value in defaults.items() if key not in given]
