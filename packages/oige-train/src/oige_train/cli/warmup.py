"""``oige-warmup``: compile the kernels of tasks, so that their training starts quickly."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oige_train.cli.common import run_cli

if TYPE_CHECKING:
    from oige_train.config import Run

__all__ = ["learn_one_epoch", "main", "warmup"]

HELP = """usage: oige-warmup task=<Task>[,<Task> …] [key=value …]
       oige-warmup task=all

Compile the kernels that training needs on a GPU, and print where they are kept. Otherwise the first training of a task
compiles them. Add the overrides of that training: kernels depend on the task's model, its solver, the learner and the
kind of GPU, but not on num_envs.

  WARP_CACHE_PATH=<folder>    environment variable: where kernels are kept; the folder may be copied to other machines
                              with the same kind of GPU and the same versions of OIGE and its dependencies"""

IGNORED = (
    "checkpoint",
    "test",
    "max_iterations",
    "experiment",
    "multi_gpu",
    "physics_engine",
    "wandb_",
    "headless",
    "enable_",
)
#: Control steps: the first one is checked, the second one is observed, and the third one is captured in graphs.
STEPS = 3


def main() -> None:
    """Run the program."""
    run_cli(warmup, HELP)


def warmup(arguments: list[str]) -> int:
    """Compile the kernels of one task after the other, and print where they are.

    If a task fails, the error is reported and the next task follows.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, kernels cannot be kept, or a task failed.
    """
    from oige_core.errors import OigeError

    from oige_train.cli.common import checked_run, refuse_ignored
    from oige_train.console import say

    refuse_ignored(arguments, "oige-warmup", *IGNORED)
    names, others = _split(arguments)
    runs = [checked_run([f"task={name}", *others]) for name in names]
    failed = []
    for run in runs:
        try:
            print(f"{run.task.name}: {_warm_up(run)}", flush=True)
        except OigeError as error:
            if len(runs) == 1:
                raise
            say(f"error: {run.task.name}: {error}")
            failed.append(run.task.name)
    for line in _describe_folder():
        print(line)
    if failed:
        raise OigeError(f"{len(failed)} of {len(runs)} tasks failed: {', '.join(failed)}.")
    return 0


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return the names of the tasks, and the other arguments."""
    from oige_core.errors import ConfigError
    from oige_core.registry import installed_tasks

    chosen = [argument.partition("=")[2] for argument in arguments if argument.startswith("task=")]
    if len(chosen) != 1:
        raise ConfigError(f"{' '.join(arguments) or 'oige-warmup'}: expected one task=<Task>[,<Task> …], or task=all.")
    names = list(installed_tasks()) if chosen[0] == "all" else list(dict.fromkeys(chosen[0].split(",")))
    return names, [argument for argument in arguments if not argument.startswith("task=")]


def _warm_up(run: "Run") -> str:
    """Compile what a run needs by beginning it; return what was done."""
    from oige_core.devices import resolve_devices

    config = run.config
    devices = (resolve_devices(config).simulation, config.rl_device)
    if devices == ("cpu", "cpu") and not run.spec.images and not config.warp:
        return "nothing to compile, because the C engine simulates it on the CPU"
    start, before = time.monotonic(), _compiled_files()
    _begin(run)
    count = len(_compiled_files() - before)
    if count == 0:
        return "all kernels were compiled already"
    return f"compiled {count} modules of kernels in {time.monotonic() - start:.0f} s"


def _begin(run: "Run") -> None:
    """Take a few control steps, and learn for one epoch if the learner is on a GPU; nothing is saved."""
    from oige_core.garbage import uncollected

    with uncollected():
        import torch
        from oige_core import make_env

        from oige_train.torch_setup import configure_torch

    configure_torch(run)
    env = make_env(run.config)
    try:
        env.reset()
        for _ in range(STEPS):
            env.step(torch.zeros(env.num_envs, run.spec.num_actions, device=env.device))
        if run.config.rl_device != "cpu":
            learn_one_epoch(run, env)
    finally:
        env.close()


def learn_one_epoch(run: "Run", env: Any) -> None:
    """Learn for one epoch; nothing is saved.

    Args:
        run: the checked run.
        env: its environment.
    """
    import tempfile

    from oige_train.learner.agent import Session
    from oige_train.learner.build import build_agent
    from oige_train.learner.distributed import Workers
    from oige_train.learner.progress import Observer

    run.config.train.params.config.save_frequency = 0
    with tempfile.TemporaryDirectory() as folder:
        session = Session(run=run, workers=Workers())
        agent = build_agent(session, env, Observer(), folder=Path(folder))
        agent.init_tensors()
        agent.obs = agent.env_reset()
        agent.run_epoch()
        agent.writer.close()


def _compiled_files() -> set[Path]:
    """Return the files of compiled kernels.

    Raises:
        OigeError: no folder keeps them.
    """
    from oige_core.errors import OigeError
    from oige_core.warp_runtime import init_warp, kernel_folder

    init_warp()
    folder = kernel_folder()
    if folder is None:
        raise OigeError("no folder keeps compiled kernels; set WARP_CACHE_PATH to a writable one.")
    return {path for path in folder.rglob("*") if path.suffix in (".cubin", ".ptx", ".o")}


def _describe_folder() -> list[str]:
    """Return lines that say where the compiled kernels are and how large they are; none if nothing needed any."""
    import sys

    if "warp" not in sys.modules:
        return []
    import warp as wp
    from oige_core.warp_runtime import kernel_folder

    folder = kernel_folder()
    assert folder is not None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return [
        f"kernels:      {folder}, {size / 2**20:.0f} MiB, of Warp {wp.config.version}",
        f"to ship them: copy {folder.parent}, and set WARP_CACHE_PATH to the copy",
    ]


if __name__ == "__main__":
    main()
