"""The conventions of PhysX that the engine relies on hold in PhysX, and each measurement finds another convention."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oige_core.engines.isaacsim.conventions import CONVENTIONS, Convention, Finding, Probe
from oige_core.math import grid_positions
from oige_core.testing.physx.runtime import is_ovphysx_installed

if not is_ovphysx_installed():
    pytest.skip("needs the dependency group isaacsim", allow_module_level=True)

from oige_core.engines.isaacsim.usd.probe import write_probe
from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from oige_core.testing.physx import OvphysxHost

NUM_ENVS = 12


@pytest.fixture(scope="module")
def probe() -> Iterator[Probe]:
    host = OvphysxHost()
    paths = write_probe(host.new_stage())
    worlds = [path_in_world(paths.world, world) for world in range(NUM_ENVS)]
    host.clone(paths.world, worlds, grid_positions(NUM_ENVS, 6.0).numpy())
    host.filter_collisions(paths.physics_scene, paths.collision_root, worlds, [paths.ground])
    host.play()
    yield Probe(host, paths, NUM_ENVS)
    host.close()


def measure(probe: Probe, name: str) -> Finding:
    [convention] = [each for each in CONVENTIONS if each.name == name]
    return convention.measure(probe)


@pytest.mark.parametrize("convention", CONVENTIONS, ids=lambda convention: convention.name)
def test_convention_holds_in_physx(probe: Probe, convention: Convention) -> None:
    finding = convention.measure(probe)
    assert finding.holds, finding.measured


def test_boxes_that_collide_are_found(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    overlapping = probe.upright("cube") + torch.tensor([0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    probe.rest()
    monkeypatch.setattr(probe, "rest", lambda: None)
    monkeypatch.setattr(probe, "upright", lambda name: overlapping.clone())
    assert not measure(probe, "worlds-apart").holds


def test_bodies_that_do_not_collide_are_found(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "step", lambda count: None)
    assert not measure(probe, "world-collides").holds


def test_wrenches_that_replace_each_other_are_found(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    push = probe.push
    monkeypatch.setattr(probe, "push", lambda rows, force, torque: push(rows, force, torque) if force[1] else None)
    assert not measure(probe, "wrenches").holds


def test_kinematic_bodies_that_do_not_push_are_found(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe.pusher.view, "set_kinematic_targets", probe.pusher.view.set_transforms)
    assert not measure(probe, "kinematic-targets").holds


def roll(values: torch.Tensor) -> torch.Tensor:
    return torch.cat([values[..., :-4], values[..., -4:].roll(1, dims=-1)], dim=-1)


def of_origins(velocities: torch.Tensor) -> torch.Tensor:
    """Velocities of origins 0.1 m below centres of mass, where frames are upright."""
    arm = torch.tensor([0.0, 0.0, -0.1]).expand_as(velocities[..., :3])
    linear = velocities[..., :3] + torch.linalg.cross(velocities[..., 3:], arm)
    return torch.cat([linear, velocities[..., 3:]], dim=-1)


def to_coms(velocities: torch.Tensor) -> torch.Tensor:
    arm = torch.tensor([0.0, 0.0, 0.1]).expand_as(velocities[..., :3])
    linear = velocities[..., :3] + torch.linalg.cross(velocities[..., 3:], arm)
    return torch.cat([linear, velocities[..., 3:]], dim=-1)


def of_origins_in_rows(jacobians: torch.Tensor) -> torch.Tensor:
    return of_origins(jacobians.transpose(-1, -2)).transpose(-1, -2)


Change = Callable[[torch.Tensor], torch.Tensor]

READINGS: dict[str, tuple[str, str, Change]] = {
    "quaternions": ("box", "get_transforms", roll),
    "start": ("box", "get_transforms", lambda values: values + 1e-3),
    "step-length": ("box", "get_velocities", lambda values: values * (1 / 120) / 0.0083),
    "indices": ("box", "get_velocities", lambda values: values.mean(dim=0, keepdim=True).expand_as(values)),
    "kinematics": ("arm", "get_link_transforms", roll),
    "link-velocity": ("arm", "get_link_velocities", of_origins),
    "jacobian-rows": ("arm", "get_jacobians", of_origins_in_rows),
    "jacobian-root": ("arm", "get_jacobians", lambda values: values.roll(1, dims=-1)),
    "mass-matrix": ("arm", "get_generalized_mass_matrices", lambda values: values + 0.5 * torch.eye(7)),
    "gravity-forces": ("arm", "get_gravity_compensation_forces", lambda values: -values),
    "joint-force": ("post", "get_link_incoming_joint_force", lambda values: -values),
    "gains": ("arm", "get_dof_stiffnesses", torch.deg2rad),
    "limits": ("arm", "get_dof_limits", torch.rad2deg),
    "targets": ("arm", "get_dof_position_targets", lambda values: values + 0.5),
    "mass": ("box", "get_inertias", lambda values: values * 200.0),
    "inertias": ("box", "get_coms", lambda values: values + 0.01),
    "wrenches": ("box", "get_velocities", lambda values: values.flip(-1)),
    "default-material": ("box", "get_material_properties", lambda values: values + torch.tensor([0.0, 0.0, 0.8])),
    "material": ("cube", "get_material_properties", lambda values: values.flip(-1)),
    "contact-force": ("contacts", "get_net_contact_forces", lambda values: values * 0.01),
}
"""By convention: which view returns other values from which method."""

COMMANDS: dict[str, tuple[str, str, Change]] = {
    "body-velocity": ("box", "set_velocities", to_coms),
    "root-velocity": ("arm", "set_root_velocities", to_coms),
    "absent-shapes": ("cube", "set_rest_offsets", lambda values: values * 0.0),
}
"""By convention: which view takes other values in which method."""


@pytest.mark.parametrize("name", [*READINGS, *COMMANDS])
def test_other_convention_is_found(probe: Probe, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    who, method, change = (READINGS | COMMANDS)[name]
    view: Any = probe.contacts if who == "contacts" else getattr(probe, who).view
    original = getattr(view, method)

    def read(*arguments: Any) -> torch.Tensor:
        return change(original(*arguments))

    def write(values: torch.Tensor, indices: torch.Tensor) -> None:
        original(change(values), indices)

    monkeypatch.setattr(view, method, read if name in READINGS else write)
    if name == "quaternions":
        monkeypatch.setattr(probe, "started", tuple(map(change, probe.started)))
    finding = measure(probe, name)
    assert not finding.holds, finding.measured
