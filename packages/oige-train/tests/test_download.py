"""Checkpoints at addresses: servers that break off, lie, change the file or do not answer, and the cache."""

import errno
import hashlib
import io
import json
import logging
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock
import pytest
import requests
import torch
from checkpoint_infos import make_info
from file_server import Answer, FileServer, Request, again, error_of, use_own_cache
from oige_train.checkpoint import CheckpointError, checkpoint_path, load_checkpoint, save_checkpoint
from oige_train.download import http
from oige_train.download.cache import cache_folder
from oige_train.download.http import Limits

CHUNK = 8192
SIZE = 1_000_000
ANT = make_info("Ant", 60, 8)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    use_own_cache(tmp_path, monkeypatch)
    monkeypatch.setattr(http, "LIMITS", Limits(timeout=0.2, attempts=3, pause=0.0, size=SIZE))
    caplog.set_level(logging.INFO, logger="oige_train")


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A checkpoint of 250 kB."""
    file = tmp_path_factory.mktemp("content") / "Ant.pth"
    save_checkpoint(file, {"model": {"w": torch.arange(60_000, dtype=torch.float32)}}, ANT)
    return file.read_bytes()


@pytest.fixture
def server(content: bytes) -> Iterator[FileServer]:
    serving = FileServer(content)
    yield serving
    serving.stop()


def files() -> list[str]:
    """Return the names of the files in the cache, without those of locks and descriptions."""
    found = [file for file in cache_folder().rglob("*") if file.is_file()]
    return sorted(file.name for file in found if file.name not in ("lock", "source.json", "part.validator"))


def break_off(number: int) -> Answer:
    """Send ``number`` bytes of the rest of the file that is asked for, and close the connection."""

    def answer(request: Request) -> None:
        data = request.server_of_file.content
        start = int(request.headers.get("Range", "bytes=0-")[len("bytes=") : -1])
        head = {"Content-Length": str(len(data) - start)}
        if start:
            head["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        request.send_head(206 if start else 200, head)
        request.wfile.write(data[start : start + number])

    return answer


def hang_after(number: int) -> Answer:
    def answer(request: Request) -> None:
        break_off(number)(request)
        request.wfile.flush()
        request.server_of_file.released.wait(10)

    return answer


def hang(request: Request) -> None:
    request.server_of_file.released.wait(10)


def status(code: int, **headers: str) -> Answer:
    def answer(request: Request) -> None:
        request.send_head(code, {"Content-Length": "0", **{k.replace("_", "-"): v for k, v in headers.items()}})

    return answer


def claim(difference: int) -> Answer:
    """Send the file with a Content-Length that is wrong by ``difference``."""

    def answer(request: Request) -> None:
        data = request.server_of_file.content
        request.send_head(200, {"Content-Length": str(len(data) + difference)})
        request.wfile.write(data)

    return answer


def test_file_is_downloaded_once_and_asked_for_again(
    server: FileServer, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"{server.address}/policies/Ant.pth"
    file = checkpoint_path(address)
    assert file.read_bytes() == content
    assert (file.name, file.parents[2]) == ("Ant.pth", cache_folder())
    digest = hashlib.sha256(content).hexdigest()
    assert caplog.messages == [f"checkpoint={address}: downloaded {len(content):,} bytes, SHA-256 {digest}, {file}"]
    assert checkpoint_path(address) == file
    assert len(server.paths) == 1, "a process asks once, so that the file stays the same while it runs"
    caplog.clear()
    date = json.loads((file.parent / "source.json").read_text())["date"][:10]
    assert again(address) == file
    assert server.headers[1]["If-None-Match"] == '"1"'
    assert caplog.messages == [f"checkpoint={address}: has not changed since {date}, {file}"]


def test_new_version_on_the_server_does_not_overwrite_the_old_one(server: FileServer, content: bytes) -> None:
    old = checkpoint_path(f"{server.address}/Ant.pth")
    server.content, server.etag = with_entry(content, "more"), '"2"'
    new = again(f"{server.address}/Ant.pth")
    assert new.read_bytes() == server.content
    assert old.read_bytes() == content
    assert files() == ["Ant.pth", "Ant.pth"]


def with_entry(content: bytes, name: str) -> bytes:
    """Return a checkpoint with one more entry in its archive."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(name, b"x" * 1000)
    return buffer.getvalue()


def test_files_of_one_name_at_two_addresses_are_kept_apart(server: FileServer) -> None:
    assert checkpoint_path(f"{server.address}/a/Ant.pth") != checkpoint_path(f"{server.address}/b/Ant.pth")


@pytest.mark.parametrize("breaks", [[12 * CHUNK], [12 * CHUNK, 5 * CHUNK]], ids=str)
def test_broken_download_continues_where_it_stopped(server: FileServer, content: bytes, breaks: list[int]) -> None:
    server.answers = [break_off(number) for number in breaks]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == content
    ends = [sum(breaks[: number + 1]) for number in range(len(breaks))]
    assert [headers.get("Range") for headers in server.headers] == [None, *(f"bytes={end}-" for end in ends)]
    assert files() == ["Ant.pth"]


def test_next_start_of_the_program_continues_a_download(server: FileServer, content: bytes) -> None:
    server.answers = [break_off(6 * CHUNK), break_off(0), break_off(0)]
    address = f"{server.address}/Ant.pth"
    assert error_of(address) == (
        f"checkpoint={address}: the connection broke off after 49,152 of {len(content):,} bytes, in each of 3 "
        "attempts; start the program again to try it again."
    )
    assert files() == ["part"]
    assert again(address).read_bytes() == content
    assert server.headers[-1]["Range"] == "bytes=49152-"


def test_file_that_changes_between_two_parts_is_downloaded_anew(server: FileServer, content: bytes) -> None:
    def change(request: Request) -> None:
        break_off(12 * CHUNK)(request)
        server.content, server.etag = with_entry(content, "more"), '"2"'

    server.answers = [change]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == with_entry(content, "more")


def test_part_of_another_version_is_never_appended(server: FileServer, content: bytes) -> None:
    def other_part(request: Request) -> None:
        server.content, server.etag = with_entry(content, "more"), '"2"'
        request.send_part(12 * CHUNK)

    server.answers = [break_off(12 * CHUNK), other_part]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == with_entry(content, "more")
    assert [headers.get("Range") for headers in server.headers] == [None, "bytes=98304-", None]


def test_download_without_etag_starts_anew_after_a_break(server: FileServer, content: bytes) -> None:
    server.etag = ""
    server.answers = [break_off(12 * CHUNK)]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == content
    assert [headers.get("Range") for headers in server.headers] == [None, None]


def test_length_that_is_too_long_is_not_believed(server: FileServer, content: bytes) -> None:
    server.answers = [claim(100)] * 3
    server.etag = ""
    address = f"{server.address}/Ant.pth"
    received = len(content) // CHUNK * CHUNK
    assert error_of(address) == (
        f"checkpoint={address}: the connection broke off after {received:,} of {len(content) + 100:,} bytes, in each "
        "of 3 attempts; start the program again to try it again."
    )


def test_length_that_is_too_short_does_not_leave_half_a_file(server: FileServer) -> None:
    server.answers = [claim(-100)]
    address = f"{server.address}/Ant.pth"
    assert error_of(address) == (
        f"checkpoint={address}: not a checkpoint; expected a .pth file of oige-train or rl_games."
    )
    assert files() == []


def test_published_hash_is_checked(server: FileServer, content: bytes) -> None:
    digest = hashlib.sha256(content).hexdigest()
    file = checkpoint_path(f"{server.address}/Ant.pth#sha256={digest.upper()}")
    assert file.read_bytes() == content
    assert server.paths == ["/Ant.pth"]
    wrong = f"{server.address}/Ant.pth#sha256={'0' * 64}"
    assert error_of(wrong) == (
        f"checkpoint={wrong}: the downloaded file has the SHA-256 {digest}; it is not the published file and is not "
        "used. Ask its publisher."
    )
    assert files() == ["Ant.pth"]


def test_cached_file_with_the_published_hash_needs_no_server(
    server: FileServer, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"{server.address}/Ant.pth#sha256={hashlib.sha256(content).hexdigest()}"
    file = checkpoint_path(address)
    date = json.loads((file.parent / "source.json").read_text())["date"][:10]
    caplog.clear()
    assert again(address) == file
    assert len(server.paths) == 1
    assert caplog.messages == [f"checkpoint={address}: downloaded on {date}, {file}"]


@pytest.mark.parametrize("fault", ["refuses", "500", "hangs"])
def test_cached_file_is_used_and_said_when_the_server_is_away(
    server: FileServer, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    address = f"{server.address}/Ant.pth"
    netloc = server.address.partition("://")[2]
    file = checkpoint_path(address)
    date = json.loads((file.parent / "source.json").read_text())["date"][:10]
    caplog.clear()
    if fault == "refuses":
        server.stop()
        cause = "Connection refused"
    elif fault == "500":
        server.answers = [status(500)]
        cause = "500 Internal Server Error"
    else:
        server.answers = [hang]
        cause = f"{netloc} did not answer within 0.2 s"
    assert again(address) == file
    assert caplog.messages == [
        f"checkpoint={address}: the server cannot be reached ({cause}), so the file of {date} is used, {file}"
    ]


def test_damaged_file_in_the_cache_is_downloaded_again(server: FileServer, content: bytes) -> None:
    file = checkpoint_path(f"{server.address}/Ant.pth")
    file.write_bytes(content[:-1])
    assert again(f"{server.address}/Ant.pth").read_bytes() == content
    assert "If-None-Match" not in server.headers[1]


def test_server_that_stops_in_the_middle_is_left_after_the_timeout(server: FileServer, content: bytes) -> None:
    server.answers = [hang_after(12 * CHUNK)]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == content


ANSWERS = {
    "missing": (
        [status(404)],
        "checkpoint={address}: the server answers 404 Not Found; check the address.",
    ),
    "broken": (
        [status(500)] * 3,
        "checkpoint={address}: the server cannot be reached (500 Internal Server Error); check the address and the "
        "network, or give a local file.",
    ),
    "to a file": (
        [status(302, Location="file:///etc/passwd")],
        "checkpoint={address}: the server redirects to file:///etc/passwd; expected the same scheme, or https after "
        "http.",
    ),
    "in a circle": (
        [status(302, Location="/Ant.pth")] * 10,
        "checkpoint={address}: the server redirects more than 10 times.",
    ),
    "page": (
        [lambda request: (request.send_head(200, {"Content-Length": "6"}), request.wfile.write(b"<html>"))[0]],
        "checkpoint={address}: not a checkpoint; expected a .pth file of oige-train or rl_games.",
    ),
    "web page": (
        [status(200, Content_Type="text/html; charset=utf-8")],
        "checkpoint={address}: the server sends a web page, not a file; give the address behind the page's link for "
        "downloads.",
    ),
    "too large": (
        [lambda request: request.send_head(200, {"Content-Length": str(SIZE + 1)})],
        "checkpoint={address}: is larger than 1,000,000 bytes, the limit; download it yourself and give the file.",
    ),
    "endless": (
        [lambda request: (request.send_head(200, {}), request.wfile.write(bytes(SIZE + 1)))[0]],
        "checkpoint={address}: is larger than 1,000,000 bytes, the limit; download it yourself and give the file.",
    ),
    "compressed": (
        [status(200, Content_Encoding="gzip")],
        "checkpoint={address}: the server sends it compressed; download it yourself.",
    ),
}


@pytest.mark.parametrize(("answers", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_wrong_answer_is_reported_in_one_line_and_not_kept(
    server: FileServer, answers: list[Answer], expected: str
) -> None:
    server.answers = list(answers)
    address = f"{server.address}/Ant.pth"
    assert error_of(address) == expected.format(address=address)
    assert not server.answers
    assert files() == []


def test_redirect_within_http_is_followed(server: FileServer, content: bytes) -> None:
    server.answers = [status(302, Location="/elsewhere/x")]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == content
    assert server.paths == ["/Ant.pth", "/elsewhere/x"]


def redirect_to(location: str, requested: list[str]) -> Callable[..., requests.Response]:
    """Return a ``Session.get`` that answers the first request with a redirect, and the second with an error."""

    def answer(session: requests.Session, url: str, **options: object) -> requests.Response:
        requested.append(url)
        response = requests.Response()
        response.status_code, response.url, response.raw = 404 if len(requested) > 1 else 302, url, io.BytesIO()
        response.headers["Location"] = location
        return response

    return answer


def test_redirect_from_https_to_http_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    monkeypatch.setattr(requests.Session, "get", redirect_to("http://example.org/Ant.pth", requested))
    assert error_of("https://example.org/Ant.pth") == (
        "checkpoint=https://example.org/Ant.pth: the server redirects to http://example.org/Ant.pth; expected the same "
        "scheme, or https after http."
    )
    assert requested == ["https://example.org/Ant.pth"]


def test_redirect_from_http_to_https_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    monkeypatch.setattr(requests.Session, "get", redirect_to("https://example.org/a.pth", requested))
    assert "the server answers 404" in error_of("http://example.org/Ant.pth")
    assert requested == ["http://example.org/Ant.pth", "https://example.org/a.pth"]


def test_proxy_of_the_environment_is_used(server: FileServer, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", server.address)
    assert checkpoint_path("http://policies.invalid/Ant.pth").read_bytes() == content
    assert server.paths == ["http://policies.invalid/Ant.pth"]


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("legacy", [False, True], ids=["archive", "legacy format"])
def test_downloaded_pickle_with_code_is_refused(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, legacy: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malice()}, "evil.pth", _use_new_zipfile_serialization=not legacy)
    server.content = Path("evil.pth").read_bytes()
    file = checkpoint_path(f"{server.address}/Ant.pth")
    with pytest.raises(CheckpointError) as raised:
        load_checkpoint(file, "cpu")
    name = f"{os.mkdir.__module__}.mkdir"
    assert str(raised.value) == (
        f"checkpoint={file}: refused: it holds more than tensors and plain values ({name}) and could run code; use a "
        "checkpoint that you trust, written by oige-train or rl_games."
    )
    assert not Path("executed").exists()


def test_plain_pickle_is_not_even_kept(server: FileServer) -> None:
    server.content = pickle.dumps(Malice())
    address = f"{server.address}/Ant.pth"
    assert error_of(address) == (
        f"checkpoint={address}: not a checkpoint; expected a .pth file of oige-train or rl_games."
    )
    assert not Path("executed").exists()


@pytest.mark.parametrize("key", ["task", "train"])
def test_recorded_names_cannot_name_files_elsewhere(server: FileServer, tmp_path: Path, key: str) -> None:
    record = {"task": "Ant", "train": "AntPPO", "folder": "Ant", "overrides": [], "config": {"task": {}, "train": {}}}
    save_checkpoint(tmp_path / "a.pth", {}, ANT)
    with zipfile.ZipFile(tmp_path / "a.pth") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        for name, data in entries.items():
            if name.endswith("oige.json"):
                values = json.loads(data) | {"run": record | {key: "../../x"}}
                data = json.dumps(values).encode()
            archive.writestr(name, data)
    server.content = (tmp_path / "b.pth").read_bytes()
    address = f"{server.address}/Ant.pth"
    assert error_of(address) == (
        f"checkpoint={address}: damaged (its task or training configuration has a name that no file may have); use "
        "another checkpoint."
    )


def test_cache_that_cannot_be_written_is_named(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    address = f"{server.address}/Ant.pth"
    message = error_of(address)
    assert re.sub(r"[0-9a-f]{16}", "<key>", message) == (
        f"checkpoint={address}: {tmp_path}/file/oige/checkpoints/<key> cannot be written (Not a directory); free space "
        "there, or set XDG_CACHE_HOME to another folder."
    )


def test_cached_file_is_used_from_a_folder_that_can_only_be_read(
    server: FileServer, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{server.address}/Ant.pth"
    file = checkpoint_path(address)

    def refuse(lock: filelock.FileLock) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", lock.lock_file)

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    assert again(address) == file
    assert error_of(f"{server.address}/Other.pth").endswith(
        " cannot be written (Permission denied); free space there, or set XDG_CACHE_HOME to another folder."
    )


def test_missing_home_folder_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(path: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", no_home)
    assert error_of("https://example.org/Ant.pth") == (
        "checkpoint=https://example.org/Ant.pth: there is no home folder to keep it in; set HOME or XDG_CACHE_HOME."
    )


@pytest.mark.parametrize("rank", ["0", "1"])
def test_server_that_cannot_be_reached_is_asked_again_which_one_process_says(
    server: FileServer,
    content: bytes,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rank: str,
) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    server.answers = [status(429), status(503)]
    address = f"{server.address}/Ant.pth"
    assert checkpoint_path(address).read_bytes() == content
    first = f"checkpoint={address}: the server cannot be reached (429 Too Many Requests); trying again"
    assert caplog.messages[:1] == ([first] if rank == "0" else [])
    assert (len(caplog.messages), "downloading Ant.pth: " in capsys.readouterr().err) == (
        (2, True) if rank == "0" else (0, False)
    )


def test_last_line_of_the_progress_has_the_whole_file(
    server: FileServer, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == content
    size = f"{len(content) / 1e6:.1f}"
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("downloading")]
    assert lines[-1].startswith(f"downloading Ant.pth: {size} of {size} MB, 100 %")


def test_nucleus_without_its_client_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "omni.client", None)
    address = "omniverse://localhost/NVIDIA/Assets/ant.pth"
    assert error_of(address) == (
        f"checkpoint={address}: needs omni.client, which Isaac Sim has; install omniverseclient, or give a file that "
        "you downloaded. checkpoint=pretrained plays the policy that comes with the task, if it has one."
    )
