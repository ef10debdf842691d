"""``oige-compat run``: run a script of OmniIsaacGymEnvs or of a fork with the modules of this package."""

import runpy
import sys
from pathlib import Path

from oige_core.errors import ConfigError

__all__ = ["run"]


def run(arguments: list[str]) -> int:
    """Run a script as ``python SCRIPT …`` does.

    Args:
        arguments: the script and its arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: there is no such script, or it uses something that is not served.
    """
    from oige_compat.imports import install

    expected = "expected a script, such as scripts/rlgames_train.py."
    if not arguments:
        raise ConfigError(f"oige-compat run: {expected}")
    script = Path(arguments[0])
    if not script.is_file():
        raise ConfigError(f"oige-compat run {script}: no such file; {expected}")
    install()
    sys.argv = list(arguments)
    sys.path.insert(0, str(script.resolve().parent))
    runpy.run_path(str(script), run_name="__main__")
    return 0
