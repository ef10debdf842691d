"""Faults of rl_games 1.6.5, which its later versions mended, do not affect our agents."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, build, collected, make_agent, make_run, make_sac_agent, make_sac_run
from oige_train.checkpoint import load_checkpoint
from oige_train.learner.distributed import Workers
from oige_train.learner.params import rl_games_params
from oige_train.learner.ppo.advantages import generalised_advantages
from oige_train.policy import Policy
from oige_train.schema import ContinuousConfig, MlpConfig, NetworkConfig, SpaceConfig


class RisingEnv(FakeEnv):
    """Shows its number of steps in privileged states, too."""

    def _info(self) -> dict[str, Any]:
        return {"states": torch.full((self.num_envs, self.num_states), float(self.steps))} if self.num_states else {}


class TwoWorkers(Workers):
    """Two processes that do the same."""

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        return 2 * tensor

    def average(self, tensors: Any) -> None: ...

    def broadcast(self, tensors: Any) -> None: ...

    def any(self, flag: bool) -> bool:
        return flag


@pytest.mark.parametrize(
    ("limits", "epochs"),
    [({"max_frames": 33}, 2), ({"max_frames": 1000}, 4), ({"max_frames": 32, "max_epochs": -1}, 1)],
)
def test_training_ends_at_the_first_limit_of_epochs_and_steps(
    limits: dict[str, int], epochs: int, tmp_path: Path
) -> None:
    ppo = make_agent(FakeEnv(4), tmp_path / "ppo", **limits)  # 32 steps an epoch, 4 epochs
    ppo.train()
    assert (ppo.epoch_num, ppo.frame) == (epochs, 32 * epochs)
    sac = make_sac_agent(FakeEnv(4), tmp_path / "sac", **{"max_epochs": 4, "num_steps_per_episode": 8} | limits)
    sac.train()
    assert (sac.epoch_num, sac.frame) == (epochs, 32 * epochs)


def test_limit_of_steps_counts_those_of_all_processes(tmp_path: Path) -> None:
    agent = make_agent(FakeEnv(4), tmp_path, max_frames=128, max_epochs=-1)
    agent.session.workers = TwoWorkers(rank=0, size=2)
    agent.train()
    assert (agent.epoch_num, agent.frame) == (2, 128)


def test_advantages_do_not_depend_on_the_layout_in_memory() -> None:
    rewards, values, ended = torch.randn(8, 4), torch.randn(9, 4), torch.rand(8, 4) < 0.3

    def as_view(tensor: torch.Tensor) -> torch.Tensor:
        view = tensor.T.contiguous().T
        assert not view.is_contiguous()
        return view

    found = generalised_advantages(as_view(rewards), as_view(values), as_view(ended), 0.9, 0.8)
    # By definition, A = δ + γ λ A' and δ = r + γ V' − V, without what follows where an episode ended.
    expected, advantage = torch.zeros(8, 4), torch.zeros(4)
    for t in reversed(range(8)):
        alive = (~ended[t]).float()
        advantage = rewards[t] + 0.9 * alive * values[t + 1] - values[t] + 0.72 * alive * advantage
        expected[t] = advantage
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("value", [-1.5, 0.0])
def test_deviation_of_a_new_policy_is_the_configured_constant(value: float, tmp_path: Path) -> None:
    continuous = ContinuousConfig(fixed_sigma=False, sigma_init={"name": "const_initializer", "val": value})
    space = SpaceConfig(continuous=continuous)
    network = NetworkConfig(name="actor_critic", mlp=MlpConfig(units=[8]), space=space)
    agent = make_agent(FakeEnv(4), tmp_path, network=network)
    agent.env_reset()
    sigma = agent.get_action_values({"obs": 10.0 * torch.randn(4, 3)})["sigmas"]
    torch.testing.assert_close(sigma, torch.full((4, 2), value).exp())


def test_squashed_policy_is_played_as_it_is_trained(tmp_path: Path) -> None:
    run = make_run(2)
    run.config.train.params.model.name = "continuous_a2c_tanh"
    agent = build(run, FakeEnv(2), tmp_path)
    agent.env_reset()
    with torch.no_grad():
        agent.model.a2c_network.mu.bias.copy_(torch.tensor([0.8, -2.0]))
        agent.model.a2c_network.mu.weight.zero_()
        agent.model.a2c_network.sigma.fill_(-20.0)  # σ = 0.001
    policy = Policy(run, agent.env_info, "cpu", 2)
    policy.load({"model": agent.model.state_dict()})
    observations = torch.randn(2, 3)
    expected = torch.tensor([0.8, -2.0]).tanh().expand(2, 2)
    torch.testing.assert_close(policy.act(observations, deterministic=True), expected)
    sampled = agent.get_action_values({"obs": observations})["actions"]
    torch.testing.assert_close(sampled, expected, atol=0.01, rtol=0.0)


def test_entropy_of_a_squashed_policy_is_that_of_its_actions(tmp_path: Path) -> None:
    run = make_run(2)
    run.config.train.params.model.name = "continuous_a2c_tanh"
    agent = build(run, FakeEnv(2), tmp_path)
    actions = torch.linspace(-0.999, 0.999, 20001)
    inputs = {"is_train": True, "obs": torch.zeros(20001, 3), "prev_actions": actions.unsqueeze(1).expand(-1, 2)}
    with torch.no_grad():
        out = agent.model(inputs)
        density = (-out["prev_neglogp"] / 2.0).exp()  # of one of two actions, which are equal
        sampled = agent.model(inputs | {"obs": torch.zeros(20001, 3)})["entropy"].mean()
    assert torch.trapezoid(density, actions).item() == pytest.approx(1.0, abs=0.01)
    entropy = -torch.trapezoid(density * density.log(), actions)
    assert sampled.item() == pytest.approx(2.0 * entropy.item(), abs=0.05)


def test_playing_does_not_change_the_normalisers(tmp_path: Path) -> None:
    for agent in (
        make_agent(FakeEnv(2), tmp_path / "ppo"),
        make_sac_agent(FakeEnv(2), tmp_path / "sac", normalize_input=True),
    ):
        policy = Policy(agent.session.run, agent.env_info, "cpu", 2)
        before = {name: value.clone() for name, value in policy.model.state_dict().items()}
        policy.act(torch.randn(2, 3), deterministic=True)
        after = policy.model.state_dict()
        assert any("running_mean_std" in name for name in before)
        assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_checkpoints_of_compiled_networks_are_resumed(tmp_path: Path) -> None:
    agent = make_agent(FakeEnv(4, 5), tmp_path / "one", max_epochs=2)
    agent.train()
    state = load_checkpoint(agent.session.last, "cpu")
    compiled = {
        "model": {f"_orig_mod.{name}": value for name, value in state["model"].items()},
        "assymetric_vf_nets": {
            name.replace("model.", "model._orig_mod.", 1): value for name, value in state["assymetric_vf_nets"].items()
        },
    }
    torch.save(state | compiled, tmp_path / "compiled.pth")
    other = make_agent(FakeEnv(4, 5), tmp_path / "two", seed=7)
    other.restore(str(tmp_path / "compiled.pth"))
    for ours, theirs in zip(other._networks(), agent._networks(), strict=True):
        for name, value in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], value), name


def test_cpu_computes_in_32_bits() -> None:
    for run in (make_run(2, mixed_precision=True), make_sac_run(2, mixed_precision=True)):
        assert rl_games_params(run.config.train.params)["config"]["mixed_precision"] is False
        run.config.train.params.config.device = "cuda:0"
        assert rl_games_params(run.config.train.params)["config"]["mixed_precision"] is True
    run = make_run(2, num_states=5)
    learner: Any = run.config.train.params.config
    learner.central_value_config.mixed_precision = True
    assert rl_games_params(run.config.train.params)["config"]["central_value_config"]["mixed_precision"] is False


@pytest.mark.parametrize("num_states", [0, 5])
def test_hidden_states_take_every_observation_once(num_states: int, tmp_path: Path) -> None:
    """A rollout ends by evaluating the state after it, which the next one begins with."""
    agent = make_agent(RisingEnv(2, num_states), tmp_path, recurrent=True)
    for _ in range(2):
        collected(agent)
    functions = agent.collector.memories
    assert [function.key for function in functions] == (["obs", "states"] if num_states else ["obs"])
    for function in functions:
        inputs = torch.arange(16.0).view(16, 1, 1).expand(16, 2, num_states if function.key == "states" else 3)
        network, memory = function.network, [torch.zeros_like(state) for state in function.memory]
        with torch.no_grad():
            for row in inputs:
                out = network({"obs": function.normaliser.normalise(row), "rnn_states": memory})
                memory = list(out[-1])
        for found, expected in zip(function.memory, memory, strict=True):
            assert expected.abs().max() > 1e-3, "a memory of nothing would show nothing"
            torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("zero_rnn_on_done", [True, False])
def test_forced_resets_begin_new_episodes(zero_rnn_on_done: bool, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"recurrent": True, "zero_rnn_on_done": zero_rnn_on_done, "epochs_between_resets": 1}
    agent = make_agent(RisingEnv(2, 5), tmp_path, **settings)
    for _ in range(2):
        collected(agent)
        assert agent.episodes.current[2].tolist() == [8.0, 8.0]  # steps of the episodes that the reset began
    assert agent.rollout.ended[0].all()
    for stored in agent.collector.stored_memory:
        assert all(state[0].eq(0.0).all() and state[1].ne(0.0).any() for state in stored)
