"""FactoryTaskNutBoltScrew: the thread moves the nut, the fingers hold it, and nothing else does either."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from oige_core import ConfigError, load_config, make_vec
from oige_core.math import quat_apply
from oige_tasks_manipulation.factory.screw import find_failures, make_unidirectional
from oige_tasks_manipulation.factory.sizes import SIZES

PITCH = 0.002  # m
SHANK = 0.025  # m
DOWN, ROUND = 2, 5  # actions


@contextmanager
def screw(worlds: int, **env: Any) -> Iterator[Any]:
    """Make the task after a reset, without ends of episodes."""
    settings = {f"task.env.{key.replace('__', '.')}": value for key, value in env.items()}
    made = make_vec("FactoryTaskNutBoltScrew", worlds, settings, sim_device="cpu", num_threads=1)
    made.reset(seed=3)
    task: Any = made.task
    task.no_timeout = torch.ones(worlds, dtype=torch.bool)
    yield made
    assert not any(made.problems().values())
    made.close()


def act(down: float, around: float, worlds: int) -> torch.Tensor:
    """Return actions of fractions of the largest displacement down and of the largest rotation."""
    actions = torch.zeros(worlds, 12)
    actions[:, DOWN], actions[:, ROUND] = 2.0 * down - 1.0, 2.0 * around - 1.0
    return actions


def headings(task: Any) -> torch.Tensor:
    """Return the yaws of nuts and hands ``(2, N)``, in turns."""
    axis = torch.tensor([1.0, 0.0, 0.0]).expand(task.num_envs, 3)
    orientations = task.nuts.get_world_poses()[1], task.get_fingertips().orientation
    directions = torch.stack([quat_apply(each, axis) for each in orientations])
    return torch.atan2(directions[..., 1], directions[..., 0]) / (2.0 * math.pi)


def run(env: Any, actions: list[torch.Tensor]) -> torch.Tensor:
    """Step, and return by how much nuts and hands have turned ``(2, N)``, in turns, positive downwards."""
    turned, last = torch.zeros(2, env.num_envs), headings(env.task)
    for action in actions:
        env.step(action)
        now = headings(env.task)
        turned -= torch.remainder(now - last + 0.5, 1.0) - 0.5
        last = now
    return turned


def test_nut_descends_by_its_pitch_per_turn_of_the_hand() -> None:
    with screw(4, randomize__start_along_bolt=0.8) as env:
        task = env.task
        run(env, [act(0.2, 0.0, 4)] * 20)
        heights = task.height.clone()
        assert heights.max() - heights.min() > PITCH
        nut, hand = run(env, [act(0.2, 0.3, 4)] * 100)
        assert (nut > 0.4).all()
        torch.testing.assert_close(hand, nut, atol=0.01, rtol=0.0)
        torch.testing.assert_close(heights - task.height, PITCH * nut, atol=0.05 * PITCH, rtol=0.0)
        assert not task.failures.any().any()


def test_long_solver_steps_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for substeps in (3, 4):
        make_vec("FactoryTaskNutBoltScrew", 1, {"task.sim.substeps": substeps}, sim_device="cpu").close()
    assert caplog.messages == [
        "task.sim.substeps=3: nuts may jump over the thread in solver steps of 2.78 ms; set 4 or more."
    ]


def test_push_without_a_turn_does_not_move_the_nut_down() -> None:
    with screw(2, randomize__start_along_bolt=0.8) as env:
        task = env.task
        run(env, [act(0.2, 0.0, 2)] * 20)
        height, force = task.height.clone(), torch.tensor([[0.0, 0.0, -10.0]]).expand(2, 3)
        task.nuts.apply_forces(force)
        turned = run(env, [act(0.2, 0.0, 2)] * 60)
        assert turned.abs().max() < 0.02
        assert (task.height - height).abs().max() < 0.1 * PITCH


def test_nut_stays_on_the_helix_under_rough_actions() -> None:
    """On the thread; beside the bolt and above it, there is no helix."""
    generator = torch.Generator().manual_seed(5)
    with screw(8, randomize__start_along_bolt=0.8) as env:
        task = env.task
        run(env, [act(0.2, 0.0, 8)] * 20)
        height = task.height.clone()
        on_thread = height < SHANK - 2.0 * PITCH
        assert on_thread.sum() >= 4
        turned = torch.zeros(8)
        for _ in range(30):
            held = torch.empty(8, 12).uniform_(-1.0, 1.0, generator=generator)
            turned += run(env, [held] * 6)[0]
            off = (height - task.height) / PITCH - turned
            assert off[on_thread].abs().max() < 0.2
        assert turned[on_thread].max() > 0.5


def test_fine_threads_hold_under_the_largest_actions() -> None:
    """Of M4, with a pitch of 0.7 mm, whose nuts are 40 times lighter than those of M16."""
    generator = torch.Generator().manual_seed(1)
    with screw(8, nutBoltSizes=["M4"], randomize__start_along_bolt=0.8) as env:
        task = env.task
        run(env, [act(0.2, 0.0, 8)] * 10)
        height, turned = task.height.clone(), torch.zeros(8)
        on_thread = height < task.shank_length - 2.0 * task.thread_pitch
        assert on_thread.sum() >= 4
        for _ in range(4):
            held = torch.randint(0, 2, (8, 12), generator=generator) * 2.0 - 1.0
            turned += run(env, [held] * 30)[0]
            off = (height - task.height) / task.thread_pitch - turned
            assert off[on_thread].abs().max() < 0.15
        assert turned[on_thread].max() > 0.5


@pytest.mark.parametrize("ends", [True, False])
def test_lost_nuts_end_episodes_if_chosen(ends: bool) -> None:
    with screw(3, rl__end_failed_episodes=ends) as env:
        task = env.task
        task.no_timeout = None
        task.nuts.set_world_poses(torch.tensor([[0.5, 0.0, 0.6]]).expand(3, 3))
        *_, terminated, truncated, _ = env.step(act(0.0, 0.0, 3))
        assert task.failures.far.all()
        assert terminated.tolist() == [ends] * 3
        assert not truncated.any()


def test_starts_along_the_bolt_are_on_the_thread_and_in_the_grip() -> None:
    """Heights differ by sixths of a pitch, and the fingers are as far above the nut as at the tip."""
    with screw(64, randomize__start_along_bolt=0.8) as env:
        task = env.task
        position, orientation = task.nuts.get_world_poses()
        height = position[:, 2] - 0.4
        on_tip = (height - SHANK).abs() < 1e-6
        assert 4 <= on_tip.sum() <= 24
        assert height.min() < 0.4 * SHANK
        yaw = 2.0 * torch.atan2(orientation[:, 3], orientation[:, 0])
        phase = height / PITCH - yaw / (2.0 * math.pi)
        torch.testing.assert_close(phase[~on_tip], phase[~on_tip].round(), atol=1e-3, rtol=0.0)
        offset = task.get_fingertips().position[:, 2] - task.get_nut_centres()[0][:, 2]
        assert offset.max() - offset.min() < 2e-4
        flats = torch.remainder(yaw - math.radians(30.0) + 0.1, math.pi / 3.0) - 0.1
        assert flats.abs().max() < 1e-3
        assert (task.engine.deepest_penetration("nut", "bolt") < 1e-4).all()


@pytest.mark.parametrize("along", [0.0, 0.8])
def test_fingers_hold_nuts_of_all_sizes(along: float) -> None:
    """The fingertips are level with the nut's base, and turn it."""
    with screw(10, nutBoltSizes=list(SIZES), randomize__start_along_bolt=along) as env:
        task = env.task
        base = task.get_nut_centres()[0][:, 2] - 0.5 * task.nut_height
        torch.testing.assert_close(task.get_fingertips().position[:, 2], base, atol=2e-4, rtol=0.0)
        nut, hand = run(env, [act(0.2, 0.3, 10)] * 30)
        assert (nut > 0.1).all()
        torch.testing.assert_close(hand, nut, atol=0.01, rtol=0.0)
        assert not task.failures.any().any()


def test_unidirectional_actions_are_between_none_and_the_largest() -> None:
    actions = torch.tensor([[-1.0, 0.0, 1.0, 0.5], [1.0, -1.0, -0.5, 0.0]])
    chosen = torch.tensor([1.0, 0.0, 1.0, 0.0])
    expected = torch.tensor([[0.0, 0.0, -1.0, 0.5], [-1.0, -1.0, -0.25, 0.0]])
    torch.testing.assert_close(make_unidirectional(actions, chosen), expected)


def test_failures_by_hand() -> None:
    """M16: the tip is at 0.441 m, the middle of a nut on it at 0.4475 m, its target at 0.4225 m; pads reach 15.3 mm."""
    nut = torch.tensor([[0.0, 0.0, 0.4475], [0.0079, 0.0, 0.44], [0.0, -0.0081, 0.44], [0.0, 0.0081, 0.448]])
    found = find_failures(
        nut=nut,
        distance=torch.tensor([0.025, 0.1001, 0.0999, 0.009]),
        distance_from_pads=torch.tensor([0.0153, 0.0154, 0.0152, 0.5]),
        succeeded=torch.tensor([False, False, False, True]),
        nut_height=torch.full((4,), 0.013),
        bolt_radius=torch.full((4,), 0.008),
        tip_height=torch.full((4,), 0.441),
        far=0.1,
    )
    assert found.far.tolist() == [False, True, False, False]
    assert found.slipped.tolist() == [False, True, False, False]
    assert found.fallen.tolist() == [False, False, True, False]
    assert found.any().tolist() == [False, True, True, False]


def test_three_gains_of_two_fingers_are_refused() -> None:
    settings = {f"task.env.ctrl.all.gripper_{name}_gains": [1.0, 1.0, 1.0] for name in ("prop", "deriv")}
    with pytest.raises(ConfigError) as caught:
        load_config("FactoryTaskNutBoltScrew", overrides=settings)
    assert str(caught.value) == (
        "task.env.ctrl.all.gripper_prop_gains=[1.0, 1.0, 1.0]: expected 2 values, one for each finger, but there are 3."
    )


def test_settings_without_effect_are_refused() -> None:
    settings = {"task.env.rl.end_failed_episodes": False, "task.env.rl.failure_penalty": 1.0}
    with pytest.raises(ConfigError, match=r"failure_penalty=1.0: expected 0.*end_failed_episodes=True"):
        load_config("FactoryTaskNutBoltScrew", overrides=settings)
    with pytest.raises(ConfigError, match=r"start_along_bolt=1.5: expected 0 to 1"):
        load_config("FactoryTaskNutBoltScrew", overrides={"task.env.randomize.start_along_bolt": 1.5})
