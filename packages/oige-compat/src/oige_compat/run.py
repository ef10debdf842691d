"""``oige-compat run``: run a script of OmniIsaacGymEnvs or of a fork with the modules of this package."""

import importlib.util
import os
import runpy
import sys
import traceback
from pathlib import Path

from oige_core.errors import ConfigError, nearest, one_line

__all__ = ["run"]


def run(arguments: list[str]) -> int:
    """Run a script as ``python SCRIPT …`` does.

    Args:
        arguments: the script and its arguments, after ``--asset END=FILE`` for files that have another path here.

    Returns:
        The exit code.

    Raises:
        OigeError: there is no such script, or it uses something that is not served.
    """
    # rl_games of the time of OmniIsaacGymEnvs did not compile networks, which takes minutes.
    os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    # Otherwise Hydra prints errors itself, with a stack trace, and ends the program.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    # Files of older releases bind materials without the schema that USD expects since; it would warn for each prim.
    os.environ.setdefault("USD_SHADE_MATERIAL_BINDING_API_CHECK", "allowMissingAPI")
    from oige_compat.check.files import checkout
    from oige_compat.imports import install
    from oige_compat.legacy import default_devices, restore
    from oige_compat.local_files import parse_assets, search_in

    given, arguments = parse_assets(arguments)
    expected = "expected a script, such as scripts/rlgames_train.py."
    if not arguments:
        raise ConfigError(f"oige-compat run: {expected}")
    script = Path(arguments[0])
    if not script.is_file():
        raise ConfigError(f"oige-compat run {script}: no such file; {expected}")
    install()
    restore()
    search_in(checkout(script), given)
    added = default_devices(script, arguments[1:])
    if added:
        print(f"oige-compat: added {' '.join(added)}")
    sys.argv = [*arguments, *added]
    sys.path[:0] = [str(script.resolve().parent), *_roots(script)]
    _run(script)
    return 0


def _run(script: Path) -> None:
    """Run a script.

    Raises:
        ConfigError: Hydra refuses its arguments, it imports a package that is not installed, or a checkpoint does not
            fit its network.
    """
    from hydra.errors import HydraException, MissingConfigException

    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # otherwise Hydra prints tracebacks itself and ends the program
    try:
        runpy.run_path(str(script), run_name="__main__")
    except MissingConfigException as error:
        group, _, name = (error.missing_cfg_file or "").rpartition("/")
        found = nearest(name, error.options or ())
        raise ConfigError(f"{group or 'config'}={name}: the script has no such configuration. {found}") from error
    except HydraException as error:
        raise ConfigError(f"oige-compat run {script}: {one_line(error)}") from error
    except RuntimeError as error:
        if not str(error).startswith("Error(s) in loading state_dict"):  # of torch
            raise
        _, _, difference = one_line(error).partition(": ")
        raise ConfigError(f"the checkpoint is of another network: {difference}") from error
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if not package or package in sys.modules or importlib.util.find_spec(package) is not None:
            raise
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
        place = f"{frames[-1].filename}:{frames[-1].lineno}"
        raise ConfigError(
            f"{error.name} (imported in {place}): neither a module of the checkout nor an installed package; install "
            "it beside oige-compat, for example with uv run --with PACKAGE oige-compat …"
        ) from error


def _roots(script: Path) -> list[str]:
    """Return the folder of the checkout whose packages the script imports, if it is not installed."""
    folders = [folder for folder in script.resolve().parents if (folder / "__init__.py").is_file()]
    return [str(folders[-1].parent)] if folders else []
