"""The JavaScript libraries of the pages, from npm or from a folder that has them."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from oige_core.errors import OigeError

__all__ = ["LIBRARIES", "WEB", "copy_libraries", "find_packages"]

WEB = Path(__file__).parent / "web"
LIBRARIES = (
    "@mujoco/mujoco/mujoco.js",
    "@mujoco/mujoco/mujoco.wasm",
    "onnxruntime-web/dist/ort.wasm.min.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.mjs",
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm",
    "three/build/three.module.js",
    "three/build/three.core.js",
    "three/examples/jsm/controls/OrbitControls.js",
)
"""Files that the pages load, relative to ``node_modules``."""


def find_packages(given: Path | None) -> Path:
    """Return a folder ``node_modules`` with the libraries; npm installs them once, as package-lock.json says.

    Args:
        given: a folder ``node_modules`` that the user has; None: that of the cache.

    Raises:
        OigeError: a file is missing, npm is not installed, or npm fails.
    """
    if given is not None:
        missing = next((name for name in LIBRARIES if not (given / name).is_file()), None)
        if missing is not None:
            raise OigeError(f"npm_folder={given}: has no {missing}; expected a node_modules folder with it.")
        return given
    lock = (WEB / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "oige" / f"zoo-{hashlib.sha256(lock).hexdigest()[:12]}"
    packages = folder / "node_modules"
    if all((packages / name).is_file() for name in LIBRARIES):
        return packages
    npm = shutil.which("npm")
    if npm is None:
        raise OigeError(
            "oige-zoo needs npm, which is not installed: install Node.js, or set npm_folder to a node_modules folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(WEB / name, folder)
    ran = subprocess.run(
        [npm, "ci", "--ignore-scripts"], cwd=folder, capture_output=True, text=True, check=False, timeout=600
    )
    if ran.returncode:
        reason = (ran.stderr.strip() or ran.stdout.strip() or "no output").splitlines()[-1]
        raise OigeError(f"npm ci in {folder}: exit code {ran.returncode}: {reason}")
    return packages


def copy_libraries(packages: Path, folder: Path) -> None:
    """Copy the libraries and the pages' own scripts to a folder.

    Args:
        packages: see :func:`find_packages`.
        folder: the folder, which is made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in LIBRARIES:
        shutil.copyfile(packages / name, folder / Path(name).name)
    for script in [*WEB.glob("*.js"), WEB / "style.css"]:
        shutil.copyfile(script, folder / script.name)
