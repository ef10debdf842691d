"""``oige-usd``: write scenes of tasks and robots as USD files."""

from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main", "usd"]

HELP = """usage: oige-usd task=<Task> [num_envs=<n>] [key=value …] FOLDER
       oige-usd --robots PACKAGE

Write what Isaac Sim gets of a task: FOLDER/<Task>.usda, or .usdc with terrain, with one world or num_envs worlds, and
print what a world contains. The file contains everything that it needs, and opens in Isaac Sim and in USD viewers.

With --robots, write the USD file of every robot of a package beside its MJCF file: assets/ant.usda for assets/ant.xml.
Isaac Sim reads these files, because MuJoCo is not installed there.

  --robots PACKAGE    an installed package such as oige_tasks_locomotion, or a folder"""


IGNORED = (
    "checkpoint",
    "test",
    "max_iterations",
    "experiment",
    "multi_gpu",
    "wandb_",
    "headless",
    "enable_",
    "warp",
    "physics_engine",
)


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

    if "--robots" in arguments:
        if len(arguments) != 2 or arguments[0] != "--robots":
            raise ConfigError(f"{' '.join(arguments)}: expected --robots PACKAGE.")
        return _write_robots(arguments[1])
    folders = [argument for argument in arguments if "=" not in argument and not argument.startswith("-")]
    if len(folders) != 1:
        raise ConfigError(f"{' '.join(arguments) or 'oige-usd'}: expected task=<Task> FOLDER, or --robots PACKAGE.")
    return _write_scene([argument for argument in arguments if argument != folders[0]], Path(folders[0]))


def _write_scene(arguments: list[str], folder: Path) -> int:
    from oige_core.devices import resolve_devices
    from oige_core.envs.task_scene import task_scene
    from oige_core.extras import needs_extra

    from oige_train.cli.common import checked_run, refuse_ignored

    refuse_ignored(arguments, "oige-usd", *IGNORED)
    given = {"num_envs", "task.env.numEnvs"} & {argument.partition("=")[0].lstrip("+") for argument in arguments}
    run = checked_run([*arguments, *([] if given else ["num_envs=1"]), "physics_engine=isaacsim"])
    with needs_extra("usd", "oige-usd"):
        from oige_core.engines.isaacsim.usd.export import export_scene
    scene, env = task_scene(run.config, "Isaac Sim"), run.config.task.env
    gpu = resolve_devices(run.config).simulation != "cpu"
    path, elements = export_scene(scene, folder, run.task.name, num_envs=env.numEnvs, spacing=env.envSpacing, gpu=gpu)
    columns = ("prims", "bodies", "joints", "colliders")
    rows: list[tuple[str, ...]] = [("in each world", *columns, "mass in kg")]
    for element in elements:
        rows.append((element.name, *(str(getattr(element, key)) for key in columns), f"{element.mass:.4g}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *numbers in rows:
        cells = (f"{number:>{width}}" for number, width in zip(numbers, widths[1:], strict=True))
        print(f"{first:<{widths[0]}}", *cells, sep="  ")
    print(f"{path}: {env.numEnvs} world{'s' * (env.numEnvs != 1)}")
    return 0


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
