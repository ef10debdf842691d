"""Folders of runs that are written by hand."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tensorboardX import SummaryWriter

CONFIG = {"seed": 7, "task_name": "Ant", "train": {"params": {"algo": {"name": "sac"}, "config": {"gamma": 0.9}}}}


def write_events(
    folder: Path, points: Sequence[tuple[int, float]], *, start: float, tag: str = "rewards/step", number: int = 0
) -> Path:
    """Write an event file; an epoch takes 2 s."""
    writer = SummaryWriter(str(folder / "summaries"), filename_suffix=".x")
    for epoch, (steps, value) in enumerate(points):
        writer.add_scalar("losses/a_loss", 0.5, steps, walltime=start + 2.0 * epoch)
        writer.add_scalar(tag, value, steps, walltime=start + 2.0 * epoch)
        writer.add_scalar(f"shaped_{tag}", -1.0, steps, walltime=start + 2.0 * epoch)
    writer.close()
    (file,) = (folder / "summaries").glob("*.x")
    return file.rename(file.with_name(f"events.out.tfevents.{1700000000 + number}.host"))


def write_run(
    folder: Path,
    points: Sequence[tuple[int, float]] = ((100, 1.0), (200, 3.0), (300, 2.0)),
    config: dict[str, Any] | None = None,
    **start: Any,
) -> Path:
    """Write the folder of a run with a configuration, a checkpoint, one start and an event file."""
    (folder / "nn").mkdir(parents=True)
    (folder / "nn" / "last.pth").write_bytes(b"")
    (folder / "config.yaml").write_text(yaml.safe_dump(config or CONFIG))
    values = {
        "task": "Ant",
        "algorithm": "PPO",
        "seed": 7,
        "num_envs": 4,
        "date": "2026-05-01T10:00:00+00:00",
        "config": "config.yaml",
        "resumed_from": None,
        "end": {"state": "finished", "date": "2026-05-01T11:00:00+00:00", "reason": ""},
    }
    write_starts(folder, values | start)
    write_events(folder, points, start=1000.0)
    return folder


def write_starts(folder: Path, *starts: dict[str, Any]) -> None:
    (folder / "run.json").write_text(json.dumps(list(starts)))
