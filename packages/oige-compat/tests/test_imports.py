import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Optional, get_args

import pytest
from oige_compat.cli import compat
from oige_compat.errors import CompatError
from oige_compat.imports import install, served_modules
from oige_core.errors import ConfigError


@pytest.fixture(autouse=True)
def _installed() -> None:
    install()


def test_every_served_module_can_be_imported() -> None:
    for name in served_modules():
        assert importlib.import_module(name).__name__ == name


def test_single_prims_can_be_imported_from_modules_of_their_own() -> None:
    prims = importlib.import_module("omni.isaac.core.prims")
    for module, name in (("rigid_prim", "RigidPrim"), ("xform_prim", "XFormPrim")):
        assert getattr(importlib.import_module(f"omni.isaac.core.prims.{module}"), name) is getattr(prims, name)


def test_unknown_name_can_be_imported_but_not_used(tmp_path: Path) -> None:
    file = tmp_path / "uses_unknown.py"
    file.write_text("from omni.isaac.nowhere import Thing\n\n\ndef make():\n    return Thing(1)\n")
    spec = importlib.util.spec_from_file_location("uses_unknown", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(CompatError) as caught:
        module.make()
    expected = (
        f"omni.isaac.nowhere.Thing (part of Isaac Sim; used in {file}:5): oige-compat does not have it; remove the use."
    )
    assert str(caught.value) == expected


def test_names_below_an_unknown_name_can_be_read_but_not_used() -> None:
    import omni.isaac.nowhere  # pyright: ignore[reportMissingImports]

    def listen(
        event: omni.isaac.nowhere.events.Event,  # pyright: ignore
        first: Optional[omni.isaac.nowhere.First] = None,  # pyright: ignore  # noqa: UP045
        second: omni.isaac.nowhere.Second | None = None,  # pyright: ignore
    ) -> None: ...

    with pytest.raises(
        CompatError,
        match=r"^omni\.isaac\.nowhere\.events\.Event \(part of Isaac Sim; used in .*test_imports\.py:\d+\): ",
    ):
        listen.__annotations__["event"]()
    assert [str(kind) for kind in get_args(listen.__annotations__["second"])][1] == "<class 'NoneType'>"
    with pytest.raises(CompatError, match=r"^omni\.isaac\.nowhere\.MODE \(part of Isaac Sim; used in "):
        bool(omni.isaac.nowhere.MODE == 1)


def test_subclass_of_an_unknown_class_raises_when_it_is_made() -> None:
    from omni.isaac.nowhere import Thing  # pyright: ignore[reportMissingImports]

    class Mine(Thing):  # pyright: ignore[reportUntypedBaseClass]
        pass

    with pytest.raises(
        CompatError,
        match=r"^omni\.isaac\.nowhere\.Thing \(part of Isaac Sim; used in .*: oige-compat does not have it; ",
    ):
        Mine()


def test_constructor_of_an_unknown_base_called_by_name_raises() -> None:
    from omni.isaac.nowhere import Thing  # pyright: ignore[reportMissingImports]

    for call in (lambda: Thing.__init__(object()), lambda: Thing.__init__(object(), prim_path="/World/thing")):
        with pytest.raises(CompatError, match=r"^omni\.isaac\.nowhere\.Thing \(part of Isaac Sim; used in "):
            call()


def test_guarded_import_of_an_unknown_module_raises_import_error() -> None:
    try:
        import omni.isaac.elsewhere  # pyright: ignore[reportMissingImports]  # noqa: F401
    except ImportError as error:
        message = str(error)
    else:
        message = ""
    expected = (
        r"omni\.isaac\.elsewhere \(part of Isaac Sim; used in .*test_imports\.py:\d+\): "
        r"oige-compat does not have it; remove the use\."
    )
    assert re.fullmatch(expected, message)


def test_error_says_what_a_known_name_is_in_isaac_sim() -> None:
    import carb  # pyright: ignore[reportMissingImports]

    with pytest.raises(CompatError) as caught:
        carb.input.acquire_input_interface()
    assert re.fullmatch(
        r"carb\.input\.acquire_input_interface \(keyboard, mouse and gamepad of the application's window; used in "
        r".*test_imports\.py:\d+\): oige-compat does not have it; remove the use\.",
        str(caught.value),
    )


def test_window_of_the_first_releases_places_no_camera() -> None:
    import omni.kit  # pyright: ignore[reportMissingImports]

    viewport = omni.kit.viewport_legacy.get_default_viewport_window()
    assert viewport.set_camera_position("/OmniverseKit_Persp", 10, 10, 3, True) is False
    assert viewport.get_active_camera() == "/OmniverseKit_Persp"


def test_scripts_get_their_own_arguments_and_neighbours(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import sys, beside\nprint(__name__, sys.argv[1:], beside.VALUE)\n")
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    command = [sys.executable, "-m", "oige_compat.cli", "run", str(script), "--version", "task=A"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == "__main__ ['--version', 'task=A'] 7\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-compat without a command: expected one of check, convert, port, run."),
        (["run"], "oige-compat run: expected a script, such as scripts/rlgames_train.py."),
        (
            ["run", "no.py"],
            "oige-compat run no.py: no such file; expected a script, such as scripts/rlgames_train.py.",
        ),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        compat(arguments)
    assert str(caught.value) == message
