"""Recorder of FrankaCabinet and FrankaDeformable."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from tools.golden_vectors.original import locals_of, make_task
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.views import RecordingView

__all__ = ["FRANKA_JOINTS", "FRANKA_LIMITS", "place_worlds", "random_poses", "record"]

FRANKA_JOINTS = [*(f"panda_joint{joint}" for joint in range(1, 8)), "panda_finger_joint1", "panda_finger_joint2"]
FRANKA_LIMITS = torch.tensor(
    [
        (-2.8973, 2.8973),
        (-1.7628, 1.7628),
        (-2.8973, 2.8973),
        (-3.0718, -0.0698),
        (-2.8973, 2.8973),
        (-0.0175, 3.7525),
        (-2.8973, 2.8973),
        (0.0, 0.04),
        (0.0, 0.04),
    ]
)
CABINET_JOINTS = ["door_left_joint", "door_right_joint", "drawer_bottom_joint", "drawer_top_joint"]
PROPS, NODES, FRONT = 4, 256, 200
FIRST_PLACES = {
    "panda_link7": (0.4, 0.0, 0.6),
    "panda_leftfinger": (0.4, 0.04, 0.5),
    "panda_rightfinger": (0.4, -0.04, 0.5),
}
SAMPLES, DRAWS, SEED = 64, 2048, 0
METHOD = (
    "Joints within their limits; poses of hand, fingers and drawer at random, in a third of the worlds with the "
    "gripper close to the handle; drawer opened by up to 0.5 m; progress up to the length of an episode, with the "
    "last steps in the first worlds. Two steps of actions. Terms: local variables of the reward function. The "
    "original reads the left finger for the right one; with_right_finger: its reward for the right finger. Nodes "
    "of the tube other than 200 and the last are at the origin."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, targets and resets."""
    recording = Recording(task, SEED, METHOD)
    make = {"FrankaCabinet": _make_cabinet, "FrankaDeformable": _make_deformable}[task]
    robot = make(original, SAMPLES)
    frankas = robot._frankas
    robot.reset_buf[:] = 0
    recording.put("in/previous_targets", robot.franka_dof_targets)
    actions = torch.rand(2, SAMPLES, 9) * 2 - 1
    for step in range(2):
        robot.pre_physics_step(actions[step])
        recording.put(f"out/targets/{step}", frankas.written("set_joint_position_targets"))
    recording.put("in/actions", actions)
    frankas.values |= {
        "joint_positions": FRANKA_LIMITS[:, 0] + torch.rand(SAMPLES, 9) * (FRANKA_LIMITS[:, 1] - FRANKA_LIMITS[:, 0]),
        "joint_velocities": (torch.rand(SAMPLES, 9) * 2 - 1) * 3.0,
    }
    (_record_cabinet if task == "FrankaCabinet" else _record_deformable)(recording, robot)
    many = make(original, DRAWS)
    recording.put_distribution("joint_positions", many._frankas.written("set_joint_positions"))
    recording.put_distribution("joint_velocities", many._frankas.written("set_joint_velocities"))
    yield recording


def _record_cabinet(recording: Recording, robot: Any) -> None:
    n, origins, frankas, cabinets = SAMPLES, robot._env_pos, robot._frankas, robot._cabinets
    hand, drawer, left, right = (random_poses(n) for _ in range(4))
    handle = drawer[0] + torch.tensor([0.3, 0.01, 0.0])
    near = n // 3
    drawer[1][:near] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    left[0][:near] = handle[:near] + (torch.rand(near, 3) * 2 - 1) * 0.05
    hand[1][:near] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    reach = robot.franka_local_grasp_pos[:near] + (torch.rand(near, 3) * 2 - 1) * 0.015
    hand[0][:near] = handle[:near] - reach
    poses = {"hands": hand, "lfingers": left, "rfingers": right}
    for name, (position, orientation) in poses.items():
        getattr(frankas, f"_{name}").values["world_poses"] = (position + origins, orientation)
        recording.put(f"in/{name}/world_poses", (position, orientation))
    cabinets._drawers.values["world_poses"] = (drawer[0] + origins, drawer[1])
    recording.put("in/drawers/world_poses", drawer)
    cabinets.values |= {"joint_positions": torch.rand(n, 4) * 0.5, "joint_velocities": torch.rand(n, 4) - 0.5}
    recording.put_view(frankas)
    recording.put_view(cabinets)
    recording.put("in/local_grasp", (robot.franka_local_grasp_pos[0], robot.franka_local_grasp_rot[0]))
    robot.get_observations()
    recording.put("out/observations", robot.obs_buf)
    _record_cabinet_reward(recording, robot, "out")
    _record_endings(recording, robot)
    robot.franka_rfinger_pos = frankas._rfingers.values["world_poses"][0]
    _record_cabinet_reward(recording, robot, "out/with_right_finger")


def _record_cabinet_reward(recording: Recording, robot: Any, prefix: str) -> None:
    terms = locals_of(type(robot).compute_franka_reward, robot.calculate_metrics)
    recording.put(f"{prefix}/rewards", robot.rew_buf)
    for name in ("dist", "rot", "around_handle", "open", "finger_dist", "finger_close"):
        recording.put(f"{prefix}/terms/{name}", terms[f"{name}_reward"] * getattr(robot, f"{name}_reward_scale"))
    recording.put(f"{prefix}/terms/action", -terms["action_penalty"] * robot.action_penalty_scale)


def _record_deformable(recording: Recording, robot: Any) -> None:
    n, origins, frankas = SAMPLES, robot._env_pos, robot._frankas
    for name in ("lfingers", "rfingers"):
        position, orientation = random_poses(n)
        getattr(frankas, f"_{name}").values["world_poses"] = (position + origins, orientation)
        recording.put(f"in/{name}/world_poses", (position, orientation))
    nodes, speeds = torch.zeros(n, NODES, 3), torch.zeros(n, NODES, 3)
    for node in (FRONT, NODES - 1):
        nodes[:, node] = (torch.rand(n, 3) * 2 - 1) * torch.tensor([0.7, 1.1, 0.3]) + torch.tensor([0.5, 0.0, 0.3])
        speeds[:, node] = torch.rand(n, 3) * 2 - 1
    nodes[: n // 2, NODES - 1, :2] = torch.tensor([0.5, 0.2]) + (torch.rand(n // 2, 2) * 2 - 1) * 0.1
    nodes[:8, FRONT] = torch.tensor([0.5, 0.0, 0.2])
    recording.put("in/tube/nodal_positions", nodes)
    recording.put("in/tube/nodal_velocities", speeds)
    robot.deformableView.values |= {
        "simulation_mesh_nodal_positions": nodes + origins.unsqueeze(1),
        "simulation_mesh_nodal_velocities": speeds,
    }
    recording.put_view(frankas)
    robot.get_observations()
    recording.put("out/observations", robot.obs_buf)
    terms = locals_of(type(robot).calculate_metrics, robot.calculate_metrics)
    recording.put("out/rewards", robot.rew_buf)
    recording.put("out/terms/goal_distance", terms["goal_dist_reward"])
    recording.put("out/terms/lift", (4 * terms["front_lift_reward"]).squeeze(-1))
    _record_endings(recording, robot)


def _record_endings(recording: Recording, robot: Any) -> None:
    length = robot._max_episode_length
    progress = torch.randint(0, length + 20, (SAMPLES,))
    progress[:4] = torch.arange(length - 3, length + 1)
    robot.progress_buf[:] = progress
    robot.reset_buf[:] = 0
    recording.put("in/progress", progress)
    robot.is_done()
    recording.put("out/resets", robot.reset_buf)


def _make_frankas(n: int) -> RecordingView:
    views = {f"_{name}": RecordingView(name, n) for name in ("hands", "lfingers", "rfingers")}
    values = {"dof_limits": FRANKA_LIMITS.repeat(n, 1, 1)}
    return RecordingView("frankas", n, names={"dof": FRANKA_JOINTS}, values=values, gripper_indices=[7, 8], **views)


def _make_cabinet(original: Path, n: int) -> Any:
    robot = make_task(original, "FrankaCabinet", "franka_cabinet:FrankaCabinetTask", num_envs=n)
    robot._env_pos = place_worlds(n, 3.0)
    robot._frankas = _make_frankas(n)
    drawers = RecordingView("drawers", n)
    still = {"joint_positions": torch.zeros(n, 4), "joint_velocities": torch.zeros(n, 4)}
    robot._cabinets = RecordingView("cabinets", n, names={"dof": CABINET_JOINTS}, values=still, _drawers=drawers)
    robot._props = RecordingView("props", n * PROPS, values={"world_poses": random_poses(n * PROPS)})
    module: Any = import_module("omniisaacgymenvs.tasks.franka_cabinet")
    stage = SimpleNamespace(GetPrimAtPath=lambda path: path.rsplit("/", 1)[1])
    module.get_current_stage = lambda: stage
    module.UsdGeom = SimpleNamespace(Xformable=_Prim)
    robot.init_data()
    robot.post_reset()
    return robot


class _Prim:
    """A prim of the robot in its first pose: the fingers 0.1 m ahead of the hand and 0.04 m to its sides."""

    def __init__(self, name: str) -> None:
        self.place = FIRST_PLACES[name]

    def ComputeLocalToWorldTransform(self, _: int) -> "_Prim":  # noqa: N802  a name of USD
        return self

    def ExtractTranslation(self) -> tuple[float, float, float]:  # noqa: N802
        return self.place

    def ExtractRotationQuat(self) -> SimpleNamespace:  # noqa: N802  half a turn about x: the gripper points down
        return SimpleNamespace(imaginary=(1.0, 0.0, 0.0), real=0.0)


def _make_deformable(original: Path, n: int) -> Any:
    robot = make_task(original, "FrankaDeformable", "franka_deformable:FrankaDeformableTask", num_envs=n)
    robot._env_pos = place_worlds(n, 3.0)
    robot._frankas = frankas = _make_frankas(n)
    for view in (frankas._lfingers, frankas._rfingers):
        view.values["world_poses"] = random_poses(n)
    still = torch.zeros(n, NODES, 3)
    nodes = {"simulation_mesh_nodal_positions": still, "simulation_mesh_nodal_velocities": still}
    robot.deformableView = RecordingView("tube", n, values=nodes)
    robot.post_reset()
    return robot


def place_worlds(n: int, spacing: float) -> torch.Tensor:
    """Return origins of worlds on a grid ``(n, 3)``, in m."""
    worlds = torch.arange(n)
    return torch.stack((worlds % 8, worlds // 8 % 8, torch.zeros(n)), dim=-1) * spacing


def random_poses(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return positions ``(n, 3)`` in a cube of 1 m, and random orientations ``(n, 4)``."""
    return torch.rand(n, 3), torch.nn.functional.normalize(torch.randn(n, 4), dim=-1)
