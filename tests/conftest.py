import importlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tools.browser import Browser, wait_until

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


@pytest.fixture(scope="session")
def install(uv: Callable[..., str]) -> Callable[[Path, Path], Callable[..., str]]:
    """Unpack the wheel of a project into a folder; what it returns runs Python there and returns what it printed."""

    def install_into(folder: Path, project: Path) -> Callable[..., str]:
        uv("build", "--wheel", "--quiet", "--out-dir", folder / "dist", project)
        with zipfile.ZipFile(next((folder / "dist").glob("*.whl"))) as wheel:
            wheel.extractall(folder / "site")

        def run(*arguments: str) -> str:
            done = subprocess.run(
                [sys.executable, *arguments],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": str(folder / "site")},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        return run

    return install_into


@pytest.fixture
def import_tool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a program of tools/ by its name; all of them are forgotten afterwards."""
    monkeypatch.syspath_prepend(REPOSITORY / "tools")
    yield importlib.import_module
    for file in (REPOSITORY / "tools").glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until a condition holds; see :func:`wait_until`."""
    return wait_until


@pytest.fixture(scope="session")
def only_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """The browser of all tests."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    browser = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


@pytest.fixture
def browser(only_browser: Browser) -> Iterator[Browser]:
    """A browser; a page that a test leaves open is closed: it would draw on, on a core that other tests need."""
    yield only_browser
    only_browser.open("about:blank")
