"""Worlds that fail in training are written to files, which ``oige-replay`` repeats, and training goes on."""

import json
from pathlib import Path

import numpy as np
import pytest
from oige_core.errors import ConfigError, OigeError
from oige_train.cli.replay import replay_file
from oige_train.failure_files import LIMIT
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
