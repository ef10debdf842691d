"""Check that a package may be released under a tag, and print its changelog for the release.

uv run python tools/release_notes.py oige-core-v0.2.0
"""

import argparse
import re
import sys
import tomllib
from pathlib import Path

__all__ = ["ReleaseError", "release_notes"]

PACKAGES = Path(__file__).resolve().parent.parent / "packages"


class ReleaseError(Exception):
    """The package must not be released under the tag."""


def release_notes(tag: str, packages: Path = PACKAGES) -> str:
    """Return the changelog of the version that a tag names.

    Args:
        tag: ``<package>-v<version>``.
        packages: folder of the packages.

    Raises:
        ReleaseError: there is no such package, it is private, its version is another one, or its changelog has no date.
    """
    name, separator, version = tag.rpartition("-v")
    if not separator or not (packages / name / "pyproject.toml").is_file():
        raise ReleaseError(f"{tag}: expected <package>-v<version>, with a folder of packages/.")
    project = tomllib.loads((packages / name / "pyproject.toml").read_text())["project"]
    if "Private :: Do Not Upload" in project["classifiers"]:
        raise ReleaseError(f"{tag}: {name} is private; remove that classifier once the package has code.")
    if project["version"] != version:
        raise ReleaseError(f"{tag}: pyproject.toml has version {project['version']}; correct it or the tag.")
    changelog = (packages / name / "CHANGELOG.md").read_text()
    heading = re.search(rf"^## \[{re.escape(version)}\] - (\S+)\n", changelog, re.MULTILINE)
    if heading is None or not re.fullmatch(r"\d{4}-\d{2}-\d{2}", heading[1]):
        raise ReleaseError(f"{tag}: CHANGELOG.md needs the heading '## [{version}] - <year>-<month>-<day>'.")
    notes, *_ = re.split(r"^## ", changelog[heading.end() :], maxsplit=1, flags=re.MULTILINE)
    return notes.strip() + "\n"


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tag", help="<package>-v<version>")
    try:
        print(release_notes(parser.parse_args().tag), end="")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
