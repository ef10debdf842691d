"""Domain randomisation of a task: when values are drawn, what they change, and what stays."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from oige_core.randomization.attributes import ATTRIBUTES
from randomized_task import DT, VELOCITY, bench_maker, block, current, draw, no_actions

ARM, BALL, LINKS = ("articulation_views", "arm"), ("rigid_prim_views", "Ball"), ("rigid_prim_views", "links")
MASS = (*BALL, "mass")
PROPERTIES = [
    (group, view, name)
    for group, view in (ARM, BALL, LINKS)
    for name, attribute in ATTRIBUTES[group].items()
    if attribute.kind == "property" and "on_reset" in attribute.triggers and "MuJoCo" in attribute.engines
    if not (attribute.is_zero or attribute.choices) and (view, name) not in (("Ball", "com"), ("links", "scale"))
    if name not in ("rest_offset", "joint_max_velocities")  # zero and infinite at the start
]
EXECUTORS = ["c", "warp-as-on-gpu"]
Make = Callable[..., Any]


@pytest.fixture(params=EXECUTORS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    with bench_maker(request.param) as make:
        yield make


def steps(env: Any, count: int) -> None:
    for _ in range(count):
        env.step(no_actions(env))


def reset(env: Any, *worlds: int) -> None:
    mask = torch.zeros(env.num_envs, dtype=torch.bool)
    mask[list(worlds)] = True
    env.reset(options={"reset_mask": mask})


# Triggers


@pytest.mark.parametrize("path", PROPERTIES, ids=lambda path: ".".join(path[1:]))
def test_reset_draws_a_property_that_its_world_keeps(make: Make, path: tuple[str, ...]) -> None:
    env = make(block(path, on_reset=draw("scaling", "uniform", 0.8, 1.2)), 6)
    nominal = env.task.randomization.targets[path].base.clone()
    assert torch.equal(current(env, *path), nominal)
    env.reset()
    first = current(env, *path)
    changed = (nominal.abs() > 0) & nominal.isfinite()
    assert changed.any()
    factors = (first / nominal)[changed]
    assert ((factors > 0.799) & (factors < 1.201)).all()
    assert len(factors.unique()) > 0.5 * len(factors) / (2 if path[-1] == "material_properties" else 1)
    steps(env, 3)
    assert torch.equal(current(env, *path), first)
    reset(env, 1, 4)
    second = current(env, *path)
    assert torch.equal(second[[0, 2, 3, 5]], first[[0, 2, 3, 5]])
    assert not (second == first)[[1, 4]][changed[[1, 4]]].any()


def test_interval_draws_after_so_many_steps_of_a_world(make: Make) -> None:
    env = make(
        {
            "simulation": {
                "gravity": {"on_interval": draw("additive", "uniform", [0, 0, 1], [0, 0, 2], frequency_interval=3)}
            }
        }
    )
    env.reset()
    values = []
    for _ in range(4):
        steps(env, 1)
        values.append(env.task.engine.get_gravity()[:, 2].clone())
    assert [bool((value != 0).all()) for value in values] == [False, False, True, True]
    assert torch.equal(values[2], values[3])
    reset(env, 0)  # its counter begins again, and it keeps its gravity
    assert torch.equal(env.task.engine.get_gravity()[:, 2], values[3])
    steps(env, 2)
    after = env.task.engine.get_gravity()[:, 2].clone()
    assert torch.equal(after == values[3], torch.tensor([True, False, False, False]))
    steps(env, 1)
    assert env.task.engine.get_gravity()[0, 2] != values[3][0]


def test_draws_start_from_the_nominal_value_and_combine(make: Make) -> None:
    """A mass of 2 kg, ×2 at the start, ×3 at a reset, +1 at intervals: 4, 12, 13 kg; nothing accumulates."""
    triggers = {
        "on_startup": draw("scaling", "uniform", 2.0, 2.0),
        "on_reset": draw("scaling", "gaussian", 3.0, 0.0),
        "on_interval": draw("additive", "loguniform", 1.0, 1.0, frequency_interval=2),
    }
    env = make(block(MASS, **triggers))
    assert current(env, *MASS).flatten().tolist() == [4.0] * 4
    for _ in range(2):
        env.reset()
        assert current(env, *MASS).flatten().tolist() == [12.0] * 4
        for expected in (12.0, 13.0, 13.0, 13.0):
            steps(env, 1)
            torch.testing.assert_close(current(env, *MASS), torch.full((4, 1), expected))


def test_startup_draws_once(make: Make) -> None:
    env = make(block(MASS, on_startup=draw("scaling", "uniform", 0.5, 1.5)))
    first = current(env, *MASS)
    assert len(first.unique()) == 4
    env.reset()
    steps(env, 2)
    env.reset(seed=5)
    assert torch.equal(current(env, *MASS), first)


def test_startup_draws_depend_on_the_seed_and_differ_from_later_ones(make: Make) -> None:
    params = block(MASS, **{trigger: draw("direct", "uniform", 0.5, 1.5) for trigger in ("on_startup", "on_reset")})
    one, same, other = (make(params, seed=seed) for seed in (1, 1, 2))
    first = current(one, *MASS)
    assert torch.equal(first, current(same, *MASS))
    assert not (first == current(other, *MASS)).any()
    one.reset(seed=1)
    assert not (first == current(one, *MASS)).any()


def test_reset_draws_start_from_all_startup_draws(make: Make) -> None:
    """Links of 1, 2 and 1.5 kg that are twice as large have 8 times these masses, half of which are 4, 8 and 6 kg."""
    twice = draw("scaling", "uniform", 2.0, 2.0)
    half = draw("scaling", "uniform", 0.5, 0.5)
    env = make({ARM[0]: {ARM[1]: {"body_masses": {"on_reset": half}, "scale": {"on_startup": twice}}}})
    torch.testing.assert_close(current(env, *ARM, "body_masses").cpu(), torch.tensor([8.0, 16.0, 12.0]).expand(4, 3))
    env.reset()
    torch.testing.assert_close(current(env, *ARM, "body_masses").cpu(), torch.tensor([4.0, 8.0, 6.0]).expand(4, 3))


def test_min_frequency_spares_worlds_that_were_randomised_lately(make: Make) -> None:
    env = make(block(MASS, on_reset=draw("scaling", "uniform", 0.5, 1.5)), min_frequency=3)
    env.reset()
    first = current(env, *MASS)
    assert (first != 2.0).all()
    steps(env, 2)
    env.reset()
    assert torch.equal(current(env, *MASS), first)
    steps(env, 1)
    reset(env, 2)
    assert torch.equal(current(env, *MASS) == first, torch.tensor([[True], [True], [False], [True]]))


def test_upstream_spares_the_first_episodes(make: Make) -> None:
    env = make(block(MASS, on_reset=draw("scaling", "uniform", 0.5, 1.5)), min_frequency=2, compat="upstream")
    env.reset()
    steps(env, 1)
    env.reset()
    assert (current(env, *MASS) == 2.0).all()
    steps(env, 1)
    env.reset()
    assert (current(env, *MASS) != 2.0).all()


# States and loads


def test_states_are_changed_after_the_task_has_reset_them(make: Make) -> None:
    path = (*ARM, "joint_velocities")
    env = make(
        block(
            path,
            on_reset=draw("additive", "uniform", [0.0, 0.5], [0.0, 0.5]),
            on_interval=draw("scaling", "uniform", 0.0, 0.0, frequency_interval=2),
        )
    )
    env.reset()
    velocities = env.task.arms.get_joint_velocities()
    torch.testing.assert_close(velocities.cpu(), torch.tensor([0.0, VELOCITY + 0.5]).expand(4, 2))
    env.task.begin_step(no_actions(env))
    assert env.task.arms.get_joint_velocities()[:, 1].min() > 0.7
    env.task.begin_step(no_actions(env))
    assert (env.task.arms.get_joint_velocities() == 0).all()


@pytest.mark.parametrize(
    ("name", "values", "read"),
    [
        ("position", [1.0, 2.0, 3.0], lambda view: view.get_world_poses()[0] - torch.tensor([3.0, 0.0, 50.0])),
        ("linear_velocity", [1.0, 2.0, 3.0], lambda view: view.get_linear_velocities()),
        ("angular_velocity", [1.0, 2.0, 3.0], lambda view: view.get_angular_velocities()),
        ("velocity", [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], lambda view: view.get_velocities()),
    ],
)
def test_states_of_bodies(make: Make, name: str, values: list[float], read: Callable[[Any], torch.Tensor]) -> None:
    env = make(block((*BALL, name), on_reset=draw("additive", "uniform", values, values)))
    env.reset()
    torch.testing.assert_close(read(env.task.balls).cpu(), torch.tensor(values).expand(4, -1), atol=1e-5, rtol=0)


def test_orientations_are_roll_pitch_and_yaw(make: Make) -> None:
    """A quarter about x, then a quarter about the fixed z, takes the body's x axis to y and its y axis to z."""
    from oige_core.math import quat_apply

    quarter = torch.pi / 2
    env = make(
        block(
            (*BALL, "orientation"),
            on_reset=draw("additive", "uniform", [quarter, 0.0, quarter], [quarter, 0.0, quarter]),
        )
    )
    env.reset()
    orientation = env.task.balls.get_world_poses()[1].cpu()
    for axis, expected in (([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), ([0.0, 1.0, 0.0], [0.0, 0.0, 1.0])):
        turned = quat_apply(orientation, torch.tensor(axis).expand(4, 3))
        torch.testing.assert_close(turned, torch.tensor(expected).expand(4, 3), atol=1e-5, rtol=0)


def test_force_acts_during_one_control_step(make: Make) -> None:
    """6 N on 2 kg for 10 ms: 0.03 m/s."""
    force = [6.0, 0.0, 0.0]
    env = make(block((*BALL, "force"), on_interval=draw("additive", "uniform", force, force, frequency_interval=2)))
    env.reset()
    speeds = []
    for _ in range(4):
        steps(env, 1)
        speeds.append(env.task.balls.get_linear_velocities()[:, 0].clone())
    expected = [0.0, 1.0, 1.0, 2.0]
    for speed, count in zip(speeds, expected, strict=True):
        torch.testing.assert_close(speed.cpu(), torch.full((4,), count * 3.0 * DT), atol=1e-6, rtol=0)


def test_joint_efforts_add_to_those_of_the_task_for_one_step(make: Make) -> None:
    path = (*ARM, "joint_efforts")
    env = make(block(path, on_interval=draw("direct", "uniform", [5.0, 0.0], [5.0, 0.0], frequency_interval=2)))
    env.reset()
    task = env.task
    actions = no_actions(env) + torch.tensor([1.0, 2.0])
    for step in range(4):
        task.begin_step(actions)
        efforts = task.arms.get_applied_joint_efforts().cpu()
        expected = torch.tensor([6.0 if step % 2 else 1.0, 2.0])
        torch.testing.assert_close(efforts, expected.expand(4, 2))
        task.engine.step()
        task.end_step()
        torch.testing.assert_close(task.arms.get_applied_joint_efforts().cpu(), torch.tensor([1.0, 2.0]).expand(4, 2))


def test_limits_never_pass_each_other(make: Make) -> None:
    env = make(block((*ARM, "lower_dof_limits"), on_reset=draw("additive", "uniform", 0.0, 8.0)), 32)
    env.reset()
    limits = env.task.arms.get_dof_limits()
    assert (limits[..., 0] <= limits[..., 1]).all()
    assert (limits[..., 0] == limits[..., 1]).any()


def test_values_stay_in_their_range(make: Make) -> None:
    env = make(block((*ARM, "damping"), on_reset=draw("additive", "gaussian", 0.0, 100.0)), 32)
    env.reset()
    damping = current(env, *ARM, "damping")
    assert damping.min() == 0.0
    assert (damping > 0).any()


def test_material_of_an_engine_with_one_friction(make: Make) -> None:
    """The block of the original's hands changes the static coefficient alone; one of the dynamic one works, too."""
    for low, high in (([0.7, 1, 1], [1.3, 1, 1]), ([1, 0.7, 1], [1, 1.3, 1])):
        path = (*BALL, "material_properties")
        env = make(block(path, on_reset=draw("scaling", "uniform", low, high, num_buckets=250)))
        nominal = current(env, *path)[0, 0]
        env.reset()
        static, dynamic, restitution = current(env, *path).unbind(-1)
        assert torch.equal(static, dynamic)
        assert len(static.unique()) == 4
        assert ((static / nominal - 1).abs() <= 0.3001).all()
        assert (restitution == 0).all()
