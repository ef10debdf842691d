"""Train a policy, or play one: from a checked run to files under ``runs/<experiment>``."""

import contextlib
import io
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.errors import ConfigError, OigeError
from oige_core.problems import ProblemReport, describe_problems
from oige_core.seeding import derive_seed

from oige_train import console
from oige_train.config import Run
from oige_train.headline import headline
from oige_train.learner.agent import Session, TrainingStoppedError
from oige_train.learner.distributed import Workers
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.progress import ProgressLine, ProgressObserver
from oige_train.learner.rl_games import DefaultRewardsShaper, building_agent
from oige_train.memory import keep_freed_memory
from oige_train.onlookers import looking_on, until_stopped
from oige_train.params import rl_games_params
from oige_train.play import play
from oige_train.run_folder import RunFolder, best_score, held, videos_folder
from oige_train.run_log import logged
from oige_train.seeding import seed_learner
from oige_train.stopping import INTERRUPTED, stop_on_signals
from oige_train.wandb_run import wandb_run

__all__ = ["build_agent", "execute", "prepare"]

DEVICE_KEYS = ("sim_device", "pipeline", "rl_device", "device_id", "num_threads")


def execute(run: Run, arguments: Sequence[str] = ()) -> int:
    """Train, resume or play as the run says.

    Args:
        run: the checked run.
        arguments: the command line that described it, without the program's name.

    Returns:
        The program's exit code: 0, or 130 after an interruption.

    Raises:
        OigeError: the checkpoint is refused, or a device is missing.
    """
    prepare(run)
    return _play(run) if run.config.test else _train(run, arguments)


def prepare(run: Run) -> None:
    """Set threads, memory, precision and seeds of torch as the run says.

    Raises:
        ConfigError: torch was built without the device of the learner.
    """
    config = run.config
    if config.rl_device.startswith("cuda") and not torch.cuda.is_available():
        raise ConfigError(f"rl_device={config.rl_device}: this build of PyTorch has no CUDA; use rl_device=cpu.")
    torch.set_num_threads(config.train.params.torch_threads)
    if config.rl_device == "cpu":
        keep_freed_memory()
    if not config.torch_deterministic:
        torch.set_float32_matmul_precision("high")
    seed_learner(derive_seed(config.seed, "learner"), deterministic=config.torch_deterministic)


def _play(run: Run) -> int:
    say(Workers(), *run.notes)
    env = make_env(run.config)
    try:
        with (
            looking_on(run.config, env, videos_folder(run.config, run.checkpoint), speed=1.0) as viewer,
            until_stopped(viewer) as watch,
        ):
            games = play(run, env, ProgressLine(), watch)
            say(Workers(), *ProblemReport().new_lines(env.problems()))
    finally:
        env.close()
    ended_early = watch.stopped and viewer is None
    if ended_early:
        say(Workers(), f"interrupted after {games.count} of {run.config.train.params.config.player.games_num} games")
    success = "" if games.success is None else f", success {games.success:.3f}"
    print(
        f"mean return {games.mean_return:.2f}, mean length {games.mean_length:.1f}{success} "
        f"over {games.count} finished games"
        if games.count
        else "no game was finished"
    )
    return INTERRUPTED if ended_early else 0


def _train(run: Run, arguments: Sequence[str]) -> int:
    workers = Workers.join(run.config.rl_device) if run.config.multi_gpu else Workers()
    try:
        with contextlib.ExitStack() as stack:
            folder = workers.decide(lambda: _begin(run, arguments, stack))
            if workers.rank == 0:
                stack.enter_context(logged(folder.path, headline(run, arguments)))
            say(workers, folder.note, *run.notes)
            return _train_in(folder, Session(run=run, workers=workers))
    finally:
        workers.leave()


def _begin(run: Run, arguments: Sequence[str], stack: contextlib.ExitStack) -> RunFolder:
    """Choose the folder of the run, hold it until ``stack`` is closed, and note there what is started."""
    folder = RunFolder.of(run)
    stack.enter_context(held(folder.path))
    try:
        folder.describe(run, ["oige-train", *arguments])
    except BaseException:
        folder.discard()
        raise
    return folder


def _train_in(folder: RunFolder, session: Session) -> int:
    run, workers, config = session.run, session.workers, session.run.config
    leads = workers.rank == 0
    line = ProgressLine(None if leads else io.StringIO())
    agent: Any = None
    trained = False
    try:
        # Closed in the opposite order: W&B gets what the agent's writer still holds.
        with contextlib.ExitStack() as stack:
            if leads:
                stack.enter_context(wandb_run(run, folder.path))
            env = make_env(config)
            stack.callback(env.close)
            observer = ProgressObserver(line, lambda: session.problems)
            agent = build_agent(session, env, observer, folder=folder.path)
            stack.callback(agent.writer.close)
            if run.checkpoint is not None:
                _resume(agent, folder, session)
            viewer = stack.enter_context(looking_on(config, env, folder.path / "videos")) if leads else None

            def stop(signal: str) -> None:
                session.stop_requested = True
                if viewer is not None:
                    viewer.pace.resume()
                say(workers, f"\n{signal}: saving after this epoch; once more to stop at once")

            with stop_on_signals(stop):
                trained = True
                agent.train()
    except TrainingStoppedError as stopped:
        line.close()
        _check_saved(session, agent)
        say(workers, f"stopped after epoch {agent.epoch_num}; saved {stopped.checkpoint}")
        if stopped.checkpoint is not None:
            say(workers, f"resume: {_command(run, stopped.checkpoint)}")
        return INTERRUPTED
    except KeyboardInterrupt:
        line.close()
        newest = agent.newest_checkpoint() if trained else None
        if newest is not None:
            say(workers, f"not saved since {newest}; resume: {_command(run, newest)}")
        raise
    finally:
        line.close()
        if leads and not trained:
            folder.discard()
    _check_saved(session, agent)
    _report(session, agent, folder.path)
    return 0


def _check_saved(session: Session, agent: Any) -> None:
    """Raise OigeError if the last state of training could not be saved."""
    if session.unsaved is None:
        return
    newest = agent.newest_checkpoint()
    how = "there is no checkpoint to go on from" if newest is None else f"resume: {_command(session.run, newest)}"
    raise OigeError(f"the state after epoch {agent.epoch_num} was not saved ({session.unsaved}); {how}")


def _resume(agent: Any, folder: RunFolder, session: Session) -> None:
    """Put back the state of the run's checkpoint, and say how exactly training goes on."""
    run, workers = session.run, session.workers
    exact = agent.restore(str(run.checkpoint))
    other = "it was written with other worlds, another seed, configuration of the task or version"
    fresh = "" if exact else f"; {other}, so new episodes begin"
    say(workers, f"resuming {run.checkpoint} after epoch {agent.epoch_num}{fresh}", *session.notes)
    score = workers.decide(lambda: best_score(folder, run))
    agent.compare_best_with(score, continued=not folder.is_new)


def build_agent(session: Session, env: Any, observer: Any, *, folder: Path, writes: bool = True) -> Any:
    """Return the agent of the run's algorithm.

    Args:
        session: what the agent needs to know of the program around it.
        env: the vector environment.
        observer: sees every step and epoch; see rl_games' ``AlgoObserver``.
        folder: folder of the run.
        writes: whether summaries are written; only process 0 ever does.
    """
    config = session.run.config
    params = rl_games_params(config.train.params)
    adapter = RlGamesEnv(env, config.rl_device, stagger=config.train.params.config.stagger_episodes)
    if params["config"].get("mirror_samples") and not adapter.mirrors:
        raise ConfigError(
            f"train.params.config.mirror_samples=True: expected False; {config.task.name} declares no symmetry in "
            "its mirrors."
        )
    params["config"] |= {
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": observer},
        "train_dir": str(folder.parent),
        "full_experiment_name": folder.name,
        "vec_env": adapter,
        "env_info": adapter.get_env_info(),
    }
    if params["algo"]["name"] == "sac":
        from oige_train.learner.sac import SacAgent as Agent
    else:
        from oige_train.learner.ppo import PpoAgent as Agent
    with building_agent(writes=writes and session.workers.rank == 0):
        return Agent("run", params, session)


def say(workers: Workers, *lines: str) -> None:
    """Tell the user something, once for all processes."""
    if workers.rank == 0:
        console.say(*lines)


def _report(session: Session, agent: Any, folder: Path) -> None:
    """Tell what came out, where it is and how to go on."""
    if session.workers.rank != 0:
        return
    mean = agent.mean_reward()
    last = session.last
    assert last is not None
    best = folder / "nn" / f"{agent.config['name']}.pth"
    print(
        f"done: {agent.epoch_num} epochs, {agent.frame:,} steps; mean episode reward "
        f"{'unknown, no episode has ended' if mean is None else f'{mean:.2f}'}"
    )
    if problems := describe_problems(session.problems):
        print(f"problems:     {problems}; each such episode ended without reward")
    if best.is_file():
        print(f"best policy:  {best}")
    print(f"last policy:  {last}")
    print(f"summaries:    {shlex.join([*_launcher(), 'tensorboard', '--logdir', str(folder / 'summaries')])}")
    print(f"play:         {_command(session.run, best if best.is_file() else last, test=True)}")
    print(f"resume:       {_command(session.run, last, more=agent.epoch_num)}")


def _command(run: Run, checkpoint: Path, *, test: bool = False, more: int = 0) -> str:
    """Return the command line that plays or resumes ``checkpoint``, begun as this one was.

    What belongs to the run is in the checkpoint. Of what belongs to the command, devices are kept for playing, and
    everything for resuming.
    """
    program = _launcher()
    if run.config.multi_gpu and not test:
        processes = os.environ.get("LOCAL_WORLD_SIZE", os.environ["WORLD_SIZE"])
        program += ["torchrun", f"--nproc-per-node={processes}", "-m", "oige_train.cli.train"]
    else:
        program.append("oige-train")
    words = [*program, f"task={run.task.name}", f"checkpoint={checkpoint}"]
    if test:
        words.append("test=True")
    elif more:
        words.append(f"max_iterations={2 * more}")
    said = {"checkpoint", "test", *(("multi_gpu",) if test else ())}
    words += [text for key, text in run.command.items() if key not in said and (key in DEVICE_KEYS or not test)]
    return shlex.join(words)


def _launcher() -> list[str]:
    """Return what stands before the name of a program in a command: ``uv run`` where uv has started this one."""
    return ["uv", "run"] if "UV_RUN_RECURSION_DEPTH" in os.environ else []
