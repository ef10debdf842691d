"""What of a URDF is mended or left out, and where its meshes are looked for."""

from pathlib import Path

import mujoco
import numpy as np
import pytest
from oige_core.config import SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.robot_files import file_report
from oige_core.scene import ArticulationAsset, Scene

TETRAHEDRON = "v 0 0 0\nv {0} 0 0\nv 0 {0} 0\nv 0 0 {0}\nf 1 3 2\nf 1 2 4\nf 2 3 4\nf 3 1 4\n"
BOX = "<geometry><box size='.1 .1 .1'/></geometry>"


def inertial(mass: float, **moments: float) -> str:
    values = {"ixx": 0.1, "ixy": 0.0, "ixz": 0.0, "iyy": 0.1, "iyz": 0.0, "izz": 0.1, **moments}
    inertia = " ".join(f"{name}='{value}'" for name, value in values.items())
    return f"<inertial><mass value='{mass}'/><inertia {inertia}/></inertial>"


def model_of(mjcf: str | Path, package_paths: list[Path] | None = None) -> mujoco.MjModel:
    engine = MujocoEngine(1, num_threads=1)
    scene = Scene(engine, SimConfig())
    scene.add_articulation("robot", ArticulationAsset(mjcf=mjcf, floating=True, package_paths=package_paths or []))
    engine.build(scene)
    return engine.compiled.model


def corner(folder: Path, size: float = 1.0) -> None:
    """Write ``corner.obj``, a tetrahedron whose edges from the origin have this length."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "corner.obj").write_text(TETRAHEDRON.format(size))


def with_mesh(file: Path, mesh: str, compiler: str = "") -> Path:
    """Write a URDF of one link with a collision mesh, and return its path."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shape = f"<collision><geometry><mesh filename='{mesh}'/></geometry></collision>"
    link = f"<link name='base'>{inertial(2.0)}{shape}</link>"
    file.write_text(f"<robot name='r'><mujoco><compiler {compiler}/></mujoco>{link}</robot>")
    return file


def edge(model: mujoco.MjModel) -> float:
    """Return the length of the mesh's edges from the origin: the longest edges are √2 times as long."""
    corners = model.mesh_vert
    return float(np.linalg.norm(corners[:, None] - corners[None], axis=-1).max() / np.sqrt(2.0))


def test_inertia_is_mended_about_its_own_axes() -> None:
    """Moments 1, 1 and 4, of which the last is about x + y: they become 2, 2 and 4 about the same axes."""
    link = f"<link name='a'>{inertial(2.0, ixx=2.5, iyy=2.5, ixy=1.5, izz=1.0)}</link>"
    model = model_of(f"<robot name='r'>{link}</robot>")
    np.testing.assert_allclose(np.sort(model.body_inertia[1]), [2.0, 2.0, 4.0], rtol=1e-5)
    axes = np.empty(9)
    mujoco.mju_quat2Mat(axes, model.body_iquat[1])
    largest = axes.reshape(3, 3)[:, model.body_inertia[1].argmax()]
    np.testing.assert_allclose(np.abs(largest), [0.5**0.5, 0.5**0.5, 0.0], atol=1e-4)
    assert largest[0] * largest[1] > 0.0


def test_possible_inertia_is_not_changed() -> None:
    """All six moments are different, so that a mix-up of two of them would change the result."""
    tensor = np.array([[3.0, 0.1, 0.2], [0.1, 4.0, 0.3], [0.2, 0.3, 5.0]])
    link = f"<link name='a'>{inertial(2.0, ixx=3.0, ixy=0.1, ixz=0.2, iyy=4.0, iyz=0.3, izz=5.0)}</link>"
    asset = ArticulationAsset(mjcf=f"<robot name='r'>{link}</robot>", floating=True)
    assert file_report(asset) == ()
    model = model_of(f"<robot name='r'>{link}</robot>")
    np.testing.assert_allclose(np.sort(model.body_inertia[1]), np.linalg.eigvalsh(tensor), rtol=1e-5)


def test_report_names_limits_transmissions_and_tiny_masses() -> None:
    links = "".join(f"<link name='{name}'>{inertial(1.0)}</link>" for name in "abc")
    tiny = inertial(1e-12, ixx=0.0, iyy=0.0, izz=0.0)
    links += f"<link name='d'>{tiny}</link>"
    joints = "".join(
        f"<joint name='{name}' type='{kind}'><parent link='{parent}'/><child link='{child}'/>{limit}</joint>"
        for name, kind, parent, child, limit in (
            ("slack", "revolute", "a", "b", "<limit lower='-1' upper='1' effort='0' velocity='0'/>"),
            ("fast", "revolute", "b", "c", "<limit lower='-1' upper='1' effort='5' velocity='3'/>"),
            ("frame", "fixed", "c", "d", ""),
        )
    )
    extra = "<transmission/><transmission/><gazebo/>"
    asset = ArticulationAsset(mjcf=f"<robot name='r'>{links}{joints}{extra}</robot>", floating=True)
    assert file_report(asset) == (
        "changed: the mass of link 'd', 1e-12 kg, is left out",
        "changed: an effort of 0 is read as no limit: joints slack",
        "ignored: velocity limits of joints",
        "ignored: 2 elements <transmission>",
        "ignored: 1 element <gazebo>",
    )


def test_first_material_of_a_shape_is_read() -> None:
    materials = "".join(
        f"<material name='{name}'><color rgba='{rgba} 1'/></material>"
        for name, rgba in (("red", "1 0 0"), ("green", "0 1 0"))
    )
    link = f"<link name='a'>{inertial(1.0)}<visual>{BOX}{materials}</visual></link>"
    text = f"<robot name='r'><mujoco><compiler discardvisual='false'/></mujoco>{link}</robot>"
    assert file_report(ArticulationAsset(mjcf=text, floating=True)) == (
        "changed: of repeated elements the first is read: <material> of link 'a'",
    )
    assert model_of(text).geom_rgba[0].tolist() == [1.0, 0.0, 0.0, 1.0]


def test_package_paths_come_before_folders_around_the_file(tmp_path: Path) -> None:
    corner(tmp_path / "ws" / "crane" / "meshes", 1.0)
    corner(tmp_path / "other" / "crane" / "meshes", 3.0)
    file = with_mesh(tmp_path / "ws" / "crane" / "urdf" / "crane.urdf", "package://crane/meshes/corner.obj")
    assert edge(model_of(file)) == pytest.approx(1.0)
    assert edge(model_of(file, [tmp_path / "other"])) == pytest.approx(3.0)
    assert edge(model_of(file, [tmp_path / "other" / "crane"])) == pytest.approx(3.0)


def test_meshes_are_found_by_meshdir_strippath_and_below_a_folder_above(tmp_path: Path) -> None:
    corner(tmp_path / "assets" / "shells")
    robots = tmp_path / "assets" / "urdf" / "robots"
    for mesh, compiler in (
        ("shells/corner.obj", ""),  # relative to a folder above
        ("corner.obj", "meshdir='../../shells'"),
        ("/robots/corner.obj", "strippath='true' meshdir='../../shells'"),
        (f"file://{tmp_path}/assets/shells/corner.obj", ""),
    ):
        assert model_of(with_mesh(robots / "r.urdf", mesh, compiler)).nmesh == 1
