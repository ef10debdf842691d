"""``task=<file>.py``: tasks that a file registers."""

from pathlib import Path

import pytest
from oige_core.registry import _registered, installed_tasks
from oige_train.cli.common import checked_run, checked_runs

FILE = """
import oige_core
from oige_tasks_classic.cartpole.task import CartpoleTask


class Lazy(CartpoleTask):
    pass


config = {"task.env.maxEffort": 100.0, "train.params.config.mini_epochs": 3}
oige_core.register_task("Lazy", Lazy, base="Cartpole", config=config)
"""
SMALL = ("sim_device=cpu", "num_envs=8", "num_threads=1", "train.params.config.horizon_length=8", "max_iterations=1")


@pytest.fixture
def file(tmp_path: Path, forgets_tasks: None) -> Path:
    """A file that registers the task Lazy."""
    path = tmp_path / "my_lazy.py"
    path.write_text(FILE)
    return path


def test_configuration_is_that_of_file_and_base(file: Path) -> None:
    run = checked_run([f"task={file}", "sim_device=cpu", "task.env.resetDist=2.0"])
    task, learner = run.resolved["task"], run.resolved["train"]["params"]["config"]
    assert (task["name"], run.train_name, learner["name"]) == ("Lazy", "LazyPPO", "Lazy")
    assert (task["env"]["maxEffort"], task["env"]["resetDist"]) == (100.0, 2.0)
    assert (learner["mini_epochs"], learner["learning_rate"]) == (3, 0.015)
    assert (run.task.file, run.record.task) == (str(file), "Lazy")


def test_sweep_can_be_over_files_and_installed_tasks(file: Path) -> None:
    runs = checked_runs(["--multirun", f"task=Cartpole,{file}", "sim_device=cpu"])
    assert [run.task.name for run in runs] == ["Cartpole", "Lazy"]


def test_training_prints_commands_that_name_the_file(file: Path, program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    trained = program(f"task={file}", *SMALL)
    assert trained.code == 0, trained.err
    assert "training Lazy with PPO (LazyPPO): 8 worlds on cpu" in trained.err
    (last,) = Path("runs/Lazy/nn").glob("last_*.pth")
    (play,) = [line.split()[1:] for line in trained.out.splitlines() if line.startswith("play:")]
    assert play == ["oige-train", f"task={file}", f"checkpoint={last}", "test=True", "sim_device=cpu", "num_threads=1"]
    played = program(*play[1:], "train.params.config.player.games_num=8")
    assert played.code == 0, played.err
    assert "mean return" in played.out

    _registered.clear()  # as in a new process
    installed_tasks.cache_clear()
    alone = program(f"checkpoint={last}", "test=True")
    assert (alone.code, alone.err) == (
        2,
        f"error: checkpoint={last}: belongs to task Lazy, which is not installed; install the package of that task, or "
        "add task=<file>.py, the file that registers it.\n",
    )


def test_missing_file_is_refused_in_one_line(program) -> None:
    outcome = program("task=nowhere/my_task.py")
    expected = "error: task=nowhere/my_task.py: expected a Python file, but there is no such file.\n"
    assert (outcome.code, outcome.err) == (2, expected)
