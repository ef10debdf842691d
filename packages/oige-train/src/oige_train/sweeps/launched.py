"""The process of one job of a sweep: ``python -m oige_train.sweeps.launched <file>``."""

import json
from pathlib import Path

from oige_train.cli.common import run_cli

__all__ = ["main"]


def main() -> None:
    """Run the program."""
    run_cli(train_job)


def train_job(arguments: list[str]) -> int:
    """Train as a file describes that :class:`~oige_train.sweeps.job.LaunchedJob` has written.

    Args:
        arguments: the file.

    Returns:
        The exit code.

    Raises:
        OigeError: an override is wrong, or training failed.
    """
    from oige_core.registration import load_task_file

    from oige_train.config.sweep import launched_job
    from oige_train.sweeps.execution import train_once

    spec = json.loads(Path(arguments[0]).read_text("utf-8"))
    for file in spec["task_files"]:
        load_task_file(file)
    with launched_job(spec["keys"]):
        folder, code = train_once(spec["overrides"])
    Path(spec["folder_file"]).write_text(json.dumps({"folder": str(folder)}), "utf-8")
    return code


if __name__ == "__main__":
    main()
