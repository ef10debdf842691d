"""``train=PPO`` and ``train=SAC`` fit any task, can be inherited, and are the default of tasks without their own."""

import importlib.metadata
from pathlib import Path

import pytest
from oige_core.errors import ConfigError
from oige_core.registry import installed_tasks
from oige_core.spec import InstalledTask
from oige_train.cli.common import checked_run
from oige_train.config import overrides

CPU = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]
MINE = "oige_tasks_classic.cartpole:CARTPOLE"


@pytest.mark.parametrize(
    ("task", "num_envs"),
    [("Cartpole", 1), ("Cartpole", 64), *((name, 7) for name in installed_tasks() if not name.endswith("SAC"))],
)
def test_base_of_ppo_fits_any_task_and_number_of_worlds(task: str, num_envs: int) -> None:
    run = checked_run([f"task={task}", "train=PPO", f"num_envs={num_envs}", *CPU])
    learner = run.config.train.params.config
    assert (learner.name, learner.num_actors, run.notes) == (task, num_envs, ())
    assert (learner.horizon_length * num_envs) % (learner.minibatch_size_per_env * num_envs) == 0  # type: ignore[attr-defined]


def test_base_of_sac_fits_a_task() -> None:
    run = checked_run(["task=Ant", "train=SAC", "num_envs=64", "experiment=mine", "max_iterations=3", "seed=5", *CPU])
    params = run.config.train.params
    assert (params.algo.name, params.config.name, params.config.max_epochs, params.seed) == ("sac", "mine", 3, 5)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration folder of a package with one task, Mine, which is Cartpole by another name."""
    entry_point = importlib.metadata.EntryPoint("Mine", MINE, "oige.tasks")
    mine = InstalledTask(name="Mine", package="none", cfg=tmp_path, entry_point=entry_point)
    (tmp_path / "task").mkdir()
    (tmp_path / "train").mkdir()
    (tmp_path / "task" / "Mine.yaml").write_text("defaults: [Cartpole, _self_]\nname: Mine\n")
    tasks = installed_tasks() | {"Mine": mine}
    for module in ("oige_core.registry", "oige_train.config.overrides"):
        monkeypatch.setattr(f"{module}.installed_tasks", lambda: tasks)
    return tmp_path


def test_task_without_training_configuration_uses_the_base(package: Path) -> None:
    run = checked_run(["task=Mine", "num_envs=4", *CPU])
    assert (run.train_name, run.config.train.params.config.name) == (overrides.BASE, "Mine")


def test_training_configuration_inherits_the_base(package: Path) -> None:
    (package / "train" / "MinePPO.yaml").write_text("defaults: [PPO, _self_]\nparams: {config: {minibatch_size: 48}}\n")
    learner = checked_run(["task=Mine", "num_envs=3", *CPU]).config.train.params.config
    assert (learner.minibatch_size, learner.horizon_length) == (48, 32)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        (
            "MinePPO",
            "defaults: [CartpolPPO, _self_]",
            "train/CartpolPPO.yaml: no installed package has this file, which the defaults of train/MinePPO.yaml name. "
            "Did you mean CartpolePPO or",
        ),
        ("PPO", "", "train/PPO.yaml: is in both"),
        ("MinePPO", "a: [1", "{folder}/train/MinePPO.yaml, line 1: not valid YAML."),
        (
            "MinePPO",
            "defaults: [PPO, _self_]\nparams: {seed: 7}",
            "train.params.seed=7: expected 42; set seed instead.",
        ),
        (
            "MinePPO",
            "defaults: [PPO, _self_]\nparams: {config: {device: 'cuda:3'}}",
            "train.params.config.device=cuda:3: expected cpu; set rl_device instead.",
        ),
        ("MinePPO", "[1, 2]", ""),
        ("MinePPO", "defaults: 3", ""),
    ],
)
def test_error_in_training_configuration_is_one_line(package: Path, file: str, text: str, message: str) -> None:
    (package / "train" / f"{file}.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        checked_run(["task=Mine", "num_envs=4", *CPU])
    assert str(caught.value).startswith(message.format(folder=package))
    assert "\n" not in str(caught.value)


def test_root_keys_replace_plain_values_of_the_files(package: Path) -> None:
    (package / "task" / "Mine.yaml").write_text("defaults: [Cartpole, _self_]\nname: Mine\nenv: {numEnvs: 6}\n")
    (package / "train" / "MinePPO.yaml").write_text("defaults: [PPO, _self_]\nparams: {config: {max_epochs: 9}}\n")
    learner = checked_run(["task=Mine", *CPU]).config.train.params.config
    assert (learner.num_actors, learner.max_epochs, learner.name) == (6, 9, "Mine")
    run = checked_run(["task=Mine", "num_envs=4", "max_iterations=2", "experiment=first", *CPU])
    learner = run.config.train.params.config
    assert (run.config.task.env.numEnvs, learner.num_actors) == (4, 4)
    assert (learner.max_epochs, learner.name, learner.full_experiment_name) == (2, "first", "first")


@pytest.mark.parametrize(
    "overrides", [["num_envs=4", "task.env.numEnvs=5"], ["experiment=a", "train.params.config.name=b"]]
)
def test_root_key_that_conflicts_with_its_target_is_refused(overrides: list[str]) -> None:
    key, value = overrides[1].split("=")
    with pytest.raises(ConfigError, match=f"^{overrides[0]}: has no effect, because {key}={value} is set, too"):
        checked_run([*overrides, *CPU])
