"""Install OIGE from this checkout into the Python that runs this: Isaac Sim's python.sh.

Nothing of Isaac Sim is replaced: pip installs no dependencies, and docker/requirements.txt lists only libraries that
Isaac Sim lacks. Afterwards ``oige_extension/kit`` writes the Kit extension into ``exts``, for --ext-folder.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = sorted(path.parent for path in (ROOT / "packages").glob("*/pyproject.toml"))


def main() -> None:
    """Run the program."""
    pip = [sys.executable, "-m", "pip", "install", "--no-deps"]
    subprocess.run([*pip, "--requirement", ROOT / "docker" / "requirements.txt"], check=True)
    editable = [argument for package in PACKAGES for argument in ("--editable", package)]
    subprocess.run([*pip, *editable], check=True)
    extension = [sys.executable, "-m", "oige_extension.cli.registry", "extension", "--link", ROOT / "exts"]
    subprocess.run(extension, check=True)


if __name__ == "__main__":
    main()
