"""``oige-compat port``: write a package of OIGE from a task."""

import dataclasses
from pathlib import Path

from oige_core.errors import ConfigError, OigeError

__all__ = ["port"]

OPTIONS = ("--task", "--name")


def port(arguments: list[str]) -> int:
    """Write the package of a task, and print what is left to do.

    Args:
        arguments: a Python file or a folder, the folder to write, ``--task NAME`` and ``--name NAME``.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, the task is not found, or the folder has files in it.
    """
    from oige_train.cli.new_task import check_name, package_of

    from oige_compat.port.package import write_package
    from oige_compat.port.sources import find_source

    paths, options = _parse(arguments)
    path, folder = paths
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OigeError(f"{folder}: exists already; remove it, or choose another folder.")
    source = find_source(path.absolute(), options.get("--task"))
    source = dataclasses.replace(source, name=options.get("--name", source.name))
    try:
        check_name(source.name, package_of(source.name))
    except ConfigError as error:
        raise ConfigError(f"{str(error).rstrip('.')} with --name.") from error
    ported = write_package(source, folder)
    print(f"{folder}: {ported.files} files written.")
    if ported.marks:
        places = "1 place is" if len(ported.marks) == 1 else f"{len(ported.marks)} places are"
        print(f"\n{places} marked with TODO(port):")
        print("\n".join(f"    {place}" for place in ported.marks))
    print(f"\nNext:\n    cd {folder}\n    uv run pytest")
    return 0


def _parse(arguments: list[str]) -> tuple[list[Path], dict[str, str]]:
    """Return the two paths, and the values of options."""
    paths: list[Path] = []
    options: dict[str, str] = {}
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        option, equals, value = argument.partition("=")
        if option in OPTIONS:
            options[option] = value if equals else (remaining.pop(0) if remaining else "")
            if not options[option]:
                raise ConfigError(f"{option}: expected the name of a task after it.")
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: unknown option; oige-compat port has --task and --name.")
        else:
            paths.append(Path(argument).expanduser())
    if len(paths) != 2:
        raise ConfigError("oige-compat port: expected a Python file or a folder, and the folder of the new package.")
    return paths, options
