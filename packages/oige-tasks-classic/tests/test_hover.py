"""What Crazyflie, Ingenuity and Quadcopter share: free fall, targets, and that a hand-written controller can hover."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.math import quat_apply_inverse
from oige_core.testing import assert_fills_range, make_env_on

TASKS = ["Crazyflie", "Ingenuity", "Quadcopter"]
NO_THRUST = {"Crazyflie": -1.0, "Ingenuity": 0.0, "Quadcopter": 0.0}
"""Value of actions at which nothing pushes."""
GRAVITY = {"Crazyflie": 9.81, "Ingenuity": 3.721, "Quadcopter": 9.81}
DT = 0.01


@pytest.mark.parametrize("name", TASKS)
def test_robot_falls_through_its_target_without_thrust(name: str) -> None:
    """From rest, n steps of the integrator bring it down by g dt² n (n + 1) / 2, ball or no ball."""
    env = make_env_on("c", name, 2)
    env.reset(seed=0)
    task: Any = env.task
    task.vehicles.set_world_poses(torch.tensor([[0.1, -0.2, 2.0]] * 2))
    task.targets[:] = torch.tensor([0.1, -0.2, 1.9])
    task.balls.set_world_poses(task.targets)
    for n in range(1, 31):
        env.step(torch.full((2, env.task.spec.num_actions), NO_THRUST[name]))
        position, orientation = task.vehicles.get_world_poses()
        assert position[1, 2].item() == pytest.approx(2.0 - GRAVITY[name] * DT**2 * n * (n + 1) / 2, abs=1e-5)
        torch.testing.assert_close(position[:, :2], torch.tensor([[0.1, -0.2]] * 2), atol=1e-5, rtol=0)
        torch.testing.assert_close(orientation, torch.tensor([[1.0, 0.0, 0.0, 0.0]] * 2), atol=1e-5, rtol=0)
    env.close()


@pytest.mark.parametrize(
    ("name", "start", "target"),
    [
        ("Crazyflie", [(-0.5, 0.5), (-0.5, 0.5), (0.7, 1.3)], [(-0.5, 0.5), (-0.5, 0.5), (1.5, 2.5)]),
        ("Ingenuity", [(-0.5, 0.5), (-0.5, 0.5), (0.5, 1.5)], [(-1.0, 1.0), (-1.0, 1.0), (1.0, 2.0)]),
        ("Quadcopter", [(-1.5, 1.5), (-1.5, 1.5), (0.8, 2.5)], None),
    ],
)
def test_resets_cover_their_ranges_and_move_the_target_marker(name: str, start: Any, target: Any) -> None:
    env = make_env_on("c", name, 4096)
    env.reset(seed=1)
    task: Any = env.task
    assert_fills_range(task.vehicles.get_world_poses()[0], *torch.tensor(start).unbind(-1))
    if target:
        assert_fills_range(task.targets, *torch.tensor(target).unbind(-1))
    else:
        assert task.targets.unique(dim=0).tolist() == [[0.0, 0.0, 1.0]]
    torch.testing.assert_close(task.balls.get_world_poses()[0], task.targets)
    assert not task.vehicles.get_velocities().any()
    env.close()


@pytest.mark.parametrize("name", ["Crazyflie", "Ingenuity"])
def test_targets_move_after_500_steps(name: str) -> None:
    env = make_env_on("c", name, 3)
    env.reset(seed=0)
    task: Any = env.task
    first = task.targets.clone()
    task.progress_buf[:] = torch.tensor([0, 499, 500])  # steps done so far
    task.pre_physics_step(torch.zeros(3, env.task.spec.num_actions))
    assert (task.targets != first).any(dim=-1).tolist() == [False, False, True]
    torch.testing.assert_close(task.balls.get_world_poses()[0], task.targets)
    env.close()


@pytest.mark.parametrize("name", TASKS)
def test_executors_agree(name: str) -> None:
    """Under the same actions, with everything that spins and swivels; the noise of thrust is the same too."""
    generator = torch.Generator().manual_seed(3)
    envs = [make_env_on(executor, name, 4) for executor in ("c", "warp-cpu")]
    traces = [[env.reset(seed=4)[0]] for env in envs]
    for _ in range(20):
        actions = torch.rand(4, envs[0].task.spec.num_actions, generator=generator) * 2 - 1
        # Resets draw from the random stream as well, on each executor for another number of worlds.
        seed = int(torch.randint(1000, (), generator=generator))
        for env, trace in zip(envs, traces, strict=True):
            env.task.seed(seed)
            observations, _, terminated, truncated, _ = env.step(actions)
            assert not (terminated | truncated).any()
            trace.append(observations)
    torch.testing.assert_close(torch.stack(traces[0]), torch.stack(traces[1]), atol=2e-3, rtol=1e-3)
    for env in envs:
        env.close()


# --------------------------------------------------------------------------------------------------- controllers


def lean(task: Any, direction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a direction ``(N, 3)`` of the world as seen from the vehicles, and their angular velocities, too."""
    return tuple(quat_apply_inverse(task.flight.orientation, v) for v in (direction, task.flight.velocity[:, 3:]))  # type: ignore


def wanted_acceleration(task: Any, kp: float, kd: float, gravity: float, most: float) -> torch.Tensor:
    """Return the acceleration ``(N, 3)`` that thrust shall give: a spring and a damper to the target, and hovering."""
    pull = kp * task.flight.to_target - kd * task.flight.velocity[:, :3]
    horizontal = pull[:, :2] * (most / pull[:, :2].norm(dim=-1, keepdim=True).clamp(min=most))
    return torch.cat((horizontal, (pull[:, 2:] + gravity).clamp(min=0.25 * gravity, max=2.0 * gravity)), dim=-1)


def torque_to(axis: torch.Tensor, rate: torch.Tensor, kp: float, kd: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return angular accelerations about the body's x and y that turn its z axis to ``axis`` ``(N, 3)``."""
    axis = torch.nn.functional.normalize(axis, dim=-1)
    return -kp * axis[:, 1] - kd * rate[:, 0], kp * axis[:, 0] - kd * rate[:, 1]


def fly_crazyflie(task: Any) -> torch.Tensor:
    """Tilt towards the target; thrusts are even but for what turns it."""
    axis, rate = lean(task, wanted_acceleration(task, 4.0, 3.4, 9.81, 4.0))
    about_x, about_y = torque_to(axis, rate, 100.0, 16.0)
    x, y = 0.1625 * torch.tensor([[1.0, -1, -1, 1], [-1.0, -1, 1, 1]])
    turn = (4.2e-4 / (4 * 0.1625**2)) * (about_x.unsqueeze(-1) * y - about_y.unsqueeze(-1) * x)
    return 2.0 * (0.25 * 0.028 * axis[:, 2:].clamp(min=1.0) + turn) / (9.81 * 0.028 * 1.9 / 4) - 1.0


def fly_ingenuity(task: Any) -> torch.Tensor:
    """Tilt towards the target by the same cyclic pitch of both rotors, which share the thrust."""
    axis, rate = lean(task, wanted_acceleration(task, 2.0, 2.4, 3.721, 3.0))
    about_x, about_y = torque_to(axis, rate, 100.0, 16.0)
    thrust = 0.5 * 1.8 * axis[:, 2:].clamp(min=1.0)
    lever = 0.125 + 0.225 - 2 * 0.03  # of both rotors above the centre of mass, m
    lateral = 0.041 / lever * torch.stack((about_y, -about_x), dim=-1)
    return torch.cat((lateral / (0.2 * thrust), thrust / 20.0), dim=-1).repeat(1, 2)


def fly_quadcopter(task: Any) -> torch.Tensor:
    """Stay upright and let the gimbals turn thrust to where it is wanted."""
    axis, rate = lean(task, wanted_acceleration(task, 8.0, 5.0, 9.81, 4.0))
    upright, _ = lean(task, task.upright.expand(task.num_envs, 3))
    about_x, about_y = torque_to(upright, rate, 60.0, 14.0)
    angle = torch.tensor([45.0, 135.0, 225.0, 315.0]) * math.pi / 180
    turn = 2.7e-3 / (2 * 0.145) * (about_x.unsqueeze(-1) * angle.sin() - about_y.unsqueeze(-1) * angle.cos())
    thrusts = 0.25 * 0.2515 * axis.norm(dim=-1, keepdim=True) + turn
    axis = torch.nn.functional.normalize(axis, dim=-1)
    outward = axis[:, :1] * angle.cos() + axis[:, 1:2] * angle.sin()
    sideways = axis[:, 1:2] * angle.cos() - axis[:, :1] * angle.sin() - (0.15 * rate[:, 2:]).clamp(-0.3, 0.3)
    gimbals = torch.cat((torch.atan2(outward, axis[:, 2:]), -torch.asin(sideways.clamp(-0.5, 0.5))), dim=-1)
    return torch.cat(((gimbals - task.angle_targets) / (0.08 * math.pi), thrusts - task.thrusts), dim=-1)


@pytest.mark.parametrize(
    ("name", "fly", "least", "highest"),
    [
        ("Crazyflie", fly_crazyflie, 1150.0, 700 * 2.06),
        ("Ingenuity", fly_ingenuity, 4700.0, 6000.0),
        ("Quadcopter", fly_quadcopter, 1250.0, 1500.0),
    ],
)
def test_controller_flies_to_its_targets_and_hovers(
    name: str, fly: Callable[[Any], torch.Tensor], least: float, highest: float
) -> None:
    """For a whole episode from random places, through all changes of target. Before each change it is there."""
    env = make_env_on("c", name, 16)
    env.reset(seed=0)
    task: Any = env.task
    length, info = task.max_episode_length, {}
    for step in range(length):
        distance = task.flight.distance.clone()
        if step in (499, 999, 1499, 1999):
            assert distance.max() < 0.05
        _, _, terminated, truncated, info = env.step(fly(task))
        assert not terminated.any()
        assert truncated.all() == (step == length - 1)
    assert least < info["episode_means"]["return"].item() < highest
    env.close()
