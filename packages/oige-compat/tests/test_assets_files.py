"""Robots of USD, URDF and MJCF files, as files and in a scene."""

from pathlib import Path

import mujoco
import pytest
from oige_compat.assets import load_robot
from oige_compat.cli import compat
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset, Drive

PACKAGES = Path(__file__).parents[2]
ANT = next(PACKAGES.glob("oige-tasks-*/src/*/ant/assets/ant.usda"))

ARM = """<mujoco>
  <worldbody><body name="arm"><joint name="elbow"/><geom size=".1"/></body></worldbody>
  <actuator><position joint="elbow" kp="5" kv="2"/></actuator>
  <sensor><jointpos joint="elbow"/></sensor>
</mujoco>"""


def test_convert_writes_a_file_and_prints_its_asset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "ant.xml"
    assert compat(["convert", str(ANT), str(target)]) == 0
    printed = capsys.readouterr().out
    source = printed.partition("its asset:\n\n")[2]
    written = eval(source, {"ArticulationAsset": ArticulationAsset, "Drive": Drive, "Path": Path})
    asset, _ = load_robot(ANT)
    assert written.mjcf == target
    assert target.read_text() == asset.mjcf
    assert written.drives["hip_1"].damping == pytest.approx(asset.drives["hip_1"].damping)
    assert written.joint_positions == pytest.approx(asset.joint_positions)
    assert printed.splitlines()[0].startswith("approximated: /ant/joints/ankle_1: ankle_1 starts at its limit 0.5235")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ant.usda"], "oige-compat convert ant.usda: {usage}."),
        (["ant.usda", "ant.urdf"], "oige-compat convert ant.usda ant.urdf: {usage}."),
        (["ant.usda", "new.xml", "fix=1"], "oige-compat convert fix=1: {usage}."),
        (["none.usda", "new.xml"], "none.usda: there is no such file; expected a USD file."),
        (["ant.usda", "old.xml"], "old.xml: exists already; give another name, or remove it."),
        (["old.xml", "new.xml"], "old.xml: is a file that OIGE reads as it is; give its path to ArticulationAsset."),
        (
            ["crane.urdf", "new.xml"],
            "crane.urdf: is a file that OIGE reads as it is; give its path to ArticulationAsset, with floating=False "
            "if its base is fixed.",
        ),
        (
            ["ant.usda", "new.xml", "prim=/ant/torsi"],
            "ant.usda: has no prim '/ant/torsi'. Did you mean /ant/torso or /ant/torso/torso or /ant/torso/aux_4?",
        ),
        (
            ["ant.usda", "new.xml", "variant.feet=big"],
            "ant.usda: the default prim has no variant set 'feet'. None is available.",
        ),
        (
            ["ant.fbx", "new.xml"],
            "ant.fbx: expected a file whose name ends in one of .usd, .usda, .usdc, .usdz, .urdf, .xml, .mjcf.",
        ),
    ],
)
def test_wrong_arguments_of_convert_are_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    (tmp_path / "ant.usda").write_bytes(ANT.read_bytes())
    (tmp_path / "old.xml").write_text(ARM)
    (tmp_path / "crane.urdf").write_text("<robot name='crane'><link name='rail'/></robot>")
    monkeypatch.chdir(tmp_path)
    usage = "expected FILE OUT.xml [prim=/path] [variant.<set>=<selection> …]"
    with pytest.raises(OigeError) as error:
        compat(["convert", *arguments])
    assert str(error.value) == message.replace("{usage}", usage)
    assert not (tmp_path / "new.xml").exists()


def test_variant_selects_what_the_file_has(tmp_path: Path) -> None:
    file = tmp_path / "robot.usda"
    file.write_text(
        """#usda 1.0
(defaultPrim = "robot"; metersPerUnit = 1; upAxis = "Z")
def Xform "robot" (
    prepend apiSchemas = ["PhysicsArticulationRootAPI", "PhysicsRigidBodyAPI", "PhysicsMassAPI"]
    variants = { string load = "light" }
    prepend variantSets = "load"
)
{
    def Sphere "ball" (prepend apiSchemas = ["PhysicsCollisionAPI"]) { double radius = 0.1; }
    variantSet "load" = {
        "light" { float physics:mass = 1; }
        "heavy" { float physics:mass = 9; }
    }
}
"""
    )
    masses = [
        mujoco.MjModel.from_xml_string(str(load_robot(file, variants=variants)[0].mjcf)).body_mass[1]
        for variants in (None, {"load": "heavy"})
    ]
    assert masses == [1.0, 9.0]
    with pytest.raises(OigeError) as error:
        load_robot(file, variants={"load": "heavier"})
    assert str(error.value) == f"{file}: variant set 'load' has no 'heavier'. Did you mean heavy?"


def test_mjcf_file_brings_its_actuators_and_what_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "arm.xml"
    file.write_text(ARM)
    asset, report = load_robot(file)
    assert asset.drives == {"elbow": Drive(stiffness=5.0, damping=2.0)}
    assert [line for line in report.lines() if "sensor" in line] == [f"lost: {file}: 1 sensor"]


def test_urdf_needs_to_know_whether_it_floats(tmp_path: Path) -> None:
    file = tmp_path / "ball.urdf"
    file.write_text(
        """<robot name="ball"><link name="ball"><inertial><mass value="2"/>
        <inertia ixx="1" iyy="1" izz="1" ixy="0" ixz="0" iyz="0"/></inertial></link></robot>"""
    )
    with pytest.raises(OigeError, match="a URDF does not say whether its root link 'ball' is fixed"):
        load_robot(file)
    assert load_robot(file, floating=True)[0].floating
