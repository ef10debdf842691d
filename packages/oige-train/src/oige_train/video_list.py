"""The videos of a run on the viewer's page."""

import html
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import viser
    from oige_core.render.recording import Recorder
    from oige_core.render.viewer import Viewer

__all__ = ["VideoList"]


class VideoList:
    """Says on the viewer's page where videos are written, and offers the newest one for download.

    Args:
        viewer: the viewer of the environment.
        recorder: the recorder of the environment.
        folder: of the videos.
    """

    def __init__(self, viewer: "Viewer", recorder: "Recorder", folder: Path) -> None:
        self._recorder, self._folder = recorder, folder
        self._count = -1
        gui = viewer.server.gui
        with viewer.folder("Videos"):
            self._line = gui.add_html("")
            self._download = gui.add_button("Download the newest video", disabled=True)

        @self._download.on_click
        def _(click: "viser.GuiEvent") -> None:
            if click.client is not None:
                self.send(click.client)

        viewer.frame_hooks.append(self.update)
        self.update()

    def update(self) -> None:
        """Show how many videos are finished."""
        count = len(self._recorder.files)
        if count == self._count:
            return
        self._count = count
        self._download.disabled = not count
        newest = f"; the newest is {self._recorder.files[-1].name}" if count else ""
        self._line.content = (
            '<div style="font-size:0.85em;padding:0 0.8em;overflow-wrap:anywhere">'
            f"{count} finished in {html.escape(str(self._folder.resolve()))}{html.escape(newest)}</div>"
        )

    def send(self, client: "viser.ClientHandle") -> None:
        """Send the newest video to a browser, which saves it; one that is gone is reported there."""
        file = self._recorder.files[-1]
        try:
            content = file.read_bytes()
        except OSError:
            client.add_notification("No video", f"{file} is gone; the next one can be downloaded.")
            return
        client.send_file_download(file.name, content)
