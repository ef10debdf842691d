"""The folder of the Kit extension: complete, pure Python, and enough for training beside what Isaac Sim brings."""

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
from isaac_python import run_in_isaac_sim
from oige_core.errors import OigeError
from oige_extension.cli.registry import run
from oige_extension.kit import write_extension
from oige_extension.kit.bundle import COMPILED, FORBIDDEN, THIRD_PARTY, bundled_distributions, distribution_files
from oige_extension.registry import Registry, build_registry, verify
from packaging.specifiers import SpecifierSet
from PIL import Image

TRAINING = """
import pathlib, tempfile
from oige_core.registry import installed_tasks, load_config, load_spec
from oige_train.cli.common import checked_run
import oige_train.runner, rl_games.torch_runner, tensorboardX

assert oige_train.__file__.startswith(prebundle), oige_train.__file__
for task in installed_tasks().values():
    load_spec(task), load_config(task)
run = checked_run(["task=Ant", "num_envs=16", "max_iterations=5"])
assert run.task.name == "Ant"
with tempfile.TemporaryDirectory() as folder:
    with tensorboardX.SummaryWriter(folder) as writer:
        writer.add_scalar("reward", 1.5, 3)
    (file,) = pathlib.Path(folder).iterdir()
    assert b"reward" in file.read_bytes()
from google.protobuf.internal import api_implementation
assert api_implementation.Type() == "python"
"""

PANEL = """
sys.path.append(tests)
import kit_double
kit = kit_double.Kit(has_events=True)
kit.install(dict.__setitem__)
sys.path.remove(tests)
from oige_extension.extension import OigeExtension

extension = OigeExtension()
extension.on_startup("oige.extension-0.1.0")
(entry,) = kit.menus["Isaac Examples"]
entry.onclick_fn()
kit.frame()
(window,) = kit.windows
assert "AnymalTerrain" in extension._panel.state.tasks, extension._panel.state
extension.on_shutdown()
"""

CHECKS = """
files = {name: getattr(module, "__file__", None) or "" for name, module in list(sys.modules.items())}
tops = {name.partition(".")[0] for name, file in files.items() if any(folder in file for folder in site_packages)}
assert tops <= BROUGHT, tops - BROUGHT
assert not {"mujoco", "mujoco_warp", "warp", "viser", "av", "trimesh"} & set(sys.modules)
print(len(installed_tasks()))
"""


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_extension(tmp_path_factory.mktemp("exts"))


def test_training_and_panel_work_on_what_isaac_sim_brings(extension: Path) -> None:
    assert run_in_isaac_sim(TRAINING + PANEL + CHECKS, extension / "pip_prebundle") == "23\n"


def test_description_is_complete(extension: Path) -> None:
    description = tomllib.loads((extension / "config/extension.toml").read_text())
    package = description["package"]
    assert extension.name == "oige.extension"
    assert set(package) >= {"version", "title", "description", "category", "keywords", "authors", "repository"}
    assert package["writeTarget"] == {"kit": True}
    for key in ("readme", "changelog", "icon", "preview_image"):
        assert (extension / package[key]).is_file(), key
    assert f"## [{package['version']}]" in (extension / package["changelog"]).read_text()
    assert Image.open(extension / package["icon"]).size == (256, 256)
    assert description["python"]["module"] == [{"path": "pip_prebundle"}, {"name": "oige_extension.extension"}]
    assert set(description) == {"package", "core", "dependencies", "python", "test"}
    assert "pipapi" not in description["python"], "nothing is downloaded when the extension starts"
    optional = {name for name, options in description["dependencies"].items() if options.get("optional")}
    assert optional >= {"omni.isaac.core", "isaacsim.core.api", "isaacsim.core.prims"}
    assert package["version"] == importlib.metadata.version("oige-extension")
    assert package["repository"] in (importlib.metadata.metadata("oige-extension").get_all("Project-URL") or [""])[0]


def test_modules_that_the_panel_imports_are_dependencies(extension: Path) -> None:
    description = tomllib.loads((extension / "config/extension.toml").read_text())
    required = {name for name, options in description["dependencies"].items() if not options.get("optional")}
    package = extension / "pip_prebundle" / "oige_extension"
    texts = [(package / f"{name}.py").read_text() for name in ("extension", "kit_host", "ui")]
    modules = {name for text in texts for name in re.findall(r'"(omni\.[\w.]+)"', text)}
    assert modules >= {"omni.ext", "omni.ui", "omni.kit.menu.utils"}
    assert modules - {"omni.ext", "omni.kit.app"} <= required, "Kit itself brings the other two"


def test_prebundle_is_pure_python_and_hides_nothing_of_isaac_sim(extension: Path) -> None:
    prebundle = extension / "pip_prebundle"
    names = {path.name.removesuffix(".py") for path in prebundle.iterdir()}
    assert {"oige_core", "oige_train", "oige_extension", "oige_tasks_locomotion", "rl_games", "hydra"} <= names
    assert not names & FORBIDDEN
    assert not [path for path in prebundle.rglob("*") if path.suffix in COMPILED or path.name == "__pycache__"]


@pytest.mark.parametrize("name", THIRD_PARTY)
def test_libraries_run_on_python_of_every_release(name: str) -> None:
    requirement = importlib.metadata.metadata(name)["Requires-Python"] or ""
    assert all(python in SpecifierSet(requirement) for python in ("3.10", "3.11", "3.12")), requirement


def test_extension_is_the_same_each_time_and_goes_into_a_registry(extension: Path, tmp_path: Path) -> None:
    again = write_extension(tmp_path / "exts")
    packages = [build_registry(tmp_path / "registry", folder, ["107.3"]) for folder in (extension, again)]
    assert packages[0] == packages[1]
    assert verify(Registry(tmp_path / "registry"), ("107.3",)) == []


def test_program_replaces_an_older_extension_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "oige.extension"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    with pytest.raises(OigeError, match="is no Kit extension; choose another folder"):
        run(["extension", str(tmp_path)])
    assert [path.name for path in target.iterdir()] == ["notes.txt"]
    (target / "config").mkdir()
    (target / "config" / "extension.toml").touch()
    assert run(["extension", str(tmp_path)]) == 0
    assert f"--ext-folder {tmp_path} --enable oige.extension" in capsys.readouterr().out
    assert sorted(path.name for path in target.iterdir()) == ["config", "data", "docs", "pip_prebundle"]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_linked_extension_follows_the_sources(tmp_path: Path) -> None:
    import oige_extension

    prebundle = write_extension(tmp_path, link=True) / "pip_prebundle"
    assert (prebundle / "oige_extension").resolve() == Path(oige_extension.__file__).parent
    assert (prebundle / "hydra").is_dir()
    assert not (prebundle / "hydra").is_symlink()
    program = "from oige_core.registry import installed_tasks; print(len(installed_tasks()))"
    assert run_in_isaac_sim(program, prebundle) == "23\n"


def test_compiled_and_missing_distributions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OigeError, match=r"^numpy: .* is a compiled library|^numpy: .* would hide Isaac Sim's own"):
        list(distribution_files("numpy"))
    with pytest.raises(OigeError, match=r"would hide Isaac Sim's own 'yaml'|compiled library"):
        list(distribution_files("PyYAML"))
    monkeypatch.setattr("oige_extension.kit.bundle.THIRD_PARTY", ("no-such-library",))
    with pytest.raises(OigeError, match=r"^no-such-library is not installed, and an extension carries it"):
        bundled_distributions()
