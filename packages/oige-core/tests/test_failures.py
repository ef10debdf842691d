"""Worlds that fail are recorded with their own model, and their files replay to the same solver step."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
import torch
from block_task import RAIL
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.failures.failure import STATE, Failure, FailureFileError, since_reset
from oige_core.engines.mujoco.failures.history import StateHistory
from oige_core.engines.mujoco.failures.page import FailurePage
from oige_core.engines.mujoco.failures.pictures import frames, moments
from oige_core.engines.mujoco.failures.replay import replay
from oige_core.errors import OigeError
from oige_core.problems import Recording
from oige_core.scene import ArticulationAsset

DT = 0.01
FORCE = 1000.0  # N; a block of 2 kg gains 5 m/s in a step, one of 4 kg 2.5 m/s


@pytest.fixture(scope="module")
def built(build: Callable[..., Any], executor: str) -> Any:
    def set_up_scene(scene: Any) -> dict[str, Any]:
        return {"blocks": scene.add_articulation("block", ArticulationAsset(mjcf=RAIL, usd=""))}

    return build(set_up_scene, 3, executor, dt=DT, substeps=1, max_velocity=12.0)


def record(world: Any, limit: int = 10) -> None:
    world.engine.record_failures(Recording(limit=limit, solver_steps=1, notes={"task": "Block"}))


def push(world: Any, steps: int, force: float = FORCE, worlds: tuple[int, ...] = (1,)) -> None:
    """Push the blocks of some worlds for a number of steps."""
    for _ in range(steps):
        efforts = world.tensor([[force]] * len(worlds))
        world.blocks.set_joint_efforts(efforts, indices=torch.tensor(worlds))
        world.engine.step(1)


def test_exploded_world_is_recorded_with_its_own_mass_and_replays(world: Any, tmp_path: Path) -> None:
    world.blocks.set_body_masses(world.tensor([[4.0]]), indices=torch.tensor([1]))
    record(world)
    push(world, 4)
    assert world.engine.take_failures() == []
    push(world, 3)  # 12.5 m/s after the fifth step, which restores the world
    (failure,) = world.engine.take_failures()
    assert (failure.kind, failure.world, failure.step) == ("exploded", 1, 5)
    failure.save(tmp_path / "5_1.npz")
    loaded = Failure.load(tmp_path / "5_1.npz")
    assert loaded.model.body("block/block").mass == pytest.approx(4.0)
    assert loaded.notes == {"task": "Block"}
    result = replay(loaded)
    assert result.fails_as_recorded
    assert result.trouble is not None
    assert result.trouble.text == "velocity of joint 'block/slide': 12.5, beyond its bound 12"
    assert result.trouble.solver_step == 1
    kept = 5 if world.executor == "c" else 1
    assert [report.speed for report in result.calls] == pytest.approx([2.5 * (i + 1) for i in range(kept - 1)])
    last = result.solver_steps[-1]
    assert (last.speed, last.acceleration) == pytest.approx((12.5, 250.0))
    assert last.energy == pytest.approx(0.5 * 4.0 * 12.5**2)
    assert result.deviation == 0.0


def test_world_that_the_task_makes_nan_is_wrong_before_the_first_solver_step(world: Any) -> None:
    record(world)
    world.blocks.set_joint_velocities(world.tensor([[math.nan]]), indices=torch.tensor([2]))
    world.engine.step(1)
    (failure,) = world.engine.take_failures()
    trouble = replay(failure).trouble
    assert (failure.kind, failure.world) == ("diverged", 2)
    assert trouble is not None
    assert (trouble.text, trouble.solver_step) == ("velocity of joint 'block/slide': nan", 0)


def test_no_more_worlds_are_recorded_than_the_limit(world: Any) -> None:
    record(world, limit=2)
    push(world, 3, worlds=(0, 1, 2))
    assert len(world.engine.take_failures()) == 2
    push(world, 3, worlds=(0, 1, 2))
    assert world.engine.take_failures() == []
    assert world.engine.problems() == {"exploded": 6}


def test_states_before_a_reset_are_left_out(world: Any) -> None:
    record(world)
    push(world, 2)
    world.engine.reset(torch.tensor([1]))
    push(world, 3)
    (failure,) = world.engine.take_failures()
    assert failure.step == 5
    assert len(failure.states) == (3 if world.executor == "c" else 1)


def test_replay_limits_velocities_as_the_engine_does(world: Any) -> None:
    world.blocks.set_max_joint_velocities(world.tensor([[2.0]] * 3))
    record(world)
    push(world, 3)
    world.blocks.set_joint_velocities(world.tensor([[math.inf]]), indices=torch.tensor([1]))
    push(world, 1)
    (failure,) = world.engine.take_failures()
    assert failure.velocity_limits is not None
    assert failure.velocity_limits.tolist() == [2.0]
    result = replay(failure)
    assert [report.speed for report in result.calls] == [2.0] * (3 if world.executor == "c" else 0)
    assert result.deviation == 0.0


def test_masses_that_change_within_the_recorded_steps_show_as_a_deviation(world: Any) -> None:
    record(world)
    push(world, 1)  # 5 m/s with 2 kg, 2.5 m/s with the 4 kg of the file
    world.blocks.set_body_masses(world.tensor([[4.0]]), indices=torch.tensor([1]))
    push(world, 4)
    (failure,) = world.engine.take_failures()
    assert replay(failure).deviation == pytest.approx(2.5 * DT if world.executor == "c" else 0.0)


def failed(xml: str, *, solver_steps: int = 2, speed: float = 0.0, max_velocity: float = 1.0) -> Failure:
    """Return a world of one recorded call of physics, whose first joint has a speed along z."""
    model = mujoco.MjModel.from_xml_string(xml)
    data = mujoco.MjData(model)
    data.qvel[2] = speed
    state = np.empty((1, mujoco.mj_stateSize(model, STATE)))
    mujoco.mj_getState(model, data, state[0], STATE)
    return Failure(
        kind="exploded",
        world=0,
        step=7,
        model=model,
        states=state,
        solver_steps=np.array([solver_steps]),
        bounds=StateBounds(model, max_position=2.0, max_velocity=max_velocity),
        velocity_limits=None,
        executor="mujoco_warp",
        notes={},
    )


BALL = '<mujoco><worldbody><body name="ball" pos="0 0 1"><freejoint/><geom size=".1"/></body></worldbody></mujoco>'


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The file of a ball in free fall, which exploded only according to the file."""
    failed(BALL).save(tmp_path / "7_0.npz")
    return tmp_path / "7_0.npz"


def test_world_that_does_not_fail_in_the_c_engine_has_no_trouble(saved: Path) -> None:
    result = replay(Failure.load(saved))
    assert result.trouble is None
    assert not result.fails_as_recorded
    assert [step.speed for step in result.solver_steps] == pytest.approx([9.81 * 0.002, 9.81 * 0.004])


def test_frames_show_each_solver_step(saved: Path) -> None:
    images = list(frames(Failure.load(saved), (64, 48)))
    assert [image.shape for image in images] == [(48, 64, 3)] * 3
    assert images[0].std() > 5.0  # the ball is in the picture


def test_failing_step_is_shown_with_what_is_wrong() -> None:
    failure = failed(BALL, speed=0.99, solver_steps=9, max_velocity=0.95)
    first, *others = moments(failure)
    assert first.lines == ("time 0.0000 s, the first recorded state",)
    assert [moment.trouble for moment in (first, *others)] == [
        "wrong: velocity of body 'ball': 0.99, beyond its bound 0.95"  # before the first solver step
    ]
    thrown = moments(failed(BALL, speed=400.0, solver_steps=9, max_velocity=1e9))
    # 0.8 m in a step of 2 ms: from 1 m, over 1.8 m, to 2.6 m, which is beyond 2 m and cannot be shown.
    assert [moment.lines[0] for moment in thrown[1:]] == ["time 0.0020 s, failing step, solver step 1"]
    assert thrown[1].lines[1] == "velocity 400 of ball"
    assert thrown[0].trouble == ""
    assert thrown[1].trouble.startswith("then wrong: position of body 'ball': 2.599")


def test_picture_of_the_failing_step_names_what_is_wrong_in_red() -> None:
    def red(image: np.ndarray) -> int:
        pixels = image.astype(int)
        return int(((pixels[..., 0] > 200) & (pixels[..., 1] < 150) & (pixels[..., 2] < 150)).sum())

    images = list(frames(failed(BALL, speed=-1.0, solver_steps=2, max_velocity=1.03), (320, 240)))
    assert [red(image) > 20 for image in images] == [False, False, True]  # 9.81 × 0.002 m/s more in each step


def test_contact_of_a_soft_body_is_named() -> None:
    cloth = """<mujoco><worldbody><geom name="floor" type="plane" size="1 1 .1"/>
        <flexcomp name="cloth" type="grid" count="3 3 1" spacing=".1 .1 .1" pos="0 0 .005" mass="1" radius=".01"
            dim="2"/>
        </worldbody></mujoco>"""
    result = replay(failed(cloth, max_velocity=1e9))
    assert result.solver_steps[0].contact == "floor – cloth"
    assert result.solver_steps[0].penetration == pytest.approx(0.005, abs=0.001)


def test_page_shows_each_moment_and_plays_to_the_last() -> None:
    failure = failed(BALL, speed=-1.0, max_velocity=1.03)
    page = FailurePage(failure)
    assert page._slider.max == 2
    heights = []
    for number in (0, 1, 2, 9):
        page.show(number)
        heights.append(float(page._scene.roots[0, 2]))
    assert heights == pytest.approx([1.0, 1.0 - 0.00204, 1.0 - 0.00412, 1.0 - 0.00412], abs=1e-5)
    assert "wrong: velocity of body &#x27;ball&#x27;: -1.03924, beyond its bound 1.03" in page._text.content
    page._toggle()  # plays from the beginning, because the last moment is shown
    shown = [page.number]
    page.run(lambda: shown.append(page.number) is not None or not page._playing)
    assert shown[:4] == [0, 0, 1, 2]
    assert page._play.label == "Play"


def test_world_without_finite_positions_is_one_line() -> None:
    failure = failed(BALL)
    failure.states[:, 1] = math.nan
    with pytest.raises(OigeError) as error:
        FailurePage(failure)
    assert (
        str(error.value) == "nothing can be shown: the first recorded positions are not finite, or beyond their bounds."
    )


def test_damaged_file_is_one_error(saved: Path) -> None:
    whole = saved.read_bytes()
    missing = saved.with_name("none.npz")
    tail = "expected one of runs/<name>/failures/*.npz."
    with pytest.raises(FailureFileError) as error:
        Failure.load(missing)
    assert str(error.value) == f"{missing}: no such file; {tail}"
    for damaged in (whole[: len(whole) // 2], whole[:900] + b"\0\0\0\0" + whole[904:], b"text", b""):
        saved.write_bytes(damaged)
        with pytest.raises(FailureFileError) as error:
            Failure.load(saved)
        assert str(error.value).startswith(f"{saved}: is damaged, or not the file of a failed world (")
        assert str(error.value).endswith(f"); {tail}")
        assert "\n" not in str(error.value)
        assert "pickle" not in str(error.value)
    saved.write_bytes(whole)
    with np.load(saved) as file:
        arrays: dict[str, Any] = dict(file)
    header = json.loads(str(arrays["header"])) | {"mujoco": "3.1.0"}
    np.savez(saved, allow_pickle=False, **(arrays | {"header": np.array(json.dumps(header))}))
    with pytest.raises(FailureFileError) as error:
        Failure.load(saved)
    assert str(error.value) == (
        f"{saved}: contains a model of MuJoCo 3.1.0, but {mujoco.__version__} is installed; run "
        f"uv run --with mujoco==3.1.0 oige-replay {saved}"
    )
    np.savez(saved, allow_pickle=False, **(arrays | {"states": arrays["states"][:, :-1]}))
    with pytest.raises(FailureFileError) as error:
        Failure.load(saved)
    assert "states have shape (1, 37), expected (1, 38)" in str(error.value)


def test_history_of_many_worlds_keeps_fewer_steps() -> None:
    few, many = StateHistory(np.zeros((2, 4)), DT), StateHistory(np.zeros((2**18, 4)), DT)
    for history in (few, many):
        for _ in range(40):
            history.add(1)
    assert len(few.of_world(0)[0]) == 1  # the time stands still, as after resets
    assert few._states.shape == (32, 2, 4)
    assert many._states.shape == (4, 2**18, 4)  # 8 MiB each


def test_reset_is_seen_in_the_time() -> None:
    durations = np.array([0.1, 0.1, 0.2, 0.1])
    assert since_reset(np.array([0.4, 0.5, 0.6, 0.8]), durations) == 0
    assert since_reset(np.array([0.4, 0.5, 0.0, 0.2]), durations) == 2
    assert since_reset(np.array([0.4, 0.5, 0.6, 0.0]), durations) == 3
