"""Robots, random inputs and steps of the recorders of Ant and Humanoid, for the torch tasks and the Warp variants."""

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

__all__ = ["ROBOTS", "SPACING", "Robot", "clone_positions", "draw_motion"]

SPACING = 5.0  # m; envSpacing of both tasks
FALL_MARGIN = 0.05  # m; torsos are at least so far from the height of a fall, for ends that rounding does not decide


@dataclass
class Robot:
    """What the original reads from the robot's USD file.

    Attributes:
        module: module of the torch task; that of the Warp variant is ``warp.<module>``.
        name: name of the class.
        attribute: attribute of the task in which it looks for its view.
        links: names of the links, of which the feet are observed.
        limits: limits of the joints in degrees, in their order.
        defaults: joint positions at the start, in degrees.
        spawn_height: of the torso, in m.
        termination_height: in m.
    """

    module: str
    name: str
    attribute: str
    links: Sequence[str]
    limits: Sequence[tuple[float, float]]
    defaults: Sequence[float]
    spawn_height: float
    termination_height: float


_HIP = [(-45.0, 15.0), (-120.0, 45.0), (-60.0, 35.0)]  # about x, y, z
_SHOULDERS = [(-90.0, 70.0)] * 4

ROBOTS = {
    "Ant": Robot(
        module="ant",
        name="AntLocomotionTask",
        attribute="_ants",
        links=(
            "torso",
            *(f"{leg}_leg" for leg in ("front_left", "front_right", "left_back", "right_back")),
            *(f"{leg}_foot" for leg in ("front_left", "front_right", "left_back", "right_back")),
        ),
        limits=[(-40.0, 40.0)] * 4 + [(30.0, 100.0), (-100.0, -30.0), (-100.0, -30.0), (30.0, 100.0)],
        defaults=[0.0] * 4 + [30.0, -30.0, -30.0, 30.0],
        spawn_height=0.5,
        termination_height=0.31,
    ),
    "Humanoid": Robot(
        module="humanoid",
        name="HumanoidLocomotionTask",
        attribute="_humanoids",
        links=("torso", "head", "pelvis", "left_foot", "right_foot"),
        limits=[
            *((-45.0, 45.0), (-75.0, 30.0)),  # lower waist, about z and y
            *_SHOULDERS,
            (-35.0, 35.0),  # pelvis
            *((-90.0, 50.0), (-90.0, 50.0)),  # elbows
            *(_HIP + _HIP),
            *((-160.0, 2.0), (-160.0, 2.0)),  # knees
            *[(-50.0, 50.0)] * 4,  # ankles
        ],
        defaults=[0.0] * 21,
        spawn_height=1.34,
        termination_height=0.8,
    ),
}


def draw_motion(robot: Robot, n: int, origins: torch.Tensor) -> dict[str, Any]:
    """Draw poses, velocities, joints and wrenches of ``n`` robots, by the name of the getter.

    Every orientation is possible; a third of the robots is within 20° of standing upright and facing the target. A
    tenth of the torsos is too low. Joints are anywhere within their limits, some at them.

    Args:
        robot: the robot.
        n: number of worlds.
        origins: ``(n, 3)`` of the worlds, in m.
    """
    low, high = torch.deg2rad(torch.tensor(robot.limits)).unbind(-1)
    heights = robot.termination_height + FALL_MARGIN + torch.rand(n)
    heights[::10] = robot.termination_height * (0.9 * torch.rand(n)[::10])
    places = torch.cat(((torch.rand(n, 2) * 2 - 1) * torch.tensor([300.0, 100.0]), heights.unsqueeze(-1)), dim=-1)
    orientations = torch.randn(n, 4)
    orientations[::3] = torch.tensor([1.0, 0.0, 0.0, 0.0]) + 0.06 * torch.randn(n, 4)[::3]
    orientations = orientations / orientations.norm(dim=-1, keepdim=True)
    fractions = (torch.rand(n, len(low)) * 1.1 - 0.05).clamp(0.0, 1.0)
    return {
        "world_poses": (origins + places, orientations),
        "velocities": torch.randn(n, 6) * torch.tensor([3.0, 3.0, 1.0, 2.0, 2.0, 2.0]),
        "joint_positions": low + fractions * (high - low),
        "joint_velocities": 5.0 * torch.randn(n, len(low)),
        "measured_joint_forces": 20.0 * torch.randn(n, len(robot.links), 6),
    }


def clone_positions(count: int, spacing: float) -> torch.Tensor:
    """Return the origins of worlds ``(count, 3)`` that Isaac Sim's own grid cloner computes, in m."""
    utilities = importlib.import_module("isaacsim.core.utils.torch").__file__
    assert utilities is not None
    extensions = Path(utilities).parents[4]
    file = extensions / "isaacsim.core.cloner/python/impl/grid_cloner.py"
    spec = importlib.util.spec_from_file_location("grid_cloner", file)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # The stage is a stub: its vertical axis is z, and no world is turned.
    module.UsdGeom = SimpleNamespace(GetStageUpAxis=lambda _: "z", Tokens=SimpleNamespace(z="z"))
    level = SimpleNamespace(GetReal=lambda: 1.0, GetImaginary=lambda: (0.0, 0.0, 0.0))
    module.Gf = SimpleNamespace(Quatd=SimpleNamespace(GetIdentity=lambda: level))
    cloner = module.GridCloner(spacing)
    cloner._stage = None
    positions, _ = cloner.get_clone_transforms(count)
    return torch.tensor(positions, dtype=torch.float32)
