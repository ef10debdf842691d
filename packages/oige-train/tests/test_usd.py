"""``oige-usd``."""

import math
import re
from pathlib import Path

import pytest
from oige_core.errors import OigeError

pytest.importorskip("pxr")

from oige_train.cli.usd import usd
from pxr import Usd, UsdPhysics

PENDULUM = """
<mujoco model="pendulum"><worldbody><body name="base"><geom size=".1"/><body name="rod" pos="0 0 .5">
  <joint name="hinge" axis="0 1 0"/><geom type="capsule" size=".02 .2"/></body></body></worldbody></mujoco>"""


def test_robots_of_a_folder_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mjcf = tmp_path / "swing" / "assets" / "pendulum.xml"
    mjcf.parent.mkdir(parents=True)
    mjcf.write_text(PENDULUM)
    (tmp_path / "settings.xml").write_text("<settings/>")
    assert usd(["--robots", str(tmp_path)]) == 0
    file = mjcf.with_suffix(".usda")
    assert re.fullmatch(rf"{re.escape(str(file))}: 2 links, 1 joints, \d+ KiB\n", capsys.readouterr().out)
    stage = Usd.Stage.Open(str(file))
    assert UsdPhysics.RevoluteJoint(stage.GetDefaultPrim().GetPrimAtPath("joints/hinge"))


def test_scene_of_a_task_is_written_with_its_worlds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["task=BallBalance", "num_envs=3", "task.sim.ball.density=300", "task.sim.physx.solver_type=0"]
    assert usd([*arguments, str(tmp_path / "out")]) == 0
    file = tmp_path / "out" / "BallBalance.usda"
    *rows, last = capsys.readouterr().out.splitlines()
    assert last == f"{file}: 3 worlds"
    assert rows[0].split() == ["in", "each", "world", "prims", "bodies", "joints", "colliders", "mass", "in", "kg"]
    cells = {row.split()[0]: row.split()[2:] for row in rows[1:]}
    assert cells.keys() == {"ground_plane", "table", "ball"}
    mass = 4 / 3 * math.pi * 0.1**3 * 300
    assert cells["ball"] == ["1", "0", "1", f"{mass:.4g}"]
    # Seven links, and the anchor of three joints that hold the legs to the ground; those, and six hinges.
    assert cells["table"][:2] == ["8", "9"]
    stage = Usd.Stage.Open(str(file))
    assert stage.GetPrimAtPath("/World/physics_scene").GetAttribute("physxScene:solverType").Get() == "PGS"
    for world in range(3):
        ball = stage.GetPrimAtPath(f"/World/envs/env_{world}/ball")
        assert UsdPhysics.MassAPI(ball).GetMassAttr().Get() == pytest.approx(mass, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-usd: expected task=<Task> FOLDER, or --robots PACKAGE."),
        (["task=Ant"], "task=Ant: expected task=<Task> FOLDER, or --robots PACKAGE."),
        (["task=Ant", "--robots", "x"], "task=Ant --robots x: expected --robots PACKAGE."),
        (["task=Ant", "a", "b"], "task=Ant a b: expected task=<Task> FOLDER, or --robots PACKAGE."),
        (["task=Antt", "out"], "task=Antt: unknown task 'Antt'. Did you mean Ant"),
        (["task=Ant", "num_envs=0", "out"], "num_envs=0: expected a whole number above 0."),
        (["task=Ant", "warp=True", "out"], "warp=True: has no effect in oige-usd; leave it out."),
        (["task=Ant", "checkpoint=x.pth", "out"], "checkpoint=x.pth: has no effect in oige-usd; leave it out."),
        (["task=Ant", "task.sim.mujoco.cone=elliptic", "out"], "task.sim.mujoco.cone: has no effect; read by the"),
        (["task=Ant", "{empty}/file/x"], "{empty}/file/x/Ant.usda: cannot be written: Not a directory."),
        (["--robots", "oige_tasks_classik"], "neither an installed package nor a folder. Did you mean"),
        (["--robots", "{empty}"], "has no MJCF or URDF file in a folder named assets"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OigeError, match=re.escape(message.format(empty=tmp_path))):
        usd([argument.format(empty=tmp_path) for argument in arguments])
