"""Opening files in an editor on this machine."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from oige_core.errors import OigeError

__all__ = ["open_in_editor"]


def open_in_editor(file: Path) -> None:
    """Open a file with ``$VISUAL``, Visual Studio Code or the system's program for such files.

    Raises:
        OigeError: there is no such program, or it cannot be started.
    """
    command = _command(file)
    if command is None:
        raise OigeError(f"{file}: no editor was found; set VISUAL to the command of one, or open the file yourself.")
    try:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise OigeError(
            f"{file}: {command[0]} cannot be started ({error.strerror}); open the file yourself."
        ) from error


def _command(file: Path) -> list[str] | None:
    """Return the command that opens a file; None if there is none."""
    if visual := os.environ.get("VISUAL", "").strip():
        return [*shlex.split(visual), str(file)]
    if code := shutil.which("code"):
        return [code, str(file)]
    if sys.platform == "win32":
        return ["notepad.exe", str(file)]
    if sys.platform == "darwin":
        return ["open", "-t", str(file)]
    # Without a screen, xdg-open would start an editor in a terminal that nobody sees.
    has_screen = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    opener = shutil.which("xdg-open") if has_screen else None
    return None if opener is None else [opener, str(file)]
