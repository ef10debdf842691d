"""``oige-compat port``: write a package of OIGE from a task."""

from pathlib import Path

from oige_core.errors import ConfigError, OigeError

__all__ = ["port"]


def port(arguments: list[str]) -> int:
    """Write the package of a task, and print what is left to do.

    Args:
        arguments: a Python file or a folder, the folder to write, and ``--task NAME``.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, the task is not found, or the folder has files in it.
    """
    from oige_compat.port.package import write_package
    from oige_compat.port.sources import find_source

    paths, task = _parse(arguments)
    path, folder = paths
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OigeError(f"{folder}: exists already; remove it, or choose another folder.")
    ported = write_package(find_source(path.absolute(), task), folder)
    print(f"{folder}: {ported.files} files written.")
    if ported.marks:
        print(f"\n{len(ported.marks)} places are marked with TODO(port):")
        print("\n".join(f"    {place}" for place in ported.marks))
    print(f"\nNext:\n    cd {folder}\n    uv run pytest")
    return 0


def _parse(arguments: list[str]) -> tuple[list[Path], str | None]:
    """Return the two paths and the name of the task."""
    paths: list[Path] = []
    task = None
    remaining = list(arguments)
    while remaining:
        argument = remaining.pop(0)
        option, equals, value = argument.partition("=")
        if option == "--task":
            task = value if equals else (remaining.pop(0) if remaining else "")
            if not task:
                raise ConfigError("--task: expected the name of a task after it.")
        elif argument.startswith("-"):
            raise ConfigError(f"{argument}: unknown option; oige-compat port has --task.")
        else:
            paths.append(Path(argument).expanduser())
    if len(paths) != 2:
        raise ConfigError("oige-compat port: expected a Python file or a folder, and the folder of the new package.")
    return paths, task
