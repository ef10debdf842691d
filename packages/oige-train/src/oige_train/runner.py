"""Train a policy, or play one; results go to ``runs/<experiment>``."""

import contextlib
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oige_core.errors import ConfigError, OigeError
from oige_core.problems import ProblemReport, describe_problems

from oige_train.config import Run
from oige_train.config.torchrun import Torchrun
from oige_train.console import say
from oige_train.failure_files import FailureFiles
from oige_train.headline import headline
from oige_train.learner.agent import Session, TrainingStoppedError
from oige_train.learner.build import build_agent
from oige_train.learner.distributed import Workers
from oige_train.learner.progress import format_time
from oige_train.play import evaluate
from oige_train.run_folder import RunEnd, RunFolder, best_score, lock_folder, restore_best, videos_folder
from oige_train.run_log import logged
from oige_train.runs.curves import final_curve
from oige_train.schema import CONFIG
from oige_train.stopping import INTERRUPTED, Deadline, RunStoppedError, stop_on_signals
from oige_train.supervisor import Supervisor
from oige_train.torch_setup import configure_torch
from oige_train.viewing import StepLoop
from oige_train.wandb_run import wandb_run

__all__ = ["execute"]

DEVICE_KEYS = ("sim_device", "pipeline", "rl_device", "device_id", "num_threads")


def execute(run: Run, arguments: Sequence[str] = (), supervisor: Supervisor | None = None) -> int:
    """Train, resume or play, depending on the run.

    Args:
        run: the checked run.
        arguments: the command line that described it, without the program's name.
        supervisor: the program around the run; None: one on a terminal.

    Returns:
        The program's exit code: 0, or 130 after an interruption.

    Raises:
        OigeError: the checkpoint is refused, or a device is missing.
    """
    configure_torch(run)
    supervisor = supervisor or Supervisor()
    return _play(run, supervisor) if run.config.test else _train(run, arguments, supervisor)


def _play(run: Run, supervisor: Supervisor) -> int:
    _say(Workers(), *run.notes)
    with (
        supervisor.environment(run) as env,
        supervisor.viewers(run, env, videos_folder(run.config, run.checkpoint), speed=1.0) as viewer,
        supervisor.playing(viewer) as loop,
    ):
        if run.config.evaluation and not loop.endless:
            return _evaluate(run, env, supervisor, loop)
        result = evaluate(run, env, supervisor.progress_line(), loop)
        _say(Workers(), *ProblemReport().new_lines(env.problems()))
    ended_early = loop.stopped and not loop.endless
    if ended_early:
        _say(
            Workers(), f"interrupted after {result.count} of {run.config.train.params.config.player.games_num} episodes"
        )
    supervisor.report(result.text())
    return INTERRUPTED if ended_early else 0


def _evaluate(run: Run, env: Any, supervisor: Supervisor, loop: StepLoop) -> int:
    """Score the checkpoints of a run."""
    from oige_train.evaluation.evaluator import Evaluator
    from oige_train.evaluation.scores import BEST_FILE

    evaluator = Evaluator(run, env, supervisor.progress_line(), supervisor.report)
    evaluator.run(loop)
    _say(Workers(), *ProblemReport().new_lines(env.problems()))
    best, folder = evaluator.best, evaluator.folder.run
    if best is None:
        supervisor.report("no checkpoint was scored")
    else:
        supervisor.report(
            f"best:    epoch {best.epoch}, mean return {best.mean_return:.2f}, of {evaluator.count} scored now",
            f"scores:  {evaluator.file}",
            f"play:    {_command(run, folder / BEST_FILE, test=True)}",
        )
    return INTERRUPTED if evaluator.stopped else 0


def _train(run: Run, arguments: Sequence[str], supervisor: Supervisor) -> int:
    workers = Workers.of_run(run)
    with workers.reporting(), contextlib.ExitStack() as stack:
        folder = workers.decide(lambda: _begin(run, arguments, stack))
        if workers.rank == 0:
            stack.enter_context(logged(folder.path, headline(run, arguments)))
        end = stack.enter_context(folder.recorded_end()) if workers.rank == 0 else RunEnd()
        _say(workers, folder.note, *run.notes)
        supervisor.opened(folder.path)
        session = Session(run=run, workers=workers)
        code = end.code = _train_in(folder, session, supervisor)
        end.early = session.early_end or ""
    workers.leave()
    return code


def _begin(run: Run, arguments: Sequence[str], stack: contextlib.ExitStack) -> RunFolder:
    """Choose the folder of the run, lock it until ``stack`` is closed, and record this start in it."""
    folder = RunFolder.of(run)
    stack.enter_context(lock_folder(folder.path))
    try:
        if unfinished := folder.remove_unfinished():
            say(unfinished)
        folder.describe(run, [*_program(run), *arguments])
    except BaseException:
        folder.discard()
        raise
    return folder


def _train_in(folder: RunFolder, session: Session, supervisor: Supervisor) -> int:
    run, workers = session.run, session.workers
    leads = workers.rank == 0
    line = supervisor.progress_line(leads=leads)
    agent: Any = None
    trained = False
    began = time.monotonic()
    try:
        # Closed in reverse order, so that W&B gets what the agent's writer still holds.
        with contextlib.ExitStack() as stack:
            if leads:
                stack.enter_context(wandb_run(run, folder.path))
            # Other processes learn of an error before this one cleans up, which may have to wait for them.
            with workers.reporting(TrainingStoppedError):
                env = stack.enter_context(supervisor.environment(run))
                observer = supervisor.observer(line, lambda: session.problems)
                if _records_failures(run, env):
                    session.failures = FailureFiles(env, _failures_folder(folder.path, workers), _launcher())
                agent = build_agent(session, env, observer, folder=folder.path)
                stack.callback(agent.close)
                if run.checkpoint is not None:
                    _resume(agent, folder, session)
                if not folder.is_new:
                    agent.writer.continue_after(agent.frame)
                viewer = stack.enter_context(supervisor.viewers(run, env, folder.path / "videos")) if leads else None

                deadline = Deadline()
                if workers.size == 1:
                    agent.vec_env.info_hooks.append(lambda _: deadline.check())

                def stop(signal: str) -> None:
                    if workers.is_incomplete():
                        return
                    session.stop_requested = True
                    if viewer is not None:
                        viewer.pace.resume()
                    limit = ""
                    if signal == "SIGTERM" and workers.size == 1:
                        deadline.begin(run.config.stop_within)
                        limit = f", or without it if it takes more than {run.config.stop_within:g} s (stop_within)"
                    _say(workers, f"{signal}: saving after this epoch{limit}; a second signal stops at once")

                with stop_on_signals(stop):
                    trained = True
                    began = time.monotonic()
                    workers.advise(lambda: _advice(agent, run))
                    agent.train()
    except TrainingStoppedError as stopped:
        line.close()
        _check_saved(session, agent)
        _say(workers, f"stopped after epoch {agent.epoch_num}; saved {stopped.checkpoint}")
        if stopped.checkpoint is not None:
            _say(workers, f"resume: {_command(run, stopped.checkpoint)}")
        return INTERRUPTED
    except RunStoppedError:
        line.close()
        saved = agent.save_whole_epochs() if trained else None
        _check_saved(session, agent)
        if saved is None:
            trained = False
            supervisor.report("stopped before the end of an epoch; nothing was saved")
        else:
            supervisor.report(f"stopped after epoch {agent.epoch_num}; saved {saved}")
        return INTERRUPTED
    except KeyboardInterrupt:
        line.close()
        newest = agent.newest_checkpoint() if trained else None
        if newest is not None:
            _say(workers, f"not saved since {newest}; resume: {_command(run, newest)}")
        raise
    finally:
        line.close()
        if leads and not trained:
            folder.discard()
    _check_saved(session, agent)
    if leads:
        supervisor.report(*_result(session, agent, folder.path, time.monotonic() - began))
    return 0


def _records_failures(run: Run, env: Any) -> bool:
    """Whether worlds that fail are recorded: ``auto`` where the cost was measured to be below 1 %, on the C engine."""
    choice = run.config.dump_failures
    return choice == "True" or (choice == "auto" and env.task.device.type == "cpu")


def _failures_folder(folder: Path, workers: Workers) -> Path:
    """Return the folder of failed worlds; processes that train together have one each."""
    return folder / "failures" if workers.size == 1 else folder / f"failures_{workers.rank}"


def _advice(agent: Any, run: Run) -> str:
    """Write the summaries, and return what to do after another process has died, as the end of a sentence."""
    agent.writer.flush()
    newest = agent.newest_checkpoint()
    return "; no checkpoint was written" if newest is None else f"; resume: {_command(run, newest)}"


def _check_saved(session: Session, agent: Any) -> None:
    """Raise OigeError if the final state of training could not be saved."""
    if session.unsaved is None:
        return
    newest = agent.newest_checkpoint()
    how = "there is no checkpoint to resume from" if newest is None else f"resume: {_command(session.run, newest)}"
    raise OigeError(f"the state after epoch {agent.epoch_num} was not saved ({session.unsaved}); {how}")


def _resume(agent: Any, folder: RunFolder, session: Session) -> None:
    """Restore the state of the run's checkpoint, and log whether training continues exactly.

    Raises:
        ConfigError: training has reached its last environment step.
    """
    run, workers = session.run, session.workers
    exact = agent.restore(str(run.checkpoint))
    if 0 < agent.max_frames <= agent.frame:
        raise ConfigError(
            f"checkpoint={run.checkpoint}: has {agent.frame:,} environment steps, and training ends at "
            f"{CONFIG}.max_frames={agent.max_frames}; raise it, or play the checkpoint with test=True."
        )
    cause = "the number of worlds, the seed, the task's configuration or the version differs, so"
    if run.former is None:
        cause = "the file has no state of the simulation, so"
    elif not agent.found_episodes:
        cause = "training was stopped within an epoch, so"
    elif workers.size > 1:
        cause = "with several processes,"
    fresh = "" if exact else f"; {cause} new episodes begin"
    _say(workers, f"resuming {run.checkpoint} after epoch {agent.epoch_num}{fresh}", *session.notes)
    score = workers.decide(lambda: best_score(folder, run))
    best = agent.compare_best_with(score, continued=not folder.is_new)
    if workers.rank == 0 and score < best:
        restore_best(folder, run, best)


def _say(workers: Workers, *lines: str) -> None:
    """Log lines in process 0 only."""
    if workers.rank == 0:
        say(*lines)


def _result(session: Session, agent: Any, folder: Path, seconds: float) -> list[str]:
    """Return lines with the result after so many seconds, its curve, where it is, and commands to play or resume it."""
    mean = agent.mean_reward()
    last = session.last
    assert last is not None
    best = folder / "nn" / f"{agent.config['name']}.pth"
    lines = [
        f"done: {agent.epoch_num} epochs, {agent.frame:,} steps; mean episode reward "
        f"{'unknown, no episode has ended' if mean is None else f'{mean:.2f}'}"
    ]
    if session.early_end is not None:
        lines.append(f"ended early:  {session.early_end}; {format_time(seconds)} of training")
    if problems := describe_problems(session.problems):
        lines.append(f"problems:     {problems}; each such episode ended without reward")
    lines += final_curve(folder, sys.stdout)
    if best.is_file():
        lines.append(f"best policy:  {best}")
    return [
        *lines,
        f"last policy:  {last}",
        f"summaries:    {shlex.join([*_launcher(), 'tensorboard', '--logdir', str(folder / 'summaries')])}",
        f"play:         {_command(session.run, best if best.is_file() else last, test=True)}",
        f"resume:       {_command(session.run, last, more=_further(session, agent))}",
    ]


def _further(session: Session, agent: Any) -> list[str]:
    """Return overrides that remove the goal at which training has ended, or double its limits."""
    if session.early_end is not None:
        return [f"{CONFIG}.{key}=inf" for key in ("score_to_win", "stop_at_success") if f"{key}=" in session.early_end]
    limits = []
    if 0 < agent.max_frames <= agent.frame:
        limits.append(f"{CONFIG}.max_frames={2 * agent.frame}")
    if not limits or 0 < agent.max_epochs <= agent.epoch_num:
        limits.append(f"max_iterations={2 * agent.epoch_num}")
    return limits


def _command(run: Run, checkpoint: Path, *, test: bool = False, more: Sequence[str] = ()) -> str:
    """Return the command line that plays or resumes a checkpoint, with the same launcher as this program.

    The checkpoint holds the overrides that belong to the run. Of those that belong to the command, playing keeps the
    devices and resuming keeps all.

    Args:
        run: the checked run.
        checkpoint: the file.
        test: play instead of resuming.
        more: overrides for resuming, if training has reached its limits.
    """
    program = ["oige-train"] if test else _program(run)
    command = [*_launcher(), *program, f"task={run.task.file or run.record.task}", f"checkpoint={checkpoint}"]
    if test:
        command.append("test=True")
    else:
        command += more
    given = {"checkpoint", "resume", "test", *(("multi_gpu",) if test else ())}
    command += [text for key, text in run.command.items() if key not in given and (key in DEVICE_KEYS or not test)]
    return shlex.join(command)


def _program(run: Run) -> list[str]:
    """Return the name of this program in a command, with torchrun and its options if that has started it."""
    if not run.config.multi_gpu:
        return ["oige-train"]
    return ["torchrun", *Torchrun.from_environment().options(), "-m", "oige_train.cli.train"]


def _launcher() -> list[str]:
    """Return ``uv run`` if uv has started this program; it precedes the name of a program in a command.

    Outside of the project, it names the project, whose environment uv would not find otherwise.
    """
    if "UV_RUN_RECURSION_DEPTH" not in os.environ:
        return []
    environment = os.environ.get("VIRTUAL_ENV")
    project = None if environment is None else Path(environment).resolve().parent
    if project is None or Path.cwd().is_relative_to(project) or not (project / "pyproject.toml").is_file():
        return ["uv", "run"]
    return ["uv", "run", "--project", str(project)]
