"""Starts Warp, which needs a folder for compiled kernels."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

import warp as wp

from oige_core.errors import ConfigError

__all__ = ["init_warp", "kernel_folder"]

CACHE = "WARP_CACHE_PATH"

PREFIX = "oige-warp-"

_log = logging.getLogger(__name__)


def init_warp() -> None:
    """Start Warp without its banner; if no folder is writable, kernels are kept only for this process.

    Raises:
        ConfigError: ``WARP_CACHE_PATH`` is set, but not writable.
    """
    # Warp would report compilation on standard output, which belongs to the programs.
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
    if wp.config.cuda_output is None:
        # Machine code. The driver would have to translate PTX, the alternative, and keeps the result elsewhere.
        wp.config.cuda_output = "cubin"
    reason = _start()
    if reason is None:
        return
    if os.environ.get(CACHE):
        raise ConfigError(f"{CACHE}={os.environ[CACHE]}: is not writable ({reason}); choose another folder.")
    folder = tempfile.mkdtemp(prefix=PREFIX)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _log.warning(
        f"Warp cannot keep compiled kernels in your home folder ({reason}), so each start compiles them; "
        f"set {CACHE} to a writable folder"
    )
    wp.config.kernel_cache_dir = folder
    wp.init()


def kernel_folder() -> Path | None:
    """Return where compiled kernels are kept for later starts, after :func:`init_warp`; None if they are not."""
    folder = Path(str(wp.config.kernel_cache_dir))
    return None if folder.name.startswith(PREFIX) or folder.parent.name.startswith(PREFIX) else folder


def _start() -> str | None:
    """Start Warp and return why its kernel folder is not writable, or None if it is."""
    try:
        wp.init()
        folder = wp.config.kernel_cache_dir
        return None if folder is None or os.access(folder, os.W_OK) else f"no permission for {folder}"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
