"""Warp's start, which needs a folder for compiled kernels."""

import atexit
import logging
import os
import shutil
import tempfile

import warp as wp

from oige_core.errors import ConfigError

__all__ = ["init_warp"]

CACHE = "WARP_CACHE_PATH"

_log = logging.getLogger(__name__)


def init_warp() -> None:
    """Start Warp without its greeting; its kernels are kept for this process only where no folder takes them.

    Raises:
        ConfigError: ``WARP_CACHE_PATH`` is set to what cannot be written.
    """
    # Standard output, to which Warp reports what it compiles, belongs to the programs built on top.
    wp.config.log_level = max(wp.config.log_level, wp.LOG_WARNING)
    reason = _start()
    if reason is None:
        return
    if os.environ.get(CACHE):
        raise ConfigError(f"{CACHE}={os.environ[CACHE]}: cannot be written ({reason}); choose another folder.")
    folder = tempfile.mkdtemp(prefix="oige-warp-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _log.warning(
        f"Warp cannot keep compiled kernels in your home folder ({reason}), so each start compiles them; "
        f"set {CACHE} to a folder that can be written"
    )
    wp.config.kernel_cache_dir = folder
    wp.init()


def _start() -> str | None:
    """Start Warp and return why its folder of kernels cannot be written, or None if it can."""
    try:
        wp.init()
        folder = wp.config.kernel_cache_dir
        return None if folder is None or os.access(folder, os.W_OK) else f"no permission for {folder}"
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
