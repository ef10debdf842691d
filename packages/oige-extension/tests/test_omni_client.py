"""The client library of Kit reads our registry: it lists, syncs and downloads, over HTTP and from a folder."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from oige_extension.registry import Registry, build_registry
from oige_extension.registry.layout import read_gzip_json, read_index, read_packages
from oige_extension.registry.serve import make_server

NAME = "oige.sample"

Read = Callable[[str], bytes]


@pytest.fixture(scope="module")
def client() -> Iterator[ModuleType]:
    client = pytest.importorskip("omni.client", reason="omniverseclient is not installed: uv sync --group isaacsim")
    client.initialize()
    yield client
    client.shutdown()


@pytest.fixture
def extension(tmp_path: Path) -> Path:
    folder = tmp_path / "source" / NAME
    (folder / "config").mkdir(parents=True)
    write_version(folder, "0.1.0")
    return folder


def write_version(extension: Path, version: str) -> None:
    (extension / "config" / "extension.toml").write_text(f'[package]\nversion = "{version}"\ntitle = "Sample"\n')


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Serve a folder; the client gets one address only, for its copy() keeps to the first port that it saw."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "index.zip").touch()
    with make_server(folder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def registry(server: tuple[Path, str], tmp_path: Path, extension: Path) -> Path:
    folder = server[0] / tmp_path.name
    build_registry(folder, extension, ["105.1", "107.3"])
    return folder


@pytest.fixture(params=["http", "folder"])
def location(request: pytest.FixtureRequest, server: tuple[Path, str], registry: Path) -> str:
    return f"{server[1]}/{registry.name}" if request.param == "http" else str(registry)


@pytest.fixture
def read(client: ModuleType, location: str) -> Read:
    def read_file(name: str) -> bytes:
        result, _, content = client.read_file(f"{location}/{name}")
        assert result == client.Result.OK, f"{name}: {result}"
        return bytes(memoryview(content))

    return read_file


def sync(read: Read, cache: dict[str, bytes], kept: dict[str, str]) -> list[str]:
    """Follow the steps of NVIDIA's page with bytes that the client fetched; return the names of the changed files."""
    files = read_gzip_json(read("v2/registry.gz"), "registry.gz")["files"]
    changed = [name for name, hashed in files.items() if kept.get(name) != hashed]
    for name in changed:
        cache[name] = read(f"v2/{name}")
        assert hashlib.sha256(cache[name]).hexdigest() == files[name]
    kept |= files
    return sorted(changed)


def test_client_syncs_and_lists(read: Read, registry: Path, extension: Path) -> None:
    cache: dict[str, bytes] = {}
    kept: dict[str, str] = {}
    assert sync(read, cache, kept) == [f"packages/{NAME}.gz", "summaries.gz"]
    assert read_gzip_json(cache["summaries.gz"], "summaries.gz")[NAME]["package"]["title"] == "Sample"
    assert list(read_packages(cache[f"packages/{NAME}.gz"], NAME)) == ["0.1.0+107.3"]
    assert sync(read, cache, kept) == []

    write_version(extension, "0.2.0")
    build_registry(registry, extension, ["107.3"])
    assert sync(read, cache, kept) == [f"packages/{NAME}.gz", "summaries.gz"]
    assert list(read_packages(cache[f"packages/{NAME}.gz"], NAME)) == ["0.1.0+107.3", "0.2.0+107.3"]


def test_client_downloads_the_archive(client: ModuleType, location: str, read: Read, tmp_path: Path) -> None:
    (data,) = read_packages(read(f"v2/packages/{NAME}.gz"), NAME).values()
    target = tmp_path / "download.zip"
    assert client.copy(f"{location}/v2/{data['package']['archivePath']}", str(target)) == client.Result.OK
    assert hashlib.sha256(target.read_bytes()).hexdigest() == data["package"]["archiveHash"]
    assert target.stat().st_size == data["package"]["archiveSize"]
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        assert "config/extension.toml" in archive.namelist()


def test_client_reads_the_single_index(read: Read) -> None:
    (data,) = read_index(read("index.zip"), "index.zip").values()
    with zipfile.ZipFile(io.BytesIO(read(data["package"]["archivePath"]))) as archive:
        assert archive.testzip() is None


def test_client_finds_a_file_that_is_missing(client: ModuleType, location: str, registry: Path) -> None:
    package = Registry(registry).resolve(NAME, "107.3").package
    (registry / f"v2/archives/{NAME}/{package.id}.zip").unlink()
    result, _ = client.stat(f"{location}/v2/archives/{NAME}/{package.id}.zip")
    assert result == client.Result.ERROR_NOT_FOUND


def test_client_lists_a_folder(client: ModuleType, registry: Path) -> None:
    result, entries = client.list(str(registry / "v2"))
    assert result == client.Result.OK
    assert {entry.relative_path for entry in entries} == {"registry.gz", "summaries.gz", "packages", "archives"}
