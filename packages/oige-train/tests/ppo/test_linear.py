"""Linear layers of the learner on the CPU, computed by oneDNN."""

from pathlib import Path

import pytest
import torch
from oige_train.learner.ppo import agent as agents
from oige_train.learner.ppo.linear import is_large, linear_of_onednn, speed_up_linear_layers
from random_env import RandomEnv, random_agent

pytestmark = pytest.mark.skipif(
    not hasattr(torch.ops.mkldnn, "_linear_pointwise"), reason="this build of torch has no oneDNN"
)


def layer_and_data(rows: int, inputs: int, outputs: int) -> tuple[torch.nn.Linear, torch.Tensor, torch.Tensor]:
    """Return a layer, its inputs ``(rows, inputs)`` and derivatives ``(rows, outputs)`` of a loss."""
    generator = torch.Generator().manual_seed(2)
    layer = torch.nn.Linear(inputs, outputs)
    data = torch.randn(rows, inputs, generator=generator)
    return layer, data, torch.randn(rows, outputs, generator=generator)


@pytest.mark.parametrize(("inputs", "outputs"), [(60, 256), (256, 48), (64, 64)])
@pytest.mark.parametrize("rows", [5, 2500])
def test_outputs_and_gradients_are_those_of_double_precision(rows: int, inputs: int, outputs: int) -> None:
    layer, data, slopes = layer_and_data(rows, inputs, outputs)
    data.requires_grad_()
    computed = linear_of_onednn(data, layer.weight, layer.bias)
    gradients = torch.autograd.grad(computed, [data, layer.weight, layer.bias], slopes)
    weight, exact = layer.weight.detach().double(), slopes.double()
    expected = [exact @ weight, exact.T @ data.detach().double(), exact.sum(0)]
    torch.testing.assert_close(computed.double(), data.detach().double() @ weight.T + layer.bias, rtol=1e-5, atol=1e-5)
    for gradient, reference in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient.double(), reference, rtol=1e-5, atol=1e-6 * rows)


def test_without_bias_and_gradients_of_inputs() -> None:
    layer, data, slopes = layer_and_data(64, 32, 40)
    computed = linear_of_onednn(data, layer.weight, None)
    (gradient,) = torch.autograd.grad(computed, [layer.weight], slopes)
    torch.testing.assert_close(gradient, slopes.T @ data, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(linear_of_onednn(data, layer.weight, None), computed, rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs", "large"),
    [(4096, 32, 64, True), (4095, 32, 64, False), (1 << 20, 31, 64, False), (1 << 20, 64, 1, False)],
)
def test_only_large_and_wide_products_are_taken_over(rows: int, inputs: int, outputs: int, large: bool) -> None:
    weight = torch.empty(outputs, inputs)
    assert is_large(torch.empty(rows, inputs), weight) is large
    assert not is_large(torch.empty(rows, inputs, dtype=torch.float64), weight)
    assert not is_large(torch.empty(2, rows, inputs), weight)


def test_layers_keep_their_parameters_and_use_onednn_for_large_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, data, _ = layer_and_data(4096, 32, 64)
    network = torch.nn.Sequential(layer, torch.nn.ELU())
    before, names = network(data), list(network.state_dict())
    speed_up_linear_layers(network)
    calls: list[int] = []
    monkeypatch.setattr(
        "oige_train.learner.ppo.linear.linear_of_onednn",
        lambda *arguments: (calls.append(len(arguments[0])), linear_of_onednn(*arguments))[1],
    )
    torch.testing.assert_close(network(data), before, rtol=1e-5, atol=1e-5)
    network(data[:8])
    assert list(network.state_dict()) == names
    assert calls == [4096]


@pytest.mark.parametrize("faster", [True, False])
def test_the_agent_asks_whether_the_processor_gains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, faster: bool
) -> None:
    monkeypatch.setattr(agents, "has_faster_products", lambda: faster)
    agent = random_agent(tmp_path, RandomEnv(8, 0))
    layers = [layer for layer in agent.model.modules() if isinstance(layer, torch.nn.Linear)]
    assert layers
    assert {"forward" in vars(layer) for layer in layers} == {faster}
