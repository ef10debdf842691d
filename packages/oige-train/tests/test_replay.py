"""Worlds that fail in training are written to files, which ``oige-replay`` repeats, and training goes on."""

import json
import math
import types
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest
from oige_core.engines.mujoco.executors.bounds import StateBounds
from oige_core.engines.mujoco.failures.failure import STATE, Failure
from oige_core.errors import ConfigError, OigeError
from oige_train.cli.replay import _finite, replay_file
from oige_train.failure_files import LIMIT, FailureFiles
from PIL import Image

EXPLODING = (
    "task=Cartpole",
    "num_envs=64",
    "sim_device=cpu",
    "seed=3",
    "max_iterations=2",
    "task.sim.max_velocity=2",  # m/s, which an action of 1 exceeds in the first step
    "train.params.config.save_best_after=1",
)


def test_worlds_that_explode_in_training_replay_from_their_files(program, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = program(*EXPLODING)
    assert outcome.code == 0, outcome.err
    assert "done: 2 epochs" in outcome.out  # training went on
    files = sorted(Path("runs/Cartpole/failures").iterdir())
    assert len(files) == LIMIT
    told = [line for line in outcome.err.splitlines() if "oige-replay" in line]
    assert len(told) == 1
    assert told[0].startswith("world ")
    assert f"exploded in control step 1 and was recorded, as up to {LIMIT} such worlds of a run are" in told[0]
    assert Path(told[0].rpartition(" ")[2]) in files

    assert replay_file([str(files[0])]) == 0
    lines = capsys.readouterr().out.splitlines()
    world = int(files[0].stem.partition("_")[2])
    assert lines[0] == (f"world {world} exploded in control step 1 (task Cartpole, run Cartpole), on the C engine")
    assert lines[-1].startswith("first wrong, in solver step 1 of the failing step: velocity of joint 'Cartpole/")
    assert lines[-1].endswith(", beyond its bound 2")
    assert replay_file(["--json", str(files[0])]) == 0
    assert json.loads(capsys.readouterr().out)["trouble"]["solver_step"] == 1
    assert replay_file([str(files[0]), "--pictures", "pictures"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "pictures: 2 pictures"
    first, failing = (np.asarray(Image.open(f"pictures/{number:04}.png")).astype(int) for number in (0, 1))
    red = [((image[..., 0] > 200) & (image[..., 1:].max(axis=2) < 150)).sum() for image in (first, failing)]
    assert red[1] > red[0] + 100  # what is wrong is written in red


def test_no_failures_are_written_if_switched_off(program) -> None:
    outcome = program(*EXPLODING, "dump_failures=False", "max_iterations=1")
    assert outcome.code == 0, outcome.err
    assert "oige-replay" not in outcome.err
    assert not Path("runs/Cartpole/failures").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-replay: expected one file, runs/<name>/failures/*.npz."),
        (["a.npz", "b.npz"], "a.npz b.npz: expected one file, runs/<name>/failures/*.npz."),
        (["a.npz", "--movie"], "a.npz --movie: expected one file, runs/<name>/failures/*.npz."),
        (["a.npz", "--video"], "--video: a path is required."),
        (
            ["a.npz", "--video", "a.gif"],
            "--video a.gif: expected a new file with the suffix .mp4, without --pictures.",
        ),
        (["a.npz"], "a.npz: no such file; expected one of runs/<name>/failures/*.npz."),
        (["."], ".: is a folder; expected a file, such as runs/<name>/failures/*.npz."),
    ],
)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OigeError) as error:
        replay_file(arguments)
    assert str(error.value) == message


def test_existing_video_is_kept(tmp_path: Path) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    with pytest.raises(ConfigError, match="expected a new file"):
        replay_file(["a.npz", "--video", str(video)])


def write_failure(path: Path, *, speed: float = 0.0, bound: float = 1.0, steps: int = 20, calls: int = 1) -> Path:
    """Write the file of a ball at a height of 1 m that moves sideways, recorded as failed."""
    model = mujoco.MjModel.from_xml_string(
        '<mujoco><worldbody><geom name="floor" type="plane" size="1 1 1"/><body name="ball" pos="0 0 .09"><freejoint/>'
        '<geom name="skin" size=".1" mass=".5"/></body></worldbody></mujoco>'
    )
    data = mujoco.MjData(model)
    data.qvel[0] = speed
    state = np.empty(mujoco.mj_stateSize(model, STATE))
    mujoco.mj_getState(model, data, state, STATE)
    failure = Failure(
        kind="exploded",
        world=3,
        step=7,
        model=model,
        states=np.stack([state] * calls),
        solver_steps=np.full(calls, steps),
        bounds=StateBounds(model, max_velocity=bound),
        velocity_limits=None,
        executor="mujoco_warp",
        notes={"task": "Ball"},
    )
    failure.save(path)
    return path


def test_world_that_does_not_fail_here_ends_with_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay_file([str(write_failure(tmp_path / "a.npz", bound=100.0, steps=2, calls=2))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "world 3 exploded in control step 7 (task Ball), on MuJoCo Warp",
        "steps recorded since the last reset of the world: 2",
    ]
    assert [line.split()[0] for line in lines[3:6]] == ["-1", "0+1", "0+2"]
    assert "  10 mm  " in lines[4]
    assert lines[4].endswith(", contact floor – skin")
    assert lines[-1] == (
        "nothing goes wrong in the C engine; the failure depends on the precision of the recording engine"
    )


def test_trouble_before_the_recorded_step_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_file([str(write_failure(tmp_path / "a.npz", speed=5.0, steps=1, calls=3))]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("first wrong, in solver step 1 of step -2, earlier than recorded: velocity of body 'ball': ")


def test_json_has_null_for_numbers_that_are_not_finite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay_file(["--json", str(write_failure(tmp_path / "a.npz", speed=math.nan))]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["world"], shown["trouble"]["text"]) == (3, "velocity of body 'ball': nan")
    assert _finite({"a": [math.inf, 1.0]}) == {"a": [None, 1.0]}


def test_pictures_are_the_last_ones_in_a_new_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oige_train.cli.replay.SIZE", (64, 48))
    file, folder = write_failure(tmp_path / "a.npz", bound=100.0), tmp_path / "new" / "pictures"
    assert replay_file([str(file), "--pictures", str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder}: 16 pictures"
    assert sorted(path.name for path in folder.iterdir()) == [f"{number:04}.png" for number in range(5, 21)]
    with pytest.raises(ConfigError) as caught:
        replay_file([str(file), "--pictures", str(folder)])
    assert str(caught.value) == f"--pictures {folder}: exists; expected a new folder."


class Failing:
    """Stands in for an environment in which a world fails in each call."""

    def __init__(self, refused: bool = False) -> None:
        self.limit, self.taken, self.refused = 0, 0, refused

    def record_failures(self, limit: int, notes: dict[str, str]) -> None:
        self.limit = limit

    def take_failures(self) -> list[Any]:
        def save(path: Path) -> None:
            if self.refused:
                raise OSError(28, "No space left on device")
            path.touch()

        self.taken += 1
        return [types.SimpleNamespace(kind="diverged", world=5, step=self.taken, save=save)]


def test_files_are_named_by_step_and_world_and_the_first_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "oige_train")
    folder = tmp_path / "a run" / "failures"
    folder.parent.mkdir()
    env = Failing()
    files = FailureFiles(env, folder, ["uv", "run"])
    assert env.limit == LIMIT
    for _ in range(3):
        files.write()
    assert sorted(path.name for path in folder.iterdir()) == ["1_5.npz", "2_5.npz", "3_5.npz"]
    assert caplog.messages == [
        f"world 5 diverged in control step 1 and was recorded, as up to {LIMIT} such worlds of a run are; see what "
        f"happened: uv run oige-replay '{folder}/1_5.npz'"
    ]
    resumed = Failing()
    FailureFiles(resumed, folder, [])
    assert resumed.limit == LIMIT - 3
    for number in range(LIMIT):
        (folder / f"{number}_0.npz").touch()
    full = Failing()
    FailureFiles(full, folder, [])
    assert full.limit == 0


def test_full_disk_is_said_and_training_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    FailureFiles(Failing(refused=True), tmp_path / "failures", []).write()
    assert caplog.messages == [
        f"warning: {tmp_path}/failures/1_5.npz: the failure of a world was not recorded (No space left on device)."
    ]
