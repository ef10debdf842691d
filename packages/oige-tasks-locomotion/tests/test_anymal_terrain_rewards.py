"""Rewards of AnymalTerrain against numbers computed by hand."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from anymal_terrain_worlds import BORDER, close, configuration, make, put
from oige_core import VecEnv
from oige_tasks_locomotion.anymal_terrain.rewards import Motion, reward_terms, reward_weights


@pytest.fixture(scope="module")
def env() -> Iterator[VecEnv]:
    env = make()
    yield env
    env.close()


def motion(**values: Any) -> Motion:
    n = 2
    zeros: dict[str, Any] = {
        "linear_velocity": torch.zeros(n, 3),
        "angular_velocity": torch.zeros(n, 3),
        "gravity": torch.tensor([[0.0, 0.0, -1.0]]).repeat(n, 1),
        "height": torch.full((n,), 0.77),
        "ground": torch.tensor([[0.2, 0.3]]).repeat(n, 1),
        "commands": torch.zeros(n, 3),
        "efforts": torch.zeros(n, 12),
        "joint_offsets": torch.zeros(n, 12),
        "velocity_change": torch.zeros(n, 12),
        "action_change": torch.zeros(n, 12),
        "swings": torch.zeros(n, 4),
        "knees_down": torch.zeros(n, dtype=torch.int64),
        "fallen": torch.zeros(n, dtype=torch.bool),
    }
    return Motion(**zeros | values)


def one(*row: float) -> torch.Tensor:
    """The first robot has this row, the second has zeros."""
    return torch.stack((torch.tensor(row), torch.zeros(len(row))))


SWINGS = {"swings": one(0.3, 0.0, 0.8, 0.0)}  # of two feet


@pytest.mark.parametrize(
    ("term", "values", "expected", "at_rest"),
    [
        ("linear_velocity_xy", {"linear_velocity": one(0.3, 0.4, 5.0)}, 1.0 * math.exp(-0.25 / 0.25), 1.0),
        ("linear_velocity_xy", {"commands": one(0.0, 0.5, 0.0)}, 1.0 * math.exp(-1.0), 1.0),
        ("angular_velocity_z", {"angular_velocity": one(7.0, 7.0, -1.0)}, 0.5 * math.exp(-4.0), 0.5),
        ("angular_velocity_z", {"commands": one(0.0, 0.0, 0.25)}, 0.5 * math.exp(-0.25), 0.5),
        ("linear_velocity_z", {"linear_velocity": one(9.0, 9.0, -0.5)}, -4.0 * 0.25, 0.0),
        ("angular_velocity_xy", {"angular_velocity": one(1.0, -2.0, 9.0)}, -0.05 * 5.0, 0.0),
        ("orientation", {"gravity": one(0.6, 0.0, -0.8)}, -3.0 * 0.36, 0.0),
        ("base_height", {"height": torch.tensor([0.67, 0.77])}, -2.0 * 0.01, 0.0),
        ("torque", {"efforts": one(*[10.0] * 12)}, -2e-5 * 1200.0, 0.0),
        ("joint_acceleration", {"velocity_change": one(*[2.0] * 12)}, -5e-4 * 48.0, 0.0),
        ("action_rate", {"action_change": one(*[0.5] * 12)}, -0.01 * 3.0, 0.0),
        ("hip", {"joint_offsets": one(0.1, -0.1, 0.2, -0.2, *[9.0] * 8)}, -0.7 * 0.6, 0.0),
        ("feet_air_time", SWINGS | {"commands": one(0.0, -0.3, 0.0)}, 1.5 * (-0.2 + 0.3), 0.0),
        ("feet_air_time", SWINGS | {"commands": one(0.0, 0.0, 1.0)}, 0.0, 0.0),
        ("knee_collision", {"knees_down": torch.tensor([3, 0])}, -0.25 * 3, 0.0),
        ("fallen_over", {"fallen": torch.tensor([True, False])}, -1.0, 0.0),
    ],
)
def test_reward_term_matches_hand_computed_value(
    term: str, values: dict[str, Any], expected: float, at_rest: float
) -> None:
    learn = configuration(
        learn__orientationRewardScale=-3.0,
        learn__baseHeightRewardScale=-2.0,
        learn__hipRewardScale=-0.7,
        learn__feetAirTimeRewardScale=1.5,
        learn__kneeCollisionRewardScale=-0.25,
    )
    weight = reward_weights(learn.learn, 0.02)[term]
    close(weight * reward_terms(motion(**values), [term])[term], [0.02 * expected, 0.02 * at_rest])


def test_scales_match_upstream() -> None:
    weights = reward_weights(configuration().learn, 0.02)
    terms = reward_terms(motion(efforts=torch.ones(2, 12), velocity_change=torch.ones(2, 12)), weights)
    rewards = {name: weights[name] * term[0].item() / 0.02 for name, term in terms.items()}
    assert rewards == pytest.approx(
        {
            "linear_velocity_xy": 1.0,
            "angular_velocity_z": 0.5,
            "linear_velocity_z": 0.0,
            "angular_velocity_xy": 0.0,
            "torque": -24e-5,
            "joint_acceleration": -6e-3,
            "action_rate": 0.0,
            "fallen_over": 0.0,
        }
    )


def test_terms_with_zero_scale_are_not_computed() -> None:
    env = make(2, learn__hipRewardScale=-0.7, learn__torqueRewardScale=0.0)
    env.reset(seed=0)
    env.step(torch.zeros(2, 12))
    terms = env.task.reward_terms_by_name()
    assert "hip" in terms
    assert not {"torque", "base_height", "orientation", "feet_air_time", "knee_collision"} & set(terms)
    env.close()


def test_step_rewards_the_observed_state_and_is_never_negative(env: VecEnv) -> None:
    """In free fall for 0.02 s, from rest, in which no joint moves, it is known what is rewarded."""
    task = put(env, *BORDER, 3.0)
    task.commands[:] = torch.tensor([[0.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    task.headings[:] = torch.tensor([0.0, 0.5, 0.0, 0.0])
    actions = torch.zeros(4, 12)
    actions[3, 0] = 30.0  # the drive is at its limit: only the change of actions costs 0.02 · 0.01 · 900
    _, rewards, *_ = env.step(actions)
    fall = 9.81 * 0.02
    penalty = 0.02 * -4.0 * fall**2
    tracking = [math.exp(-1.0) + 0.5, 1.0 + 0.5 * math.exp(-(0.25**2) / 0.25), 1.5]
    close(rewards[:3], [0.02 * reward + penalty for reward in tracking], atol=2e-5)
    assert rewards[3].item() == 0.0


def test_swings_end_when_feet_touch_the_ground() -> None:
    """Robots fall onto their feet, as after a reset, from 0.077 m above where they stand, which takes some 0.12 s."""
    env = make(4, learn__feetAirTimeRewardScale=2.0)
    task = put(env, *BORDER, 0.62)
    task.commands[:, 0] = 0.3
    steps_in_air, landings = torch.zeros(4), []
    for step in range(1, 41):
        env.step(torch.zeros(4, 12))
        grounded = task.feet.get_net_contact_forces()[0, :, 2] > 1.0
        steps_in_air += 1
        swings = 0.02 * steps_in_air[grounded & (steps_in_air > 1)]
        landings += [step] * len(swings)
        expected = 2.0 * 0.02 * (swings - 0.5).sum()
        assert task.reward_terms_by_name()["feet_air_time"][0].item() == pytest.approx(expected.item(), abs=1e-6)
        steps_in_air[grounded] = 0
    assert 4 <= landings[0] <= landings[3] <= 9
    assert grounded.all()
    close(task.swing_time[0], torch.zeros(4))
    env.close()


def test_failure_reward_is_not_clamped_at_zero() -> None:
    env = make(2, learn__terminalReward=-10.0)
    task = put(env, *BORDER, 0.6)
    task.get_observations()
    task.terminated_buf = torch.tensor([True, False])
    rewards = task.calculate_metrics()
    assert rewards.tolist() == pytest.approx([0.02 * (1.5 - 1.0) - 0.02 * 10.0, 0.02 * 1.5], abs=1e-6)
    env.close()


def test_upstream_mode_inverts_the_failure_reward() -> None:
    env = make(4, learn__terminalReward=-10.0, compat="upstream")
    task = put(env, *BORDER, 0.6)
    task.get_observations()
    task.terminated_buf = torch.tensor([True, False, False, True])
    task.progress_buf[:] = torch.tensor([998, 999, 998, 999])
    fallen = 0.02 * (1.5 - 1.0)
    close(task.calculate_metrics(), [fallen + 0.2, 0.02 * 1.5 + 0.4, 0.02 * 1.5, fallen + 0.4])
    env.close()
