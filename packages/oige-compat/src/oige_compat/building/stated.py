"""Gives robots of OIGE the masses, armatures and limits that the script has set on the stage."""

import math
from typing import Any

import torch

from oige_compat.building.world import FirstWorld, last_name

__all__ = ["apply_stated_values"]


def apply_stated_values(world: FirstWorld) -> None:
    """Set values of attributes of the stage in the engine, after the worlds were built."""
    for path, robot in world.robots.items():
        if robot.file is None:
            continue  # the converter has read them
        view = world.elements[path]
        _set_masses(view, world.authored(path, "physics:mass"))
        armatures = {
            last_name(joint): float(value) for joint, value in world.authored(path, "physxJoint:armature").items()
        }
        chosen = [name for name in view.dof_names if name in armatures]
        if chosen:
            rows = torch.tensor([[armatures[name] for name in chosen]] * view.count, device=_device(world))
            view.set_armatures(rows, joint_indices=[view.get_dof_index(name) for name in chosen])
        _set_limits(world, path, view)


def _device(world: FirstWorld) -> Any:
    assert world.session.engine is not None
    return world.session.engine.device


def _set_masses(view: Any, stated: dict[str, Any]) -> None:
    """Set masses of links, whose inertias grow with them as where PhysX computes them from the shapes."""
    masses = {last_name(link): float(mass) for link, mass in stated.items() if mass}
    chosen = [view.get_link_index(name) for name in view.body_names if name in masses]
    if not chosen:
        return
    values = torch.tensor([masses[view.body_names[index]] for index in chosen])
    before = view.get_body_masses(None, chosen)
    values = values.to(before.device).expand_as(before)
    inertias = view.get_body_inertias(None, chosen) * (values / before).unsqueeze(-1)
    view.set_body_masses(values, None, chosen)
    view.set_body_inertias(inertias, None, chosen)


def _set_limits(world: FirstWorld, path: str, view: Any) -> None:
    stage = world.session.stage
    limits = view.get_dof_limits()[0].clone()
    changed = []
    for side, name in enumerate(("physics:lowerLimit", "physics:upperLimit")):
        for joint, value in world.authored(path, name).items():
            if last_name(joint) in view.dof_names:
                dof = view.get_dof_index(last_name(joint))
                angular = stage.GetPrimAtPath(joint).GetTypeName() == "PhysicsRevoluteJoint"
                limits[dof, side] = math.radians(value) if angular else float(value)
                changed.append(dof)
    for dof in dict.fromkeys(changed):
        view.set_dof_limits(limits[dof].expand(view.count, 1, 2), joint_indices=[dof])
