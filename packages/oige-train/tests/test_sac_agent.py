"""SAC's targets, normaliser, warm-up and state, with numbers computed by hand."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, make_sac_agent
from oige_train.checkpoint import load_checkpoint
from oige_train.learner import build as builder
from oige_train.learner.params import rl_games_params
from oige_train.schema import RewardShaperConfig


def started(folder: Path, env: FakeEnv | None = None, **changes: Any) -> Any:
    agent = make_sac_agent(env or FakeEnv(4), folder, **changes)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    return agent


def test_log_probability_is_that_of_squashed_actions(tmp_path: Path) -> None:
    agent = started(tmp_path)
    distribution = agent.model.actor(torch.randn(5, 3))
    actions = distribution.sample().clamp(-0.99, 0.99)
    mean, deviation = distribution.loc, distribution.scale
    before = actions.atanh()
    normal = -0.5 * ((before - mean) / deviation).square() - deviation.log() - 0.5 * math.log(2.0 * math.pi)
    torch.testing.assert_close(distribution.log_prob(actions), normal - (1.0 - actions.square()).log())
    # Actions are those of the environment, without another scale.
    assert (agent.action_low.tolist(), agent.action_high.tolist()) == ([-1.0, -1.0], [1.0, 1.0])


@pytest.mark.parametrize("done", [True, False])
def test_target_has_no_value_after_a_termination(done: bool, tmp_path: Path) -> None:
    agent = started(tmp_path, gamma=0.9, init_alpha=0.3)
    observations, following, actions = torch.randn(1, 3), torch.randn(1, 3), torch.rand(1, 2)
    state = torch.get_rng_state()
    with torch.no_grad():
        distribution = agent.model.actor(following)
        action = distribution.rsample()
        log_probability = distribution.log_prob(action).sum(-1, keepdim=True)
        value = torch.min(*agent.model.critic_target(following, action)) - 0.3 * log_probability
        expected = 2.0 if done else 2.0 + 0.9 * value
        first, second = agent.model.critic(observations, actions)
    torch.set_rng_state(state)
    reward, going_on = torch.full((1, 1), 2.0), torch.tensor([[not done]])
    _, one, two = agent.update_critic(observations, actions, reward, following, going_on, 0)
    torch.testing.assert_close(one, (first - expected).square().squeeze())
    torch.testing.assert_close(two, (second - expected).square().squeeze())


def test_discount_factor_is_not_rounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = rl_games_params

    def on_cuda(params: Any) -> dict[str, Any]:
        values = plain(params)
        values["config"]["mixed_precision"] = True
        return values

    monkeypatch.setattr(builder, "rl_games_params", on_cuda)
    agent = started(tmp_path, gamma=0.99)
    assert agent.enable_mixed_precision
    assert agent.gamma_tensor.item() == pytest.approx(0.99, abs=1e-7)  # 0.98828 in bfloat16


def test_normaliser_sees_every_observation_once_and_rests_in_updates(tmp_path: Path) -> None:
    agent = started(tmp_path, normalize_input=True, num_steps_per_episode=6, num_updates_per_step=3)
    agent.play_steps(random_exploration=True)
    agent.play_steps()
    # Twelve steps of four worlds, which show 1, 2, … 12; the statistics begin with one sample of mean 0 and variance 1.
    normaliser = agent.model.running_mean_std
    assert normaliser.count.item() == 1 + 48
    assert normaliser.running_mean.tolist() == pytest.approx([4 * 78 / 49] * 3)
    squares = (4 * 650 + 1) / 49
    assert normaliser.running_var.tolist() == pytest.approx([squares - (4 * 78 / 49) ** 2] * 3)
    agent.set_train()
    agent.update(0)
    assert normaliser.count.item() == 49


@pytest.mark.parametrize(
    ("warmup", "updates"),
    [({"num_warmup_steps": 2}, 3), ({"num_warmup_steps": 0}, 5), ({"num_warmup_frames": 5}, 3)],
    ids=["epochs", "none", "steps"],  # five steps take two epochs of four worlds
)
def test_warm_up_lasts_as_long_as_configured(warmup: dict[str, int], updates: int, tmp_path: Path) -> None:
    agent = make_sac_agent(FakeEnv(4), tmp_path, max_epochs=5, **warmup)
    agent.train()
    assert agent.update_counter == updates


def test_scores_are_sums_of_the_rewards_of_the_task(tmp_path: Path) -> None:
    agent = started(
        tmp_path,
        FakeEnv(4, endings={5: "terminated"}, reward=3.0),
        num_steps_per_episode=5,
        reward_shaper=RewardShaperConfig(scale_value=0.1),
    )
    agent.play_steps(random_exploration=True)
    assert agent.mean_reward() == pytest.approx(15.0)
    torch.testing.assert_close(agent.replay_buffer.rewards[:20], torch.full((20, 1), 0.3))


def test_resumed_learner_has_the_whole_state_of_the_interrupted_one(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"num_warmup_steps": 1, "num_updates_per_step": 3, "normalize_input": True}
    settings["save_replay_buffer"] = "False"
    agent = make_sac_agent(FakeEnv(4), tmp_path / "one", max_epochs=6, **settings)
    agent.train()
    other = make_sac_agent(FakeEnv(4), tmp_path / "two", max_epochs=9, **settings)
    other.restore(str(agent.session.last))
    expected, found = agent.model.state_dict(), other.model.state_dict()
    assert any(name.startswith("sac_network.critic_target") for name in expected)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    for name in ("actor_optimizer", "critic_optimizer", "log_alpha_optimizer"):
        ours, theirs = (getattr(each, name).state_dict()["state"] for each in (other, agent))
        assert ours.keys() == theirs.keys() != set()
        assert all(torch.equal(ours[key][moment], value) for key in theirs for moment, value in theirs[key].items())
    assert (other.update_counter, other.log_alpha.item()) == (15, agent.log_alpha.item())
    other.train()
    assert other.update_counter == 15 + 3 * 2  # epochs 8 and 9; epoch 7 refills the replay buffer


def test_checkpoint_of_plain_rl_games_is_resumed(tmp_path: Path) -> None:
    agent = make_sac_agent(FakeEnv(4), tmp_path / "one", max_epochs=3, num_warmup_steps=1)
    agent.train()
    kept = ("actor", "critic", "critic_target", "epoch", "frame", "actor_optimizer", "critic_optimizer")
    state = load_checkpoint(agent.session.last, "cpu")
    torch.save({name: state[name] for name in (*kept, "log_alpha_optimizer")}, tmp_path / "plain.pth")
    other = make_sac_agent(FakeEnv(4), tmp_path / "two", max_epochs=5, num_warmup_steps=1, init_alpha=0.3)
    other.restore(str(tmp_path / "plain.pth"))
    assert other.alpha.item() == pytest.approx(0.3)
    other.train()
    assert other.epoch_num == 5
