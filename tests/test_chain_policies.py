"""One network acts as three policies."""

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from oige_core.errors import OigeError

OBSERVED, HIDDEN, ACTIONS = (4, 6, 5), (16, 8), 3


@pytest.fixture
def chain(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("chain_policies")


def random_policy(inputs: int, hidden: tuple[int, ...] = HIDDEN) -> dict[str, torch.Tensor]:
    state = {}
    for number, (before, after) in enumerate(zip((inputs, *hidden), hidden, strict=False)):
        state[f"a2c_network.actor_mlp.{2 * number}.weight"] = torch.randn(after, before)
        state[f"a2c_network.actor_mlp.{2 * number}.bias"] = torch.randn(after)
    state["a2c_network.mu.weight"] = torch.randn(ACTIONS, hidden[-1])
    state["a2c_network.mu.bias"] = torch.randn(ACTIONS)
    state["a2c_network.sigma"] = torch.randn(ACTIONS)
    state["running_mean_std.running_mean"] = torch.randn(inputs).double()
    state["running_mean_std.running_var"] = torch.rand(inputs).double() + 0.1
    return state


def act(state: dict[str, torch.Tensor], observations: torch.Tensor) -> torch.Tensor:
    mean, variance = (state[f"running_mean_std.running_{name}"] for name in ("mean", "var"))
    x = ((observations - mean.float()) / (variance.float() + 1e-5).sqrt()).clamp(-5.0, 5.0)
    for number in range(len(HIDDEN)):
        layer = f"a2c_network.actor_mlp.{2 * number}"
        x = torch.nn.functional.elu(x @ state[f"{layer}.weight"].T + state[f"{layer}.bias"])
    return x @ state["a2c_network.mu.weight"].T + state["a2c_network.mu.bias"]


@pytest.mark.parametrize("acting", range(3))
def test_joined_network_acts_as_the_selected_policy(chain: ModuleType, acting: int) -> None:
    torch.manual_seed(0)
    policies = [random_policy(inputs) for inputs in OBSERVED]
    joined = chain.join(policies)
    seen = [3.0 * torch.randn(64, inputs) for inputs in OBSERVED]
    selected = torch.zeros(64, 3)
    selected[:, acting] = 1.0
    actions = act(joined, torch.cat((selected, *seen), dim=-1))
    torch.testing.assert_close(actions, act(policies[acting], seen[acting]), atol=5e-3, rtol=1e-4)


def test_policies_of_different_depth_are_refused(chain: ModuleType) -> None:
    policies = [random_policy(4), random_policy(6), random_policy(5, (16, 8, 8))]
    with pytest.raises(OigeError, match=r"^policies with 2, 2, 3 hidden layers: expected"):
        chain.join(policies)
