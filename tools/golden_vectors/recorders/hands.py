"""Recorder of ShadowHand, its OpenAI variants and AllegroHand."""

import math
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from tools.golden_vectors.original import in_python, locals_of, make_task
from tools.golden_vectors.recorders.hand_robots import HANDS
from tools.golden_vectors.recording import Recording
from tools.golden_vectors.stubs import Stub
from tools.golden_vectors.views import RecordingView

__all__ = ["record"]

SAMPLES, DRAWS, SEED = 64, 2048, 0
METHOD = (
    "Joints within their limits; the object up to 0.2 m from its start along each axis, and in half of the worlds "
    "turned by at most 0.6 rad from the goal; progress up to the length of an episode, with the last steps in the "
    "first worlds; successes up to the maximum. Joints are in breadth-first order. Two steps of actions, without "
    "resets. Terms: local variables of the reward function. An observation type that raises an error is recorded "
    "as its message."
)


def record(original: Path, task: str) -> Iterator[Recording]:
    """Record observations, states, reward and its terms, endings, targets and resets."""
    recording = Recording(task, SEED, METHOD)
    types = HANDS[task].observation_types
    for kind in types:
        torch.manual_seed(SEED)
        hand = _make(original, task, SAMPLES, observationType=kind)
        _record_steps(recording, hand, kind, first=kind == types[0])
    if task == "ShadowHand":
        hand = _make(original, task, SAMPLES, useRelativeControl=True)
        hand.reset_buf[:] = 0
        for step in range(2):
            hand.pre_physics_step(torch.from_numpy(recording.arrays["in/actions"])[step])
            recording.put(f"out/relative_targets/{step}", hand._hands.written("set_joint_position_targets"))
        recording.put("in/relative_previous_targets", hand._hands.first("set_joint_position_targets"))
    many = _make(original, task, DRAWS)
    hands, objects, goals = many._hands, many._objects, many._goals
    recording.put_distribution("joint_positions", hands.written("set_joint_positions"))
    recording.put_distribution("joint_velocities", hands.written("set_joint_velocities"))
    recording.put_distribution("object_position", objects.written("set_world_poses") - many._env_pos)
    recording.put_distribution("object_orientation", objects.written("set_world_poses", 1))
    recording.put_distribution("goal_position", goals.written("set_world_poses") - many._env_pos)
    recording.put_distribution("goal_orientation", goals.written("set_world_poses", 1))
    yield recording


def _record_steps(recording: Recording, hand: Any, kind: str, *, first: bool) -> None:
    """Record two steps of actions, then observations of one type, and with the first type the results of the step."""
    hands, fingers = hand._hands, hand._hands._fingers
    _draw_state(hand)
    if first:
        recording.put_view(hands)
        recording.put("in/goal_position", hand.goal_pos)
        recording.put("in/goal_orientation", hand.goal_rot)
        recording.put("in/previous_targets", hand.prev_targets)
        views = {"objects": hand._objects} | ({"fingers": fingers} if hands.num_bodies > 1 else {})
        for name, view in views.items():
            position, orientation = view.values["world_poses"]
            count = view.count // hand.num_envs
            local = position - hand._env_pos.repeat_interleave(count, dim=0)
            recording.put(f"in/{name}/world_poses", (local, orientation))
            recording.put(f"in/{name}/velocities", view.values["velocities"])
    actions = torch.rand(2, SAMPLES, hand.num_actions) * 2 - 1
    for step in range(2):
        hand.pre_physics_step(actions[step])
        if first:
            recording.put(f"out/targets/{step}", hands.written("set_joint_position_targets"))
    if first:
        recording.put("in/actions", actions)
        recording.put("in/driven_joints", hands.last("set_joint_position_targets").kwargs["joint_indices"])
    try:
        hand.get_observations()
    except (AttributeError, RuntimeError) as error:
        recording.put(f"out/errors/{kind}", str(error).splitlines()[0])
        return
    recording.put(f"out/observations/{kind}", hand.obs_buf)
    if hand.num_states:
        recording.put("out/states", hand.states_buf)
    if first:
        _record_results(recording, hand)


def _record_results(recording: Recording, hand: Any) -> None:
    n, length = hand.num_envs, hand.max_episode_length
    progress = torch.randint(0, length, (n,))
    progress[:4] = torch.arange(length - 3, length + 1)
    successes = torch.randint(0, max(hand.max_consecutive_successes, 8), (n,)).float()
    hand.progress_buf[:] = progress
    hand.successes[:] = successes
    hand.consecutive_successes[:] = 3.5
    recording.put("in/progress", progress)
    recording.put("in/successes", successes)
    recording.put("in/consecutive_successes", hand.consecutive_successes)
    module = import_module("omniisaacgymenvs.tasks.shared.in_hand_manipulation")
    function = module.compute_hand_reward
    before = {name: getattr(hand, name).clone() for name in ("progress_buf", "successes", "consecutive_successes")}
    with in_python(module):
        terms = locals_of(function, hand.calculate_metrics)
    recording.put("out/terms/distance", terms["dist_rew"])
    recording.put("out/terms/rotation", terms["rot_rew"])
    recording.put("out/terms/actions", terms["action_penalty"] * terms["action_penalty_scale"])
    for name, value in before.items():
        getattr(hand, name)[:] = value
    hand.reset_buf[:] = 0
    hand.reset_goal_buf[:] = 0
    hand.calculate_metrics()
    recording.put("out/rewards", hand.rew_buf)
    recording.put("out/resets", hand.reset_buf)
    recording.put("out/goal_resets", hand.reset_goal_buf)
    recording.put("out/progress", hand.progress_buf)
    recording.put("out/successes", hand.successes)
    recording.put("out/consecutive_successes", hand.consecutive_successes)


def _draw_state(hand: Any) -> None:
    n, hands = hand.num_envs, hand._hands
    lower, upper = hand.hand_dof_lower_limits, hand.hand_dof_upper_limits
    hands.values |= {
        "joint_positions": lower + torch.rand(n, hands.num_dof) * (upper - lower),
        "joint_velocities": (torch.rand(n, hands.num_dof) * 2 - 1) * 5.0,
        "measured_joint_forces": (torch.rand(n, hands.num_bodies, 6) * 2 - 1) * 0.5,
    }
    axis = torch.nn.functional.normalize(torch.randn(n, 3), dim=-1)
    angle = torch.rand(n, 1) * 0.6
    angle[n // 2 :] = torch.rand(n - n // 2, 1) * math.pi
    turn = torch.cat(((angle / 2).cos(), (angle / 2).sin() * axis), dim=-1)
    utilities = import_module("omni.isaac.core.utils.torch.rotations")
    position = hand.object_init_pos + (torch.rand(n, 3) * 2 - 1) * 0.2
    pose = position + hand._env_pos, utilities.quat_mul(turn, hand.goal_rot)
    hand._objects.values |= {"world_poses": pose, "velocities": (torch.rand(n, 6) * 2 - 1) * 3.0}
    fingers = hands._fingers
    count = fingers.count // n
    local = torch.rand(n * count, 3) * 0.4
    orientation = torch.nn.functional.normalize(torch.randn(n * count, 4), dim=-1)
    fingers.values |= {
        "world_poses": (local + hand._env_pos.repeat_interleave(count, dim=0), orientation),
        "velocities": (torch.rand(n * count, 6) * 2 - 1) * 3.0,
    }
    hand.reset_buf[:] = 0
    hand.reset_goal_buf[:] = 0


def _make(original: Path, task: str, n: int, **env: Any) -> Any:
    """Return the original's task, just reset, on views."""
    robot = HANDS[task]
    overrides: dict[str, Any] = {f"task__env__{key}": value for key, value in env.items()}
    overrides["task__domain_randomization__randomize"] = False
    hand = make_task(original, task, robot.class_path, num_envs=n, **overrides)
    hand._env_pos = torch.stack((torch.arange(n) % 8, torch.arange(n) // 8 % 8, torch.zeros(n)), dim=-1) * 0.75
    module = import_module("omniisaacgymenvs.tasks.base.rl_task")
    initialize, module.RLTask.initialize_views = module.RLTask.initialize_views, lambda *_: None
    hand.get_hand_view = lambda _: None
    hand.initialize_views(Stub())
    module.RLTask.initialize_views = initialize
    driven = sorted(robot.joints.index(name) for name in robot.driven)
    hands = RecordingView(
        "hands",
        n,
        names={"dof": robot.joints, "body": robot.links},
        values={"dof_limits": torch.tensor(robot.limits).repeat(n, 1, 1)},
        _fingers=RecordingView("fingers", n * 5),
        actuated_dof_indices=driven,
        _sensor_indices=[robot.links.index(name) for name in robot.fingertips],
    )
    hand._hands = hands
    start = hand.object_start_translation + hand._env_pos
    pose = start, torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(n, 1)
    hand._objects = RecordingView("objects", n, values={"world_poses": pose, "velocities": torch.zeros(n, 6)})
    hand._goals = RecordingView("goals", n)
    hand.post_reset()
    return hand
