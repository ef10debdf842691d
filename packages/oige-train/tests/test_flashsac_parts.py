"""FlashSAC's targets, statistics, replay and noise, against numbers worked out by hand."""

import itertools
import math

import pytest
import torch
from oige_core.tasks import SignedPermutation, Symmetry
from oige_train.learner.distributed import Workers
from oige_train.learner.flashsac.exploration import RepeatedNoise, noise_durations
from oige_train.learner.flashsac.learner import Learner, LearnerSettings, with_images
from oige_train.learner.flashsac.networks import Actor, Critics, Norms, UnitBatchNorm, UnitRmsNorm, sample_action
from oige_train.learner.flashsac.replay import Replay
from oige_train.learner.flashsac.targets import RewardScale, decayed_rate, project, target_entropy, with_lower_mean
from oige_train.learner.graphs import LearnerGraphs

CPU = torch.device("cpu")
SUPPORT = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])


def projected(probabilities: list[float], shift: float, discount: float) -> list[float]:
    log_probabilities = torch.tensor([probabilities]).log()
    return project(log_probabilities, SUPPORT, torch.tensor([shift]), torch.tensor([discount]))[0].tolist()


@pytest.mark.parametrize(
    ("probabilities", "shift", "discount", "expected"),
    [
        # z = -2 … 2 becomes -0.75, -0.25, 0.25, 0.75, 1.25; all of the probability is at 1.25: ¾ at 1, ¼ at 2.
        ([0.0, 0.0, 0.0, 0.0, 1.0], 0.25, 0.5, [0.0, 0.0, 0.0, 0.75, 0.25]),
        # -2 becomes -0.75, and 0 becomes 0.25: ¾ of 0.4 at -1, the rest at 0; ¾ of 0.6 at 0, the rest at 1.
        ([0.4, 0.0, 0.6, 0.0, 0.0], 0.25, 0.5, [0.0, 0.3, 0.1 + 0.45, 0.15, 0.0]),
        # Without a future, the reward is certain.
        ([0.2, 0.2, 0.2, 0.2, 0.2], -1.5, 0.0, [0.5, 0.5, 0.0, 0.0, 0.0]),
        # Values on bins stay there, also on the outermost ones.
        ([0.1, 0.2, 0.3, 0.2, 0.2], 0.0, 1.0, [0.1, 0.2, 0.3, 0.2, 0.2]),
        # Beyond the range: 1, 2 and 3 count as 1, 2 and 2.
        ([0.0, 0.0, 0.5, 0.3, 0.2], 1.0, 1.0, [0.0, 0.0, 0.0, 0.5, 0.5]),
    ],
)
def test_projection(probabilities: list[float], shift: float, discount: float, expected: list[float]) -> None:
    assert projected(probabilities, shift, discount) == pytest.approx(expected)


def test_lower_critic_is_chosen_for_each_sample() -> None:
    log_probabilities = torch.arange(12.0).view(2, 2, 3)
    chosen = with_lower_mean(log_probabilities, torch.tensor([[1.0, 5.0], [2.0, 4.0]]))
    torch.testing.assert_close(chosen, torch.tensor([[0.0, 1.0, 2.0], [9.0, 10.0, 11.0]]))


def test_density_of_a_limited_action() -> None:
    """d ln p of a = tanh(u), by the change of variables, with the derivative of tanh from autograd."""
    mean, log_deviation = torch.tensor([[0.3, -1.0]]), torch.tensor([[-0.5, 0.2]])
    noise = torch.tensor([[0.7, -0.4]])
    actions, log_probability = sample_action(mean, log_deviation, noise)
    u = mean + log_deviation.exp() * noise
    torch.testing.assert_close(actions, torch.tanh(u))
    normal = torch.distributions.Normal(mean, log_deviation.exp()).log_prob(u)
    slope = torch.func.vmap(torch.func.vmap(torch.func.grad(torch.tanh)))(u)
    torch.testing.assert_close(log_probability, (normal - slope.log()).sum(dim=-1))
    assert sample_action(torch.tensor([[20.0]]), torch.zeros(1, 1), torch.zeros(1, 1))[1].isfinite().all()


def test_target_entropy_is_that_of_a_normal_distribution() -> None:
    normal = torch.distributions.Normal(torch.zeros(3), torch.full((3,), 0.15))
    assert target_entropy(3, 0.15) == pytest.approx(normal.entropy().sum().item())


def test_rate_falls_on_half_a_cosine() -> None:
    rates = [decayed_rate(4.0, 2.0, torch.tensor(part)).item() for part in (0.0, 1.0 / 3.0, 0.5, 1.0, 1.5)]
    assert rates == pytest.approx([4.0, 3.5, 3.0, 2.0, 2.0])


def test_reward_divisor() -> None:
    scale = RewardScale(2, 0.5, limit=5.0, device=CPU)
    assert scale.divisor() == 1.0
    running = torch.tensor([False, False])
    scale.update(torch.tensor([1.0, 3.0]), running)  # sums 1, 3
    assert scale.divisor().item() == pytest.approx(1.0)  # deviation 1; 3 / 5 is less
    scale.update(torch.tensor([2.0, -4.0]), torch.tensor([False, True]))  # sums 2.5, -2.5
    scale.update(torch.tensor([0.0, 6.0]), running)  # sums 1.25, 6: the second episode is a new one
    sums = torch.tensor([1.0, 3.0, 2.5, -2.5, 1.25, 6.0])
    assert scale.divisor().item() == pytest.approx(sums.std(correction=0).item())
    scale.update(torch.tensor([100.0, 0.0]), running)  # sums 100.625, 3; their deviation is about 33
    assert scale.divisor().item() == pytest.approx(torch.cat((sums, torch.tensor([100.625, 3.0]))).std(correction=0))
    narrow = RewardScale(2, 0.5, limit=0.5, device=CPU)
    narrow.update(torch.tensor([1.0, 3.0]), running)
    assert narrow.divisor() == 6.0  # 3 / 0.5


def filled_replay(steps: int, *, n_step: int, done: dict[tuple[int, int], bool]) -> Replay:
    """A ring of 4 steps of 2 worlds after some steps. Step s of world w has 10 s + w as observation and action.

    Args:
        steps: number of steps.
        n_step: see the ring.
        done: episode ends by step and world; the value says whether by termination.
    """
    shapes = {"obs": (1,), "action": (1,), "next_obs": (1,)}
    replay = Replay(9, 2, shapes, n_step=n_step, gamma=0.5, device=CPU)
    for step in range(steps):
        now = 10.0 * step + torch.tensor([[0.0], [1.0]])
        ended = torch.tensor([(step, world) in done for world in (0, 1)])
        terminated = torch.tensor([done.get((step, world), False) for world in (0, 1)])
        values = {"obs": now, "action": now, "next_obs": now + 5.0}
        replay.add(values, torch.tensor([1.0, 10.0]) * (step + 1), terminated, ended)
    return replay


def test_transition_over_three_steps() -> None:
    batch = filled_replay(3, n_step=3, done={}).gather(torch.tensor([0]), torch.tensor([1]))
    assert {name: value.flatten().tolist() for name, value in batch.items()} == {
        "obs": [1.0],
        "action": [1.0],
        "next_obs": [26.0],
        "reward": [10.0 + 0.5 * 20.0 + 0.25 * 30.0],
        "discount": [0.125],
    }


@pytest.mark.parametrize(
    ("end", "terminates", "next_obs", "reward", "discount"),
    [(0, False, 5.0, 1.0, 0.5), (1, False, 15.0, 2.0, 0.25), (1, True, 15.0, 2.0, 0.0), (2, True, 25.0, 2.75, 0.0)],
)
def test_transition_ends_with_its_episode(
    end: int, terminates: bool, next_obs: float, reward: float, discount: float
) -> None:
    """Rewards are 1, 2, 3, discounted by half; a truncation keeps the value of its last state."""
    batch = filled_replay(4, n_step=3, done={(end, 0): terminates}).gather(torch.tensor([0]), torch.tensor([0]))
    found = [batch[name].item() for name in ("next_obs", "reward", "discount")]
    assert found == pytest.approx([next_obs, reward, discount])


def test_ring_forgets_the_oldest_steps() -> None:
    """Six steps in a ring of four: 2 to 5 remain, and transitions of two steps start at 2, 3 and 4."""
    replay = filled_replay(6, n_step=2, done={})
    every = replay.gather(torch.arange(3).repeat_interleave(2), torch.tensor([0, 1] * 3))
    assert every["obs"].flatten().tolist() == [20.0, 21.0, 30.0, 31.0, 40.0, 41.0]
    assert every["next_obs"].flatten().tolist() == [35.0, 36.0, 45.0, 46.0, 55.0, 56.0]
    torch.manual_seed(0)
    sampled = replay.sample(200)["obs"].unique().tolist()
    assert sampled == [20.0, 21.0, 30.0, 31.0, 40.0, 41.0]


def test_ring_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="a ring of 2 control steps cannot hold 3"):
        Replay(5, 2, {"obs": (1,)}, n_step=3, gamma=0.9, device=CPU)


def test_noise_durations_follow_a_power_law() -> None:
    """Of 1, 2 and 3 steps with exponent 1, the probabilities are 6/11, 3/11 and 2/11."""
    chance = torch.tensor([0.0, 0.54, 0.55, 0.81, 0.82, 0.999])
    assert noise_durations(chance, 3, 1.0).tolist() == [1, 1, 2, 2, 3, 3]
    assert noise_durations(chance, 1, 1.0).tolist() == [1] * 6


def test_noise_is_kept_per_world() -> None:
    torch.manual_seed(0)
    noise = RepeatedNoise(2, 3, longest=4, exponent=0.0, device=CPU)
    steps = []
    for _ in range(200):
        steps.append(noise.step().clone())
    changed = [(later != earlier).any(dim=-1) for earlier, later in itertools.pairwise(steps)]
    together = torch.stack(changed)
    assert (together[:, 0] != together[:, 1]).any(), "worlds draw at different times"
    for world in range(2):
        draws = [0, *(1 + together[:, world].nonzero().flatten()).tolist()]
        kept = {later - earlier for earlier, later in itertools.pairwise(draws)}
        assert kept == {1, 2, 3, 4}


def make_learner(device: torch.device = CPU, **changes: object) -> Learner:
    torch.manual_seed(0)
    settings = {
        "batch_size": 8,
        "learning_rate": 1e-2,
        "final_learning_rate": 1e-3,
        "num_updates": 4,
        "alpha_lr": 1e-2,
        "critic_tau": 0.25,
        "init_alpha": 0.5,
        "target_deviation": 0.15,
        "bfloat16": False,
    }
    shapes = {"obs": (3,), "action": (2,), "next_obs": (3,)}
    replay = Replay(40, 2, shapes, n_step=1, gamma=0.9, device=device)
    for _ in range(20):
        values = {"obs": torch.randn(2, 3), "action": torch.rand(2, 2), "next_obs": torch.randn(2, 3)}
        outcome = (torch.randn(2), torch.rand(2) < 0.2, torch.rand(2) < 0.3)
        replay.add({name: value.to(device) for name, value in values.items()}, *(x.to(device) for x in outcome))
    critics = [Critics(3, 2, units=8, blocks=1, bins=5, limit=2.0).to(device) for _ in range(2)]
    actor = Actor(3, 2, units=8, blocks=1).to(device)
    rewards = RewardScale(2, 0.9, 2.0, device)
    return Learner(actor, *critics, replay, rewards, LearnerSettings(**settings | changes))  # type: ignore[arg-type]


def test_equal_parts_of_a_batch_are_replaced_by_their_images() -> None:
    """Of six transitions, two stay, two are mirrored, and two swap observations."""
    mirror = Symmetry(SignedPermutation.of([1.0, -1.0]), SignedPermutation.of([-1.0]))
    swap = Symmetry(SignedPermutation.of([1.0, 1.0], [1, 0]), SignedPermutation.of([1.0]))
    values = torch.tensor([[1.0, 2.0]]).repeat(6, 1)
    batch = {"obs": values, "next_obs": 10.0 * values, "action": torch.full((6, 1), 3.0), "reward": torch.arange(6.0)}
    images = with_images(batch, (mirror, swap))
    assert images["obs"].tolist() == [[1.0, 2.0]] * 2 + [[1.0, -2.0]] * 2 + [[2.0, 1.0]] * 2
    torch.testing.assert_close(images["next_obs"], 10.0 * images["obs"])
    assert images["action"].flatten().tolist() == [3.0, 3.0, -3.0, -3.0, 3.0, 3.0]
    assert images["reward"] is batch["reward"]
    unchanged = with_images(batch, ())
    assert all(torch.equal(unchanged[name], batch[name]) for name in batch)


def test_targets_follow_the_critics() -> None:
    learner = make_learner()
    before = [parameter.clone() for parameter in learner.targets.parameters()]
    learner.update(with_actor=False)
    for was, follower, followed in zip(before, learner.targets.parameters(), learner.critics.parameters(), strict=True):
        torch.testing.assert_close(follower, 0.75 * was + 0.25 * followed)
        if was.dim() == 2:
            assert (followed != was).any()


def test_temperature_moves_towards_the_target_entropy() -> None:
    """Its loss is α (H − H'), so that it falls while the entropy is above the target, by one step of Adam."""
    learner = make_learner()
    learner.update(with_actor=True)
    sums = learner.take_statistics()
    entropy = sums["entropy"].item()
    assert sums["temperature loss"].item() == pytest.approx(0.5 * (entropy - target_entropy(2, 0.15)), rel=1e-4)
    sign = 1.0 if entropy > target_entropy(2, 0.15) else -1.0
    assert learner.log_alpha.item() == pytest.approx(math.log(0.5) - sign * 1e-2, rel=1e-3)
    assert all(total == 0.0 for total in learner.sums.values())


def test_actor_learns_only_when_asked() -> None:
    learner = make_learner()
    before = [parameter.clone() for parameter in learner.actor.parameters()]
    learner.update(with_actor=False)
    assert all(torch.equal(was, now) for was, now in zip(before, learner.actor.parameters(), strict=True))
    assert learner.log_alpha.item() == pytest.approx(math.log(0.5))
    learner.update(with_actor=True)
    assert any(not torch.equal(was, now) for was, now in zip(before, learner.actor.parameters(), strict=True))


def test_rate_of_the_learner_falls_with_its_updates() -> None:
    learner = make_learner()
    rates = []
    for _ in range(6):
        learner.update(with_actor=False)
        rates.append(learner.rate.item())
    assert rates == pytest.approx([decayed_rate(1e-2, 1e-3, torch.tensor(n / 4)).item() for n in range(6)])
    assert learner.critic_optimizer.param_groups[0]["lr"] is learner.rate
    constant = make_learner(num_updates=None)
    constant.update(with_actor=False)
    assert constant.rate.item() == pytest.approx(1e-2)


def test_weights_keep_their_norms() -> None:
    learner = make_learner()
    for _ in range(3):
        learner.update(with_actor=True)
    for network in (learner.actor, learner.critics):
        linear = [module.weight for module in network.modules() if isinstance(module, torch.nn.Linear)]
        assert linear
        for weight in linear:
            torch.testing.assert_close(weight.norm(dim=-1), torch.ones(len(weight)))
        for module in network.modules():
            if isinstance(module, UnitBatchNorm):
                squares = module.weight.square().sum() + module.bias.square().sum()
                assert squares.item() == pytest.approx(len(module.weight), rel=1e-4)


def test_batch_or_running_statistics_normalise() -> None:
    norm = UnitBatchNorm(2)
    x = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    torch.testing.assert_close(norm(x, use_batch=True), torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.running_mean, 0.01 * torch.tensor([2.0, 20.0]))
    torch.testing.assert_close(norm.running_var, 0.99 + 0.01 * torch.tensor([2.0, 200.0]))  # of a sample of 2
    expected = (x - norm.running_mean) / (norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(norm(x, use_batch=False), expected)
    norm.weight.data.fill_(3.0)
    norm.bias.data.fill_(4.0)
    Norms(norm)  # norm √50 becomes √2
    torch.testing.assert_close(norm.weight.data, torch.full((2,), 0.6))
    torch.testing.assert_close(norm.bias.data, torch.full((2,), 0.8))
    scale = UnitRmsNorm(2)
    scale.weight.data.copy_(torch.tensor([3.0, 4.0]))
    Norms(scale)  # norm 5 becomes √2
    torch.testing.assert_close(scale.weight.data, 2.0**0.5 * torch.tensor([0.6, 0.8]))


def test_value_of_a_distribution() -> None:
    critics = Critics(3, 2, units=8, blocks=1, bins=5, limit=2.0)
    torch.testing.assert_close(critics.support, SUPPORT)
    assert critics.mean(torch.tensor([0.1, 0.2, 0.3, 0.2, 0.2]).log()).item() == pytest.approx(0.2)
    log_probabilities = critics(torch.randn(4, 3), torch.randn(4, 2), use_batch=True)
    assert log_probabilities.shape == (2, 4, 5)
    torch.testing.assert_close(log_probabilities.exp().sum(dim=-1), torch.ones(2, 4))
    assert (log_probabilities[0] != log_probabilities[1]).any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("bfloat16", [False, True])
def test_graphs_learn_what_eager_steps_learn(bfloat16: bool) -> None:
    """Both draw the same random numbers; sums over bins are added in any order."""
    device = torch.device("cuda:0")
    found = []
    for setting in ("False", "True"):
        learner = make_learner(device, bfloat16=bfloat16, learning_rate=1e-4, final_learning_rate=1e-5)
        graphs = LearnerGraphs.of(setting, device, Workers())
        torch.cuda.manual_seed(0)

        def work(learner: Learner = learner) -> None:
            learner.update(with_actor=True)
            learner.update(with_actor=False)

        for _ in range(5):
            graphs.run("learning", work)
        statistics = learner.take_statistics() | {"alpha": learner.log_alpha.detach(), "rate": learner.rate}
        found.append({name: value.item() for name, value in statistics.items()})
        assert learner.updates == 10
    assert found[1] == pytest.approx(found[0], rel=1e-2 if bfloat16 else 1e-3)
