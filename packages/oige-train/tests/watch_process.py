"""What the processes of ``test_watch`` do: they run one collective after another until one of them ends."""

import sys
import threading
import time

import torch
from oige_train.cli.exits import exit_code
from oige_train.console import show_messages
from oige_train.learner import watch
from oige_train.learner.distributed import Workers

ERRORS = {
    "bug": ValueError("a bug."),
    "memory": torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB."),
}


def program(what: str, rank: int) -> None:
    settings = {"num_envs": 64, "train.params.config.max_epochs": 5 if what == "settings" and rank == 1 else 3}
    workers = Workers.join("cpu", settings)
    with workers.reporting():
        workers.advise(lambda: "; look at nn/last.pth")
        print("ready", flush=True)
        while True:
            workers.any(False)
            if what in ERRORS and rank == 1:
                raise ERRORS[what]
            if what == "stuck":
                threading.Event().wait()  # as for a kernel of NCCL that never ends
            time.sleep(0.05)


def main(rank: int) -> None:
    show_messages()
    watch.GRACE = 1.0
    sys.exit(exit_code(lambda: program(sys.argv[1], rank)))
