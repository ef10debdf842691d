"""What ``oige-compat check`` says about tasks, and about names that modules of this package or USD provide."""

import json
import sys
from pathlib import Path

import pytest
from oige_compat.check import examine
from oige_compat.check.provided import provided
from oige_compat.cli import compat
from oige_compat.served import SERVED

sys.path.insert(0, str(Path(__file__).parent))
from sample_fork import TASK, write_fork

OTHER = """
from omniisaacgymenvs.tasks.base.rl_task import RLTask


class OtherTask(RLTask):
    def __init__(self, name, sim_config, env):
        RLTask.__init__(self, name, env)

    def reset_idx(self, env_ids):
        pass
"""


def test_each_task_has_what_is_missing_in_the_files_that_it_imports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_fork(tmp_path)
    (tmp_path / "wagons/tasks/other.py").write_text(OTHER)
    (tmp_path / "wagons/tasks/wagon.py").write_text("from wagons.window import show\n" + TASK)
    (tmp_path / "wagons/window.py").write_text("import omni.ui as ui\n\n\ndef show():\n    ui.Window('wagons')\n")
    (tmp_path / "wagons/unused.py").write_text("import omni.ui as ui\n\nui.Button()\n")
    assert compat(["check", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Tasks")
    assert lines[start : start + 3] == [
        "Tasks",
        "  Other (wagons/tasks/other.py): nothing is missing",
        "  Wagon (wagons/tasks/wagon.py): 1 missing: omni.ui.Window",
    ]
    compat(["check", "--json", str(tmp_path)])
    assert json.loads(capsys.readouterr().out)["tasks"] == [
        {"name": "Other", "file": "wagons/tasks/other.py", "missing": []},
        {"name": "Wagon", "file": "wagons/tasks/wagon.py", "missing": ["omni.ui.Window"]},
    ]


def test_torch_class_and_warp_class_of_one_name_are_two_tasks(tmp_path: Path) -> None:
    write_fork(tmp_path)
    warp = OTHER.replace("OtherTask", "WagonTask").replace("RLTask", "RLTaskWarp").replace("rl_task", "rl_task_warp")
    (tmp_path / "wagons/tasks/warp.py").write_text(warp.replace("WagonTask(RLTaskWarp)", "WagonTask(RLTaskWarp)"))
    found = [(task.name, task.file) for task in examine(tmp_path).tasks]
    assert found == [("Wagon", "wagons/tasks/wagon.py"), ("Wagon", "wagons/tasks/warp.py")]
    assert compat(["port", str(tmp_path / "wagons/tasks/wagon.py"), str(tmp_path / "new")]) == 0


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("omni.client", "served"),  # a module with functions of ours
        ("omni.client.copy", "approximated"),
        ("omni.client.nothing", None),
        ("omni.isaac.core.tasks.BaseTask.__init__", "served"),
        ("omni.isaac.core.articulations.ArticulationView.num_fixed_tendons", "approximated"),
        ("omni.isaac.core.articulations.ArticulationView.nothing", None),
        ("pxr.Usd.Prim.GetProperty", "approximated"),
        ("pxr.Usd.Prim.GetNothing", None),
        ("pxr.UsdPhysics.CollisionGroup.Define", None),  # the table has more about this class
        ("pxr.PhysxSchema.Nothing", None),
    ],
)
def test_name_that_modules_provide(name: str, state: str | None) -> None:
    found = provided(name)
    assert (found.state if found is not None else None) == state


def test_table_precedes_the_modules() -> None:
    name = "omni.isaac.core.prims.XFormPrimView.set_local_poses"  # a method of ours
    assert name in SERVED
    assert provided(name) is None
