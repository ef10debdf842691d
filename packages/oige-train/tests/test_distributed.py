"""Processes that train together over gloo, on the CPU."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from distributed_process import AGENTS, take_step
from oige_train.checkpoint import load_checkpoint
from oige_train.learner.distributed import Workers
from processes import run_processes

ARGUMENTS = ("num_envs=32", "multi_gpu=True", "max_iterations=3", "sim_device=cpu", "rl_device=cpu", "num_threads=1")

# A training of the program, whose learner is saved at the end.
PROGRAM = """
import os
import torch
import oige_train.runner as runner
from oige_train.cli.train import main

def save_learner(session, agent):
    learner = {"lr": agent.last_lr, "frame": agent.frame, "mean": agent.mean_reward(), "seed": session.run.config.seed}
    torch.save({"model": agent.model.state_dict(), "obs": agent.obs["obs"], **learner}, f"rank{os.environ['RANK']}.pth")

runner._check_saved = save_learner
main()
"""


# A benchmark in which work takes 0.1 s in process 0 and 1 s in process 1.
BENCHMARK = """
import itertools, os, types
from oige_train.benchmark import timing
from oige_train.cli.benchmark import main

ticks, length = itertools.count(), (0.1, 1.0)[int(os.environ["RANK"])]
timing.time = types.SimpleNamespace(perf_counter=lambda: next(ticks) * length)
main()
"""


def load(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(file, weights_only=True) for file in sorted(folder.glob("rank*.pth"))]


def assert_same(one: Any, two: Any, where: str = "") -> None:
    """Compare nested dictionaries, lists and tensors bit by bit."""
    assert type(one) is type(two), where
    if isinstance(one, dict):
        assert one.keys() == two.keys(), where
        for key in one:
            assert_same(one[key], two[key], f"{where}.{key}")
    elif isinstance(one, list):
        assert len(one) == len(two), where
        for index, values in enumerate(zip(one, two, strict=True)):
            assert_same(*values, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, two), where
    else:
        assert one == two, where


@pytest.fixture(scope="module")
def learners(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learners")
    run_processes("from distributed_process import main; main()", folder, size=3)
    return folder


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("program")
    for rank, err in enumerate(run_processes(PROGRAM, folder, size=2, arguments=ARGUMENTS)):
        assert ("epoch 3/3 | " in err) == (rank == 0), "only process 0 shows progress"
    return folder


@pytest.mark.parametrize("name", AGENTS)
def test_learners_of_all_processes_are_equal_bit_by_bit(learners: Path, name: str) -> None:
    one, two, three = (states["agents"][name] for states in load(learners))
    worlds = [state.pop("observations") for state in (one, two, three)]
    assert not torch.equal(worlds[0], worlds[1]), "each process has its own worlds"
    assert not torch.equal(worlds[1], worlds[2])
    assert_same(one, two, name)
    assert_same(one, three, name)
    rate = one["scalars"][0]
    assert (rate != 1e-3) == ("kl_threshold" in AGENTS[name]), "the adaptive rate changed"


def test_processes_take_the_step_of_one_process_with_all_samples(learners: Path, tmp_path: Path) -> None:
    parts = [states["step"] for states in load(learners)]
    whole = take_step(Workers(), tmp_path, size=1)
    assert len(parts) == 3
    assert all(part.keys() == whole.keys() for part in parts)
    for name, value in whole.items():
        for part in parts:
            torch.testing.assert_close(
                part[name], value, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
            )
    gradients = [value for name, value in whole.items() if name.endswith("weight")]
    assert len(gradients) >= 5
    assert all(gradient.abs().max() > 1e-4 for gradient in gradients)


def test_processes_of_the_program_have_equal_learners(program: Path) -> None:
    one, two = load(program)
    assert_same(one["model"], two["model"])
    for name in ("lr", "frame", "mean"):
        assert one[name] == two[name], name
    assert one["frame"] == 3072  # 3 epochs of 16 steps in 2 × 32 worlds
    # It starts from a count of 1, and each sample and its image count once.
    assert one["model"]["running_mean_std.count"] == 1 + 2 * 3072


def test_processes_simulate_different_worlds(program: Path) -> None:
    one, two = load(program)
    assert one["seed"] == 42
    assert two["seed"] not in range(100), "not the seed of another run"
    assert not torch.equal(one["obs"], two["obs"])


def test_only_process_0_writes(program: Path) -> None:
    (checkpoint,) = (program / "runs" / "Cartpole" / "nn").iterdir()
    state = load_checkpoint(checkpoint, "cpu")
    one, _ = load(program)
    assert all(torch.equal(value, one["model"][name]) for name, value in state["model"].items())
    assert len(list((program / "runs" / "Cartpole" / "summaries").iterdir())) == 1
    assert [path.name for path in (program / "runs").iterdir()] == ["Cartpole"]
    (start,) = json.loads((program / "runs" / "Cartpole" / "run.json").read_text())
    assert start["command"].startswith("torchrun --nproc-per-node=2 -m oige_train.cli.train ")
    assert start["processes"] == 2


def test_benchmark_counts_the_steps_of_all_processes_until_the_last_has_finished(tmp_path: Path) -> None:
    arguments = (
        "num_envs=8",
        "multi_gpu=True",
        "sim_device=cpu",
        "num_threads=1",
        "rounds=1",
        "--json",
        "figures.json",
    )
    first, second = run_processes(BENCHMARK, tmp_path, size=2, arguments=arguments)
    assert first.startswith(
        "measuring Cartpole with PPO (CartpolePPO): 2 processes with 8 worlds on cpu each, 16 in all,"
    )
    assert second == ""
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["processes"], figures["num_envs"]) == (2, 8)
    assert figures["stages"][-1]["name"] == "learning"
    assert figures["stages"][-1]["rates"] == [pytest.approx(16 * 8 * 2 / 1.0)]  # steps of an epoch, worlds, processes
