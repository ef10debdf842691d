"""A member of a population trains from interval to interval, and continues as a copy of another one."""

import json
import math
import runpy
import sys
import types
from pathlib import Path

import pytest
from oige_core.errors import ConfigError, OigeError
from oige_train import checkpoint
from oige_train.learner.divergence import DivergedError
from oige_train.learner.replay_files import remove_other_replays
from oige_train.pbt import options
from oige_train.pbt.plan import Plan
from oige_train.runs import run_summary
from oige_train.runs.files import replay_file
from oige_train.sweeps import execution


class Trained:
    """What a member starts: a training that writes a checkpoint of some epoch."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.arguments = folder, [""]
        self.epoch = 0
        self.goal: str | None = None
        self.error: Exception | None = None
        self.has_replay = False
        summary = types.SimpleNamespace(reward=1.5, steps=None)
        monkeypatch.setattr(run_summary, "read_run", lambda *_: summary)
        monkeypatch.setattr(execution, "train_once", self)
        monkeypatch.setattr(
            checkpoint, "read_info", lambda file, _: types.SimpleNamespace(epoch=int(file.name.split("_")[3]))
        )
        self.summary = summary
        ray = types.SimpleNamespace(tune=types.SimpleNamespace(Trainable=object))
        monkeypatch.setitem(sys.modules, "ray", ray)
        self.member = runpy.run_path(str(Path(options.__file__).with_name("member.py")))["Member"]()
        self.member.trial_id, self.member.iteration = "walk_00001", 0
        self.member.plan = Plan(("task=Ant",), (), "walk", 7, 10, ".")
        self.member.reset_config({})

    def __call__(self, arguments: list[str]) -> tuple[Path, int]:
        self.arguments = arguments
        if self.error is not None:
            raise self.error
        self.summary.ended_early = self.goal
        (self.folder / "nn").mkdir(exist_ok=True)
        file = self.folder / "nn" / f"last_walk_ep_{self.epoch}_rew_1.pth"
        file.touch()
        if self.has_replay:
            replay_file(file).touch()
            remove_other_replays(file)
        return self.folder, 0


def test_member_trains_from_interval_to_interval_and_copies_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(tmp_path, monkeypatch)
    member = trained.member
    trained.epoch = 10
    row = member.step()
    assert (row["epoch"], row["copied_from"], row["reward"], "goal" in row) == (10, None, 1.5, False)
    assert trained.arguments == ["task=Ant", "seed=8", "experiment=walk_1", "max_iterations=10"]
    # The other one has saved again after its next interval, into the same folder.
    files = {"1": row["file"], "2": "later.pth"}
    (tmp_path / "member.json").write_text(json.dumps({"files": files, "owner": 3, "seed": 10}))
    member.iteration = 1
    member.load_checkpoint(tmp_path)
    trained.epoch = 20
    row = member.step()
    assert (row["epoch"], row["copied_from"]) == (20, 3)
    first = tmp_path / "nn" / "last_walk_ep_10_rew_1.pth"
    assert trained.arguments[1:] == ["seed=10", "experiment=walk_1", f"checkpoint={first}", "max_iterations=20"]
    member.iteration = 2
    member.save_checkpoint(str(tmp_path))
    saved = {"files": {"1": str(first), "2": row["file"]}, "owner": 1, "seed": 10}
    assert json.loads((tmp_path / "member.json").read_text()) == saved


def test_member_that_ends_early_has_reached_the_goal_or_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Trained(tmp_path, monkeypatch)
    trained.epoch = 7
    with pytest.raises(OigeError) as error:
        trained.member.step()
    assert str(error.value) == f"{tmp_path}: training ended without a checkpoint of epoch 10."
    trained.goal = "reward 9"
    row = trained.member.step()
    assert (row["goal"], row["done"], Path(row["file"]).name) == (True, True, "last_walk_ep_7_rew_1.pth")
    assert row["epoch"] == 7


@pytest.mark.parametrize("kind", [DivergedError, ConfigError])
def test_member_that_cannot_train_trains_later_until_the_epoch_of_the_others(
    kind: type[OigeError], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(tmp_path, monkeypatch)
    member = trained.member
    trained.epoch = 10
    first = member.step()["file"]
    member.iteration = 1
    trained.error = kind("training diverged in epoch 14.")
    row = member.step()
    assert (row["epoch"], row["reward"], row["problem"]) == (20, -math.inf, "training diverged in epoch 14.")
    assert row["file"] == first
    member.iteration, trained.error, trained.epoch = 2, None, 30
    row = member.step()
    assert trained.arguments[-2:] == [f"checkpoint={first}", "max_iterations=30"]
    assert (row["epoch"], row["reward"]) == (30, 1.5)


def test_copy_finds_the_replay_buffer_of_a_member_that_has_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = Trained(tmp_path, monkeypatch)
    member = trained.member
    trained.has_replay = True
    files = {}
    for interval in range(4):
        member.iteration, trained.epoch = interval, 10 * (interval + 1)
        files[interval + 1] = member.step()["file"]
    # The others may still have to begin their copies of interval 3 while this one has ended interval 4.
    member.iteration = 3
    (tmp_path / "member.json").write_text(json.dumps({"files": files, "owner": 3, "seed": 10}))
    member.load_checkpoint(tmp_path)
    assert member.file == files[3]
    trained.folder = tmp_path / "copy"
    trained.folder.mkdir()
    trained.epoch = 40
    member.step()
    start = Path(trained.arguments[-2].removeprefix("checkpoint="))
    assert start.name == Path(files[3]).name
    assert start.is_file()
    assert replay_file(start).is_file()
    kept = {file.name for file in start.parent.glob("*.replay")}
    assert kept == {replay_file(Path(files[n])).name for n in (3, 4)}


def test_member_of_which_no_episode_has_ended_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = Trained(tmp_path, monkeypatch)
    trained.epoch, trained.summary.reward = 10, None
    row = trained.member.step()
    assert (row["reward"], row["problem"]) == (-math.inf, "no episode has ended")
