"""Training ends at a mean episode reward or at a fraction of successes, and says so, with every algorithm."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, build, make_agent, make_flashsac_run, make_sac_agent
from oige_core.errors import ConfigError
from oige_train.checkpoint import load_checkpoint
from oige_train.learner.distributed import Workers
from oige_train.learner.early_end import SuccessGoal

CONFIG = "train.params.config"


def make_flashsac_agent(env: Any, folder: Path, **changes: Any) -> Any:
    return build(make_flashsac_run(env.num_envs, **changes), env, folder)


def make_recurrent_agent(env: Any, folder: Path, **changes: Any) -> Any:
    return make_agent(env, folder, recurrent=True, **changes)


ALGORITHMS = {
    "ppo": make_agent,
    "lstm": make_recurrent_agent,
    "sac": make_sac_agent,
    "flashsac": make_flashsac_agent,
}


class GoalEnv(FakeEnv):
    """Four worlds, whose episodes of two steps succeed in ``successes`` of them."""

    def __init__(self, successes: list[int]) -> None:
        super().__init__(4, endings=dict.fromkeys(range(2, 400, 2), "terminated"))
        self.successes = successes

    def _info(self) -> dict[str, Any]:
        ends = self.steps > 0 and self.steps % 2 == 0
        successes = self.successes[min(self.steps // 2, len(self.successes)) - 1] if ends else 0
        means = {"success": torch.tensor(successes / 4.0)}
        return super()._info() | {"episode_count": torch.tensor(4 * ends), "episode_means": means}


@pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)
def test_training_ends_at_a_fraction_of_successes(make: Any, tmp_path: Path) -> None:
    env = GoalEnv([0] * 8 + [3, 4, 4])  # per two steps, four episodes: 7 of the last 8 from step 20 on, 8 of 8 from 22
    agent = make(env, tmp_path, stop_at_success=0.875, games_to_track=8, max_epochs=50)
    agent.train()
    per_epoch = agent.frames_per_epoch() // 4  # control steps
    assert agent.epoch_num == math.ceil(20 / per_epoch)
    assert agent.session.early_end in (
        f"success {success} over the last 8 episodes, {CONFIG}.stop_at_success=0.875" for success in ("0.875", "1.000")
    )
    assert load_checkpoint(agent.session.last, "cpu")["epoch"] == agent.epoch_num


@pytest.mark.parametrize("make", ALGORITHMS.values(), ids=ALGORITHMS)
def test_training_ends_at_a_score(make: Any, tmp_path: Path) -> None:
    env = GoalEnv([0])  # every episode returns 2
    agent = make(env, tmp_path, score_to_win=1.5, save_best_after=2, games_to_track=4, max_epochs=50)
    agent.train()
    assert agent.epoch_num < 50
    assert agent.session.early_end == f"mean episode reward 2.00 is above {CONFIG}.score_to_win=1.5"
    assert load_checkpoint(agent.session.last, "cpu")["epoch"] == agent.epoch_num


def test_goal_needs_all_the_episodes_that_count() -> None:
    goal = SuccessGoal("stop", 0.5, 8, "Fake")
    one = {"episode_count": torch.tensor(4), "episode_means": {"success": torch.tensor(1.0)}}
    none = {"episode_count": torch.tensor(0), "episode_means": {}}
    goal.add(one)
    goal.add(none)
    assert goal.reached(Workers()) is None
    goal.add(one)
    assert goal.reached(Workers()) == "success 1.000 over the last 8 episodes, stop=0.5"


def test_task_without_successes_is_refused_when_its_first_episode_ends() -> None:
    goal = SuccessGoal("stop", 0.5, 8, "Fake")
    goal.add({"episode_count": torch.tensor(0), "episode_means": {}})
    assert goal.reached(Workers()) is None
    goal.add({"episode_count": torch.tensor(1), "episode_means": {"return": torch.tensor(1.0)}})
    with pytest.raises(ConfigError) as error:
        goal.reached(Workers())
    assert str(error.value) == (
        "stop=0.5: Fake reports no successes; leave it out, or end training at a mean episode reward with "
        f"{CONFIG}.score_to_win."
    )


def test_score_ends_training_and_the_result_says_so(program) -> None:
    outcome = program(
        "task=Cartpole", "num_envs=64", "sim_device=cpu", f"{CONFIG}.score_to_win=5", f"{CONFIG}.save_best_after=1"
    )
    assert outcome.code == 0, outcome.err
    done, early, *rest = outcome.out.splitlines()
    assert done.startswith("done: ")
    assert early.startswith("ended early:  mean episode reward ")
    assert f"is above {CONFIG}.score_to_win=5; 0:0" in early
    assert rest[-1].endswith(f"{CONFIG}.score_to_win=inf sim_device=cpu")


@pytest.mark.parametrize("value", ["0", "1.5", "-1"])
def test_impossible_fraction_is_refused(program, value: str) -> None:
    outcome = program("task=Cartpole", f"{CONFIG}.stop_at_success={value}")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1] == (
        f"error: {CONFIG}.stop_at_success={float(value)}: expected a number above 0 and at most 1, or .inf to train to "
        "the end."
    )
