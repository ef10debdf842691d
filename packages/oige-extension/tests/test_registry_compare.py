"""The comparison with what Kit published names each difference in form, and no difference in values."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oige_extension.cli.registry import run
from oige_extension.registry import RegistryError, build_registry, compare
from oige_extension.registry.layout import read_gzip_json, read_packages, write_gzip_json, write_packages


def build(folder: Path, name: str, version: str, kits: list[str]) -> Path:
    extension = folder / "source" / name
    (extension / "config").mkdir(parents=True)
    (extension / "config" / "extension.toml").write_text(
        f'[package]\nversion = "{version}"\ntitle = "{name}"\n\n[dependencies]\n"omni.{name}" = {{ optional = true }}\n'
    )
    build_registry(folder / "registry", extension, kits)
    return folder / "registry"


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    return build(tmp_path / "ours", "oige.sample", "0.1.0", ["105.1", "107.3"])


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Stand in for what Kit wrote, with other names, versions and releases."""
    return build(tmp_path / "kit", "omni.other.thing", "12.3.4-rc.1", ["105.2", "110"])


def test_values_do_not_count(published: Path, ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(published, ours) == []
    assert run(["compare", str(published), str(ours)]) == 0
    assert capsys.readouterr().out == "the same structure\n"


def change_packages(change: Callable[[str, dict[str, Any]], tuple[str, Any]]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (path,) = (folder / "v2/packages").glob("*.gz")
        packages = read_packages(path.read_bytes(), path.name)
        path.write_bytes(write_packages(dict(change(*item) for item in packages.items())))

    return apply


def change_files(change: Callable[[str, str], tuple[str, str]]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        path = folder / "v2/registry.gz"
        files = read_gzip_json(path.read_bytes(), path.name)["files"]
        path.write_bytes(write_gzip_json({"files": dict(change(*item) for item in files.items())}))

    return apply


def with_package(data: dict[str, Any], **changes: object) -> dict[str, Any]:
    return data | {"package": data["package"] | changes}


@pytest.mark.parametrize(
    ("change", "theirs", "our"),
    [
        (
            change_files(lambda name, hashed: (name, hashed[:8])),
            "registry.gz: only in {}: files.*: 8 hexadecimal digits",
            "registry.gz: only in {}: files.*: 64 hexadecimal digits",
        ),
        (
            change_files(lambda name, hashed: (name.replace(".gz", ".zip") if "/" in name else name, hashed)),
            "registry.gz files: only in {}: packages/<extension>.zip",
            "registry.gz files: only in {}: packages/<extension>.gz",
        ),
        (
            change_packages(lambda short_id, data: (f"omni.other.thing-{short_id}", data)),
            "package line, id: only in {}: <name>-<version>+<kit>.<kit>",
            "package line, id: only in {}: <version>+<kit>.<kit>",
        ),
        (
            change_packages(lambda short_id, data: (f"{short_id}.wx64.r.cp310", data)),
            "package line, id: only in {}: <version>+<kit>.<kit>.wx64.r.cp310",
            "package line, id: only in {}: <version>+<kit>.<kit>",
        ),
        (
            change_packages(lambda short_id, data: (short_id, with_package(data, archivePath="https://a.org/b.zip"))),
            "package line, data: only in {}: package.archivePath: address",
            "package line, data: only in {}: package.archivePath: relative path of an archive",
        ),
        (
            change_packages(lambda short_id, data: (short_id, with_package(data, target={"kit": ["110.0"], "usd": 1}))),
            "package line, data: only in {}: package.target.usd: int",
            None,
        ),
    ],
)
def test_differences_in_form_are_named(
    published: Path, ours: Path, change: Callable[[Path], None], theirs: str, our: str | None
) -> None:
    change(published)
    assert set(compare(published, ours)) == {theirs.format(published), *([our.format(ours)] if our else [])}


def test_other_layout_of_files_and_archives_is_named(
    published: Path, ours: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (published / "v2/archives/omni.other.thing").glob("*.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("omni.other.thing-12.3.4-rc.1+110.0/config/extension.toml", "")
    (published / "v2/archives/omni.other.thing/signature.json").write_text(json.dumps({"key": "ab"}))
    assert run(["compare", str(published), str(ours)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"files: only in {published}: v2/archives/<extension>/signature.json" in lines
    assert f"archive page: only in {published}: key: text" in lines
    assert f"archive: only in {published}: <name>-<version>+<kit>.<kit>/config/extension.toml" in lines
    assert lines[-1] == "3 differences"


def test_folder_without_a_registry_is_refused(ours: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"expected v2/registry\.gz or index\.zip, found neither"):
        compare(tmp_path / "empty", ours)
