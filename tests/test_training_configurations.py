"""Every training configuration of every installed task composes, is valid and fits the task's default worlds."""

import importlib.util
import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from oige_core.config.defaults import compose_file, load_yaml
from oige_core.registry import installed_tasks
from oige_tasks_locomotion.target_following.task import reward_terms
from oige_train.checkpoint import load_checkpoint, read_info
from oige_train.cli.common import checked_run
from oige_train.config.overrides import TRAIN_CFG
from omegaconf import OmegaConf
from rl_games.common.tr_helpers import DefaultRewardsShaper
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

TASKS = installed_tasks()


def task_of(train: str, names: list[str]) -> str:
    """Return the task that a training configuration is meant for: the longest name that it begins with."""
    return max((name for name in names if train.startswith(name)), key=len)


TRAININGS = sorted(
    {
        (task_of(file.stem, [name for name, other in TASKS.items() if other.cfg == task.cfg]), file.stem)
        for task in TASKS.values()
        for file in (task.cfg / "train").glob("*.yaml")
    }
)


@pytest.mark.parametrize(("task", "train"), TRAININGS)
def test_training_configuration_is_valid(task: str, train: str) -> None:
    run = checked_run([f"task={task}", f"train={train}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])
    assert (run.config.task.name, run.train_name) == (task, train)
    assert not run.notes, "no value had to be derived in place of another"


CONFIGURATIONS = sorted({file for task in TASKS.values() for file in task.cfg.glob("*/*.yaml")})


def leaves(section: Mapping[Any, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in section.items():
        found |= leaves(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return found


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_configuration_repeats_no_value_of_its_base(file: Path) -> None:
    group = file.parent.name
    own = OmegaConf.to_container(load_yaml(file))
    assert isinstance(own, dict)
    bases = [name for name in own.pop("defaults", []) if name != "_self_"]
    assert bases or group == "task", "a training configuration inherits from PPO, SAC or another one"
    for base in bases:
        folders = [TRAIN_CFG, *{task.cfg for task in TASKS.values()}]
        composed = OmegaConf.to_container(compose_file(folders, f"{group}/{base}", package=group)[group])
        assert isinstance(composed, Mapping)
        inherited = leaves(composed)
        assert inherited
        repeated = {key: value for key, value in leaves(own).items() if inherited.get(key) == value}
        assert not repeated, repeated


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_configuration_follows_no_root_key_by_hand(file: Path) -> None:
    text = file.read_text()
    assert "resolve_default" not in text
    assert not re.search(r"\$\{\.\.", text), "absolute keys are legible, relative ones break when they are moved"


@pytest.mark.parametrize("task", TASKS)
def test_task_selects_its_training_configuration(task: str) -> None:
    run = checked_run([f"task={task}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])
    assert run.train_name == (task if task.endswith("SAC") else f"{task}PPO")
    assert run.config.train.params.config.name == task


@pytest.mark.parametrize(("task", "parent"), [("AntSAC", "Ant"), ("HumanoidSAC", "Humanoid")])
def test_sac_tasks_equal_their_parents_in_64_worlds(task: str, parent: str) -> None:
    arguments = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    ours, theirs = (checked_run([f"task={name}", *arguments]).config.task for name in (task, parent))
    assert (ours.env.numEnvs, theirs.env.numEnvs) == (64, 4096)
    theirs.name, theirs.env.numEnvs = task, 64
    assert ours == theirs
    by_hand = checked_run([f"task={parent}", f"train={task}", "num_envs=64", *arguments])  # as upstream does
    assert by_hand.config.train.params.algo.name == "sac"


@pytest.mark.parametrize("train", ["TargetFollowingPPO", "TargetFollowingPPO_cpu"])
def test_target_following_rewards_driving_more_than_lingering(train: str) -> None:
    arguments = [f"train={train}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    run = checked_run(["task=TargetFollowing", *arguments])
    shaper = DefaultRewardsShaper(**asdict(run.config.train.params.config.reward_shaper))
    step = 0.14 * math.pi * 0.0166  # m, at full speed
    # Lingers at 0.95 m; drives to the target at full speed; stands and sees it; stands and does not; drives away.
    before = torch.tensor([0.95, 5.0, 5.0, 5.0, 5.0])
    after = torch.tensor([0.95, 5.0 - step, 5.0, 5.0, 5.0 + step])
    wheels = torch.tensor([0.0, math.pi, 0.0, 0.0, math.pi]).unsqueeze(-1).expand(5, 2)
    seen = torch.tensor([0.03, 0.001, 0.001, 0.0, 0.0])
    lingers, drives, *others = shaper(sum(reward_terms(before, after, wheels, seen).values())).tolist()
    assert lingers == 0.0, "an episode that has ended pays as much"
    assert 0.0 > drives > others[0] > others[1] > others[2]


def oige_train(folder: Path, *arguments: str, **environment: str) -> str:
    """Run ``oige-train`` on the CPU in a folder; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "oige_train.cli.train", *arguments],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_finite(value: object) -> None:
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        assert value.isfinite().all()
    elif isinstance(value, dict):
        for each in value.values():
            check_finite(each)


WORLDS = 16
LONG = 500  # epochs between periodic checkpoints that are not waited for


@pytest.mark.slow
@pytest.mark.parametrize(("task", "train"), TRAININGS)
def test_shipped_configurations_train_resume_and_play(task: str, train: str, tmp_path: Path) -> None:
    """Beyond the first best and the first periodic checkpoint, with nothing changed but how much is trained."""
    arguments = [f"task={task}", f"train={train}", "sim_device=cpu", f"num_envs={WORLDS}"]
    learner = checked_run([*arguments, "pipeline=cpu", "rl_device=cpu"]).config.train.params.config
    frequency = learner.save_frequency if learner.save_frequency <= LONG else 0
    epochs = max(learner.save_best_after, frequency) + 2
    printed = oige_train(tmp_path, *arguments, f"max_iterations={epochs}")

    folder = tmp_path / "runs" / learner.name
    periodic = set(range(frequency, epochs, frequency)) if frequency else set()
    last = {int(file.name.split("_ep_")[1].split("_")[0]): file for file in folder.glob("nn/last_*")}
    assert set(last) == periodic | {epochs}
    events = EventAccumulator(str(folder / "summaries"))
    events.Reload()
    scores = [event.value for event in events.Scalars("rewards/step")]
    best = folder / "nn" / f"{learner.name}.pth"
    info = read_info(best, "best")
    assert info is not None
    assert info.epoch >= learner.save_best_after
    first = learner.save_best_after - 1 - epochs  # the score of that epoch, from the end
    assert info.mean_reward == pytest.approx(max(scores[first:]), rel=1e-5)
    for file in (best, *last.values()):
        check_finite({key: value for key, value in load_checkpoint(file, "cpu").items() if key != "env_state"})

    found = (
        re.search(rf"^{kind}: +(?:uv run (?:--project \S+ )?)?oige-train (.*)$", printed, re.M)
        for kind in ("play", "resume")
    )
    play, resume = (shlex.split(match[1]) for match in found if match)
    games = oige_train(tmp_path, *play, f"num_envs={WORLDS}", "train.params.config.player.games_num=4")
    assert "over 4 finished episodes" in games
    longer = [argument for argument in resume if not argument.startswith("max_iterations=")]
    assert f"done: {epochs + 1} epochs" in oige_train(tmp_path, *longer, f"max_iterations={epochs + 1}")


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb, an extra of oige-train, is not installed")
def test_summaries_reach_weights_and_biases(tmp_path: Path) -> None:
    arguments = ["task=Cartpole", "sim_device=cpu", "num_envs=64", "max_iterations=3", "task.env.episodeLength=8"]
    oige_train(tmp_path, *arguments, "wandb_activate=True", WANDB_MODE="offline")
    (recorded,) = tmp_path.glob("runs/Cartpole/wandb/offline-run-*/*.wandb")
    content = recorded.read_bytes()
    for tag in (b"rewards/step", b"Episode/return", b"global_step"):
        assert tag in content


def test_screw_is_tested_from_the_tip_of_the_bolt(tmp_path: Path) -> None:
    """Training begins along the bolt and ends episodes with failures; ``test=True`` does neither."""
    policy = tmp_path / "policy.pth"
    torch.save({"model": {}}, policy)
    for words, test in (([], False), (["test=True", f"checkpoint={policy}"], True)):
        env: Any = checked_run(["task=FactoryTaskNutBoltScrew", "sim_device=cpu", *words]).config.task.env
        assert env.rl.end_failed_episodes is not test
        assert (env.rl.failure_penalty > 0.0) is not test
        assert (env.randomize.start_along_bolt > 0.0) is not test
