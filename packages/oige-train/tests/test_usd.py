"""``oige-usd``."""

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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-usd: expected --robots PACKAGE."),
        (["--robots", "oige_tasks_classik"], "neither an installed package nor a folder. Did you mean"),
        (["--robots", "{empty}"], "has no MJCF or URDF file in a folder named assets"),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(OigeError, match=re.escape(message)):
        usd([argument.format(empty=tmp_path) for argument in arguments])
