"""Delays, dropped signals, weak motors and biased encoders in the steps of a task."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oige_core.config import DomainRandomizationConfig
from oige_core.envs import VecEnv
from oige_core.errors import ConfigError
from oige_core.selections import as_on_gpu
from randomized_task import Bench, current, draw, make_bench, no_actions

Make = Callable[..., VecEnv]
KEY = "task.domain_randomization.randomization_params"


class Clock(Bench):
    """Observes the time since the reset, in control steps."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.rows(self.progress_buf, worlds).float().unsqueeze(-1).expand(-1, 3).clone()


class Arm(Bench):
    """Observes the joint positions."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        positions = self.arms.get_joint_positions(worlds)
        return torch.cat((positions, torch.zeros_like(positions[:, :1])), dim=-1)


@pytest.fixture(params=["c", "warp-as-on-gpu"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    envs: list[VecEnv] = []

    def make(params: Any, num_envs: int = 4, **options: Any) -> VecEnv:
        envs.append(make_bench(params, num_envs, "c" if request.param == "c" else "warp-cpu", **options))
        return envs[-1]

    with torch.no_grad():
        if request.param == "c":
            yield make
        else:
            with as_on_gpu():
                yield make
    for env in envs:
        env.close()


def bench_of(env: VecEnv) -> Any:
    return env.task


def random_of(env: VecEnv) -> Any:
    return env.task.randomization


def step(env: VecEnv, value: float = 0.0) -> tuple[list[float], dict[str, Any]]:
    """Step with a constant action; return what each world observes first, and ``info``."""
    observations, *_, info = env.step(no_actions(env) + value)
    return observations[:, 0].tolist(), info


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_observations_are_late_by_the_delay_of_each_world(make: Make, mode: str) -> None:
    params = {"observations": {"delay": {"on_reset": draw("direct", "uniform", 0, 2)}}}
    env = make(params, 12, task=Clock, episodeLength=5, autoresetMode=mode)
    observations, _ = env.reset()
    assert (observations == 0).all()
    delay = random_of(env).observations.delay
    assert set(delay.delays.tolist()) == {0, 1, 2}

    def at(time: int) -> list[float]:
        return [float(max(0, time - each)) for each in delays]

    for _ in range(2):
        delays = delay.delays.tolist()
        for time in range(1, 5):
            assert step(env)[0] == at(time)
        seen, info = step(env)
        if mode == "same_step":
            assert info["final_obs"][:, 0].tolist() == at(5)
            assert seen == [0.0] * 12
        else:
            assert seen == at(5)
            if mode == "next_step":
                assert step(env)[0] == [0.0] * 12
        if mode == "upstream":  # this step has already been the first of the next episode
            break
    if mode == "upstream":
        step(env)
        delays = delay.delays.tolist()
        assert [step(env)[0] for _ in range(2)] == [[float(max(1, time - each)) for each in delays] for time in (2, 3)]


def test_states_and_rewards_are_not_delayed(make: Make) -> None:
    env = make({"observations": {"delay": {"on_startup": draw("direct", "uniform", 3, 3)}}}, task=Clock)
    env.reset()
    observations, rewards, *_, info = env.step(no_actions(env))
    assert observations.unique().tolist() == [0.0]
    assert rewards.unique().tolist() == [1.0]
    assert info["states"].unique().tolist() == [10.0]


def test_a_reset_of_one_world_delivers_nothing_in_the_others(make: Make) -> None:
    env = make({"observations": {"delay": {"on_startup": draw("direct", "uniform", 2, 2)}}}, task=Clock)
    env.reset()
    for _ in range(4):
        step(env)
    mask = torch.tensor([False, True, False, False])
    for _ in range(2):
        assert env.reset(options={"reset_mask": mask})[0][:, 0].tolist() == [2, 0, 2, 2]
    assert step(env)[0] == [3, 0, 3, 3]
    assert step(env)[0] == [4, 0, 4, 4]
    assert step(env)[0] == [5, 1, 5, 5]


def test_actions_are_zero_until_they_arrive(make: Make) -> None:
    env = make({"actions": {"delay": {"on_reset": draw("direct", "uniform", 0, 2)}}}, 12, episodeLength=6)
    env.reset()
    for _ in range(2):
        delays = random_of(env).actions.delay.delays.tolist()
        assert set(delays) == {0, 1, 2}
        for time in range(1, 7):
            step(env, float(time))
            expected = [float(time - each if time > each else 0) for each in delays]
            assert bench_of(env).seen_actions[:, 0].tolist() == expected


def test_dropped_observations_are_the_last_ones_that_arrived(make: Make) -> None:
    params = {"observations": {"drop": {"on_reset": draw("direct", "uniform", 0.5, 0.5)}}}
    env = make(params, 64, task=Clock, episodeLength=20)
    before = env.reset()[0][:, 0].tolist()
    dropped = 0
    for time in range(1, 20):
        seen = step(env)[0]
        assert all(now in (time, last) for now, last in zip(seen, before, strict=True))
        dropped += sum(now != time for now in seen)
        before = seen
    # 1216 draws of a probability of 0.5; the standard deviation is 17
    assert abs(dropped - 608) < 5 * 17.5
    assert step(env)[0] == [0.0] * 64


def test_whole_numbers_are_drawn_equally_often(make: Make) -> None:
    env = make({"observations": {"delay": {"on_reset": draw("direct", "uniform", 1, 4)}}}, 4000)
    env.reset()
    counts = random_of(env).observations.delay.delays.bincount(minlength=6).tolist()
    assert counts[0] == counts[5] == 0
    assert all(abs(count - 1000) < 5 * 27.4 for count in counts[1:5])


def test_delays_change_when_scheduled_but_not_beyond_the_configured_ones(make: Make) -> None:
    env = make({"actions": {"delay": {"on_reset": draw("direct", "uniform", 0, 3)}}})
    path = ("actions", "delay", "on_reset")
    random_of(env).set_dr_distribution_parameters([2, 2], *path)
    env.reset()
    assert current(env, "actions", "delay").unique().tolist() == [2.0]
    for values, message in (
        ([0, 4], r"distribution_parameters=\[0, 4\]: expected at most 3"),
        ([0, 1.5], r"distribution_parameters=\[0, 1.5\]: expected whole numbers"),
    ):
        with pytest.raises(ConfigError, match=message):
            random_of(env).set_dr_distribution_parameters(values, *path)


def test_encoder_bias_is_observed_but_does_not_move_joints(make: Make) -> None:
    params = {
        "articulation_views": {
            "arm": {"encoder_bias": {"on_reset": draw("additive", "uniform", [0.1, -0.2], [0.2, -0.1])}}
        }
    }
    plain, biased = (make(each, task=Arm) for each in (None, params))
    first, second = (env.reset()[0][:, :2] for env in (plain, biased))
    biases = current(biased, "articulation_views", "arm", "encoder_bias")
    assert ((biases[:, 0] >= 0.1) & (biases[:, 1] <= -0.1)).all()
    assert len(biases.unique()) == 8
    torch.testing.assert_close(second, first + biases)
    true = [bench_of(env).links.get_world_poses()[0] for env in (plain, biased)]
    torch.testing.assert_close(*true)


def test_states_of_joints_are_true_ones(make: Make) -> None:
    """A draw that adds 0.1 rad does not add the bias as well."""
    params = {
        "articulation_views": {
            "arm": {
                "encoder_bias": {"on_startup": draw("direct", "uniform", 0.3, 0.3)},
                "joint_positions": {"on_reset": draw("additive", "uniform", 0.1, 0.1)},
            }
        }
    }
    plain, other = (make(each, task=Arm) for each in (None, params))
    first, second = (env.reset()[0][:, :2] for env in (plain, other))
    torch.testing.assert_close(second, first + 0.4)


SHAPE = ("rigid_prim_views", "ball_view", "shape")


def choose(*names: Any) -> dict[str, Any]:
    return {"operation": "direct", "distribution": "choice", "distribution_parameters": list(names)}


def test_shapes_are_chosen_at_resets(make: Make) -> None:
    """The scene has a ball; the others have its volume, 4/3 π 0.1³ m³ for 2 kg."""
    env = make({SHAPE[0]: {SHAPE[1]: {SHAPE[2]: {"on_reset": choose("box", "cylinder", "sphere")}}}}, 300)
    balls = bench_of(env).balls
    assert balls.get_shapes().unique().tolist() == [0]
    env.reset()
    shapes = balls.get_shapes().clone()
    counts = shapes.bincount(minlength=4).tolist()
    assert counts[2] == 0, "no capsules"
    assert all(abs(counts[shape] - 100) < 5 * 8.2 for shape in (0, 1, 3))
    torch.testing.assert_close(balls.get_masses().cpu(), torch.full((300,), 2.0))
    density = 2.0 / (4 / 3 * torch.pi * 0.1**3)
    torch.testing.assert_close(
        balls.get_densities().cpu().double(), torch.full((300,), density).double(), rtol=1e-6, atol=0
    )
    step(env)
    assert torch.equal(balls.get_shapes(), shapes)
    mask = torch.zeros(300, dtype=torch.bool)
    mask[:100] = True
    env.reset(options={"reset_mask": mask})
    changed = balls.get_shapes() != shapes
    assert 40 < changed[:100].sum() < 90
    assert not changed[100:].any()


def test_choices_can_be_scheduled_and_are_saved(make: Make) -> None:
    params = {SHAPE[0]: {SHAPE[1]: {SHAPE[2]: {"on_reset": choose("box", "cylinder", "sphere")}}}}
    env, other = make(params, 8), make(params, 8)
    env.reset()
    random_of(env).set_dr_distribution_parameters(["box"], *SHAPE, "on_reset")
    assert random_of(env).get_initial_dr_distribution_parameters(*SHAPE, "on_reset").tolist() == [1, 3, 0]
    env.reset()
    assert bench_of(env).balls.get_shapes().tolist() == [1] * 8
    other.load_state_dict(env.state_dict())
    assert bench_of(other).balls.get_shapes().tolist() == [1] * 8
    other.reset()
    assert bench_of(other).balls.get_shapes().tolist() == [1] * 8


@pytest.mark.parametrize(
    ("group", "block", "message"),
    [
        ("observations", {"dely": {}}, f"{KEY}.observations.dely: unknown trigger. Did you mean delay?"),
        (
            "actions",
            {"delay": {"on_reset": draw("direct", "gaussian", 1, 1)}},
            f"{KEY}.actions.delay.on_reset.distribution=gaussian: delays need an upper bound; use uniform.",
        ),
        (
            "actions",
            {"delay": {"on_reset": draw("direct", "uniform", -1, 1)}},
            f"{KEY}.actions.delay.on_reset.distribution_parameters=[-1.0, 1.0]: expected numbers of at least 0.",
        ),
        (
            "observations",
            {"delay": {"on_reset": draw("scaling", "uniform", 1, 2)}},
            f"{KEY}.observations.delay.on_reset.operation=scaling: this attribute is 0 without randomisation; use",
        ),
        (
            "observations",
            {"drop": {"on_reset": draw("direct", "uniform", 0, 1.5)}},
            f"{KEY}.observations.drop.on_reset.distribution_parameters=[0.0, 1.5]: expected numbers from 0 to 1.",
        ),
        (
            "rigid_prim_views",
            {"ball": {"shape": {"on_reset": choose("box", "bal")}}},
            f"{KEY}.rigid_prim_views.ball.shape.on_reset.distribution_parameters=bal: expected one of sphere, box,",
        ),
        (
            "rigid_prim_views",
            {"ball": {"shape": {"on_reset": draw("direct", "uniform", 0, 1)}}},
            f"{KEY}.rigid_prim_views.ball.shape.on_reset.distribution=uniform: expected one of choice.",
        ),
        (
            "rigid_prim_views",
            {"ball": {"mass": {"on_reset": choose("box")}}},
            f"{KEY}.rigid_prim_views.ball.mass.on_reset.distribution=choice: expected one of uniform, gaussian,",
        ),
    ],
)
def test_wrong_blocks_raise(group: str, block: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        make_bench({group: block})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_empty_blocks_of_signals_randomise_nothing() -> None:
    with pytest.raises(ConfigError, match="says nothing to randomise"):
        DomainRandomizationConfig(randomize=True, randomization_params={"observations": {"delay": None}})
