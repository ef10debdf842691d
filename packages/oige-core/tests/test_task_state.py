"""A checkpoint holds what a task keeps between steps, whatever it is made of."""

import io
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.scene import Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from oige_core.tasks.state import UNSAVED, decode_into, encode

CPU = torch.device("cpu")


class Memories(RLTask[EnvConfig]):
    """Observes what it keeps in attributes of many types; all of them change in every step."""

    def set_up_scene(self, scene: Scene) -> None:
        scene.add_sphere("ball", radius=0.1, position=(0.0, 0.0, 1.0))

    def post_reset(self) -> None:
        n = self.num_envs
        self.table = torch.zeros(n, 4)
        self.left, self.right = self.table[:, :2], self.table[:, 2:]
        self.count = 0
        self.history = [torch.zeros(n), torch.zeros(n)]
        self.recent: deque[float] = deque([0.0], maxlen=2)
        self.totals = {"steps": np.zeros(n, dtype=np.float32), 3: (1, "a")}
        self.numpy_random, self.python_random = np.random.default_rng(5), random.Random(5)
        self.torch_random = torch.Generator().manual_seed(5)
        self.repeated = torch.zeros(1).expand(n)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.count += 1
        self.table += 1.0
        self.left *= 2.0
        self.history = [self.history[1], self.history[0] + self.count]
        self.recent.append(float(self.count))
        self.totals["steps"] += self.count  # type: ignore[operator]
        self.repeated = (self.repeated[:1] + 1.0).expand(self.num_envs)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        drawn = float(self.numpy_random.random()) + self.python_random.random()
        drawn += torch.rand(1, generator=self.torch_random).item()
        numbers = torch.tensor([self.count, sum(self.recent), len(self.recent), drawn]).expand(self.num_envs, -1)
        steps = torch.from_numpy(self.totals["steps"])
        columns = (self.left, self.right, torch.stack([*self.history, steps, self.repeated], dim=1), numbers)
        return torch.cat(columns, dim=1)

    def calculate_metrics(self) -> torch.Tensor:
        return self.sum_reward_terms({"left": self.left[:, 0]})

    def is_done(self) -> torch.Tensor:
        return torch.zeros(self.num_envs, dtype=torch.bool)


@pytest.fixture
def make(new_engine: Callable[..., Any]) -> Callable[[], VecEnv]:
    def make() -> VecEnv:
        env = EnvConfig(numEnvs=2, envSpacing=1.0, episodeLength=100)
        task = TaskConfig(name="Memories", env=env, sim=SimConfig(dt=0.01))
        spec = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(12,), num_actions=1)
        made = VecEnv(Memories(RunConfig(task=task, seed=1), spec, new_engine("c", 2)))
        made.reset()
        return made

    return make


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_resumed_task_continues_bitwise(make: Callable[[], VecEnv]) -> None:
    env, action = make(), torch.zeros(2, 1)
    for _ in range(3):
        env.step(action)
    state = through_a_file(env.state_dict())
    expected = [env.step(action)[0] for _ in range(3)]
    other = make()
    other.step(action)
    other.load_state_dict(state)
    for observations in expected:
        torch.testing.assert_close(other.step(action)[0], observations, rtol=0, atol=0)


def test_loading_does_not_change_returned_tensors(make: Callable[[], VecEnv]) -> None:
    env, action = make(), torch.zeros(2, 1)
    state = env.state_dict()
    before = env.step(action)[:4]
    copies = [tensor.clone() for tensor in before]
    env.load_state_dict(state)
    assert all(torch.equal(tensor, copy) for tensor, copy in zip(before, copies, strict=True))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -3,
        2**70,
        1.5,
        "text",
        [1, [2.0, None]],
        (1, ("a",)),
        {1, 2},
        {"a": {2: [3]}},
        np.float32(1.5),
        np.int64(7),
    ],
)
def test_plain_values_are_saved_and_loaded(value: Any) -> None:
    decoded = decode_into(None, through_a_file(encode(value)), CPU)
    assert decoded == value
    assert type(decoded) is type(value)


def test_arrays_and_deques_are_saved_and_loaded() -> None:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    decoded = decode_into(None, through_a_file(encode(array)), CPU)
    assert decoded.dtype == np.int32
    assert np.array_equal(decoded, array)
    queue = decode_into(None, through_a_file(encode(deque([1, 2], maxlen=2))), CPU)
    assert (list(queue), queue.maxlen) == ([1, 2], 2)


@pytest.mark.parametrize("value", [object(), [object()], {"a": object()}, np.array(["text"]), lambda: None])
def test_other_values_are_not_saved(value: Any) -> None:
    assert encode(value) is UNSAVED
