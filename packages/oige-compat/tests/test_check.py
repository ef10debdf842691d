"""What ``oige-compat check`` finds in a code base."""

import json
import sys
from pathlib import Path

import pytest
from oige_compat.check import Entry, examine
from oige_compat.cli import compat
from oige_core.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from sample_fork import FILES, TASK, line_of, write_fork

TASK_FILE = "wagons/tasks/wagon.py"
VIEWS = "omni.isaac.core.articulations.ArticulationView"


def entries(folder: Path) -> dict[str, Entry]:
    """Return what a check finds, by name."""
    return {entry.name: entry for entry in examine(folder).entries}


def check_code(folder: Path, code: str) -> dict[str, Entry]:
    """Return what a check finds in a file with this code, by name."""
    (folder / "code.py").write_text(code, encoding="utf-8")
    return entries(folder)


def test_fork_without_missing_names_is_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compat(["check", str(write_fork(tmp_path))]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("7 files: 0 missing, 4 approximated, ")


def test_methods_of_views_are_found_through_assignments_and_base_classes(tmp_path: Path) -> None:
    found = entries(write_fork(tmp_path))
    efforts = found[f"{VIEWS}.set_joint_efforts"]
    assert efforts == Entry(
        "method",
        f"{VIEWS}.set_joint_efforts",
        "served",
        "sets efforts of joints",
        (f"{TASK_FILE}:{line_of(TASK_FILE, 'set_joint_efforts')}",),
    )
    assert len(found[f"{VIEWS}.num_dof"].places) == 3


def test_names_calls_assets_and_keys_have_states_and_lines(tmp_path: Path) -> None:
    found = entries(write_fork(tmp_path))
    robot = "wagons/robots/wagon.py"
    assert found["omni.isaac.core.robots.Robot"].kind == "name"
    reference = found["omni.isaac.core.utils.stage.add_reference_to_stage"]
    assert (reference.kind, reference.places) == ("call", (f"{robot}:3", f"{robot}:9"))
    asset = found["/Isaac/Robots/Cartpole/cartpole.usd"]
    assert (asset.kind, asset.state, asset.text) == (
        "asset",
        "served",
        "the robot or object of Cartpole stands for it",
    )
    yaml = "wagons/cfg/task/Wagon.yaml"
    push = found["task.env.maxPush"]
    assert (push.state, push.text, push.places) == (
        "served",
        "a key of the task",
        (f"{yaml}:{line_of(yaml, 'maxPush')}",),
    )
    threshold = found["task.sim.physx.bounce_threshold_velocity"]
    assert (threshold.state, threshold.places) == ("approximated", (f"{yaml}:{line_of(yaml, 'bounce_threshold')}",))
    assert found["task.sim.Wagon.enable_self_collisions"].state == "served"
    assert found["task.sim.Wagon.solver_position_iteration_count"].state == "approximated"
    assert found["train.params.config.learning_rate"].state == "served"


def test_missing_method_gives_its_line_and_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fork(tmp_path)
    changed = TASK.replace(
        "    def post_reset(self):\n", "    def post_reset(self):\n        self._wagons.pause_motion()\n"
    )
    (tmp_path / TASK_FILE).write_text(changed)
    line = line_of(TASK_FILE, "def post_reset") + 1
    assert compat(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[:4] == [
        "Missing: the use raises an error",
        "  Methods of views and prims",
        f"    {VIEWS}.pause_motion: keeps the articulation where it is",
        f"        {TASK_FILE}:{line}",
    ]


def test_types_flow_through_lists_loops_returns_and_module_aliases(tmp_path: Path) -> None:
    found = check_code(
        tmp_path,
        "import omni.isaac.core.prims as prims\n"
        "from omni.isaac.core.utils.stage import get_current_stage\n"
        "class Task:\n"
        "    def make(self):\n"
        "        self.parts = [prims.RigidPrimView(f'/World/{i}') for i in range(2)]\n"
        "    def first(self):\n"
        "        return self.parts[0]\n"
        "    def use(self):\n"
        "        self.first().get_friction_data()\n"
        "        for part in self.parts:\n"
        "            part.get_masses()\n"
        "        prim = get_current_stage().GetPrimAtPath('/World')\n"
        "        prim.RemoveAPI(None)\n",
    )
    assert found["omni.isaac.core.prims.RigidPrimView.get_friction_data"].places == ("code.py:9",)
    assert found["omni.isaac.core.prims.RigidPrimView.get_masses"].places == ("code.py:11",)
    assert found["pxr.Usd.Prim.RemoveAPI"].places == ("code.py:13",)
    assert found["omni.isaac.core.prims.RigidPrimView"].places == ("code.py:5",)


def test_names_of_star_imports_and_later_releases(tmp_path: Path) -> None:
    found = check_code(
        tmp_path,
        "from omni.isaac.core.utils.torch.rotations import *\n"
        "from isaacsim.core.prims import Articulation\n"
        "robot = Articulation('/World/robot')\n"
        "robot.get_world_poses()\n"
        "quat_mul(a, b)\n"
        "sorted(a)\n",
    )
    assert found["omni.isaac.core.utils.torch.quat_mul"].places == ("code.py:5",)
    assert found[f"{VIEWS}.get_world_poses"].places == ("code.py:4",)
    assert not any("sorted" in name for name in found)


def test_own_names_are_not_those_of_isaac_sim(tmp_path: Path) -> None:
    found = check_code(
        tmp_path,
        "from omni.isaac.core.articulations import ArticulationView\n"
        "class View(ArticulationView):\n"
        "    def lift(self):\n"
        "        self.height = 1.0\n"
        "        return self.height\n"
        "view = View('/World')\n"
        "view.lift()\n"
        "view.new = 3\n"
        "view.unknown()\n",
    )
    methods = [name for name, entry in found.items() if entry.kind == "method"]
    assert methods == [f"{VIEWS}.unknown"]


def test_assets_of_the_code_base_are_converted_and_others_are_missing(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "arm.usda").write_text("#usda 1.0\n")
    found = check_code(
        tmp_path,
        'a = f"{root}/assets/arm.usda"\nb = "assets/leg.usd"\nc = root + "/Isaac/Props/Cup/cup.usd"\n"""x.usd"""\n',
    )
    texts = {name: (entry.state, entry.text) for name, entry in found.items() if entry.kind == "asset"}
    assert texts == {
        "/assets/arm.usda": ("approximated", "is converted; the report of the conversion says what is lost"),
        "assets/leg.usd": ("missing", "there is no such file in the code base"),
        "/Isaac/Props/Cup/cup.usd": ("missing", "is on Isaac Sim's server; put the file into the project"),
    }


def test_unread_and_unknown_keys_are_named(tmp_path: Path) -> None:
    write_fork(tmp_path)
    file = tmp_path / "wagons/cfg/task/Wagon.yaml"
    file.write_text(file.read_text().replace("  range: 3.0\n", "  range: 3.0\n  unread: 1\n") + "  gravty: 1\n")
    train = tmp_path / "wagons/cfg/train/WagonPPO.yaml"
    train.write_text(train.read_text() + "    self_play: True\n    invented: 1\n")
    found = entries(tmp_path)
    assert found["task.env.unread"].text == "a key of the task that no code of the code base reads"
    assert found["task.sim.gravty"].text == "no key of OmniIsaacGymEnvs; has no effect"
    assert found["train.params.config.self_play"].text.startswith("oige-train does not have this key: a world has one")
    assert found["train.params.config.invented"].state == "approximated"


def test_broken_files_are_named_with_the_reason(tmp_path: Path) -> None:
    write_fork(tmp_path)
    (tmp_path / "old.py").write_text("x = 1\nprint 'Python 2'\n")
    (tmp_path / "latin.py").write_bytes("# \xe4\n".encode("latin-1"))
    (tmp_path / "declared.py").write_bytes("# -*- coding: latin-1 -*-\n# \xe4\n".encode("latin-1"))
    (tmp_path / "null.py").write_bytes(b"x = 1\x00\n")
    (tmp_path / "cfg.yaml").write_text("a: [1\nb: 2\n")
    found = {name: entry for name, entry in entries(tmp_path).items() if entry.kind == "file"}
    assert sorted(found) == ["cfg.yaml", "latin.py", "null.py", "old.py"]
    assert found["old.py"].places == ("old.py:2",)
    assert found["old.py"].text.startswith("Python 3 cannot parse it: Missing parentheses in call to 'print'")
    assert (
        found["latin.py"].text
        == "not in the encoding that its first lines declare, which is UTF-8 if they declare none"
    )
    assert found["null.py"].text.startswith("Python ")
    assert found["cfg.yaml"].text.startswith("not YAML: ")


def test_links_that_lead_back_and_environments_are_not_read_twice(tmp_path: Path) -> None:
    write_fork(tmp_path)
    (tmp_path / "wagons" / "again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "dangling.py").symlink_to(tmp_path / "nowhere.py")
    environment = tmp_path / "env" / "lib"
    environment.mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    (environment / "module.py").write_text("import omni.ui\n")
    result = examine(tmp_path)
    assert result.files == len(FILES)
    assert [entry.name for entry in result.entries if entry.kind == "file"] == ["dangling.py"]
    assert not any(entry.name == "omni.ui" for entry in result.entries)


def test_json_has_all_entries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compat(["check", str(write_fork(tmp_path)), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["files"] == len(FILES)
    assert report["counts"]["missing"] == 0
    assert sum(report["counts"].values()) == len(report["entries"])
    assert {entry["kind"] for entry in report["entries"]} == {"name", "call", "method", "asset", "key"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-compat check: expected one folder or Python file."),
        (["a", "b"], "oige-compat check a b: expected one folder or Python file."),
        (["a", "--jsn"], "--jsn: unknown option; oige-compat check has --all and --json."),
        (["/nowhere/x"], "/nowhere/x: there is no such file or folder."),
    ],
)
def test_wrong_arguments_raise(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        compat(["check", *arguments])
    assert str(error.value) == message


def test_folder_without_code_raises(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        compat(["check", str(tmp_path)])
    assert str(error.value) == f"{tmp_path}: expected a folder with Python or YAML files."


def test_import_that_no_code_uses_is_not_missing(tmp_path: Path) -> None:
    name = "omni.isaac.dynamic_control._dynamic_control"
    found = check_code(tmp_path, "from omni.isaac.dynamic_control import _dynamic_control\n")[name]
    assert (found.state, found.text) == ("served", "not in oige-compat, and no code uses it; its import does no harm")
    used = "from omni.isaac.dynamic_control import _dynamic_control as control\ncontrol.acquire()\n"
    assert check_code(tmp_path, used)[name].state == "missing"
    assert check_code(tmp_path, "import omni.ui.scene\nomni.ui.scene.Line()\n")["omni.ui.scene"].state == "missing"
    assert check_code(tmp_path, "from omni.isaac.ui import *\n")["omni.isaac.ui"].state == "missing"


def test_import_that_another_module_uses_is_missing(tmp_path: Path) -> None:
    (tmp_path / "names.py").write_text("from omni.isaac.dynamic_control import _dynamic_control\n")
    found = check_code(tmp_path, "from names import _dynamic_control\n_dynamic_control.acquire()\n")
    assert found["omni.isaac.dynamic_control._dynamic_control"].places == ("names.py:1",)


def test_folder_of_a_checkout_is_understood_with_the_files_around_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fork(tmp_path)
    (tmp_path / "wagons/__init__.py").touch()
    (tmp_path / "wagons/views").mkdir()
    (tmp_path / "wagons/robot.usd").touch()
    (tmp_path / "wagons/views/tilt_view.py").write_text(
        "from omni.isaac.core.articulations import ArticulationView\n"
        "import omni.ui\n"
        "class TiltView(ArticulationView):\n"
        "    def is_tilted(self):\n"
        "        omni.ui.Label('tilted')\n"
    )
    use = "        self._tilts = TiltView('/World')\n        self._tilts.is_tilted()\n        use('robot.usd')\n"
    task = TASK.replace("    def post_reset(self):\n", f"    def post_reset(self):\n{use}")
    (tmp_path / TASK_FILE).write_text("from wagons.views.tilt_view import TiltView\n" + task)
    (tmp_path / "wagons/other.py").write_text("import omni.ui\nomni.ui.Button()\n")
    for path in (tmp_path / "wagons/tasks", tmp_path / TASK_FILE):
        found = entries(path)
        assert f"{VIEWS}.is_tilted" not in found
        assert found["robot.usd"].state == "approximated"
        assert [name for name, entry in found.items() if entry.state == "missing"] == ["omni.ui.Label"]
        assert found["omni.ui.Label"].places == ("wagons/views/tilt_view.py:5",)
        assert examine(path).tasks[0].missing == ("omni.ui.Label",)
    assert compat(["check", str(tmp_path / TASK_FILE)]) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 file: 1 missing, ")
