"""A training of ``two_nodes.py`` in one process, which keeps the weights of its policy in ``rank<n>.pth``."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from oige_train.cli.common import checked_run, run_cli
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.learner.progress import ProgressObserver
from oige_train.runner import execute
from oige_train.supervisor import Supervisor


class KeepingSupervisor(Supervisor):
    """Saves the policy's weights at the end of training."""

    @contextlib.contextmanager
    def environment(self, run: Run) -> Iterator[Any]:
        """Provide the environment; save the weights before it is closed."""
        with super().environment(run) as env:
            yield env
            torch.save(self._observer.algo.model.state_dict(), f"rank{os.environ['RANK']}.pth")

    def observer(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]]) -> ProgressObserver:
        """Return the observer, which knows the agent."""
        self._observer = super().observer(line, problems)
        return self._observer


def main(arguments: list[str]) -> int:
    return execute(checked_run(arguments, starts=True), arguments, KeepingSupervisor())


if __name__ == "__main__":
    run_cli(main)
