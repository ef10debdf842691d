"""``oige-export``: write a trained policy as a file that runs without this project."""

from pathlib import Path
from typing import TYPE_CHECKING

from oige_train.cli.common import run_cli

if TYPE_CHECKING:
    from oige_train.config import Run

__all__ = ["export", "main"]

HELP = """usage: oige-export [task=<Task>] checkpoint=<file>|<address>|pretrained [output=<file>] [key=value …]

Write a trained policy, with normalisation of observations inside, and a contract beside it: names, units and scales of
observations and actions, control rate, joints with default pose, limits and gains, statistics of what the policy
observed in its task, and test vectors. The vectors are replayed through the written policy before the files appear.

  oige-export task=Anymal checkpoint=pretrained output=policy.onnx
  oige-export checkpoint=runs/Ant/nn/Ant.pth output=ant.pt

  output=<name>.onnx      an ONNX file, for onnxruntime; default policy.onnx
  output=<name>.pt        a TorchScript file, for libtorch
  model=False             do not write <name>.xml, the task's world as MJCF
  steps=<n>               control steps to play in each world; default 500, or an episode if that is shorter
  num_envs=<n>            worlds; default 64, and 4 with images
Other overrides are those of oige-train and change the task in which the policy is played.

oige-train test=True checkpoint=policy.onnx plays the file, and oige-deploy-check compares logs of a robot with it."""

IGNORED = ("max_iterations", "experiment", "multi_gpu", "wandb_", "headless", "enable_", "evaluation")
STEPS = 500
WORLDS = 64
IMAGE_WORLDS = 4
IMAGE_STEPS = 25


def main() -> None:
    """Run the program."""
    run_cli(export, HELP)


def export(arguments: list[str]) -> int:
    """Write the files and print what they contain.

    Args:
        arguments: command-line arguments.

    Returns:
        The exit code.

    Raises:
        OigeError: an argument is wrong, the checkpoint does not fit, or the written policy computes something else.
    """
    from oige_core.errors import ConfigError

    from oige_train.cli.common import checked_run, pop_int, pop_text, refuse_ignored

    refuse_ignored(arguments, "oige-export", *IGNORED)
    output = Path(pop_text(arguments, "output", "policy.onnx")).expanduser()
    model = pop_text(arguments, "model", "True")
    if model not in ("True", "False"):
        raise ConfigError(f"model={model}: expected True or False.")
    steps = pop_int(arguments, "steps", default=0)
    given = {argument.partition("=")[0].lstrip("+") for argument in arguments}
    worlds_given = bool({"num_envs", "task.env.numEnvs"} & given)
    if "test" in given:
        raise ConfigError("test: has no effect in oige-export; leave it out.")
    arguments = [*arguments, "test=True"]
    run = checked_run([*arguments, *([] if worlds_given else [f"num_envs={WORLDS}"])], starts=True)
    images = run.spec.images
    if images and not worlds_given:
        run = checked_run([*arguments, f"num_envs={IMAGE_WORLDS}"], starts=True)
    steps = steps or min(run.config.task.env.episodeLength, IMAGE_STEPS if images else STEPS)
    return _write(run, output, steps=steps, model=model == "True")


def _write(run: "Run", output: Path, *, steps: int, model: bool) -> int:
    from oige_train.console import say
    from oige_train.export.deployment import check_output, export_deployment
    from oige_train.torch_setup import configure_torch

    check_output(output)
    say(*run.notes)
    configure_torch(run)
    deployment = export_deployment(run, output, steps=steps, model=model)
    contract = deployment.contract
    vectors = len(contract.values["vectors"]["actions"])
    print(
        f"{output}: policy of {run.task.name}, observations {_size(contract.shape)}, {len(contract.actions)} actions, "
        f"{output.stat().st_size / 1024:,.0f} KiB"
    )
    print(
        f"{contract.file}: contract, {run.config.task.env.numEnvs * steps:,} recorded steps, {vectors} test vectors, "
        f"largest deviation {deployment.deviation:.1e}"
    )
    if deployment.model is not None:
        print(f"{deployment.model}: the task's world")
    return 0


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


if __name__ == "__main__":
    main()
