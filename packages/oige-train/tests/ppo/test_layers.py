"""Layers with a gradient of their own against those of torch."""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch
from oige_train.learner.ppo import layers
from oige_train.learner.ppo.launcher import Launcher
from torch import nn

CUDA = pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"))
DEVICES = ("cpu", CUDA)


@pytest.fixture(autouse=True)
def _use_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "find_launcher", Launcher)


def _mlp(activation: nn.Module, units: list[int]) -> nn.Sequential:
    torch.manual_seed(sum(units))
    return nn.Sequential(*(module for pair in pairwise(units) for module in (nn.Linear(*pair), activation)))


def _kernel_calls(outputs: torch.Tensor) -> int:
    """Return how many layers of a sequence have the gradient of their own."""
    calls, node = 0, outputs.grad_fn
    while node is not None:
        calls += node.name() == "_ActivatedLinearBackward"
        later = [function for function, _ in node.next_functions if function is not None]
        node = later[0] if later else None
    return calls


def _gradients(outputs: torch.Tensor, slopes: torch.Tensor, wanted: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [outputs.detach(), *torch.autograd.grad(outputs, wanted, slopes.to(outputs))]


def _compare(mlp: nn.Sequential, inputs: torch.Tensor, slopes: torch.Tensor, device: str) -> None:
    """Compare with torch in float64; to 1e-5 of the largest number, some hundred roundings of float32."""
    expected_mlp = copy.deepcopy(mlp).double()
    leaf = inputs.double().requires_grad_()
    expected = _gradients(expected_mlp(leaf), slopes, [leaf, *expected_mlp.parameters()])
    mlp, leaf = mlp.to(device), inputs.to(device).requires_grad_()
    actual = _gradients(layers.evaluate_layers(mlp, leaf), slopes, [leaf, *mlp.parameters()])
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours.cpu().double(), theirs, rtol=1e-5, atol=1e-5 * float(theirs.abs().max()))
        assert ours.is_contiguous()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", [nn.ELU(), nn.ReLU(), nn.Tanh()])
@pytest.mark.parametrize(("rows", "units"), [(1, [1, 1]), (1031, [3, 5, 512, 33]), (70, [8, 1, 4])])
def test_gradients_equal_those_of_torch(activation: nn.Module, rows: int, units: list[int], device: str) -> None:
    mlp = _mlp(activation, units)
    inputs, slopes = 3.0 * torch.randn(rows, units[0]), torch.randn(rows, units[-1])
    assert _kernel_calls(layers.evaluate_layers(mlp, inputs)) == len(units) - 1
    _compare(mlp, inputs, slopes, device)


@pytest.mark.parametrize("device", DEVICES)
def test_many_rows_are_added_up_in_parts(device: str) -> None:
    # 1024 partial sums of 8 or 9 rows: four at once, and the rest.
    _compare(_mlp(nn.ELU(), [2, 2]), torch.randn(8999, 2), torch.randn(8999, 2), device)


@pytest.mark.parametrize("device", DEVICES)
def test_gradient_worked_out_by_hand(device: str) -> None:
    mlp = nn.Sequential(nn.Linear(1, 1), nn.ELU()).to(device)
    linear: Any = mlp[0]
    linear.weight.data.fill_(2.0)
    linear.bias.data.fill_(0.5)
    outputs = layers.evaluate_layers(mlp, torch.tensor([[1.0], [-1.0]], device=device))
    # y = 2x + 0.5 is 2.5 and −1.5; the derivative of the ELU is 1 and e^−1.5.
    torch.testing.assert_close(outputs.flatten().tolist(), [2.5, math.exp(-1.5) - 1.0])
    weight, bias = torch.autograd.grad(outputs, [linear.weight, linear.bias], torch.tensor([[1.0], [3.0]]).to(device))
    assert weight.item() == pytest.approx(1.0 - 3.0 * math.exp(-1.5))
    assert bias.item() == pytest.approx(1.0 + 3.0 * math.exp(-1.5))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("activation", [nn.ELU(), nn.ReLU(), nn.Tanh()])
@pytest.mark.parametrize("place", ["inputs", "slopes"])
def test_nan_spreads_as_in_torch(place: str, activation: nn.Module, device: str) -> None:
    mlp, inputs, slopes = _mlp(activation, [2, 3]), torch.randn(20, 2), torch.randn(20, 3)
    {"inputs": inputs, "slopes": slopes}[place][7:15] = math.nan
    expected = _gradients(mlp(inputs), slopes, list(mlp.parameters()))
    outputs = layers.evaluate_layers(mlp.to(device), inputs.to(device))
    actual = _gradients(outputs, slopes, list(mlp.parameters()))
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.equal(ours.cpu().isnan(), theirs.isnan())
    assert expected[1].isnan().any()


@pytest.mark.parametrize(
    "activation", [nn.Sigmoid(), nn.SELU(), nn.SiLU(), nn.GELU(), nn.Softplus(), nn.Identity(), nn.ELU(alpha=2.0)]
)
def test_torch_computes_other_activations(activation: nn.Module) -> None:
    mlp = _mlp(activation, [3, 5, 4])
    inputs = torch.randn(9, 3)
    outputs = layers.evaluate_layers(mlp, inputs)
    assert _kernel_calls(outputs) == 0
    assert torch.equal(outputs, mlp(inputs))


def test_layers_between_are_kept() -> None:
    mlp = nn.Sequential(nn.Linear(3, 5), nn.ELU(), nn.LayerNorm(5), nn.Linear(5, 4), nn.ELU())
    inputs = torch.randn(9, 3)
    assert _kernel_calls(layers.evaluate_layers(mlp, inputs)) == 2
    _compare(mlp, inputs, torch.randn(9, 4), "cpu")


def test_torch_computes_under_autocast() -> None:
    mlp, inputs = _mlp(nn.ELU(), [3, 5]), torch.randn(9, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = layers.evaluate_layers(mlp, inputs)
    assert outputs.dtype == torch.bfloat16


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_captured_gradients_follow_their_inputs() -> None:
    mlp = _mlp(nn.ELU(), [60, 256, 128]).cuda()
    inputs, slopes = torch.zeros(1000, 60, device="cuda"), torch.zeros(1000, 128, device="cuda")
    parameters = list(mlp.parameters())

    def compute() -> list[torch.Tensor]:
        return _gradients(layers.evaluate_layers(mlp, inputs), slopes, parameters)

    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        compute()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        captured = compute()
    for seed in (1, 2):
        torch.manual_seed(seed)
        inputs.normal_()
        slopes.normal_()
        graph.replay()
        for ours, eager in zip(captured, compute(), strict=True):
            torch.testing.assert_close(ours, eager, rtol=1e-5, atol=1e-4)
        first = [value.clone() for value in captured]
        graph.replay()
        assert all(torch.equal(*pair) for pair in zip(first, captured, strict=True))
