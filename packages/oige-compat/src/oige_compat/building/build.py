"""Builds the worlds of the engine from the stage of the first world, and connects the views of the script."""

from collections.abc import Sequence
from typing import Any

import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.scene import Material, Scene

from oige_compat.building.attributes import tell_unused
from oige_compat.building.bodies import add_bodies, add_planes, tell_shared
from oige_compat.building.cameras import add_cameras, label_cameras
from oige_compat.building.joints import add_joints
from oige_compat.building.later import watch_stage
from oige_compat.building.other_worlds import tell_other_worlds
from oige_compat.building.parts import add_parts, find_parts
from oige_compat.building.reports import tell_reports
from oige_compat.building.robots import add_robots, find_robots
from oige_compat.building.settings import sim_config
from oige_compat.building.stated import apply_stated_values
from oige_compat.building.terrain import add_terrain, place_worlds
from oige_compat.building.views import connect
from oige_compat.building.world import FirstWorld
from oige_compat.errors import CompatError
from oige_compat.session import Session

__all__ = ["build"]


def build(current: Session, params: dict[str, Any], tasks: Sequence[Any]) -> None:
    """Build the worlds.

    Args:
        current: the session; it gets the engine.
        params: parameters of the simulation: ``dt``, ``gravity``, ``sim_device``, …
        tasks: tasks of the world.

    Raises:
        OigeError: the stage contains something that is not served.
    """
    device = torch.device(str(params.get("sim_device", "cpu")))
    if device.type == "cuda" and not torch.cuda.is_available():
        remedy = "add pipeline=cpu sim_device=cpu rl_device=cpu"
        raise CompatError(f"sim_device={device}: this machine has no CUDA GPU; {remedy}.")
    world = FirstWorld(current, params, tasks)
    find_robots(world)
    find_parts(world)
    engine = MujocoEngine(len(current.env_paths), device)
    scene = Scene(engine, sim_config(world))
    if current.ground is not None:
        height, friction = current.ground
        scene.add_ground_plane(height=height, material=None if friction is None else Material(friction=friction))
    add_terrain(world, scene)
    add_planes(world, scene)
    add_robots(world, scene)
    add_bodies(world, scene)
    add_joints(world, scene)
    later = add_parts(world, scene)
    connected = connect(world, scene)
    tell_reports(world)
    tell_unused(world)
    tell_shared(world)
    tell_other_worlds(world)
    add_cameras(world, scene)
    engine.build(scene)
    label_cameras(world)
    current.elements = world.elements
    current.engine, current.offsets = engine, current.offsets.to(engine.device)
    watch_stage(current)
    apply_stated_values(world)
    for view, ours, bodies in connected:
        view.bind(ours, bodies)
    for step in later:
        step()
    if current.places.any():
        current.on_terrain = list(world.elements.values())
        place_worlds(current)
