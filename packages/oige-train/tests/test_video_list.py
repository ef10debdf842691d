"""The videos of a run on the viewer's page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from oige_core.render.viewer import Page
from oige_train.video_list import VideoList


@pytest.fixture
def viewer() -> Iterator[Any]:
    """What the list needs of a viewer: a page with folders."""
    page = Page("test")
    hooks: list[Callable[[], None]] = []
    yield SimpleNamespace(server=page.server, folder=page.server.gui.add_folder, frame_hooks=hooks)
    page.close()


def test_page_says_where_videos_are_and_sends_the_newest(tmp_path: Path, viewer: Any) -> None:
    recorder: Any = SimpleNamespace(files=[])
    videos = VideoList(viewer, recorder, tmp_path)
    assert f">0 finished in {tmp_path}<" in videos._line.content
    assert videos._download.disabled
    for number in (0, 1500):
        recorder.files.append(tmp_path / f"rl-video-step-{number}.mp4")
        recorder.files[-1].write_bytes(b"video %d" % number)
    (update,) = viewer.frame_hooks
    update()
    assert f">2 finished in {tmp_path}; the newest is rl-video-step-1500.mp4<" in videos._line.content
    assert not videos._download.disabled
    sent: list[tuple[str, Any]] = []
    client: Any = SimpleNamespace(
        send_file_download=lambda *file: sent.append(file), add_notification=lambda *note: sent.append(note)
    )
    videos.send(client)
    assert sent == [("rl-video-step-1500.mp4", b"video 1500")]
    recorder.files[-1].unlink()
    videos.send(client)
    assert sent[-1] == ("No video", f"{recorder.files[-1]} is gone; the next one can be downloaded.")
