"""``oige-usd``: write robots as USD files."""

from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main", "usd"]

HELP = """usage: oige-usd --robots PACKAGE

Write the USD file of every robot of a package beside its MJCF file: assets/ant.usda for assets/ant.xml. Isaac Sim reads
these files, because MuJoCo is not installed there.

  --robots PACKAGE    an installed package such as oige_tasks_locomotion, or a folder"""


def main() -> None:
    """Run the program."""
    run_cli(usd, HELP)


def usd(arguments: list[str]) -> int:
    """Write the files and print them.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, a robot is invalid, or a package that this needs is not installed.
    """
    from oige_core.errors import ConfigError

    if len(arguments) != 2 or arguments[0] != "--robots":
        raise ConfigError(f"{' '.join(arguments) or 'oige-usd'}: expected --robots PACKAGE.")
    return _write_robots(arguments[1])


def _write_robots(package: str) -> int:
    from oige_core.errors import OigeError
    from oige_core.extras import needs_extra

    folder = _folder(package)
    with needs_extra("usd", "oige-usd"):
        from oige_core.engines.isaacsim.usd.files import robot_files, write_robot_file
    files = robot_files(folder)
    if not files:
        raise OigeError(f"{folder}: has no MJCF or URDF file in a folder named assets; expected at least one.")
    for mjcf in files:
        file, description = write_robot_file(mjcf)
        size = file.stat().st_size / 1024
        print(f"{file}: {len(description.body_names)} links, {len(description.dof_names)} joints, {size:.0f} KiB")
    return 0


def _folder(package: str) -> Path:
    """Return the folder of an installed package or of a path."""
    import importlib.util

    from oige_core.errors import OigeError, nearest
    from oige_core.registry import installed_tasks

    if Path(package).is_dir():
        return Path(package)
    name = package.replace("-", "_")
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or not found.submodule_search_locations:
        known = {task.package.replace("-", "_") for task in installed_tasks().values()}
        raise OigeError(f"--robots {package}: neither an installed package nor a folder. {nearest(name, known)}")
    return Path(next(iter(found.submodule_search_locations)))


if __name__ == "__main__":
    main()
