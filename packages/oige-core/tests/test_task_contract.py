"""What the methods of a task must do, the errors of tasks that do not, and attributes that states leave out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import warp as wp
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.errors import OigeError, TaskError
from oige_core.scene import ArticulationAsset, Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from oige_core.tasks.rl_task_warp import RLTaskWarp

NOTHING = torch.zeros(2, 1)


class Ball(RLTask[EnvConfig]):
    """Observes a ball and the time."""

    def set_up_scene(self, scene: Scene) -> None:
        self.balls = scene.add_sphere("ball", radius=0.1, position=(0.0, 0.0, 1.0))

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.actions = actions

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        time = self.progress_buf.unsqueeze(-1).float()
        return self.rows(torch.cat((self.balls.get_world_poses()[0], time), dim=-1), worlds)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.rows(self.obs_buf, worlds)[:, :1].clone()

    def is_done(self) -> torch.Tensor:
        return torch.zeros(self.num_envs, dtype=torch.bool)

    def calculate_metrics(self) -> torch.Tensor:
        time = self.progress_buf.float()
        return self.sum_reward_terms({"time": time, "alive": torch.ones_like(time)})


class WritesObservations(Ball):
    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        self.obs_buf[:, 3] = self.progress_buf
        return self.obs_buf


class ViewsOneBuffer(Ball):
    def post_reset(self) -> None:
        self.buffer = torch.zeros(self.num_envs, 5)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        self.buffer[:, 3] = self.progress_buf
        return self.buffer[:, :4]


class WritesStates(Ball):
    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.states_buf


class WritesEnds(Ball):
    def is_done(self) -> torch.Tensor:
        return self.terminated_buf.logical_or_(self.progress_buf > 2)


class WritesRewards(Ball):
    def calculate_metrics(self) -> torch.Tensor:
        self.rew_buf[:] = self.progress_buf
        return self.rew_buf


class ReturnsNothing(Ball):
    def calculate_metrics(self) -> torch.Tensor:
        self.rew_buf = torch.ones(self.num_envs)
        return None  # type: ignore[return-value]


class ObservesAllAgain(Ball):
    """Forgets about the selection."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return super().get_observations()


class ObservesAllAgainLater(ObservesAllAgain):
    """Ends the episode of one world in the second step."""

    def is_done(self) -> torch.Tensor:
        return self.progress_buf * torch.tensor([1, 0]) == 2


class ObservesOnlyAll(Ball):
    def get_observations(self) -> torch.Tensor:  # type: ignore[override]
        return super().get_observations()


class ResetsAll(Ball):
    def reset_idx(self) -> None:  # type: ignore[override]
        super().reset_idx(torch.arange(self.num_envs))


class AsksWhatIsDone(Ball):
    def is_done(self, failed: torch.Tensor) -> torch.Tensor:  # type: ignore[override]
        return failed


class IndexesWithWorlds(Ball):
    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        self.progress_buf[worlds] = torch.zeros(len(worlds), dtype=torch.int64)


class AssignsTooFewRows(Ball):
    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        self.assign(self.rew_buf, worlds, torch.zeros(len(worlds) + 1))


class ReadsResetBuf(Ball):
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.reset_idx(self.reset_buf.nonzero().squeeze(-1))  # type: ignore[attr-defined]


class SetsResetBuf(Ball):
    def is_done(self) -> torch.Tensor:
        self.reset_buf = self.progress_buf > 2  # type: ignore[assignment]
        return self.reset_buf


class HasNoStates(Ball):
    get_states = RLTask.get_states


class ForgetsBase(Ball):
    def reset_idx(self, worlds: torch.Tensor) -> None:
        self.balls.set_world_poses(torch.zeros(len(worlds), 3), indices=worlds)


Make = Callable[..., Any]
"""Makes a VecEnv, whose task has attributes of its own."""


@pytest.fixture
def make(new_engine: Callable[..., Any]) -> Make:
    def make(task: type[Ball] = Ball, num_envs: int = 2, executor: str = "c", **root: Any) -> VecEnv:
        env = EnvConfig(numEnvs=num_envs, envSpacing=1.0, episodeLength=3)
        config = RunConfig(task=TaskConfig(name=task.__name__, env=env, sim=SimConfig(dt=0.01)), seed=1, **root)
        spec = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(4,), num_actions=1, num_states=1)
        return VecEnv(task(config, spec, new_engine(executor, num_envs)))

    return make


@pytest.mark.parametrize(
    ("task", "method"),
    [
        (WritesObservations, "get_observations"),
        (ViewsOneBuffer, "get_observations"),
        (WritesStates, "get_states"),
        (WritesEnds, "is_done"),
        (WritesRewards, "calculate_metrics"),
    ],
)
def test_tensor_of_the_last_step_raises(make: Make, task: type[Ball], method: str) -> None:
    """Written in place, last observations would be those of the next episode, and rewards held would change."""
    env = make(task)

    def first_step() -> None:
        env.reset()
        env.step(NOTHING)

    message = rf"\A{task.__name__}\.{method} returned the tensor of the last step, .*: expected a new tensor, and none "
    with pytest.raises(TaskError, match=message):
        first_step()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            ReturnsNothing,
            r"calculate_metrics: result is None: expected a tensor of shape \(2,\); return it, .* to rew_buf\.",
        ),
        (HasNoStates, r"HasNoStates has 1 states in its TaskSpec but no get_states\."),
    ],
)
def test_method_that_returns_nothing_raises(make: Make, task: type[Ball], message: str) -> None:
    env = make(task)

    def first_step() -> None:
        env.reset()
        env.step(NOTHING)

    with pytest.raises(TaskError, match=message):
        first_step()


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (
            ObservesOnlyAll,
            r"get_observations\(self\): expected get_observations\(self, worlds=None\), because it is ",
        ),
        (ResetsAll, r"reset_idx\(self\): expected reset_idx\(self, worlds\)\.\Z"),
        (AsksWhatIsDone, r"is_done\(self, failed: torch.Tensor\): expected is_done\(self\)\.\Z"),
    ],
)
def test_method_with_other_arguments_raises(make: Make, task: type[Ball], message: str) -> None:
    """Such methods would fail only when the first episode ends."""
    with pytest.raises(TaskError, match=rf"\A{task.__name__}\.{message}"):
        make(task)


@pytest.mark.parametrize("task", [ReadsResetBuf, SetsResetBuf])
def test_flags_of_worlds_to_reset_raise(make: Make, task: type[Ball]) -> None:
    env = make(task)
    env.reset()
    with pytest.raises(TaskError, match=r"reset_buf does not exist: return terminations from is_done, and do not call"):
        env.step(NOTHING)


def test_indexing_with_a_mask_is_explained(make: Make) -> None:
    env = make(IndexesWithWorlds, executor="warp-cpu")
    env.reset()  # of all worlds, which works with a mask
    with pytest.raises(RuntimeError, match="shape mismatch") as raised:
        env.step(NOTHING)
    note = str(raised.value).splitlines()[-1]
    assert note.startswith("IndexesWithWorlds.reset_idx: worlds is a mask of shape (2,)")
    assert "use self.assign(tensor, worlds, values)" in note


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
def test_assignment_of_too_few_rows_raises(make: Make, executor: str) -> None:
    message = r"\Aassign: values of shape \(3,\): expected \(2,\), with a row for each entry of worlds\.\Z"
    with pytest.raises(OigeError, match=message):
        make(AssignsTooFewRows, executor=executor).reset()


def test_observations_of_all_worlds_raise_in_later_steps(make: Make) -> None:
    env = make(ObservesAllAgainLater)
    env.reset()
    env.step(NOTHING)
    with pytest.raises(TaskError, match=r"get_observations\(worlds\): result has shape \(2, 4\): expected \(1, 4\)"):
        env.step(NOTHING)


def test_observations_of_all_worlds_for_some_raise(make: Make) -> None:
    env = make(ObservesAllAgain)
    env.reset()
    env.task.progress_buf[:] = torch.tensor([2, 0])  # of 3 steps
    message = r"get_observations\(worlds\): result has shape \(2, 4\): expected \(1, 4\), as its TaskSpec says"
    with pytest.raises(TaskError, match=message):
        env.step(NOTHING)


def test_reset_without_super_raises(make: Make) -> None:
    with pytest.raises(TaskError, match=r"\AForgetsBase\.reset_idx: did not call super\(\)\.reset_idx\(worlds\), "):
        make(ForgetsBase).reset()


def test_first_reset_covers_all_worlds(make: Make) -> None:
    env, mask = make(), torch.tensor([True, False])
    with pytest.raises(OigeError, match=r"\Areset_mask: leaves out worlds that were never reset; reset all worlds fir"):
        env.reset(options={"reset_mask": mask})
    env.reset(options={"reset_mask": torch.tensor([True, True])})
    env.reset(options={"reset_mask": mask})


@pytest.mark.parametrize("value", [np.zeros((2, 1), dtype=complex), torch.zeros(2, 1, dtype=torch.complex64)])
def test_complex_actions_raise(make: Make, value: Any) -> None:
    env = make()
    env.reset()
    with pytest.raises(OigeError, match=r"\Aactions of type \w+: expected numbers of shape \(2, 1\)\.\Z"):
        env.step(value)


# Reward weights


def test_loading_a_state_restores_its_weights(make: Make) -> None:
    env = make()
    env.reset()
    env.step(NOTHING)
    before = env.state_dict()
    env.task.reward_weights = {"time": 10.0}
    changed = env.state_dict()
    env.load_state_dict(before)
    assert env.task.reward_weights == {}
    assert env.step(NOTHING)[1].tolist() == [3.0, 3.0]  # 2 s and alive
    env.load_state_dict(changed)
    assert env.step(NOTHING)[1].tolist() == [21.0, 21.0]


@pytest.mark.parametrize("weights", [{"tiem": 2.0}, {"time": "2"}, {"time": None}, {"time": float("nan")}, 2.0])
def test_rejected_weights_change_nothing(make: Make, weights: Any) -> None:
    env = make()
    env.reset()
    env.step(NOTHING)
    env.task.reward_weights = {"time": 10.0}
    with pytest.raises(OigeError, match=r"\Areward_weights of Ball"):
        env.task.reward_weights = weights
    assert env.task.reward_weights == {"time": 10.0}
    assert env.step(NOTHING)[1].tolist() == [21.0, 21.0]


# States


class Pair(NamedTuple):
    first: torch.Tensor
    second: int


class Keeps(Ball):
    """Keeps what begins as one tensor or array in several places."""

    def post_reset(self) -> None:
        n = self.num_envs
        self.history = [torch.zeros(n)] * 3
        self.named = dict.fromkeys("ab", self.history[0])
        self.arrays = (np.zeros(n),) * 2
        self.left = self.right = np.zeros(n)
        self.pair = Pair(self.history[0], 0)
        self.legacy = np.random.RandomState(3)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.history = [*self.history[1:], self.history[-1] + 1]
        self.named = {"a": self.named["a"] + 10, "b": self.named["b"] + 20}
        self.arrays = (self.arrays[0] + 3, self.arrays[1] + 4)
        self.left, self.right = self.left + 5, self.right + 6
        self.pair = Pair(self.pair.first + self.legacy.randint(100), self.pair.second + 1)

    def kept(self) -> list[float]:
        numbers = [*self.history, *self.named.values(), *self.arrays, self.left, self.right, self.pair.first]
        return [float(each[0]) for each in numbers] + [self.pair.second]


def test_elements_that_shared_a_tensor_are_restored_separately(make: Make) -> None:
    env, other = make(Keeps), make(Keeps)
    for each in (env, other):
        each.reset()
    for _ in range(2):
        env.step(NOTHING)
    kept = env.task.kept()
    assert kept[:9] == [0, 1, 2, 20, 40, 6, 8, 10, 12]
    state = env.state_dict()
    other.load_state_dict(state)
    assert other.task.kept() == kept
    for each in (env, other):
        each.step(NOTHING)
    assert other.task.kept() == env.task.kept()


class Memory:
    steps = 0


@dataclass
class Tally:
    steps: int = 0


class Loses(Ball):
    """Keeps what a state cannot hold, beside what does not change in a step."""

    def post_reset(self) -> None:
        self.memory, self.tally, self.memories = Memory(), Tally(), [Memory()]
        self.section, self.kind, self.file, self.helper = self.config.task.sim, Memory, Path("a"), np.sin


class Saves(Loses):
    """Says itself what its state is."""

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"steps": self.memory.steps}


def test_incomplete_state_warns_once(make: Make) -> None:
    env = make(Loses)
    env.reset()
    message = (
        r"of Loses leave out memory \(Memory\), tally \(Tally\), memories \(list\): .* is exact only if these never"
    )
    with pytest.warns(UserWarning, match=message):
        state = env.state_dict()
    other = make(Loses)
    with pytest.warns(UserWarning, match=message):
        other.load_state_dict(state)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.state_dict()


@pytest.mark.parametrize("task", [Ball, Keeps, Saves])
def test_complete_state_does_not_warn(make: Make, task: type[Ball]) -> None:
    env = make(task)
    env.reset()
    env.step(NOTHING)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        env.load_state_dict(env.state_dict())


def test_state_of_another_environment_raises(make: Make) -> None:
    env, others = make(), make(num_envs=3)
    for each in (env, others):
        each.reset()
    with pytest.raises(
        OigeError, match=r"\Athis state belongs to Ball with 3 worlds on .*: expected one of Ball with 2 w"
    ):
        env.load_state_dict(others.state_dict())
    for state in ({}, None, {"engine": {}}):
        with pytest.raises(
            OigeError, match=r"\Astate of type \w+: expected what state_dict of an environment returned"
        ):
            env.load_state_dict(state)  # type: ignore[arg-type]
    env.step(NOTHING)


# Warp variants


class Block(RLTaskWarp[EnvConfig]):
    """Observes a block on a rail; without kernels, which would have to be compiled."""

    def set_up_scene(self, scene: Scene) -> None:
        mjcf = '<mujoco><worldbody><body name="b"><joint name="j"/><geom size=".1"/></body></worldbody></mujoco>'
        self.blocks = scene.add_articulation("block", ArticulationAsset(mjcf=mjcf))

    def post_reset(self) -> None:
        self.block = self.arrays(self.blocks)

    def pre_physics_step(self) -> None:
        pass

    def get_observations(self) -> None:
        wp.copy(self.observations, self.block.joint_positions)

    def is_done(self) -> None:
        pass

    def calculate_metrics(self) -> None:
        self.rewards.fill_(1.0)


class ForgetsBaseOfWarp(Block):
    def reset_idx(self, mask: Any) -> None:
        pass


class ReplacesRewards(Block):
    def calculate_metrics(self) -> None:
        self.rewards = self.zeros(self.num_envs)


class AddsAnArray(Block):
    def pre_physics_step(self) -> None:
        self.late = self.zeros(self.num_envs)


@pytest.fixture
def make_warp(new_engine: Callable[..., Any]) -> Callable[[type[Block]], VecEnv]:
    def make_warp(task: type[Block]) -> VecEnv:
        env = EnvConfig(numEnvs=2, envSpacing=1.0, episodeLength=9)
        config = RunConfig(task=TaskConfig(name=task.__name__, env=env, sim=SimConfig(dt=0.01)), seed=1, warp=True)
        spec = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(1,), num_actions=1)
        return VecEnv(task(config, spec, new_engine("c", 2)))

    return make_warp


def test_failed_worlds_of_a_task_without_terminations_continue(make_warp: Callable[[type[Block]], VecEnv]) -> None:
    env = make_warp(Block)
    env.reset()
    assert env.step(torch.tensor([[float("nan")], [0.0]]))[2].tolist() == [True, False]
    assert env.step(NOTHING)[2].tolist() == [False, False]


def test_variant_reset_without_super_raises(make_warp: Callable[[type[Block]], VecEnv]) -> None:
    with pytest.raises(TaskError, match=r"\AForgetsBaseOfWarp\.reset_idx: did not call super\(\)\.reset_idx\(mask\), "):
        make_warp(ForgetsBaseOfWarp).reset()


@pytest.mark.parametrize(("task", "array"), [(ReplacesRewards, "rewards"), (AddsAnArray, "late")])
def test_variant_that_replaces_arrays_raises(
    make_warp: Callable[[type[Block]], VecEnv], task: type[Block], array: str
) -> None:
    """Others would be left out of steps or states."""
    env = make_warp(task)
    env.reset()
    with pytest.raises(TaskError, match=rf"\A{task.__name__}\.{array}: is another array than after post_reset: "):
        env.step(NOTHING)
