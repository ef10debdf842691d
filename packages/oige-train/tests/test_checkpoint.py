"""Checkpoints: atomic writing, safe loading, and information that is readable without torch."""

import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_infos import make_info
from oige_train.checkpoint import (
    CheckpointError,
    checkpoint_path,
    load_checkpoint,
    read_info,
    save_checkpoint,
)

INFO = make_info("Cartpole", 4, 1, epoch=7, mean_reward=12.5)


def test_saved_state_and_info_load_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "a [1]=b.pth"
    state = {"model": {"w": torch.arange(6.0).view(2, 3)}, "epoch": 7, "names": ["x", ("y", None)], "best": -1e9}
    save_checkpoint(file, state, INFO)
    assert read_info(file, "x") == INFO
    loaded = load_checkpoint(file, "cpu")
    assert torch.equal(loaded.pop("model")["w"], state["model"]["w"])
    assert loaded == {"epoch": 7, "names": ["x", ("y", None)], "best": -1e9}
    assert [f.name for f in tmp_path.iterdir()] == [file.name]


def test_backslashes_of_upstream_command_lines_are_left_out_of_paths(tmp_path: Path) -> None:
    plain = tmp_path / "last_Ant(1)_ep=501_rew[5981.31].pth"
    typed = str(tmp_path / r"last_Ant\(1\)_ep\=501_rew\[5981.31\].pth")
    assert checkpoint_path(typed) == Path(typed), "so that a message shows what was typed"
    plain.touch()
    assert checkpoint_path(typed) == plain
    assert checkpoint_path(str(plain)) == plain


@pytest.mark.skipif(os.name != "posix", reason="a backslash separates folders")
def test_file_whose_name_has_backslashes_takes_precedence(tmp_path: Path) -> None:
    for name in ("a[1].pth", r"a\[1\].pth"):
        (tmp_path / name).touch()
    assert checkpoint_path(str(tmp_path / r"a\[1\].pth")) == tmp_path / r"a\[1\].pth"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_failed_write_keeps_the_old_checkpoint_and_no_other_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.pth"
    save_checkpoint(file, {"epoch": 1}, INFO)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(*{"fsync": (os, "fsync", fail), "replace": (Path, "replace", fail)}[call])
    with pytest.raises(OSError, match="disk full"):
        save_checkpoint(file, {"epoch": 2}, INFO)
    monkeypatch.undo()
    assert load_checkpoint(file, "cpu") == {"epoch": 1}
    assert [f.name for f in tmp_path.iterdir()] == ["a.pth"]


def test_checkpoint_is_complete_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        assert synced == [str(self)]
        assert self.parent == target.parent
        assert load_checkpoint(self, "cpu") == {"epoch": 2}
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    save_checkpoint(tmp_path / "a.pth", {"epoch": 2}, INFO)
    assert synced[-1] == str(tmp_path)


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.victim}",)


@pytest.fixture
def malicious(tmp_path: Path) -> tuple[Path, Path]:
    """A file that looks like a checkpoint of Cartpole, and the file that loading it carelessly would create."""
    file, victim = tmp_path / "malicious.pth", tmp_path / "victim"
    save_checkpoint(file, {"epoch": 1, "model": {}}, INFO)
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            harmful = pickle.dumps({"epoch": 1, "model": Malicious(victim)}, protocol=2)
            archive.writestr(name, harmful if name.endswith("data.pkl") else content)
    torch.load(file, weights_only=False)
    assert victim.exists(), "the file must be able to do harm, or the tests show nothing"
    victim.unlink()
    return file, victim


def test_pickle_that_runs_code_is_refused(malicious: tuple[Path, Path]) -> None:
    file, victim = malicious
    with pytest.raises(CheckpointError, match="could run code"):
        load_checkpoint(file, "cpu")
    assert not victim.exists()


@pytest.mark.parametrize("arguments", [(), ("test=True",)])
def test_program_refuses_a_pickle_that_runs_code(
    arguments: tuple[str, ...], malicious: tuple[Path, Path], program
) -> None:
    file, victim = malicious
    outcome = program("num_envs=8", f"checkpoint={file}", "train.params.config.minibatch_size=128", *arguments)
    assert outcome.code == 2
    assert "Traceback" not in outcome.err
    assert "refused: it holds more than tensors" in outcome.err.splitlines()[-1]
    assert not victim.exists()


def test_plain_pickle_is_refused_without_loading(tmp_path: Path) -> None:
    file, victim = tmp_path / "bare.pth", tmp_path / "victim"
    file.write_bytes(pickle.dumps(Malicious(victim)))
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        read_info(file, "checkpoint=bare.pth")
    with pytest.raises(CheckpointError):
        load_checkpoint(file, "cpu")
    assert not victim.exists()


@pytest.mark.parametrize("numpy_name", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_checkpoint_of_plain_rl_games_with_its_numpy_score_loads(numpy_name: bytes, tmp_path: Path) -> None:
    new, file = tmp_path / "new.pth", tmp_path / "old.pth"
    torch.save({"model": {"w": torch.ones(2)}, "epoch": 3, "last_mean_rewards": np.float32(4.5)}, new)
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name.endswith("data.pkl"):
                content, replaced = re.subn(rb"numpy\._?core\.multiarray", numpy_name, content)
                assert replaced
            target.writestr(name, content)
    assert read_info(file, "x") is None
    state = load_checkpoint(file, "cpu")
    assert state["last_mean_rewards"] == 4.5
    assert torch.equal(state["model"]["w"], torch.ones(2))


@pytest.mark.parametrize("part", ["tail", "middle", "weight"])
def test_damaged_file_error_names_the_file(part: str, tmp_path: Path) -> None:
    file = tmp_path / "a.pth"
    save_checkpoint(file, {"w": torch.arange(10000.0)}, INFO)
    content = bytearray(file.read_bytes())
    if part == "tail":
        del content[len(content) // 2 :]
    elif part == "weight":
        content[content.index(torch.arange(1000.0).numpy().tobytes()) + 400] ^= 0x55
    else:
        start = content.index(b"data.pkl") + 8
        content[start : start + 200] = bytes(200)
    file.write_bytes(bytes(content))
    with pytest.raises(CheckpointError, match=r"checkpoint=.*a\.pth: "):
        load_checkpoint(file, "cpu")
