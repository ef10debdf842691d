"""Steps that are captured on tapes instead of CUDA graphs: results and state, and tasks that cannot be captured."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import pytest
import torch
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.envs import VecEnv
from oige_core.scene import ArticulationAsset, Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from oige_core.testing import TapeRecorder, assert_captured_steps_agree
from torch.utils import _pytree as pytree

N, STEPS = 3, 12
BLOCK = ArticulationAsset(
    mjcf="""<mujoco><worldbody><body name="block"><joint name="slide" type="slide" axis="1 0 0"/>
      <geom size=".1" mass="1" contype="0" conaffinity="0"/></body></worldbody></mujoco>"""
)
Make = Callable[..., VecEnv]


@dataclass(kw_only=True)
class SliderConfig(EnvConfig):
    """A slider's section."""

    force: float = 10.0


class Motion(NamedTuple):
    """What a slider remembers."""

    position: torch.Tensor
    speeds: dict[str, torch.Tensor]


class Slider(RLTask[SliderConfig]):
    """Remembers in many ways: attributes that swap, that share memory, in tuples and dictionaries, and in place."""

    gain = 1.0

    def set_up_scene(self, scene: Scene) -> None:
        self.blocks = scene.add_articulation("block", BLOCK)

    def post_reset(self) -> None:
        self.first = torch.zeros(self.num_envs, 1, device=self.device)
        self.second = torch.ones(self.num_envs, 1, device=self.device)
        self.both = self.same = torch.zeros(self.num_envs, 1, device=self.device)
        self.total = torch.zeros(self.num_envs, 1, device=self.device)
        self.scale = 1.0
        self.motion = Motion(self.first, {"now": self.second})

    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        self.blocks.set_joint_positions(self.uniform(-0.5, 0.5, len(worlds), 1), worlds)
        self.total = self.assign(self.total, worlds, 0.0)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.first, self.second = self.second, self.first + actions
        self.both = self.same + 1.0
        self.same = self.both
        self.total += self.motion.position.abs() + self.motion.speeds["now"]  # of the last step
        self.blocks.set_joint_efforts(actions * (self.cfg.force * self.scale))

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        position, speed = self.blocks.get_joint_positions(worlds), self.blocks.get_joint_velocities(worlds)
        if worlds is None:
            self.motion = Motion(position, {"now": speed})
        kept = (self.rows(part, worlds) for part in (self.first, self.second, self.both, self.total))
        return torch.cat((position, speed, *kept), dim=1)

    def is_done(self) -> torch.Tensor:
        return self.obs_buf[:, 0].abs() > 0.6

    def calculate_metrics(self) -> torch.Tensor:
        return self.sum_reward_terms({"position": self.motion.position[:, 0], "total": self.total[:, 0]})

    def get_extras(self) -> None:
        self.extras["total"] = self.total


class Counts(Slider):
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.scale += 1.0
        super().pre_physics_step(actions)


class Waits(Slider):
    def calculate_metrics(self) -> torch.Tensor:
        return super().calculate_metrics() * self.total.sum().item()


class CountsWorlds(Slider):
    def is_done(self) -> torch.Tensor:
        done = super().is_done()
        self.total[done] = self.total[done] + 1.0
        return done


class Appends(Slider):
    def post_reset(self) -> None:
        super().post_reset()
        self.seen: list[torch.Tensor] = []

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.seen.append(actions)
        super().pre_physics_step(actions * len(self.seen))


class CreatesLater(Slider):
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        if hasattr(self, "previous"):
            self.older = self.previous
        self.previous = actions
        super().pre_physics_step(actions)


class Weighs(Slider):
    """Sets the same weights in every step."""

    def calculate_metrics(self) -> torch.Tensor:
        rewards = super().calculate_metrics()
        self.reward_weights = {"total": 2.0}
        return rewards


class Hides(Slider):
    def post_reset(self) -> None:
        super().post_reset()
        self.memory = _Memory()

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.memory.steps += 1
        super().pre_physics_step(actions * self.memory.steps)


class _Memory:
    steps = 0


class StepsTheEngine(Slider):
    def pre_physics_step(self, actions: torch.Tensor) -> None:
        super().pre_physics_step(actions)
        self.engine.step()


@pytest.fixture
def make(new_engine: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    monkeypatch.setattr(MujocoEngine, "graph_recorder", lambda _: TapeRecorder())
    envs: list[VecEnv] = []

    def make(task: type[Slider] = Slider, *, debug: bool = False, **env: Any) -> VecEnv:
        values = {"numEnvs": N, "envSpacing": 1.0, "episodeLength": 5, "clipActions": 1.0} | env
        config = TaskConfig(name=task.__name__, env=SliderConfig(**values), sim=SimConfig(dt=0.05))
        spec = TaskSpec(task="n:n", env=SliderConfig, observation_shape=(6,), num_actions=1)
        run = RunConfig(task=config, seed=1, debug=debug)
        envs.append(VecEnv(task(run, spec, new_engine("warp-cpu", N))))
        return envs[-1]

    yield make
    for env in envs:
        env.close()


class Pushed(Slider):
    def set_up_scene(self, scene: Scene) -> None:
        super().set_up_scene(scene)
        self.links = scene.add_link_view("links", "block", ["block"])


def actions(steps: int = STEPS) -> torch.Tensor:
    return torch.rand(steps, N, 1, generator=torch.Generator().manual_seed(2)) * 2 - 1


def play(env: VecEnv, steps: torch.Tensor) -> list[torch.Tensor]:
    return [tensor for action in steps for tensor in env.step(action)[:4]]


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_captured_steps_keep_what_a_task_remembers(make: Make, mode: str) -> None:
    captured, eager = make(autoresetMode=mode), make(autoresetMode=mode, captureStep=False)
    assert assert_captured_steps_agree(captured, eager, actions()) >= 4


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (Counts, r"its attribute 'scale' changes in a step: expected a tensor"),
        (Waits, r"its step waits for the GPU \(_local_scalar_dense in test_step_capture\.py:\d+\)"),
        (CountsWorlds, r"its step waits for the GPU \(index\.Tensor in test_step_capture\.py:\d+\)"),
        (Appends, r"its list 'seen' changes in place"),
        (CreatesLater, r"its attribute 'older' did not exist after the first step: expected it from post_reset"),
        (Hides, r"it has the attributes memory \(_Memory\), which may change in a step"),
        (StepsTheEngine, r"it steps the engine itself"),
    ],
)
def test_task_that_cannot_be_captured_says_why_and_runs_eagerly(
    make: Make, caplog: pytest.LogCaptureFixture, task: type[Slider], reason: str
) -> None:
    env, eager = make(task), make(task, captureStep=False)
    for each in (env, eager):
        each.reset(seed=3)
    with caplog.at_level(logging.WARNING, "oige_core"):
        ours, theirs = play(env, actions()), play(eager, actions())
    if task is not StepsTheEngine:  # a tape executes half of the step before the error; a graph does not
        assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))
    (message,) = caplog.messages
    assert re.search(
        rf"\A{task.__name__} runs without CUDA graphs, which is slower: {reason}\. See .*=False\.\Z", message
    ), message


def test_forces_between_captured_steps_act_during_one_step(make: Make) -> None:
    captured, eager = make(Pushed), make(Pushed, captureStep=False)
    for env in (captured, eager):
        env.reset(seed=3)
    for step, action in enumerate(actions()):
        if step in (4, 5, 9):
            for env in (captured, eager):
                env.task.links.apply_forces(torch.tensor([20.0, 0.0, 0.0], device=env.device))  # type: ignore[attr-defined]
        ours, theirs = captured.step(action.to(captured.device)), eager.step(action.to(eager.device))
        assert ours[0].equal(theirs[0]), step
    assert captured.task.capture.captured  # type: ignore[attr-defined]


def _changes() -> dict[str, Callable[[Any], None]]:
    def rebind(env: Any) -> None:
        env.task.total = torch.full((N, 1), 7.0)

    def write(env: Any) -> None:
        env.task.total[0] = 9.0

    def scale(env: Any) -> None:
        env.task.scale = 0.5

    def configure(env: Any) -> None:
        env.task.cfg.force = 1.0

    def weigh(env: Any) -> None:
        env.task.reward_weights = {"total": 3.0}

    def reset(env: Any) -> None:
        env.reset(options={"reset_mask": torch.tensor([True, False, True])})

    def seed(env: Any) -> None:
        env.reset(seed=9)

    def move(env: Any) -> None:
        env.task.blocks.set_joint_positions(torch.tensor([[0.3]]), indices=[1])

    def restore(env: Any) -> None:
        state = env.state_dict()
        env.step(torch.ones(N, 1))
        env.load_state_dict(state)

    return {change.__name__: change for change in (rebind, write, scale, configure, weigh, reset, seed, move, restore)}


@pytest.mark.parametrize("change", _changes())
def test_changes_between_steps_take_effect(make: Make, change: str) -> None:
    envs = make(), make(captureStep=False)
    for env in envs:
        env.reset(seed=3)
        cast(Slider, env.task).reward_weights = {"total": 2.0}
    before = [play(env, actions(6)) for env in envs]
    for env in envs:
        _changes()[change](env)
    after = [play(env, actions(6)) for env in envs]
    for ours, theirs in (before, after):
        assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))
    task: Any = envs[0].task
    assert task.capture.captured
    assert task.capture.reason is None
    assert task.capture.captures == (2 if change in ("scale", "configure") else 1)


def test_results_of_a_captured_step_are_live_only_on_request(make: Make) -> None:
    envs = make(), make(captureStep=False)
    envs[0].clone_results = False
    copies: list[list[torch.Tensor]] = [[], []]
    returned = []
    for env in envs:
        env.reset(seed=3)
    for action in actions(8):
        for env, own in zip(envs, copies, strict=True):
            results = env.step(action)
            own += [leaf.clone() for leaf in pytree.tree_leaves(results)]
            returned.append(pytree.tree_leaves(results))
    assert all(a.equal(b) for a, b in zip(*copies, strict=True))
    live, eager = returned[::2], returned[1::2]
    assert all(a is b for a, b in zip(live[-2], live[-1], strict=True))
    assert not any(a is b for a, b in zip(eager[-2], eager[-1], strict=True))
    envs[0].clone_results = True
    for action in actions(4):
        returned.append(pytree.tree_leaves(envs[0].step(action)))
    kept = {leaf.untyped_storage().data_ptr() for leaf in returned[-1]}
    assert not kept & {leaf.untyped_storage().data_ptr() for leaf in returned[-2]}
    assert envs[0].task.capture.captured  # type: ignore[attr-defined]


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_live_results_survive_staggered_resets(make: Make, mode: str) -> None:
    envs = make(autoresetMode=mode), make(autoresetMode=mode, captureStep=False)
    envs[0].clone_results = False
    pushes = torch.ones(8, N, 1)  # some episodes end early
    for seed in range(3, 9):
        ours, theirs = (env.reset(seed=seed, options={"stagger": True})[0] for env in envs)
        assert ours.equal(theirs)
        for action in pushes:
            ours, theirs = (pytree.tree_leaves(env.step(action)) for env in envs)
            assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))
        mask = torch.tensor([True, False, True])
        ours, theirs = (env.reset(options={"reset_mask": mask})[0] for env in envs)
        assert ours.equal(theirs)


def test_weights_set_in_a_step_are_no_reason_to_capture_again(make: Make) -> None:
    assert_captured_steps_agree(make(Weighs), make(Weighs, captureStep=False), actions())


@pytest.mark.parametrize(
    ("name", "title"),
    [("scale", "the attribute 'scale'"), ("force", "the setting 'force'"), ("more", "the attribute 'more5'")],
)
def test_changes_after_every_step_end_capturing(
    make: Make, caplog: pytest.LogCaptureFixture, name: str, title: str
) -> None:
    """A capture takes longer than a step, so that a curriculum of this kind would be slower than without graphs."""
    envs = make(), make(captureStep=False)
    for env in envs:
        env.reset(seed=3)
    for step, action in enumerate(actions(16)):
        for env in envs:
            task: Any = env.task
            attribute = f"more{step // 2}" if name == "more" else name  # after the watched steps
            setattr(task.cfg if name == "force" else task, attribute, 1.0 + step)
        ours, theirs = (env.step(action)[:4] for env in envs)
        assert all(a.equal(b) for a, b in zip(ours, theirs, strict=True))
    capturing: Any = envs[0].task
    assert capturing.capture.captures == 5
    (message,) = caplog.messages
    assert f"slower: {title} changes between steps, after each of the last 5 captures. See" in message


@pytest.mark.parametrize("values", [{"captureStep": False}, {"debug": True}])
def test_steps_are_not_captured_if_that_is_asked_for(make: Make, values: dict[str, Any]) -> None:
    task: Any = make(**values).task
    assert task.capture is None
