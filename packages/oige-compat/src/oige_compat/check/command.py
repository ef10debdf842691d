"""``oige-compat check``: say what a code base uses that is not served."""

from pathlib import Path

from oige_core.errors import ConfigError

__all__ = ["check"]

OPTIONS = ("--all", "--json")


def check(arguments: list[str]) -> int:
    """Print what a code base uses of Isaac Sim, and what becomes of it.

    Args:
        arguments: the folder, and options.

    Returns:
        0 if nothing is missing, otherwise 1.

    Raises:
        OigeError: an argument is wrong, or there is no Python file.
    """
    from oige_compat.check.examine import examine
    from oige_compat.check.report import as_json, as_text

    for argument in arguments:
        if argument.startswith("-") and argument not in OPTIONS:
            raise ConfigError(f"{argument}: unknown option; oige-compat check has {' and '.join(OPTIONS)}.")
    paths = [argument for argument in arguments if not argument.startswith("-")]
    if len(paths) != 1:
        raise ConfigError(f"oige-compat check {' '.join(paths)}".rstrip() + ": expected one folder or Python file.")
    path = Path(paths[0]).expanduser()
    found = examine(path)
    if not found.files:
        raise ConfigError(f"{path}: expected a folder with Python or YAML files.")
    if "--json" in arguments:
        print(as_json(found))
    else:
        print(as_text(found, everything="--all" in arguments))
    return 0 if found.complete else 1
