"""Every training configuration of every installed task composes, is valid and fits the task's default worlds."""

import math
from dataclasses import asdict

import pytest
import torch
from oige_core.config import compose, validate
from oige_core.registry import installed_tasks
from oige_tasks_locomotion.target_following.task import reward_terms
from oige_train.cli.common import checked_run
from oige_train.learner.rl_games import DefaultRewardsShaper

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


@pytest.mark.parametrize("task", TASKS)
def test_a_task_binds_a_training_configuration_of_its_own(task: str) -> None:
    run = checked_run([f"task={task}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"])
    assert run.train_name == (task if task.endswith("SAC") else f"{task}PPO")
    assert run.config.train.params.config.name == task


@pytest.mark.parametrize("task", TASKS)
def test_the_record_of_a_task_has_the_sizes_of_its_configuration(task: str) -> None:
    spec = TASKS[task].spec()
    assert spec.for_config(validate(compose(TASKS[task]), spec).task.env) == spec


@pytest.mark.parametrize(("task", "parent"), [("AntSAC", "Ant"), ("HumanoidSAC", "Humanoid")])
def test_soft_actor_critic_plays_the_same_task_in_64_worlds(task: str, parent: str) -> None:
    words = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    ours, theirs = (checked_run([f"task={name}", *words]).config.task for name in (task, parent))
    assert (ours.env.numEnvs, theirs.env.numEnvs) == (64, 4096)
    theirs.name, theirs.env.numEnvs = task, 64
    assert ours == theirs
    by_hand = checked_run([f"task={parent}", f"train={task}", "num_envs=64", *words])  # as in the original
    assert by_hand.config.train.params.algo.name == "sac"


@pytest.mark.parametrize("train", ["TargetFollowingPPO", "TargetFollowingPPO_cpu"])
def test_learner_of_target_following_gains_by_driving_there_and_not_by_lingering(train: str) -> None:
    words = [f"train={train}", "sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
    run = checked_run(["task=TargetFollowing", *words])
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
