"""Further proofs for the vector environment: gymnasium's own checks, both autoreset modes, statistics, saved states."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import VectorWrapper
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs import VecEnv, make_vec
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset, Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask

DT, LENGTH = 0.01, 4  # s, control steps
SLIDER = ArticulationAsset(
    mjcf="""<mujoco><worldbody><body name="rail"><geom size=".01" mass="1"/><body name="block">
      <joint name="slide" type="slide" axis="1 0 0"/><geom size=".1" mass="1" contype="0" conaffinity="0"/>
    </body></body></worldbody></mujoco>""",
    usd="none.usd",
)
Make = Callable[..., VecEnv]


@dataclass(kw_only=True)
class SliderConfig(EnvConfig):
    start: float = 1.0
    end: float = 1e6


class SliderTask(RLTask[SliderConfig]):
    """A block of 1 kg, 100 N at action 1; the critic also sees the control step of the episode."""

    def set_up_scene(self, scene: Scene) -> None:
        self.blocks = scene.add_articulation("slider", SLIDER)

    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        positions = self.uniform(-self.cfg.start, self.cfg.start, len(worlds), 1)
        self.blocks.set_joint_positions(positions, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.blocks.set_joint_efforts(actions * 100.0)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return torch.cat((self.blocks.get_joint_positions(worlds), self.blocks.get_joint_velocities(worlds)), dim=-1)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.rows(torch.cat((self.obs_buf[:, :1], self.progress_buf[:, None]), dim=-1), worlds)

    def calculate_metrics(self) -> torch.Tensor:
        position, velocity = self.obs_buf.unbind(-1)
        return self.sum_reward_terms({"position": position, "velocity": 10.0 * velocity})

    def is_done(self) -> torch.Tensor:
        return self.obs_buf[:, 0].abs() > self.cfg.end


@pytest.fixture
def make() -> Iterator[Make]:
    envs: list[VecEnv] = []

    def make(num_envs: int = 2, num_states: int = 0, seed: int = 42, **env: Any) -> VecEnv:
        values = {"numEnvs": num_envs, "envSpacing": 1.0, "episodeLength": LENGTH} | env
        task = TaskConfig(name="Slider", env=SliderConfig(**values), sim=SimConfig(dt=DT))
        spec = TaskSpec(task="n:n", env=SliderConfig, observation_shape=(2,), num_actions=1, num_states=num_states)
        envs.append(VecEnv(SliderTask(RunConfig(task=task, seed=seed), spec, MujocoEngine(num_envs, num_threads=1))))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def push(*actions: float) -> torch.Tensor:
    return torch.tensor(actions)[:, None]


def tensors_of(step: Any) -> list[torch.Tensor]:
    *tensors, info = step
    tensors += [value for value in info.values() if isinstance(value, torch.Tensor)]
    return tensors + list(info.get("episode_means", {}).values())


def trajectory(env: VecEnv, steps: int, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    recorded = []
    for _ in range(steps):
        recorded += tensors_of(env.step(torch.rand(env.num_envs, 1, generator=generator) * 2 - 1))
    return recorded


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return len(first) == len(second) and all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("mode", ["next_step", "upstream"])
def test_manual_reset_cancels_the_pending_reset(make: Make, mode: str) -> None:
    env = make(episodeLength=1, autoresetMode=mode)
    env.reset(seed=0)
    env.step(push(0.0, 0.0))
    first, _ = env.reset()
    assert torch.equal(first, env.step(push(0.0, 0.0))[0])


def test_reset_mask_clears_only_the_statistics_of_its_worlds(make: Make) -> None:
    env = make(start=0.0)
    env.reset()
    for _ in range(LENGTH - 1):
        env.step(push(1.0, 1.0))
    env.reset(options={"reset_mask": np.array([True, False])})
    _, _, _, truncated, info = env.step(push(0.0, 0.0))
    assert truncated.tolist() == [False, True]
    assert info["episode_means"]["return"].item() == pytest.approx(90.19)  # v = 1, 2, 3, 3; x = .01, .03, .06, .09
    for _ in range(LENGTH - 1):
        _, _, _, truncated, info = env.step(push(0.0, 0.0))
    assert truncated.tolist() == [True, False]
    statistics = {name: value.item() for name, value in info["episode_means"].items()}
    assert statistics == {"return": 0.0, "length": LENGTH, "reward/position": 0.0, "reward/velocity": 0.0}


@pytest.mark.parametrize("length", [1, 3])
def test_reset_mask_of_wrong_length_raises(make: Make, length: int) -> None:
    env = make()
    env.reset()
    with pytest.raises(OigeError, match="reset_mask"):
        env.reset(options={"reset_mask": torch.zeros(length, dtype=torch.bool)})


def test_states_belong_to_the_new_episode(make: Make) -> None:
    env = make(num_states=2, episodeLength=2)
    first = env.reset()
    env.step(push(1, 0))
    new_episode, *_, new_info = env.step(push(1, 0))
    for observations, info in (first, (new_episode, new_info)):
        torch.testing.assert_close(info["states"], torch.stack((observations[:, 0], torch.zeros(2)), dim=-1))


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_state_dict_continues_bitwise(make: Make, mode: str) -> None:
    options = {"num_envs": 5, "end": 0.8, "num_states": 2, "autoresetMode": mode}
    env = make(**options)
    env.reset(seed=1)
    trajectory(env, LENGTH, 0)
    state = env.state_dict()
    expected = trajectory(env, 20, 2)
    for continued in (env, make(seed=9, **options), env):  # itself, one that was never reset, itself again
        continued.load_state_dict(state)
        assert same(expected, trajectory(continued, 20, 2))


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_returned_tensors_are_not_reused(make: Make, mode: str) -> None:
    env = make(num_states=2, end=0.8, autoresetMode=mode)
    observations, info = env.reset(seed=0)
    kept = [observations, info["states"]]
    copies = [tensor.clone() for tensor in kept]
    for step in range(2 * LENGTH):
        tensors = tensors_of(env.step(push(1.0, -1.0)))
        kept += tensors
        copies += [tensor.clone() for tensor in tensors]
        if step == LENGTH:
            env.reset()
    assert same(kept, copies)


def test_step_after_close_raises(make: Make) -> None:
    env = make()
    env.reset()
    env.close()
    env.close()
    assert env.closed
    with pytest.raises(OigeError, match="closed"):
        env.step(push(0.0, 0.0))


class AsNumpy(VectorWrapper):
    def reset(self, **kwargs: Any) -> Any:  # type: ignore[override]
        observations, info = self.env.reset(**kwargs)
        return observations.numpy(), info

    def step(self, actions: Any) -> Any:
        *tensors, info = self.env.step(torch.as_tensor(actions))
        return *(tensor.numpy() for tensor in tensors), info


def test_statistics_match_gymnasium(make: Make) -> None:
    env = make(num_envs=8, end=0.8, episodeLength=7)
    recorder = RecordEpisodeStatistics(AsNumpy(env), buffer_length=1000, stats_key="recorded")
    recorder.reset(seed=3)
    recorder.action_space.seed(3)
    returns, lengths, episodes = 0.0, 0.0, 0
    for _ in range(60):
        *_, info = recorder.step(recorder.action_space.sample())
        if count := info.get("episode_count", 0):
            episodes += count
            returns += info["episode_means"]["return"].item() * count
            lengths += info["episode_means"]["length"].item() * count
    assert len(set(recorder.length_queue)) > 1  # some fail, some are truncated
    assert episodes == recorder.episode_count > 60
    assert lengths == pytest.approx(sum(recorder.length_queue))
    assert returns == pytest.approx(float(sum(recorder.return_queue)), rel=1e-4)


def test_reset_seeds_gymnasiums_generator(make: Make) -> None:
    env = make()
    env.reset(seed=123)
    assert env.np_random_seed == 123


class OneWorld(gym.Env):
    """The only world of an environment as a plain ``gymnasium.Env``, which gymnasium has checks for."""

    def __init__(self, make: Make) -> None:
        self.env = env = make(num_envs=1, clipObservations=5.0, num_states=2)
        self.observation_space = env.single_observation_space
        self.action_space = env.single_action_space
        self.spec = EnvSpec("OneWorld-v0", entry_point=lambda **_: OneWorld(make))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        observations, info = self.env.reset(seed=seed, options=options)
        return observations[0].numpy(), self.numpy(info)

    def step(self, action: Any) -> Any:
        *tensors, info = self.env.step(torch.as_tensor(action)[None])
        observations, *others = (tensor[0] for tensor in tensors)
        return observations.numpy(), *(x.item() for x in others), self.numpy(info)

    @staticmethod
    def numpy(info: dict[str, Any]) -> dict[str, Any]:
        return {key: value.numpy() for key, value in info.items() if isinstance(value, torch.Tensor)}


@pytest.mark.filterwarnings("error")
def test_gymnasiums_env_checker_passes(make: Make) -> None:
    check_env(OneWorld(make), skip_render_check=True)


@pytest.mark.parametrize("warp", [False, True])
def test_env_made_in_inference_mode_steps_outside_it(warp: bool) -> None:
    with torch.inference_mode():
        env = make_vec("Cartpole", 2, warp=warp, sim_device="cpu", num_threads=1)
    plain = make_vec("Cartpole", 2, warp=warp, sim_device="cpu", num_threads=1)
    for each in (env, plain):
        each.reset(seed=1)
    actions = torch.zeros(2, 1)
    assert same(tensors_of(env.step(actions)), tensors_of(plain.step(actions)))
