"""``oige-train``: train a policy, resume training, or play a policy."""

from oige_train.cli.common import run_cli

__all__ = ["main"]

HELP = """usage: oige-train [task=<Task>] [key=value …] [--multirun] [--cfg job]

Train a policy, or play one.

  oige-train task=Cartpole                                    train
  oige-train task=Cartpole num_envs=64 seed=1 max_iterations=50
  oige-train checkpoint=runs/Cartpole/nn/last_Cartpole_ep_50_rew_300.00.pth     resume
  oige-train checkpoint=runs/Cartpole/nn/Cartpole.pth test=True                 play
  oige-train task=Cartpole checkpoint=pretrained test=True    play the policy that came with the task
  oige-train --multirun task=Cartpole seed=1,2,3              one run per seed; quote values with commas: "'a,b'"
  oige-train --multirun hydra/sweeper=optuna hydra/launcher=joblib …    search for settings, side by side

common overrides:
  task=<Task>           task to train, default Cartpole; oige-tasks lists all tasks
  task=<file>.py        train the task that this file registers with oige_core.register_task
  train=<Configuration> training configuration, for example AntFlashSAC; default <Task>PPO
  num_envs=<n>          number of worlds, which are simulated in parallel
  seed=<n>              seed of all random streams; -1: a random seed
  max_iterations=<n>    number of epochs
  experiment=<name>     results go to runs/<name>, or runs/<name>_2 and so on if it exists
  checkpoint=<file>     resume it or, with test=True, play it, with the configuration of its run; the file may be an
                        address: https://…, hf://<owner>/<repository>/<file> or omniverse://…;
                        checkpoint=pretrained test=True plays the policy that came with the task
  resume=True           continue the run in runs/<name> from its newest checkpoint, or start it if there is none; the
                        same command can be repeated until the run has ended
  test=True             play instead of training; with headless=False, until Ctrl-C
  evaluation=True       with test=True checkpoint=runs/<name>: score all checkpoints of the run, also new ones while it
                        trains, until it ends; with headless=False, show the newest one until Ctrl-C
  headless=False        view in a browser at the printed address; the page may be opened and closed at any time
  enable_livestream=True  livestream_host=<address>  livestream_port=<n>    view from another machine
  enable_recording=True   recording_interval=<steps>  recording_length=<steps>    videos in runs/<name>/videos
  sim_device=cpu|gpu  pipeline=cpu|gpu  rl_device=cpu|cuda:<n>  device_id=<n>    default: the GPU, if there is one
  warp=True             use the task's Warp variant, if it has one
  multi_gpu=True        one process per GPU; start the program with torchrun
Any other key of the configuration can be set, for example task.env.episodeLength=100 or
train.params.config.learning_rate=1e-3; --cfg job shows all keys.

exit codes: 0 done, 2 error in the arguments, 130 interrupted (a checkpoint is saved)"""


PLUGINS = ("hydra/launcher=", "hydra/sweeper=")


def main() -> None:
    """Run the program."""
    run_cli(train, HELP)


def train(arguments: list[str]) -> int:
    """Compose and check the run, or all runs of a sweep, then execute them one after another.

    If a run of a sweep fails, the error is reported and the next run starts. Other launchers and sweepers of Hydra than
    the basic ones start the runs of a sweep in processes of their own.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: a run failed.
    """
    import gc

    from oige_core.errors import OigeError
    from oige_core.garbage import uncollected
    from oige_core.gpu import create_context

    from oige_train.cli.common import checked_runs
    from oige_train.console import say
    from oige_train.continuation import arguments_to_continue, check_continues, note_on_end
    from oige_train.evaluation.checkpoints import with_first_checkpoint
    from oige_train.headline import headline

    if asks_for_plugins(arguments):
        with uncollected():
            from oige_train.sweeps.sweep import run_sweep

        return run_sweep(arguments)
    arguments = with_first_checkpoint(arguments)
    runs = checked_runs(arguments, starts=True)
    check_continues(runs)
    if runs and runs[0].config.resume:
        continuing, notes = arguments_to_continue(runs[0], arguments)
        say(*notes)
        if continuing is not None:
            runs = checked_runs(continuing, starts=True)
            if (end := note_on_end(runs[0])) is not None:
                say(end)
                return 0
    names = [run.config.train.params.config.full_experiment_name for run in runs]
    failed: list[str] = []
    for number, (run, name) in enumerate(zip(runs, names, strict=True), 1):
        if len(runs) > 1:
            gc.collect()  # agents are parts of cycles, which keep their memory on the GPU
            say(f"run {number} of {len(runs)}: {name}")
        say(*headline(run, arguments))
        create_context(run.config.rl_device)
        with uncollected():
            from oige_train.runner import execute

        try:
            code = execute(run, arguments)
        except OigeError as error:
            if len(runs) == 1:
                raise
            say(f"error: {error}")
            failed.append(name)
            continue
        if code:
            return code
    if failed:
        raise OigeError(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}.")
    return 0


def asks_for_plugins(arguments: list[str]) -> bool:
    """Whether arguments choose a launcher or a sweeper of Hydra that is not the basic one."""
    return any(text.lstrip("+").startswith(PLUGINS) and not text.endswith("=basic") for text in arguments)


if __name__ == "__main__":
    main()
