"""A full disk neither ends training nor damages files that were written before."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import tensorboardX
from oige_train.checkpoint import load_checkpoint
from oige_train.learner.summaries import prepare_writer

CONFIG = "train.params.config"
TINY = ("num_envs=16", "sim_device=cpu", f"{CONFIG}.horizon_length=4", f"{CONFIG}.save_frequency=1")


@pytest.fixture
def full_from(monkeypatch: pytest.MonkeyPatch):
    """Let the disk be full from the n-th checkpoint on, for as many as are said."""

    def install(first: int, count: int = 10**6) -> None:
        import oige_train.learner.agent as agent
        from oige_train.checkpoint import save_checkpoint

        calls: list[Path] = []

        def saving(file: Path, *rest: Any) -> None:
            calls.append(file)
            fsync = os.fsync
            with pytest.MonkeyPatch.context() as patch:
                if first <= len(calls) < first + count:
                    patch.setattr(os, "fsync", lambda _: fail())
                else:
                    patch.setattr(os, "fsync", fsync)
                save_checkpoint(file, *rest)

        def fail() -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(agent, "save_checkpoint", saving)

    return install


def test_training_continues_after_a_failed_checkpoint(program, full_from) -> None:
    full_from(2, 1)
    outcome = program(*TINY, "max_iterations=3", "task.env.episodeLength=1000")
    assert outcome.code == 0, outcome.err
    (first,) = Path("runs/Cartpole/nn").glob("last_*_ep_1_*.pth")
    assert [file.name.partition("_rew")[0] for file in sorted(Path("runs/Cartpole/nn").iterdir())] == [
        "last_Cartpole_ep_1",
        "last_Cartpole_ep_3",
    ]
    (line,) = (line for line in outcome.err.splitlines() if "not saved" in line)
    assert line.endswith(
        f"not saved in epoch 2 (No space left on device); training continues, the newest checkpoint is {first}"
    )


def test_failed_final_checkpoint_names_the_newest_one(program, full_from) -> None:
    full_from(2)
    outcome = program(*TINY, "max_iterations=3", "task.env.episodeLength=1000")
    assert outcome.code == 2
    (first,) = Path("runs/Cartpole/nn").iterdir()
    assert load_checkpoint(first, "cpu")["epoch"] == 1
    last = outcome.err.splitlines()[-1]
    assert last.startswith("error: the state after epoch 3 was not saved (No space left on device); resume: ")
    assert f"checkpoint={first}" in last
    assert "done:" not in outcome.out


def torch_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full takes nothing, and is not here")
@pytest.mark.parametrize("make", [lambda folder: tensorboardX.SummaryWriter(str(folder)), torch_writer])
def test_failing_summaries_are_reported_once(make: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    writer = make(tmp_path)
    prepare_writer(writer)
    events = writer.file_writer.event_writer
    records = events._ev_writer._py_recordio_writer if hasattr(events, "_ev_writer") else events._async_writer._writer
    records._writer._file.close()
    records._writer._file = Path("/dev/full").open("wb")  # noqa: SIM115
    for step in range(200):  # more than their queues hold
        writer.add_scalar("x", 1.0, step)
    writer.flush()
    writer.add_scalar("x", 1.0, 200)
    writer.close()
    assert caplog.messages == ["summaries cannot be written (No space left on device); training continues without them"]
