"""The user's own YAML files: ``--config-dir``, ``hydra.searchpath``, and keys of OmniIsaacGymEnvs in them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from oige_core.errors import ConfigError
from oige_core.registry import load_config
from oige_train.cli.common import checked_run, checked_runs
from oige_train.config import Run

SECONDS = "name: Anymal\nsim: {dt: 0.02}\nenv: {learn: {episodeLength_s: 10}, control: {stiffness: 85}}"


@pytest.fixture
def compose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Write files, and return the run of arguments with their folder."""
    monkeypatch.chdir(tmp_path)

    def run(files: Mapping[str, str], *arguments: str) -> Run:
        write(tmp_path / "mine", files)
        return checked_run(["--config-dir", "mine", *arguments])

    return run


def write(folder: Path, files: Mapping[str, str]) -> None:
    for group in ("task", "train"):
        (folder / group).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_file_of_the_user_wins_and_the_installed_one_completes_it(compose: Callable[..., Run], tmp_path: Path) -> None:
    run = compose({"task/Ant": "name: Ant\nenv: {episodeLength: 77}\nsim: {gravity: [0, 0, -1]}"}, "task=Ant")
    env, sim = run.config.task.env, run.config.task.sim
    assert (env.episodeLength, env.numEnvs, sim.gravity, sim.mujoco.iterations) == (77, 4096, [0.0, 0.0, -1.0], 10)
    assert run.file_notes == (f"configuration of {tmp_path}/mine/task/Ant.yaml.",)
    assert checked_run(["task=Ant", "--config-dir=mine", "task.env.episodeLength=5"]).config.task.env.episodeLength == 5
    assert checked_run(["task=Ant", "-cd", "mine", "num_envs=8"]).config.task.env.numEnvs == 8
    assert checked_run(["task=Ant"]).config.task.env.episodeLength == 1000


@pytest.mark.parametrize("path", ["{}", "file://{}"])
def test_search_path_is_the_same(path: str, tmp_path: Path) -> None:
    write(tmp_path, {"task/Ant": "name: Ant\nenv: {episodeLength: 77}"})
    run = checked_run(["task=Ant", f"hydra.searchpath=[{path.format(tmp_path)}]"])
    assert run.config.task.env.episodeLength == 77


def test_first_folder_wins(tmp_path: Path) -> None:
    for name, length in (("a", 1), ("b", 2)):
        write(tmp_path / name, {"task/Ant": f"name: Ant\nenv: {{episodeLength: {length}}}"})
    run = checked_run(["task=Ant", f"hydra.searchpath=[{tmp_path}/a,{tmp_path}/b]"])
    assert run.config.task.env.episodeLength == 1


def test_unused_folder_is_named(compose: Callable[..., Run], tmp_path: Path) -> None:
    notes = compose({"task/Humanoid": "name: Humanoid", "config": "seed: 7"}, "task=Ant").file_notes
    assert notes == (
        f"{tmp_path}/mine: no file task/Ant.yaml or train/AntPPO.yaml, so not used.",
        f"{tmp_path}/mine/config.yaml: not read; set root keys on the command line.",
    )


TRAIN = "defaults: [AntPPO, _self_]\nparams: {config: {gamma: 0.5}}"
BINDINGS = {
    "own": ({"train/MyAntPPO": TRAIN}, [], "MyAntPPO", 0.5),
    "that of its task": ({}, [], "AntPPO", 0.99),
    "user's one of its task": ({"train/AntPPO": TRAIN.replace("AntPPO", "PPO")}, [], "AntPPO", 0.5),
    "chosen": ({"train/Mine": TRAIN}, ["train=Mine"], "Mine", 0.5),
}


@pytest.mark.parametrize(("files", "arguments", "train", "gamma"), BINDINGS.values(), ids=BINDINGS)
def test_new_name(
    compose: Callable[..., Run], files: Mapping[str, str], arguments: list[str], train: str, gamma: float
) -> None:
    run = compose({"task/MyAnt": "name: Ant\nenv: {upWeight: 0.7}", **files}, "task=MyAnt", *arguments)
    assert (run.task.name, run.config.task.name, run.train_name) == ("Ant", "Ant", train)
    env: Any = run.config.task.env
    assert (env.upWeight, run.config.train.params.config.gamma) == (0.7, gamma)


def test_name_is_inherited_and_a_second_name_of_a_task_is_kept(compose: Callable[..., Run]) -> None:
    files = {
        "task/Ant": "name: Ant\nenv: {upWeight: 0.7}",
        "task/AntSAC": "defaults: [Ant, _self_]\nenv: {numEnvs: 5}",
        "task/Third": "defaults: [AntSAC]",
    }
    run = compose(files, "task=AntSAC")
    env: Any = run.config.task.env
    assert (run.task.name, run.train_name, env.upWeight, env.numEnvs) == (
        "AntSAC",
        "AntSAC",
        0.7,
        5,
    )
    assert checked_run(["--config-dir", "mine", "task=Third", "num_envs=8"]).task.name == "Ant"


ERRORS = {
    "no name": ({"task/My": "env: {}"}, "task=My", r"task/My\.yaml: name: a value is required"),
    "unknown name": ({"task/My": "name: Antt"}, "task=My", r"task/My\.yaml: name=Antt: expected the inst.*mean Ant"),
    "own name": ({"task/My": "name: My"}, "task=My", r"task/My\.yaml: name=My: expected the .* oige-new-task"),
    "path of a checkpoint": (
        {"train/AntPPO": TRAIN.replace("AntPPO", "PPO").replace("params: {", "params: {load_path: a.pth, ")},
        "task=Ant",
        r"train\.params\.load_path=a\.pth: expected no value; set checkpoint instead",
    ),
    "checkpoint without a path": (
        {"train/AntPPO": TRAIN.replace("AntPPO", "PPO").replace("params: {", "params: {load_checkpoint: True, ")},
        "task=Ant",
        r"train\.params\.load_checkpoint=True: expected False; set checkpoint instead",
    ),
    "unknown file": ({"task/MyAnt": "name: Ant"}, "task=MyAnd", r"no file task/MyAnd\.yaml\. Did you mean MyAnt"),
    "unknown train": ({"train/MyPPO": TRAIN}, "train=MyPP0", r"train=MyPP0: unknown .* Did you mean MyPPO"),
    "unknown key": ({"task/Ant": "name: Ant\nenv: {a: 1}"}, "task=Ant", r"task\.env\.a: unknown key"),
    "two names of a key": (
        {"task/Crazyflie": "name: Crazyflie\nenv: {episodeLength: 5, maxEpisodeLength: 6}"},
        "task=Crazyflie",
        r"task\.env\.maxEpisodeLength=6: is the same key as task\.env\.episodeLength=5",
    ),
    "defaults that name their own file": (
        {"task/Ant": "defaults: [/task/Ant, _self_]\nname: Ant"},
        "task=Ant",
        r"task/Ant\.yaml: defaults: lead back to this file",
    ),
    "defaults of training that name their own file": (
        {"train/AntPPO": TRAIN},
        "task=Ant",
        r"train/AntPPO\.yaml: defaults: lead back to this file",
    ),
    "defaults that name each other": (
        {"train/A": "defaults: [B]", "train/B": "defaults: [A]"},
        "train=A",
        r"train/A\.yaml: defaults: lead back to this file",
    ),
    "no algorithm": (
        {"train/AntPPO": "params: {config: {gamma: 0.5}}"},
        "task=Ant",
        r"train\.params\.algo\.name: a value is required; begin the file with 'defaults: \[PPO, _self_\]'",
    ),
    "no number": (
        {"task/Anymal": "name: Anymal\nenv: {learn: {episodeLength_s: long}}"},
        "task=Anymal",
        r"task\.env\.learn\.episodeLength_s=long: cannot be converted",
    ),
    "images that are not square": (
        {"task/TargetFollowing": "name: TargetFollowing\nenv: {cameraWidth: 64, cameraHeight: 32}"},
        "task=TargetFollowing",
        r"task\.env\.cameraHeight=32: expected 64, as task\.env\.cameraWidth says",
    ),
    "other engine": (
        {"task/Ant": "name: Ant\nphysics_engine: flex"},
        "task=Ant",
        r"task\.physics_engine=flex: expected mujoco",
    ),
}


@pytest.mark.parametrize(("files", "argument", "message"), ERRORS.values(), ids=ERRORS)
def test_errors(compose: Callable[..., Run], files: Mapping[str, str], argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(files, argument)


FOLDERS = {
    "absent": ("--config-dir=nowhere", "--config-dir nowhere: there is no such folder"),
    "empty": ("--config-dir=empty", "expected a folder with the folders task or train in it"),
    "checkout": ("--config-dir=checkout", r"Did you mean .*/checkout/omniisaacgymenvs/cfg\?"),
    "group": ("--config-dir=checkout/omniisaacgymenvs/cfg/task", r"Did you mean .*/checkout/omniisaacgymenvs/cfg\?"),
    "package": ("hydra.searchpath=[pkg://a]", "hydra.searchpath=pkg://a: expected a folder"),
    "no list": ("hydra.searchpath=empty", r"expected a list; write hydra\.searchpath="),
}


@pytest.mark.parametrize(("argument", "message"), FOLDERS.values(), ids=FOLDERS)
def test_wrong_folder(argument: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "checkout" / "omniisaacgymenvs" / "cfg", {})
    with pytest.raises(ConfigError, match=message):
        checked_run([argument, "task=Ant"])


def test_renamed_keys(compose: Callable[..., Run]) -> None:
    files = {
        "task/Crazyflie": "name: Crazyflie\nenv: {maxEpisodeLength: 6}",
        "task/TargetFollowing": "name: TargetFollowing\n"
        "env: {cameraWidth: 96, cameraHeight: 96, nearestDistance: 2.5}\nsim: {CarterV2: {density: 5, mass: -1}}",
    }
    assert compose(files, "task=Crazyflie").config.task.env.episodeLength == 6
    config = checked_run(["-cd", "mine", "task=TargetFollowing", "task.sim.carter.density=7"]).config.task
    assert (config.env.imageSize, config.env.targetDistance) == (96, [2.5, 9.0])  # type: ignore[attr-defined]
    assert {name: actor.density for name, actor in config.sim.actors.items()} == {"carter": 7.0}


def test_overrides_precede_renamed_keys_of_files(compose: Callable[..., Run]) -> None:
    files = {"task/Crazyflie": "name: Crazyflie\nenv: {maxEpisodeLength: 6}"}
    assert compose(files, "task=Crazyflie", "task.env.episodeLength=8").config.task.env.episodeLength == 8
    assert compose(files, "task=Crazyflie", "task.env.maxEpisodeLength=9").config.task.env.episodeLength == 9
    assert checked_run(["task=Crazyflie", "task.env.maxEpisodeLength=9"]).config.task.env.episodeLength == 9
    assert load_config("Crazyflie", {"task.env.maxEpisodeLength": 9}).task.env.episodeLength == 9
    with pytest.raises(ConfigError, match="set only one of them"):
        compose(files, "task=Crazyflie", "task.env.maxEpisodeLength=9", "task.env.episodeLength=8")


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [([], 250), (["task.sim.dt=0.01"], 500), (["task.env.compat=upstream"], 600), (["task.env.episodeLength=3"], 3)],
)
def test_episode_length_in_seconds(compose: Callable[..., Run], arguments: list[str], steps: int) -> None:
    """10 s with two physics steps of 0.02 s per control step; the original takes control steps for 1/60 s long."""
    assert compose({"task/Anymal": SECONDS}, "task=Anymal", *arguments).config.task.env.episodeLength == steps


def test_keys_that_the_original_ignores_are_ignored_in_its_files(compose: Callable[..., Run]) -> None:
    run = compose({"task/Anymal": SECONDS}, "task=Anymal")
    assert run.config.task.env.control.stiffness == 400.0  # type: ignore[attr-defined]
    assert run.file_notes[1].startswith("task.env.control.stiffness: ignored, as OmniIsaacGymEnvs does; ")
    own = {"task/Anymal": "name: Anymal\nenv: {control: {stiffness: 85}}"}
    assert compose(own, "task=Anymal").config.task.env.control.stiffness == 85.0  # type: ignore[attr-defined]
    run = compose({"task/Anymal": SECONDS}, "task=Anymal", "task.env.control.stiffness=90")
    assert run.config.task.env.control.stiffness == 90.0  # type: ignore[attr-defined]


def test_keys_that_have_no_effect_here_are_dropped_from_files_but_not_from_overrides(
    compose: Callable[..., Run],
) -> None:
    files = {"task/FrankaDeformable": "name: FrankaDeformable\nsim: {cube: {density: -1}, beaker: {density: 900}}"}
    run = compose(files, "task=FrankaDeformable")
    assert run.file_notes[1:] == (
        "task.sim.cube: has no effect; the scene has no cube, and that of OmniIsaacGymEnvs has none either.",
    )
    assert "cube" not in run.config.task.sim.actors
    assert run.config.task.sim.actors["beaker"].density == 900.0
    assert "cube" in compose(files, "task=FrankaDeformable", "task.sim.cube.density=5").config.task.sim.actors


@pytest.mark.parametrize(
    ("task", "files", "arguments", "idle"),
    [
        ("Ant", {}, ["task.env.jointsAtLimitCost=-1"], "task.env.jointsAtLimitCost"),
        ("Ant", {}, ["task.env.upWeight=1"], None),
        ("Ant", {"task/Ant": "name: Ant\nenv: {jointsAtLimitCost: -1}"}, [], "task.env.jointsAtLimitCost"),
        ("Anymal", {"task/Anymal": SECONDS}, [], "task.env.control.stiffness"),
        ("Anymal", {}, ["task.env.baseInitState.pos=[0,0,1]"], "task.env.baseInitState"),
        ("AnymalTerrain", {}, ["task.env.terrain.dynamicFriction=1.0"], "task.env.terrain.dynamicFriction"),
    ],
)
def test_keys_that_upstream_does_not_use_are_said_to_have_no_effect(
    compose: Callable[..., Run], task: str, files: Mapping[str, str], arguments: list[str], idle: str | None
) -> None:
    def notes(*more: str) -> list[str]:
        run = compose(files, f"task={task}", *arguments, *more)
        return [note.partition(": ")[0] for note in (*run.file_notes, *run.notes) if "ignored with" in note]

    assert notes("task.env.compat=upstream") == ([] if idle is None else [idle])
    assert notes() == []


def test_keys_without_effect_are_listed_once_and_refused_on_the_command_line(compose: Callable[..., Run]) -> None:
    text = "name: Ant\nphysics_engine: physx\nenv: {enableDebugVis: True}\nsim: {physx: {use_gpu: True}, Ant: {%s}}"
    actor = "density: -1, sleep_threshold: 0.1, rest_offset: 0.0"
    files = {"task/Ant": text % actor, "train/AntPPO": TRAIN.replace("Ant", "")}
    run = compose(files, "task=Ant")
    assert "task.physics_engine=physx: has no effect; this version simulates with MuJoCo." in run.file_notes
    assert run.file_notes[1] == (
        "keys of these files that have no effect in this version: task.env.enableDebugVis, "
        "task.sim.Ant.{rest_offset, sleep_threshold}, task.sim.physx."
    )
    with pytest.raises(ConfigError, match=r"task\.env\.enableDebugVis: has no effect"):
        compose(files, "task=Ant", "task.env.enableDebugVis=False")


def test_mixed_precision_on_a_cpu_is_said_to_have_no_effect(compose: Callable[..., Run]) -> None:
    files = {"train/AntPPO": TRAIN.replace("AntPPO", "PPO").replace("gamma: 0.5", "mixed_precision: True")}
    run = compose(files, "task=Ant", "sim_device=cpu")
    assert "train.params.config.mixed_precision: has no effect without rl_device on a GPU." in run.notes


def test_words_of_actors_may_be_truth_values(compose: Callable[..., Run]) -> None:
    sim = "sim: {ball: {make_kinematic: False}, table: {enable_self_collisions: True}}"
    actors = compose({"task/BallBalance": f"name: BallBalance\n{sim}"}, "task=BallBalance").config.task.sim.actors
    assert (actors["ball"].make_kinematic, actors["table"].enable_self_collisions) == (False, True)
    with pytest.raises(ConfigError, match=r"make_kinematic=2: expected 0, 1"):
        checked_run(["task=BallBalance", "task.sim.ball.make_kinematic=2"])


def test_sweep_over_files(tmp_path: Path) -> None:
    write(tmp_path, {f"task/My{n}": f"name: Cartpole\nenv: {{resetDist: {n}}}" for n in (1, 2)})
    arguments = [f"hydra.searchpath=[{tmp_path}]", f"hydra.sweep.dir={tmp_path}", "train=CartpolePPO"]
    runs = checked_runs(["--multirun", "task=My1,My2", *arguments])
    assert [run.config.task.env.resetDist for run in runs] == [1.0, 2.0]  # type: ignore[attr-defined]


def test_checkpoint_keeps_the_configuration_of_its_run(program: Callable[..., Any], tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    write(mine, {"task/Mine": "name: Cartpole\nenv: {resetDist: 2.5}", "train/MinePPO": "defaults: [CartpolePPO]"})
    trained = program("--config-dir=mine", "task=Mine", "num_envs=8", "max_iterations=1", "experiment=x")
    assert trained.code == 0, trained.err
    assert f"configuration of {mine}/task/Mine.yaml and {mine}/train/MinePPO.yaml" in trained.err
    checkpoint = next((tmp_path / "runs" / "x" / "nn").glob("last_*.pth")).relative_to(tmp_path)
    assert f"task=Mine checkpoint={checkpoint} test=True" in trained.out
    write(mine, {"task/Mine": "name: Cartpole\nenv: {resetDist: 0.5}"})
    for arguments in ([], ["task=Mine"], ["--config-dir=mine"], ["--config-dir=mine", "task=Mine"]):
        run = checked_run([*arguments, f"checkpoint={checkpoint}", "test=True"])
        assert (run.task.name, run.train_name) == ("Cartpole", "MinePPO")
        assert run.config.task.env.resetDist == 2.5  # type: ignore[attr-defined]
    assert run.file_notes == (
        f"{mine}/task/Mine.yaml and {mine}/train/MinePPO.yaml: not read; the configuration is that of the checkpoint's "
        "run.",
    )
