"""Files of failed worlds hold what was recorded, and a replay names what goes wrong first, with hand-made failures."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.failures.failure import STATE, Failure, FailureFileError
from oige_core.engines.mujoco.failures.history import StateHistory
from oige_core.engines.mujoco.failures.replay import replay

BALL = '<body name="ball" pos="0 0 1"><freejoint/><geom name="skin" size=".1" mass=".5"/>%s</body>'
ARM = (
    '<body name="arm" pos="0 0 .5"><joint name="hinge"/><geom size=".01" mass=".1" contype="0" conaffinity="0"/></body>'
)
FLOOR = '<geom name="floor" type="plane" size="1 1 1"/>'


def failure_of(bodies: str, *changes: dict[str, Any], solver_steps: int = 1, **values: Any) -> Failure:
    """Return a failure with one recorded call of physics for each dictionary of changed fields of ``mjData``."""
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{bodies}</worldbody></mujoco>")
    states = np.empty((len(changes), mujoco.mj_stateSize(model, STATE)))
    for state, fields in zip(states, changes, strict=True):
        data = mujoco.MjData(model)
        for name, entries in fields.items():
            for index, value in entries.items():
                getattr(data, name).flat[index] = value
        mujoco.mj_getState(model, data, state, STATE)
    recorded = Failure(
        kind="exploded",
        world=3,
        step=7,
        model=model,
        states=states,
        solver_steps=np.full(len(changes), solver_steps),
        bounds=StateBounds(model, max_velocity=1.0),
        velocity_limits=None,
        executor="mujoco.batch",
        notes={},
    )
    return dataclasses.replace(recorded, **values)


def trouble_of(failure: Failure) -> tuple[str, int, int, bool]:
    result = replay(failure)
    assert result.trouble is not None
    return result.trouble.text, result.trouble.call, result.trouble.solver_step, result.fails_as_recorded


def test_history_returns_the_last_states_of_a_world_in_order() -> None:
    state = np.zeros((2, 2))
    history = StateHistory(state, 0.01)
    for call in range(40):
        state[:, 0], state[:, 1] = 0.02 * call, (call, -call)
        history.add(2)
    states, solver_steps = history.of_world(1)
    assert states[:, 1].tolist() == [-call for call in range(8, 40)]
    assert (solver_steps.tolist(), history.total) == ([2] * 32, 80)


def test_force_that_is_nan_is_named_with_its_body() -> None:
    failure = failure_of(BALL % "", {}, {"xfrc_applied": {6 + 5: math.nan}})
    assert trouble_of(failure) == ("force applied to body 'ball': nan", 1, 0, True)


def test_position_that_is_nan_is_named_with_its_joint() -> None:
    failure = failure_of(BALL % ARM, {"qpos": {7: math.nan}})
    assert trouble_of(failure) == ("position of joint 'hinge': nan", 0, 0, True)
    failure = failure_of(BALL % ARM, {"qpos": {2: math.nan}})
    assert trouble_of(failure)[0] == "position of body 'ball': nan"


def test_acceleration_beyond_the_bound_of_mujoco_is_found_without_its_reset() -> None:
    text, call, solver_step, _ = trouble_of(failure_of(BALL % "", {"xfrc_applied": {6: 9e9}}))  # N on 0.5 kg
    assert (text, call, solver_step) == ("velocity of body 'ball': 3.6e+07, beyond its bound 1", 0, 1)
    text, *_ = trouble_of(failure_of(BALL.replace(".5", ".001") % "", {"xfrc_applied": {6: 9e9}}))  # 9e12 m/s²
    assert text == "velocity of body 'ball': 1.8e+10, beyond its bound 1"


def test_failure_before_the_recorded_call_is_not_the_recorded_one() -> None:
    failure = failure_of(BALL % "", {"qvel": {0: 2.0}}, {"qvel": {0: 2.0}}, solver_steps=2)
    assert trouble_of(failure) == ("velocity of body 'ball': 2, beyond its bound 1", 0, 2, False)


def test_each_call_begins_with_its_recorded_state_and_the_deviation_is_said() -> None:
    result = replay(failure_of(BALL % "", {}, {"qpos": {0: 0.5}}, {"qpos": {0: 0.5}, "qvel": {0: 0.75}}))
    assert result.deviation == pytest.approx(0.5, abs=1e-3)
    assert [report.speed for report in result.calls] == pytest.approx([9.81 * 0.002] * 2)
    assert result.solver_steps[-1].speed == pytest.approx(0.75)
    assert (result.trouble, result.fails_as_recorded) == (None, False)


def test_deepest_contact_is_named_with_its_depth() -> None:
    other = BALL.replace("ball", "low").replace("skin", "shell").replace("0 0 1", "1 0 1") % ""
    failure = failure_of(FLOOR + BALL % "" + other, {"qpos": {2: 0.09, 9: 0.07}})
    (step,) = replay(failure).solver_steps
    assert step.contact == "floor – shell"
    assert step.penetration == pytest.approx(0.03, abs=5e-3)


def saved(folder: Path, **changes: Any) -> Path:
    """Write the file of a failure, of which entries are replaced, and return its path."""
    path = folder / "7_3.npz"
    failure_of(BALL % "", {}).save(path)
    if changes:
        with np.load(path) as file:
            entries: dict[str, Any] = dict(file)
        header = json.loads(str(entries["header"])) | changes.pop("header", {})
        np.savez(path, allow_pickle=True, **(entries | {"header": np.array(json.dumps(header))} | changes))
    return path


def test_file_keeps_bounds_limits_and_origin(tmp_path: Path) -> None:
    limits = np.arange(6.0)
    failure_of(BALL % "", {}, velocity_limits=limits, notes={"task": "Ball"}).save(tmp_path / "a.npz")
    loaded = Failure.load(tmp_path / "a.npz")
    assert loaded.velocity_limits is not None
    assert loaded.velocity_limits.tolist() == limits.tolist()
    assert set(loaded.bounds.qvel.tolist()) == {1.0}
    assert (loaded.world, loaded.step, loaded.executor, loaded.notes) == (3, 7, "mujoco.batch", {"task": "Ball"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"header": {"format": 2}}, "{path}: has format 2, expected 1; use a matching OIGE."),
        (
            {"states": np.zeros((0, 38)), "solver_steps": np.zeros(0)},
            "{path}: is damaged, or not the file of a failed ",
        ),
        (
            {"states": np.array([{}], object)},
            "{path}: is damaged, or not the file of a failed world (it is no archive of numbers)",
        ),
    ],
    ids=["other format", "no states", "pickled objects"],
)
def test_file_with_other_contents_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = saved(tmp_path, **changes)
    with pytest.raises(FailureFileError) as caught:
        Failure.load(path)
    assert str(caught.value).startswith(message.format(path=path))


def test_file_that_cannot_be_written_whole_leaves_the_former_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)
    content = path.read_bytes()

    def full(file: Any, **arrays: Any) -> None:
        file.write(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        failure_of(BALL % "", {}).save(path)
    assert path.read_bytes() == content
