"""SAC and FlashSAC continue exactly with their replay buffer, which is kept beside the newest checkpoint."""

import errno
import os
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_env import build, make_flashsac_run, make_sac_run
from oige_train.checkpoint import load_checkpoint
from oige_train.learner import replay_files
from oige_train.learner.off_policy import OffPolicyAgent
from random_env import RandomEnv, state_of

EPOCHS = 6
SAC = {
    "num_steps_per_episode": 4,
    "num_warmup_steps": 2,
    "normalize_input": True,
    "policy_frequency": 2,
    "num_updates_per_step": 3,
}
FLASHSAC = {"num_warmup_frames": 16, "n_step": 2, "policy_frequency": 2, "num_updates_per_step": 3}
#: The buffer of 40 transitions of 4 worlds is written over by the third epoch of 16.
KINDS = {"sac": (make_sac_run, SAC), "flashsac": (make_flashsac_run, FLASHSAC)}


def make(kind: str, folder: Path, **changes: Any) -> Any:
    make_run, settings = KINDS[kind]
    settings = {"save_frequency": 3, "max_epochs": EPOCHS, "replay_buffer_size": 40, **settings, **changes}
    return build(make_run(4, **settings), RandomEnv(4), folder)


def trained(kind: str, folder: Path, **changes: Any) -> Any:
    agent = make(kind, folder, **changes)
    agent.train()
    return agent


def checkpoint(folder: Path, epoch: int) -> Path:
    (file,) = (folder / "Fake" / "nn").glob(f"last_Fake_ep_{epoch}_*.pth")
    return file


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def half(kind: str, tmp_path: Path) -> Path:
    """Return the checkpoint of a run that was killed after three of six epochs, with its replay buffer."""
    agent = trained(kind, tmp_path / "half", max_epochs=3)
    assert agent.epoch_num == 3
    return checkpoint(tmp_path / "half", 3)


@pytest.mark.parametrize("epochs", [1, 3])
def test_training_continues_exactly(kind: str, epochs: int, tmp_path: Path) -> None:
    """With the whole ring after three epochs, and within the initial exploration after one."""
    whole = trained(kind, tmp_path / "whole")
    trained(kind, tmp_path / "half", max_epochs=epochs)
    second = make(kind, tmp_path / "second")
    assert second.restore(str(checkpoint(tmp_path / "half", epochs)))
    assert second.session.notes == []
    second.train()
    ours, theirs = state_of(whole), state_of(second)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name
    assert torch.equal(torch.stack(whole.vec_env.env.actions[4 * epochs :]), torch.stack(second.vec_env.env.actions))
    replays = [agent.replay_tensors() for agent in (whole, second)]
    assert all(torch.equal(values, replays[1][name]) for name, values in replays[0].items())
    assert torch.equal(
        *(load_checkpoint(agent.session.last, "cpu")["random_state"]["torch"] for agent in (whole, second))
    )


def refilled(kind: str, folder: Path, file: Path, **changes: Any) -> Any:
    """Return an agent that was resumed without the replay buffer."""
    agent = make(kind, folder, **changes)
    assert agent.restore(str(file))
    assert agent.session.notes == [
        f"checkpoint={file}: has no replay buffer beside it, so that training fills one again before it learns."
    ]
    assert agent.num_warmup_steps == make(kind, folder / "other", **changes).num_warmup_steps + 3
    return agent


def test_missing_replay_buffer_is_filled_again(kind: str, half: Path, tmp_path: Path) -> None:
    half.with_suffix(".replay").unlink()
    refilled(kind, tmp_path / "second", half)


def test_replay_buffer_of_another_size_is_not_used(kind: str, half: Path, tmp_path: Path) -> None:
    refilled(kind, tmp_path / "second", half, replay_buffer_size=44)


def test_damaged_replay_buffer_is_not_used(kind: str, half: Path, tmp_path: Path) -> None:
    file = half.with_suffix(".replay")
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    refilled(kind, tmp_path / "second", half)


# Of an entry in the table of an archive: a flag at byte 8 says that it is encrypted, and byte 10 is its compression.
@pytest.mark.parametrize(("byte", "bit"), [(8, 1), (10, 1), (10, 8)])
def test_replay_buffer_with_a_damaged_table_is_not_used(half: Path, byte: int, bit: int) -> None:
    file = half.with_suffix(".replay")
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\1\2") + byte] ^= bit
    file.write_bytes(content)
    assert replay_files.load_replay(half, load_checkpoint(half, "cpu")) is None


@pytest.mark.parametrize(
    ("choice", "device", "saves"), [("auto", "cpu", True), ("auto", "cuda:0", False), ("True", "cuda:0", True)]
)
def test_replay_buffer_on_a_gpu_is_saved_if_so_configured(choice: str, device: str, saves: bool) -> None:
    agent: Any = types.SimpleNamespace(config={"save_replay_buffer": choice}, device=device)
    assert OffPolicyAgent._saves_memory(agent) == saves


def test_replay_buffer_of_another_state_is_not_used(half: Path) -> None:
    """A process may be killed after it has written a replay buffer and before it writes the checkpoint."""
    state = load_checkpoint(half, "cpu")
    assert replay_files.load_replay(half, state) is not None
    assert replay_files.load_replay(half, state | {"frame": state["frame"] + 1}) is None
    drawn = state["random_state"] | {"torch": torch.Generator().manual_seed(3).get_state()}
    assert replay_files.load_replay(half, state | {"random_state": drawn}) is None


def test_only_the_newest_replay_buffer_is_kept(kind: str, tmp_path: Path) -> None:
    trained(kind, tmp_path, save_frequency=2)
    files = {file.name for file in (tmp_path / "Fake" / "nn").iterdir()}
    assert {name.partition("_rew")[0] for name in files if name.endswith(".pth")} == {
        f"last_Fake_ep_{epoch}" for epoch in (2, 4, 6)
    }
    assert {name for name in files if name.endswith(".replay")} == {
        checkpoint(tmp_path, EPOCHS).with_suffix(".replay").name
    }


def test_replay_buffer_is_not_saved_if_so_configured(kind: str, tmp_path: Path) -> None:
    trained(kind, tmp_path, save_replay_buffer="False")
    assert not list((tmp_path / "Fake" / "nn").glob("*.replay"))


def test_full_disk_leaves_out_the_replay_buffer_and_keeps_the_checkpoint(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    trained(kind, tmp_path, max_epochs=3)
    file = checkpoint(tmp_path, 3)
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    relevant = [message for message in caplog.messages if "replay" in message]
    assert relevant == [
        f"{file}: the replay buffer was not saved in epoch 3 (No space left on device); training that resumes from "
        "this checkpoint fills it again"
    ]
