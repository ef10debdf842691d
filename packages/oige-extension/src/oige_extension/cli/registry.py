"""``oige-registry``: make the Kit extension, and registries that serve it."""

import argparse
import sys
from pathlib import Path

from oige_train.cli.exits import exit_code

__all__ = ["main", "parser", "run"]


def main() -> None:
    """Run the program."""
    sys.exit(exit_code(lambda: run(sys.argv[1:])))


def run(arguments: list[str]) -> int:
    """Run a subcommand.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code: 1 if a registry is not as it should be.

    Raises:
        OigeError: an argument or a file is wrong.
    """
    from oige_core.errors import reason

    from oige_extension.registry import RegistryError

    options = parser().parse_args(arguments)
    try:
        return options.command(options)
    except OSError as error:
        raise RegistryError(f"{error.filename or '?'}: cannot be read or written: {reason(error)}.") from error


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="oige-registry", description="Make the Kit extension and registries of it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    extension = commands.add_parser("extension", help="write the folder of the extension, for --ext-folder")
    extension.add_argument("folder", type=Path, help="gets the folder oige.extension")
    extension.add_argument("--link", action="store_true", help="link to the sources of a checkout")
    extension.set_defaults(command=_extension)

    build = commands.add_parser("build", help="write a registry, or add packages to one")
    build.add_argument("folder", type=Path, help="folder of the registry, new or with packages")
    build.add_argument(
        "--kit", nargs="+", required=True, metavar="RELEASE", help="releases of Kit, such as 105.1 106.5 107.3 110"
    )
    build.add_argument("--extension", type=Path, help="folder of an extension; default: made from what is installed")
    build.add_argument("--url", default="", help="address at which the folder will be served")
    build.set_defaults(command=_build)

    serve = commands.add_parser("serve", help="serve a registry to this machine")
    serve.add_argument("folder", type=Path, help="folder of the registry")
    serve.add_argument("--port", type=int, default=8765, help="default: 8765")
    serve.set_defaults(command=_serve)

    verify = commands.add_parser("verify", help="read a registry back and check it")
    verify.add_argument("registry", help="address or folder")
    verify.add_argument("--kit", nargs="+", default=[], metavar="RELEASE", help="releases that must find a package")
    verify.set_defaults(command=_verify)

    install = commands.add_parser("install", help="fetch an extension from a registry, for --ext-folder")
    install.add_argument("registry", help="address or folder")
    install.add_argument("folder", type=Path, help="gets the folder of the extension")
    install.add_argument("--kit", required=True, metavar="RELEASE", help="release of Kit, such as 107.3")
    install.add_argument("--name", default="oige.extension", help="default: oige.extension")
    install.set_defaults(command=_install)

    compare = commands.add_parser("compare", help="compare what Kit published into an empty folder with our registry")
    compare.add_argument("published", type=Path, help="folder into which Kit published")
    compare.add_argument("ours", type=Path, help="folder of our registry")
    compare.set_defaults(command=_compare)
    return parser


def _extension(options: argparse.Namespace) -> int:
    from oige_extension.kit import EXTENSION_NAME, write_extension

    print(write_extension(options.folder, options.link))
    print(f"Isaac Sim: --ext-folder {options.folder.resolve()} --enable {EXTENSION_NAME}")
    return 0


def _build(options: argparse.Namespace) -> int:
    import tempfile

    from oige_extension.kit import write_extension
    from oige_extension.registry import build_registry

    with tempfile.TemporaryDirectory() as temporary:
        extension = options.extension or write_extension(Path(temporary))
        packages = build_registry(options.folder, extension, options.kit, options.url)
    for package in packages:
        print(package.id)
    return 0


def _serve(options: argparse.Namespace) -> int:
    from oige_extension.registry.serve import make_server, settings

    with make_server(options.folder, options.port) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        print(
            f"{options.folder} at {url}; Ctrl+C ends. In the .kit file of an application:\n\n{settings(url)}",
            flush=True,
        )
        server.serve_forever()
    return 0


def _verify(options: argparse.Namespace) -> int:
    from oige_extension.registry import Registry, verify

    problems = verify(Registry(options.registry), tuple(options.kit))
    for problem in problems:
        print(problem)
    print(f"{options.registry}: {_count(problems, 'problem') if problems else 'no problem'}")
    return 1 if problems else 0


def _install(options: argparse.Namespace) -> int:
    from oige_extension.registry import Registry

    print(Registry(options.registry).install(options.name, options.kit, options.folder))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from oige_extension.registry import compare

    differences = compare(options.published, options.ours)
    for difference in differences:
        print(difference)
    print(_count(differences, "difference") if differences else "the same structure")
    return 1 if differences else 0


def _count(items: list[str], word: str) -> str:
    return f"{len(items)} {word}{'' if len(items) == 1 else 's'}"


if __name__ == "__main__":
    main()
