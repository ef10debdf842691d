"""What a rollout stores, and the samples that an epoch makes of it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import collected
from oige_core.tasks import SignedPermutation, Symmetry
from oige_train.learner.divergence import DivergedError
from oige_train.learner.ppo.advantages import generalised_advantages
from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.rollout import Episodes, Rollout
from oige_train.learner.ppo.samples import SampleStore
from oige_train.learner.recent_mean import RecentMean
from oige_train.schema import RnnConfig
from random_env import MIRROR, RandomEnv, critic, network, played, random_agent, state_of

CPU = torch.device("cpu")
LSTM = RnnConfig(name="lstm", units=8)
D2RL = {"mlp": {"d2rl": True}, "normalization": "batch_norm"}


def test_generalised_advantages_by_hand() -> None:
    rewards = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    values = torch.tensor([[4.0, 4.0], [6.0, 6.0], [8.0, 8.0], [10.0, 10.0]])
    ended = torch.tensor([[False, False], [False, True], [False, True]])
    # γ = 0.5, λ = 0.5. World 0: δ = 1 + 3 − 4, 2 + 4 − 6, 3 + 5 − 8 = 0, 0, 0.
    # World 1: A₂ = 3 − 8 = −5; A₁ = 2 − 6 = −4, without what follows; A₀ = 1 + 3 − 4 + 0.25 · −4 = −1.
    advantages = generalised_advantages(rewards, values, ended, 0.5, 0.5)
    assert advantages.tolist() == [[0.0, -1.0], [0.0, -4.0], [0.0, -5.0]]
    assert generalised_advantages(rewards[:1], values[:2], ended[1:2], 0.5, 0.5).tolist() == [[0.0, -3.0]]


def test_truncated_steps_also_count_the_value_of_the_last_state() -> None:
    rollout = Rollout(1, 3, CPU)
    rollout.rewards[0] = torch.tensor([10.0, 10.0, 10.0])
    rollout.values[:] = torch.tensor([[1.0, 1.0, 1.0], [7.0, 7.0, 7.0]])
    rollout.ended[1] = torch.tensor([False, True, True])
    rollout.time_outs[0, 2] = True
    rollout.last_values[0] = 3.0  # of worlds 0 and 1 it is left over
    advantages, values, shaped = rollout.advantages_and_values(lambda r: r / 10.0, lambda v: 2.0 * v + 1.0, 0.5, 0.5)
    assert shaped.tolist() == [[1.0, 1.0, 1.0]]
    assert values.tolist() == [[3.0, 3.0, 3.0]]
    # 1 + 0.5 · 15 − 3; 1 − 3; 1 + 0.5 · 7 − 3
    assert advantages.tolist() == [[5.5, -2.0, 1.5]]


def test_sums_over_episodes_are_those_of_a_slow_loop() -> None:
    generator = torch.Generator().manual_seed(3)
    steps, worlds, epochs, size = 5, 7, 12, 9
    episodes, recent, games = Episodes(steps, worlds, CPU), RecentMean(size, (1,)), RecentMean(size)
    finished: list[list[tuple[float, float]]] = []  # by step, the returns and lengths of the episodes that ended
    current = [(0.0, 0.0)] * worlds
    for _ in range(epochs):
        rewards = torch.randn(steps, worlds, generator=generator)
        ended = torch.rand(steps, worlds, generator=generator) < torch.rand(1, generator=generator) * 0.4
        episodes.add(rewards, 2.0 * rewards, ended)
        for step in range(steps):
            current = [(r + rewards[step, w].item(), n + 1.0) for w, (r, n) in enumerate(current)]
            over = [current[w] for w in range(worlds) if ended[step, w]]
            current = [(0.0, 0.0) if ended[step, w] else current[w] for w in range(worlds)]
            finished += [over] if over else []
            count, total, shaped, length = episodes.ended[step].clone()
            assert int(count) == len(over)
            assert total.item() == pytest.approx(sum(r for r, _ in over), abs=1e-5)
            assert shaped.item() == pytest.approx(2.0 * sum(r for r, _ in over), abs=1e-5)
            assert length.item() == sum(n for _, n in over)
            recent.add(int(count), total.item())
            games.add(int(count), length.item())
            kept: list[tuple[float, float]] = []
            for each in reversed(finished):  # the last episodes by whole steps, until there are enough
                if len(kept) >= size:
                    break
                kept += each
            assert recent.current_size == games.current_size == len(kept)
            if kept:
                assert recent.get_mean()[0] == pytest.approx(sum(r for r, _ in kept) / len(kept), abs=1e-4)
                assert games.get_mean() == pytest.approx(sum(n for _, n in kept) / len(kept))
        torch.testing.assert_close(episodes.current[0], torch.tensor([r for r, _ in current]), atol=1e-5, rtol=1e-5)
        assert episodes.current[2].tolist() == [n for _, n in current]
    assert len(finished) > 3 * size


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_a_return_that_is_not_finite_stays_in_its_episode(value: float) -> None:
    episodes = Episodes(4, 2, CPU)
    rewards = torch.ones(4, 2)
    rewards[0, 0] = value
    ended = torch.tensor([[False, False], [True, False], [False, True], [True, False]])
    episodes.add(rewards, rewards.clamp(-1.0, 1.0), ended)
    assert episodes.ended[:, 0].tolist() == [0, 1, 1, 1]
    assert not episodes.ended[1, 1].isfinite()
    assert episodes.ended[2, 1:].tolist() == [3.0, 3.0, 3.0]
    assert episodes.ended[3, 1:].tolist() == [2.0, 2.0, 2.0]
    assert episodes.current.tolist() == [[0.0, 1.0]] * 3


# --- samples -------------------------------------------------------------------------------------------------------


def rows(first: int, steps: int, worlds: int, width: int) -> torch.Tensor:
    """Return ``(T, N, width)``, of which each sample shows its own number and its distance from ``first``."""
    number = torch.arange(float(steps * worlds)).view(steps, worlds, 1) + first
    return number + 1000.0 * torch.arange(width)


@pytest.mark.parametrize("on_device", [False, True])
@pytest.mark.parametrize("size", [12, 6, 4, 1])
def test_each_sample_occurs_once_with_its_own_fields(size: int, on_device: bool) -> None:
    store = SampleStore(3, 4, size, (MIRROR,), Cursor(CPU, on_device=on_device))
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    fields = {"obs": rows(1, 3, 4, 3), "actions": rows(100, 3, 4, 2), "advantages": rows(200, 3, 4, 1)[..., 0]}
    for name, values in fields.items():
        store.fill(name, values, order)
    store.fill("mu", fields["actions"], order, augmented=False)
    seen: list[int] = []
    store.cursor.rewind()
    for _ in range(12 // size):
        batch = store.current()
        numbers = batch["obs"][:size, 0] - 1.0
        assert batch["obs"].shape == (2 * size, 3)
        assert torch.equal(batch["actions"][:size, 0], numbers + 100.0)
        assert torch.equal(batch["advantages"], (numbers + 200.0).repeat(2))
        assert torch.equal(batch["mu"], batch["actions"][:size])
        # the image: x, y, z → −z, y, −x and a, b → −b, a
        assert torch.equal(batch["obs"][size:], torch.stack([-numbers - 2001.0, numbers + 1001.0, -numbers - 1.0], 1))
        assert torch.equal(batch["actions"][size:], torch.stack([-numbers - 1100.0, numbers + 100.0], 1))
        seen += numbers.int().tolist()
        store.cursor.advance()
    assert seen == order.tolist()


def test_images_under_several_symmetries_follow_each_other() -> None:
    same = Symmetry(SignedPermutation.of([1.0] * 3), SignedPermutation.of([1.0] * 2))
    store = SampleStore(1, 2, 2, (same, MIRROR), Cursor(CPU, on_device=False))
    store.fill("obs", torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]), torch.arange(2))
    expected = [[1, 2, 3], [4, 5, 6], [1, 2, 3], [4, 5, 6], [-3, 2, -1], [-6, 5, -4]]
    assert store.current()["obs"].tolist() == expected


def test_an_epoch_has_every_sample_of_its_rollout(tmp_path: Path) -> None:
    mixed: dict[str, Any] = {"shuffle_minibatches": True, "symmetry_augmentation": True}
    for name, changes in (("a", dict[str, Any]()), ("b", mixed)):
        agent = random_agent(
            tmp_path / name, RandomEnv(6), horizon_length=5, minibatch_size=10, seq_length=1, **changes
        )
        for _ in range(2):
            collected(agent)
            fields = {key: field[:, :10].flatten(0, 1) for key, field in agent.samples.fields.items()}
            sort = fields["obs"][:, 0].argsort()
            stored = {"obs": agent.rollout.inputs["obs"], **agent.rollout.policy}
            by_first = stored["obs"].flatten(0, 1)[:, 0].argsort()
            for key in ("obs", "actions", "mu"):
                assert torch.equal(fields[key][sort], stored[key].flatten(0, 1)[by_first]), key


@pytest.mark.parametrize("num_states", [0, 4])
def test_sequences_are_steps_of_one_world_with_the_memory_before_them(tmp_path: Path, num_states: int) -> None:
    settings: dict[str, Any] = {"network": network(rnn=LSTM)}
    if num_states:
        settings["central_value_config"] = critic(network={"rnn": LSTM}, minibatch_size=24)
    agent = random_agent(tmp_path, RandomEnv(6, num_states, endings=(0.2, 0.1)), minibatch_size=24, **settings)
    collected(agent)
    start = [[state.clone() for state in function.memory] for function in agent.collector.memories]
    ended = agent.rollout.ended[-1].clone()
    assert ended.any()
    assert not ended.all()
    collected(agent)  # the second rollout begins inside episodes
    assert torch.equal(agent.rollout.ended[0], ended)
    stores = [
        (agent.samples, agent.model, "obs"),
        *([(agent._critic.samples, agent.central_value_net.model, "states")] if num_states else []),
    ]
    rollout = agent.rollout
    for (store, model, key), memory in zip(stores, start, strict=True):
        inputs = rollout.inputs[key].transpose(0, 1).reshape(2, 24, -1)  # by world: 6 worlds of 8 steps
        assert torch.equal(store.fields[key], inputs)
        started = rollout.ended[:-1].float().T.reshape(2, 24)
        assert torch.equal(store.fields["started"], started)
        model.eval()
        for step in range(8):
            memory = [s * (1.0 - rollout.ended[step].float()).view(1, 6, 1) for s in memory]
            if step % 4 == 0:
                for number, state in enumerate(memory):
                    # minibatches of three worlds, each with the sequences from steps 0 and 4
                    stored = store.fields[f"memory{number}"].unflatten(2, (3, 2))[:, :, :, step // 4]
                    torch.testing.assert_close(stored.transpose(0, 1).flatten(1, 2), state)
            with torch.no_grad():
                out = model({"is_train": False, "obs": rollout.inputs[key][step], "rnn_states": memory})
            memory = list(out["rnn_states"])


# --- evaluation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_states", [0, 4])
def test_rollouts_do_not_change_the_statistics_of_batch_normalisation(tmp_path: Path, num_states: int) -> None:
    critics: dict[str, Any] = {"central_value_config": critic(network=D2RL)} if num_states else {}
    agent = random_agent(tmp_path, RandomEnv(8, num_states), network=network(**D2RL), **critics)
    played(agent, 1)
    before = state_of(agent)
    collected(agent)
    names = [name for name in before if "linears" not in name and "norm" in name and "running" in name]
    assert len(names) == 2 * 2 * (2 if num_states else 1)
    for name in names:
        assert torch.equal(state_of(agent)[name], before[name]), name
    model = agent.central_value_net if num_states else agent.model
    model.eval()
    key = "states" if num_states else "obs"
    with torch.no_grad():
        out = model({"is_train": True, "prev_actions": torch.zeros(8, 2), "obs": agent.obs[key]})
    torch.testing.assert_close(agent.rollout.values[-1], out["values"].squeeze(1))


@pytest.mark.parametrize(
    ("worlds", "settings"),
    [
        (1, {"horizon_length": 8, "minibatch_size": 8}),
        (2, {"horizon_length": 1, "minibatch_size": 2, "seq_length": 1}),
        (2, {"horizon_length": 1, "minibatch_size": 1, "seq_length": 1}),
        (3, {"horizon_length": 7, "minibatch_size": 3, "seq_length": 1}),
        (5, {"horizon_length": 8, "minibatch_size": 20, "network": network(rnn=LSTM)}),
        (1, {"horizon_length": 4, "minibatch_size": 4, "network": network(rnn=LSTM)}),
    ],
)
@pytest.mark.parametrize("endings", [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)])
def test_any_size_and_any_endings_train(
    tmp_path: Path, worlds: int, settings: dict[str, Any], endings: tuple[float, float]
) -> None:
    agent = random_agent(tmp_path, RandomEnv(worlds, endings=endings), **settings)
    before = state_of(agent)
    played(agent, 2)
    after = state_of(agent)
    assert all(value.isfinite().all() for value in after.values())
    assert not any(value.requires_grad for value in vars(agent.rollout).values() if isinstance(value, torch.Tensor))
    assert not torch.equal(before["policy.a2c_network.mu.weight"], after["policy.a2c_network.mu.weight"])
    steps = 2 * worlds * settings["horizon_length"]
    assert agent.game_lengths.current_size == (0 if endings == (0.0, 0.0) else steps)
    if endings != (0.0, 0.0):
        assert agent.game_lengths.get_mean() == 1.0


@pytest.mark.parametrize("where", ["rewards", "observations"])
def test_values_that_are_no_numbers_end_training(tmp_path: Path, where: str) -> None:
    class Broken(RandomEnv):
        def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
            observations, rewards, *rest = super().step(actions)
            if self.steps == 12:
                (rewards if where == "rewards" else observations)[0] = torch.nan
            return (observations, rewards, *rest)

    agent = random_agent(tmp_path, Broken(8))
    played(agent, 1)
    with pytest.raises(DivergedError, match="training diverged in epoch 2: policy"):
        played(agent, 1)
