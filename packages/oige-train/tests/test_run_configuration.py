"""Playing and resuming use the configuration of the checkpoint's run, with new overrides applied and noted."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_infos import make_info
from oige_core.errors import ConfigError
from oige_train.checkpoint import CheckpointError, CheckpointInfo, read_info, save_checkpoint
from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.config.derive import SHOWN_WORLDS
from oige_train.headline import headline

CONFIG = "train.params.config"
CPU = ("sim_device=cpu", "pipeline=cpu", "rl_device=cpu")
TRAINED = (
    "num_envs=64",
    "seed=7",
    f"{CONFIG}.gamma=0.995",
    "task.env.maxEffort=100",
    "train.params.network.mlp.units=[8]",
)


def checkpoint_of(folder: Path, *overrides: str, name: str = "policy.pth") -> Path:
    """Write a checkpoint, without weights, of the run that ``overrides`` describe."""
    run = checked_run([*overrides, *CPU])
    info = CheckpointInfo(
        task=run.config.task.name,
        algo=run.config.train.params.algo.name,
        observation_shape=run.spec.shape_for(run.config.task.env),
        num_actions=run.spec.num_actions,
        num_states=run.spec.states_for(run.config.task.env),
        epoch=3,
        mean_reward=None,
        run=run.record,
    )
    file = folder / name
    save_checkpoint(file, {"model": {}}, info)
    return file


def values(run: Run) -> dict[str, Any]:
    config, params = run.config, run.config.train.params
    return {
        "num_envs": config.task.env.numEnvs,
        "num_actors": params.config.num_actors,
        "seed": config.seed,
        "gamma": params.config.gamma,
        "maxEffort": config.task.env.maxEffort,  # type: ignore[attr-defined]
        "units": params.network.mlp.units,  # type: ignore[union-attr]
    }


OF_RUN = {"num_envs": 64, "num_actors": 64, "seed": 7, "gamma": 0.995, "maxEffort": 100.0, "units": [8]}


@pytest.mark.parametrize("arguments", [(), ("task=Cartpole",), ("task=Cartpole", "train=CartpolePPO"), ("test=True",)])
def test_checkpoint_supplies_the_configuration_of_its_run(arguments: tuple[str, ...], tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, *TRAINED)
    run = checked_run([*arguments, f"checkpoint={file}", *CPU])
    assert values(run) == OF_RUN
    assert run.notes[0] == f"configuration of the checkpoint's run: {' '.join(TRAINED)}"


def test_new_override_takes_effect_and_is_noted(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, *TRAINED)
    run = checked_run([f"checkpoint={file}", f"{CONFIG}.gamma=0.9", "num_envs=8", "seed=7", *CPU])
    assert values(run) == OF_RUN | {"num_envs": 8, "num_actors": 8, "gamma": 0.9}
    assert run.notes[0].endswith(f"; overridden now: {CONFIG}.gamma=0.9 num_envs=8")
    again = checkpoint_of(tmp_path, f"checkpoint={file}", f"{CONFIG}.gamma=0.9", name="again.pth")
    assert values(checked_run([f"checkpoint={again}", *CPU])) == OF_RUN | {"gamma": 0.9}


def test_command_settings_are_not_taken_from_the_checkpoint(tmp_path: Path) -> None:
    command = ("headless=False", "enable_recording=True", "num_threads=3", "enable_livestream=True", "test=False")
    file = checkpoint_of(tmp_path, *TRAINED, *command)
    config = checked_run([f"checkpoint={file}", "test=True", *CPU]).config
    assert (config.headless, config.enable_recording, config.num_threads) == (True, False, 0)
    assert not config.enable_livestream
    assert config.test


def test_changed_installed_files_do_not_affect_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = checkpoint_of(tmp_path, "num_envs=64")
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    (name,) = (name for name in entries if name.endswith("oige.json"))
    info = json.loads(entries[name])
    info["run"]["config"]["train"]["params"]["config"]["tau"] = 0.5  # as CartpolePPO.yaml might have been
    with zipfile.ZipFile(file, "w") as archive:
        for other, content in (entries | {name: json.dumps(info).encode()}).items():
            archive.writestr(other, content)
    assert checked_run([f"checkpoint={file}", *CPU]).config.train.params.config.tau == 0.5  # type: ignore[attr-defined]
    info["run"]["config"]["task"]["env"]["maxEfort"] = 3.0  # a key that this version does not have
    with zipfile.ZipFile(tmp_path / "older.pth", "w") as archive:
        for other, content in (entries | {name: json.dumps(info).encode()}).items():
            archive.writestr(other, content)
    with pytest.raises(ConfigError, match=r"maxEfort: unknown key\..* from the run of checkpoint=.*older\.pth"):
        checked_run([f"checkpoint={tmp_path / 'older.pth'}", *CPU])
    assert checked_run(list(CPU)).config.train.params.config.tau == 0.95  # type: ignore[attr-defined]


def test_minibatch_is_derived_from_the_current_batch(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, "num_envs=64", f"{CONFIG}.horizon_length=8", f"{CONFIG}.minibatch_size=512")

    def size(*arguments: str) -> int:
        return checked_run([f"checkpoint={file}", *arguments, *CPU]).config.train.params.config.minibatch_size  # type: ignore

    assert size() == 512
    assert size("num_envs=32") == 256
    with pytest.raises(ConfigError, match="minibatch_size=512: expected a divisor"):
        size("num_envs=32", f"{CONFIG}.minibatch_size=512")
    derived = checkpoint_of(tmp_path, f"{CONFIG}.horizon_length=8", "num_envs=64", name="derived.pth")
    assert checked_run([f"checkpoint={derived}", *CPU]).config.train.params.config.minibatch_size == 512  # type: ignore


def test_playing_notes_nothing_about_minibatches(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path)
    assert checked_run([f"checkpoint={file}", "num_envs=7", "test=True", *CPU]).notes == (
        "configuration of the checkpoint's run: no overrides; overridden now: num_envs=7",
    )


def test_random_seed_of_a_run_is_restored(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, "seed=-1")
    info = read_info(file, "x")
    assert info is not None
    assert info.run is not None
    assert info.run.config["seed"] >= 0
    assert checked_run([f"checkpoint={file}", *CPU]).config.seed == info.run.config["seed"]


def test_training_configuration_of_the_run_is_selected(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, "task=Ant", "train=AntPPO_cpu", "num_envs=16", f"{CONFIG}.tau=0.9")
    run = checked_run([f"checkpoint={file}", *CPU])
    assert (run.config.task.name, run.train_name) == ("Ant", "AntPPO_cpu")
    assert run.config.train.params.config.tau == 0.9  # type: ignore[attr-defined]
    other = checked_run(["train=AntPPO", f"checkpoint={file}", *CPU])
    assert other.train_name == "AntPPO"
    assert other.config.train.params.config.tau == 0.95  # type: ignore[attr-defined]
    assert other.config.task.env.numEnvs == 16
    assert f"{CONFIG}.tau=0.9" not in other.record.overrides


def test_checkpoint_of_another_task_supplies_nothing(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, *TRAINED)
    with pytest.raises(CheckpointError, match="belongs to task Cartpole, not Ant"):
        checked_run(["task=Ant", f"checkpoint={file}", *CPU])


def test_checkpoint_without_configuration_selects_its_task(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "old.pth", {"model": {}}, make_info("BallBalance", 24, 3))
    arguments = [f"checkpoint={tmp_path / 'old.pth'}", "test=True", *CPU]
    run = checked_run(arguments)
    assert (run.config.task.name, run.train_name) == ("BallBalance", "BallBalancePPO")
    assert len(headline(run, arguments)) == 1  # and none that Cartpole is the default


def test_error_mentions_the_checkpoint_unless_an_override_is_wrong(tmp_path: Path) -> None:
    file = checkpoint_of(tmp_path, *TRAINED)
    for wrong in ("seed=-5", "sed=5", f"{CONFIG}.gamma=5"):
        with pytest.raises(ConfigError) as error:
            checked_run([f"checkpoint={file}", wrong, *CPU])
        assert "from the run" not in str(error.value)


def test_cfg_option_shows_the_configuration_of_the_run(tmp_path: Path, program) -> None:
    import yaml

    file = checkpoint_of(tmp_path, *TRAINED)
    shown = yaml.safe_load(program("--cfg", "job", f"checkpoint={file}", "num_envs=8").out)
    assert (shown["seed"], shown["num_envs"], shown["task"]["env"]["maxEffort"]) == (7, 8, 100)


def test_sweep_over_checkpoints_is_refused(tmp_path: Path, program) -> None:
    files = [checkpoint_of(tmp_path, *TRAINED, name=name) for name in ("a.pth", "b.pth")]
    outcome = program("--multirun", f"checkpoint={files[0]},{files[1]}", "test=True", *CPU)
    assert outcome.code == 2
    assert "a sweep over checkpoints is not possible" in outcome.err.splitlines()[-1]


@pytest.mark.parametrize("damage", [{"run": 3}, {"run": {"task": "Cartpole"}}])
def test_damaged_record_is_refused(damage: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "damaged.pth"
    info = {"task": "Cartpole", "algo": "a2c_continuous", "observation_shape": [4], "num_actions": 1, "num_states": 0}
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        archive.writestr("archive/oige.json", json.dumps(info | {"epoch": 3, "mean_reward": None} | damage))
    with pytest.raises(CheckpointError, match=r"damaged\.pth: damaged \("):
        checked_run([f"checkpoint={file}", *CPU])


def play_return(out: str) -> str:
    return out.partition("mean return ")[2].split(",")[0]


def test_printed_commands_play_and_resume_a_run_with_overrides(program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    # A linear schedule ends with the run: two epochs of two are not the first two of four.
    trains = (*TRAINED, f"{CONFIG}.player.games_num=64", f"{CONFIG}.lr_schedule=adaptive", "sim_device=cpu")
    trained = program(*trains, "max_iterations=2")
    assert trained.code == 0, trained.err
    printed = {
        kind: line.partition(":")[2].split()[1:]
        for line in trained.out.splitlines()
        if (kind := line.partition(":")[0]) in ("play", "resume")
    }
    (last,) = Path("runs/Cartpole/nn").glob("last_*_ep_2_*.pth")
    assert printed["play"] == ["task=Cartpole", f"checkpoint={last}", "test=True", "sim_device=cpu"]
    assert printed["resume"] == ["task=Cartpole", f"checkpoint={last}", "max_iterations=4", "sim_device=cpu"]
    played = program(*printed["play"])
    bare = program(printed["play"][1], "test=True", "sim_device=cpu")
    by_hand = program(*printed["play"], *TRAINED)
    assert played.code == 0, played.err
    assert play_return(played.out) == play_return(bare.out) == play_return(by_hand.out)
    other = program(*printed["play"], "task.env.maxEffort=400")
    assert play_return(other.out) != play_return(played.out), "or the comparison shows nothing"

    resumed = program(*printed["resume"])
    assert resumed.code == 0, resumed.err
    assert "after epoch 2\n" in resumed.err, "and nothing about new episodes"
    (last,) = Path("runs/Cartpole/nn").glob("last_*_ep_4_*.pth")
    program(*trains, "max_iterations=4", "experiment=whole")
    (whole,) = Path("runs/whole/nn").glob("last_*_ep_4_*.pth")
    weights, expected = (torch.load(file, weights_only=True)["model"] for file in (last, whole))
    assert weights["a2c_network.actor_mlp.0.weight"].shape == (8, 4)
    assert all(torch.equal(weights[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("task=Ant",),
            [
                "training Ant with PPO (AntPPO): 4,096 worlds on cpu, network 256-128-64, seed 42",
                "this configuration is tuned for a GPU; on a CPU, train=AntPPO_cpu num_envs=512 learns faster",
            ],
        ),
        (
            ("task=Ant", "train=AntPPO_cpu", "num_envs=1024"),
            ["training Ant with PPO (AntPPO_cpu): 1,024 worlds on cpu, network 128-64, seed 42"],
        ),
        (
            ("task=Ant", "num_envs=64", "rl_device=cpu", "seed=1"),
            ["training Ant with PPO (AntPPO): 64 worlds on cpu, network 256-128-64, seed 1"],
        ),
        (
            (
                "task=Ant",
                "train=AntPPO_cpu",
                "num_envs=512",
                "task.domain_randomization.randomize=True",
                *(
                    f"task.domain_randomization.randomization_params.{path}.on_reset="
                    "{operation: direct, distribution: uniform, distribution_parameters: [0, 1]}"
                    for path in (
                        "actions",
                        "actions.delay",
                        "simulation.gravity",
                        "articulation_views.ant_view.body_masses",
                    )
                ),
            ),
            [
                "training Ant with PPO (AntPPO_cpu): 512 worlds on cpu, network 128-64, seed 42",
                "domain randomisation of actions.delay, actions, gravity, ant_view.body_masses; "
                "oige-randomization task=Ant shows it",
            ],
        ),
        (
            ("task=Ant", "train=SAC", "seed=1"),
            [
                "training Ant with SAC (SAC): 4,096 worlds on cpu, network 256-128, seed 1",
                "SAC trains once per control step of all worlds, so more than 512 worlds rarely help; num_envs=64 is "
                "a good choice",
            ],
        ),
        (
            (
                "num_envs=8",
                "+train.params.network.rnn={name: lstm, units: 16}",
                f"{CONFIG}.symmetry_augmentation=False",
            ),
            [
                "training Cartpole with PPO (CartpolePPO): 8 worlds on cpu, network 32-32 and lstm 16, seed 42",
                "no task= was given, so the default Cartpole is used; oige-tasks lists all tasks",
            ],
        ),
    ],
)
def test_headline_describes_the_run(arguments: tuple[str, ...], expected: list[str]) -> None:
    given = [*arguments, *CPU]
    assert headline(checked_run(given), given) == expected


def test_headline_does_not_import_torch(tmp_path: Path) -> None:
    code = (
        "import sys, oige_train.headline as module;"
        "module.headline = lambda *_: sys.exit('torch' in sys.modules);"
        "from oige_train.cli.train import main; main()"
    )
    process = subprocess.run([sys.executable, "-c", code, *CPU], cwd=tmp_path, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr


def test_demo_takes_the_task_from_the_checkpoint(tmp_path: Path) -> None:
    from oige_train.cli.demo import demo

    cartpole, robots = checkpoint_of(tmp_path), checkpoint_of(tmp_path, "task=AnymalTerrain", name="robots.pth")
    with pytest.raises(ConfigError, match="task=Cartpole: its robots cannot be driven"):
        demo([f"checkpoint={cartpole}"])
    with pytest.raises(ConfigError, match="num_envs=129: expected at most 128 robots"):
        demo([f"checkpoint={robots}", "num_envs=129", *CPU])


def test_printed_command_of_several_processes_uses_torchrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oige_train import runner

    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    torchrun = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    for key, value in (torchrun | {"MASTER_ADDR": "localhost", "MASTER_PORT": "1"}).items():
        monkeypatch.setenv(key, value)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(ConfigError, match="multi_gpu=False: expected True, because torchrun started 4"):
        checked_run(["num_envs=8", *CPU])
    run = checked_run(["multi_gpu=True", "num_envs=8", "wandb_group=it's us", "num_threads=1", *CPU])
    file = tmp_path / "a b.pth"
    shown = " ".join(CPU)
    assert runner._command(run, file, more=["max_iterations=6"]) == (
        "torchrun --nnodes=2 --nproc-per-node=2 --rdzv-backend=c10d --rdzv-endpoint=localhost:29500 "
        f"-m oige_train.cli.train task=Cartpole 'checkpoint={file}' max_iterations=6 "
        f"multi_gpu=True 'wandb_group=it'\"'\"'s us' num_threads=1 {shown}"
    )
    assert runner._command(run, file, test=True) == (
        f"oige-train task=Cartpole 'checkpoint={file}' test=True num_threads=1 {shown}"
    )


@pytest.mark.parametrize(
    ("arguments", "worlds", "note"),
    [
        (("headless=False",), 64, "num_envs=64 instead of 4096, because the viewer shows at most 64 worlds"),
        (("enable_livestream=True",), 64, "num_envs=64 instead of 4096, because the viewer shows at most 64 worlds"),
        (("headless=False", "num_envs=100"), 100, ""),
        (("headless=False", "task.env.numEnvs=100"), 100, ""),
        ((), 4096, ""),
    ],
)
def test_play_with_viewer_simulates_only_shown_worlds(arguments: tuple[str, ...], worlds: int, note: str) -> None:
    run = checked_run(["task=Ant", "test=True", "checkpoint=pretrained", *arguments, *CPU])
    learner = run.config.train.params.config
    assert (run.config.task.env.numEnvs, learner.num_actors) == (worlds, worlds)
    assert note in " ".join(run.notes)
    assert bool(note) == any("viewer shows" in text for text in run.notes)


def test_shipped_policy_says_which_settings_of_its_task_are_others_than_in_training() -> None:
    play = ["task=Cartpole", "test=True", "checkpoint=pretrained", "num_envs=4", *CPU]
    assert not [note for note in checked_run([*play, "task.env.maxEffort=400"]).notes if "other settings" in note]
    notes = checked_run([*play, "task.env.maxEffort=200", "task.env.resetDist=2.5"]).notes
    assert [note for note in notes if "other settings" in note] == [
        "checkpoint=pretrained: was trained with other settings: task.env.maxEffort=200 instead of 400.0, "
        "task.env.resetDist=2.5 instead of 3.0"
    ]


def test_training_with_viewer_simulates_all_worlds() -> None:
    assert checked_run(["task=Ant", "headless=False", *CPU]).config.task.env.numEnvs == 4096


def test_number_of_shown_worlds_equals_the_viewers() -> None:
    from oige_core.render.viewer.viewer import MAX_WORLDS

    assert MAX_WORLDS == SHOWN_WORLDS
