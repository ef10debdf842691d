"""Common part of the agents of all algorithms: checkpoints, resumption and stopping on request."""

import json
import logging
import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from oige_core.errors import reason
from oige_core.problems import PROBLEMS

from oige_train.checkpoint import CheckpointInfo, check_fit, load_checkpoint, save_checkpoint
from oige_train.config import Run
from oige_train.failure_files import FailureFiles
from oige_train.learner.distributed import Workers
from oige_train.learner.divergence import DivergedError, non_finite_names, refuse_diverged
from oige_train.learner.early_end import GoalReachedError, SuccessGoal
from oige_train.learner.random_state import random_state, restore_random_state
from oige_train.learner.recent_mean import RecentMean
from oige_train.learner.resumption import (
    EPISODE_SETTINGS,
    changed_settings,
    keeping_configured,
    settings_of,
    settings_without_effect,
)
from oige_train.learner.summaries import FrameWriter, prepare_writer
from oige_train.stopping import RunStoppedError
from oige_train.versions import installed_versions

__all__ = ["ResumableAgent", "Session", "TrainingStoppedError"]

#: Format of a checkpoint's contents other than the networks; with another format, new episodes begin.
PROGRESS_FORMAT = 6
#: Products of two weights above this overflow in float32.
OVERFLOWING = 1e19

_log = logging.getLogger(__name__)


class TrainingStoppedError(Exception):
    """Training was stopped on request between two epochs; the checkpoint is written, if that was possible.

    Attributes:
        checkpoint: the newest checkpoint.
    """

    def __init__(self, checkpoint: Path | None) -> None:
        super().__init__(str(checkpoint))
        self.checkpoint = checkpoint


@dataclass
class Session:
    """What an agent needs to know of the program around it.

    Attributes:
        run: the checked run.
        workers: the processes that train together.
        stop_requested: set to end training between two epochs.
        saved: checkpoints written so far.
        last: newest checkpoint other than that of the best policy.
        unsaved: why the newest state could not be saved; None if it was saved.
        problems: number of problems of each kind in the simulations of all processes.
        failures: writes files of worlds that fail in this process; None: none.
        early_end: why training ended before its limits; None: it did not.
        notes: sentences for the user about settings that have no effect because training was resumed.
    """

    run: Run
    workers: Workers
    stop_requested: bool = False
    saved: set[Path] = field(default_factory=set)
    last: Path | None = None
    unsaved: str | None = None
    problems: dict[str, int] = field(default_factory=dict)
    failures: FailureFiles | None = None
    early_end: str | None = None
    notes: list[str] = field(default_factory=list)


class ResumableAgent(ABC):
    """Mixin for agents of rl_games: atomic and complete checkpoints, and exact resumption.

    Args:
        base_name: see rl_games.
        params: see rl_games.
        session: what the agent needs to know of the program around it.
    """

    # Given by the agent of rl_games:
    config: dict[str, Any]
    epoch_num: int
    frame: int
    nn_dir: str
    num_actors: int
    last_mean_rewards: float
    save_best_after: int
    save_freq: int
    max_epochs: int
    max_frames: int
    games_to_track: int
    game_rewards: RecentMean
    game_lengths: RecentMean
    obs: Any
    vec_env: Any
    device: Any
    writer: Any

    #: Names of tensors of the agent that persist from one epoch to the next.
    progress_tensors: tuple[str, ...] = ("current_rewards", "current_lengths", "dones")
    #: Names of running means over episodes.
    progress_meters: tuple[str, ...] = ("game_rewards", "game_lengths")
    #: Dotted names below ``train.params`` of the settings that :meth:`schedule_state` depends on.
    schedule_settings: tuple[str, ...] = ()

    def __init__(self, base_name: str, params: dict[str, Any], session: Session) -> None:
        self.session = session
        self._pending: dict[str, Any] | None = None
        self._whole_epochs = 0  # of this program
        self._unsaved_file: Path | None = None
        self._keeps_episodes = True
        self.found_episodes = False  # whether the restored checkpoint has the state of its episodes
        super().__init__(base_name, params)  # type: ignore[call-arg]
        prepare_writer(self.writer)
        self.writer = FrameWriter(self.writer, lambda: self.frame)
        for name in self.progress_meters:
            setattr(self, name, RecentMean(self.games_to_track))
        self._success_goal = self._make_success_goal()

    def _make_success_goal(self) -> SuccessGoal | None:
        """Return what ends training at a fraction of successes, which sees every step from now on; None if not set."""
        goal = self.config["stop_at_success"]
        if math.isinf(goal):
            return None
        task = self.session.run.config.task.name
        success_goal = SuccessGoal("train.params.config.stop_at_success", goal, self.games_to_track, task)
        self.config["vec_env"].info_hooks.append(success_goal.add)
        return success_goal

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def mean_reward(self) -> float | None:
        """Return the mean return of the last episodes, or None before any has ended."""
        if self.game_rewards.current_size == 0:
            return None
        return self.game_rewards.mean.item()

    def save(self, fn: str) -> None:
        """Write a checkpoint; rl_games calls this.

        Args:
            fn: path without suffix from rl_games: it ends in the run's name for the best policy only.
        """
        mean = self.mean_reward()
        name = self.config["name"]
        is_best = Path(fn).name == name
        reward = "none" if mean is None else f"{mean:.2f}"
        stem = name if is_best else f"last_{name}_ep_{self.epoch_num}_rew_{reward}"
        file = Path(self.nn_dir) / f"{stem}.pth"
        # The last epoch may also be due for a periodic checkpoint.
        if self.session.workers.rank == 0 and (is_best or file not in self.session.saved):
            run = self.session.run
            info = CheckpointInfo(
                task=run.config.task.name,
                algo=run.config.train.params.algo.name,
                observation_shape=run.spec.shape_for(run.config.task.env),
                num_actions=run.spec.num_actions,
                num_states=run.spec.states_for(run.config.task.env),
                epoch=self.epoch_num,
                mean_reward=mean,
                run=run.record,
                versions=installed_versions(),
            )
            self.write_summaries()  # before the checkpoint, so that a run that is killed and resumed has all of them
            state = self.get_full_state_weights()
            try:
                self.write_checkpoint(file, state, info, is_best=is_best)
            except OSError as error:
                self._note_unsaved(file, error, is_best=is_best)
                return
            self.session.saved.add(file)
        if not is_best:
            self.session.last, self.session.unsaved = file, None

    def write_checkpoint(self, file: Path, state: dict[str, Any], info: CheckpointInfo, *, is_best: bool) -> None:
        """Write the file of a checkpoint.

        Args:
            file: path of the checkpoint.
            state: its contents.
            info: its description.
            is_best: whether it is that of the best policy, to play rather than to resume.

        Raises:
            OSError: it cannot be written.
        """
        save_checkpoint(file, state, info)

    def close(self) -> None:
        """Release what is not needed after training."""
        self.writer.close()

    def save_whole_epochs(self) -> Path | None:
        """Write a checkpoint after an epoch was ended by :class:`~oige_train.stopping.RunStoppedError`.

        It has no state of the simulation, whose steps of that epoch are lost, so that new episodes begin when training
        is resumed.

        Returns:
            The newest checkpoint of the last whole epoch; None if this program has finished none.
        """
        if self._whole_epochs == 0:
            return None
        self._keeps_episodes = False
        self.save(f"{self.nn_dir}/last")
        return self.session.last

    def _note_unsaved(self, file: Path, error: OSError, *, is_best: bool) -> None:
        """Log once that a checkpoint could not be written; training continues, for the disk may have space later."""
        if file == self._unsaved_file:  # the last epoch may also be due for a periodic checkpoint
            return
        self._unsaved_file = file
        if not is_best:
            self.session.unsaved = reason(error)
        newest = self.newest_checkpoint()
        kept = "there is no checkpoint yet" if newest is None else f"the newest checkpoint is {newest}"
        _log.warning(f"{file}: not saved in epoch {self.epoch_num} ({reason(error)}); training continues, {kept}")

    def get_full_state_weights(self) -> dict[str, Any]:
        """Return all state that the next epoch depends on, as tensors and plain values."""
        environment, self.vec_env = self.vec_env, None  # rl_games saves its state, too, even if it is closed
        state = super().get_full_state_weights()  # type: ignore[misc]
        self.vec_env = environment
        state["last_mean_rewards"] = self._best_reward()
        if self._keeps_episodes:
            state["env_state"] = self.vec_env.get_env_state()
            state["progress"] = self._progress()
        state["random_state"] = random_state()
        state["settings"] = self._settings()
        state["schedule"] = self.schedule_state()
        return state

    def _settings(self) -> dict[str, Any]:
        return settings_of(self.session.run, self.schedule_settings)

    def _best_reward(self) -> float:
        """Return the best score so far, including this epoch's, which rl_games may not have compared yet."""
        mean = self.mean_reward()
        best = float(self.last_mean_rewards)
        return max(best, mean) if mean is not None and self.epoch_num >= self.save_best_after else best

    def _progress(self) -> dict[str, Any]:
        return {
            **self._worlds(),
            "obs": self.obs,
            **{name: getattr(self, name) for name in self.progress_tensors},
            **{name: getattr(self, name).state_dict() for name in self.progress_meters},
        }

    def _worlds(self) -> dict[str, Any]:
        """Return what must be equal for episodes to continue."""
        return {
            "progress_format": PROGRESS_FORMAT,
            "num_actors": self.num_actors,
            "state_format": self.vec_env.state_format,
            # The saved tensors of a task include values that depend on its configuration.
            "task": json.dumps(asdict(self.session.run.config.task), sort_keys=True),
        }

    def _restore_progress(self, progress: dict[str, Any]) -> None:
        self.obs = progress["obs"]
        for name in self.progress_tensors:
            setattr(self, name, progress[name])
        for name in self.progress_meters:
            getattr(self, name).load_state_dict(progress[name])

    def restore(self, fn: str, set_epoch: bool = True) -> bool:
        """Load a checkpoint and continue from it.

        With the same number of worlds, task configuration and kind of engine, training continues exactly as if it had
        not been interrupted. Otherwise, or from a checkpoint of plain rl_games, the networks are restored and new
        episodes begin. Settings that were changed since override those of the checkpoint.

        Args:
            fn: the file.
            set_epoch: also restore the number of epochs.

        Returns:
            Whether training continues exactly.

        Raises:
            CheckpointError: the file is refused, or does not fit the network.
        """
        state = load_checkpoint(Path(fn), str(self.device))
        progress = state.get("progress")
        self.found_episodes = progress is not None
        env_state = state.pop("env_state", None)
        changed = changed_settings(self.session.run, state.get("settings"), self._settings())
        exact = (
            progress is not None
            and self._worlds().items() <= progress.items()
            and self.vec_env.accepts(env_state)
            and self.session.workers.size == 1
            and not changed & EPISODE_SETTINGS
        )
        with check_fit(fn), keeping_configured(self.optimisers()):
            self.load_state(Path(fn), {**state, "env_state": None}, exact=exact, set_epoch=set_epoch)
        refuse_diverged(fn, self.learner_tensors())
        self.session.saved.add(Path(fn))  # it is not written again before the next epoch
        self.restore_schedule(state, changed)
        self.session.notes += [
            f"{name}: has no effect, because the weights are those of the checkpoint."
            for name in settings_without_effect(changed)
        ]
        # rl_games' train() resets the best score before it calls env_reset, which restores it.
        self._pending = {"last_mean_rewards": self.last_mean_rewards}
        if exact:
            self._pending |= {
                "env_state": env_state,
                "progress": progress,
                "random_state": state["random_state"],
            }
        return exact

    def load_state(self, checkpoint: Path, state: dict[str, Any], *, exact: bool, set_epoch: bool) -> None:
        """Restore networks, optimisers and counters.

        Args:
            checkpoint: path of the checkpoint.
            state: its contents.
            exact: whether its episodes continue, too.
            set_epoch: also restore the number of epochs.
        """
        self.set_full_state_weights(state, set_epoch=set_epoch)  # type: ignore[attr-defined]

    def compare_best_with(self, score: float, *, continued: bool) -> float:
        """Set the score that a policy of the resumed run must exceed to become its best one.

        Args:
            score: score of the best policy in the folder of the run; −∞ if there is none.
            continued: whether it is the folder of the checkpoint's run, whose own best score then counts, too.

        Returns:
            That score.
        """
        assert self._pending is not None
        before = float(self._pending["last_mean_rewards"]) if continued else -math.inf
        self._pending["last_mean_rewards"] = best = max(before, score)
        return best

    def env_reset(self) -> Any:
        """Reset the environment, or restore the state of a checkpoint; rl_games calls this."""
        pending, self._pending = self._pending, None
        if pending is None:
            return super().env_reset()  # type: ignore[misc]
        self.last_mean_rewards = pending["last_mean_rewards"]
        if "progress" not in pending:
            return super().env_reset()  # type: ignore[misc]
        # Reset first: an environment may allocate its state in its first reset.
        self.obs = super().env_reset()  # type: ignore[misc]
        self._restore_progress(pending["progress"])
        self.vec_env.set_env_state(pending["env_state"])
        restore_random_state(pending["random_state"])
        return self.obs

    def write_summaries(self) -> None:
        """Write all summaries so far to the disk."""
        self.writer.write()
        self.writer.flush()

    # --- for the algorithms ------------------------------------------------------------------------------------------

    @abstractmethod
    def optimisers(self) -> list[torch.optim.Optimizer]:
        """Return the optimisers of all networks."""

    @abstractmethod
    def schedule_state(self) -> dict[str, Any]:
        """Return the current values that depend on :attr:`schedule_settings`, such as an adaptive learning rate."""

    @abstractmethod
    def restore_schedule(self, state: dict[str, Any], changed: set[str]) -> None:
        """Restore a :meth:`schedule_state`, except for values that depend on settings that were changed.

        Args:
            state: state of the whole checkpoint; it has no ``schedule`` if plain rl_games wrote it.
            changed: dotted names of settings.
        """

    # --- epochs ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def learner_tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors that training changes; see :func:`~oige_train.learner.divergence.learner_tensors`."""

    def non_finite_names(self) -> list[str]:
        """Return the names of the :meth:`learner_tensors` that contain NaN or infinity."""
        return non_finite_names(self.learner_tensors())

    @abstractmethod
    def advice_on_divergence(self) -> str:
        """Return settings to try, as part of a sentence, for instance "a lower learning rate"."""

    def run_epoch(self) -> None:
        """Train for an epoch, without checkpoints and limits."""
        self.epoch_num += 1
        self.train_epoch()

    def learn_for_an_epoch(self) -> Any:
        """Collect samples and train on them; rl_games' ``train_epoch``."""
        return super().train_epoch()  # type: ignore[misc]

    def train_epoch(self) -> Any:
        """Train for an epoch; rl_games calls this.

        Raises:
            DivergedError: weights, statistics or moments of an optimiser are not finite after the epoch.
            RunStoppedError: a step was refused; the epoch does not count.
        """
        try:
            result = self.learn_for_an_epoch()
        except RunStoppedError:
            self.epoch_num -= 1
            raise
        except (RuntimeError, ValueError) as error:
            # Torch refuses to sample from a policy that is not finite, which may also result from large finite weights.
            self._check(non_finite_names(self.learner_tensors(), OVERFLOWING), "not finite or overflow", error)
            raise
        self._check(self.non_finite_names(), "not finite")
        self.note_problems()
        self._whole_epochs += 1
        return result

    def _check(self, names: list[str], state: str, cause: Exception | None = None) -> None:
        """Raise DivergedError if ``names``, those of the tensors in a bad ``state``, are not empty."""
        if not names:
            return
        saved = self.newest_checkpoint()
        others = f" and {len(names) - 1} other tensors of the learner are" if len(names) > 1 else " is"
        raise DivergedError(
            f"training diverged in epoch {self.epoch_num}: {names[0]}{others} {state}, so this epoch was not saved; "
            f"{'no checkpoint was written before' if saved is None else f'the last good checkpoint is {saved}'}. "
            f"Try {self.advice_on_divergence()}, and check the size of the task's rewards and observations."
        ) from cause

    def newest_checkpoint(self) -> Path | None:
        """Return the newest checkpoint to resume: a periodic one, else the best one, else the one that was resumed."""
        best = Path(self.nn_dir) / f"{self.config['name']}.pth"
        return self.session.last or (best if best in self.session.saved else self.session.run.checkpoint)

    def note_problems(self) -> None:
        """Update the counts of problems in the simulation; called after every epoch, in all processes."""
        own = self.vec_env.problems()
        if self.session.failures is not None and own.keys() & {"diverged", "exploded"}:
            self.session.failures.write()
        workers = self.session.workers
        if workers.size > 1:
            counts = torch.tensor([own.get(kind, 0) for kind in PROBLEMS], device=self.device)
            own = {kind: count for kind, count in zip(PROBLEMS, workers.sum(counts).tolist(), strict=True) if count}
        self.session.problems = own

    def train(self) -> Any:
        """Train until a limit or the goal is reached."""
        try:
            result = super().train()  # type: ignore[misc]
        except GoalReachedError:
            return self.last_mean_rewards, self.epoch_num
        at_limit = 0 < self.max_epochs <= self.epoch_num or 0 < self.max_frames <= self.frame
        if self.last_mean_rewards > self.config["score_to_win"] and not at_limit:
            self.session.early_end = (
                f"mean episode reward {float(self.last_mean_rewards):.2f} is above train.params.config.score_to_win="
                f"{self.config['score_to_win']:g}"
            )
        return result

    # --- between epochs ----------------------------------------------------------------------------------------------

    def between_epochs(self) -> None:
        """Write the periodic checkpoint that rl_games skips before any episode has ended; stop if requested.

        Raises:
            TrainingStoppedError: a stop was requested in a process; the checkpoint is written.
            GoalReachedError: enough episodes have succeeded; the checkpoint is written.
        """
        periodic = self.save_freq > 0 and self.epoch_num > 0 and self.epoch_num % self.save_freq == 0
        if periodic and self.mean_reward() is None:
            self.save(f"{self.nn_dir}/last")
        if self.session.workers.any(self.session.stop_requested):
            self.save(f"{self.nn_dir}/last")
            raise TrainingStoppedError(self.session.last)
        if self._success_goal is None:
            return
        self.session.early_end = self._success_goal.reached(self.session.workers)
        if self.session.early_end is not None:
            self.save(f"{self.nn_dir}/last")
            raise GoalReachedError
