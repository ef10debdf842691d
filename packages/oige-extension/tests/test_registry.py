"""Registries: layout, reproducible bytes, added versions, and what verification says about damaged ones."""

import gzip
import hashlib
import io
import json
import re
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from oige_extension.cli.registry import parser, run
from oige_extension.registry import Package, Registry, RegistryError, build_registry, verify
from oige_extension.registry.layout import read_gzip_json, write_gzip_json
from oige_extension.registry.package import kit_number, supports, version_key
from oige_extension.registry.serve import make_server, settings

NAME = "oige.sample"
KITS = ["105.1", "106.5", "107.3", "110"]


def write_sample(folder: Path, version: str = "0.1.0", code: str = "x = 1\n", dependencies: str = "") -> Path:
    """Write a small extension and return its folder."""
    extension = folder / NAME
    package = f'[package]\nversion = "{version}"\ntitle = "Sample"\n'
    files = {
        "config/extension.toml": f"{package}\n[dependencies]\n{dependencies}",
        "oige_sample/__init__.py": code,
        "oige_sample/__pycache__/cached.pyc": "byte code",
    }
    for name, text in files.items():
        path = extension / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return extension


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "source")


@pytest.fixture
def registry(tmp_path: Path, extension: Path) -> Path:
    folder = tmp_path / "registry"
    build_registry(folder, extension, KITS)
    return folder


@pytest.fixture
def served(registry: Path) -> Iterator[str]:
    with make_server(registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_layout_is_that_of_nvidia_s_page(registry: Path) -> None:
    ids = [f"{NAME}-0.1.0+{kit}" for kit in ("106.5", "107.3", "110.0")]
    assert set(contents(registry)) == {
        "index.zip",
        f"3/archives/{NAME}-0.1.0+105.1.zip",
        "v2/registry.gz",
        "v2/summaries.gz",
        f"v2/packages/{NAME}.gz",
        *(f"v2/archives/{NAME}/{name}.{suffix}" for name in ids for suffix in ("json", "zip")),
    }
    files = json.loads(gzip.decompress((registry / "v2/registry.gz").read_bytes()))["files"]
    assert files == {
        name: hashlib.sha256((registry / "v2" / name).read_bytes()).hexdigest()
        for name in ("summaries.gz", f"packages/{NAME}.gz")
    }
    lines = gzip.decompress((registry / f"v2/packages/{NAME}.gz").read_bytes()).decode().splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["0.1.0+106.5", "0.1.0+107.3", "0.1.0+110.0"]
    data = json.loads(lines[1].partition(" ")[2])
    assert data["package"]["target"] == {"kit": ["107.3"]}
    assert data["dependencies"] == {}
    archive = registry / "v2" / data["package"]["archivePath"]
    assert data["package"]["archiveHash"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert data["package"]["archiveSize"] == archive.stat().st_size
    assert json.loads((registry / f"v2/archives/{NAME}/{NAME}-0.1.0+107.3.json").read_text()) == data
    assert json.loads(gzip.decompress((registry / "v2/summaries.gz").read_bytes())) == {
        NAME: {"package": {"title": "Sample", "version": "0.1.0"}}
    }


def test_archive_is_the_extension_s_folder_without_byte_code(registry: Path, extension: Path) -> None:
    with zipfile.ZipFile(registry / f"v2/archives/{NAME}/{NAME}-0.1.0+107.3.zip") as archive:
        names = archive.namelist()
        assert names == ["config/extension.gen.toml", "config/extension.toml", "oige_sample/__init__.py"]
        assert archive.read("config/extension.toml") == (extension / "config/extension.toml").read_bytes()
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b'kit = ["107.3"]' in archive.read("config/extension.gen.toml")


def test_older_releases_get_the_single_index(tmp_path: Path, extension: Path) -> None:
    build_registry(tmp_path / "old", extension, ["105.1"])
    assert set(contents(tmp_path / "old")) == {"index.zip", f"3/archives/{NAME}-0.1.0+105.1.zip"}
    build_registry(tmp_path / "both", extension, ["106.0"])
    with zipfile.ZipFile(tmp_path / "both/index.zip") as index:
        assert list(json.loads(index.read("index.json"))) == [f"{NAME}-0.1.0+106.0"]
    assert Registry(tmp_path / "both").extensions() == [NAME]
    assert verify(Registry(tmp_path / "old"), ("105.1",)) == verify(Registry(tmp_path / "both"), ("106.0",)) == []
    damage(tmp_path / f"both/3/archives/{NAME}-0.1.0+106.0.zip")
    damage(tmp_path / f"both/v2/archives/{NAME}/{NAME}-0.1.0+106.0.zip")
    assert len(verify(Registry(tmp_path / "both"))) == 2, "each of the two archives is read"


def test_same_input_gives_same_bytes(registry: Path, tmp_path: Path) -> None:
    again = tmp_path / "elsewhere" / "registry"
    build_registry(again, write_sample(tmp_path / "elsewhere" / "source"), reversed(KITS))
    assert contents(again) == contents(registry)
    before = {path: path.stat().st_ino for path in registry.rglob("*")}
    build_registry(registry, write_sample(tmp_path / "source"), KITS)
    assert {path: path.stat().st_ino for path in registry.rglob("*")} == before, "publishing twice changes nothing"


def test_new_version_keeps_the_old_one(registry: Path, tmp_path: Path) -> None:
    before = contents(registry)
    build_registry(registry, write_sample(tmp_path / "new", "0.10.0", "x = 2\n"), ["107.3"])
    after = contents(registry)
    assert {name for name in before if after[name] != before[name]} == {
        "v2/registry.gz",
        "v2/summaries.gz",
        f"v2/packages/{NAME}.gz",
    }
    reader = Registry(registry)
    assert reader.resolve(NAME, "107.3").package.id == f"{NAME}-0.10.0+107.3"
    assert reader.resolve(NAME, "106.5").package.id == f"{NAME}-0.1.0+106.5"
    build_registry(registry, write_sample(tmp_path / "late", "0.9.0", "x = 3\n"), ["107.3"])
    assert reader.resolve(NAME, "107.3").package.id == f"{NAME}-0.10.0+107.3"
    summaries = json.loads(gzip.decompress((registry / "v2/summaries.gz").read_bytes()))
    assert summaries[NAME]["package"]["version"] == "0.10.0"
    assert verify(reader, ("105.1", "106.5", "107.3", "110.0")) == []


def test_published_version_is_not_changed(registry: Path, tmp_path: Path) -> None:
    before = contents(registry)
    with pytest.raises(
        RegistryError, match=rf"^{NAME}-0.1.0\+107.3: is published with other contents.*raise the version"
    ):
        build_registry(registry, write_sample(tmp_path / "new", code="x = 2\n"), ["107.3"])
    assert contents(registry) == before


def test_sync_fetches_only_what_changed(served: str, registry: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    reader = Registry(served)
    assert reader.sync(cache) == [f"packages/{NAME}.gz", "summaries.gz"]
    assert reader.sync(cache) == []
    build_registry(registry, write_sample(tmp_path / "new", "0.1.1", "x = 2\n"), ["107.3"])
    assert reader.sync(cache) == [f"packages/{NAME}.gz", "summaries.gz"]
    assert Registry(cache).resolve(NAME, "107.3").package.version == "0.1.1"


def test_install_replaces_an_older_version(served: str, registry: Path, tmp_path: Path) -> None:
    reader, folder = Registry(served), tmp_path / "exts"
    target = reader.install(NAME, "107.3", folder)
    first = contents(folder)
    assert target == folder / NAME
    assert first[f"{NAME}/oige_sample/__init__.py"] == b"x = 1\n"
    reader.install(NAME, "107.3", folder)
    assert contents(folder) == first
    (target / "stale.py").write_text("left from the older version")
    build_registry(registry, write_sample(tmp_path / "new", "0.1.1", "x = 2\n"), ["107.3"])
    reader.install(NAME, "107.3", folder)
    assert contents(folder)[f"{NAME}/oige_sample/__init__.py"] == b"x = 2\n"
    assert not (target / "stale.py").exists()
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_install_leaves_other_folders_alone(registry: Path, tmp_path: Path) -> None:
    (tmp_path / "exts" / NAME).mkdir(parents=True)
    with pytest.raises(RegistryError, match="is no Kit extension"):
        Registry(registry).install(NAME, "107.3", tmp_path / "exts")


@pytest.mark.parametrize(
    ("kit", "version"),
    [("107.3", "107.3"), ("107.5.1", "107.3"), ("110.2", "110.0"), ("106.9", "106.5"), ("105.2", "105.1")],
)
def test_package_for_an_older_minor_release_is_taken(registry: Path, kit: str, version: str) -> None:
    assert Registry(registry).resolve(NAME, kit).package.target == version


@pytest.mark.parametrize("kit", ["107.2", "108.0", "106.4", "105.0"])
def test_wrong_kit_release_finds_nothing(registry: Path, kit: str) -> None:
    with pytest.raises(RegistryError, match=rf"^{NAME}: no package for Kit {kit}; there are: {NAME}-0.1.0"):
        Registry(registry).resolve(NAME, kit)
    assert len(verify(Registry(registry), (kit,))) == 1


def test_versions_sort_by_precedence() -> None:
    ordered = [
        "0.9.9",
        "0.10.0-alpha",
        "0.10.0-alpha.1",
        "0.10.0-alpha.beta",
        "0.10.0-rc.2",
        "0.10.0-rc.11",
        "0.10.0",
        "1.0.0",
    ]
    assert sorted(set(ordered), key=version_key) == ordered


def test_package_ids() -> None:
    package = Package.parse("omni.usd.schema.physx-106.5.7+106.5.0.wx64.r.cp310.ub3f")
    assert (package.name, package.version, package.kit) == ("omni.usd.schema.physx", "106.5.7", "106.5")
    assert Package.parse("omni.sample-1.2.0+wx64.r").kit == ""
    assert supports(Package("a.b", "1.0.0"), "105.1")
    for text in (
        "oige.extension",
        "oige.extension-1.0",
        "oige.extension-1.0.0.dev1",
        "oige.extension-01.0.0",
        "-1.0.0",
    ):
        with pytest.raises(RegistryError, match=f"'{text}'"):
            Package.parse(text)
    with pytest.raises(RegistryError, match=r"Kit 'newest': expected a release such as 107\.3"):
        kit_number("newest")


def test_verify_reads_over_http_and_from_a_folder(served: str, registry: Path) -> None:
    for location in (served, served + "/", str(registry), registry.as_uri()):
        assert verify(Registry(location), ("105.1", "106.5", "107.3", "110.0")) == []


def test_addresses_of_archives(served: str, registry: Path, extension: Path, tmp_path: Path) -> None:
    folder = tmp_path / "absolute"
    build_registry(folder, extension, ["105.1", "107.3"], url=served)
    assert Registry(folder).resolve(NAME, "107.3").data["package"]["archivePath"].startswith(f"{served}/v2/archives/")
    # The archives are the same as those that the server has.
    assert verify(Registry(folder)) == []


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"v2/archives/{NAME}/{NAME}-0.1.0+107.3.zip", r"107\.3\.zip: expected SHA-256 \w{64}, found \w{64}"),
        (f"3/archives/{NAME}-0.1.0+105.1.zip", r"105\.1\.zip: expected SHA-256 \w{64}, found \w{64}"),
        (f"v2/packages/{NAME}.gz", rf"v2/packages/{NAME}.gz: expected SHA-256 \w{{64}}, found \w{{64}}"),
        ("v2/summaries.gz", r"v2/summaries.gz: expected SHA-256 \w{64}, found \w{64}"),
        (f"v2/archives/{NAME}/{NAME}-0.1.0+107.3.json", r"107\.3\.json: expected"),
        ("v2/registry.gz", "v2/registry.gz: expected"),
        ("index.zip", "index.zip: expected"),
    ],
)
def test_damaged_and_missing_files_are_named(registry: Path, name: str, message: str) -> None:
    damage(registry / name)
    assert any(re.search(message, problem) for problem in verify(Registry(registry))), verify(Registry(registry))
    (registry / name).unlink()
    problems = verify(Registry(registry))
    if name not in ("v2/registry.gz", "index.zip"):
        assert any(name in problem and "expected a file, found: No such file" in problem for problem in problems)


def test_damaged_archive_is_not_installed(registry: Path, tmp_path: Path) -> None:
    reader, folder = Registry(registry), tmp_path / "exts"
    reader.install(NAME, "107.3", folder)
    before = contents(folder)
    damage(registry / f"v2/archives/{NAME}/{NAME}-0.1.0+107.3.zip")
    with pytest.raises(RegistryError, match="expected SHA-256"):
        reader.install(NAME, "107.3", folder)
    assert contents(folder) == before


def test_half_written_registry_is_found_and_repaired(registry: Path, tmp_path: Path) -> None:
    """Whatever file a build ended before, building again completes the registry."""
    new = write_sample(tmp_path / "new", "0.2.0", "x = 2\n")
    complete = tmp_path / "complete"
    build_registry(complete, write_sample(tmp_path / "old"), KITS)
    build_registry(complete, new, ["107.3"])
    changed = [name for name, data in contents(complete).items() if contents(registry).get(name) != data]
    assert len(changed) == 5
    for name in changed:
        half = tmp_path / f"half-{changed.index(name)}"
        for other, data in contents(registry if name == "v2/registry.gz" else complete).items():
            (half / other).parent.mkdir(parents=True, exist_ok=True)
            (half / other).write_bytes(data)
        if name == "v2/registry.gz":  # all but the last file is there
            (half / f"v2/packages/{NAME}.gz").write_bytes((complete / f"v2/packages/{NAME}.gz").read_bytes())
        elif name in contents(registry):
            (half / name).write_bytes((registry / name).read_bytes())
        else:
            (half / name).unlink()
        assert verify(Registry(half)), name
        build_registry(half, new, ["107.3"])
        assert contents(half) == contents(complete), name


def test_empty_folder_is_no_registry(tmp_path: Path) -> None:
    assert verify(Registry(tmp_path)) == [f"{tmp_path}: expected v2/registry.gz or index.zip, found neither."]
    with pytest.raises(RegistryError, match="found neither"):
        make_server(tmp_path)


def test_missing_dependency_is_named(tmp_path: Path) -> None:
    dependencies = '"omni.ui" = {}\n"oige.absent" = {}\n"oige.optional" = { optional = true }\n'
    folder = tmp_path / "registry"
    build_registry(folder, write_sample(tmp_path / "source", dependencies=dependencies), ["107.3"])
    (problem,) = verify(Registry(folder))
    assert problem.startswith(
        f"{NAME}-0.1.0+107.3: expected its dependency 'oige.absent' in the registry, found {NAME}"
    )


@pytest.mark.parametrize(
    ("version", "kit", "problem"),
    [
        ("9.9.9", "105.1", "expected version 0.1.0 in its archive, found 9.9.9."),
        ("0.1.0", "107.3", "expected the target [105.1] in its archive, found ['107.3']."),
    ],
)
def test_archive_of_another_package_is_found(registry: Path, version: str, kit: str, problem: str) -> None:
    """Archive and hash agree with each other, but not with the package."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("config/extension.toml", f'[package]\nversion = "{version}"\n')
        archive.writestr("config/extension.gen.toml", f'[package.target]\nkit = ["{kit}"]\n')
    path = registry / "index.zip"
    with zipfile.ZipFile(path) as index:
        data = json.loads(index.read("index.json"))
    package = data[f"{NAME}-0.1.0+105.1"]["package"]
    package["archiveHash"] = hashlib.sha256(buffer.getvalue()).hexdigest()
    (registry / package["archivePath"]).write_bytes(buffer.getvalue())
    with zipfile.ZipFile(path, "w") as index:
        index.writestr("index.json", json.dumps(data))
    assert verify(Registry(registry)) == [f"{NAME}-0.1.0+105.1: {problem}"]


def test_summaries_of_other_extensions_are_found(registry: Path) -> None:
    (registry / "v2/summaries.gz").write_bytes(write_gzip_json({"oige.other": {}}))
    files = read_gzip_json((registry / "v2/registry.gz").read_bytes(), "")["files"]
    files["summaries.gz"] = hashlib.sha256((registry / "v2/summaries.gz").read_bytes()).hexdigest()
    (registry / "v2/registry.gz").write_bytes(write_gzip_json({"files": files}))
    assert verify(Registry(registry)) == [f"v2/summaries.gz: expected {NAME}, found oige.other."]


def test_server_that_cannot_be_reached_is_no_empty_registry(registry: Path, tmp_path: Path) -> None:
    with make_server(registry) as server:
        url = f"http://127.0.0.1:{server.server_port}"
    with pytest.raises(RegistryError, match=rf"^{url}/index\.zip: expected a file, found: .*refused"):
        verify(Registry(url))
    (registry / "index.zip").unlink()
    (registry / "index.zip").mkdir()
    with pytest.raises(RegistryError, match=r"index\.zip: expected a file, found: (Is a directory|Permission denied)"):
        Registry(registry).resolve(NAME, "105.1")


def test_server_is_for_this_machine_only(registry: Path) -> None:
    with make_server(registry) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "config/extension.toml").unlink(), "expected the folder of a Kit extension"),
        (
            lambda folder: (folder / "config/extension.toml").write_text("[package"),
            "extension.toml: .*; correct the file",
        ),
        (
            lambda folder: (folder / "config/extension.toml").write_text("[package]\n"),
            "expected the text package.version",
        ),
        (
            lambda folder: (folder / "config/extension.toml").write_text(
                '[package]\nversion = "0.1.0"\ntitle = "x"\nicon = "data/icon.png"\n'
            ),
            "package.icon: expected the file 'data/icon.png'",
        ),
        pytest.param(
            lambda folder: (folder / "link").symlink_to(folder / "config"),
            "is a link; write the extension without --link",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="links need rights there"),
        ),
    ],
)
def test_incomplete_extension_is_refused(extension: Path, tmp_path: Path, change: object, message: str) -> None:
    assert callable(change)
    change(extension)
    with pytest.raises(RegistryError, match=message):
        build_registry(tmp_path / "registry", extension, ["107.3"])
    assert not (tmp_path / "registry").exists()


def test_wrong_place_and_address_are_refused(extension: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="expected a folder, found a file"):
        build_registry(tmp_path / "file", extension, ["107.3"])
    with pytest.raises(RegistryError, match=r"'example\.org': expected an address such as https"):
        build_registry(tmp_path / "registry", extension, ["107.3"], url="example.org")
    assert not (tmp_path / "registry").exists()


@pytest.mark.parametrize("port", [-1, 70000])
def test_wrong_port_is_refused(registry: Path, port: int) -> None:
    with pytest.raises(RegistryError, match=f"^port {port}: expected a number from 0 to 65535"):
        make_server(registry, port)


def test_port_in_use_is_refused(registry: Path) -> None:
    with make_server(registry) as server, pytest.raises(RegistryError, match="expected a free one"):
        make_server(registry, server.server_port)


def test_wrong_release_is_refused_before_anything_is_written(extension: Path, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="Kit 'x': expected a release"):
        build_registry(tmp_path / "registry", extension, ["107.3", "x"])
    assert not (tmp_path / "registry").exists()


def test_program(extension: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "registry"
    assert run(["build", str(folder), "--kit", "105.1", "107.3", "--extension", str(extension)]) == 0
    assert capsys.readouterr().out == f"{NAME}-0.1.0+105.1\n{NAME}-0.1.0+107.3\n"
    assert run(["verify", str(folder), "--kit", "105.1", "107.3"]) == 0
    assert capsys.readouterr().out == f"{folder}: no problem\n"
    assert run(["install", str(folder), str(tmp_path / "exts"), "--kit", "107.3", "--name", NAME]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'exts' / NAME}\n"
    assert run(["verify", str(folder), "--kit", "108.0"]) == 1
    assert "no package for Kit 108.0" in capsys.readouterr().out


def test_folder_that_cannot_be_written_is_one_error(extension: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "registry"
    with pytest.raises(RegistryError, match=r"file.*: cannot be read or written: "):
        run(["build", str(place), "--kit", "107.3", "--extension", str(extension)])


def test_documented_commands_are_valid() -> None:
    repository = Path(__file__).parents[3]
    pages = [*repository.glob("docs/*.md"), *repository.glob("packages/*/README.md")]
    pattern = r"^    (?:uv run )?oige-registry (.*?)(?: *#.*)?$"
    commands = [line for page in pages for line in re.findall(pattern, page.read_text(), re.MULTILINE)]
    assert len(commands) > 5
    for command in commands:
        parser().parse_args(command.split())


def test_settings_append_to_the_registries_that_are_there() -> None:
    registries = tomllib.loads(settings("https://example.org/exts"))["settings"]["exts"]["omni.kit.registry.nucleus"][
        "registries"
    ]
    assert registries == {"++": [{"name": "oige", "url": "https://example.org/exts", "optional": True}]}
