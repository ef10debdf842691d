"""Recorder of the Factory tasks Pick, Place and Screw."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import torch
from omegaconf import OmegaConf

from tools.golden_vectors.original import ROOT, make_task
from tools.golden_vectors.recorders.franka import FRANKA_JOINTS, FRANKA_LIMITS, place_worlds
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.stubs import Stub
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

CONTROLLERS = (
    "gym_default",
    "joint_space_ik",
    "joint_space_id",
    "task_space_impedance",
    "operational_space_motion",
    "open_loop_force",
    "closed_loop_force",
    "hybrid_force_motion",
)
IK_METHODS = ("pinv", "trans", "dls", "svd")
READ_LINKS = slice(8, 11)  # Jacobians of the other links are not read, and zero here
SAMPLES, DRAWS, SEED = 48, 2048, 0
METHOD = (
    "Poses, velocities, forces, Jacobians and mass matrices at random, not those of one robot; in a quarter of "
    "the worlds each, the nut is screwed on, between the finger pads, near the bolt, or anywhere, and in two the "
    "action turns nothing. One step of actions with the task's controller, and for Pick with each controller and "
    "method of inverse kinematics. Pick and Place depend on the progress of the first world: last_step is the "
    "step in which it is at its end. Resets: what is written, and the pose that the gripper is moved to."
)
MODULES = {
    "FactoryTaskNutBoltPick": "factory_task_nut_bolt_pick",
    "FactoryTaskNutBoltPlace": "factory_task_nut_bolt_place",
    "FactoryTaskNutBoltScrew": "factory_task_nut_bolt_screw",
}


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observation, reward and its terms, endings, targets, efforts and resets."""
    recording = Recording(task, SEED, METHOD)
    hydra.compose = lambda config_name: _compose(original, config_name)
    torch.manual_seed(SEED)
    robot = _make(original, task, SAMPLES)
    _record_state(recording, robot)
    actions = torch.rand(SAMPLES, 12) * 2 - 1
    actions[:2, 3:6] = 0.0
    if task == "FactoryTaskNutBoltScrew":
        actions[:2, 5] = -1.0  # (a + 1) / 2 turns nothing
    recording.put("in/actions", actions)
    robot.reset_buf[:] = 0
    robot.pre_physics_step(actions)
    _record_commands(recording, robot, "out")
    robot.get_observations()
    recording.put("out/observations", robot.obs_buf)
    _record_results(recording, robot)
    if task == "FactoryTaskNutBoltPick":
        for name in CONTROLLERS:
            methods = IK_METHODS if name.startswith(("gym", "joint")) else ("",)
            for method in methods:
                settings = {"task__ctrl__ctrl_type": name}
                if method:
                    settings[f"task__ctrl__{name}__ik_method"] = method
                torch.manual_seed(SEED)
                other = _make(original, task, SAMPLES, **settings)
                other.reset_buf[:] = 0
                other.pre_physics_step(actions)
                _record_commands(recording, other, f"out/controllers/{name}/{method}".rstrip("/"), pose=False)
    _record_resets(recording, _make(original, task, DRAWS))
    yield recording


def _record_state(recording: Recording, robot: Any) -> None:
    for view in (robot.frankas, robot.nuts, robot.bolts):
        recording.put_view(_relative(view, robot._env_pos))
    for name in ("hands", "lfingers", "rfingers", "fingertip_centered"):
        recording.put_view(_relative(getattr(robot.frankas, f"_{name}"), robot._env_pos))


def _relative(view: RecordingView, origins: torch.Tensor) -> RecordingView:
    """Return a view whose positions are relative to the worlds' origins."""
    values = dict(view.values)
    if "world_poses" in values:
        position, orientation = values["world_poses"]
        values["world_poses"] = (position - origins, orientation)
    return RecordingView(view.name, view.count, names=view.names, values=values)


def _record_commands(recording: Recording, robot: Any, prefix: str, *, pose: bool = True) -> None:
    if pose:
        recording.put(f"{prefix}/target_position", robot.ctrl_target_fingertip_midpoint_pos)
        recording.put(f"{prefix}/target_orientation", robot.ctrl_target_fingertip_midpoint_quat)
    call = robot.frankas.calls[-1]
    name = {"set_joint_efforts": "efforts", "set_joint_position_targets": "positions"}[call.name]
    recording.put(f"{prefix}/joint_{name}", call.kwargs[name])


def _record_results(recording: Recording, robot: Any) -> None:
    n, length = SAMPLES, robot.max_episode_length
    progress = torch.randint(0, length + 20, (n,))
    progress[:5] = torch.tensor([3, length - 2, length - 1, length, length + 1])
    recording.put("in/progress", progress)
    for name, first in (("", 3), ("last_step/", length - 1)):
        robot.progress_buf[:] = progress
        robot.progress_buf[0] = first
        robot.reset_buf[:] = 0
        robot.extras = {}
        robot.calculate_metrics()
        recording.put(f"out/{name}rewards", robot.rew_buf)
        recording.put(f"out/{name}resets", robot.reset_buf)
        if "successes" in robot.extras:
            recording.put(f"out/{name}successes", robot.extras["successes"])
    scale = robot.cfg_task.rl.keypoint_reward_scale
    if hasattr(robot, "nut_keypoint_dist"):
        recording.put("out/terms/nut_keypoints", -robot.nut_keypoint_dist * scale)
        recording.put("out/terms/finger_nut_keypoints", -robot.finger_nut_keypoint_dist * scale)
        succeeded = robot._get_curr_successes()
        recording.put("out/succeeded", succeeded)
        recording.put("out/failed", robot._get_curr_failures(succeeded))
    else:
        recording.put("out/terms/keypoints", -robot._get_keypoint_dist() * scale)
        check = getattr(robot, "_check_nut_close_to_bolt", None) or (lambda: robot._check_lift_success(3.0))
        recording.put("out/succeeded", check())


def _record_resets(recording: Recording, robot: Any) -> None:
    worlds = torch.arange(DRAWS)
    if hasattr(robot, "_randomize_gripper_pose"):
        robot.reset_idx(worlds, randomize_gripper_pose=False)
        robot._randomize_gripper_pose(worlds, sim_steps=0)
        recording.put_distribution("gripper_position", robot.ctrl_target_fingertip_midpoint_pos)
        recording.put_distribution("gripper_orientation", robot.ctrl_target_fingertip_midpoint_quat)
    else:
        robot.reset_idx(worlds)
    recording.put_distribution("joint_positions", robot.frankas.written("set_joint_positions"))
    for name, view in (("nut", robot.nuts), ("bolt", robot.bolts)):
        if any(call.name == "set_world_poses" for call in view.calls):
            recording.put_distribution(f"{name}_position", view.written("set_world_poses") - robot._env_pos)
            recording.put_distribution(f"{name}_orientation", view.written("set_world_poses", 1))


def _make(original: Path, task: str, n: int, **settings: Any) -> Any:
    """Return the original's task with tensors of a random state."""
    class_path = f"factory.{MODULES[task]}:{task}"
    robot = make_task(original, task, class_path, num_envs=n, **settings)
    robot.world._physics_sim_view = Stub()
    robot._env_pos = place_worlds(n, 1.5)
    environment: Any = import_module(f"{ROOT}.tasks.factory.factory_env_nut_bolt")
    environment.get_assets_root_path = lambda: ""
    module: Any = import_module(f"{ROOT}.tasks.factory.{MODULES[task]}")
    if hasattr(module, "asyncio"):
        module.asyncio = SimpleNamespace(ensure_future=lambda coroutine: coroutine.close())
    robot.import_franka_assets(add_to_stage=False)
    robot._import_env_assets(add_to_stage=False)
    robot.frankas, robot.nuts, robot.bolts = _views(robot, n)
    robot.post_reset()
    for refresh in (robot.refresh_base_tensors, robot.refresh_env_tensors, robot._refresh_task_tensors):
        refresh()
    return robot


def _views(robot: Any, n: int) -> tuple[RecordingView, RecordingView, RecordingView]:
    origins, table = robot._env_pos, torch.tensor([0.0, 0.0, robot.cfg_base.env.table_height])
    worlds = torch.arange(n).unsqueeze(-1)
    held, screwed, near = worlds % 4 == 1, worlds % 4 == 3, worlds % 4 == 0
    middle = table + torch.tensor([0.0, 0.0, 0.15]) + (torch.rand(n, 3) * 2 - 1) * 0.1
    noise = (torch.rand(n, 3) * 2 - 1) * 0.003
    middle = torch.where(held, table + torch.tensor([0.0, 0.0, 0.06]) + noise, middle)

    def pose(position: torch.Tensor, turn: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Return poses at a position, whose z axes point down up to a turn; exactly down where the nut is held."""
        orientation = torch.tensor([0.0, 1.0, 0.0, 0.0]) + torch.where(held, 0.0, turn) * torch.randn(n, 4)
        return position + origins, torch.nn.functional.normalize(orientation, dim=-1)

    def body(name: str, position: torch.Tensor, turn: float = 0.3) -> RecordingView:
        values = {
            "world_poses": pose(position, turn),
            "velocities": (torch.rand(n, 6) * 2 - 1) * 0.5,
            "net_contact_forces": (torch.rand(n, 3) * 2 - 1) * 5.0,
        }
        return RecordingView(name, n, values=values)

    side = torch.tensor([0.0, 0.03, 0.0])
    up = torch.tensor([0.0, 0.0, 0.05])
    jacobians, root = torch.zeros(n, 11, 6, 9), torch.randn(n, 9, 9)
    jacobians[:, READ_LINKS] = torch.randn(n, 3, 6, 9) * 0.4
    values = {
        "joint_positions": FRANKA_LIMITS[:, 0] + torch.rand(n, 9) * (FRANKA_LIMITS[:, 1] - FRANKA_LIMITS[:, 0]),
        "joint_velocities": torch.rand(n, 9) * 2 - 1,
        "jacobians": jacobians,
        "mass_matrices": root @ root.transpose(1, 2) * 0.1 + torch.eye(9) * 0.5,
    }
    parts = {
        "_hands": body("hands", middle + 2 * up),
        "_lfingers": body("lfingers", middle + up + side),
        "_rfingers": body("rfingers", middle + up - side),
        "_fingertip_centered": body("fingertip_centered", middle),
    }
    frankas = RecordingView("frankas", n, names={"dof": FRANKA_JOINTS}, values=values, **parts)
    place = torch.where(held, middle - torch.tensor([0.0, 0.0, 0.0174]), middle)  # the nut between the pads
    place = torch.where(screwed, table + noise, place)
    place = torch.where(near, table + (torch.rand(n, 3) * 2 - 1) * torch.tensor([0.02, 0.02, 0.05]), place)
    nuts = body("nuts", place)
    bolts = body("bolts", table + (torch.rand(n, 3) * 2 - 1) * 0.01, turn=0.05)
    upright = torch.nn.functional.normalize(torch.tensor([1.0, 0.0, 0.0, 0.0]) + 0.1 * torch.randn(n, 4), dim=-1)
    nuts.values["world_poses"] = (nuts.values["world_poses"][0], upright)
    bolts.values["world_poses"] = (bolts.values["world_poses"][0], upright)
    return frankas, nuts, bolts


def _compose(original: Path, name: str) -> Any:
    """Return a YAML file of the original, nested as Hydra nests it."""
    config: Any = OmegaConf.load(original / ROOT / "cfg" / name)
    config.pop("defaults", None)
    if not name.startswith("../"):
        return {name.split("/")[0]: config}
    return {"": {"": {"": {"tasks": {"factory": {"yaml": config}}}}}}
