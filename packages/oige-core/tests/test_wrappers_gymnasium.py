"""Every vector wrapper of gymnasium on our environment: what it computes is compared with numbers of our own."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import importlib.util
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.spaces import Box
from gymnasium.wrappers import vector
from oige_core import make_vec
from oige_core.envs import VecEnv
from oige_core.errors import CapabilityError, ConfigError
from oige_core.render.recording import VideoFile
from oige_core.wrappers import NumpyVecEnv

N, LENGTH, STEPS = 4, 6, 20
BOTH = ("same_step", "next_step")
NO_USE = {"FilterObservation", "JaxToNumpy", "JaxToTorch"}  # of dictionaries; of environments on JAX
Make = Callable[..., VecEnv]


@pytest.fixture
def make() -> Iterator[Make]:
    envs: list[VecEnv] = []

    def make(mode: str = "next_step", task: str = "Cartpole", num_envs: int = N, **arguments: Any) -> VecEnv:
        overrides = {"task.env.autoresetMode": mode, "task.env.episodeLength": LENGTH, "task.env.clipActions": 10.0}
        overrides |= {"task.viewport.viewport_camera_width": 128, "task.viewport.viewport_camera_height": 96}
        envs.append(make_vec(task, num_envs, overrides, num_threads=1, sim_device="cpu", **arguments))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def random_actions(steps: int = STEPS, num_envs: int = N) -> np.ndarray:
    return np.random.default_rng(5).uniform(-1.0, 1.0, (steps, num_envs, 1)).astype(np.float32)


class Recorded:
    """Outcomes of an environment, played with given actions; the first observations are those of the reset."""

    def __init__(self, env: Any, actions: np.ndarray) -> None:
        observations, info = env.reset(seed=3)
        steps = [env.step(action) for action in actions]
        self.observations = [np.asarray(observations)] + [np.asarray(step[0]) for step in steps]
        self.rewards, self.terminated, self.truncated = (
            np.stack([np.asarray(step[i]) for step in steps]) for i in (1, 2, 3)
        )
        self.ended = self.terminated | self.truncated
        self.infos = [info] + [step[4] for step in steps]


def plain(env: VecEnv, actions: np.ndarray) -> Recorded:
    return Recorded(env, torch.as_tensor(actions))  # type: ignore[arg-type]


def assert_same(ours: Any, expected: Any, rtol: float = 1e-6) -> None:
    for mine, theirs in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=1e-7)


UNIT = Box(-1.0, 1.0, (4,), np.float32)
OBSERVATIONS: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "TransformObservation": (
        lambda env: vector.TransformObservation(env, lambda values: 2.0 * values),
        lambda values: 2.0 * values,
    ),
    "VectorizeTransformObservation": (
        lambda env: vector.VectorizeTransformObservation(
            env, gym.wrappers.TransformObservation, func=lambda values: values[::-1], observation_space=UNIT
        ),
        lambda values: values[:, ::-1],
    ),
    "ReshapeObservation": (lambda env: vector.ReshapeObservation(env, (2, 2)), lambda values: values.reshape(N, 2, 2)),
    "FlattenObservation": (
        lambda env: vector.FlattenObservation(vector.ReshapeObservation(env, (2, 2))),
        lambda values: values,
    ),
    "RescaleObservation": (
        lambda env: vector.RescaleObservation(env, np.zeros(4, np.float32), np.ones(4, np.float32)),
        lambda values: (values / 5.0 + 1.0) / 2.0,  # clipObservations is 5
    ),
    "DtypeObservation": (lambda env: vector.DtypeObservation(env, np.int32), lambda values: values.astype(np.int32)),
}
ACTIONS: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "TransformAction": (lambda env: vector.TransformAction(env, np.negative), lambda actions: -actions),
    "VectorizeTransformAction": (
        lambda env: vector.VectorizeTransformAction(
            env,
            gym.wrappers.TransformAction,
            func=lambda action: 0.5 * action,
            action_space=env.single_action_space,
        ),
        lambda actions: 0.5 * actions,
    ),
    "ClipAction": (vector.ClipAction, lambda actions: actions.clip(-1.0, 1.0)),
    "RescaleAction": (
        lambda env: vector.RescaleAction(env, np.full(1, -2.0, np.float32), np.full(1, 2.0, np.float32)),
        lambda actions: actions / 2.0,
    ),
}
REWARDS: dict[str, tuple[Callable[[Any], Any], Callable[[np.ndarray], np.ndarray]]] = {
    "TransformReward": (
        lambda env: vector.TransformReward(env, lambda rewards: np.subtract(rewards, 3.0)),
        lambda r: r - 3.0,
    ),
    "VectorizeTransformReward": (
        lambda env: vector.VectorizeTransformReward(env, gym.wrappers.TransformReward, func=lambda reward: reward**2),
        lambda rewards: rewards**2,
    ),
    "ClipReward": (lambda env: vector.ClipReward(env, 0.2, 0.8), lambda rewards: rewards.clip(0.2, 0.8)),
}
OTHERS = {
    "NormalizeObservation",
    "NormalizeReward",
    "RecordEpisodeStatistics",
    "DictInfoToList",
    "GrayscaleObservation",
    "ResizeObservation",
    "RecordVideo",
    "HumanRendering",
    "ArrayConversion",
    "NumpyToTorch",
}


def test_every_gymnasium_wrapper_is_tested() -> None:
    assert set(vector.__all__) == {*OBSERVATIONS, *ACTIONS, *REWARDS, *OTHERS, *NO_USE}


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observation_wrappers_change_observations(make: Make, name: str) -> None:
    wrap, expected = OBSERVATIONS[name]
    reference = plain(make(), random_actions())
    recorded = Recorded(wrap(NumpyVecEnv(make())), random_actions())
    assert_same(recorded.observations, map(expected, reference.observations))
    assert reference.ended.any()


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("name", ACTIONS)
def test_action_wrappers_change_actions(make: Make, name: str, mode: str) -> None:
    wrap, expected = ACTIONS[name]
    actions = 2.0 * random_actions()
    reference = plain(make(mode), expected(actions))
    recorded = Recorded(wrap(NumpyVecEnv(make(mode))), actions)
    assert_same(recorded.observations, reference.observations)


@pytest.mark.parametrize("mode", BOTH)
@pytest.mark.parametrize("name", REWARDS)
def test_reward_wrappers_change_rewards(make: Make, name: str, mode: str) -> None:
    wrap, expected = REWARDS[name]
    reference = plain(make(mode), random_actions())
    recorded = Recorded(wrap(NumpyVecEnv(make(mode))), random_actions())
    assert_same(recorded.rewards, expected(reference.rewards))
    assert_same(recorded.observations, reference.observations)


@pytest.mark.parametrize("mode", BOTH)
def test_episode_statistics_are_sums_of_rewards_and_steps(make: Make, mode: str) -> None:
    reference = plain(make(mode), random_actions())
    wrapper = vector.RecordEpisodeStatistics(NumpyVecEnv(make(mode)))
    recorded = Recorded(wrapper, random_actions())
    returns, lengths, reset_before = np.zeros(N), np.zeros(N), np.zeros(N, dtype=bool)
    episodes = []
    for step in range(STEPS):
        counts = ~reset_before if mode == "next_step" else np.ones(N, dtype=bool)
        returns += np.where(counts, reference.rewards[step], 0.0)
        lengths += counts
        ended = reference.ended[step]
        info = recorded.infos[step + 1]
        if ended.any():
            np.testing.assert_array_equal(info["_episode"], ended)
            np.testing.assert_allclose(info["episode"]["r"][ended], returns[ended], rtol=1e-5)
            np.testing.assert_array_equal(info["episode"]["l"][ended], lengths[ended])
        else:
            assert "episode" not in info
        episodes += lengths[ended].tolist()
        returns[ended], lengths[ended] = 0.0, 0
        reset_before = ended
    assert list(wrapper.length_queue) == episodes
    assert episodes == [LENGTH] * len(episodes)  # no world falls so soon: the reset is no step of an episode
    resets = int(mode == "next_step")  # steps between two episodes
    assert len(episodes) == N * ((STEPS + resets) // (LENGTH + resets))


def test_normalised_observations_match_numpy(make: Make) -> None:
    reference = plain(make(), random_actions())
    wrapper = vector.NormalizeObservation(NumpyVecEnv(make()))
    recorded = Recorded(wrapper, random_actions())
    seen = np.concatenate(reference.observations)
    # gymnasium counts its first guess, mean 0 and variance 1, as 1e-4 of an observation.
    np.testing.assert_allclose(wrapper.obs_rms.mean, seen.mean(axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(wrapper.obs_rms.var, seen.var(axis=0), rtol=1e-4, atol=1e-4)
    last = (reference.observations[-1] - wrapper.obs_rms.mean) / np.sqrt(wrapper.obs_rms.var + 1e-8)
    np.testing.assert_allclose(recorded.observations[-1], last, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", BOTH)
def test_normalised_rewards_have_the_variance_of_discounted_returns(make: Make, mode: str) -> None:
    reference = plain(make(mode), random_actions())
    wrapper = vector.NormalizeReward(NumpyVecEnv(make(mode)), gamma=0.9)
    recorded = Recorded(wrapper, random_actions())
    returns, reset_before, seen = np.zeros(N), np.zeros(N, dtype=bool), []
    for rewards, terminated, ended in zip(reference.rewards, reference.terminated, reference.ended, strict=True):
        active = ~reset_before if mode == "next_step" else np.ones(N, dtype=bool)
        returns[active] = 0.9 * returns[active] * ~terminated[active] + rewards[active]
        seen += returns[active].tolist()
        reset_before = ended
        if mode == "same_step":
            returns[ended] = 0.0
    assert wrapper.return_rms.var == pytest.approx(np.var(seen), rel=1e-3)
    np.testing.assert_allclose(recorded.rewards[-1], reference.rewards[-1] / np.sqrt(wrapper.return_rms.var), rtol=1e-4)


def test_info_list_has_final_obs_only_of_ended_worlds(make: Make) -> None:
    reference = plain(make("same_step"), random_actions())
    recorded = Recorded(vector.DictInfoToList(NumpyVecEnv(make("same_step"))), random_actions())
    for step in range(STEPS):
        infos: Any = recorded.infos[step + 1]
        assert ["final_obs" in info for info in infos] == reference.ended[step].tolist()
        for world in np.flatnonzero(reference.ended[step]):
            expected = reference.infos[step + 1]["final_obs"][world]
            np.testing.assert_array_equal(infos[world]["final_obs"], expected)
    assert reference.ended.any()


def test_info_is_per_world_except_episode_means(make: Make) -> None:
    env = make("same_step")
    wrapper = NumpyVecEnv(env)
    wrapper.reset(seed=3)
    for actions in random_actions(LENGTH):
        *_, info = wrapper.step(actions)
    assert wrapper.batch_info["episode_count"] == N
    assert wrapper.batch_info["episode_means"]["length"] == LENGTH
    assert isinstance(wrapper.batch_info["episode_means"]["return"], float)
    assert "episode_means" not in info
    for key, value in info.items():
        assert len(next(iter(value.values())) if isinstance(value, dict) else value) == N, key
        assert key.startswith("_") or info[f"_{key}"].dtype == np.bool_
    assert info["_final_obs"].all()


def test_final_states_belong_to_ended_worlds(make: Make) -> None:
    env = make("same_step")
    env.task.get_extras = lambda: env.task.extras.update(final_states=torch.ones(N, 2))  # type: ignore[method-assign]
    wrapper = NumpyVecEnv(env)
    wrapper.reset()
    env.task.progress_buf[0] = LENGTH - 1
    *_, info = wrapper.step(random_actions(1)[0])
    assert info["_final_states"].tolist() == [True, False, False, False]


def test_info_distinguishes_masks_dictionaries_and_scalars(make: Make) -> None:
    env = make("same_step")
    mixed = {"a": torch.arange(N), "b": torch.tensor(2.5)}
    extras = {"mixed": mixed, "distance": torch.ones(N, 3), "_distance": torch.arange(N) > 1, "level": 7}
    env.task.get_extras = lambda: env.task.extras.update(extras)  # type: ignore[method-assign]
    wrapper = NumpyVecEnv(env)
    wrapper.reset()
    *_, info = wrapper.step(random_actions(1)[0])
    assert info["_distance"].tolist() == [False, False, True, True]
    assert info["distance"].shape == (N, 3)
    assert info["mixed"]["a"].tolist() == [0, 1, 2, 3]
    assert info["_mixed"].all()
    assert wrapper.batch_info["mixed"] == {"b": 2.5}
    assert wrapper.batch_info["level"] == 7


def test_upstream_mode_raises(make: Make) -> None:
    message = r"\Atask\.env\.autoresetMode=upstream: NumpyVecEnv needs same_step or next_step\.\Z"
    with pytest.raises(ConfigError, match=message):
        NumpyVecEnv(make("upstream"))


def test_missing_library_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    import oige_core.wrappers

    monkeypatch.setitem(sys.modules, "oige_core.wrappers.skrl", None)
    monkeypatch.setitem(oige_core.wrappers._MODULES, "SkrlEnv", ("no_such", "skrl[torch]"))
    with pytest.raises(CapabilityError, match=r"SkrlEnv: .* is not installed; install it with skrl\[torch\]\."):
        _ = oige_core.wrappers.SkrlEnv


def camera_env(make: Make) -> NumpyVecEnv:
    return NumpyVecEnv(make(task="CartpoleCamera", num_envs=2))


def test_images_are_converted_to_grey(make: Make) -> None:
    env = vector.VectorizeTransformObservation(
        camera_env(make),
        gym.wrappers.TransformObservation,
        func=lambda image: image[..., :3],
        observation_space=Box(0, 255, (*camera_shape(make), 3), np.uint8),
    )
    observations, _ = env.reset(seed=1)
    grey = vector.GrayscaleObservation(env)
    expected = (observations * np.array([0.2125, 0.7154, 0.0721])).sum(axis=-1)
    np.testing.assert_allclose(grey.reset(seed=1)[0], expected, atol=1.0)
    assert grey.single_observation_space.shape == camera_shape(make)


def camera_shape(make: Make) -> tuple[int, int]:
    rows, columns, _ = make(task="CartpoleCamera", num_envs=1).single_observation_space.shape  # type: ignore[misc]
    return rows, columns


def test_images_are_resized(make: Make) -> None:
    pytest.importorskip("cv2")
    env = vector.ResizeObservation(camera_env(make), (16, 24))
    observations, _ = env.reset(seed=1)
    assert observations.shape[:3] == (2, 16, 24)
    assert observations.std() > 0


class Clip:
    """Stands in for moviepy's clip of images, where moviepy is not installed."""

    def __init__(self, frames: list[np.ndarray], fps: int) -> None:
        self.frames, self.fps = frames, fps

    def write_videofile(self, path: str, **_: Any) -> None:
        height, width, _channels = self.frames[0].shape
        file = VideoFile(Path(path), (width, height), self.fps)
        for frame in self.frames:
            file.add(frame)
        file.close()


@pytest.fixture
def moviepy(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("moviepy") is None:
        package = types.ModuleType("moviepy")
        clips = types.ModuleType("moviepy.video.io.ImageSequenceClip")
        clips.ImageSequenceClip = Clip  # type: ignore[attr-defined]
        names = ("moviepy", "moviepy.video", "moviepy.video.io", "moviepy.video.io.ImageSequenceClip")
        for name, module in zip(names, (package, package, package, clips), strict=True):
            monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.filterwarnings("ignore:.*autoreset mode is same-step")
@pytest.mark.parametrize("mode", BOTH)
def test_record_video_writes_a_playable_file(make: Make, moviepy: None, tmp_path: Path, mode: str) -> None:
    env = vector.RecordVideo(
        NumpyVecEnv(make(mode, render_mode="rgb_array")),
        str(tmp_path / "videos"),
        video_length=5,
        step_trigger=lambda step: step == 2,
    )
    Recorded(env, random_actions(10))
    with av.open(tmp_path / "videos" / "rl-video-step-2.mp4") as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(container.streams.video[0])]
        assert container.streams.video[0].average_rate == 60
    assert len(frames) in (5, 6)  # gymnasium stops at the first frame beyond the length, which moviepy leaves out
    assert frames[0].shape == (96, 128, 3)  # two by two images
    assert not np.array_equal(frames[0], frames[-1])


def test_human_rendering_shows_the_image(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    numpy_env = NumpyVecEnv(make(num_envs=1, render_mode="rgb_array"))
    env = vector.HumanRendering(numpy_env)
    env.reset(seed=1)
    shown = pygame.surfarray.array3d(env.window).transpose(1, 0, 2)
    np.testing.assert_array_equal(shown, numpy_env.render()[0])  # type: ignore[index]
    env.close()


def test_array_conversion_accepts_tensors(make: Make) -> None:
    pytest.importorskip("array_api_compat")
    reference = plain(make("same_step"), random_actions())
    env = vector.ArrayConversion(make("same_step"), env_xp=torch, target_xp=np)
    recorded = Recorded(vector.RecordEpisodeStatistics(env), random_actions())
    assert_same(recorded.observations, reference.observations)
    ended = reference.ended[LENGTH - 1]
    assert ended.all()
    np.testing.assert_array_equal(recorded.infos[LENGTH]["episode"]["l"], [LENGTH] * N)


def test_numpy_to_torch_returns_tensors(make: Make) -> None:
    pytest.importorskip("array_api_compat")
    reference = plain(make(), random_actions())
    env = vector.NumpyToTorch(NumpyVecEnv(make()))
    observations, _ = env.reset(seed=3)
    assert isinstance(observations, torch.Tensor)
    np.testing.assert_array_equal(observations.numpy(), reference.observations[0])
    stepped = env.step(torch.as_tensor(random_actions()[0]))[0]
    np.testing.assert_array_equal(stepped.numpy(), reference.observations[1])
