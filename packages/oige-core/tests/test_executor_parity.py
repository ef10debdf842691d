"""The executor on MuJoCo Warp against the C executor, and what it promises beyond the same numbers.

Tolerances are 3 to 10 times the differences seen; float32 with its looser solver tolerance explains them. Where there
is a GPU the same tests also run on it.
"""

import math
from collections.abc import Callable

import mujoco
import pytest
import torch
from executor_pair import NUM_ENVS, WORLDS, Pair, load, make_pair
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.executors.probe import probe_buffers
from oige_core.engines.mujoco.executors.protocol import (
    FORCE_FIELDS,
    REFRESHED_FIELDS,
    STATE_FIELDS,
    Executor,
)
from oige_core.engines.mujoco.executors.warp import WarpExecutor
from oige_core.errors import CapabilityError, ConfigError

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def cartpole(device: str) -> Pair:
    return make_pair("cartpole", device)


@pytest.fixture
def free_bodies(device: str) -> Pair:
    return make_pair("free_bodies", device)


@pytest.fixture
def mechanisms(device: str) -> Pair:
    return make_pair("mechanisms", device)


def run(executor: Executor, steps: int) -> None:
    for _ in range(steps - 1):
        executor.step(1, refresh=False)
    executor.step(1, refresh=True)


def difference(warp: torch.Tensor, c: torch.Tensor) -> float:
    return float((warp.cpu().double() - c).abs().max()) if c.numel() else 0.0


# --------------------------------------------------------------------------------------------- the same numbers

# Largest differences of positions, velocities, and what is linear in acceleration (relative to its own size), after
# 1, 10 and 100 steps. The weld of the mechanisms drags a ball with an inertia of 5e-4 kg m², at 2400 rad/s² at first.
TOLERANCES = {
    "cartpole": ((1e-6, 1e-6, 1e-6), (1e-6, 1e-6, 2e-6), (1e-6, 5e-6, 5e-6)),
    "free_bodies": ((1e-6, 1e-6, 1e-6), (1e-6, 5e-6, 1e-6), (1e-5, 5e-5, 3e-5)),
    "mechanisms": ((2e-6, 1e-5, 1e-4), (5e-6, 3e-5, 1e-4), (5e-5, 5e-4, 1e-4)),
}
VELOCITIES = {"cvel", "qvel", "ten_velocity", "qfrc_passive", "qfrc_bias"}


@pytest.mark.parametrize("name", TOLERANCES)
def test_all_fields_match_the_c_engine(name: str, device: str) -> None:
    pair = make_pair(name, device)
    tolerances = TOLERANCES[name]
    for executor in (pair.warp, pair.c):
        pair.start(executor)
    done = 0
    for steps, (position, velocity, force) in zip((1, 10, 100), tolerances, strict=True):
        for executor in (pair.warp, pair.c):
            run(executor, steps - done)
        done = steps
        for field in STATE_FIELDS | REFRESHED_FIELDS | FORCE_FIELDS:
            ours, theirs = pair.warp.field(field), pair.c.field(field)
            assert ours.shape == theirs.shape, field
            if field in FORCE_FIELDS | {"qacc_warmstart"}:
                tolerance = force * max(1.0, float(theirs.abs().max())) if theirs.numel() else force
            else:
                tolerance = velocity if field in VELOCITIES else position
            assert difference(ours, theirs) <= tolerance, (field, steps)
        assert difference(pair.warp.mass_matrix(), pair.c.mass_matrix().double()) <= 1e-5, steps
    assert pair.warp.problem_counts.totals() == {}


def test_bodies_of_the_parity_test_move(free_bodies: Pair) -> None:
    """The comparison above is not one of things at rest: the ball fell by a half and ½ g t² is below its start."""
    free_bodies.start(free_bodies.warp)
    free_bodies.warp.field("qvel")[:, 6:] = 0.0
    run(free_bodies.warp, 30)
    # Semi-implicit Euler: z = z0 - g dt² n (n + 1) / 2, with n = 30 and dt = 5 ms.
    expected = 0.3 - 9.81 * 0.005**2 * 30 * 31 / 2
    torch.testing.assert_close(
        free_bodies.warp.field("qpos")[:, 9].cpu(), torch.full((4,), expected), atol=1e-6, rtol=0
    )
    run(free_bodies.warp, 400)
    # At rest the net contact force carries the weight of the 1 kg ball: world z, behind the 6 numbers of the box.
    force = free_bodies.warp.field("sensordata").cpu().reshape(4, 2, 6)[:, 1, :3]
    assert force.norm(dim=1) == pytest.approx([9.81] * 4, rel=1e-4)


def scaled(share: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Worlds 1, 2, 3: larger by one, two, three shares."""
    return lambda values: values * (1.0 + share * WORLDS.view(-1, *[1] * (values.ndim - 1)))


def added(amount: float, *columns: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Worlds 1, 2, 3: one, two, three amounts more; in some columns of the last dimension, if given."""

    def change(values: torch.Tensor) -> torch.Tensor:
        step = torch.zeros(values.shape[-1], dtype=torch.float64)
        step[list(columns) or slice(None)] = amount
        return values + step * WORLDS.view(-1, *[1] * (values.ndim - 1))

    return change


def turned(angle: float, body: int) -> Callable[[torch.Tensor], torch.Tensor]:
    """Worlds 1, 2, 3: a body turned about y by one, two, three angles."""

    def change(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        zero = torch.zeros_like(WORLDS)
        half = 0.5 * angle * WORLDS
        values[:, body] = torch.stack([half.cos(), zero, half.sin(), zero], dim=1)
        return values

    return change


def only(body: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Change one body."""

    def changed(values: torch.Tensor) -> torch.Tensor:
        values = values.clone()
        values[:, body] = change(values[:, body])
        return values

    return changed


BASE, BOX, HAND = 1, 1, 4
CHANGES = {
    "cartpole": {
        "actuator_gear": scaled(0.1),
        "body_mass": scaled(0.1),
        "dof_armature": added(0.1),
        "dof_frictionloss": added(0.05),
    },
    "free_bodies": {
        "body_inertia": scaled(0.1),
        "body_ipos": only(BOX, added(0.02, 0)),
        "body_iquat": turned(0.2, BOX),
        "body_mass": scaled(0.1),
        "geom_friction": scaled(-0.2),
        "geom_size": scaled(0.05),
        "geom_solref": scaled(0.1),
        "opt.gravity": scaled(0.1),
    },
    "mechanisms": {
        "actuator_biasprm": added(-10.0, 1),
        "actuator_forcerange": scaled(-0.3),
        "actuator_gainprm": added(0.5, 0),
        "body_gravcomp": only(HAND - 1, added(0.2)),
        "body_ipos": only(HAND, added(0.02, 0)),
        "body_mass": scaled(0.1),
        "body_pos": only(BASE, added(0.05, 2)),
        "body_quat": turned(0.2, BASE),
        "dof_damping": added(0.1),
        "dof_frictionloss": added(0.1),
        "jnt_range": scaled(-0.3),
        "jnt_stiffness": added(1.0),
        "tendon_armature": added(0.1),
        "tendon_damping": added(0.5),
        "tendon_frictionloss": added(0.2),
        "tendon_lengthspring": added(0.1),
        "tendon_range": scaled(-0.33),
        "tendon_stiffness": added(2.0),
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_model_fields_can_differ_between_worlds(name: str, device: str) -> None:
    """Each field, changed per world, has the same effect as in the C engine, and undoing the change undoes it."""
    pair = make_pair(name, device)
    steps, tolerance = {"cartpole": (20, 1e-6), "free_bodies": (60, 5e-6), "mechanisms": (60, 1e-5)}[name]

    def motion(executor: Executor) -> torch.Tensor:
        pair.start(executor, same=True)
        run(executor, steps)
        return torch.cat([executor.field("qpos"), executor.field("qvel")], dim=1).cpu().double()

    undisturbed = motion(pair.c)
    for field, change in CHANGES[name].items():
        motions = {}
        for executor in (pair.warp, pair.c):
            values = executor.model_field(field)
            before = values.clone()
            values.copy_(change(values.cpu().double()))
            executor.model_changed([field])
            motions[executor] = motion(executor)
            values.copy_(before)
            executor.model_changed([field])
        effect = (motions[pair.c] - undisturbed).abs().amax(dim=1)
        assert effect[0] < 1e-9, field
        assert (effect[1:] > 20 * tolerance).any(), (field, effect)
        qpos = slice(0, pair.c.model.nq)
        assert difference(motions[pair.warp][:, qpos], motions[pair.c][:, qpos]) <= tolerance, field
        assert difference(motion(pair.warp)[:, qpos], undisturbed[:, qpos]) <= tolerance, field
    assert pair.warp.problem_counts.totals() == {}


# ------------------------------------------------------------------------------------------------- promises


def everything(executor: WarpExecutor) -> dict[str, torch.Tensor]:
    return {name: executor.field(name).clone() for name in STATE_FIELDS | FORCE_FIELDS}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], worlds: list[int]) -> None:
    for name, values in one.items():
        assert torch.equal(values[worlds], other[name][worlds]), name


def test_reset_restores_selected_worlds_and_clears_their_forces(mechanisms: Pair) -> None:
    executor = mechanisms.warp
    executor.reset()
    initial = everything(executor)
    mechanisms.start(executor)
    run(executor, 20)
    before = everything(executor)
    for name in FORCE_FIELDS:
        assert bool((before[name][[1, 3]] != 0).any()), name
    executor.reset(torch.tensor([1, 3], device=executor.device))
    after = everything(executor)
    assert_same(after, before, [0, 2])
    assert_same({name: after[name] for name in STATE_FIELDS}, initial, [1, 3])
    for name in FORCE_FIELDS:
        assert not after[name][[1, 3]].any(), name


def test_reset_restores_the_saved_initial_state(cartpole: Pair, device: str) -> None:
    executor = WarpExecutor(cartpole.c.model, 2, device)
    executor.field("qpos")[:] = torch.tensor([[0.1, 0.2], [0.3, 0.4]], device=executor.device)
    executor.field("ctrl")[:] = 1.5
    executor.save_initial_state()
    executor.initial_field("qvel")[1] = torch.tensor([0.0, 0.7], device=executor.device)
    run(executor, 3)
    executor.reset(torch.tensor([1], device=executor.device))
    assert executor.field("qpos")[1].tolist() == pytest.approx([0.3, 0.4])
    assert executor.field("qvel")[1].tolist() == pytest.approx([0.0, 0.7])
    assert executor.field("ctrl")[1].item() == 1.5
    assert executor.field("time").tolist() == pytest.approx([0.015, 0.0])
    assert executor.field("qpos")[0, 0].item() != pytest.approx(0.1, abs=1e-6)


def test_refresh_follows_the_state_and_keeps_forces(mechanisms: Pair) -> None:
    for executor in (mechanisms.warp, mechanisms.c):
        mechanisms.start(executor)
        run(executor, 5)
    executor = mechanisms.warp
    forces = {name: executor.field(name).clone() for name in FORCE_FIELDS}
    stale = executor.field("xpos").clone()
    for each in (executor, mechanisms.c):
        each.field("qpos")[:, 0] += 0.25
        each.field("qvel")[:, 0] = 1.0
        each.refresh(torch.tensor([0, 1, 2, 3]))
    assert not torch.equal(executor.field("xpos"), stale)
    for name in REFRESHED_FIELDS:
        assert difference(executor.field(name), mechanisms.c.field(name)) <= 3e-5, name
    assert_same({name: executor.field(name) for name in FORCE_FIELDS}, forces, [0, 1, 2, 3])


def test_only_requested_fields_are_refreshed(cartpole: Pair, device: str) -> None:
    executor = WarpExecutor(cartpole.c.model, 2, device)
    positions = executor.field("xpos")
    executor.field("qpos")[:, 0] = 0.5
    executor.refresh()
    assert positions[:, 1, 0].tolist() == [0.5, 0.5]
    # Asked for after the graph of the refresh was made: the next refresh must compute them too.
    velocities = executor.field("cvel")
    executor.field("qvel")[:, 0] = 2.0
    executor.refresh()
    assert velocities[:, 1, 3].tolist() == [2.0, 2.0]


def test_substeps_in_one_call_equal_single_steps(mechanisms: Pair) -> None:
    executor = mechanisms.warp
    mechanisms.start(executor)
    executor.step(4, refresh=True)
    together = everything(executor)
    mechanisms.start(executor)
    run(executor, 4)
    assert_same(everything(executor), together, [0, 1, 2, 3])


def test_field_addresses_are_constant(cartpole: Pair, device: str) -> None:
    executor = WarpExecutor(cartpole.c.model, 2, device)
    addresses = {name: executor.field(name).data_ptr() for name in ("qpos", "xpos", "qacc")}
    mass = executor.model_field("body_mass")
    executor.step(1, refresh=True)
    executor.model_field("dof_armature")
    mass *= 2.0
    executor.model_changed(["body_mass"])
    executor.load_state_dict(executor.state_dict())
    assert {name: executor.field(name).data_ptr() for name in addresses} == addresses
    assert executor.model_field("body_mass").data_ptr() == mass.data_ptr()


def test_loaded_state_continues_bitwise(mechanisms: Pair, device: str) -> None:
    executor = mechanisms.warp
    mechanisms.start(executor)
    masses = executor.model_field("body_mass")
    before = masses.clone()
    masses *= torch.tensor([1.0, 1.1, 1.2, 1.3], device=executor.device)[:, None]
    base = executor.model_field("body_pos")
    heights = base[:, BASE, 2].clone()
    base[:, BASE, 2] += torch.tensor([0.0, 0.1, 0.2, 0.3], device=executor.device)
    executor.model_changed(["body_mass", "body_pos"])
    run(executor, 40)
    saved = executor.state_dict()
    run(executor, 60)
    expected = everything(executor)
    fresh = WarpExecutor(mechanisms.c.model, NUM_ENVS, device)
    for target in (executor, fresh):
        target.load_state_dict(saved)
        run(target, 60)
        assert_same(everything(target), expected, [0, 1, 2, 3])
    # The bead fell on bases that stand at different heights: a geom fixed to the world moved with its body.
    bead = expected["qpos"][:, -1] + 1.0
    assert bool((bead.diff() > 0.03).all()), bead
    fresh.reset()
    executor.reset()
    assert_same(everything(fresh), everything(executor), [0, 1, 2, 3])
    masses.copy_(before)
    base[:, BASE, 2] = heights
    executor.model_changed(["body_mass", "body_pos"])


def test_contact_overflow_is_counted_per_world_and_step(free_bodies: Pair, device: str) -> None:
    executor = WarpExecutor(free_bodies.c.model, NUM_ENVS, device, max_contacts=1)
    run(executor, 20)
    assert executor.problem_counts.totals() == {}
    run(executor, 80)
    # Box and ball touch the floor in 5 points per world, and there is room for 4 in all.
    counts = executor.problem_counts
    before = counts.counts.clone()
    assert counts.totals().keys() == {"contacts_overflow"}
    assert counts.failed.all()
    executor.step(1, refresh=False)
    added = dict(zip(counts.kinds, (counts.counts - before).tolist(), strict=True))
    assert added.pop("contacts_overflow") == [1] * NUM_ENVS
    assert not any(map(any, added.values()))


def test_constraint_overflow_is_reported(free_bodies: Pair, device: str) -> None:
    executor = WarpExecutor(free_bodies.c.model, NUM_ENVS, device, max_constraints=8)
    # World 2 starts too high to reach the floor.
    executor.field("qpos")[2, [2, 9]] = 50.0
    run(executor, 100)
    assert executor.problem_counts.totals().keys() == {"constraints_overflow"}
    assert executor.problem_counts.failed.tolist() == [True, True, False, True]
    # A step in which nothing overflows is not counted, and clear_failed clears the failed worlds.
    total = executor.problem_counts.totals()
    executor.field("qpos")[:, [2, 9]] = 50.0
    executor.problem_counts.clear_failed()
    executor.step(1, refresh=False)
    assert executor.problem_counts.totals() == total
    assert not executor.problem_counts.failed.any()


@pytest.mark.parametrize(
    ("field", "address", "value", "kind"),
    [("qpos", 0, 4.9, None), ("qpos", 0, -5.1, "exploded"), ("qpos", 1, 1e4, None), ("qvel", 1, 31.0, "exploded")],
)
def test_exploded_world_is_restored_and_counted(
    cartpole: Pair, device: str, field: str, address: int, value: float, kind: str | None
) -> None:
    """Slide joints have a bound of their position, hinges have none; every velocity has one."""
    for executor in (WarpExecutor(cartpole.c.model, 3, device), BatchExecutor(cartpole.c.model, 3, 1)):
        executor.set_bounds(StateBounds(executor.model, max_position=5.0, max_velocity=30.0))
        executor.save_initial_state()
        executor.field(field)[1, address] = value
        executor.step(1, refresh=False)
        assert executor.problem_counts.totals() == ({kind: 1} if kind else {})
        assert executor.problem_counts.failed.tolist() == [False, kind is not None, False]
        if kind:
            assert executor.field(field)[1, address] == executor.initial_field(field)[1, address]
        else:
            assert executor.field(field)[1, address].item() == pytest.approx(value, rel=0.01)


@pytest.mark.parametrize(
    ("field", "value"), [("qvel", math.nan), ("qvel", math.inf), ("qpos", 1e11), ("ctrl", math.nan)]
)
def test_diverged_world_is_restored_and_counted(cartpole: Pair, device: str, field: str, value: float) -> None:
    executor, twin = (WarpExecutor(cartpole.c.model, NUM_ENVS, device) for _ in range(2))
    for each in (executor, twin):
        each.field("qvel").copy_(cartpole.velocity)
        each.save_initial_state()
        run(each, 3)
    initial = {name: executor.state_dict()["initial"][name] for name in STATE_FIELDS}
    executor.field(field)[2] = value
    for each in (executor, twin):
        each.step(1, refresh=True)
    assert executor.problem_counts.totals() == {"diverged": 1}
    assert_same(initial, everything(executor), [2])
    assert_same(everything(executor), everything(twin), [0, 1, 3])
    assert twin.problem_counts.totals() == {}


def test_buffer_probe_counts_contacts_and_constraints() -> None:
    # Two joints that may have friction, nothing else; nothing collides.
    assert probe_buffers(load("cartpole")) == (0, 2)
    # The box lies on 4 corners, the ball on a point: twice 5. Rows: 12 joints and 4 (condim of the ball) per contact.
    assert probe_buffers(load("free_bodies")) == (10, 12 + 10 * 4)
    assert probe_buffers(load("free_bodies"), max_contacts=3) == (3, 12 + 3 * 4)
    pyramidal = load("free_bodies")
    pyramidal.opt.cone = mujoco.mjtCone.mjCONE_PYRAMIDAL
    assert probe_buffers(pyramidal)[1] == 12 + 10 * 6
    # Connect 3, weld 6; 13 joint friction; tendon friction and limit; two joint limits; 8 contacts of 3 rows at least.
    assert probe_buffers(load("mechanisms")) == (8, 9 + 13 + 2 + 2 + 8 * 3)


def test_buffer_probe_drives_joints_to_their_limits() -> None:
    # At its limit, the joint presses two boxes onto the block, each with 4 corners: twice 8. Controls of ±0.5 N, the
    # limit of its force, would move it by 0.17 m.
    model = mujoco.MjModel.from_xml_string(
        """
        <mujoco>
          <worldbody>
            <geom type="box" size="0.3 0.3 0.1" pos="0 0 -1.05"/>
            <body>
              <joint name="press" type="slide" axis="0 0 -1" range="0 1" damping="1" armature="0.1"/>
              <geom type="box" size="0.05 0.05 0.05" pos="0.1 0 0" mass="0.01"/>
              <geom type="box" size="0.05 0.05 0.05" pos="-0.1 0 0" mass="0.01"/>
            </body>
          </worldbody>
          <actuator>
            <general joint="press" gainprm="1" biastype="affine" biasprm="0 -3 0" forcerange="-0.5 0.5"/>
          </actuator>
        </mujoco>
        """
    )
    model.opt.timestep = 0.02
    assert probe_buffers(model)[0] == 16


def test_unsupported_fields_devices_and_models_raise(cartpole: Pair, device: str) -> None:
    executor = cartpole.warp
    with pytest.raises(KeyError):
        executor.field("geom_xpos")
    for name in ("jnt_limited", "opt.cone", "no_such_field"):
        with pytest.raises(CapabilityError, match=f"{name}: .*sim_device=cpu"):
            executor.model_field(name)
    with pytest.raises(ConfigError, match="cuda:99: this machine has"):
        WarpExecutor(cartpole.c.model, 2, "cuda:99")
    unsupported = load("cartpole")
    unsupported.opt.solver = mujoco.mjtSolver.mjSOL_PGS
    with pytest.raises(CapabilityError, match="PGS"):
        WarpExecutor(unsupported, 2, device)


def test_moving_the_centre_of_mass_of_a_simple_body_raises(free_bodies: Pair, device: str) -> None:
    executor = WarpExecutor(free_bodies.c.model, 2, device)
    executor.model_field("body_ipos")[:, BOX, 0] = 0.01
    executor.model_changed(["body_ipos"])
    executor.model_field("body_ipos")[1, BOX + 1, 0] = 0.01
    with pytest.raises(CapabilityError, match="'ball' was compiled as simple"):
        executor.model_changed(["body_ipos"])
