"""The agents between environment and rl_games, with numbers computed by hand."""

import dataclasses
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_env import SPACE, FakeEnv, collected, make_agent, make_run
from gymnasium import spaces
from oige_core.errors import ConfigError
from oige_core.tasks import SignedPermutation, Symmetry
from oige_train.checkpoint import load_checkpoint
from oige_train.console import ProgressLine
from oige_train.learner.agent import Session
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.ppo.losses import TERMS, approximate_kl, exact_kl
from oige_train.learner.progress import Observer
from oige_train.learner.rl_games_shim import EagerAdam
from oige_train.play import evaluate
from oige_train.play_result import PlayResult
from oige_train.policy import Policy
from oige_train.schema import MlpConfig, NetworkConfig, PlayerConfig, RewardShaperConfig
from random_env import played


@pytest.mark.parametrize(
    ("ending", "bootstrapped"), [("truncated", True), ("terminated", False), ("both", False), ("", False)]
)
def test_time_out_without_reset_bootstraps_from_the_returned_observation(
    ending: str, bootstrapped: bool, tmp_path: Path
) -> None:
    env = FakeEnv(2, endings={3: ending}, reward=3.0)
    agent = make_agent(env, tmp_path, reward_shaper=RewardShaperConfig(scale_value=0.1))
    seen = collected(agent)
    values, rewards = seen["values"], torch.full((8, 2), 0.3)
    assert values[3].abs().min() > 1e-4, "a value of zero would show nothing"
    if bootstrapped:
        rewards[2] += 0.5 * values[3]  # γ V of what the step that was cut off, counted from 0, returns
    torch.testing.assert_close(seen["rewards"], rewards)

    # Generalised advantages by their definition: δ = r + γ V' − V, A = δ + γ λ A', cut at the end of an episode.
    advantage, advantages = torch.zeros(2), torch.zeros(8, 2)
    for t in reversed(range(8)):
        alive = 0.0 if t == 2 and ending else 1.0
        advantage = rewards[t] + 0.5 * alive * values[t + 1] - values[t] + 0.25 * alive * advantage
        advantages[t] = advantage
    torch.testing.assert_close(seen["advantages"], advantages)


def test_adapter_returns_time_outs_done_flags_and_states() -> None:
    env = FakeEnv(2, num_states=5, endings={1: "truncated", 2: "both"})
    adapter = RlGamesEnv(env, "cpu")
    assert adapter.get_env_info()["state_space"].shape == (5,)
    assert adapter.reset()["states"].shape == (2, 5)
    actions = torch.zeros(2, 2)
    for time_outs, done in ((True, True), (False, True), (False, False)):
        observations, rewards, dones, info = adapter.step(actions)
        assert info["time_outs"].tolist() == [time_outs] * 2
        assert dones.tolist() == [done] * 2
        assert rewards.tolist() == [1.0, 1.0]
        assert observations["states"].tolist() == [[1.0] * 5] * 2
    assert "state_space" not in RlGamesEnv(FakeEnv(2), "cpu").get_env_info()


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("num_states", [0, 5])
def test_resumption_is_exact_for_every_kind_of_network(recurrent: bool, num_states: int, tmp_path: Path) -> None:
    endings = {step: ("terminated", "truncated")[step // 5 % 2] for step in range(5, 100, 5)}
    changes = {"recurrent": recurrent}
    whole = make_agent(FakeEnv(4, num_states, endings), tmp_path / "whole", **changes)
    whole.train()
    early = make_agent(FakeEnv(4, num_states, endings), tmp_path / "parts", **changes, max_epochs=2)
    early.train()
    parts = make_agent(FakeEnv(4, num_states, endings), tmp_path / "parts", **changes)
    parts.restore(str(early.session.last))
    parts.train()
    assert whole.epoch_num == parts.epoch_num == 4
    for networks in zip(whole._networks(), parts._networks(), early._networks(), strict=True):
        one, two, before = (network.state_dict() for network in networks)
        assert all(torch.equal(one[name], two[name]) for name in one)
        assert not all(torch.equal(one[name], before[name]) for name in one)
    assert whole.last_lr == parts.last_lr
    assert torch.equal(torch.stack(whole.vec_env.env.actions[16:]), torch.stack(parts.vec_env.env.actions))


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("num_states", [0, 5])
def test_best_policy_is_saved_for_every_kind_of_network(recurrent: bool, num_states: int, tmp_path: Path) -> None:
    # Episodes pay as many as they have steps: 3 in epoch 1, 7 in epoch 2, 8 and then 6 in epoch 3, 8 in epoch 4.
    env = FakeEnv(4, num_states, dict.fromkeys((3, 10, 18, 24, 32), "terminated"))
    agent = make_agent(env, tmp_path, recurrent=recurrent, save_best_after=2, games_to_track=4)
    agent.train()
    best = load_checkpoint(tmp_path / "Fake" / "nn" / "Fake.pth", "cpu")
    assert (best["epoch"], best["last_mean_rewards"]) == (4, 8.0)
    agent = make_agent(env, tmp_path / "other", recurrent=recurrent, save_best_after=2, games_to_track=4, max_epochs=3)
    env.steps = 0
    agent.train()
    best = load_checkpoint(tmp_path / "other" / "Fake" / "nn" / "Fake.pth", "cpu")
    assert (best["epoch"], best["last_mean_rewards"]) == (2, 7.0)


@pytest.mark.parametrize(
    ("limits", "epochs"),
    [({"max_frames": 70, "max_epochs": -1}, 3), ({"score_to_win": 6.5, "save_best_after": 0, "games_to_track": 4}, 2)],
    ids=["steps", "score"],
)
def test_training_writes_a_checkpoint_at_its_limit(limits: dict[str, Any], epochs: int, tmp_path: Path) -> None:
    # 32 steps an epoch; episodes of 3 and 7 steps, which pay as many, end in the first two.
    agent = make_agent(FakeEnv(4, endings={3: "terminated", 10: "terminated"}), tmp_path, save_frequency=0, **limits)
    agent.train()
    assert agent.epoch_num == epochs
    assert agent.session.last.name.startswith(f"last_Fake_ep_{epochs}_")
    assert load_checkpoint(agent.session.last, "cpu")["frame"] == 32 * epochs


def test_periodic_checkpoint_is_written_before_any_episode_ends(tmp_path: Path) -> None:
    make_agent(FakeEnv(4), tmp_path).train()
    names = sorted(file.name for file in (tmp_path / "Fake" / "nn").iterdir())
    assert names == ["last_Fake_ep_2_rew_none.pth", "last_Fake_ep_4_rew_none.pth"]


def test_resumed_epoch_does_not_replace_a_better_checkpoint(tmp_path: Path) -> None:
    # Epoch 2 both writes the periodic checkpoint and sets the best score, in this order.
    agent = make_agent(
        FakeEnv(4, endings={8: "terminated", 16: "terminated"}), tmp_path, save_best_after=1, max_epochs=2
    )
    agent.train()
    assert load_checkpoint(agent.session.last, "cpu")["last_mean_rewards"] == 8.0


def test_eager_adam_equals_adam() -> None:
    torch.manual_seed(0)
    start = torch.randn(5)
    weights = []
    for optimiser_class in (torch.optim.Adam, EagerAdam):
        weight = torch.nn.Parameter(start.clone())
        optimiser = optimiser_class([weight], lr=0.1, weight_decay=0.01, fused=True)
        for _ in range(3):
            optimiser.zero_grad(set_to_none=True)
            (weight**3).sum().backward()
            optimiser.step()
        other = optimiser_class([weight], lr=0.5, fused=True)
        other.load_state_dict(optimiser.state_dict())
        assert other.param_groups[0]["lr"] == 0.1
        weights.append((weight.detach(), other.state_dict()["state"][0]["exp_avg_sq"]))
    assert torch.equal(weights[0][0], weights[1][0])
    assert torch.equal(weights[0][1], weights[1][1])
    assert not torch.equal(weights[0][0], start)


class PictureEnv(FakeEnv):
    """Observes images of 6 × 5 pixels with three channels, whose bytes count upwards."""

    def __init__(self, num_envs: int) -> None:
        super().__init__(num_envs)
        self.single_observation_space = spaces.Box(0, 255, (6, 5, 3), np.uint8)

    def _observe(self) -> torch.Tensor:
        return torch.arange(90, dtype=torch.uint8).view(6, 5, 3).expand(self.num_envs, 6, 5, 3) + self.steps


def test_images_are_stored_as_bytes_and_scaled_to_one(tmp_path: Path) -> None:
    env = PictureEnv(2)
    layer = {"filters": 4, "kernel_size": 2, "strides": 1, "padding": 0}
    cnn: Any = {"type": "conv2d", "activation": "relu", "initializer": {"name": "default"}, "convs": [layer]}
    torch.manual_seed(0)
    run = make_run(2, normalize_input=False)
    run.config.train.params.network.cnn = cnn  # type: ignore[union-attr]
    agent = build_agent(Session(run=run, workers=Workers()), env, Observer(), folder=tmp_path / "Fake")
    seen = []
    agent.model.a2c_network.actor_cnn.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    collected(agent)
    assert agent.rollout.inputs["obs"].dtype == agent.samples.fields["obs"].dtype == torch.uint8
    expected = torch.arange(90.0).view(6, 5, 3).permute(2, 0, 1) / 255.0
    torch.testing.assert_close(seen[0], expected.expand(2, 3, 6, 5))
    torch.testing.assert_close(seen[3], (expected + 3 / 255.0).expand(2, 3, 6, 5))
    policy = Policy(run, agent.env_info, "cpu", 2)
    policy.model.load_state_dict(agent.model.state_dict())
    observations = env.reset()[0]
    policy.model.a2c_network.actor_cnn.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    policy.act(observations, deterministic=True)
    torch.testing.assert_close(seen[-1], observations.permute(0, 3, 1, 2) / 255.0)


@pytest.mark.parametrize("clip_actions", [True, False])
def test_playing_scales_actions_as_training_does(tmp_path: Path, clip_actions: bool) -> None:
    agent = make_agent(FakeEnv(2), tmp_path, clip_actions=clip_actions)
    agent.env_reset()
    with torch.no_grad():
        agent.model.a2c_network.mu.bias.copy_(torch.tensor([3.0, -0.5]))
    policy = Policy(agent.session.run, agent.env_info, "cpu", 2)
    policy.model.load_state_dict(agent.model.state_dict())
    observations = torch.randn(2, 3)
    mean = agent.get_action_values({"obs": observations})["mus"]
    assert (mean[:, 0] > 1.0).all()
    torch.testing.assert_close(policy.act(observations, deterministic=True), agent.preprocess_actions(mean))


@pytest.mark.filterwarnings("error")
def test_networks_are_built_without_warnings(tmp_path: Path) -> None:
    """Newer versions of torch warn of what rl_games uses, about which a user can do nothing."""
    agent = make_agent(FakeEnv(2), tmp_path, normalize_input=True)
    Policy(agent.session.run, agent.env_info, "cpu", 2)


class NoisyEnv(FakeEnv):
    """Shows random numbers, and pays for actions that are like them."""

    symmetries = (Symmetry(SignedPermutation.of([-1.0] * 3), SignedPermutation.of([-1.0] * 2)),)

    def _observe(self) -> torch.Tensor:
        self.shown = torch.randn(self.num_envs, 3)
        return self.shown

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        reward = -(actions - self.shown[:, :2]).square().sum(dim=1)
        observations, _, *rest = super().step(actions)
        return (observations, reward, *rest)


def trained(folder: Path, env: FakeEnv, epochs: int = 3, **changes: Any) -> Any:
    return played(make_agent(env, folder, **changes), epochs)


@pytest.mark.parametrize("symmetry_augmentation", [True, False])
def test_symmetry_augmentation_yields_a_symmetric_policy(tmp_path: Path, symmetry_augmentation: bool) -> None:
    network = NetworkConfig(
        name="actor_critic", separate=True, mlp=MlpConfig(units=[8], activation="tanh"), space=SPACE
    )  # without biases, as it starts, an odd function
    agent = trained(
        tmp_path, NoisyEnv(16), symmetry_augmentation=symmetry_augmentation, network=network, learning_rate=0.01
    )
    agent.set_eval()
    observations = torch.randn(50, 3)
    here, there = (agent.get_action_values({"obs": o})["mus"] for o in (observations, -observations))
    assert here.abs().mean() > 0.05, "a policy that does nothing is always symmetric"
    asymmetry = (here + there).abs().max().item()
    assert asymmetry < 1e-5 if symmetry_augmentation else asymmetry > 1e-3


def test_symmetry_augmentation_without_symmetries_raises(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="symmetry_augmentation=True: expected False; Cartpole declares no symmetries"
    ):
        make_agent(FakeEnv(2), tmp_path, symmetry_augmentation=True)


def test_divergence_is_exact_and_not_negative() -> None:
    from torch.distributions import Normal
    from torch.distributions.kl import kl_divergence as expected

    ours, others = ((torch.randn(50, 3), torch.rand(50, 3) + 0.01) for _ in range(2))
    reference = expected(Normal(*ours), Normal(*others)).sum(dim=-1).mean()
    torch.testing.assert_close(exact_kl(*ours, *others), reference)
    narrow = torch.zeros(50, 3), torch.full((50, 3), 0.03)
    assert exact_kl(*narrow, *narrow) == 0.0
    assert approximate_kl(*narrow, *narrow) < -0.01, "rl_games' own, which is why it is not written down"


def test_adaptive_rate_ignores_the_augmented_samples(tmp_path: Path) -> None:
    agent = make_agent(NoisyEnv(16), tmp_path, symmetry_augmentation=True, minibatch_size=128, learning_rate=0.05)
    collected(agent)
    mu, sigma = ([agent.samples.fields[name][0].clone()] for name in ("mu", "sigma"))
    assert mu[0].shape == sigma[0].shape == (128, 2)
    for _ in range(2):
        agent.samples.cursor.rewind()
        agent.update.step(first=True)
        mu.append(agent.samples.fields["mu"][0].clone())
        sigma.append(agent.samples.fields["sigma"][0].clone())
    assert not torch.allclose(mu[2], mu[1], atol=1e-2), "the policy must have changed"
    for step in (0, 1):
        variance, change = sigma[step].square(), mu[step + 1] - mu[step]
        divergence = (sigma[step] / sigma[step + 1]).log() + (sigma[step + 1].square() + change.square()) / (
            2 * variance
        )
        expected = (divergence - 0.5).sum(dim=1).mean()
        torch.testing.assert_close(agent.update.terms[step, TERMS.index("kl")], expected, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("shuffle", [True, False])
def test_shuffled_minibatches_mix_all_worlds(tmp_path: Path, shuffle: bool) -> None:
    agent = make_agent(NoisyEnv(16), tmp_path, shuffle_minibatches=shuffle)
    orders = []
    for _ in range(2):
        collected(agent)
        stored = agent.rollout.inputs["obs"].transpose(0, 1).flatten(0, 1)  # by world
        rows = [int((stored == row).all(dim=1).nonzero()) for row in agent.samples.fields["obs"][0]]
        actions = agent.rollout.policy["actions"].transpose(0, 1).flatten(0, 1)
        torch.testing.assert_close(agent.samples.fields["actions"][0], actions[rows])
        orders.append(rows)
    worlds = {row // 8 for row in orders[0]}  # rl_games has the 8 steps of a world one after the other
    assert len(worlds) > 12 if shuffle else worlds == set(range(8))
    assert (orders[0] != orders[1]) == shuffle


@pytest.mark.parametrize("schedule", ["adaptive", "linear"])
def test_scheduled_entropy_falls_to_zero_at_the_last_epoch(tmp_path: Path, schedule: str) -> None:
    agent = make_agent(NoisyEnv(4), tmp_path, entropy_coef=0.1, schedule_entropy=True, lr_schedule=schedule)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    seen = []
    for _ in range(4):
        agent.update_epoch()
        seen.append(agent.entropy_coef)
        agent.train_epoch()
    assert seen == pytest.approx([0.1, 0.075, 0.05, 0.025], abs=2e-4)  # rl_games' linear one ends at 1e-4, not at 0


class LuckyEnv(FakeEnv):
    """Tells, from the second step of an episode of three on, that the first world succeeds."""

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        *outcome, info = super().step(actions)
        return (*outcome, info | {"success": torch.tensor([self.steps % 3 != 1, False])})


def test_playing_counts_successes_of_counted_episodes_only(tmp_path: Path) -> None:
    env = LuckyEnv(2, endings={3: "terminated", 6: "truncated", 9: "terminated"}, reward=2.0)
    agent = make_agent(env, tmp_path, player=PlayerConfig(games_num=5))
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.save(f"{agent.nn_dir}/last")
    env.steps = 0
    run = dataclasses.replace(agent.session.run, checkpoint=agent.session.last)
    result = evaluate(run, env, ProgressLine(io.StringIO()))
    # Three episodes of the first world and two of the second, each of three steps.
    assert result == PlayResult(count=5, mean_return=6.0, mean_length=3.0, success=3 / 5)
    plain = FakeEnv(2, endings={3: "terminated", 6: "truncated", 9: "terminated"})
    assert evaluate(run, plain, ProgressLine(io.StringIO())).success is None


class GoalEnv(FakeEnv):
    """Reports goals: by the end of an episode of three steps, the first world has reached 4 of 5, the other 1 of 2."""

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        *outcome, info = super().step(actions)
        last = self.steps % 3 == 0
        reached = torch.tensor([4.0, 1.0]) if last else torch.zeros(2)
        return (*outcome, info | {"goals_reached": reached, "goals_given": reached + 1.0})


def test_playing_counts_goals_of_counted_episodes_only(tmp_path: Path) -> None:
    env = GoalEnv(2, endings={3: "terminated", 6: "truncated", 9: "terminated"}, reward=2.0)
    agent = make_agent(env, tmp_path, player=PlayerConfig(games_num=5))
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.save(f"{agent.nn_dir}/last")
    env.steps = 0
    run = dataclasses.replace(agent.session.run, checkpoint=agent.session.last)
    result = evaluate(run, env, ProgressLine(io.StringIO()))
    # Three episodes of the first world and two of the second.
    assert result.success == (3 * 4 + 2 * 1) / (3 * 5 + 2 * 2)
    assert result.goals == (3 * 4 + 2 * 1) / 5
