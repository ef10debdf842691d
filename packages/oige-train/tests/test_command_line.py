"""Values on the command line: literal text, sweeps, derived values."""

import importlib.metadata
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from oige_core.config import validate
from oige_core.errors import ConfigError
from oige_core.registry import installed_tasks
from oige_train.cli.common import checked_run, pop_int
from oige_train.config import Run, resolve_run, run_hydra
from oige_train.schema import CONFIG, TrainRunConfig, train_sections
from omegaconf import OmegaConf

CPU = ["sim_device=cpu", "pipeline=cpu", "rl_device=cpu"]

TEXTS = [
    "2025_01_05",
    "1e-3",
    "1_000",
    "0x10",
    "true",
    "null",
    "None",
    "inf",
    "a b",
    "it's",
    'say "hi"',
    "日本",
    "ü/a.pth",
    "a[1]=b{c}.pth",
    "a,b",
    "#1",
    "a&b;c!d~e",
    "~/a.pth",
    "C:\\runs\\a.pth",
    "end\\",
    "${seed}",
    "\\${seed}",
    "$HOME",
    "choice(a,b)",
    "[a]",
    " a ",
    "-1",
    ".",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_taken_literally(text: str, program: Callable[..., Any]) -> None:
    outcome = program(f"checkpoint={text}", f"wandb_group={text}", "--cfg", "job", "--resolve")
    assert outcome.code == 0, outcome.err
    shown = yaml.safe_load(outcome.out)
    assert (shown["checkpoint"], shown["wandb_group"]) == (text, text)


@pytest.mark.parametrize("text", ["2025_01_05", "null", "it's, 日本"])
def test_experiment_name_is_taken_literally(text: str) -> None:
    config = checked_run([*CPU, f"experiment={text}"]).config
    assert config.train.params.config.full_experiment_name == text
    assert config.wandb_name == text


def test_choices_of_a_task_are_taken_literally(program: Callable[..., Any]) -> None:
    outcome = program("task=TargetFollowing", "task.env.observe=true", *CPU)
    assert outcome.err == "error: task.env.observe=true: expected one of segmentation, rgb.\n"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_enclosing_quotes_are_removed(quote: str, program: Callable[..., Any]) -> None:
    outcome = program(f"checkpoint={quote}a[1].pth{quote}", "--cfg", "job")
    assert yaml.safe_load(outcome.out)["checkpoint"] == "a[1].pth"


def sweep(*arguments: str) -> list[Run]:
    runs: list[Run] = []
    run_hydra(["--multirun", *CPU, *arguments], lambda cfg, overridden: runs.append(resolve_run(cfg, overridden)))
    return runs


def test_text_is_swept_with_multirun() -> None:
    assert [run.config.wandb_group for run in sweep("wandb_group=it's,1e-3,true")] == ["it's", "1e-3", "true"]
    assert [run.config.wandb_group for run in sweep("wandb_group='a,b'")] == ["a,b"]
    assert [run.config.wandb_group for run in sweep("wandb_group=choice(a,b)")] == ["a", "b"]
    runs = sweep("wandb_group=seed ${seed}", "seed=1,2")
    assert [(run.config.seed, run.config.wandb_group) for run in runs] == [(1, "seed 1"), (2, "seed 2")]


@pytest.mark.parametrize(
    "module",
    [
        "oige_train.cli.train",
        "oige_train.cli.tasks",
        "oige_train.cli.pbt",
        "oige_compat.cli",
        "oige_extension.cli.panel",
    ],
)
def test_version_option_prints_the_version_of_the_programs_package(
    module: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module(module)
    package = module.partition(".")[0].replace("_", "-")
    monkeypatch.setattr("sys.argv", ["program", "--version"])
    with pytest.raises(SystemExit) as exit_:
        program.main()
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"{package} {importlib.metadata.version(package)}\n"


def test_pop_int_accepts_repetition_and_plus() -> None:
    arguments = ["task=Ant", "max_steps=5", "+max_steps=7"]
    assert pop_int(arguments, "max_steps", default=0) == 7
    assert arguments == ["task=Ant"]


def test_demo_without_checkpoint_raises(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = importlib.import_module("oige_train.cli.demo")
    monkeypatch.setattr("sys.argv", ["oige-demo", "task=AnymalTerrain"])
    with pytest.raises(SystemExit) as exit_:
        program.main()
    assert exit_.value.code == 2
    assert capsys.readouterr().err == (
        "error: checkpoint: a policy is needed; add checkpoint=<file>, or use checkpoint=pretrained, the policy that "
        "comes with the task.\n"
    )


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("random_policy", "checkpoint=pretrained"),
        ("random_policy", "wandb_name=x"),
        ("benchmark", "test=True"),
        ("benchmark", "+experiment=x"),
        ("demo", "enable_recording=True"),
        ("demo", "recording_fps=60"),
    ],
)
def test_ignored_settings_are_refused(
    name: str, argument: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = importlib.import_module(f"oige_train.cli.{name}")
    monkeypatch.setattr("sys.argv", ["program", argument])
    with pytest.raises(SystemExit) as exit_:
        program.main()
    assert exit_.value.code == 2
    shown = f"oige-{name.replace('_', '-')}"
    assert capsys.readouterr().err == f"error: {argument}: has no effect in {shown}; leave it out.\n"


@pytest.mark.parametrize(
    ("arguments", "size", "note"),
    [
        # Cartpole: horizon 16, minibatch size 8192, as large as the batch of 512 worlds
        (["num_envs=64"], 1024, True),
        (["num_envs=1024"], 8192, False),
        # A prime number: the largest divisor of 16 × 8209 below 8192 is 16, 8209 gradient steps a pass.
        (["num_envs=8209"], 8209, True),
        (["num_envs=768"], 6144, True),
    ],
)
def test_derived_minibatch_has_a_similar_size(arguments: list[str], size: int, note: bool) -> None:
    run = checked_run([*CPU, *arguments])
    learner = run.config.train.params.config
    assert getattr(learner, "minibatch_size", None) == size
    assert bool(run.notes) == note


def test_training_settings_when_playing_are_noted_or_refused() -> None:
    arguments = [*CPU, "checkpoint=pretrained", "test=True"]
    assert checked_run([*arguments, "wandb_activate=True", "max_iterations=3"]).notes == (
        "wandb_activate: has no effect when playing.",
        "max_iterations: has no effect when playing.",
    )
    with pytest.raises(ConfigError, match="multi_gpu=True: expected False with test=True; one process plays"):
        checked_run([*arguments, "multi_gpu=True"])


def test_settings_of_another_controller_are_refused() -> None:
    pick = [*CPU, "task=FactoryTaskNutBoltPick"]
    assert checked_run([*pick, "task.env.ctrl.joint_space_id.ik_method=pinv"]).notes == ()
    with pytest.raises(ConfigError, match=r"joint_space_ik\.ik_method: has no effect with task\.env\.ctrl\.ctrl_type="):
        checked_run([*pick, "task.env.ctrl.joint_space_ik.ik_method=pinv"])


def test_key_without_effect_is_noted() -> None:
    arguments = ["wandb_name=x", "recording_fps=20", "livestream_port=80", f"{CONFIG}.mixed_precision=True"]
    assert checked_run([*CPU, *arguments]).notes == (
        "livestream_port: has no effect without enable_livestream=True.",
        "recording_fps: has no effect without enable_recording=True.",
        f"{CONFIG}.mixed_precision: has no effect without rl_device on a GPU.",
        "wandb_name: has no effect without wandb_activate=True.",
    )
    assert checked_run([*CPU, "enable_livestream=True", "livestream_port=80", "seed=2"]).notes == ()


@pytest.mark.parametrize("name", [*installed_tasks()])
def test_written_configuration_is_the_resolved_one(name: str) -> None:
    """config.yaml, read and checked again, is the configuration of the run, with everything that was derived."""
    run = checked_run([f"task={name}", *CPU, "num_envs=6", "seed=-1", "experiment=mine"])
    written = OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(run.resolved)))
    sections = {"task.env": run.spec.env, **train_sections(run.config.train.params.algo.name)}
    again = validate(written, TrainRunConfig, sections=sections)  # type: ignore[arg-type]
    assert again == run.config


def test_written_configuration_has_blocks_of_scene_elements_by_name() -> None:
    simulation = checked_run(["task=Humanoid", *CPU]).resolved["task"]["sim"]
    assert simulation["Humanoid"]["enable_self_collisions"] == 1
    assert "actors" not in simulation
