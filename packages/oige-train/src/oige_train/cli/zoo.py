"""``oige-zoo``: write web pages on which tasks and their policies run in the browser."""

from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main", "zoo"]

HELP = """usage: oige-zoo [output=<folder>] [npm_folder=<folder>] [pictures=<folder>] [Task …]

Write a page for each of the given tasks, or for each installed task with a policy, and an index of all pages in the
folder. A page runs the task and its policy in the browser, without a server: MuJoCo as WebAssembly, and the control
step and the policy as ONNX graphs that are recorded from their Python code. Any static host can serve the folder:

  oige-zoo Ant AnymalTerrain
  python -m http.server --directory zoo

  output=<folder>         where to write; default zoo
  npm_folder=<folder>     a node_modules folder with @mujoco/mujoco, onnxruntime-web and three; by default, npm
                          installs them once in the user's cache
  pictures=<folder>       folder with pictures <Task>.webp for the index; default: none

Tasks that a browser cannot run are listed in the index with the reason."""


def main() -> None:
    """Run the program."""
    run_cli(zoo, HELP)


def zoo(arguments: list[str]) -> int:
    """Write the pages and print a line for each.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code: 2 if a task that was named cannot be played in a browser.

    Raises:
        OigeError: an argument is wrong, a task has no policy, or a library is missing.
    """
    from oige_core.errors import ConfigError
    from oige_core.registry import find_task, installed_tasks

    from oige_train.cli.common import pop_text
    from oige_train.export.libraries import needs_export
    from oige_train.pretrained import find_pretrained, policy_files, read_card
    from oige_train.zoo.libraries import find_packages

    folder = Path(pop_text(arguments, "output", "zoo")).expanduser()
    npm_folder, pictures = (
        Path(text).expanduser() if (text := pop_text(arguments, key, " ").strip()) else None
        for key in ("npm_folder", "pictures")
    )
    wrong = next((argument for argument in arguments if "=" in argument or argument.startswith("-")), None)
    if wrong is not None:
        raise ConfigError(f"{wrong}: expected names of tasks, output=, npm_folder= or pictures=.")
    if pictures is not None and not pictures.is_dir():
        raise ConfigError(f"pictures={pictures}: no such folder.")
    for name in arguments:
        task = find_task(name)
        if not policy_files(task)[1].is_file():
            find_pretrained(task, "")  # raises an error that lists the tasks with policies
        find_pretrained(task, read_card(task).train)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"output={folder}: cannot be written ({error.strerror}); choose another folder.") from error
    tasks = arguments or [name for name, task in installed_tasks().items() if policy_files(task)[0].is_file()]
    with needs_export("oige-zoo"):
        from oige_train.zoo.site import write_site
    missing = write_site(folder, tasks, find_packages(npm_folder), pictures, lambda line: print(line, flush=True))
    print(f"{folder / 'index.html'}: {len(tasks) - len(missing)} tasks")
    return 2 if arguments and missing else 0


if __name__ == "__main__":
    main()
