"""Only a package whose tag, version and changelog agree is released; make, hooks and CI run the same checks."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent

CHANGELOG = """# Changelog

## [0.2.0] - 2026-01-31

### Fixed

- A mistake.

## [0.1.0] - 2025-12-24

### Added

- Everything.
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    for name, classifiers in (("good", []), ("secret", ["Private :: Do Not Upload"])):
        (tmp_path / name).mkdir()
        project = f'[project]\nname = "{name}"\nversion = "0.2.0"\nclassifiers = {classifiers}\n'
        (tmp_path / name / "pyproject.toml").write_text(project)
        (tmp_path / name / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_release_notes_are_the_section_of_the_version(import_tool: Callable[[str], ModuleType], packages: Path) -> None:
    assert import_tool("release_notes").release_notes("good-v0.2.0", packages) == "### Fixed\n\n- A mistake.\n"


@pytest.mark.parametrize(
    ("tag", "message"),
    [
        ("0.2.0", "expected <package>-v<version>"),
        ("v0.2.0", "expected <package>-v<version>"),
        ("other-v0.2.0", "expected <package>-v<version>"),
        ("secret-v0.2.0", "secret is private"),
        ("good-v0.1.0", "has version 0.2.0"),
    ],
)
def test_wrong_tag_is_refused(import_tool: Callable[[str], ModuleType], packages: Path, tag: str, message: str) -> None:
    tool = import_tool("release_notes")
    with pytest.raises(tool.ReleaseError, match=f"^{tag}: .*{message}"):
        tool.release_notes(tag, packages)


def test_changelog_without_a_date_is_refused(import_tool: Callable[[str], ModuleType], packages: Path) -> None:
    tool = import_tool("release_notes")
    (packages / "good" / "CHANGELOG.md").write_text(CHANGELOG.replace("2026-01-31", "unreleased"))
    with pytest.raises(tool.ReleaseError, match=r"needs the heading '## \[0\.2\.0\] - <year>"):
        tool.release_notes("good-v0.2.0", packages)


def test_release_workflow_has_a_tag_for_each_public_package() -> None:
    workflow = (REPOSITORY / ".github/workflows/release.yml").read_text()
    public = {
        file.parent.name
        for file in (REPOSITORY / "packages").glob("*/pyproject.toml")
        if "Private :: Do Not Upload" not in file.read_text()
    }
    assert set(re.findall(r'- "(.*)-v\*"', workflow)) == public


@pytest.fixture
def registry_job() -> dict:
    return yaml.safe_load((REPOSITORY / ".github/workflows/release.yml").read_text())["jobs"]["registry"]


def test_registry_is_verified_for_its_releases_before_it_is_published(registry_job: dict) -> None:
    commands = [step["run"].split() for step in registry_job["steps"] if "run" in step]
    build, verify = (command[4:] for command in commands if "oige-registry" in command)
    assert (build[:2], verify[:2]) == (["build", "site"], ["verify", "site"])
    assert build[2:] == verify[2:] == ["--kit", "105.1", "106.0", "106.5", "107.3", "110.0"]
    assert "push" in commands[-1]
    assert registry_job["needs"] == "publish"
    assert registry_job["if"] == "startsWith(github.ref_name, 'oige-extension-v')"


@pytest.mark.skipif(sys.platform == "win32", reason="the workflow runs on Linux")
def test_registry_branch_keeps_what_is_published(registry_job: dict, tmp_path: Path) -> None:
    """Run the job's own commands against a repository, with a file in place of the packages."""

    def git(*arguments: str | Path) -> str:
        return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, cwd=tmp_path).stdout

    environment = {**os.environ, **registry_job["env"]}
    steps = {step["name"]: step for step in registry_job["steps"] if "name" in step}
    git("init", "--quiet", "--bare", "origin")
    for number, tag in enumerate(("oige-extension-v0.1.0", "oige-extension-v0.2.0", "oige-extension-v0.2.0")):
        checkout = tmp_path / f"checkout-{number}"
        git("clone", "--quiet", "origin", checkout)
        for name in ("take the packages that are published", "publish"):
            folder = checkout / steps[name].get("working-directory", ".")
            command = ["bash", "-e", "-c", steps[name]["run"]]
            variables = environment | {"GITHUB_REF_NAME": tag}
            subprocess.run(command, check=True, cwd=folder, env=variables, capture_output=True)
            (checkout / "site" / tag).touch()
    names = git("-C", "origin", "ls-tree", "--name-only", "kit-registry").split()
    assert names == [".nojekyll", "oige-extension-v0.1.0", "oige-extension-v0.2.0"]
    subjects = git("-C", "origin", "log", "--format=%s", "kit-registry").splitlines()
    assert subjects == ["Publish oige-extension-v0.2.0", "Publish oige-extension-v0.1.0", "Begin the registry"]


def test_make_check_runs_checks_of_ci() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = [line.strip() for line in recipe[1].splitlines()]
    assert len(commands) == 5
    of_ci = [line.partition(" >")[0] for line in (REPOSITORY / ".ci/run").read_text().splitlines()]
    assert set(commands) <= set(of_ci)
