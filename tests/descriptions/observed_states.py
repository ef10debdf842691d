"""What observations of each task contain, read from the simulation without the task's own code."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import torch
from oige_core.math import heading_roll_up, quat_apply, quat_apply_inverse, quat_conjugate, quat_mul, quat_to_matrix

__all__ = ["OBSERVED", "OF_LAYOUTS", "STATES", "State"]

State = Callable[[Any], torch.Tensor]


def joints(view: str, name: str, pattern: str = ".") -> State:
    def read(task: Any) -> torch.Tensor:
        robots = getattr(task, view)
        kept = [i for i, joint in enumerate(robots.dof_names) if re.match(pattern, joint)]
        return getattr(robots, f"get_joint_{name}")(joint_indices=kept)

    return read


def motion(view: str, part: slice) -> State:
    return lambda task: getattr(task, view).get_velocities()[:, part]


def in_body_frame(view: str, part: slice) -> State:
    def read(task: Any) -> torch.Tensor:
        robots = getattr(task, view)
        return quat_apply_inverse(robots.get_world_poses()[1], robots.get_velocities()[:, part])

    return read


def attitude(part: slice) -> State:
    def read(task: Any) -> torch.Tensor:
        position, rotation = task.robots.get_world_poses()
        to_target = torch.tensor([1000.0, 0.0]) - position[:, :2]
        return heading_roll_up(rotation, to_target, to_target.norm(dim=-1))[:, part]

    return read


def gravity(task: Any) -> torch.Tensor:
    return quat_apply_inverse(task.anymals.get_world_poses()[1], torch.tensor([[0.0, 0.0, -1.0]]).expand(2, 3))


def legs_feel(part: slice) -> State:
    def read(task: Any) -> torch.Tensor:
        links = [task.tables.get_link_index(f"upper_leg{leg}") for leg in range(3)]
        return task.tables.get_measured_joint_forces(joint_indices=links)[..., part].transpose(1, 2).flatten(1)

    return read


def wrenches(task: Any, view: str, names: Sequence[str]) -> torch.Tensor:
    robots = getattr(task, view)
    links = [robots.get_link_index(name) for name in names]
    return robots.get_measured_joint_forces(joint_indices=links).flatten(1)


def normalised_positions(view: str) -> State:
    def read(task: Any) -> torch.Tensor:
        robots = getattr(task, view)
        low, high = robots.get_dof_limits()[0].unbind(-1)
        return (2.0 * robots.get_joint_positions() - low - high) / (high - low)

    return read


def to_handle(task: Any) -> torch.Tensor:
    hand, rotation = task.hands.get_world_poses()
    grasp = hand + quat_apply(rotation, torch.tensor([[0.0, 0.04, 0.107 + 0.0584]]).expand(2, 3))
    return task.drawers.get_world_poses()[0] + torch.tensor([0.3, 0.01, 0.0]) - grasp


def between_fingers(task: Any) -> torch.Tensor:
    return 0.5 * (task.left_fingers.get_world_poses()[0] + task.right_fingers.get_world_poses()[0])


def tube_end(task: Any, what: str, node: int) -> torch.Tensor:
    return getattr(task.tubes, f"get_simulation_mesh_nodal_{what}")()[:, node]


def clearance(task: Any) -> torch.Tensor:
    position, rotation = task.anymals.get_world_poses()
    ahead = quat_apply(rotation, torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3))[:, :2]
    heights = task.ground.sample_around(position[:, :2], ahead / ahead.norm(dim=-1, keepdim=True))
    return (position[:, 2:] - 0.5 - heights).clamp(-1.0, 1.0)


def fingertips(task: Any) -> torch.Tensor:
    hand = task.fingertips.get_world_poses()[1]
    along = quat_apply(hand, torch.tensor([[0.0, 0.0, 0.053671]]).expand(2, 3))
    return task.fingers.get_world_poses()[0].sum(dim=1) / 2 + along


def fingertips_speed(task: Any) -> torch.Tensor:
    linear, angular = task.fingertips.get_velocities().split(3, dim=-1)
    return linear + torch.linalg.cross(angular, fingertips(task) - task.fingertips.get_world_poses()[0])


def nut_middle(task: Any) -> torch.Tensor:
    position, rotation = task.nuts.get_world_poses()
    return position + quat_apply(rotation, torch.tensor([[0.0, 0.0, 0.016 + 0.0065]]).expand(2, 3))


def like_start(task: Any, yaw: float) -> torch.Tensor:
    """Orientation of the hexagon, of six, that is closest to a yaw in the gripper."""
    hand, nut = (view.get_world_poses()[1] for view in (task.fingertips, task.nuts))
    flip = torch.tensor([[0.0, 0.0, -1.0, 0.0]]).expand(2, 4)
    expected = quat_mul(quat_mul(hand, flip), about_z(torch.full((2,), yaw)))
    turned = torch.stack([quat_mul(nut, about_z(torch.full((2,), k * math.pi / 3))) for k in range(-3, 4)])
    best = (turned * expected).sum(dim=-1).abs().argmax(dim=0)
    chosen = turned[best, torch.arange(2)]
    return chosen * (chosen * expected).sum(dim=-1, keepdim=True).sign()


def about_z(angle: torch.Tensor) -> torch.Tensor:
    zero = torch.zeros_like(angle)
    return torch.stack(((angle / 2).cos(), zero, zero, (angle / 2).sin()), dim=-1)


def seen_by_place(task: Any) -> torch.Tensor:
    nut, bolt = task.nuts.get_world_poses(), task.bolts.get_world_poses()
    tips = [state(task) for state in FACTORY]
    return torch.cat((*tips, nut[0], like_start(task, math.pi / 2), *bolt), dim=-1)


def seen_by_screw(task: Any) -> torch.Tensor:
    """Poses and velocities in a frame on the bolt's axis, in which the gripper's x axis points against x."""
    x = quat_apply(task.fingertips.get_world_poses()[1], torch.tensor([[-1.0, 0.0, 0.0]]).expand(2, 3))
    back = about_z(-torch.atan2(x[:, 1], x[:, 0]))
    axis = task.bolts.get_world_poses()[0] * torch.tensor([1.0, 1.0, 0.0])
    linear, angular = task.nuts.get_velocities().split(3, dim=-1)
    middle = nut_middle(task)
    linear = linear + torch.linalg.cross(angular, middle - task.nuts.get_world_poses()[0])
    position, orientation, speed, turn = (state(task) for state in FACTORY)
    return torch.cat(
        (
            quat_apply(back, position - axis),
            quat_mul(back, orientation),
            quat_apply(back, speed),
            quat_apply(back, turn),
            quat_apply(back, middle - axis),
            quat_mul(back, like_start(task, math.pi / 6)),
            quat_apply(back, linear),
            quat_apply(back, angular),
            torch.zeros(2, 6),
        ),
        dim=-1,
    )


def nut_middle_speed(task: Any) -> torch.Tensor:
    linear, angular = task.nuts.get_velocities().split(3, dim=-1)
    return linear + torch.linalg.cross(angular, nut_middle(task) - task.nuts.get_world_poses()[0])


LINEAR, ANGULAR = slice(0, 3), slice(3, 6)
FLIGHT: list[State] = [
    lambda task: task.targets - task.vehicles.get_world_poses()[0],
    lambda task: task.vehicles.get_world_poses()[1],
    motion("vehicles", LINEAR),
    motion("vehicles", ANGULAR),
]
COMMANDED: list[State] = [
    in_body_frame("anymals", LINEAR),
    in_body_frame("anymals", ANGULAR),
    gravity,
    lambda task: task.commands[:, :2],
    lambda task: task.commands[:, 2:],
    lambda task: task.anymals.get_joint_positions() - task.default_positions,
    joints("anymals", "velocities"),
]
RUN: list[State] = [
    lambda task: task.robots.get_world_poses()[0][:, 2:],
    in_body_frame("robots", LINEAR),
    in_body_frame("robots", ANGULAR),
    attitude(slice(0, 2)),
    attitude(slice(2, 3)),
    attitude(slice(3, 4)),
    attitude(slice(4, 5)),
    normalised_positions("robots"),
    joints("robots", "velocities"),
    lambda task: wrenches(task, "robots", task.feet),
    lambda task: task.actions,
]
FINGERTIP_LINKS = [f"robot0_{finger}distal" for finger in ("ff", "mf", "rf", "lf", "th")]
IN_HAND: list[State] = [
    normalised_positions("hands"),
    joints("hands", "velocities"),
    lambda task: task.objects.get_world_poses()[0],
    lambda task: task.objects.get_world_poses()[1],
    motion("objects", LINEAR),
    motion("objects", ANGULAR),
    lambda task: task.goals.get_world_poses()[0] - torch.tensor([-0.2, -0.06, 0.12]),  # where the goal is shown
    lambda task: task.goals.get_world_poses()[1],
    lambda task: quat_mul(task.objects.get_world_poses()[1], quat_conjugate(task.goals.get_world_poses()[1])),
]
FINGERTIPS: list[State] = [
    lambda task: task.fingertips.get_world_poses()[0].flatten(1),
    lambda task: task.fingertips.get_world_poses()[1].flatten(1),
]
HAND: list[State] = [
    *IN_HAND,
    *FINGERTIPS,
    lambda task: task.fingertips.get_velocities().flatten(1),
]
SEEN_BY_CAMERAS: list[State] = [FINGERTIPS[0], IN_HAND[2], IN_HAND[-1], lambda task: task.actions]
FACTORY: list[State] = [
    fingertips,
    lambda task: task.fingertips.get_world_poses()[1],
    fingertips_speed,
    motion("fingertips", ANGULAR),
]
OBSERVED: dict[str, list[State]] = {
    "AllegroHand": [*IN_HAND, lambda task: task.actions],
    "Ant": RUN,
    "Anymal": [*COMMANDED, lambda task: task.actions],
    "AnymalTerrain": [*COMMANDED, clearance, lambda task: task.actions],
    "BallBalance": [
        joints("tables", "positions", "lower"),
        joints("tables", "velocities", "lower"),
        lambda task: task.balls.get_world_poses()[0],
        lambda task: task.balls.get_linear_velocities(),
        legs_feel(slice(0, 1)),
        legs_feel(slice(3, 6)),
    ],
    "Cartpole": [
        joints("cartpoles", "positions", "cart"),
        joints("cartpoles", "velocities", "cart"),
        joints("cartpoles", "positions", "pole"),
        joints("cartpoles", "velocities", "pole"),
    ],
    "Crazyflie": [
        FLIGHT[0],
        lambda task: quat_to_matrix(task.vehicles.get_world_poses()[1]).transpose(1, 2).flatten(1),
        *FLIGHT[2:],
    ],
    "FactoryTaskNutBolt": [
        lambda task: torch.tensor([[1.0, 0.0, 0.0]]).expand(2, 3),
        lambda task: torch.cat([state(task) for state in OBSERVED["FactoryTaskNutBoltPick"]], dim=-1),
        seen_by_place,
        seen_by_screw,
    ],
    "FactoryTaskNutBoltPick": [
        *FACTORY,
        nut_middle,
        lambda task: quat_mul(task.nuts.get_world_poses()[1], torch.tensor([[0.0, 0.0, 1.0, 0.0]]).expand(2, 4)),
    ],
    "FactoryTaskNutBoltPlace": [
        *FACTORY,
        lambda task: task.nuts.get_world_poses()[0],
        lambda task: task.nuts.get_world_poses()[1],
        lambda task: task.bolts.get_world_poses()[0],
        lambda task: task.bolts.get_world_poses()[1],
    ],
    "FactoryTaskNutBoltScrew": [
        *FACTORY,
        nut_middle,
        lambda task: task.nuts.get_world_poses()[1],
        nut_middle_speed,
        motion("nuts", ANGULAR),
        lambda task: torch.zeros(2, 6),
    ],
    "FrankaCabinet": [
        normalised_positions("frankas"),
        joints("frankas", "velocities"),
        to_handle,
        joints("cabinets", "positions", "drawer_top"),
        joints("cabinets", "velocities", "drawer_top"),
    ],
    "FrankaDeformable": [
        normalised_positions("frankas"),
        joints("frankas", "velocities"),
        lambda task: tube_end(task, "positions", 98) - between_fingers(task),
        lambda task: torch.tensor([0.36, 0.0, 0.23]) - tube_end(task, "positions", 98),
        lambda task: torch.tensor([0.5, 0.2, 0.0]) - tube_end(task, "positions", 262),
        lambda task: tube_end(task, "positions", 98),
        lambda task: tube_end(task, "velocities", 98),
        lambda task: tube_end(task, "positions", 262),
        lambda task: tube_end(task, "velocities", 262),
    ],
    "Humanoid": RUN,
    "Ingenuity": FLIGHT,
    "Quadcopter": [
        *FLIGHT,
        joints("vehicles", "positions", "rotor_pitch"),
        joints("vehicles", "positions", "rotor_roll"),
    ],
    "ShadowHand": [*HAND, lambda task: task.actions],
    "ShadowHandOpenAI_FF": SEEN_BY_CAMERAS,
}
"""What observations of two worlds contain before scales, in order: tensors ``(2, …)`` read from the simulation."""

STATES: list[State] = [*HAND, lambda task: wrenches(task, "hands", FINGERTIP_LINKS), lambda task: task.actions]
"""What the privileged states of a Shadow Hand contain, as in :data:`OBSERVED`."""

OF_LAYOUTS: dict[tuple[str, str], list[State]] = {
    ("AllegroHand", "full_no_vel"): [IN_HAND[0], *IN_HAND[2:4], *IN_HAND[6:], lambda task: task.actions],
    ("ShadowHand", "full_no_vel"): [
        IN_HAND[0],
        *IN_HAND[2:4],
        *IN_HAND[6:],
        FINGERTIPS[0],
        lambda task: task.actions,
    ],
    ("ShadowHand", "openai"): SEEN_BY_CAMERAS,
    ("ShadowHand", "full_state"): STATES,
}
"""As :data:`OBSERVED`, by task and ``observationType``."""
