import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def uv() -> Callable[..., str]:
    """Run uv in the checkout and return what it printed; ``uv run pytest`` says where uv is."""
    program = os.environ.get("UV") or shutil.which("uv")
    assert program, "uv is not on the PATH: start the tests with `uv run pytest`"

    def run(*arguments: str | Path, **environment: str) -> str:
        done = subprocess.run(
            [program, *map(str, arguments)],
            cwd=REPOSITORY,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"uv {arguments[0]} failed:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
