"""``oige-train``: train a policy, resume training, or play a policy."""

import sys
from typing import TYPE_CHECKING

from oige_train.cli.common import guarded

if TYPE_CHECKING:
    from omegaconf import DictConfig

__all__ = ["main"]

HELP = """usage: oige-train [task=<Task>] [key=value …] [--multirun] [--cfg job]

Train a policy, or play one.

  oige-train task=Cartpole                                    train
  oige-train task=Cartpole num_envs=64 seed=1 max_iterations=50
  oige-train checkpoint=runs/Cartpole/nn/last_Cartpole_ep_50_rew_300.00.pth     resume
  oige-train checkpoint=runs/Cartpole/nn/Cartpole.pth test=True                 play
  oige-train task=Cartpole checkpoint=pretrained test=True    play the policy that came with the task
  oige-train --multirun task=Cartpole seed=1,2,3              one run per seed; names with commas need quotes: "'a,b'"

common overrides:
  task=<Task>           what to train, default Cartpole; oige-tasks lists them
  train=<Configuration> training configuration; default <Task>PPO
  num_envs=<n>          worlds simulated at once
  seed=<n>              seeds every random stream; -1: a random seed
  max_iterations=<n>    epochs
  experiment=<name>     results go to runs/<name>, or runs/<name>_2 and so on where it exists
  checkpoint=<file>     resume from it or, with test=True, play it, with the configuration of its run; pretrained: the
                        policy that came with the task, for playing
  test=True             play instead of training; with headless=False until Ctrl-C
  headless=False        watch in a browser; the address is printed, and the page may be opened and closed at any time
  enable_livestream=True  livestream_host=<address>  livestream_port=<n>    watch from elsewhere
  enable_recording=True   recording_interval=<steps>  recording_length=<steps>    videos in runs/<name>/videos
  sim_device=cpu|gpu  pipeline=cpu|gpu  rl_device=cpu|cuda:<n>  device_id=<n>    default: a GPU if there is one
  warp=True             the task's Warp variant, if it has one; faster on a GPU
  multi_gpu=True        one process per GPU, under torchrun
any other key of the configuration can be set, for example task.env.episodeLength=100 or
train.params.config.learning_rate=1e-3; --cfg job shows them all.

exit codes: 0 done, 2 mistake in the arguments, 130 interrupted (a checkpoint is saved)"""


def main() -> None:
    """Run the program."""
    guarded(train, HELP)


def train(arguments: list[str]) -> int:
    """Compose, check and execute the run, or each run of a sweep.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.
    """
    from oige_train.config import finish, run_hydra
    from oige_train.headline import headline

    codes = [0]

    def job(cfg: "DictConfig", overridden: list[str]) -> None:
        run = finish(cfg, overridden)
        for line in headline(run, arguments):
            print(line, file=sys.stderr, flush=True)
        from oige_train.runner import execute

        codes.append(execute(run, arguments))
        if codes[-1]:
            sys.exit(codes[-1])

    run_hydra(arguments, job)
    return max(codes)


if __name__ == "__main__":
    main()
