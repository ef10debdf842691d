"""Delays and losses of signals, against sequences worked out by hand."""

from collections.abc import Callable

import pytest
import torch
from oige_core.randomization.signals import Delay, Drop

Select = Callable[[list[int]], torch.Tensor]


@pytest.fixture(params=["indices", "mask"])
def select(request: pytest.FixtureRequest) -> Select:
    """Return a function that selects worlds of three."""
    if request.param == "indices":
        return lambda worlds: torch.tensor(worlds, dtype=torch.int64)
    return lambda worlds: torch.tensor([world in worlds for world in range(3)])


def rows(worlds: torch.Tensor, values: list[float]) -> torch.Tensor:
    """Return values ``(len(worlds), 1)`` of worlds 0 to 2; masks take all of them, NaN where they are not chosen."""
    every = torch.tensor(values).unsqueeze(-1)
    return torch.where(worlds.unsqueeze(-1), every, torch.nan) if worlds.dtype == torch.bool else every[worlds]


def push(signal: Delay | Drop, value: float) -> list[float]:
    """Push ``value`` to world 0, 10 more to world 1 and 20 more to world 2."""
    return signal.push(torch.tensor([[value], [value + 10], [value + 20]])).squeeze(-1).tolist()


def restore(target: Delay | Drop, source: Delay | Drop) -> None:
    saved = {name: value.clone() for name, value in source.tensors().items()}
    for name, value in target.tensors().items():
        value.copy_(saved[name])


def delay(delays: list[int], **options: str) -> Delay:
    line = Delay(3, (1,), 2, **options)  # type: ignore[arg-type]
    line.set_delays(torch.tensor(delays))
    return line


def test_delayed_observations_repeat_the_first_one():
    line = delay([0, 1, 2])
    assert [push(line, float(value)) for value in range(1, 6)] == [
        [1, 11, 21],
        [2, 11, 21],
        [3, 12, 21],
        [4, 13, 22],
        [5, 14, 23],
    ]


def test_delayed_actions_are_zero_at_first():
    line = delay([0, 1, 2], fill="zero")
    assert [push(line, float(value)) for value in range(1, 5)] == [[1, 0, 0], [2, 11, 0], [3, 12, 21], [4, 13, 22]]


def test_restart_hides_values_of_the_last_episode(select: Select):
    line = delay([0, 1, 2])
    for value in range(1, 6):
        push(line, float(value))
    line.restart(select([1, 2]))
    assert push(line, 6.0) == [6, 16, 26]
    assert push(line, 7.0) == [7, 16, 26]
    assert push(line, 8.0) == [8, 17, 26]
    assert push(line, 9.0) == [9, 18, 27]


def test_first_observation_after_a_reset_in_the_same_step(select: Select):
    line = delay([0, 1, 2])
    for value in range(1, 6):
        push(line, float(value))
    worlds = select([0, 2])
    first = line.replace(worlds, rows(worlds, [100.0, 0.0, 120.0])).squeeze(-1)
    assert (first if len(worlds) == 2 else first[[0, 2]]).tolist() == [100, 120]
    assert line.read().squeeze(-1).tolist() == [100, 14, 120]
    assert push(line, 6.0) == [6, 15, 120]
    assert push(line, 7.0) == [7, 16, 120]
    assert push(line, 8.0) == [8, 17, 26]


def test_delays_can_change_in_an_episode_and_are_clamped(select: Select):
    line = delay([0, 0, 0])
    for value in range(1, 6):
        push(line, float(value))
    worlds = select([1, 2])
    line.set_delays(
        torch.tensor([9.0, 0.9, -3.0])[worlds] if len(worlds) == 2 else torch.tensor([9.0, 0.9, -3.0]), worlds
    )
    assert line.delays.tolist() == [0, 1, 0]
    line.set_delays(torch.tensor([7, 1, 0]))
    assert line.delays.tolist() == [2, 1, 0]
    assert push(line, 6.0) == [4, 15, 26]


def test_bytes_can_be_delayed():
    line = Delay(2, (2, 2, 3), 1, dtype=torch.uint8)
    line.set_delays(torch.tensor([0, 1]))
    images = [torch.full((2, 2, 2, 3), value, dtype=torch.uint8) for value in (7, 200)]
    assert line.push(images[0]).dtype == torch.uint8
    assert line.push(images[1]).amax(dim=(1, 2, 3)).tolist() == [200, 7]


def test_saved_delay_continues():
    line, other = delay([0, 1, 2]), delay([0, 0, 0])
    for value in range(1, 5):
        push(line, float(value))
    restore(other, line)
    assert push(other, 5.0) == push(line, 5.0) == [5, 14, 23]


def drop(probabilities: list[float], seed: int = 3) -> Drop:
    signal = Drop(3, (1,), torch.Generator().manual_seed(seed))
    signal.set_probabilities(torch.tensor(probabilities))
    return signal


def test_lost_values_are_replaced_by_the_last_one():
    signal = drop([0.0, 0.5, 1.0])
    drawn = torch.Generator().manual_seed(3)
    expected = [[value, value + 10.0, 21.0] for value in range(1, 9)]
    lost = [bool(torch.empty(3).uniform_(generator=drawn)[1] < 0.5) for _ in expected]
    assert {True, False} == set(lost[1:])
    for step in range(1, 8):
        if lost[step]:
            expected[step][1] = expected[step - 1][1]
    assert [push(signal, float(value)) for value in range(1, 9)] == expected


def test_share_of_lost_values_is_the_probability():
    signal = Drop(4000, (), torch.Generator().manual_seed(1))
    signal.set_probabilities(torch.full((4000,), 0.3))
    signal.push(torch.zeros(4000))
    lost = (signal.push(torch.ones(4000)) == 0).float().mean().item()
    assert lost == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 4000) ** 0.5)


def test_first_value_of_an_episode_is_never_lost(select: Select):
    signal = drop([1.0, 1.0, 1.0])
    assert push(signal, 1.0) == [1, 11, 21]
    assert push(signal, 2.0) == [1, 11, 21]
    signal.restart(select([1]))
    assert push(signal, 3.0) == [1, 13, 21]
    worlds = select([0, 2])
    signal.replace(worlds, rows(worlds, [100.0, 0.0, 120.0]))
    assert signal.read().squeeze(-1).tolist() == [100, 13, 120]
    assert push(signal, 4.0) == [100, 13, 120]


def test_saved_loss_continues():
    signal, other = drop([0.5] * 3), drop([0.0] * 3, seed=4)
    for value in range(1, 5):
        push(signal, float(value))
    restore(other, signal)
    other._generator.set_state(signal._generator.get_state())
    assert [push(other, float(value)) for value in range(5, 9)] == [push(signal, float(value)) for value in range(5, 9)]
