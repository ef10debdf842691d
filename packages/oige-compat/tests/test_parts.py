"""Nuts, bolts and the soft tube of Isaac Sim's asset folder, as tasks of forks put them into worlds."""

from typing import Any

import pytest
import torch
from oige_compat.cloner import GridCloner
from oige_compat.gym_interface import BaseTask
from oige_compat.objects import XFormPrim
from oige_compat.physx_scripts import (
    add_physics_material_to_prim,
    addRigidBodyMaterial,
    set_or_add_orient_op,
    set_or_add_translate_op,
    setup_transform_as_scale_orient_translate,
)
from oige_compat.session import restart, session
from oige_compat.soft_bodies import DeformablePrimView
from oige_compat.stage import add_reference_to_stage, get_assets_root_path
from oige_compat.views import RigidPrimView
from oige_compat.world import World
from pxr import Gf

NUM_ENVS, SPACING = 3, 4.0
SIZES = ("m16", "m8", "m16")
MATERIAL = "/World/Materials/Steel"


class _NutsAndBolts(BaseTask):
    density = 7850.0

    def set_up_scene(self, scene: Any) -> None:
        stage = session().stage
        stage.DefinePrim("/World/envs/env_0", "Xform")
        cloner = GridCloner(spacing=SPACING)
        paths = cloner.generate_paths("/World/envs/env", NUM_ENVS)
        cloner.clone("/World/envs/env_0", paths)
        addRigidBodyMaterial(stage, MATERIAL, density=self.density, staticFriction=0.5, dynamicFriction=0.5)
        for path, size in zip(paths, SIZES, strict=True):
            for kind, height in (("nut", 1.0), ("bolt", 0.4)):
                file = f"/Isaac/Props/Factory/factory_{kind}_{size}_tight/factory_{kind}_{size}_tight.usd"
                add_reference_to_stage(get_assets_root_path() + file, f"{path}/{kind}")
                XFormPrim(f"{path}/{kind}", translation=torch.tensor([0.0, 0.1, height]))
                collisions = stage.GetPrimAtPath(f"{path}/{kind}/factory_{kind}/collisions")
                collisions.SetInstanceable(False)
                add_physics_material_to_prim(stage, collisions.GetChild("mesh_0"), MATERIAL)
        self.nuts = RigidPrimView("/World/envs/.*/nut/factory_nut.*", name="nuts")
        self.bolts = RigidPrimView("/World/envs/.*/bolt/factory_bolt.*", name="bolts")
        scene.add(self.nuts)
        scene.add(self.bolts)


def _built(task: BaseTask, **params: Any) -> Any:
    world = World(backend="torch", sim_params={"dt": 1.0 / 120.0, **params})
    world.add_task(task)
    world.reset()
    return task


@pytest.fixture(scope="module")
def parts() -> _NutsAndBolts:
    restart()
    return _built(_NutsAndBolts("NutsAndBolts"))


def test_each_world_has_the_nut_to_which_it_refers(parts: _NutsAndBolts) -> None:
    """Hexagonal prisms of steel with a hole of the thread's pitch diameter: 14.7 mm of M16, 7.19 mm of M8."""
    m16 = 7850.0 * 0.013 * (0.024**2 * 3**0.5 / 2 - 3.14159265 / 4 * 0.014701**2)
    m8 = 7850.0 * 0.0065 * (0.013**2 * 3**0.5 / 2 - 3.14159265 / 4 * 0.0071881**2)
    torch.testing.assert_close(parts.nuts.get_masses(), torch.tensor([m16, m8, m16]), rtol=1e-4, atol=0.0)


def test_nut_falls_and_bolt_stays(parts: _NutsAndBolts) -> None:
    before = parts.nuts.get_world_poses()[0], parts.bolts.get_world_poses()[0]
    torch.testing.assert_close(before[0][:, 2], torch.ones(NUM_ENVS))
    assert before[1][:, 0].tolist() == pytest.approx([4.0, 0.0, -4.0])
    engine = session().engine
    assert engine is not None
    engine.step(1)
    after = parts.nuts.get_velocities(), parts.bolts.get_world_poses()[0]
    torch.testing.assert_close(after[0][:, 2], torch.full((NUM_ENVS,), -9.81 / 120.0))
    torch.testing.assert_close(after[1], before[1])


def test_friction_of_the_bound_material_acts(parts: _NutsAndBolts) -> None:
    engine: Any = session().engine
    model = engine.compiled.model
    nut = model.body("factory_nut")
    shapes = slice(nut.geomadr[0], nut.geomadr[0] + nut.geomnum[0])
    touching = model.geom_contype[shapes] != 0
    assert model.geom_friction[shapes][touching][:, 0].tolist() == pytest.approx([0.5] * int(touching.sum()))


def test_density_without_effect_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    restart()
    task = _NutsAndBolts("NutsAndBolts")
    task.density = 1000.0
    _built(task)
    noted = f"{MATERIAL}: density=1000 of /World/envs/env_0/nut/factory_nut has no effect; it has 7850 kg/m³."
    assert f"oige-compat: {noted}\n" in capsys.readouterr().out


class _Tube(BaseTask):
    def set_up_scene(self, scene: Any) -> None:
        path = "/World/envs/env_0/tube"
        tube = add_reference_to_stage(get_assets_root_path() + "/Isaac/Props/DeformableTube/tube.usd", path)
        setup_transform_as_scale_orient_translate(tube)
        set_or_add_translate_op(tube, (0.6, 0.0, 0.005))
        set_or_add_orient_op(tube, Gf.Rotation(Gf.Vec3d(0, 0, 1), 90).GetQuat())
        cloner = GridCloner(spacing=SPACING)
        cloner.clone("/World/envs/env_0", cloner.generate_paths("/World/envs/env", 2))
        self.tubes = DeformablePrimView("/World/envs/.*/tube/mesh", name="tubes")
        scene.add(self.tubes)


def test_nodes_of_the_tube_have_the_numbers_of_the_original() -> None:
    """The tube is 40 cm long, 25 mm thick, and lies along x on the ground; worlds are 4 m apart."""
    restart()
    tubes = _built(_Tube("Tube"), dt=0.016).tubes
    positions = tubes.get_simulation_mesh_nodal_positions()
    assert positions.shape == (2, 272, 3)
    top, back = torch.tensor([0.55, 0.0, 0.026]), torch.tensor([0.8, 0.0, 0.001])
    origins = torch.tensor([[2.0, 0.0, 0.0], [-2.0, 0.0, 0.0]])
    torch.testing.assert_close(positions[:, 200], top + origins, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(positions[:, -1], back + origins, atol=1e-5, rtol=0.0)
    moved = positions[1:] + torch.tensor([0.1, 0.2, 0.3])
    tubes.set_simulation_mesh_nodal_positions(moved, torch.tensor([1], dtype=torch.int32))
    set_positions = tubes.get_simulation_mesh_nodal_positions()
    torch.testing.assert_close(set_positions[1:], moved, atol=1e-5, rtol=0.0)
    torch.testing.assert_close(set_positions[:1], positions[:1])
