"""Environments that reset worlds after the step that ends their episode; that step is no transition."""

import dataclasses
import io
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from fake_env import FakeEnv, collected, make_agent, make_sac_agent
from gymnasium.vector import AutoresetMode
from oige_train.console import ProgressLine
from oige_train.play import evaluate
from oige_train.play_result import PlayResult
from oige_train.schema import PlayerConfig


class LateEnv(FakeEnv):
    """Two worlds that show 0, 1, 2, … and 10, 11, 12, …, and start from there again in the step after an end.

    World 1 is cut off by time in step 2, world 0 fails in step 4. Each step pays 3, unless it only resets.
    """

    cut: ClassVar = {2: [1]}
    ended: ClassVar = {4: [0]}

    def __init__(self, mode: Any) -> None:
        super().__init__(2, reward=3.0)
        self.metadata = {"autoreset_mode": mode}  # type: ignore[misc]
        self.counts = torch.zeros(2)
        self.pending = torch.zeros(2, dtype=torch.bool)

    def _observe(self) -> torch.Tensor:
        return (self.counts + torch.tensor([0.0, 10.0])).unsqueeze(1).expand(2, 3).clone()

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        self.steps += 1
        self.actions.append(actions)
        self.counts += 1.0
        only_reset = self.pending & (self.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP)
        self.counts[self.pending] = 1.0  # upstream steps the new episode,
        self.counts[only_reset] = 0.0  # next_step does not
        truncated, terminated = torch.zeros(2, 2, dtype=torch.bool)
        truncated[self.cut.get(self.steps, [])] = True
        terminated[self.ended.get(self.steps, [])] = True
        self.pending = truncated | terminated
        return self._observe(), torch.full((2,), 3.0) * ~only_reset, terminated, truncated, {}


MODES = pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, "upstream"], ids=["next_step", "upstream"])


@MODES
@pytest.mark.parametrize("value_bootstrap", [True, False])
def test_sac_stores_transitions_within_episodes(mode: Any, value_bootstrap: bool, tmp_path: Path) -> None:
    agent = make_sac_agent(LateEnv(mode), tmp_path, num_steps_per_episode=6, value_bootstrap=value_bootstrap)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.play_steps(random_exploration=True)
    memory = agent.replay_buffer
    # Not step 3 of world 1 and step 5 of world 0, which start from the last observations 12 and 4 of another episode.
    late = 1.0 if mode == "upstream" else 0.0
    expected = [(0, 1), (10, 11), (1, 2), (11, 12), (2, 3), (3, 4)]
    expected += [(10 + late, 11 + late), (11 + late, 12 + late), (late, 1 + late), (12 + late, 13 + late)]
    assert memory.idx == len(expected)
    assert list(zip(memory.obses[:10, 0].tolist(), memory.next_obses[:10, 0].tolist(), strict=True)) == expected
    assert memory.rewards[:10].unique().tolist() == [3.0]
    ends = [5] if value_bootstrap else [3, 5]  # without bootstrapping, a truncation is an end without value
    assert memory.dones[:10, 0].nonzero().squeeze(1).tolist() == ends


def test_sac_stores_every_step_as_the_original_does(tmp_path: Path) -> None:
    env = LateEnv("upstream")
    env.cut, env.ended = {3: [1]}, {5: [0]}  # type: ignore[misc]  # counted from the step before the first observation
    agent = make_sac_agent(env, tmp_path, num_steps_per_episode=6, compat="upstream")
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.play_steps(random_exploration=True)
    memory = agent.replay_buffer
    before = [1, 11, 2, 12, 3, 13, 4, 11, 5, 12, 1, 13]  # world 1 is reset by the third step, world 0 by the fifth
    after = [2, 12, 3, 13, 4, 11, 5, 12, 1, 13, 2, 14]
    assert (memory.obses[:12, 0].tolist(), memory.next_obses[:12, 0].tolist()) == (before, after)
    assert memory.dones[:12, 0].nonzero().squeeze(1).tolist() == [3, 6], (
        "the second and fourth step, also where time ran out"
    )


def test_ppo_learns_from_every_step_as_the_original_does(tmp_path: Path) -> None:
    env = LateEnv("upstream")
    env.cut, env.ended = {3: [1]}, {5: [0]}  # type: ignore[misc]
    agent = make_agent(env, tmp_path, compat="upstream", normalize_input=False, normalize_value=False)
    seen = collected(agent)
    observed = [[1, 11], [2, 12], [3, 13], [4, 11], [5, 12], [1, 13], [2, 14], [3, 15]]
    assert agent.rollout.inputs["obs"][..., 0].tolist() == observed
    ended = torch.zeros(8, 2, dtype=torch.bool)
    ended[1, 1] = ended[3, 0] = True
    assert seen["ended"].bool().equal(ended)
    advantage, expected = torch.zeros(2), torch.zeros(8, 2)
    for step in reversed(range(8)):  # γ = λ = 0.5, and no bootstrapping
        after = ~ended[step]
        error = 3.0 + 0.5 * seen["values"][step + 1] * after - seen["values"][step]
        advantage = expected[step] = error + 0.25 * advantage * after
    torch.testing.assert_close(seen["advantages"], expected)


@MODES
def test_sac_measures_episodes_without_the_steps_that_only_reset(mode: Any, tmp_path: Path) -> None:
    env = LateEnv(mode)
    env.ended = {3: [0], 7: [0, 1]}  # type: ignore[misc]
    env.cut = {}  # type: ignore[misc]
    agent = make_sac_agent(env, tmp_path, num_steps_per_episode=7, games_to_track=3)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.play_steps(random_exploration=True)
    second = 4 if mode == "upstream" else 3
    assert agent.game_lengths.get_mean() == pytest.approx((3 + 7 + second) / 3)
    assert agent.game_rewards.get_mean() == pytest.approx(3.0 * (3 + 7 + second) / 3)


def test_no_transition_leaves_an_empty_replay_buffer(tmp_path: Path) -> None:
    env = LateEnv("upstream")
    env.ended = {1: [0, 1]}  # type: ignore[misc]
    env.cut = {}  # type: ignore[misc]
    agent = make_sac_agent(env, tmp_path, num_steps_per_episode=2, replay_buffer_size=2)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.play_steps(random_exploration=True)
    assert (agent.replay_buffer.idx, agent.replay_buffer.full) == (0, True), "of the first step only"
    agent.replay_buffer.full = False
    agent.dones[:] = True
    agent.env_step(torch.zeros(2, 2))
    agent.replay_buffer.add(*(torch.zeros(2, size) for size in (3, 2, 1, 3, 1)))
    assert (agent.replay_buffer.idx, agent.replay_buffer.full) == (0, False)


def test_playing_begins_after_a_step_as_in_the_original(tmp_path: Path) -> None:
    agent = make_agent(LateEnv("upstream"), tmp_path, player=PlayerConfig(games_num=4), compat="upstream")
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.save(f"{agent.nn_dir}/last")
    env = LateEnv("upstream")
    env.cut, env.ended = {3: [0, 1]}, {8: [0, 1]}  # type: ignore[misc]
    run = dataclasses.replace(agent.session.run, checkpoint=agent.session.last)
    result = evaluate(run, env, ProgressLine(io.StringIO()))
    assert not env.actions[0].any()
    assert result == PlayResult(4, mean_return=3.0 * (2 + 5) / 2, mean_length=(2 + 5) / 2, success=None)


@MODES
@pytest.mark.parametrize("recurrent", [False, True])
def test_playing_counts_the_steps_of_episodes(mode: Any, recurrent: bool, tmp_path: Path) -> None:
    env = LateEnv(mode)
    agent = make_agent(env, tmp_path, player=PlayerConfig(games_num=4), recurrent=recurrent)
    agent.init_tensors()
    agent.obs = agent.env_reset()
    agent.save(f"{agent.nn_dir}/last")
    run = dataclasses.replace(agent.session.run, checkpoint=agent.session.last)
    env = LateEnv(mode)
    env.cut, env.ended = {3: [0, 1]}, {8: [0, 1]}  # type: ignore[misc]
    result = evaluate(run, env, ProgressLine(io.StringIO()))
    second = 5 if mode == "upstream" else 4
    assert result == PlayResult(4, mean_return=3.0 * (3 + second) / 2, mean_length=(3 + second) / 2, success=None)
    if (
        mode == AutoresetMode.NEXT_STEP
    ):  # the hidden state has nothing of the step that only resets, which is the fourth
        torch.testing.assert_close(torch.stack(env.actions[4:7]), torch.stack(env.actions[:3]))
