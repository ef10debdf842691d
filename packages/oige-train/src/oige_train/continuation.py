"""``resume=True``: the same command, started again, continues its run from the newest checkpoint in its folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from oige_core.errors import ConfigError

from oige_train.checkpoint import CheckpointError, CheckpointInfo, check_content, read_info
from oige_train.config import Run
from oige_train.runs.files import POLICIES, RUNS, replay_file
from oige_train.runs.run_summary import read_starts

__all__ = ["Found", "arguments_to_continue", "check_continues", "newest_checkpoint", "note_on_end"]

#: A seed that is drawn again in each start; a run that continues has one already.
DRAWN_SEED = "seed=-1"


class Found(NamedTuple):
    """A checkpoint.

    Attributes:
        file: its path.
        info: its description.
    """

    file: Path
    info: CheckpointInfo


def check_continues(runs: Sequence[Run]) -> None:
    """Refuse ``resume=True`` where there is not one run that trains.

    Raises:
        ConfigError: a run is resumed and is a job of a sweep, is played, or names a checkpoint.
    """
    for run in runs:
        if not run.config.resume:
            continue
        if len(runs) > 1:
            raise ConfigError(
                "resume=True: expected a single run, found a sweep; start the program once for each of its runs."
            )
        for key, given in (("test=True", run.config.test), ("checkpoint", bool(run.config.checkpoint))):
            if given:
                raise ConfigError(
                    f"resume=True: has no effect with {key}; leave one of them out. resume=True finds the newest "
                    "checkpoint in the folder of the run."
                )


def newest_checkpoint(folder: Path) -> tuple[Found | None, list[str]]:
    """Return the newest whole checkpoint of a run, and sentences for the user about damaged ones.

    If a replay buffer was saved, the newest periodic checkpoint takes precedence over the best policy, because
    training continues exactly from the former only.

    Args:
        folder: of the run.

    Raises:
        ConfigError: the folder contains checkpoints of plain rl_games only.
    """
    found: list[Found] = []
    notes, foreign = [], []
    for file in sorted((folder / POLICIES).glob("*.pth")):
        try:
            info = read_info(file, str(file))
        except CheckpointError as error:
            notes.append(f"resume=True: {error}")
            continue
        if info is None:
            foreign.append(file)
        else:
            found.append(Found(file, info))
    if foreign and not found:
        raise ConfigError(
            f"resume=True: {foreign[0]} was written by rl_games; resume it with checkpoint=, in a folder of its own."
        )
    periodic = [each for each in found if each.file.name.startswith("last_")]
    if any(replay_file(each.file).is_file() for each in periodic):
        found = periodic
    found.sort(key=lambda each: (each.info.epoch, each.file.name.startswith("last_"), each.file.stat().st_mtime_ns))
    for each in reversed(found):
        try:
            check_content(each.file, str(each.file))
        except CheckpointError as error:
            notes.append(f"resume=True: {error}")
            continue
        return each, notes
    return None, notes


def run_to_continue(run: Run) -> Path:
    """Return the folder of the run that a command starts or continues."""
    return RUNS / run.config.train.params.config.full_experiment_name


def arguments_to_continue(run: Run, arguments: Sequence[str]) -> tuple[list[str] | None, list[str]]:
    """Return the arguments that resume the newest checkpoint of a run, or None if there is none yet.

    Args:
        run: the checked run.
        arguments: the command line that described it, without the program's name.

    Returns:
        The arguments, and sentences for the user about damaged checkpoints.
    """
    found, notes = newest_checkpoint(run_to_continue(run))
    if found is None:
        return None, notes
    kept = [argument for argument in arguments if argument.lstrip("+") != DRAWN_SEED]
    return [*kept, f"checkpoint={found.file}"], notes


def note_on_end(run: Run) -> str | None:
    """Return a sentence if a run that would continue has ended; None if it has not.

    Args:
        run: the checked run, with its newest checkpoint.
    """
    assert run.checkpoint is not None
    info = read_info(run.checkpoint, str(run.checkpoint))
    assert info is not None
    folder = run_to_continue(run)
    last = run.config.train.params.config.max_epochs
    if 0 < last <= info.epoch:
        limit = f"raise max_iterations, which is {last}"
    else:
        end = _latest_end(folder)
        same = run.former is not None and set(run.former.overrides) == set(run.record.overrides)
        if end != "finished" or not same:
            return None
        limit = "change the limit or goal at which it has ended"
    return f"{folder}: training has ended after epoch {info.epoch}, so nothing is left to do; to continue, {limit}."


def _latest_end(folder: Path) -> str | None:
    """Return how the latest start of a run ended, as ``run.json`` says; None if it does not."""
    try:
        starts = read_starts(folder)
    except ValueError:
        return None
    end = starts[-1].get("end") if starts else None
    return end.get("state") if isinstance(end, dict) else None
