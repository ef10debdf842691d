"""Scores the checkpoints of a run, which may still train, on one simulation."""

import contextlib
import datetime
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from oige_core.errors import OigeError

from oige_train.checkpoint import check_checkpoint, read_info
from oige_train.checkpoint_info import CheckpointError, CheckpointInfo
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.episodes import Episodes
from oige_train.evaluation.checkpoints import LOOK_SECONDS, CheckpointFolder
from oige_train.evaluation.scores import BEST_FILE, SCORES_FILE, Score, append_score, best_of, read_scores
from oige_train.learner.summaries import prepare_writer
from oige_train.play import make_adapter
from oige_train.play_result import PlayResult
from oige_train.policy import FlashSacPolicy, Policy, build_policy, load_weights
from oige_train.runs.files import EVALUATION, SUMMARIES, locked
from oige_train.stopping import RunStoppedError
from oige_train.viewing import StepLoop

__all__ = ["Evaluator"]

TAGS = {"return": "mean_return", "length": "mean_length", "success": "success", "goals": "goals"}

_log = logging.getLogger(__name__)


class Evaluator:
    """Scores the checkpoints in a folder, and those that a training adds, under equal conditions.

    Each checkpoint plays the same number of episodes, from the same state of the simulation and of its random streams.
    Scores go to ``evaluation.csv`` and as ``eval/…`` to TensorBoard, over environment steps of training; checkpoints
    that were scored before under the same conditions are left out. The best one is copied to ``evaluation_best.pth``.

    Args:
        run: the checked run; its checkpoint is one of those in the folder.
        env: the vector environment, which is kept for all checkpoints.
        line: where progress is shown.
        report: shows a result.
        pause: waits for some seconds.

    Attributes:
        folder: the folder.
        file: the file with the scores.
        best: the best score so far; None if there is none.
        count: number of checkpoints scored by this program.
        stopped: whether the user has ended the evaluation.
    """

    def __init__(
        self,
        run: Run,
        env: Any,
        line: ProgressLine,
        report: Callable[[str], None] = print,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        assert run.checkpoint is not None
        self._run, self._line, self._report, self._pause = run, line, report, pause
        self._config = run.config.train.params.config.player
        self._settings = " ".join(_settings(run))
        self._adapter = make_adapter(run, env)
        self._policy = build_policy(run, self._adapter.get_env_info(), run.config.rl_device, env.num_envs)
        self.folder = CheckpointFolder(run.checkpoint.parent)
        self.file = self.folder.run / SCORES_FILE
        self.best: Score | None = None
        self.count = 0
        self.stopped = False
        self._known: set[tuple[object, ...]] = set()
        self._start: dict[str, Any] | None = None
        self._episodes: Episodes | None = None

    def run(self, loop: StepLoop | None = None) -> None:
        """Score checkpoints until training has ended and the last one is scored, or no new one appears in time.

        Args:
            loop: stops on request; None: never.

        Raises:
            OigeError: another program scores these checkpoints, or the file of their scores is damaged.
            OSError: a score cannot be written.
        """
        loop = loop or StepLoop()
        idle = 0.0
        said = False
        with self._scores() as writer:
            while not loop.stopped:
                ended = self.folder.training_has_ended()  # asked first, so that the last checkpoint is not missed
                if (found := self._next()) is not None:
                    idle = 0.0
                    self._score(found, loop, writer)
                elif ended:
                    _log.info("training has ended, and all checkpoints are scored")
                    break
                elif idle >= self._run.config.evaluation_timeout:
                    _log.info(f"no new checkpoint for {self._run.config.evaluation_timeout:g} s")
                    break
                else:
                    if not said:
                        said = True
                        _log.info(f"waiting for new checkpoints in {self.folder.policies}; Ctrl-C ends the evaluation")
                    self._pause(LOOK_SECONDS)
                    idle += LOOK_SECONDS
        self.stopped = loop.stopped

    def _next(self) -> Path | None:
        """Return the checkpoint of the fewest epochs that has no score yet; None if there is none."""
        for file, info in self.folder.readable():
            if _identity(file, info) not in self._known and not self.folder.is_refused(file):
                return file
        return None

    def _score(self, file: Path, loop: StepLoop, writer: Any) -> None:
        config = self._run.config
        kept = self.folder.run / f".{BEST_FILE}.tmp"
        try:
            shutil.copy2(file, kept)  # training may replace or remove the file meanwhile
            info = read_info(kept, str(file))
            check_checkpoint(
                str(kept),
                task=config.task.name,
                algo=config.train.params.algo.name,
                spec=self._run.spec,
                env=config.task.env,
            )
            steps = load_weights(self._policy, kept, config.rl_device)
        except CheckpointError as error:
            self.folder.refuse(file, str(error).replace(str(kept), str(file)))
            return
        except FileNotFoundError as error:
            self.folder.refuse(file, str(error))
            return
        result = self._play(self._policy, loop)
        self._line.close()
        if result is None:
            _log.info(f"{file}: not scored, because the evaluation was ended before its last episode")
            return
        score = Score(
            steps=steps,
            epoch=None if info is None else info.epoch,
            mean_return=result.mean_return,
            mean_length=result.mean_length,
            success=result.success,
            goals=result.goals,
            episodes=result.count,
            num_envs=self._adapter.env.num_envs,
            seed=config.seed,
            settings=self._settings,
            training_reward=None if info is None else info.mean_reward,
            checkpoint=file.name,
            date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        )
        append_score(self.file, score)
        self._known.add(_identity(file, info))
        self.count += 1
        _write_summaries(writer, score)
        best = best_of([self.best, score] if self.best is not None else [score])
        is_best = best is score
        if is_best:
            self.best = score
            kept.replace(self.folder.run / BEST_FILE)
        self._report(_line(score, result, is_best=is_best))

    def _play(self, policy: Policy | FlashSacPolicy, loop: StepLoop) -> PlayResult | None:
        """Return the result of all episodes; None if the user has ended them."""
        torch.manual_seed(self._run.config.seed)  # of exploration noise
        if self._start is None:
            self._adapter.env.reset(seed=self._run.config.seed)  # engines may allocate their state in a reset
            self._start = self._adapter.get_env_state()
        self._adapter.set_env_state(self._start)
        if self._episodes is None:
            self._episodes = Episodes(policy, self._adapter, self._config)
        else:
            self._episodes.begin()
        while not self._episodes.are_complete():
            if not loop.wait_for_next_step():
                return None
            try:
                self._episodes.step()
            except RunStoppedError:
                loop.stop()
                return None
            self._episodes.show(self._line, endless=False)
        return self._episodes.result()

    @contextlib.contextmanager
    def _scores(self) -> Iterator[Any]:
        """Read the scores so far, keep other programs from adding some, and provide a writer of summaries.

        Raises:
            OigeError: another program adds scores, or the file is damaged.
        """
        from tensorboardX import SummaryWriter

        self.file.touch()
        with locked(self.file) as free:
            if free is False:
                raise OigeError(f"{self.file}: another program scores these checkpoints; wait for it to end.")
            scores, problem = read_scores(self.file)
            if problem and not scores:
                raise OigeError(f"{self.file}: {problem}; move it away.")
            mine = (self._config.games_num, self._adapter.env.num_envs, self._run.config.seed, self._settings)
            same = [score for score in scores if score.conditions == mine]
            self._known = {(score.epoch, score.training_reward) for score in same if score.epoch is not None}
            self._known |= {(score.checkpoint,) for score in same if score.epoch is None}
            self.best = best_of(same) if same else None
            if same:
                _log.info(f"{len(same)} checkpoints have a score in {self.file}")
            writer = SummaryWriter(str(self.folder.run / SUMMARIES / EVALUATION))
            prepare_writer(writer)
            try:
                yield writer
            finally:
                writer.close()
                (self.folder.run / f".{BEST_FILE}.tmp").unlink(missing_ok=True)


def _settings(run: Run) -> list[str]:
    """Return the overrides of the command that the run of the checkpoint does not have, without those of columns."""
    former = () if run.former is None else run.former.overrides
    columns = ("num_envs", "seed", "train.params.config.player.games_num")
    return [text for text in run.record.overrides if text not in former and text.partition("=")[0] not in columns]


def _identity(file: Path, info: CheckpointInfo | None) -> tuple[object, ...]:
    """Return what a checkpoint has in common with its copies, such as the best policy and that of the same epoch."""
    return (file.name,) if info is None else (info.epoch, info.mean_reward)


def _line(score: Score, result: PlayResult, *, is_best: bool) -> str:
    epoch = "" if score.epoch is None else f"epoch {score.epoch:,}, "
    steps = "" if score.steps is None else f"{score.steps:,} steps: "
    return f"{epoch}{steps}{result.text()}, {score.checkpoint}{', best so far' if is_best else ''}"


def _write_summaries(writer: Any, score: Score) -> None:
    """Write a score for TensorBoard over environment steps; one whose steps are unknown is left out."""
    for tag, name in TAGS.items():
        value = getattr(score, name)
        if value is not None and score.steps is not None:
            writer.add_scalar(f"{EVALUATION}/{tag}", value, score.steps)
    writer.flush()
