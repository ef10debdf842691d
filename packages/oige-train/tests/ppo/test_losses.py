"""Losses, schedules, statistics and gradient steps against numbers worked out by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_train.learner.distributed import Workers
from oige_train.learner.ppo.distributions import Gaussian, SquashedGaussian
from oige_train.learner.ppo.losses import TERMS, Objective, Outputs, Samples, approximate_kl, critic_loss, exact_kl
from oige_train.learner.ppo.normaliser import Normaliser
from oige_train.learner.ppo.optimiser import AdaptiveRate, Stepper
from oige_train.schema import RewardShaperConfig
from random_env import RandomEnv, played, random_agent
from rl_games.algos_torch.running_mean_std import RunningMeanStd
from rl_games.common.tr_helpers import DefaultRewardsShaper


def objective(**changes: Any) -> Objective:
    settings: dict[str, Any] = {
        "distribution": Gaussian(),
        "e_clip": 0.2,
        "ppo": True,
        "use_smooth_clamp": False,
        "clip_value": True,
        "critic_coef": 2.0,
        "bounds_loss_coef": 0.0,
        "bound_loss_type": "bound",
    }
    return Objective(**settings | changes)


def samples(**fields: torch.Tensor) -> Samples:
    nothing = torch.zeros(1)
    return Samples(**dict.fromkeys(Samples._fields, nothing) | fields)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.1, 2.0, -2.2, -2.0),
        (1.5, 2.0, -2.4, 0.0),  # it is 1.2 at most: no gain from a larger ratio
        (0.5, 2.0, -1.0, -2.0),
        (1.5, -2.0, 3.0, 2.0),
        (0.9, -2.0, 1.8, 2.0),
        (0.5, -2.0, 1.6, 0.0),  # it is 0.8 at least: no gain from a smaller ratio
    ],
)
def test_ratio_is_clipped_where_that_lowers_the_gain(ratio: float, advantage: float, loss: float, slope: float) -> None:
    # −ln π = −ln π_old − ln ρ; the loss's derivative with respect to ln ρ is its slope times ρ.
    new = torch.tensor([3.0 - math.log(ratio)], requires_grad=True)
    batch = samples(neg_log_probs=torch.tensor([3.0]), advantages=torch.tensor([advantage]))
    result = objective().actor_loss(batch, new)
    result.sum().backward()
    assert result.item() == pytest.approx(loss, rel=1e-5)
    assert new.grad is not None
    assert -new.grad.item() == pytest.approx(slope * ratio, abs=1e-5)
    assert objective(ppo=False).actor_loss(batch, new).item() == pytest.approx(advantage * (3.0 - math.log(ratio)))


def test_smooth_clipping_by_hand() -> None:
    batch = samples(neg_log_probs=torch.zeros(3), advantages=torch.ones(3))
    ratios = torch.tensor([1.0, 1.5, 0.5])
    loss = objective(use_smooth_clamp=True).actor_loss(batch, -ratios.log())
    # 0.8 + 0.4 / (1 + exp(2 − 4 (ρ − 0.8) / 0.4)): 1, then 1.2 − 0.4 / (1 + e⁵), and 0.8 + 0.4 / (1 + e⁵) above 0.5.
    assert loss.tolist() == pytest.approx([-1.0, -(1.2 - 0.4 / (1.0 + math.exp(5.0))), -0.5], rel=1e-5)


def test_value_is_clipped_to_the_old_one() -> None:
    values, old = torch.tensor([1.0, 1.5, 1.5, 0.1]), torch.tensor([1.1, 1.0, 1.0, 1.0])
    returns = torch.tensor([2.0, 2.0, 0.0, 0.0])
    assert critic_loss(values, old, returns, None).tolist() == pytest.approx([1.0, 0.25, 2.25, 0.01])
    # clipped: 1 (unchanged), 1.2, 1.2, 0.8; the larger of both losses counts
    assert critic_loss(values, old, returns, 0.2).tolist() == pytest.approx([1.0, 0.64, 2.25, 0.64])


def test_bounds_loss_by_hand() -> None:
    mu = torch.tensor([[1.0, -1.1], [1.6, -2.1], [0.0, 3.1]])
    assert objective().bounds_loss(mu).tolist() == pytest.approx([0.0, 0.25 + 1.0, 4.0])
    other = objective(bound_loss_type="regularisation").bounds_loss(mu)
    assert other.tolist() == pytest.approx([2.21, 2.56 + 4.41, 9.61])


def test_normal_distributions_by_hand() -> None:
    mu, raw = torch.tensor([[0.0, 1.0]]), torch.tensor([0.0, math.log(2.0)])
    actions = torch.tensor([[1.0, -3.0]])
    # ½ (1 + 4) + ln 1 + ln 2 + ln 2π
    expected = 2.5 + math.log(2.0) + math.log(2.0 * math.pi)
    assert Gaussian().neg_log_prob(actions, mu, raw).item() == pytest.approx(expected, rel=1e-6)
    # Σ ½ ln 2πe σ²
    assert Gaussian().entropy(mu, raw).item() == pytest.approx(math.log(2.0 * math.pi * math.e) + math.log(2.0))
    assert Gaussian().sample(mu, raw, torch.tensor([[0.5, -1.0]])).tolist() == [[0.5, -1.0]]
    # Divergence of N(1, 2²) from N(0, 1): ln ½ + (4 + 1) / 2 − ½
    normal = (torch.tensor([[1.0]]), torch.tensor([[2.0]]), torch.tensor([[0.0]]), torch.tensor([[1.0]]))
    assert exact_kl(*normal).item() == pytest.approx(2.0 - math.log(2.0))
    approximation = math.log(0.5 + 1e-5) + 5.0 / (2.0 * (1.0 + 1e-5)) - 0.5
    assert approximate_kl(*normal).item() == pytest.approx(approximation, rel=1e-6)


def test_squashed_distributions_agree_with_torch() -> None:
    from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

    mu, raw = torch.randn(20, 2) * 0.5, torch.randn(20, 2) * 0.3
    squashed = SquashedGaussian()
    actions = squashed.sample(mu, raw, torch.randn(20, 2))
    deviation = torch.nn.functional.softplus(raw) + 0.001
    reference = TransformedDistribution(Independent(Normal(mu, deviation), 1), [TanhTransform()])
    torch.testing.assert_close(
        squashed.neg_log_prob(actions, mu, raw), -reference.log_prob(actions), atol=1e-3, rtol=1e-3
    )
    many = mu[:1].expand(20_000, 2), raw[:1].expand(20_000, 2)
    drawn = squashed.sample(*many, torch.randn(20_000, 2))
    mean = squashed.neg_log_prob(drawn, *many).mean()
    torch.testing.assert_close(squashed.entropy(*many).mean(), mean, atol=0.03, rtol=0.0)


def test_loss_is_the_weighted_sum_of_its_terms() -> None:
    outputs = Outputs(torch.tensor([[1.6]]), torch.tensor([0.0]), torch.tensor([1.0]))
    batch = samples(
        actions=torch.tensor([[1.6]]),
        neg_log_probs=torch.tensor([0.5 * math.log(2.0 * math.pi)]),  # so that the ratio is 1
        advantages=torch.tensor([3.0]),
        values=torch.tensor([1.0]),
        returns=torch.tensor([3.0]),
        mu=torch.tensor([[0.6]]),
        sigma=torch.tensor([[1.0]]),
    )
    loss, terms = objective(bounds_loss_coef=10.0).loss(outputs, batch, torch.tensor(0.1))
    entropy = 0.5 * math.log(2.0 * math.pi * math.e)
    means = dict(zip(TERMS, terms.tolist(), strict=True))
    assert means == pytest.approx(
        {"actor": -3.0, "critic": 4.0, "entropy": entropy, "bounds": 0.25, "kl": 0.5, "exact_kl": 0.5}, abs=2e-5
    )
    assert loss.item() == pytest.approx(-3.0 + 4.0 - 0.1 * entropy + 2.5, rel=1e-5)  # ½ · critic_coef = 1
    gradient = objective(bounds_loss_coef=10.0).gradient(outputs, batch, torch.tensor(0.1))
    assert gradient.mu.tolist() == [[pytest.approx(10.0 * 2.0 * 0.5, rel=1e-5)]]  # a is μ: no change of the ratio
    assert gradient.raw.tolist() == [pytest.approx(3.0 - 0.1, rel=1e-5)]  # d(−ln π)/d ln σ = 1 there
    assert gradient.values.tolist() == [pytest.approx(2.0 * (1.0 - 3.0))]


# --- learning rates ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "divergence", "expected"),
    [
        (3e-4, 0.017, 2e-4),
        (3e-4, 0.015625, 3e-4),  # twice the target, exactly
        (3e-4, 0.0078125, 3e-4),
        (3e-4, 0.00390625, 3e-4),  # half of it
        (3e-4, 0.0039, 4.5e-4),
        (3e-4, -0.001, 4.5e-4),
        (1.2e-6, 1.0, 1e-6),
        (1e-6, 1.0, 1e-6),
        (9e-3, 0.0, 1e-2),
        (1.5e-2, 0.0, 1e-2),
        (1.5e-2, 1.0, 1e-2),
        (3e-4, math.nan, 3e-4),
    ],
)
def test_adaptive_rate_by_hand(rate: float, divergence: float, expected: float) -> None:
    tensor = torch.tensor(rate)
    AdaptiveRate(tensor, 0.0078125).adapt(torch.tensor(divergence))
    assert tensor.item() == pytest.approx(expected, rel=1e-6)


def rates_of_steps(agent: Any, epochs: int) -> list[list[tuple[float, float]]]:
    """Return, by epoch, the learning rate and the entropy coefficient of each gradient step."""
    seen: list[tuple[float, float]] = []
    step = agent.optimizer.step

    def noting(*_: Any) -> Any:
        seen.append((float(agent.optimizer.param_groups[0]["lr"]), float(agent.update.entropy_coef)))
        return step()

    agent.optimizer.step = noting
    by_epoch = []
    for _ in range(epochs):
        seen.clear()
        played(agent, 1)
        by_epoch.append(list(seen))
    return by_epoch


def entropy_at(epoch: int) -> float:
    return 1e-4 + (0.1 - 1e-4) * (1.0 - epoch / 4)


def rate_at(epoch: int) -> float:
    return 1e-6 + (1e-3 - 1e-6) * (1.0 - epoch / 4)


@pytest.mark.parametrize(("schedule_type", "old"), [("legacy", 1), ("standard", 2)])
def test_linear_schedules_begin_after_a_step_or_a_pass(tmp_path: Path, schedule_type: str, old: int) -> None:
    settings = {"lr_schedule": "linear", "learning_rate": 1e-3, "schedule_entropy": True, "entropy_coef": 0.1}
    agent = random_agent(tmp_path, RandomEnv(8), schedule_type=schedule_type, max_epochs=4, **settings)
    one, two = rates_of_steps(agent, 2)  # of two passes over two minibatches
    expected = [(rate_at(epoch), entropy_at(epoch)) for epoch in (0, 1, 2)]
    for seen, before, after in ((one, expected[0], expected[1]), (two, expected[1], expected[2])):
        for number, pair in enumerate(seen):
            assert pair == pytest.approx(before if number < old else after, rel=1e-6), number
    assert agent.last_lr == pytest.approx(rate_at(2))


@pytest.mark.parametrize(("schedule_type", "exponents"), [("legacy", [0, 1, 2, 3]), ("standard", [0, 0, 1, 1])])
def test_adaptive_rate_changes_after_a_step_or_a_pass(tmp_path: Path, schedule_type: str, exponents: list[int]) -> None:
    settings = {"lr_schedule": "adaptive", "kl_threshold": 10.0, "learning_rate": 1e-4}
    agent = random_agent(tmp_path, RandomEnv(8), schedule_type=schedule_type, **settings)
    (seen,) = rates_of_steps(agent, 1)
    assert [rate for rate, _ in seen] == pytest.approx([1e-4 * 1.5**exponent for exponent in exponents], rel=1e-6)
    assert agent.last_lr == pytest.approx(1e-4 * 1.5 ** (4 if schedule_type == "legacy" else 2), rel=1e-6)


# --- gradient steps ------------------------------------------------------------------------------------------------


class Descent:
    """Plain gradient descent; torch's own imports its compiler."""

    def __init__(self, parameters: list[torch.nn.Parameter], rate: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": parameters, "lr": rate}]

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self.param_groups[0]["params"]:
            if parameter.grad is not None:
                parameter.sub_(self.param_groups[0]["lr"] * parameter.grad)


@pytest.mark.parametrize(("max_norm", "factor"), [(None, 1.0), (10.0, 1.0), (1.0, 0.2)])
def test_gradients_are_clipped_to_their_norm(max_norm: float | None, factor: float) -> None:
    weight, bias = torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))
    unused = torch.nn.Parameter(torch.ones(1))
    stepper = Stepper(Descent([weight, bias, unused], 0.5), Workers(), max_norm)
    stepper.step([weight * 1.0, bias * 1.0], [torch.tensor([0.0, 3.0]), torch.tensor([4.0])])  # of norm 5
    assert weight.tolist() == pytest.approx([0.0, -1.5 * factor], rel=1e-5)
    assert bias.tolist() == pytest.approx([-2.0 * factor], rel=1e-5)
    assert unused.item() == 1.0
    stepper.rate.fill_(0.0)
    stepper.step([weight * 1.0], [torch.ones(2)])
    assert weight.tolist() == pytest.approx([0.0, -1.5 * factor], rel=1e-5)


# --- statistics ----------------------------------------------------------------------------------------------------


def test_statistics_are_those_of_all_samples() -> None:
    generator = torch.Generator().manual_seed(4)
    module = RunningMeanStd((3,))
    normaliser = Normaliser(module, Workers())
    # The statistics begin with one sample of mean 0 and variance 1.
    sums, squares, count = torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64), 1
    for size in (1, 7, 500, 3):
        rows = torch.randn(size, 3, generator=generator) * torch.tensor([1.0, 30.0, 0.1]) + torch.tensor(
            [0.0, 9.0, -5.0]
        )
        normaliser.update(rows)
        sums, squares, count = sums + rows.double().sum(0), squares + rows.double().square().sum(0), count + size
    mean = sums / count
    variance = squares / count - mean.square()
    torch.testing.assert_close(module.running_mean, mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(module.running_var, variance, rtol=1e-4, atol=1e-6)
    assert module.count == count
    rows = torch.tensor([[0.0, 9.0, -5.0], [1000.0, 9.0, -1000.0]])
    expected = ((rows - mean.float()) / (variance.float() + 1e-5).sqrt()).clamp(-5.0, 5.0)
    torch.testing.assert_close(normaliser.normalise(rows), expected, rtol=1e-4, atol=1e-4)
    assert expected[1, 0] == 5.0
    torch.testing.assert_close(normaliser.restore(expected[:1]), rows[:1], rtol=1e-4, atol=1e-3)
    limit = mean.float() + 5.0 * (variance.float() + 1e-5).sqrt()
    torch.testing.assert_close(normaliser.restore(torch.full((1, 3), 9.0))[0], limit, rtol=1e-4, atol=1e-4)
    normaliser.normalise_in_place(rows)
    torch.testing.assert_close(rows, expected, rtol=1e-4, atol=1e-4)


def test_without_statistics_nothing_changes() -> None:
    normaliser, rows = Normaliser(None, Workers()), torch.tensor([[1e6]])
    normaliser.update(rows)
    normaliser.normalise_in_place(rows)
    assert normaliser.normalise(rows).item() == normaliser.restore(rows).item() == rows.item() == 1e6


def test_advantages_of_an_epoch_are_normalised(tmp_path: Path) -> None:
    from fake_env import collected

    for name, normalise in (("a", True), ("b", False)):
        agent = random_agent(tmp_path / name, RandomEnv(8), normalize_advantage=normalise)
        plain = collected(agent)["advantages"].T.flatten()
        expected = (plain - plain.mean()) / plain.std() if normalise else plain
        torch.testing.assert_close(agent.samples.fields["advantages"].flatten(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"shift_value": 1.0, "scale_value": 2.0}, [-4.0, 2.0, 8.0]),  # shifted first
        ({"scale_value": 2.0, "min_val": -1.0, "max_val": 5.0}, [-1.0, 0.0, 5.0]),  # clamped after scaling
        ({"shift_value": 4.0, "log_val": True}, [0.0, math.log(4.0), math.log(7.0)]),
    ],
)
def test_rewards_are_shaped_in_order(tmp_path: Path, settings: dict[str, Any], expected: list[float]) -> None:
    agent = random_agent(tmp_path, RandomEnv(2), reward_shaper=RewardShaperConfig(**settings))
    assert isinstance(agent.rewards_shaper, DefaultRewardsShaper)
    assert agent.rewards_shaper(torch.tensor([-3.0, 0.0, 3.0])).tolist() == pytest.approx(expected)
