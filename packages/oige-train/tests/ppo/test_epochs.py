"""A whole epoch changes the learner as plain rl_games does from the same rollout."""

from pathlib import Path
from typing import Any

import pytest
import torch
from oige_train.learner.ppo.losses import TERMS
from oige_train.schema import RewardShaperConfig, RnnConfig
from random_env import CNN, RandomEnv, critic, network, played, random_agent
from rl_games.common.a2c_common import A2CBase, ContinuousA2CBase, swap_and_flatten01

LSTM = RnnConfig(name="lstm", units=8)
FAST = {"learning_rate": 3e-3}


def plain_agent(folder: Path, env: RandomEnv, settings: dict[str, Any]) -> Any:
    """Return an agent that trains with rl_games' code.

    rl_games says that statistics of observations need updates in the first pass only, and switches them off after it,
    but every gradient step switches them on again. Here, they stay off.
    """
    agent = random_agent(folder, env, **settings)

    def set_train() -> None:
        if not agent.model.training:
            A2CBase.set_train(agent)

    agent.set_train = set_train
    if agent.has_central_value:
        net = agent.central_value_net
        net.train_critic = lambda batch: net.calc_gradients(batch).item()

        def train_critic() -> None:
            agent.critic_loss = net.train_net()

        agent.train_central_value = train_critic
    agent.update_lr = lambda rate: [group.update(lr=rate) for group in agent.optimizer.param_groups]
    return agent


def rl_games_batch(ours: Any, plain: Any) -> dict[str, Any]:
    """Return what rl_games' ``play_steps`` would have returned for a rollout of ours."""
    rollout = ours.rollout
    for net in plain._networks():
        net.eval()
    denormalise = (plain.central_value_net.model if plain.has_central_value else plain.model).denorm_value
    with torch.no_grad():
        values = denormalise(rollout.values.view(-1, 1)).view(*rollout.values.shape, 1)
        last = denormalise(rollout.last_values.view(-1, 1)).view(*rollout.last_values.shape, 1)
    ended = rollout.ended.float()
    rewards = plain.rewards_shaper(rollout.rewards.unsqueeze(-1))
    rewards = rewards + plain.gamma * last * rollout.time_outs.unsqueeze(-1)
    advantages = plain.discount_values(ended[-1], values[-1], ended[:-1], values[:-1], rewards)
    mu, actions, raw = (rollout.policy[name] for name in ("mu", "actions", "raw"))
    raw = (raw.unsqueeze(1) if raw.ndim == 2 else raw).expand_as(mu)
    steps = {
        "obses": rollout.inputs["obs"],
        "states": rollout.inputs.get("states"),
        "dones": ended[:-1],
        "actions": actions,
        "mus": mu,
        "sigmas": raw.exp(),
        "neglogpacs": plain.model.neglogp(actions, mu, raw.exp(), raw),
        "values": values[:-1],
        "returns": advantages + values[:-1],
    }
    batch = {name: swap_and_flatten01(each) for name, each in steps.items() if each is not None}
    stored = ours.collector.stored_memory
    if plain.is_rnn:
        batch["rnn_states"] = [s.permute(1, 2, 0, 3).flatten(1, 2) for s in stored[0]]
    if plain.has_central_value and plain.central_value_net.is_rnn:
        plain.central_value_net.mb_rnn_states = stored[1]
    return batch | {"played_frames": 0, "step_time": 0.0}


def train_as_rl_games(ours: Any, plain: Any) -> tuple[Any, ...]:
    batch = rl_games_batch(ours, plain)
    plain.play_steps = plain.play_steps_rnn = lambda: batch
    plain.epoch_num = ours.epoch_num
    return ContinuousA2CBase.train_epoch(plain)


EPOCHS: dict[str, dict[str, Any]] = {
    "constant rate": {"lr_schedule": "None", **FAST},
    "adaptive rate by steps": {"lr_schedule": "adaptive", "kl_threshold": 0.004, **FAST},
    "adaptive rate by passes": {"lr_schedule": "adaptive", "schedule_type": "standard", "kl_threshold": 0.004, **FAST},
    "linear rate and entropy": {"lr_schedule": "linear", "schedule_entropy": True, "entropy_coef": 0.1, **FAST},
    "linear rate by passes": {"lr_schedule": "linear", "schedule_type": "standard", "entropy_coef": 0.1, **FAST},
    "weight decay, clipped": {"weight_decay": 0.1, "truncate_grads": True, "grad_norm": 0.5, **FAST},
    "other steps": {"horizon_length": 4, "minibatch_size": 8, "mini_epochs": 3, "gamma": 0.9, "tau": 0.8},
    "one minibatch": {"minibatch_size": 64, "mini_epochs": 1},
    "shaped": {"reward_shaper": RewardShaperConfig(scale_value=0.3, shift_value=-0.5, min_val=-0.4), "gamma": 0.97},
    "nothing normalised": {"normalize_input": False, "normalize_value": False, "normalize_advantage": False, **FAST},
    "deviation of the network": {"network": network(fixed_sigma=False), "bounds_loss_coef": 0.1, **FAST},
    "lstm": {"network": network(rnn=LSTM), **FAST},
    "cnn": {"network": network(cnn=CNN), "images": True},
    "critic": {"num_states": 4, **FAST},
    "critic, linear rate": {
        "num_states": 4,
        "central_value_config": critic(lr_schedule="linear", mini_epochs=3, weight_decay=0.1, minibatch_size=16),
    },
    "critic, lstm": {
        "num_states": 4,
        "network": network(rnn=LSTM),
        "central_value_config": critic(network={"rnn": LSTM}, truncate_grads=True),
    },
    "frozen": {"num_states": 4, "freeze_critic": True, "central_value_config": critic(freeze_critic=True)},
}


@pytest.mark.parametrize("settings", EPOCHS.values(), ids=EPOCHS)
def test_epochs_change_the_learner_as_rl_games_does(tmp_path: Path, settings: dict[str, Any]) -> None:
    settings = dict(settings)
    env = {"num_states": settings.pop("num_states", 0), "images": settings.pop("images", False)}
    ours = random_agent(tmp_path / "ours", RandomEnv(8, **env), **settings)
    plain = plain_agent(tmp_path / "plain", RandomEnv(8, **env), settings)
    before = {name: value.clone() for name, value in plain.model.state_dict().items()}
    for _ in range(2):
        played(ours, 1)
        *_, actor, values, bounds, entropies, kls, _, _ = train_as_rl_games(ours, plain)
        for one, two in zip(ours._networks(), plain._networks(), strict=True):
            theirs = two.state_dict()
            for name, value in one.state_dict().items():
                torch.testing.assert_close(
                    value, theirs[name], rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
                )
        assert float(ours.last_lr) == pytest.approx(plain.last_lr, rel=1e-5)
        assert ours.entropy_coef == plain.entropy_coef
        means = {"actor": actor, "critic": values, "entropy": entropies, "bounds": bounds}
        expected = {name: torch.stack([v.squeeze() for v in each]).mean() for name, each in means.items()}
        expected["kl"] = torch.stack(kls).mean()
        for name, value in expected.items():
            mean = ours.update.terms[:, TERMS.index(name)].mean()
            torch.testing.assert_close(
                mean, value.detach(), rtol=1e-3, atol=1e-5, msg=lambda t, name=name: f"{name}: {t}"
            )
    assert not torch.equal(before["a2c_network.mu.weight"], plain.model.state_dict()["a2c_network.mu.weight"])
    if "lr_schedule" in settings and settings["lr_schedule"] != "None":
        assert plain.last_lr != settings["learning_rate"], "the rate never changed"
    if ours.has_central_value:
        assert ours.central_value_net.lr == pytest.approx(plain.central_value_net.lr)
        assert ours._critic_loss == pytest.approx(plain.critic_loss, rel=1e-3)


def test_rl_games_updates_statistics_in_every_pass(tmp_path: Path) -> None:
    """This is a difference: its comment says that one pass is enough, as ours does."""
    ours = random_agent(tmp_path / "ours", RandomEnv(8))
    plain = random_agent(tmp_path / "plain", RandomEnv(8))
    played(ours, 1)
    train_as_rl_games(ours, plain)
    assert ours.model.running_mean_std.count == 1 + 64
    assert plain.model.running_mean_std.count == 1 + 2 * 64


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"normalize_input": True, "mini_epochs": 2}, ["the normalisation of samples"]),
        ({"normalize_input": True, "mini_epochs": 1}, []),
        ({"normalize_input": False, "mini_epochs": 2}, []),
    ],
)
def test_only_normalised_samples_are_normalised_after_the_first_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], expected: list[str]
) -> None:
    """A CUDA graph without operations makes torch warn."""
    agent = random_agent(tmp_path, RandomEnv(6), **settings)
    names: list[Any] = []
    run = agent.graphs.run

    def recorded(name: Any, function: Any) -> None:
        names.append(name)
        run(name, function)

    monkeypatch.setattr(agent.graphs, "run", recorded)
    played(agent, 1)
    assert [name for name in names if isinstance(name, str) and name.startswith("the normalisation")] == expected
    assert names, "the agent must have run its work through graphs"
