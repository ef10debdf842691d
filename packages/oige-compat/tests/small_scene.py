"""Builds small scenes from a function that writes to the stage, for tests."""

from collections.abc import Callable
from typing import Any

import torch
from oige_compat.cloner import GridCloner
from oige_compat.gym_interface import BaseTask
from oige_compat.objects import DynamicSphere
from oige_compat.session import restart, session
from oige_compat.views import RigidPrimView
from oige_compat.world import World

__all__ = ["BALLS", "DT", "ENV", "NUM_ENVS", "build", "in_worlds", "step", "two_balls"]

DT, NUM_ENVS = 0.01, 2
ENV = "/World/envs/env_0"
BALLS = "/World/envs/.*/ball_.*"


class _Scene(BaseTask):
    def __init__(self, fill: Callable[[Any], dict[str, Any]]) -> None:
        super().__init__("Scene")
        self.fill, self.views = fill, {}

    def set_up_scene(self, scene: Any) -> None:
        session().stage.DefinePrim(ENV, "Xform")
        self.views = self.fill(session().stage)
        cloner = GridCloner(spacing=4.0)
        cloner.clone(ENV, cloner.generate_paths("/World/envs/env", NUM_ENVS))


def build(fill: Callable[[Any], dict[str, Any]], **params: Any) -> dict[str, Any]:
    """Build the worlds of what a function writes to the stage, and return its views."""
    restart()
    world = World(backend="torch", sim_params={"dt": DT, "gravity": [0.0, 0.0, -9.81], **params})
    task = _Scene(fill)
    world.add_task(task)
    world.reset()
    return task.views


def step(number: int = 1) -> None:
    engine = session().engine
    assert engine is not None
    engine.step(number)


def in_worlds(view: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return poses of a view of one body per world in the frames of the worlds."""
    positions, orientations = view.get_world_poses()
    return positions - session().offsets, orientations


def two_balls(stage: Any) -> dict[str, Any]:
    """Two balls of 1 kg and 2 kg in each world."""
    for number in range(2):
        place = [float(number), 0.0, 5.0]
        DynamicSphere(f"{ENV}/ball_{number}", radius=0.1, mass=1.0 + number, translation=place)
    return {
        "balls": RigidPrimView(BALLS, "balls"),
        "ones": RigidPrimView("/World/envs/.*/ball_0", "ones"),
    }
