"""Adapters for other learners: what each promises its library, for which base classes of ours stand in if need be.

``tools/clients.py`` trains with the libraries themselves.
"""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from oige_core import make_vec
from oige_core.envs import VecEnv
from oige_core.errors import ConfigError

N, LENGTH = 3, 4
Make = Callable[..., Any]
"""Makes a VecEnv of Cartpole."""


class Base:
    """Base classes of rsl_rl and skrl."""

    def __init__(self, env: Any) -> None:
        self._env = env


class ArrayBase:
    """Base class of Stable-Baselines3, as far as adapters use it."""

    def __init__(self, num_envs: int, observation_space: Any, action_space: Any) -> None:
        self.num_envs, self.observation_space, self.action_space = num_envs, observation_space, action_space
        self._reset_seeds()

    def _reset_seeds(self) -> None:
        self._seeds: list[int | None] = [None] * self.num_envs

    def _reset_options(self) -> None:
        pass

    def _get_indices(self, indices: Any) -> Any:
        return range(self.num_envs) if indices is None else indices

    def seed(self, seed: int) -> None:
        self._seeds = [seed + index for index in range(self.num_envs)]

    def step(self, actions: np.ndarray) -> Any:
        self.step_async(actions)  # type: ignore[attr-defined]
        return self.step_wait()  # type: ignore[attr-defined]


class Groups(dict):
    """Stands in for tensordict's ``TensorDict``."""

    def __init__(self, source: dict, batch_size: list[int], device: Any) -> None:
        assert all(list(value.shape[:1]) == batch_size for value in source.values())
        super().__init__(source)


STAND_INS = {
    "rsl_rl.env": {"VecEnv": type("VecEnv", (), {})},
    "tensordict": {"TensorDict": Groups},
    "skrl.envs.wrappers.torch": {"Wrapper": Base},
    "stable_baselines3.common.vec_env": {"VecEnv": ArrayBase},
}


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide what is not installed, and let the adapters be imported with it."""
    for path, names in STAND_INS.items():
        if importlib.util.find_spec(path.partition(".")[0]) is None:
            parts = path.split(".")
            for end in range(1, len(parts) + 1):
                monkeypatch.setitem(sys.modules, ".".join(parts[:end]), types.ModuleType(parts[end - 1]))
            vars(sys.modules[path]).update(names)
    for module in ("rsl_rl", "skrl", "stable_baselines3"):
        monkeypatch.delitem(sys.modules, f"oige_core.wrappers.{module}", raising=False)


@pytest.fixture
def make() -> Iterator[Make]:
    envs: list[VecEnv] = []

    def make(mode: str = "same_step", **arguments: Any) -> VecEnv:
        overrides = {"task.env.autoresetMode": mode, "task.env.episodeLength": LENGTH}
        envs.append(make_vec("Cartpole", N, overrides, num_threads=1, sim_device="cpu", **arguments))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def fall(env: Any, world: int) -> None:
    """Put the cart of a world beyond its rail."""
    env.task.cartpoles.set_joint_positions(torch.tensor([[10.0, 0.0]]), indices=[world])


def wrapper(name: str) -> Any:
    import oige_core.wrappers

    return getattr(oige_core.wrappers, name)


@pytest.mark.parametrize("mode", ["next_step", "upstream"])
@pytest.mark.parametrize("name", ["RslRlEnv", "SkrlEnv", "StableBaselines3Env"])
def test_learners_require_same_step_resets(make: Make, name: str, mode: str) -> None:
    with pytest.raises(ConfigError, match=rf"\Atask\.env\.autoresetMode={mode}: {name} needs same_step\.\Z"):
        wrapper(name)(make(mode))


def test_rsl_rl_receives_groups_dones_time_outs_and_means(make: Make) -> None:
    env = make()
    adapted = wrapper("RslRlEnv")(env, name="a run")
    assert (adapted.num_envs, adapted.num_actions, adapted.max_episode_length) == (N, 1, LENGTH)
    assert adapted.cfg == {"name": "a run"}
    first = adapted.get_observations()["policy"]
    torch.testing.assert_close(first[:, 0], env.task.cartpoles.get_joint_positions()[:, 0])
    adapted.episode_length_buf = torch.tensor([LENGTH - 1, 0, 0])
    assert env.task.skipped_buf.tolist() == [LENGTH - 1, 0, 0]  # steps that tasks shall not count as played
    fall(env, 1)
    with torch.inference_mode():
        observations, rewards, ended, extras = adapted.step(torch.zeros(N, 1))
    assert ended.tolist() == [True, True, False]
    assert extras["time_outs"].tolist() == [True, False, False]
    assert rewards.shape == (N,)
    assert extras["log"]["/episode/length"].item() == 1.0
    assert observations["policy"] is adapted.get_observations()["policy"]
    assert not torch.equal(observations["policy"], first)
    *_, extras = adapted.step(torch.zeros(N, 1))
    assert extras["log"] == {}


@pytest.mark.parametrize("name", ["RslRlEnv", "SkrlEnv"])
def test_privileged_states_reach_the_critic(make: Make, name: str) -> None:
    env = make()
    env.num_states, env.task.states_buf = 2, torch.arange(2.0 * N).view(N, 2)
    adapted = wrapper(name)(env)
    if name == "RslRlEnv":
        assert torch.equal(adapted.get_observations()["critic"], env.task.states_buf)
    else:
        adapted.reset()
        assert torch.equal(adapted.state(), env.task.states_buf)
        assert adapted.state_space.shape == (2,)


def test_skrl_receives_columns_and_single_spaces(make: Make) -> None:
    env = make()
    adapted = wrapper("SkrlEnv")(env)
    assert adapted.observation_space.shape == (4,)
    assert adapted.action_space.shape == (1,)
    assert adapted.state_space is None
    observations, _ = adapted.reset()
    torch.testing.assert_close(observations[:, 0], env.task.cartpoles.get_joint_positions()[:, 0])
    fall(env, 2)
    observations, rewards, terminated, truncated, _ = adapted.step(torch.zeros(N, 1))
    assert observations.shape == (N, 4)
    assert rewards.shape == (N, 1)
    assert terminated.tolist() == [[False], [False], [True]]
    assert truncated.tolist() == [[False]] * N
    assert adapted.state() is None
    assert adapted.render() is None


def test_stable_baselines3_receives_episode_results(make: Make) -> None:
    env = make()
    adapted = wrapper("StableBaselines3Env")(env)
    adapted.reset()
    fall(env, 1)
    total = np.zeros(N)
    for step in range(1, LENGTH + 1):
        observations, rewards, ended, infos = adapted.step(np.zeros((N, 1), np.float32))
        total += rewards
        if step == 1:
            assert ended.tolist() == [False, True, False]
            assert infos[1]["TimeLimit.truncated"] is False
            assert infos[1]["terminal_observation"][0] == 5.0  # clipObservations
            assert infos[1]["episode"] == {"r": pytest.approx(rewards[1]), "l": 1}
            assert infos[0] == {}
            assert abs(observations[1, 0]) <= 1.0
    assert ended.tolist() == [True, False, True]
    assert infos[2]["TimeLimit.truncated"] is True
    assert infos[2]["episode"] == {"r": pytest.approx(total[2]), "l": LENGTH}
    _, rewards, ended, infos = adapted.step(np.zeros((N, 1), np.float32))
    assert ended.tolist() == [False, True, False]  # its second episode began one step later
    assert infos[1]["episode"]["l"] == LENGTH


def test_stable_baselines3_resets_with_its_seed(make: Make) -> None:
    adapted = wrapper("StableBaselines3Env")(make())
    adapted.seed(5)
    first = adapted.reset()
    other = adapted.reset()
    adapted.seed(5)
    assert np.array_equal(adapted.reset(), first)
    assert not np.array_equal(other, first)


def test_stable_baselines3_rejects_attributes_of_single_worlds(make: Make) -> None:
    adapted = wrapper("StableBaselines3Env")(make())
    assert adapted.get_attr("num_envs") == [N] * N
    assert adapted.env_is_wrapped(dict, indices=[0]) == [False]
    with pytest.raises(AttributeError, match="worlds have no attributes of their own"):
        adapted.set_attr("gravity", 1.0)
    with pytest.raises(AttributeError, match="worlds have no methods of their own"):
        adapted.env_method("kick")
    with pytest.raises(AttributeError):
        adapted.get_attr("nothing_of_the_kind")
