"""Domain randomisation: noise of signals, random streams, saved states, schedules, and what does not fit a scene."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oige_core.errors import CapabilityError, ConfigError, OigeError
from oige_core.scene import DeformableAsset, Scene
from randomized_task import FULL, Bench, bench_maker, block, current, draw, make_bench, no_actions

ARM, BALL = ("articulation_views", "arm"), ("rigid_prim_views", "Ball")
KEY = "task.domain_randomization.randomization_params"
Make = Callable[..., Any]


@pytest.fixture(params=["c", "warp-as-on-gpu"])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with bench_maker(request.param) as make:
        yield make


def steps(env: Any, count: int) -> None:
    for _ in range(count):
        env.step(no_actions(env))


# Noise


def test_noise_of_observations(make: Make) -> None:
    """Kept noise is one number per episode; noise at intervals comes on top; rewards and states are without it."""
    params = {
        "observations": {
            "on_reset": draw("additive", "uniform", -1.0, 1.0),
            "on_interval": draw("scaling", "uniform", 2.0, 2.0, frequency_interval=2),
        }
    }
    env = make(params, episodeLength=3)
    first, info = env.reset()
    assert info["states"].flatten().unique().tolist() == [20.0]
    kept = first - 2.0
    assert len(kept.unique()) == 12
    assert (kept.abs() <= 1).all()
    for factor in (2.0, 1.0):
        observations, rewards, *_, info = env.step(no_actions(env))
        torch.testing.assert_close(observations, (2.0 + kept) * factor)
        assert rewards.tolist() == [2.0] * 4
        assert info["states"].flatten().unique().tolist() == [20.0]
    observations, _, _, truncated, info = env.step(no_actions(env))
    assert truncated.all()
    torch.testing.assert_close(info["final_obs"], (2.0 + kept) * 2.0)  # of the episode that ends
    assert not (observations - 2.0 == kept).any()
    assert ((observations - 2.0).abs() <= 1).all()


def test_upstream_gives_last_observations_the_next_noise(make: Make) -> None:
    params = {"observations": {"on_reset": draw("additive", "uniform", -1.0, 1.0)}}
    env = make(params, episodeLength=3, compat="upstream")
    first, _ = env.reset()
    seen = [env.step(no_actions(env))[0] for _ in range(4)]
    assert torch.equal(seen[0], first)
    assert torch.equal(seen[1], first)
    assert not (seen[2] == first).any()
    assert torch.equal(seen[3], seen[2])


def test_other_worlds_keep_their_noise_when_one_is_reset(make: Make) -> None:
    env = make({"observations": {"on_interval": draw("additive", "gaussian", 0.0, 1.0, frequency_interval=1)}})
    first, _ = env.reset()
    mask = torch.tensor([False, True, False, False])
    second, _ = env.reset(options={"reset_mask": mask})
    assert torch.equal((second == first).all(dim=1), ~mask)


@pytest.mark.parametrize("operation", ["additive", "scaling", "direct"])
def test_noise_of_actions_comes_before_clipping(make: Make, operation: str) -> None:
    env = make(
        {"actions": {"on_interval": draw(operation, "uniform", 0.5, 0.5, frequency_interval=1)}}, clipActions=1.0
    )
    env.reset()
    actions = no_actions(env) + torch.tensor([0.8, 0.2])
    env.step(actions)
    expected = {"additive": [1.0, 0.7], "scaling": [0.4, 0.1], "direct": [0.5, 0.5]}[operation]
    torch.testing.assert_close(env.task.seen_actions.cpu(), torch.tensor(expected).expand(4, 2))
    assert torch.equal(actions.cpu(), torch.tensor([0.8, 0.2]).expand(4, 2))


def test_observations_are_clipped_after_noise(make: Make) -> None:
    env = make({"observations": {"on_reset": draw("additive", "uniform", 5.0, 5.0)}}, clipObservations=4.0)
    assert env.reset()[0].unique().tolist() == [4.0]


# Random stream, saved states, scheduling


def motion(env: Any, count: int = 12) -> list[torch.Tensor]:
    seen = []
    for step in range(count):
        actions = no_actions(env) + (0.1 * step)
        seen += [each.clone() for each in env.step(actions)[:4]]
        seen += [env.task.arms.get_joint_positions(), env.task.balls.get_velocities(), env.task.engine.get_gravity()]
    return seen


def all_equal(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, ours, theirs))


def test_saved_states_continue_exactly(make: Make) -> None:
    env = make(FULL, episodeLength=5, min_frequency=3)
    env.reset()
    motion(env, 7)
    state = env.state_dict()
    expected = motion(env)
    env.load_state_dict(state)
    assert all_equal(motion(env), expected)
    other = make(FULL, episodeLength=5, min_frequency=3, seed=9)
    other.load_state_dict(state)
    assert all_equal(motion(other), expected)


def test_state_of_other_randomisation_is_refused(make: Make) -> None:
    env = make(FULL)
    env.reset()
    state = env.state_dict()
    for params in (None, {"observations": FULL["observations"]}):
        other = make(params)
        other.reset()
        before = other.task.arms.get_joint_positions().clone()
        assert not other.accepts(state)
        with pytest.raises(
            OigeError, match=r"^this state was saved with other domain randomisation: expected the same"
        ):
            other.load_state_dict(state)
        assert torch.equal(other.task.arms.get_joint_positions(), before)


def test_seed_determines_all_draws(make: Make) -> None:
    runs = []
    for seed in (3, 3, 4):
        env = make(FULL, episodeLength=5, seed=seed)
        env.reset()
        runs.append(motion(env))
    assert all_equal(runs[0], runs[1])
    assert not all_equal(runs[0], runs[2])


def test_noise_does_not_change_what_the_task_draws(make: Make) -> None:
    plain, noisy = (make(params, episodeLength=4) for params in (None, {"observations": FULL["observations"]}))
    positions = []
    for env in (plain, noisy):
        torch.manual_seed(7)
        env.reset()
        steps(env, 6)
        positions.append((env.task.arms.get_joint_positions(), torch.rand(3)))
    assert all_equal(list(positions[0]), list(positions[1]))


def test_parameters_can_be_scheduled(make: Make) -> None:
    env = make(FULL)
    random, path = env.task.randomization, (*BALL[:1], "ball_view", "mass", "on_reset")
    assert random.get_initial_dr_distribution_parameters(*path).tolist() == [0.5, 1.5]
    low, high = random.get_initial_dr_distribution_parameters(*path)
    random.set_dr_distribution_parameters([6.0 * low, 2.0 * high], *path)
    random.set_dr_distribution_parameters(
        torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), "simulation", "gravity", "on_interval"
    )
    random.set_dr_distribution_parameters([1.0, 0.0], "observations", "on_reset")
    assert random.get_dr_distribution_parameters(*path).tolist() == [3.0, 3.0]
    assert random.get_initial_dr_distribution_parameters(*path).tolist() == [0.5, 1.5]
    start = current(env, *path[:-1])
    assert env.reset()[0].flatten().unique().tolist() == [3.0]
    torch.testing.assert_close(current(env, *path[:-1]), 3.0 * start)
    state = env.state_dict()
    other = make(FULL)
    other.load_state_dict(state)
    assert other.task.randomization.get_dr_distribution_parameters(*path).tolist() == [3.0, 3.0]
    assert other.reset()[0].flatten().unique().tolist() == [3.0]


@pytest.mark.parametrize(
    ("path", "values", "message"),
    [
        (
            ("simulation", "gravity"),
            [0, 1],
            "simulation.gravity: no such distribution. Did you mean simulation.gravity",
        ),
        (("actions", "on_reset"), [0, 1], "actions.on_reset: no such distribution. Did you mean"),
        (
            ("actions", "on_interval"),
            [0],
            "task.domain_randomization.randomization_params.actions.on_interval.distribution",
        ),
        (
            ("actions", "on_interval"),
            [0, -1.0],
            "task.domain_randomization.randomization_params.actions.on_interval.dist",
        ),
        (
            ("simulation", "gravity", "on_interval"),
            [[0, 0], [1, 1]],
            "task.domain_randomization.randomization_params.sim",
        ),
    ],
)
def test_wrong_schedule(path: tuple[str, ...], values: Any, message: str) -> None:
    env = make_bench(FULL)
    with pytest.raises(ConfigError) as caught:
        env.task.randomization.set_dr_distribution_parameters(values, *path)
    assert str(caught.value).startswith(message), caught.value
    env.close()


# Errors of a scene

MASS = {"on_reset": draw("scaling", "uniform", 1, 2)}
WRONG = {
    "view": (
        block(("rigid_prim_views", "bal", "mass"), on_reset=draw("scaling", "uniform", 1, 2)),
        "rigid_prim_views.bal: the scene has no such view. Did you mean Ball?",
    ),
    "group of a view": (
        block(("rigid_prim_views", "arm_view", "mass"), on_reset=draw("scaling", "uniform", 1, 2)),
        "rigid_prim_views.arm_view: the scene has no such view. It belongs to articulation_views.",
    ),
    "two names of a view": (
        {"rigid_prim_views": {"Ball": {"mass": MASS}, "ball_view": {"inertia": MASS}}},
        "rigid_prim_views.ball_view: is the same view as rigid_prim_views.Ball; join them.",
    ),
    "number of parameters": (
        block((*ARM, "stiffness"), on_reset=draw("scaling", "uniform", [1, 1, 1], [2, 2, 2])),
        "articulation_views.arm.stiffness.on_reset.distribution_parameters=[[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]: lists "
        "of 3 numbers; expected two numbers or two lists of 2 numbers.",
    ),
    "numbers of links": (
        block((*ARM, "body_inertias"), on_reset=draw("scaling", "uniform", [1, 1], [2, 2])),
        "articulation_views.arm.body_inertias.on_reset.distribution_parameters=[[1.0, 1.0], [2.0, 2.0]]: lists of 2 "
        "numbers; expected two numbers or two lists of 9 numbers or two lists of 3 numbers, which apply to each link.",
    ),
    "restitution": (
        block((*BALL, "material_properties"), on_reset=draw("direct", "uniform", [1, 1, 0], [1, 1, 0.5])),
        "task Bench: task.domain_randomization.randomization_params.rigid_prim_views.Ball.material_properties."
        "on_reset: the engine MuJoCo does not support restitution; supported by: Isaac Sim.",
    ),
    "long delays": (
        block(("observations", "delay"), on_reset=draw("direct", "uniform", 0, 1001)),
        "observations.delay: delays of up to 1,001 control steps; expected at most 1000, because past values are kept "
        "in memory.",
    ),
    "sum of delays": (
        block(
            ("actions", "delay"),
            on_startup=draw("direct", "uniform", 0, 600),
            on_reset=draw("additive", "uniform", 0, 401),
        ),
        "actions.delay: delays of up to 1,001 control steps; expected at most 1000, because",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_the_scene_is_refused(case: str) -> None:
    params, message = WRONG[case]
    with pytest.raises((ConfigError, CapabilityError)) as caught:
        make_bench(params)
    text = str(caught.value).removeprefix("task.domain_randomization.randomization_params.")
    assert text.startswith(message), text


class Marked(Bench):
    """The task of these tests with a body that only the task moves."""

    def set_up_scene(self, scene: Scene) -> None:
        super().set_up_scene(scene)
        scene.add_sphere("marker", radius=0.1, position=(5.0, 0.0, 0.0), kinematic=True, collision=False)


def test_what_moves_bodies_is_refused_for_those_that_the_task_moves() -> None:
    for name in ("mass", "inertia", "com", "force"):
        path = ("rigid_prim_views", "marker_view", name)
        with pytest.raises(ConfigError, match=rf"{'.'.join(path)}: has no effect on 'marker', which the task moves"):
            make_bench(block(path, on_reset=draw("additive", "uniform", 0, 1)), task=Marked)
    position = ("rigid_prim_views", "marker_view", "position")
    make_bench(block(position, on_reset=draw("additive", "uniform", 0, 1)), task=Marked).close()


class Soft(Bench):
    """The task of these tests with a soft body."""

    def set_up_scene(self, scene: Scene) -> None:
        super().set_up_scene(scene)
        scene.add_deformable("sponge", DeformableAsset.box((0.1, 0.1, 0.1), youngs_modulus=1e4))


def test_soft_body_is_refused() -> None:
    path = ("rigid_prim_views", "sponge_view", "mass")
    with pytest.raises(ConfigError, match=rf"{'.'.join(path[:2])}: the scene has no such view\. It is a soft body, of"):
        make_bench(block(path, on_reset=draw("scaling", "uniform", 1, 2)), task=Soft)


def test_errors_of_a_view_name_the_key() -> None:
    path = ("rigid_prim_views", "links", "position")
    env = make_bench(block(path, on_reset=draw("additive", "uniform", 0, 1)))
    with pytest.raises(CapabilityError, match=rf"^{KEY}\.{'.'.join(path)}: 'links': links are moved by their joints"):
        env.reset()
    env.close()


@pytest.mark.parametrize(("operation", "first"), [("scaling", -1.0), ("additive", 1.0), ("scaling", 0.0)])
def test_limits_that_do_not_exist_stay_infinite(operation: str, first: float, caplog: pytest.LogCaptureFixture) -> None:
    path = (*ARM, "joint_max_velocities")
    env = make_bench(block(path, on_reset=draw(operation, "uniform", first, first)))
    env.reset()
    assert current(env, *path).eq(torch.inf).all()
    assert f"{KEY}.{'.'.join(path)}: has no effect, because the values at the start are infinite" in caplog.text
    env.close()


def test_blocks_are_ignored_without_randomize() -> None:
    env = make_bench(None)
    assert env.task.randomization is None
    env.close()
