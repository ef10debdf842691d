"""Weights of reward terms, on a block that slides without friction."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import pytest
import torch
from block_task import DT, BlockConfig, BlockTask, place
from oige_core.config import RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.errors import OigeError
from oige_core.spec import TaskSpec


def weighted_block(new_engine, **weights):
    class Weighted(BlockTask):
        def post_reset(self):
            super().post_reset()
            self.reward_weights = weights

    env = BlockConfig(numEnvs=3, envSpacing=1.0, episodeLength=2)
    task = TaskConfig(name="Block", env=env, sim=SimConfig(dt=DT, gravity=[0.0, 0.0, 0.0]))
    spec = TaskSpec(task="none:None", env=BlockConfig, observation_shape=(2,), num_actions=1)
    return VecEnv(Weighted(RunConfig(task=task, seed=1), spec, new_engine("c", 3, 1)))


def test_weights_scale_rewards_terms_and_statistics(new_engine):
    env = weighted_block(new_engine, position=-2.0)
    env.reset()
    place(env, [0.1, 0.2, -0.3])
    for _ in range(2):
        _, rewards, *_, info = env.step(torch.zeros(3, 1))
    assert rewards.tolist() == pytest.approx([0.8, 0.6, 1.6])
    assert env.task.reward_terms_by_name()["position"].tolist() == pytest.approx([-0.2, -0.4, 0.6])
    assert info["episode_means"]["return"].item() == pytest.approx(2.0)
    assert info["episode_means"]["reward/alive"].item() == 2.0
    assert info["episode_means"]["reward/position"].item() == pytest.approx(0.0, abs=1e-6)


def test_restored_task_has_its_own_weights(new_engine):
    env, other = weighted_block(new_engine, position=-2.0), weighted_block(new_engine, position=3.0)
    for each in (env, other):
        each.reset()
        each.step(torch.zeros(3, 1))
    other.load_state_dict(env.state_dict())
    place(other, [0.1, 0.2, -0.3])
    assert other.step(torch.zeros(3, 1))[1].tolist() == pytest.approx([1.3, 1.6, 0.1])


def test_weight_of_an_unknown_term_raises(new_engine):
    env = weighted_block(new_engine, positon=1.0)
    env.reset()
    message = r"\Areward_weights of Block: 'positon' is not a reward term\. Did you mean position\?\Z"
    with pytest.raises(OigeError, match=message):
        env.step(torch.zeros(3, 1))
