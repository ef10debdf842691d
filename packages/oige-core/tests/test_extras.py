import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from oige_core.errors import MissingExtraError, OigeError
from oige_core.extras import EXTRAS, needs_extra

PACKAGE = Path(__file__).resolve().parent.parent
MODULES = {"mujoco-warp": "mujoco_warp", "pillow": "PIL", "usd-core": "pxr", "warp-lang": "warp"}

WITHOUT_EXTRAS = """
import sys

from oige_core.extras import EXTRAS

sys.modules.update(dict.fromkeys(set().union(*EXTRAS.values())))  # None: importing it raises ModuleNotFoundError

import oige_core.config, oige_core.envs, oige_core.math, oige_core.render, oige_core.scene, oige_core.tasks
import oige_core.wrappers
from oige_core.errors import MissingExtraError

def attempt(what):
    try:
        exec(what)
    except MissingExtraError as error:
        print(error)

attempt("oige_core.make_vec('Cartpole', 2)")
attempt("oige_core.make_vec('Cartpole', 2, warp=True)")
attempt("from oige_core.render.viewer import Viewer")
attempt("from oige_core.render.recording import Recorder")
"""


def test_missing_extra_raises_with_install_command() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "the embedded engine needs the module 'mujoco', which is not installed: pip install 'oige-core[mujoco]'.",
        "the embedded engine needs the module 'mujoco', which is not installed: pip install 'oige-core[mujoco]'.",
        "the viewer needs the module 'viser', which is not installed: pip install 'oige-core[viewer]'.",
        "recording needs the module 'av', which is not installed: pip install 'oige-core[viewer]'.",
    ]


def test_missing_module_outside_the_extra_raises_import_error() -> None:
    with pytest.raises(ModuleNotFoundError) as raised, needs_extra("viewer", "the viewer"):
        import a_module_that_nobody_wrote  # type: ignore[import-not-found]  # noqa: F401
    assert not isinstance(raised.value, OigeError)


def test_submodule_of_a_missing_package_raises_with_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.http11", None)
    with (
        pytest.raises(MissingExtraError, match=r"the viewer needs the module 'websockets\.http11'"),
        needs_extra("viewer", "the viewer"),
    ):
        from websockets.http11 import Request  # noqa: F401


def test_extras_in_code_match_the_package() -> None:
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    declared = {
        extra: {MODULES.get(name, name) for name in (line.partition(">")[0].partition("=")[0] for line in lines)}
        for extra, lines in project["optional-dependencies"].items()
    }
    assert declared == EXTRAS
