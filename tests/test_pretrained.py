"""The policies that task packages bring: whole, as good as their cards say, and refused when damaged."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core import make_env
from oige_core.errors import ConfigError
from oige_core.registry import find_task, installed_tasks, load_spec
from oige_core.spec import InstalledTask
from oige_train.checkpoint import CheckpointError
from oige_train.cli.common import checked_run
from oige_train.console import ProgressLine
from oige_train.play import evaluate
from oige_train.pretrained import find_pretrained, policy_files
from oige_train.torch_setup import configure_torch

CPU = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
POLICIES = [task.name for task in installed_tasks().values() if policy_files(task)[0].is_file()]


@pytest.fixture
def copy(tmp_path: Path) -> InstalledTask:
    """Cartpole's record with a copy of its policy, to be damaged."""
    task = find_task("Cartpole")
    shutil.copytree(policy_files(task)[0].parent, tmp_path / "pretrained")
    return dataclasses.replace(task, cfg=tmp_path / "cfg")


def test_pretrained_policies_are_found() -> None:
    assert {"Ant", "AntSAC", "Anymal", "Cartpole", "Humanoid"} <= set(POLICIES)


def games(name: str) -> list[Any]:
    """Return names, numbers of games and tolerances of the mean return; a core traces few images a second."""
    if load_spec(find_task(name)).images:  # a quarter of the games doubles the standard error
        return [(name, 2, 0.2), pytest.param(name, 8, 0.1, marks=pytest.mark.slow)]
    if name == "FactoryTaskNutBolt":  # three policies, each of which is played below, one after the other
        return [pytest.param(name, 6, 0.1, marks=pytest.mark.slow)]
    # A few episodes end early, more or fewer than of the card's 256. AntSAC falls so often that it needs more of them.
    # Those of the nut that is screwed on take 2,048 steps, and are all alike.
    return [(name, {"AntSAC": 128, "FactoryTaskNutBoltScrew": 1}.get(name, 32), 0.1)]


@pytest.mark.parametrize(("name", "n", "tolerance"), [case for name in POLICIES for case in games(name)])
def test_pretrained_policy_reaches_the_return_of_its_card(name: str, n: int, tolerance: float) -> None:
    # Several threads would wait for each other's few rows, beside tests of other processes.
    arguments = [f"num_envs={n}", f"train.params.config.player.games_num={n}", "train.params.torch_threads=1"]
    run = checked_run([f"task={name}", "test=True", "checkpoint=pretrained", *arguments, *CPU])
    configure_torch(run)
    env = make_env(run.config)
    with torch.no_grad():
        result = evaluate(run, env, ProgressLine())
    env.close()
    card = json.loads(policy_files(find_task(name))[1].read_text())
    assert result.mean_return == pytest.approx(card["mean_return"], rel=tolerance)


def test_damaged_policy_is_refused(copy: InstalledTask) -> None:
    assert find_pretrained(copy, "CartpolePPO").is_file()
    file, card = policy_files(copy)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"Cartpole.pth is damaged; reinstall oige-tasks-classic\."):
        find_pretrained(copy, "CartpolePPO")
    card.write_text(card.read_text()[:-10])
    with pytest.raises(CheckpointError, match=r"Cartpole.json is damaged .*; reinstall oige-tasks-classic\."):
        find_pretrained(copy, "CartpolePPO")


def test_policy_of_another_network_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"was trained with train=AntPPO, not AntPPO_cpu; leave train= out\."):
        checked_run(["task=Ant", "train=AntPPO_cpu", "test=True", "checkpoint=pretrained", *CPU])


def test_missing_policy_error_lists_available_ones(copy: InstalledTask) -> None:
    policy_files(copy)[0].unlink()
    with pytest.raises(CheckpointError, match="oige-tasks-classic has no policy for Cartpole; there are policies for"):
        find_pretrained(copy, "CartpolePPO")


def test_pretrained_policy_cannot_be_resumed() -> None:
    with pytest.raises(ConfigError, match=r"checkpoint=pretrained: .*; add test=True\."):
        checked_run(["task=Ant", "checkpoint=pretrained", *CPU])
