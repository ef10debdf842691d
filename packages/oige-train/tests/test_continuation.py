"""``resume=True``: the same command continues its run, whatever a kill has left in the folder."""

import dataclasses
import json
import os
import shutil
import types
from pathlib import Path
from typing import Any

import pytest
from oige_core.errors import ConfigError
from oige_train.checkpoint import load_checkpoint, read_info, save_checkpoint
from oige_train.checkpoint_info import CheckpointInfo
from oige_train.continuation import arguments_to_continue, check_continues, newest_checkpoint, note_on_end
from oige_train.learner.summaries import FrameWriter, prepare_writer
from oige_train.run_folder import RunFolder, restore_best

CONFIG = "train.params.config"
COMMAND = (
    "task=Cartpole",
    "num_envs=16",
    "sim_device=cpu",
    "experiment=walk",
    f"{CONFIG}.horizon_length=4",
    f"{CONFIG}.save_frequency=2",
    "task.env.episodeLength=1000",
    "resume=True",
)
INFO = CheckpointInfo(
    task="Cartpole",
    algo="a2c_continuous",
    observation_shape=(4,),
    num_actions=1,
    num_states=0,
    epoch=1,
    mean_reward=None,
)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_same_command_starts_continues_and_ends_a_run(program) -> None:
    started = program(*COMMAND, "max_iterations=2")
    assert started.code == 0, started.err
    assert "results: runs/walk\n" in started.err
    (first,) = Path("runs/walk/nn").iterdir()
    torn = first.with_name(f".{first.name}.x1.tmp")
    torn.write_bytes(first.read_bytes()[:100])
    tables = [Path("runs/walk", name) for name in (".run.json.x2.tmp", ".config_2.yaml.x3.tmp", ".other.pth.tmp")]
    for file in tables:
        file.touch()

    continued = program(*COMMAND, "max_iterations=4")
    assert continued.code == 0, continued.err
    lines = continued.err.splitlines()
    assert "results: runs/walk, continued" in lines
    unfinished = ", ".join(map(str, (*tables[:2], torn)))
    assert f"removed unfinished files of an earlier start: {unfinished}" in lines
    assert [file.is_file() for file in tables] == [False, False, True]  # the last may be that of another program
    assert f"resuming {first} after epoch 2" in lines
    assert names(Path("runs")) == ["walk"]
    assert [name.partition("_rew")[0] for name in names(first.parent)] == ["last_walk_ep_2", "last_walk_ep_4"]
    starts = json.loads(Path("runs/walk/run.json").read_text())
    assert [start["resumed_from"] for start in starts] == [None, str(first)]

    ended = program(*COMMAND, "max_iterations=4")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.splitlines()[-1] == (
        "runs/walk: training has ended after epoch 4, so nothing is left to do; to continue, raise max_iterations, "
        "which is 4."
    )


def test_run_without_a_checkpoint_starts_again_in_its_folder(program) -> None:
    Path("runs/walk/nn").mkdir(parents=True)
    outcome = program(*COMMAND, "max_iterations=1")
    assert outcome.code == 0, outcome.err
    assert "results: runs/walk, started again, because it has no checkpoint" in outcome.err.splitlines()
    assert names(Path("runs")) == ["walk"]


@pytest.mark.parametrize("changes", [{"test": True}, {"checkpoint": "a.pth"}])
def test_resume_with_another_checkpoint_is_refused(changes: dict[str, Any]) -> None:
    run: Any = types.SimpleNamespace(
        config=types.SimpleNamespace(**{"resume": True, "test": False, "checkpoint": ""} | changes)
    )
    with pytest.raises(ConfigError) as error:
        check_continues([run])
    key = "test=True" if "test" in changes else "checkpoint"
    assert str(error.value) == (
        f"resume=True: has no effect with {key}; leave one of them out. resume=True finds the newest checkpoint in the "
        "folder of the run."
    )
    run.config.resume = False
    check_continues([run])


def test_resume_of_a_sweep_is_refused() -> None:
    run: Any = types.SimpleNamespace(config=types.SimpleNamespace(resume=True))
    with pytest.raises(ConfigError) as error:
        check_continues([run, run])
    assert str(error.value) == (
        "resume=True: expected a single run, found a sweep; start the program once for each of its runs."
    )


def written(folder: Path, name: str, epoch: int, mean_reward: float | None = None) -> Path:
    (folder / "nn").mkdir(exist_ok=True)
    file = folder / "nn" / f"{name}.pth"
    save_checkpoint(file, {"epoch": epoch}, dataclasses.replace(INFO, epoch=epoch, mean_reward=mean_reward))
    return file


def test_newest_checkpoint_is_that_of_the_last_epoch(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) == (None, [])
    written(tmp_path, "last_walk_ep_9_rew_1.00", 9)
    newest = written(tmp_path, "last_walk_ep_10_rew_none", 10)
    written(tmp_path, "walk", 8)
    found, notes = newest_checkpoint(tmp_path)
    assert (found and found.file, notes) == (newest, [])
    best = written(tmp_path, "walk", 12)
    found, _ = newest_checkpoint(tmp_path)
    assert found is not None
    assert (found.file, found.info.epoch) == (best, 12)
    newest.with_suffix(".replay").touch()  # with which training continues exactly, but not from the best policy
    found, _ = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.file == newest


def test_damaged_checkpoints_are_named_and_passed_over(tmp_path: Path) -> None:
    whole = written(tmp_path, "last_walk_ep_2", 2)
    flipped, cut = written(tmp_path, "last_walk_ep_4", 4), written(tmp_path, "last_walk_ep_6", 6)
    content = bytearray(flipped.read_bytes())
    content[content.index(b"epoch")] ^= 1
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:-30])
    found, notes = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.file == whole
    assert notes == [
        f"resume=True: {cut}: not a checkpoint; expected a .pth file of oige-train or rl_games.",
        f"resume=True: {flipped}: damaged (the content of archive/data.pkl has changed); use another checkpoint.",
    ]


# Of an entry in the table of an archive: a flag at byte 8 says that it is encrypted, and byte 10 is its compression.
@pytest.mark.parametrize(("byte", "bit"), [(8, 1), (10, 1), (10, 8)])
@pytest.mark.parametrize("entry", [b"/data.pkl", b"/oige.json"])
def test_checkpoint_with_a_damaged_table_is_passed_over(entry: bytes, byte: int, bit: int, tmp_path: Path) -> None:
    damaged = written(tmp_path, "last_walk_ep_2", 2)
    content = bytearray(damaged.read_bytes())
    content[content.rindex(b"PK\1\2", 0, content.rindex(entry)) + byte] ^= bit
    damaged.write_bytes(content)
    found, notes = newest_checkpoint(tmp_path)
    assert found is None
    (note,) = notes
    assert note.startswith(f"resume=True: {damaged}: damaged (")


def test_checkpoint_of_the_last_epoch_precedes_a_newer_best_policy_of_it(tmp_path: Path) -> None:
    last, best = written(tmp_path, "last_walk_ep_4", 4), written(tmp_path, "walk", 4)
    os.utime(last, (1, 1))
    assert best.stat().st_mtime > 1
    found, _ = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.file == last


def walk(overrides: tuple[str, ...] = (), former: tuple[str, ...] = (), max_epochs: int = 9, **config: Any) -> Any:
    """Return the run ``runs/walk`` with overrides, and with those of its earlier start."""
    learner = types.SimpleNamespace(full_experiment_name="walk", max_epochs=max_epochs)
    train = types.SimpleNamespace(params=types.SimpleNamespace(config=learner))
    return types.SimpleNamespace(
        config=types.SimpleNamespace(train=train),
        record=types.SimpleNamespace(overrides=overrides),
        former=types.SimpleNamespace(overrides=former),
        **config,
    )


def test_seed_is_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/walk").mkdir(parents=True)
    command = ["task=Ant", "seed=-1", "++seed=-1", "num_envs=-1"]
    assert arguments_to_continue(walk(), command) == (None, [])
    file = written(Path("runs/walk"), "last_walk_ep_4", 4)
    assert arguments_to_continue(walk(), command) == (["task=Ant", "num_envs=-1", f"checkpoint={file}"], [])


@pytest.mark.parametrize(
    ("state", "overrides", "ended"),
    [("finished", ("a=1", "b=2"), True), ("finished", ("a=1",), False), ("stopped", ("a=1", "b=2"), False)],
)
def test_run_that_reached_its_goal_continues_with_other_overrides_only(
    state: str, overrides: tuple[str, ...], ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path("runs/walk")
    folder.mkdir(parents=True)
    run = walk(overrides, ("b=2", "a=1"), checkpoint=written(folder, "last_walk_ep_4", 4))
    (folder / "run.json").write_text(json.dumps([{"end": {"state": "failed"}}, {"end": {"state": state}}]))
    expected = (
        "runs/walk: training has ended after epoch 4, so nothing is left to do; to continue, change the limit or goal "
        "at which it has ended."
    )
    assert note_on_end(run) == (expected if ended else None)


def test_folder_of_plain_rl_games_is_refused(tmp_path: Path) -> None:
    import torch

    (tmp_path / "nn").mkdir()
    torch.save({"model": {}}, tmp_path / "nn" / "Ant.pth")
    with pytest.raises(ConfigError) as error:
        newest_checkpoint(tmp_path)
    assert str(error.value) == (
        f"resume=True: {tmp_path / 'nn' / 'Ant.pth'} was written by rl_games; resume it with checkpoint=, in a folder "
        "of its own."
    )
    ours = written(tmp_path, "last_walk_ep_2", 2)
    found, notes = newest_checkpoint(tmp_path)
    assert (found and found.file, notes) == (ours, [])


@pytest.mark.parametrize(("best", "restored"), [(3.5, True), (4.0, False)])
def test_best_policy_that_a_kill_prevented_is_written(best: float, restored: bool, tmp_path: Path) -> None:
    """Its periodic checkpoint was written before it; a better one of an earlier start is not replaced."""
    last = written(tmp_path, "last_walk_ep_4", 4, mean_reward=3.5)
    learner = types.SimpleNamespace(name="walk")
    train = types.SimpleNamespace(params=types.SimpleNamespace(config=learner))
    run: Any = types.SimpleNamespace(checkpoint=last, config=types.SimpleNamespace(train=train))
    restore_best(RunFolder(tmp_path, is_new=False, note=""), run, best)
    file = tmp_path / "nn" / "walk.pth"
    assert file.is_file() == restored
    if restored:
        info = read_info(file, "x")
        assert info is not None
        assert (info.epoch, load_checkpoint(file, "cpu")["epoch"]) == (4, 4)


def test_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    from oige_train.atomic import remove_unfinished, written_atomically

    file = tmp_path / "a"
    file.write_text("old")

    def fail() -> None:
        with written_atomically(file) as stream:
            stream.write(b"new")
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert (names(tmp_path), file.read_text()) == (["a"], "old")
    with written_atomically(file) as stream:
        stream.write(b"new")
        assert file.read_text() == "old"
        (torn,) = [path for path in tmp_path.iterdir() if path != file]
        shutil.copy(torn, tmp_path / ".b.x.tmp")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o644  # others may read it, which is not so of temporary files
    assert [path.name for path in remove_unfinished(tmp_path)] == [".b.x.tmp"]
    assert names(tmp_path) == ["a"]


def writer_of(kind: str, folder: Path) -> Any:
    if kind == "tensorboardX":
        import tensorboardX

        return tensorboardX.SummaryWriter(str(folder))
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


@pytest.mark.parametrize("kind", ["tensorboardX", "torch"])
def test_killed_and_continued_run_has_each_summary_once(kind: str, tmp_path: Path) -> None:
    """The first start writes up to 40 steps and is killed; the second continues after 20 steps."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folders = [tmp_path / name for name in ("first", "second")]
    for folder, first, last in zip(folders, (10, 30), (40, 50), strict=True):
        plain = writer_of(kind, folder)
        prepare_writer(plain)
        now = [0]
        writer = FrameWriter(plain, lambda now=now: now[0])
        writer.continue_after(first - 10)
        for now[0] in range(first, last + 1, 10):
            writer.add_scalar("x", float(now[0] + (folder == folders[1])))
        writer.write()
        writer.flush()  # no event is in a queue after this: the process may be killed
    (tmp_path / "all").mkdir()
    for number, folder in enumerate(folders):
        (file,) = folder.iterdir()
        shutil.copy(file, tmp_path / "all" / f"events.out.tfevents.{number}")
    events = EventAccumulator(str(tmp_path / "all"))
    events.Reload()
    points = [(event.step, event.value) for event in events.Scalars("x")]
    assert points == [(10, 10), (20, 20), (30, 31), (40, 41), (50, 51)]
