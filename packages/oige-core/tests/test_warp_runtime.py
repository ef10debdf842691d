"""Warp starts where its folder of compiled kernels cannot be written."""

import os
import subprocess
import sys
from pathlib import Path

CODE = """
import os
import warp as wp
from oige_core.warp_runtime import init_warp
init_warp()
init_warp()
print(wp.config.kernel_cache_dir, os.access(wp.config.kernel_cache_dir, os.W_OK))
"""


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    others = {key: value for key, value in os.environ.items() if key not in ("WARP_CACHE_PATH", "XDG_CACHE_HOME")}
    return subprocess.run(
        [sys.executable, "-c", CODE], env=others | environment, capture_output=True, text=True, check=False
    )


def test_unwritable_home_gives_a_notice(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file, in which no folder can be made, not even by the superuser")
    process = start(HOME=str(home))
    assert process.returncode == 0, process.stderr
    folder, writable = process.stdout.split()[-2:]
    assert writable == "True"
    assert not Path(folder).exists(), "it is removed at the end"
    (line,) = (line for line in process.stderr.splitlines() if "WARP_CACHE_PATH" in line)
    assert f"({home}/.cache: Not a directory), so each start compiles them; set WARP_CACHE_PATH to a writable" in line


def test_unwritable_cache_path_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    process = start(WARP_CACHE_PATH=str(tmp_path / "file"))
    assert process.returncode == 1
    assert f"ConfigError: WARP_CACHE_PATH={tmp_path}/file: is not writable (" in process.stderr


def test_writable_folder_gives_no_notice(tmp_path: Path) -> None:
    process = start(WARP_CACHE_PATH=str(tmp_path))
    (line,) = process.stdout.splitlines()
    assert line.startswith(str(tmp_path))
    assert "WARP_CACHE_PATH" not in process.stderr
