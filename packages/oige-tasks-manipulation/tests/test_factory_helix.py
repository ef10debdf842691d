"""Nuts that pass through their thread are counted and reported."""

import math
from typing import Any

import torch
from oige_core import make_vec
from oige_core.problems import ProblemReport
from oige_tasks_manipulation.factory.helix import Helix, follow_helix, has_left

PITCH = 0.002  # m
START = {"task.env.randomize.start_along_bolt": 0.8}
STILL = torch.tensor([[0.0, 0.0, -1.0, 0.0, 0.0, -1.0] + [0.0] * 6])  # actions along and about z are one-way


def test_distance_from_the_helix_by_hand() -> None:
    """Nuts: turns with its thread past half a turn; falls by 0.4 pitches; by 1.1; falls beside the bolt; has just come
    onto the bolt.
    """
    bools = torch.tensor([True, True, True, False, True])
    last = Helix(
        on_bolt=torch.tensor([True, True, True, True, False]),
        height=torch.full((5,), 0.01),
        yaw=torch.tensor([-3.0, 1.0, 1.0, 1.0, 1.0]),
        off=torch.tensor([0.2, 0.0, 0.0, 0.0, 0.0]),
    )
    height = torch.tensor([0.01 - PITCH / 6, 0.01 - 0.4 * PITCH, 0.01 - 1.1 * PITCH, 0.005, 0.005])
    yaw = torch.tensor([-3.0 + 2 * math.pi - math.pi / 3, 1.0, 1.0, 1.0, 1.0])
    helix = follow_helix(last, bools, height, yaw, torch.full((5,), PITCH))
    torch.testing.assert_close(helix.off, torch.tensor([0.2, -0.4, -1.1, 0.0, 0.0]), atol=1e-5, rtol=0.0)
    assert has_left(helix, last).tolist() == [False, False, True, False, False]
    again = follow_helix(helix, bools, height - 0.2 * PITCH, yaw, torch.full((5,), PITCH))
    assert has_left(again, helix).tolist() == [False, True, False, False, False]  # the third one has left before


def test_struck_nut_is_counted_and_reported_and_its_episode_goes_on() -> None:
    """Of two nuts in the grip, the second moves down at 2 m/s, which no contact of its thread withstands."""
    env: Any = make_vec("FactoryTaskNutBoltScrew", 2, START, sim_device="cpu", num_threads=1)
    env.reset(seed=3)
    task = env.task
    for _ in range(20):
        env.step(STILL.expand(2, -1))
    assert task.helix.on_bolt.all()
    assert task.helix.off.abs().max() < 0.1
    before = task.height.clone()
    task.nuts.set_velocities(torch.tensor([[0.0] * 6, [0.0, 0.0, -2.0, 0.0, 0.0, 0.0]]))
    *_, terminated, _, info = env.step(STILL.expand(2, -1))
    assert task.height[1] - before[1] < -0.5 * PITCH
    assert info["problems"]["nut_left_thread"].tolist() == [0, 1]
    assert not terminated.any()
    assert not info["_problems"].any()
    for _ in range(3):
        env.step(STILL.expand(2, -1))
    assert env.problems() == {"nut_left_thread": 1}
    assert ProblemReport().new_lines(env.problems()) == [
        "warning: a nut on a bolt was pushed half a pitch or more through its thread (1 so far). Each such episode "
        "goes on. What to do: raise task.sim.substeps, or end episodes in which fingers have lost the nut."
    ]
    env.reset(seed=4)
    env.step(STILL.expand(2, -1))
    assert env.problems()["nut_left_thread"] == 1
    env.close()
