"""Warp kernels of PPO against the torch code that they replace."""

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, make_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.graphs import LearnerGraphs
from oige_train.learner.ppo import collector, layers, normaliser, optimiser, update
from oige_train.learner.ppo.distributions import Gaussian
from oige_train.learner.ppo.fused import FusedCriticLoss, FusedObjective
from oige_train.learner.ppo.launcher import Launcher, find_launcher
from oige_train.learner.ppo.losses import Gradient, Objective, Outputs, Samples, critic_loss
from oige_train.schema import ContinuousConfig, MlpConfig, NetworkConfig, SpaceConfig
from rl_games.algos_torch.running_mean_std import RunningMeanStd

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))
DEVICES = ("cpu", CUDA)
ENTROPY_COEF = 0.01


def _objective(**changes: Any) -> Objective:
    settings = {
        "distribution": Gaussian(),
        "e_clip": 0.2,
        "ppo": True,
        "use_smooth_clamp": False,
        "clip_value": True,
        "critic_coef": 4.0,
        "bounds_loss_coef": 0.05,
        "bound_loss_type": "bound",
    }
    return Objective(**settings | changes)


def _random(
    count: int, num_actions: int, *, originals: int | None = None, shared: bool = True, minibatches: int = 1
) -> tuple[Outputs, Samples]:
    """Return outputs, and samples of all minibatches, with ratios and values inside and outside of bounds."""
    torch.manual_seed(count + num_actions)
    originals = count if originals is None else originals
    mu = torch.randn(count, num_actions)
    raw = 0.3 * torch.randn(num_actions) if shared else 0.3 * torch.randn(count, num_actions)
    actions = mu + 0.7 * torch.randn(minibatches, count, num_actions)
    neg_log_probs = Gaussian().neg_log_prob(actions, mu, raw) + 0.3 * torch.randn(minibatches, count)
    old_mu = mu[:originals] + 0.1 * torch.randn(minibatches, originals, num_actions)
    old_sigma = raw.exp().expand(count, num_actions)[:originals] * (1.0 + 0.2 * torch.rand(minibatches, originals, 1))
    values = torch.randn(count)
    old_values = values + 0.3 * torch.randn(minibatches, count)
    advantages, returns = torch.randn(2, minibatches, count)
    return Outputs(mu, raw, values), Samples(actions, neg_log_probs, advantages, old_values, returns, old_mu, old_sigma)


def _fused(
    objective: Objective, outputs: Outputs, samples: Samples, minibatch: int = 0, device: str = "cpu"
) -> tuple[Gradient, Samples]:
    """Return the kernel's gradient, and the samples after it."""
    samples = Samples(*(value.to(device, copy=True) for value in samples))
    fused = FusedObjective(objective, Launcher(torch.device(device)))
    gradient = fused.gradient(
        Outputs(*(value.to(device) for value in outputs)),
        samples,
        torch.tensor([minibatch], device=device),
        torch.tensor(ENTROPY_COEF, device=device),
    )
    return Gradient(*(value.cpu() for value in gradient)), Samples(*(value.cpu() for value in samples))


def _reference(objective: Objective, outputs: Outputs, samples: Samples, minibatch: int = 0) -> Gradient:
    """Return the gradient by torch, in float64 after the inputs were rounded to float32."""
    leaves = Outputs(*(value.double().requires_grad_() for value in outputs))
    loss, terms = objective.loss(
        leaves, Samples(*(value[minibatch].double() for value in samples)), torch.tensor(ENTROPY_COEF)
    )
    mu, raw, values = torch.autograd.grad(loss, leaves, materialize_grads=True)
    return Gradient(mu, raw, values, terms)


def _named(name: str) -> Callable[[str], str]:
    return lambda message: f"{name}: {message}"


def _assert_equal(actual: Gradient, expected: Gradient) -> None:
    """Compare to 1e-5 of the largest component, some hundred roundings of float32."""
    for name, ours, theirs in zip(Gradient._fields, actual, expected, strict=True):
        scale = 1.0 if name == "terms" else float(theirs.abs().max())
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-5 * scale, msg=_named(name))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("count", "num_actions"), [(1, 1), (1000, 8), (130, 30)])
def test_gradient_equals_that_of_torch(count: int, num_actions: int, shared: bool, device: str) -> None:
    outputs, samples = _random(count, num_actions, shared=shared)
    actual, _ = _fused(_objective(), outputs, samples, device=device)
    _assert_equal(actual, _reference(_objective(), outputs, samples))


@pytest.mark.parametrize(
    ("ppo", "smooth", "clip_value", "bound_loss_type"),
    list(itertools.product((True, False), (True, False), (True, False), ("bound", "regularisation"))),
)
def test_every_setting_has_the_gradient_of_torch(
    ppo: bool, smooth: bool, clip_value: bool, bound_loss_type: str
) -> None:
    objective = _objective(
        ppo=ppo, use_smooth_clamp=smooth, clip_value=clip_value, bound_loss_type=bound_loss_type, e_clip=0.1
    )
    outputs, samples = _random(300, 4)
    _assert_equal(_fused(objective, outputs, samples)[0], _reference(objective, outputs, samples))


@pytest.mark.parametrize("device", DEVICES)
def test_divergence_leaves_out_images_and_the_policy_of_the_minibatch_is_stored(device: str) -> None:
    outputs, samples = _random(40, 3, originals=10, minibatches=3)
    actual, after = _fused(_objective(), outputs, samples, minibatch=1, device=device)
    _assert_equal(actual, _reference(_objective(), outputs, samples, minibatch=1))
    assert torch.equal(after.mu[1], outputs.mu[:10])
    torch.testing.assert_close(after.sigma[1], outputs.raw.exp().expand(10, 3))
    for minibatch in (0, 2):
        assert torch.equal(after.mu[minibatch], samples.mu[minibatch])
        assert torch.equal(after.sigma[minibatch], samples.sigma[minibatch])


def _one_sample(
    action: float = 0.0, mu: float = 0.0, raw: float = 0.0, shift: float = 0.0, advantage: float = 1.0, **others: float
) -> tuple[Outputs, Samples]:
    """Return a sample of one action whose probability ratio is exp(``shift``); σ = 1 unless ``raw`` is given."""
    neg_log_prob = Gaussian().neg_log_prob(torch.tensor([action]), torch.tensor([mu]), torch.tensor([raw]))
    critic = {"value": 0.0, "old_value": 0.0, "returned": 1.0} | others
    outputs = Outputs(torch.tensor([[mu]]), torch.tensor([raw]), torch.tensor([critic["value"]]))
    samples = Samples(
        actions=torch.tensor([[[action]]]),
        neg_log_probs=neg_log_prob.view(1, 1) + shift,
        advantages=torch.tensor([[advantage]]),
        values=torch.tensor([[critic["old_value"]]]),
        returns=torch.tensor([[critic["returned"]]]),
        mu=torch.zeros(1, 1, 1),
        sigma=torch.ones(1, 1, 1),
    )
    return outputs, samples


def test_ties_have_the_subgradients_of_torch() -> None:
    # The ratio is 1, so both forms are equal and inside the bounds: the slope of −ln π(a) is the advantage.
    outputs, samples = _one_sample(action=0.5, advantage=2.0)
    actual, _ = _fused(_objective(bounds_loss_coef=0.0), outputs, samples)
    torch.testing.assert_close(actual.mu, torch.tensor([[-1.0]]))  # −2 × (0.5 − 0) / 1²

    objective = _objective(e_clip=0.5)
    # V = 1.5 is clipped to 0.5 by ε = 0.5; R = 1: both errors are 0.25, and the clipped one has no slope.
    outputs, samples = _one_sample(value=1.5, old_value=0.0, returned=1.0)
    actual, _ = _fused(objective, outputs, samples)
    torch.testing.assert_close(actual.values, torch.tensor([0.5 * 4.0 * 0.5 * 2.0 * 0.5]))
    _assert_equal(actual, _reference(objective, outputs, samples))

    # At the bound itself, the slope passes.
    outputs, samples = _one_sample(value=0.5, old_value=0.0, returned=-1.0)
    actual, _ = _fused(objective, outputs, samples)
    torch.testing.assert_close(actual.values, torch.tensor([0.5 * 4.0 * 2.0 * 1.5]))
    _assert_equal(actual, _reference(objective, outputs, samples))


@pytest.mark.parametrize("advantage", [1.0, -1.0, 0.0])
def test_overflow_of_the_ratio_is_that_of_torch(advantage: float) -> None:
    outputs, samples = _one_sample(action=0.5, shift=100.0, advantage=advantage)
    expected = _objective().gradient(outputs, Samples(*(value[0] for value in samples)), torch.tensor(ENTROPY_COEF))
    actual, _ = _fused(_objective(), outputs, samples)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)
    assert not actual.mu.isfinite().any()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", [*Outputs._fields, *("old_" + field for field in Samples._fields)])
def test_nan_spreads_as_in_torch(name: str, device: str) -> None:
    outputs, samples = _random(20, 2)
    target = getattr(samples, name[4:])[0] if name.startswith("old_") else getattr(outputs, name)
    target[(0,) * target.ndim] = math.nan
    expected = _objective().gradient(outputs, Samples(*(value[0] for value in samples)), torch.tensor(ENTROPY_COEF))
    actual, _ = _fused(_objective(), outputs, samples, device=device)
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.equal(ours.isnan(), theirs.isnan())
    assert actual.terms.isnan().any()


class _Eagerly:
    """Runs the work of graphs, which then have their cursors on the device."""

    def record(self, work: Callable[[], None], generators: object) -> Callable[[], None]:
        return work


def _use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (collector, layers, normaliser, optimiser, update):
        monkeypatch.setattr(module, "find_launcher", Launcher)


@pytest.mark.parametrize(
    ("schedule", "fixed_sigma", "num_states"),
    [("legacy", True, 0), ("legacy", False, 0), ("standard", True, 0), ("legacy", True, 5)],
)
def test_agent_learns_the_same_with_kernels(
    schedule: str, fixed_sigma: bool, num_states: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two epochs change the network by about 1e-2; kernels change that by float32 roundings."""
    space = SpaceConfig(continuous=ContinuousConfig(fixed_sigma=fixed_sigma))
    states: list[dict[str, torch.Tensor]] = []
    eagerly: Any = _Eagerly()
    for kernels in (False, True):
        if kernels:
            _use_kernels(monkeypatch)
            monkeypatch.setattr(LearnerGraphs, "of", lambda *_: LearnerGraphs(eagerly))
        agent = make_agent(
            FakeEnv(4, num_states, endings={3: "truncated"}),
            tmp_path,
            network=NetworkConfig(name="actor_critic", mlp=MlpConfig(units=[8]), space=space),
            lr_schedule="adaptive",
            schedule_type=schedule,
            kl_threshold=1e-4,
            truncate_grads=True,
            grad_norm=0.1,
        )
        agent.init_tensors()
        agent.obs = agent.env_reset()
        before = {name: value.clone() for name, value in agent.model.state_dict().items()}
        torch.manual_seed(1)
        for _ in range(2):
            agent.learn_for_an_epoch()
        critic = agent.central_value_net.state_dict(prefix="critic.") if num_states else {}
        others = {"terms": agent.update.terms, "rate": torch.tensor(agent.last_lr)}
        states.append({**agent.model.state_dict(), **critic, **others})
    changed = [name for name, value in before.items() if not torch.equal(value, states[0][name])]
    assert {"a2c_network.mu.weight", "a2c_network.value.weight", "running_mean_std.running_var"} <= set(changed)
    assert states[0]["rate"] != 1e-3
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, rtol=1e-4, atol=1e-5, msg=_named(name))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("e_clip", [None, 0.2])
def test_critic_has_the_gradient_of_torch(e_clip: float | None, device: str) -> None:
    outputs, samples = _random(130, 1, minibatches=2)
    leaf = outputs.values.double().requires_grad_()
    loss = critic_loss(leaf, samples.values[1].double(), samples.returns[1].double(), e_clip).mean()
    (slopes,) = torch.autograd.grad(loss, [leaf])
    arguments = (outputs.values, samples.values, samples.returns, torch.tensor([1]))
    fused = FusedCriticLoss(e_clip, Launcher(torch.device(device)))
    actual = fused.gradient(*(value.to(device) for value in arguments))
    for ours, theirs in zip(actual, (slopes, loss.detach()), strict=True):
        torch.testing.assert_close(ours.cpu().double(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("shape", [(1,), (30,), (2, 3, 4)])
def test_normaliser_equals_that_of_torch(shape: tuple[int, ...], device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for kernels in (False, True):
        if kernels:
            _use_kernels(monkeypatch)
        torch.manual_seed(0)
        module = RunningMeanStd(shape).to(device)
        subject = normaliser.Normaliser(module, Workers())
        monkeypatch.setattr(subject, "_launcher", subject._launcher if kernels else None)
        for scale in (1.0, 3.0):
            subject.update(2.0 + scale * torch.randn(50, *shape).to(device))
        samples = 10.0 * torch.randn(7, *shape)
        samples[0] = math.nan
        samples = samples.to(device)
        normalised = subject.normalise(samples)
        restored = subject.restore(samples)
        subject.normalise_in_place(samples)
        results.append([*module.state_dict().values(), normalised, restored, samples])
    assert results[0][3].abs().nan_to_num().max() == 5.0
    for ours, theirs in zip(*reversed(results), strict=True):
        torch.testing.assert_close(ours, theirs, equal_nan=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("gradients", "scale"), [([3.0, 4.0], (5.0 + 1e-6) / 2.0), ([0.6, 0.8], 1.0), ([math.nan, 1.0], math.nan)]
)
def test_gradients_are_divided_by_their_norm_over_the_largest(
    gradients: list[float], scale: float, device: str
) -> None:
    result = torch.zeros(1, device=device)
    launcher = Launcher(torch.device(device))
    launcher.launch(launcher.kernels.gradient_scale, 1, [torch.tensor(gradients, device=device), 2.0], [result])
    torch.testing.assert_close(result.cpu(), torch.tensor([scale]), equal_nan=True)


def test_torch_computes_on_the_cpu() -> None:
    assert find_launcher(torch.device("cpu")) is None
