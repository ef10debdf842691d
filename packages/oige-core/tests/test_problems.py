"""What goes wrong in a world ends its episode without reward, is counted, and stays in that world."""

# pyright: reportPossiblyUnboundVariable=false
# Loops of these tests run at least once.

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.errors import OigeError, TaskError
from oige_core.problems import PROBLEMS, ProblemCounts, ProblemReport, describe_problems
from oige_core.scene import ArticulationAsset, Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from oige_core.testing import make_env_on

N, DT, LENGTH = 3, 0.01, 5
BLOCK = ArticulationAsset(
    mjcf="""<mujoco><worldbody><body name="rail"><geom size=".01" mass="1"/><body name="block">
      <joint name="slide" type="slide" axis="1 0 0"/><geom size=".1" mass="1" contype="0" conaffinity="0"/>
    </body></body></worldbody></mujoco>""",
    usd="none.usd",
)
Make = Callable[..., Any]
"""Makes a VecEnv, whose task has attributes of its own."""


@dataclass(kw_only=True)
class BlockConfig(EnvConfig):
    """``broken`` names what goes wrong from control step ``broken_from`` on, in world 1."""

    broken: str = ""
    broken_from: int = 1


class BlockTask(RLTask[BlockConfig]):
    """A block of 1 kg, 100 N at action 1. Reward 2 per step and the velocity; no ending but time."""

    def set_up_scene(self, scene: Scene) -> None:
        self.blocks = scene.add_articulation("block", BLOCK)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.actions = actions
        self.blocks.set_joint_efforts(actions * 100.0)
        if self.is_broken("velocity"):
            self.blocks.set_joint_velocities(torch.full((1, 1), 5e3, device=self.device), indices=[1])
        if self.is_broken("nan velocity"):
            self.blocks.set_joint_velocities(torch.full((1, 1), math.nan, device=self.device), indices=[1])

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        observations = torch.cat((self.blocks.get_joint_positions(), self.blocks.get_joint_velocities()), dim=-1)
        if self.is_broken("observation"):
            observations[1, 0] = math.nan
        if self.is_broken("first observation"):
            observations[1, self.progress_buf[1] == 0] = math.nan
        if self.is_broken("observation shape"):
            observations = observations[:, :1]
        if self.is_broken("observation type"):
            observations = observations.double()
        return self.rows(observations, worlds)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        states = torch.zeros_like(self.states_buf)
        if self.is_broken("states"):
            states[1] = math.inf
        if self.is_broken("first states"):
            states = torch.where(self.progress_buf == 0, math.nan, 0.0).unsqueeze(-1)
            states[[0, 2]] = 0.0
        return self.rows(states, worlds)

    def is_done(self) -> torch.Tensor:
        dtype = torch.float32 if self.is_broken("terminated type") else torch.bool
        return torch.zeros(self.num_envs, dtype=dtype, device=self.device)

    def calculate_metrics(self) -> torch.Tensor:
        velocity = self.obs_buf[:, -1].clone()
        if self.is_broken("term"):
            velocity[1] = math.nan
        if self.is_broken("term shape"):
            velocity = velocity.unsqueeze(-1)
        terms = {"alive": torch.full_like(self.rew_buf, 2.0), "velocity": velocity}
        if self.is_broken("other terms"):
            terms["more"] = velocity
        reward = self.sum_reward_terms(terms)
        if self.is_broken("reward"):
            reward[1] = math.inf
        if self.is_broken("reward is a list"):
            return reward.tolist()  # type: ignore[return-value]
        return reward

    def is_broken(self, what: str) -> bool:
        return self.cfg.broken == what and self.steps >= self.cfg.broken_from

    steps = 0

    def step(self, actions: torch.Tensor) -> None:
        self.steps += 1
        super().step(actions)


@pytest.fixture
def make(new_engine: Callable[..., Any]) -> Iterator[Make]:
    envs: list[VecEnv] = []

    def make(executor: str = "c", num_states: int = 0, debug: bool = False, **env: Any) -> VecEnv:
        sim = SimConfig(dt=DT, max_position=100.0, max_velocity=1000.0)
        values = {"numEnvs": N, "envSpacing": 1.0, "episodeLength": LENGTH} | env
        task = TaskConfig(name="Block", env=BlockConfig(**values), sim=sim)
        spec = TaskSpec(task="n:n", env=BlockConfig, observation_shape=(2,), num_actions=1, num_states=num_states)
        config = RunConfig(task=task, seed=1, debug=debug)
        envs.append(VecEnv(BlockTask(config, spec, new_engine(executor, N))))
        envs[-1].reset()
        return envs[-1]

    yield make
    for env in envs:
        env.close()


def no_push(env: VecEnv) -> torch.Tensor:
    return torch.zeros(N, 1, device=env.task.device)


def totals(info: dict[str, Any]) -> dict[str, list[int]]:
    return {kind: counts.tolist() for kind, counts in info["problems"].items() if counts.any()}


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        ("velocity", "exploded"),
        ("nan velocity", "diverged"),
        ("observation", "non_finite_observations"),
        ("states", "non_finite_observations"),
        ("term", "non_finite_rewards"),
        ("reward", "non_finite_rewards"),
    ],
)
def test_failure_ends_the_episode_without_reward(make: Make, executor: str, mode: str, broken: str, kind: str) -> None:
    env = make(executor, num_states=int(broken == "states"), broken=broken, broken_from=2, autoresetMode=mode)
    _, rewards, *_, info = env.step(no_push(env))
    assert rewards.tolist() == [2.0] * N
    assert totals(info) == {}
    assert info["_problems"].tolist() == [False] * N
    observations, rewards, terminated, truncated, info = env.step(no_push(env))
    assert rewards.tolist() == [2.0, 0.0, 2.0]
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert observations.isfinite().all()
    if mode == "same_step":
        assert info["final_obs"].isfinite().all()
    # What is NaN after the reset, too, is counted once more.
    again = broken in ("observation", "states") and mode == "same_step"
    assert totals(info) == {kind: [0, 1 + again, 0]}
    assert info["_problems"].tolist() == [False, True, False]
    assert info["episode_count"] == 1
    means = {name: value.item() for name, value in info["episode_means"].items()}
    assert means == {"return": 2.0, "length": 2.0, "reward/alive": 2.0, "reward/velocity": 0.0}
    assert env.problems() == {kind: 1 + again}


@pytest.mark.parametrize(("mode", "resets_in"), [("same_step", LENGTH), ("next_step", LENGTH + 1)])
@pytest.mark.parametrize("broken", ["first observation", "first states"])
def test_non_finite_first_observation_is_replaced_and_counted(
    make: Make, executor: str, broken: str, mode: str, resets_in: int
) -> None:
    env = make(executor, num_states=1, broken=broken, autoresetMode=mode)
    for _ in range(resets_in - 1):
        assert totals(env.step(no_push(env))[-1]) == {}
    observations, *_, info = env.step(no_push(env))
    assert observations.isfinite().all()
    assert info["states"].isfinite().all()
    assert totals(info) == {"non_finite_observations": [0, 1, 0]}


@pytest.mark.parametrize("broken", ["first observation", "first states"])
def test_reset_returns_finite_observations(make: Make, broken: str) -> None:
    env = make(num_states=1, broken=broken)
    env.step(no_push(env))
    observations, info = env.reset()
    assert observations.isfinite().all()
    assert info["states"].isfinite().all()
    assert env.problems() == {"non_finite_observations": 1}
    assert totals(env.step(no_push(env))[-1]) == {"non_finite_observations": [0, 1, 0]}


def test_failure_is_contained_while_another_world_is_reset(make: Make, executor: str) -> None:
    env = make(executor, broken="observation", broken_from=2, autoresetMode="next_step")
    env.task.progress_buf[0] = LENGTH - 1
    assert env.step(no_push(env))[3].tolist() == [True, False, False]
    observations, _, terminated, _, info = env.step(no_push(env))
    assert observations.isfinite().all()
    assert terminated.tolist() == [False, True, False]
    assert totals(info) == {"non_finite_observations": [0, 1, 0]}


def test_returned_counts_do_not_change(make: Make) -> None:
    env = make(broken="reward", broken_from=2)
    counts = [env.step(no_push(env))[-1]["problems"]["non_finite_rewards"] for _ in range(3)]
    assert [count.tolist() for count in counts] == [[0, 0, 0], [0, 1, 0], [0, 2, 0]]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_non_finite_action_is_replaced_and_ends_the_episode(make: Make, value: float) -> None:
    env = make()
    _, rewards, terminated, _, info = env.step(torch.tensor([[1.0], [value], [-1.0]]))
    assert env.task.actions.tolist() == [[1.0], [0.0], [-1.0]]
    assert rewards.tolist() == pytest.approx([3.0, 0.0, 1.0])  # 100 N on 1 kg for 0.01 s: 1 m/s
    assert terminated.tolist() == [False, True, False]
    assert totals(info) == {"non_finite_actions": [0, 1, 0]}


def test_infinite_action_is_clipped_and_accepted(make: Make) -> None:
    env = make(clipActions=1.0)
    assert env.step(torch.tensor([[math.inf]] * N))[1].tolist() == pytest.approx([3.0] * N)
    assert env.problems() == {}


@pytest.mark.parametrize("executor", ["c", "warp-cpu"])
@pytest.mark.parametrize("warp", [False, True])
def test_task_and_warp_variant_handle_failures_equally(executor: str, warp: bool) -> None:
    """A pole that spins at 5,000 rad/s, an action that is NaN, a diverged world; the fourth world continues."""
    env = make_env_on(executor, "Cartpole", 4, warp=warp)
    env.reset(seed=0)
    env.step(torch.zeros(4, 1))
    velocities = env.task.engine.executor.field("qvel")  # type: ignore[attr-defined]
    velocities[0, 1], velocities[2, 1] = 5000.0, math.nan
    actions = torch.tensor([[0.0], [math.nan], [0.0], [0.0]])
    observations, rewards, terminated, truncated, info = env.step(actions)
    assert rewards[:3].tolist() == [0.0] * 3
    assert rewards[3] > 0.9
    assert terminated.tolist() == [True, True, True, False]
    assert not truncated.any()
    assert observations.isfinite().all()
    assert info["final_obs"].isfinite().all()
    assert totals(info) == {"exploded": [1, 0, 0, 0], "diverged": [0, 0, 1, 0], "non_finite_actions": [0, 1, 0, 0]}
    assert info["_problems"].tolist() == [True, True, True, False]
    assert not env.step(torch.zeros(4, 1))[-1]["_problems"].any()
    assert env.problems() == {"exploded": 1, "diverged": 1, "non_finite_actions": 1}
    env.close()


def test_problem_counts_are_part_of_the_state(make: Make) -> None:
    env, other = make(broken="velocity"), make()
    env.step(torch.full((N, 1), math.nan))
    other.load_state_dict(env.state_dict())
    assert other.problems() == {"exploded": 1, "non_finite_actions": 3}
    assert totals(other.step(no_push(other))[-1]) == {"exploded": [0, 1, 0], "non_finite_actions": [1, 1, 1]}


def test_kinds_missing_in_a_state_are_zero_after_loading() -> None:
    counts = ProblemCounts(["diverged", "exploded"], 2, "cpu")
    former = ProblemCounts(["exploded", "physx_overflow"], 2, "cpu")
    for kinds in (counts, former):
        for kind in kinds.kinds:
            kinds.add(kind, torch.tensor([True, False]))
    former.add("exploded", torch.tensor([True, True]))
    counts.load_state_dict(former.state_dict())
    assert counts.counts.tolist() == [[0, 0], [2, 1]]


def test_contact_overflow_ends_the_episode() -> None:
    """Ants that lie on the ground touch it in more points than there is room for."""
    env = make_env_on("warp-cpu", "Ant", 2, overrides={"task.sim.mujoco.max_contacts": 1})
    env.reset(seed=0)
    for _ in range(60):
        _, rewards, terminated, _, info = env.step(torch.zeros(2, 8))
        if info["_problems"].any():
            break
    assert info["_problems"].any()
    assert set(totals(info)) == {"contacts_overflow"}
    assert terminated[info["_problems"]].all()
    assert not rewards[info["_problems"]].any()
    env.close()


def test_start_beyond_the_bounds_raises(new_engine: Callable[..., Any]) -> None:
    engine = new_engine("c", 1)
    scene = Scene(engine, SimConfig(max_position=10.0))
    scene.add_sphere("ball", radius=0.1, position=(0, -20, 1))
    with pytest.raises(OigeError, match=r"'ball': starts at -20 m, beyond task.sim.max_position=10; .*raise"):
        engine.build(scene)


# The first step


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            "observation shape",
            r"Block.get_observations: result has shape \(3, 1\): expected \(3, 2\), as its",
        ),
        ("observation type", r"Block.get_observations: result is of type float64: expected float32"),
        ("observation", r"Block.get_observations: result is nan in world 1, entry 0, and not finite in 1 of 3 worlds"),
        ("states", r"Block.get_states: result is inf in world 1, entry 0"),
        ("term", r"Block.calculate_metrics: reward term 'velocity' is nan in world 1, and not finite in 1 of 3"),
        ("term shape", r"Block.calculate_metrics: reward term 'velocity' has shape \(3, 1\): expected \(3,\)"),
        ("reward", r"Block.calculate_metrics: result is inf in world 1"),
        ("reward is a list", r"Block.calculate_metrics: result is list: expected a tensor of shape \(3,\)"),
        ("terminated type", r"Block.is_done: result is of type float32: expected bool"),
    ],
)
def test_error_in_the_first_step_names_method_and_term(make: Make, broken: str, message: str) -> None:
    env = make(num_states=1, broken=broken)
    with pytest.raises(TaskError, match=message):
        env.step(no_push(env))


def test_debug_checks_every_step(make: Make) -> None:
    env = make(broken="term", broken_from=3, debug=True)
    for _ in range(2):
        env.step(no_push(env))
    with pytest.raises(TaskError, match="reward term 'velocity' is nan in world 1"):
        env.step(no_push(env))


def test_changed_reward_terms_raise(make: Make) -> None:
    env = make(broken="other terms", broken_from=2)
    env.step(no_push(env))
    with pytest.raises(TaskError, match="are alive, velocity, more, those of the first step were alive, velocity"):
        env.step(no_push(env))


# Reports


def test_each_kind_is_explained_once() -> None:
    report = ProblemReport()
    assert report.new_lines({}) == []
    (line,) = report.new_lines({"exploded": 12, "diverged": 0})
    assert line.startswith("warning: a world moved beyond task.sim.max_position or max_velocity (12 so far).")
    assert "task.sim.substeps" in line
    (line,) = report.new_lines({"exploded": 13, "contacts_overflow": 1})
    assert "task.sim.mujoco.max_contacts" in line


def test_every_kind_is_explained(make: Make, executor: str) -> None:
    assert make(executor).task.problems_by_world().keys() <= PROBLEMS.keys()


def test_description_omits_kinds_that_did_not_occur() -> None:
    assert describe_problems({}) == ""
    assert describe_problems({"exploded": 1200, "diverged": 0, "contacts_overflow": 1}) == (
        "1,200 exploded, 1 contacts overflow"
    )


# Weights of rewards


def test_weights_set_after_the_first_step_apply_from_the_next(make: Make) -> None:
    env = make()
    assert env.step(no_push(env))[1].tolist() == [2.0] * N
    env.task.reward_weights = {"alive": 0.5}
    assert env.step(no_push(env))[1].tolist() == [1.0] * N
    env.task.reward_weights = {"alive": 0.0, "velocity": 0.0}
    assert env.step(no_push(env))[1].tolist() == [0.0] * N
    env.task.reward_weights = {}
    assert env.step(no_push(env))[1].tolist() == [2.0] * N


def test_partial_or_invalid_weights_raise(make: Make) -> None:
    env = make()
    env.step(no_push(env))
    with pytest.raises(TypeError, match="does not support item assignment"):
        env.task.reward_weights["alive"] = 0.0
    with pytest.raises(OigeError, match=r"'alife' is not a reward term. Did you mean alive\?"):
        env.task.reward_weights = {"alife": 1.0}
    with pytest.raises(OigeError, match="alive=nan: expected a finite number"):
        env.task.reward_weights = {"alive": math.nan}


def test_changed_weights_are_part_of_the_state(make: Make) -> None:
    env, other = make(), make()
    env.step(no_push(env))
    env.task.reward_weights = {"alive": 0.5}
    other.load_state_dict(env.state_dict())
    assert other.step(no_push(other))[1].tolist() == [1.0] * N


def test_cart_far_beyond_its_rail_ends_the_episode() -> None:
    env = make_env_on("c", "Cartpole", 2)
    env.reset(seed=0)
    env.task.engine.executor.field("qpos")[0, 0] = 6470.0  # type: ignore[attr-defined]
    _, rewards, terminated, _, info = env.step(torch.zeros(2, 1))
    assert (rewards[0].item(), terminated.tolist()) == (0.0, [True, False])
    assert totals(info) == {"exploded": [1, 0]}
    env.close()


def test_each_number_has_its_own_bound(make: Make, executor: str) -> None:
    env = make(executor)  # bounds: 100 m, 1000 m/s
    blocks = env.task.blocks
    blocks.set_joint_positions(torch.tensor([[99.0], [-99.0], [99.0]]))
    assert totals(env.step(no_push(env))[-1]) == {}
    blocks.set_joint_positions(torch.zeros(N, 1))
    blocks.set_joint_velocities(torch.tensor([[0.0], [999.0], [0.0]]))  # moves 10 m in the step
    assert totals(env.step(no_push(env))[-1]) == {}
    blocks.set_joint_velocities(torch.zeros(N, 1))
    blocks.set_joint_positions(torch.tensor([[0.0], [0.0], [-101.0]]))
    assert totals(env.step(no_push(env))[-1]) == {"exploded": [0, 0, 1]}


def test_restored_state_is_read_after_the_step_that_explodes(make: Make, executor: str) -> None:
    env = make(executor)
    env.task.blocks.set_joint_positions(torch.tensor([[5.0], [101.0], [6.0]]))
    env.task.engine.step(1)
    assert env.task.blocks.get_joint_positions().flatten().tolist() == [5.0, 0.0, 6.0]
