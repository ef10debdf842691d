"""The programs other than oige-train."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_train.benchmark import measure, timing
from oige_train.benchmark.stages import Stage

PROGRAMS = ("train", "random_policy", "tasks", "benchmark", "demo", "new_task", "randomization", "runs")


def run(module: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"oige_train.cli.{module}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_imports_neither_torch_nor_hydra(program: str, flag: str, tmp_path: Path) -> None:
    code = (
        f"import sys; from oige_train.cli.{program} import main; main();"
        "sys.exit(', '.join(m for m in ('torch', 'hydra', 'omegaconf', 'gymnasium', 'numpy') if m in sys.modules) or 0)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, flag], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith(f"usage: oige-{program.replace('_', '-')}")


def test_tasks_lists_sizes_default_envs_and_package(run_program: Callable[..., Any]) -> None:
    outcome = run_program("tasks")
    assert outcome.code == 0, outcome.err
    rows = [line.split() for line in outcome.out.splitlines()]
    assert rows[0] == ["task", "observations", "actions", "envs", "package"]
    assert ["Cartpole", "4", "1", "512", "oige-tasks-classic"] in rows
    assert run_program("tasks", "x").code == 2


def test_tasks_lists_the_others_if_one_cannot_be_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine-1.dist-info").mkdir()
    (tmp_path / "mine-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1\n")
    (tmp_path / "mine-1.dist-info" / "entry_points.txt").write_text("[oige.tasks]\nMine = mine:SPEC\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = run("tasks", cwd=tmp_path)
    assert process.returncode == 2
    assert "\nCartpole " in process.stdout
    assert process.stderr == (
        "error: task 'Mine' of mine: its entry point mine:SPEC names nothing, expected a TaskSpec; "
        "correct the package's pyproject.toml.\n"
    )


def test_random_policy_takes_max_steps(run_program: Callable[..., Any]) -> None:
    outcome = run_program("random_policy", "task=Cartpole", "num_envs=8", "max_steps=20", "sim_device=cpu")
    assert outcome.code == 0, outcome.err
    assert "20 steps in total:" in outcome.out
    assert outcome.err.splitlines()[0] == "stepping Cartpole with random actions: 8 worlds on cpu, seed 42"
    assert "FPS × 8 envs" in outcome.out.splitlines()[-1]
    wrong = run_program("random_policy", "max_steps=-1")
    assert (wrong.code, wrong.err) == (2, "error: max_steps=-1: expected a whole number above 0.\n")


def test_randomization_shows_blocks_also_if_they_are_disabled(run_program: Callable[..., Any]) -> None:
    draw = "{operation: scaling, distribution: uniform, distribution_parameters: [0.5, 1.5]}"
    key = "task.domain_randomization.randomization_params.articulation_views.cartpole_view.body_masses.on_reset"
    outcome = run_program("randomization", "task=Cartpole", f"{key}={draw}", "sim_device=cpu")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[:4] == [
        "Cartpole: 1 distribution in each of 512 worlds; nothing of this happens without "
        "task.domain_randomization.randomize=True",
        "",
        "articulation_views.cartpole_view.body_masses.on_reset",
        "  at resets: multiplies by uniform numbers (low 0.5, high 1.5)",
    ]
    without = run_program("randomization", "task=Cartpole")
    assert without.code == 2
    assert without.err.startswith("error: task.domain_randomization.randomization_params: Cartpole has no blocks")


def test_benchmark_reports_every_stage(tmp_path: Path, run_program: Callable[..., Any]) -> None:
    file = tmp_path / "figures.json"
    process = run("benchmark", "num_envs=32", "rounds=2", "sim_device=cpu", "--json", str(file), "seed=5", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stderr.splitlines()[:2] == [
        "measuring Cartpole with PPO (CartpolePPO): 32 worlds on cpu, network 32-32, seed 5",
        "no task= was given, so the default Cartpole is used; oige-tasks lists all tasks",
    ]
    figures = json.loads(file.read_text())
    assert (figures["task"], figures["num_envs"], figures["seed"], figures["device"]) == ("Cartpole", 32, 5, "cpu")
    stages = {stage["name"]: stage for stage in figures["stages"]}
    assert list(stages) == ["physics", "environment", "policy inference", "learning"]
    for name, stage in stages.items():
        assert len(stage["rates"]) == 2
        assert min(stage["rates"]) <= stage["rate"] <= max(stage["rates"])
        assert stage["rate"] > 0
        ratios = [rate / physics for rate, physics in zip(stage["rates"], stages["physics"]["rates"], strict=True)]
        assert stage["ratio"] == pytest.approx(sum(ratios) / 2)
        assert name in process.stdout
    assert figures["physics_replayed"] is True
    assert 0.1 < figures["physics_fraction"] < 1.0
    assert f"takes {figures['physics_fraction']:.3f} of an environment step" in process.stdout
    assert figures["startup_seconds"] > 0.5  # importing torch takes longer
    assert figures["peak_memory_bytes"] > 100 * 2**20
    assert figures["versions"]["mujoco"] == "4.0.0"
    assert not (tmp_path / "runs").exists()
    assert run_program("benchmark", "--json").code == 2
    nowhere = run_program("benchmark", "--json", "absent/figures.json")
    assert nowhere.err == "error: --json absent/figures.json: expected a file in a folder that exists.\n"


def stand_still(engine: MujocoEngine, n: int = 1) -> None:
    """Do nothing."""


def diverge(engine: MujocoEngine, n: int = 1) -> None:
    """Make the state NaN, but not in the first step, because NaN in first observations is refused before."""
    if getattr(engine, "stepped", False):
        engine.load_state_dict(spoil(engine.state_dict()))
    engine.__dict__["stepped"] = True


def spoil(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: spoil(value) for key, value in tree.items()}
    return tree * float("nan") if isinstance(tree, torch.Tensor) and tree.is_floating_point() else tree


@pytest.mark.parametrize(
    ("step", "message"), [(stand_still, "the simulation stands still"), (diverge, "the simulation diverged")]
)
def test_benchmark_refuses_figures_of_a_broken_simulation(
    step: Callable[..., None], message: str, run_program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MujocoEngine, "step", step)
    outcome = run_program("benchmark", "num_envs=8", "rounds=1", "sim_device=cpu")
    assert outcome.code == 2
    assert message in outcome.err
    assert "env-steps" not in outcome.out


def test_slow_stage_skips_rounds_of_the_benchmark(
    tmp_path: Path, run_program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([(1, 0.1), (1, 0.1), (1, 0.1), (1, 20.0)])  # repetitions and seconds; learning comes last
    monkeypatch.setattr(measure, "calibrate", lambda *_: next(figures))
    outcome = run_program("benchmark", "num_envs=8", "sim_device=cpu", "--json", "figures.json")
    assert outcome.code == 0, outcome.err
    stages = json.loads((tmp_path / "figures.json").read_text())["stages"]
    assert [len(stage["rates"]) for stage in stages] == [7, 7, 7, 1]
    assert stages[3]["ratio"] == pytest.approx(stages[3]["rates"][0] / stages[0]["rates"][0])
    # 7 rounds of four times 0.1 s, the environment being timed twice, and 20 s.
    assert "timing: about 23 s; learning in 1 of 7 rounds\n" in outcome.err
    assert "warming up: learning\n" in outcome.err


@pytest.mark.parametrize(
    ("seconds", "calls", "expected"),
    [(0.2, 3, (2, 0.4)), (0.4, 3, (1, 0.4)), (3.0, 3, (1, 3.0)), (6.0, 1, (1, 6.0))],
)
def test_long_repetition_of_a_stage_is_not_warmed_up_again(
    seconds: float, calls: int, expected: tuple[int, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[int] = []

    def time(env: object, stage: object, repetitions: int) -> float:
        timed.append(repetitions)
        return seconds * repetitions

    monkeypatch.setattr(timing, "time_stage", time)
    stage = Stage(begin=lambda: None, repeat=lambda: None, frames=1)
    checks: list[None] = []
    assert timing.calibrate(Mock(), stage, lambda: checks.append(None)) == pytest.approx(expected)
    assert len(timed) == calls
    assert len(checks) == 1
