"""Train a policy, or play one: from a checked run to files under ``runs/<experiment>``."""

import contextlib
import datetime
import io
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import torch
from oige_core import make_env
from oige_core.errors import ConfigError
from oige_core.problems import ProblemReport, describe_problems
from oige_core.seeding import derive_seed
from omegaconf import OmegaConf

from oige_train.config import Run
from oige_train.learner.agent import Session, TrainingStoppedError
from oige_train.learner.distributed import Workers
from oige_train.learner.environment import RlGamesEnv
from oige_train.learner.progress import ProgressLine, ProgressObserver
from oige_train.learner.rl_games import DefaultRewardsShaper, building_agent
from oige_train.memory import keep_freed_memory
from oige_train.onlookers import looking_on, until_stopped
from oige_train.params import rl_games_params
from oige_train.play import play
from oige_train.schema import TrainRunConfig
from oige_train.seeding import seed_learner
from oige_train.stopping import stop_on_signals

__all__ = ["RUNS", "build_agent", "execute", "prepare", "run_folder"]

RUNS = Path("runs")
INTERRUPTED = 130
DEVICE_KEYS = ("sim_device", "pipeline", "rl_device", "device_id", "num_threads")


def run_folder(config: TrainRunConfig) -> Path:
    """Return the folder of a run's results."""
    return RUNS / config.train.params.config.full_experiment_name


def execute(run: Run) -> int:
    """Train, resume or play as the run says.

    Returns:
        The program's exit code: 0, or 130 after an interruption.

    Raises:
        OigeError: the checkpoint is refused, or a device is missing.
    """
    prepare(run)
    return _play(run) if run.config.test else _train(run)


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
            looking_on(run.config, env, run_folder(run.config), speed=1.0) as viewer,
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


def _train(run: Run) -> int:
    config = run.config
    workers = Workers.join(config.rl_device) if config.multi_gpu else Workers()
    folder = run_folder(config)
    session = Session(run=run, workers=workers)
    say(workers, *run.notes)
    line = ProgressLine(None if workers.rank == 0 else io.StringIO())
    env = make_env(config)
    agent: Any = None
    if config.wandb_activate and workers.rank == 0:
        _start_wandb(run)
    try:
        agent = build_agent(session, env, ProgressObserver(line, lambda: session.problems))
        if run.checkpoint is not None:
            exact = agent.restore(str(run.checkpoint))
            other = "it was written with other worlds, another seed, configuration of the task or version"
            fresh = "" if exact else f"; {other}, so episodes start afresh"
            say(workers, f"resuming {run.checkpoint} after epoch {agent.epoch_num}{fresh}", *session.notes)
        if workers.rank == 0:
            OmegaConf.save(OmegaConf.create(run.resolved), folder / "config.yaml")
        watch = looking_on(config, env, folder) if workers.rank == 0 else contextlib.nullcontext()
        with watch as viewer:

            def stop(signal: str) -> None:
                session.stop_requested = True
                if viewer is not None:
                    viewer.pace.resume()
                say(workers, f"\n{signal}: saving after this epoch; once more to stop at once")

            with stop_on_signals(stop):
                agent.train()
    except TrainingStoppedError as stopped:
        line.close()
        say(workers, f"stopped after epoch {agent.epoch_num}; saved {stopped.checkpoint}")
        say(workers, f"resume: {_command(run, stopped.checkpoint)}")
        return INTERRUPTED
    finally:
        line.close()
        if agent is not None:
            agent.writer.close()
        env.close()
        workers.leave()
    _report(session, agent, folder)
    return 0


def _start_wandb(run: Run) -> None:
    """Send what TensorBoard gets to Weights & Biases, too; must come before any summary writer is made."""
    import wandb  # pyright: ignore[reportMissingImports]

    config = run.config
    stamp = datetime.datetime.now().strftime("%y%m%d-%H%M%S")
    wandb.init(
        project=config.wandb_project,
        group=config.wandb_group or None,
        entity=config.wandb_entity or None,
        name=f"{config.wandb_name}_{stamp}",
        config=run.resolved,
        sync_tensorboard=True,
        resume="allow",
    )


def build_agent(session: Session, env: Any, observer: Any, *, train_dir: Path | str = RUNS, writes: bool = True) -> Any:
    """Return the agent of the run's algorithm.

    Args:
        session: what the agent needs to know of the program around it.
        env: the vector environment.
        observer: sees every step and epoch; see rl_games' ``AlgoObserver``.
        train_dir: folder of the run's own folder.
        writes: whether summaries are written; only process 0 ever does.
    """
    config = session.run.config
    params = rl_games_params(config.train.params)
    adapter = RlGamesEnv(env, config.rl_device, stagger=config.train.params.config.stagger_episodes)
    if params["config"].get("mirror_samples") and not adapter.mirrors:
        raise ConfigError(
            f"train.params.config.mirror_samples=True: expected False; {config.task.name} tells of no symmetry of its "
            "own (its mirrors are empty)."
        )
    params["config"] |= {
        "reward_shaper": DefaultRewardsShaper(**params["config"]["reward_shaper"]),
        "features": {"observer": observer},
        "train_dir": str(train_dir),
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
        for line in lines:
            print(line, file=sys.stderr, flush=True)


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
    print(f"summaries:    tensorboard --logdir {shlex.quote(str(folder / 'summaries'))}")
    print(f"play:         {_command(session.run, best if best.is_file() else last, test=True)}")
    print(f"resume:       {_command(session.run, last, more=agent.epoch_num)}")


def _command(run: Run, checkpoint: Path, *, test: bool = False, more: int = 0) -> str:
    """Return the command line that plays or resumes ``checkpoint``, begun as this one was.

    What belongs to the run is in the checkpoint. Of what belongs to the command, devices are kept for playing, and
    everything for resuming.
    """
    program = ["uv", "run"] if "UV_RUN_RECURSION_DEPTH" in os.environ else []
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
