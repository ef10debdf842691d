"""Optional packages of sweeps: the extras of oige-train."""

import importlib.util

from oige_core.errors import OigeError

__all__ = ["EXTRAS", "check_extra"]

EXTRAS = {
    "optuna": "hydra_plugins.hydra_optuna_sweeper",
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "submitit": "hydra_plugins.hydra_submitit_launcher",
    "ray": "hydra_plugins.hydra_ray_launcher",
}
"""The plugin of each extra."""


def check_extra(extra: str, user: str, module: str | None = None) -> None:
    """Raise OigeError unless an extra is installed.

    Args:
        extra: its name.
        user: what needs it, as the beginning of a message.
        module: the module that is needed; None: that of :data:`EXTRAS`.
    """
    try:
        found = importlib.util.find_spec(module or EXTRAS[extra]) is not None
    except ModuleNotFoundError:  # there are no plugins of Hydra at all
        found = False
    if not found:
        raise OigeError(f"{user}: needs the extra {extra}; install it with: pip install 'oige-train[{extra}]'.")
