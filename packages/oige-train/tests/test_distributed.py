"""Two processes that train together over gloo, on the CPU."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from oige_train.checkpoint import load_checkpoint

# What each process does: normaliser statistics against one process that sees all samples, then a short training run.
PROCESS = """
import os, sys
import torch
import oige_train.runner as runner
from oige_core.errors import OigeError
from oige_train.cli.train import main
from oige_train.learner.distributed import Workers
from oige_train.learner.normalisers import NormaliserSync
from rl_games.algos_torch.running_mean_std import RunningMeanStd

rank = int(os.environ["RANK"])
join = Workers.join.__func__

def refuse():
    raise OigeError(f"refused by {rank}")

def joined(cls, device):
    workers = join(cls, device)
    data = torch.randn(3, 2, 40, 5, generator=torch.Generator().manual_seed(1)) * 3 + 7   # rounds, ranks, samples
    mine, everyone = RunningMeanStd((5,)), RunningMeanStd((5,))
    for parts in data:
        sync = NormaliserSync([torch.nn.Sequential(mine)], workers)
        mine(parts[rank] + rank)
        sync.merge()
        everyone(torch.cat([parts[0], parts[1] + 1]))
    for name, value in everyone.state_dict().items():
        torch.testing.assert_close(mine.state_dict()[name], value, rtol=1e-6, atol=1e-6)
    assert everyone.count == 241
    tensors = [torch.tensor([1.0, 2.0]) * (rank + 1), torch.tensor(10.0) * rank]
    workers.average(tensors)
    assert [t.tolist() for t in tensors] == [[1.5, 3.0], 5.0], tensors
    assert workers.any(rank == 1) and not workers.any(False)
    assert workers.decide(lambda: f"of {rank}") == "of 0"
    try:
        workers.decide(refuse)
    except OigeError as error:
        assert str(error) == "refused by 0"
    else:
        raise AssertionError("the error of process 0 is that of all")
    return workers

def report(session, agent, folder):
    learner = {"lr": agent.last_lr, "frame": agent.frame, "mean": agent.mean_reward(), "seed": session.run.config.seed}
    torch.save({"model": agent.model.state_dict(), "obs": agent.obs["obs"], **learner}, f"rank{rank}.pth")

Workers.join = classmethod(joined)
runner._report = report
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        "num_envs=32",
        "multi_gpu=True",
        "max_iterations=3",
        "sim_device=cpu",
        "rl_device=cpu",
        "num_threads=1",
    ]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, *arguments],
            cwd=folder,
            env=os.environ
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank, process in enumerate(processes):
        _, err = process.communicate(timeout=180)
        assert process.returncode == 0, err
        assert ("epoch 3/3 | " in err) == (rank == 0), "only process 0 shows progress"
    return folder


def test_processes_have_equal_learners(folder: Path) -> None:
    one, two = (torch.load(folder / f"rank{rank}.pth", weights_only=True) for rank in range(2))
    assert one["model"].keys() == two["model"].keys()
    for name, value in one["model"].items():
        assert torch.equal(value, two["model"][name]), name
    for name in ("lr", "frame", "mean"):
        assert one[name] == two[name], name
    assert one["frame"] == 3072  # 3 epochs of 16 steps in 2 × 32 worlds
    # It starts from a count of 1, and rl_games shows it each sample once in each of the 8 mini-epochs.
    assert one["model"]["running_mean_std.count"] == 1 + 8 * 2 * 3072


def test_processes_simulate_different_worlds(folder: Path) -> None:
    one, two = (torch.load(folder / f"rank{rank}.pth", weights_only=True) for rank in range(2))
    assert two["seed"] == one["seed"] + 1
    assert not torch.equal(one["obs"], two["obs"])


def test_only_process_0_writes(folder: Path) -> None:
    (checkpoint,) = (folder / "runs" / "Cartpole" / "nn").iterdir()
    state = load_checkpoint(checkpoint, "cpu")
    one = torch.load(folder / "rank0.pth", weights_only=True)
    assert all(torch.equal(value, one["model"][name]) for name, value in state["model"].items())
    assert len(list((folder / "runs" / "Cartpole" / "summaries").iterdir())) == 1
    assert [path.name for path in (folder / "runs").iterdir()] == ["Cartpole"]
    assert len(json.loads((folder / "runs" / "Cartpole" / "run.json").read_text())) == 1
