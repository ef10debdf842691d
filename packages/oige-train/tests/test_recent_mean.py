"""The mean over the last episodes, with numbers computed by hand."""

import math

import pytest
import torch
from oige_train.learner.recent_mean import RecentMean
from rl_games.algos_torch.torch_ext import AverageMeter


def mean_of(meter: RecentMean) -> float:
    return meter.get_mean().item()


@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 1)])
def test_mean_has_the_shape_of_average_meter(shape: tuple[int, ...]) -> None:
    # PPO of rl_games takes the first of the mean rewards; SAC compares and stores the mean as it is.
    meter, upstream = RecentMean(4), AverageMeter(1, 4)
    for each in (meter, upstream):
        each.update(torch.tensor([1.0, 2.0, 6.0]).view(shape))
    assert meter.get_mean().shape == upstream.get_mean().shape == shape[2:]
    assert meter.get_mean() == upstream.get_mean() == 3.0


def test_mean_covers_the_last_episodes_by_whole_steps() -> None:
    meter = RecentMean(4)
    assert meter.current_size == 0
    meter.update(torch.empty(0, 1))
    assert meter.current_size == 0
    meter.update(torch.tensor([[10.0], [20.0], [60.0]]))
    assert (meter.current_size, mean_of(meter)) == (3, 30.0)
    meter.update(torch.tensor([[50.0]]))
    assert (meter.current_size, mean_of(meter)) == (4, 35.0)
    meter.update(torch.tensor([[0.0]]))  # 20, 60, 50 and 0 are the last four; 10 ended together with 20
    assert (meter.current_size, mean_of(meter)) == (5, 28.0)
    meter.update(torch.tensor([[1.0], [3.0]]))
    assert (meter.current_size, mean_of(meter)) == (4, 13.5)  # 50, 0, 1, 3


def test_one_failure_after_many_endings_counts_once() -> None:
    meter = RecentMean(512)
    meter.update(torch.full((512, 1), 500.0))
    meter.update(torch.tensor([[20.0]]))
    assert meter.current_size == 513
    assert mean_of(meter) == pytest.approx((512 * 500.0 + 20.0) / 513)


def test_means_do_not_drift_and_one_step_may_exceed_the_window() -> None:
    meter = RecentMean(3)
    for _ in range(10_000):
        meter.update(torch.tensor([[0.1], [1e6]]))
    meter.update(torch.tensor([[0.1]] * 5))
    assert meter.current_size == 5
    assert mean_of(meter) == pytest.approx(0.1, rel=1e-6)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_value_that_is_not_finite_leaves_with_its_step(value: float) -> None:
    meter = RecentMean(2)
    meter.update(torch.tensor([[value]]))
    meter.update(torch.tensor([[1.0]]))
    assert not math.isfinite(mean_of(meter))
    meter.update(torch.tensor([[4.0]]))
    assert mean_of(meter) == 2.5


def test_restored_mean_continues_exactly() -> None:
    meter, other = RecentMean(3), RecentMean(3)
    for value in (0.1, 0.2, 0.3, 0.7):
        meter.update(torch.tensor([[value]]))
    other.load_state_dict(meter.state_dict())
    assert mean_of(other) == mean_of(meter)
    for value in (0.9, 0.4, 0.8, 0.5):
        meter.update(torch.tensor([[value]]))
        other.update(torch.tensor([[value]]))
        assert mean_of(other) == mean_of(meter)
    meter.clear()
    assert meter.current_size == 0


def test_shown_mean_lasts_until_the_next_update() -> None:
    meter = RecentMean(2)
    meter.update(torch.tensor([[1.0]]))
    meter.show(12.0, 4)
    assert (meter.current_size, mean_of(meter)) == (4, 3.0)
    meter.update(torch.tensor([[3.0]]))
    assert (meter.current_size, mean_of(meter)) == (2, 2.0)
