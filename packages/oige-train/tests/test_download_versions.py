"""Which version of a file a download asks for, continues and keeps, by what servers say of their versions."""

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from file_server import Answer, FileServer, Request, again, use_own_cache
from oige_train.checkpoint import checkpoint_path
from oige_train.download import http
from oige_train.download.http import Limits

PART = 8 * 8192  # bytes that arrive before a break
DATE, LATER = "Sat, 02 May 2026 10:00:00 GMT", "Sun, 03 May 2026 10:00:00 GMT"


def checkpoint_of(number: float) -> bytes:
    """Return a checkpoint of rl_games with 80 kB of one number."""
    buffer = io.BytesIO()
    torch.save({"model": {"w": torch.full((20_000,), number)}}, buffer)
    return buffer.getvalue()


OLD, NEW = checkpoint_of(1.0), checkpoint_of(2.0)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[FileServer]:
    use_own_cache(tmp_path, monkeypatch)
    monkeypatch.setattr(http, "LIMITS", Limits(timeout=0.2, attempts=3, pause=0.0))
    caplog.set_level(logging.INFO, logger="oige_train")
    serving = FileServer(OLD)
    yield serving
    serving.stop()


def break_off(request: Request) -> None:
    """Send the beginning of the file, and close the connection."""
    request.send_head(200, {"Content-Length": str(len(OLD))})
    request.wfile.write(request.server_of_file.content[:PART])


def part_from(start: int) -> Answer:
    """Send the file from ``start`` on, wherever the request begins."""

    def answer(request: Request) -> None:
        request.send_part(start)

    return answer


def test_continuation_names_its_version_so_that_another_one_comes_whole(server: FileServer) -> None:
    def change(request: Request) -> None:
        break_off(request)
        server.content, server.etag = NEW, '"2"'

    server.answers = [change]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == NEW
    assert (server.headers[1]["Range"], server.headers[1]["If-Range"]) == (f"bytes={PART}-", '"1"')
    assert len(server.paths) == 2


@pytest.mark.parametrize("etag", ['W/"1"', ""], ids=["weak", "none"])
def test_version_without_a_strong_etag_is_not_continued(server: FileServer, etag: str) -> None:
    server.etag = etag
    server.answers = [break_off]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == OLD
    assert "Range" not in server.headers[1]


def test_part_that_begins_elsewhere_is_not_appended(server: FileServer) -> None:
    server.answers = [break_off, part_from(PART - 4)]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == OLD
    assert [headers.get("Range") for headers in server.headers] == [None, f"bytes={PART}-", None]


def test_part_beyond_the_end_of_the_file_is_downloaded_anew(server: FileServer) -> None:
    server.answers = [break_off, lambda request: request.send_head(416, {"Content-Length": "0"})]
    assert checkpoint_path(f"{server.address}/Ant.pth").read_bytes() == OLD
    assert [headers.get("Range") for headers in server.headers] == [None, f"bytes={PART}-", None]


def test_server_with_dates_only_is_asked_for_changes_since_then(server: FileServer) -> None:
    server.etag, server.extra = "", {"Last-Modified": DATE}
    server.answers = [break_off]
    address = f"{server.address}/Ant.pth"
    file = checkpoint_path(address)
    assert (server.headers[1]["Range"], server.headers[1]["If-Range"]) == (f"bytes={PART}-", DATE)
    server.answers = [lambda request: request.send_head(304, {})]
    assert again(address) == file
    assert server.headers[2]["If-Modified-Since"] == DATE
    assert "If-None-Match" not in server.headers[2]
    server.content, server.extra = NEW, {"Last-Modified": LATER}
    assert again(address).read_bytes() == NEW
    assert file.read_bytes() == OLD
    server.answers = [lambda request: request.send_head(304, {})]
    assert again(address).read_bytes() == NEW, "the version that was downloaded last"
    assert server.headers[-1]["If-Modified-Since"] == LATER


def test_etag_precedes_the_date(server: FileServer) -> None:
    server.extra = {"Last-Modified": DATE}
    checkpoint_path(f"{server.address}/Ant.pth")
    again(f"{server.address}/Ant.pth")
    assert server.headers[1]["If-None-Match"] == '"1"'


def test_addresses_that_differ_in_their_query_are_different_files(server: FileServer) -> None:
    old = checkpoint_path(f"{server.address}/file?name=old")
    server.content = NEW
    new = checkpoint_path(f"{server.address}/file?name=new")
    assert (old.read_bytes(), new.read_bytes()) == (OLD, NEW)
    assert new.name == "file.pth"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/..%2F..%2Fx.pth", "x.pth"),
        ("..%5C..%5Cx.pth", "_.._x.pth"),
        ("%2e%2e", "checkpoint.pth"),
        (f"{'n' * 300}.pt", f"{'n' * 97}.pt"),
        ("Ant%20[1].pth", "Ant_[1].pth"),
    ],
)
def test_file_gets_a_name_that_is_safe_here(server: FileServer, path: str, name: str) -> None:
    file = checkpoint_path(f"{server.address}/policies/{path}")
    assert file.name == name
    assert file.read_bytes() == OLD


def test_backslashes_of_upstream_command_lines_are_left_out(server: FileServer) -> None:
    assert checkpoint_path(f"{server.address}/a\\=1/Ant.pth").is_file()
    assert server.paths == ["/a=1/Ant.pth"]
