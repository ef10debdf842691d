"""Weights & Biases: one W&B run for each run."""

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path

from oige_core.errors import OigeError, one_line

from oige_train.config import Run
from oige_train.runs.files import SUMMARIES

__all__ = ["wandb_run"]


@contextlib.contextmanager
def wandb_run(run: Run, folder: Path) -> Iterator[None]:
    """Also send to Weights & Biases what TensorBoard gets, as one run that ends with the block.

    The summary writer must be made in the block. Without ``wandb_activate`` nothing happens.

    Args:
        run: the checked run.
        folder: folder of the run. It gets W&B's local files and names the W&B run unless ``wandb_name`` is set.

    Raises:
        OigeError: W&B cannot be used, for instance without a login.
    """
    config = run.config
    if not config.wandb_activate:
        yield
        return
    stamp = datetime.datetime.now().strftime("%y%m%d-%H%M%S")
    name = config.wandb_name if config.wandb_name != config.train.params.config.name else folder.name
    try:
        import wandb  # pyright: ignore[reportMissingImports]

        wandb.init(
            project=config.wandb_project,
            group=config.wandb_group or None,
            entity=config.wandb_entity or None,
            name=f"{name}_{stamp}",
            config=run.resolved,
            dir=str(folder),
        )
        # With sync_tensorboard=True, wandb does not know this folder: it waits 10 s for others, and warns in the next
        # run of a sweep.
        wandb.tensorboard.patch(root_logdir=str(folder / SUMMARIES))  # pyright: ignore[reportAttributeAccessIssue]
    except Exception as error:
        # wandb's exceptions have no common base class in all versions, and network errors are not wandb's.
        raise OigeError(
            f"wandb_activate=True: Weights & Biases cannot be used ({one_line(error)}); run `wandb login`, set "
            "WANDB_MODE=offline or leave wandb_activate out."
        ) from error
    code = 1
    try:
        yield
        code = 0
    finally:
        # The next run of a sweep would otherwise continue this one.
        wandb.tensorboard.unpatch()  # pyright: ignore[reportAttributeAccessIssue]
        wandb.finish(exit_code=code)
