"""Checkpoints in repositories on the Hugging Face Hub, which a server on this machine imitates, and on Nucleus."""

import hashlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from file_server import FileServer, Request, again, error_of, use_own_cache
from oige_core.errors import MissingExtraError
from oige_train.checkpoint import checkpoint_path
from oige_train.download.http import Limits

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    use_own_cache(tmp_path, monkeypatch)
    caplog.set_level(logging.INFO, logger="oige_train")


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    torch.save({"model": {}}, tmp_path / "plain.pth")
    return (tmp_path / "plain.pth").read_bytes()


def git_hash(content: bytes) -> str:
    """Return the hash that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.fixture
def hub(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """The Hub, with one commit in which every file is ``content``, stored as git stores small files."""
    from huggingface_hub import constants

    serving = FileServer(content)
    serving.etag = f'"{git_hash(content)}"'
    serving.extra = {"X-Repo-Commit": COMMIT}
    monkeypatch.setattr(constants, "ENDPOINT", serving.address)
    template = f"{serving.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield serving
    serving.stop()


@pytest.mark.parametrize(
    ("address", "revision"),
    [
        ("hf://me/policies/ants/Ant.pth", "main"),
        ("hf://me/policies/ants/Ant.pth@v1.0", "v1.0"),
        ("hf://me/policies@v1.0/ants/Ant.pth", "v1.0"),
    ],
)
def test_file_of_a_revision_is_downloaded_once(
    hub: FileServer, content: bytes, caplog: pytest.LogCaptureFixture, address: str, revision: str
) -> None:
    file = checkpoint_path(address)
    assert file.read_bytes() == content
    assert f"/me/policies/resolve/{revision}/ants/Ant.pth" in hub.paths
    assert again(address) == file
    assert caplog.messages == [
        f"checkpoint={address}: downloaded {len(content):,} bytes, commit {COMMIT}, verified, {file}",
        f"checkpoint={address}: is in the cache, commit {COMMIT}, verified, {file}",
    ]


def test_file_that_has_not_the_hash_of_the_hub_is_refused(hub: FileServer, content: bytes) -> None:
    hub.content = bytes(len(content))
    message = error_of("hf://me/policies/Ant.pth")
    found = git_hash(hub.content)
    assert f"has the hash {found}, but the Hub has {hub.etag[1:-1]}; delete the file and start again." in message


def test_large_file_has_the_sha256_that_the_hub_publishes(hub: FileServer, content: bytes) -> None:
    hub.etag = f'"{hashlib.sha256(content).hexdigest()}"'
    assert checkpoint_path("hf://me/policies/Ant.pth").read_bytes() == content


def test_published_hash_is_compared_with_the_file_of_the_hub(hub: FileServer, content: bytes) -> None:
    address = f"hf://me/policies/Ant.pth#sha256={'0' * 64}"
    assert error_of(address) == (
        f"checkpoint={address}: the downloaded file has the SHA-256 {hashlib.sha256(content).hexdigest()}; it is not "
        "the published file and is not used. Ask its publisher."
    )


def test_slash_in_a_revision_is_escaped(hub: FileServer, content: bytes) -> None:
    assert checkpoint_path("hf://me/policies@refs%2Fpr%2F1/Ant.pth").read_bytes() == content
    assert hub.paths[0] == "/me/policies/resolve/refs%2Fpr%2F1/Ant.pth"


def test_large_file_of_the_hub_is_refused(hub: FileServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oige_train.download.hub.LIMITS", Limits(size=len(content) - 1))
    assert error_of("hf://me/policies/Ant.pth") == (
        f"checkpoint=hf://me/policies/Ant.pth: is larger than {len(content) - 1:,} bytes, the limit; download it "
        "yourself and give the file."
    )


def test_cached_file_is_used_and_said_when_the_hub_is_away(hub: FileServer, caplog: pytest.LogCaptureFixture) -> None:
    file = checkpoint_path("hf://me/policies/Ant.pth")
    caplog.clear()
    hub.stop()
    assert again("hf://me/policies/Ant.pth") == file
    assert len(caplog.messages) == 1
    assert caplog.messages[0].startswith("checkpoint=hf://me/policies/Ant.pth: the Hub cannot be reached (")
    assert caplog.messages[0].endswith(f"), so the file in the cache is used, {file}")
    assert error_of("hf://me/policies/Other.pth").endswith(
        "), and the file is not in the cache; check the network, or give a local file."
    )


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("EntryNotFound", "me/policies has no file Ant.pth at v1; check the address."),
        ("RevisionNotFound", "me/policies has no revision v1; check the address."),
        (
            "RepoNotFound",
            "the Hub has no model repository me/policies, or it is private; check the address, or set HF_TOKEN.",
        ),
        (
            "GatedRepo",
            "me/policies is open only to users who have accepted its terms; accept them on the Hub and set HF_TOKEN.",
        ),
    ],
)
def test_missing_file_is_named(hub: FileServer, code: str, expected: str) -> None:
    def missing(request: Request) -> None:
        request.send_head(403 if code == "GatedRepo" else 404, {"X-Error-Code": code, "Content-Length": "0"})

    hub.answers = [missing] * 5
    assert error_of("hf://me/policies/Ant.pth@v1") == f"checkpoint=hf://me/policies/Ant.pth@v1: {expected}"


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError) as raised:
        checkpoint_path("hf://me/policies/Ant.pth")
    assert str(raised.value) == (
        "checkpoint=hf://me/policies/Ant.pth: huggingface_hub is not installed; install oige-train[hub]."
    )


class Nucleus:
    """Stands in for ``omni.client``."""

    Result = SimpleNamespace(OK="Result.OK", ERROR_NOT_FOUND="Result.ERROR_NOT_FOUND", ERROR="Result.ERROR_CONNECTION")
    CopyBehavior = SimpleNamespace(OVERWRITE=1)

    def __init__(self, content: bytes) -> None:
        self.content, self.result, self.copied = content, self.Result.OK, 0

    def stat(self, url: str) -> tuple[str, SimpleNamespace]:
        return self.result, SimpleNamespace(size=len(self.content), version=1, modified_time=0)

    def copy(self, source: str, target: str, behavior: int) -> str:
        assert (source, behavior) == ("omniverse://server/ant.pth", self.CopyBehavior.OVERWRITE)
        Path(target.removeprefix("file://")).write_bytes(self.content)
        self.copied += 1
        return self.result


def test_file_on_nucleus_is_copied_once_and_used_offline(
    content: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = Nucleus(content)
    monkeypatch.setitem(sys.modules, "omni.client", client)  # type: ignore[arg-type]
    address = "omniverse://server/ant.pth"
    client.result = client.Result.ERROR_NOT_FOUND
    assert error_of(address) == f"checkpoint={address}: the server has no such file; check the address."
    client.result = client.Result.OK
    file = checkpoint_path(address)
    assert (file.read_bytes(), again(address), client.copied) == (content, file, 1)
    client.result = client.Result.ERROR
    assert again(address) == file
    assert "the server cannot be reached (Isaac Sim's client reports Result.ERROR_CONNECTION)" in caplog.messages[-1]
