"""Truncated episodes are bootstrapped with the value of their last state; numbers computed by hand."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fake_env import FakeEnv, collected, make_agent, make_sac_agent
from gymnasium.vector import AutoresetMode
from oige_train.learner.environment import RlGamesEnv
from oige_train.schema import RewardShaperConfig


class ResettingEnv(FakeEnv):
    """Two worlds that show 0, 1, 2, … and 10, 11, 12, … and start from there again in the step that ends an episode.

    Args:
        cut: by step from 1 on, the worlds whose episodes are cut off by time.
        ended: the same for worlds whose episodes terminate.
        num_states: size of the privileged state, which shows 100 more than the observation.
    """

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self, cut: dict[int, list[int]], ended: dict[int, list[int]] | None = None, num_states: int = 0
    ) -> None:
        super().__init__(2, num_states, reward=3.0)
        self.cut, self.ended = cut, ended or {}
        self.counts = torch.zeros(2)

    def _observe(self) -> torch.Tensor:
        return (self.counts + torch.tensor([0.0, 10.0])).unsqueeze(1).expand(2, 3).clone()

    def _states(self) -> torch.Tensor:
        return self._observe()[:, :1].expand(2, self.num_states) + 100.0

    def _info(self) -> dict[str, Any]:
        return {"states": self._states()} if self.num_states else {}

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        self.steps += 1
        self.counts += 1.0
        final = {"final_obs": self._observe()} | ({"final_states": self._states()} if self.num_states else {})
        truncated, terminated = torch.zeros(2, 2, dtype=torch.bool)
        truncated[self.cut.get(self.steps, [])] = True
        terminated[self.ended.get(self.steps, [])] = True
        self.counts[truncated | terminated] = 0.0
        return self._observe(), torch.full((2,), self.reward), terminated, truncated, self._info() | final


def rewards_of(agent: Any) -> torch.Tensor:
    """Collect eight steps; return the rewards (8, 2) from which advantages are computed."""
    return collected(agent)["rewards"]


def let_value_be(network: Any, slope: float, offset: float) -> None:
    """Give a network with one hidden layer the value slope · x₀ + offset, for x₀ above 0."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.actor_mlp[0].weight[0, 0] = 1.0
        network.value.weight[0, 0] = slope
        network.value.bias[0] = offset


SHAPED = RewardShaperConfig(scale_value=0.1)


def test_time_out_adds_the_value_of_the_last_observation(tmp_path: Path) -> None:
    env = ResettingEnv({3: [1], 6: [0, 1]}, {5: [0]})
    agent = make_agent(env, tmp_path, normalize_input=False, normalize_value=False, reward_shaper=SHAPED)
    let_value_be(agent.model.a2c_network, slope=2.0, offset=1.0)
    expected = torch.full((8, 2), 0.3)
    expected[2, 1] += 0.5 * (2.0 * 13.0 + 1.0)  # γ V of the third observation of an episode, which counts from 10
    expected[5, 0] += 0.5 * (2.0 * 1.0 + 1.0)  # world 0 failed in step 5: one step into the next episode
    expected[5, 1] += 0.5 * (2.0 * 13.0 + 1.0)
    torch.testing.assert_close(rewards_of(agent), expected)
    torch.testing.assert_close(rewards_of(agent), torch.full((8, 2), 0.3))  # nothing is left from before


def test_last_observations_and_values_are_normalised(tmp_path: Path) -> None:
    agent = make_agent(ResettingEnv({3: [1]}), tmp_path, reward_shaper=SHAPED)
    let_value_be(agent.model.a2c_network, slope=2.0, offset=0.5)
    for normaliser, mean, variance in ((agent.model.running_mean_std, 3.0, 100.0), (agent.value_mean_std, 7.0, 4.0)):
        normaliser.running_mean.fill_(mean)
        normaliser.running_var.fill_(variance)
    expected = torch.full((8, 2), 0.3)
    expected[2, 1] += 0.5 * (7.0 + 2.0 * (2.0 * 1.0 + 0.5))  # (13 - 3) / 10 = 1; a value v stands for 7 + 2 v
    torch.testing.assert_close(rewards_of(agent), expected, atol=1e-5, rtol=1e-5)


def test_time_out_uses_the_last_state_for_an_asymmetric_critic(tmp_path: Path) -> None:
    agent = make_agent(ResettingEnv({3: [1]}, num_states=4), tmp_path, normalize_value=False, reward_shaper=SHAPED)
    agent.central_value_net.model.running_mean_std.running_mean.fill_(110.0)
    let_value_be(agent.central_value_net.model.a2c_network, slope=2.0, offset=1.0)
    expected = torch.full((8, 2), 0.3)
    expected[2, 1] += 0.5 * (2.0 * 3.0 + 1.0)  # the state is 113, 3 above its mean, the variance 1
    torch.testing.assert_close(rewards_of(agent), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("num_states", [0, 4])
def test_time_out_uses_the_hidden_state_of_the_ended_episode(tmp_path: Path, num_states: int) -> None:
    env = ResettingEnv({3: [1], 5: [1]}, num_states=num_states)
    agent = make_agent(env, tmp_path, recurrent=True, normalize_value=False)
    rewards = rewards_of(agent)
    network = (agent.central_value_net if num_states else agent.model).eval()
    first = torch.full((1, num_states or 3), 110.0 if num_states else 10.0)
    for step, length in ((2, 3), (4, 2)):  # the second episode began in step 3 and is two steps long
        memory = [state[:, :1] * 0.0 for state in agent.model.get_default_rnn_state()]
        with torch.no_grad():
            for count in range(length + 1):
                inputs = {"is_train": False, "prev_actions": None, "obs": first + count, "rnn_states": memory}
                out = network(inputs)
                memory = out["rnn_states"]
        assert out["values"].abs() > 1e-4, "a value of zero would show nothing"
        torch.testing.assert_close(rewards[step, 1], 3.0 + 0.5 * out["values"].squeeze())
    assert rewards[:, 0].tolist() == [3.0] * 8


def test_time_out_adds_nothing_without_bootstrapping(tmp_path: Path) -> None:
    agent = make_agent(ResettingEnv({3: [0, 1]}), tmp_path, value_bootstrap=False)
    assert rewards_of(agent).unique().tolist() == [3.0]


def test_time_out_adds_nothing_if_the_learner_is_not_told_of_it(tmp_path: Path) -> None:
    for compat, cut in (("fixed", 3.0 + 0.5 * 8.0), ("upstream", 3.0)):
        settings = {"normalize_input": False, "normalize_value": False, "compat": compat}
        first = 3 if compat == "fixed" else 4  # OmniIsaacGymEnvs takes a step before the first observation
        agent = make_agent(ResettingEnv({first: [0, 1]}), tmp_path, **settings)
        let_value_be(agent.model.a2c_network, slope=0.0, offset=8.0)
        assert rewards_of(agent)[:4, 0].tolist() == [3.0, 3.0, cut, 3.0]


def test_sac_stores_the_last_observation_of_an_episode(tmp_path: Path) -> None:
    agent = make_sac_agent(ResettingEnv({2: [1]}, {4: [0]}), tmp_path, num_steps_per_episode=5)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.play_steps(random_exploration=True)
    memory = agent.replay_buffer
    rows = slice(0, 10)  # five steps of two worlds
    assert memory.obses[rows, 0].view(5, 2).tolist() == [[0, 10], [1, 11], [2, 10], [3, 11], [0, 12]]
    assert memory.next_obses[rows, 0].view(5, 2).tolist() == [[1, 11], [2, 12], [3, 11], [4, 12], [1, 13]]
    assert memory.dones[rows, 0].view(5, 2).nonzero().tolist() == [[3, 0]], "time ran out in step 2: no end to value"


def test_adapter_returns_the_last_observations() -> None:
    adapter = RlGamesEnv(ResettingEnv({1: [1]}, num_states=4), "cpu")
    adapter.reset()
    observations, _, _, info = adapter.step(torch.zeros(2, 2))
    assert observations["obs"][:, 0].tolist() == [1.0, 10.0]
    assert info["final"]["obs"][:, 0].tolist() == [1.0, 11.0]
    assert info["final"]["states"][:, 0].tolist() == [101.0, 111.0]
    assert info["time_outs"].tolist() == [False, True]


def test_adapter_hides_time_outs_as_the_original_does() -> None:
    adapter = RlGamesEnv(ResettingEnv({2: [1]}), "cpu", upstream=True)
    assert adapter.reset()["obs"][:, 0].tolist() == [1.0, 11.0], "after a step"
    _, _, dones, info = adapter.step(torch.zeros(2, 2))
    assert dones.tolist() == [False, True]
    assert "time_outs" not in info
