"""Training Cartpole from the command to the files."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from oige_core.garbage import uncollected
from oige_train import runner
from oige_train.checkpoint import load_checkpoint, read_info, save_checkpoint
from oige_train.cli.train import train
from oige_train.learner.agent import ResumableAgent
from oige_train.learner.distributed import Workers
from oige_train.learner.ppo.agent import PpoAgent
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CONFIG = "train.params.config"
TINY = ("num_envs=64", "seed=3", "sim_device=cpu", f"{CONFIG}.save_frequency=3")


def only(pattern: str) -> Path:
    (found,) = Path().glob(pattern)
    return found


def train_three_epochs(program, *arguments: str) -> Path:
    """Train and return the last checkpoint."""
    program(*TINY, "max_iterations=3", *arguments)
    return only("runs/Cartpole/nn/last_*_ep_3_*.pth")


@contextlib.contextmanager
def changing(file: Path) -> Iterator[dict[str, Any]]:
    """Write back what the block makes of the state in a checkpoint."""
    state, info = load_checkpoint(file, "cpu"), read_info(file, "x")
    assert info is not None
    yield state
    save_checkpoint(file, state, info)


def differences(a: Any, b: Any, path: str = "") -> list[str]:
    """Paths at which two checkpoints differ by a bit or more."""
    if isinstance(a, dict):
        if a.keys() != b.keys():
            return [path]
        return [d for key in a for d in differences(a[key], b[key], f"{path}.{key}")]
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return [path]
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{path}[{i}]")]
    same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    return [] if same else [path]


def test_training_writes_and_names_checkpoints_summaries_and_configuration(program, monkeypatch) -> None:
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")  # uv sets it for what it runs
    monkeypatch.setenv("VIRTUAL_ENV", str(Path(".venv").absolute()))  # of a project in this folder
    outcome = program(*TINY, "max_iterations=4", f"{CONFIG}.save_best_after=2", "experiment=mine")
    assert outcome.code == 0, outcome.err
    folder = Path("runs/mine")
    names = sorted(file.name for file in (folder / "nn").iterdir())
    assert re.fullmatch(r"last_mine_ep_3_rew_-?\d+\.\d\d\.pth", names[0])
    assert re.fullmatch(r"last_mine_ep_4_rew_-?\d+\.\d\d\.pth", names[1])
    assert names[2:] == ["mine.pth"]

    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["seed"] == config["train"]["params"]["seed"] == 3
    assert config["train"]["params"]["config"]["minibatch_size"] == 1024
    assert config["task"]["env"]["maxEffort"] == 400.0

    events = EventAccumulator(str(folder / "summaries"))
    events.Reload()
    tags = set(events.Tags()["scalars"])
    for stem in ("rewards", "shaped_rewards", "episode_lengths"):
        assert {tag for tag in tags if tag.startswith(f"{stem}/")} == {f"{stem}/step"}
    assert {"losses/a_loss", "losses/c_loss", "losses/bounds_loss", "losses/entropy", "info/kl", "info/last_lr"} <= tags
    assert {"performance/step_fps", "performance/step_inference_rl_update_fps"} <= tags
    assert {"Episode/return", "Episode/length"} <= tags
    terms = {tag for tag in tags if tag.startswith("Episode/reward/")}
    assert len(terms) >= 2
    for tag in tags:  # 16 control steps of 64 worlds are an epoch; no episode may have ended in the first
        assert [event.step for event in events.Scalars(tag)] in ([1024, 2048, 3072, 4096], [2048, 3072, 4096])
    assert all(event.value >= 0.0 for event in events.Scalars("info/kl"))
    mean = float(names[1].removesuffix(".pth").rpartition("_")[2])
    assert events.Scalars("rewards/step")[-1].value == pytest.approx(mean, abs=0.006)

    assert "4,096 steps" in outcome.out
    assert f"mean episode reward {mean:.2f}" in outcome.out
    assert f"oige-train task=Cartpole checkpoint={folder}/nn/mine.pth test=True" in outcome.out
    assert f"resume:       uv run oige-train task=Cartpole checkpoint={folder}/nn/{names[1]}" in outcome.out
    assert f"summaries:    uv run tensorboard --logdir {folder}/summaries\n" in outcome.out
    lines = outcome.err.splitlines()
    assert lines[:4] == [
        "training Cartpole with PPO (CartpolePPO): 64 worlds on cpu, network 32-32, seed 3",
        "no task= was given, so the default Cartpole is used; oige-tasks lists all tasks",
        "results: runs/mine",
        f"{CONFIG}.minibatch_size: 8192 does not divide horizon_length × num_envs = 16 × 64 = 1024; using 1024.",
    ]
    assert lines[-1].startswith(f"epoch 4/4 | reward {mean:.2f} | length ")
    assert lines[-1].endswith(" steps/s | 0:00 left")


@pytest.mark.parametrize("warp", [False, True])
def test_resumed_training_equals_uninterrupted_training_bitwise(program, warp: bool) -> None:
    # A linear schedule ends with the run: three epochs of three are not the first three of six.
    tiny = (*TINY, f"warp={warp}", f"{CONFIG}.lr_schedule=adaptive", f"{CONFIG}.learning_rate=3e-4")
    program(*tiny, "max_iterations=6", f"{CONFIG}.name=x")
    program(*tiny, "max_iterations=3", f"{CONFIG}.name=x", f"{CONFIG}.full_experiment_name=parts")
    whole = load_checkpoint(only("runs/x/nn/last_x_ep_6_*.pth"), "cpu")
    early = load_checkpoint(only("runs/parts/nn/last_x_ep_3_*.pth"), "cpu")
    assert differences(whole, early), "three epochs must make a difference, or the comparison shows nothing"
    outcome = program(
        *tiny,
        "max_iterations=6",
        f"{CONFIG}.name=x",
        f"{CONFIG}.full_experiment_name=parts",
        f"checkpoint={only('runs/parts/nn/last_x_ep_3_*.pth')}",
    )
    assert "after epoch 3\n" in outcome.err, "and nothing about new episodes"
    parts = load_checkpoint(only("runs/parts/nn/last_x_ep_6_*.pth"), "cpu")
    assert {"model", "optimizer", "env_state", "random_state", "progress"} <= set(parts)
    assert differences(whole, parts) == []


def test_same_seed_gives_the_same_run_with_any_number_of_threads(program) -> None:
    for threads in (1, 3):
        program(*TINY, "max_iterations=3", f"num_threads={threads}", f"{CONFIG}.full_experiment_name=t{threads}")
    program(*TINY, "max_iterations=3", "seed=4", f"{CONFIG}.full_experiment_name=other")
    one, three, other = (
        load_checkpoint(only(f"runs/{name}/nn/last_*_ep_3_*.pth"), "cpu") for name in ("t1", "t3", "other")
    )
    assert differences(one, three) == []
    assert ".model.a2c_network.actor_mlp.0.weight" in differences(one, other)


def test_resumption_keeps_the_best_score(program) -> None:
    last = train_three_epochs(program, f"{CONFIG}.save_best_after=1")
    best = Path("runs/Cartpole/nn/Cartpole.pth")
    with changing(last) as state:
        assert state["last_mean_rewards"] == pytest.approx(load_checkpoint(best, "cpu")["last_mean_rewards"])
        # A best score that no policy reaches: nothing may be taken for better than it.
        state["last_mean_rewards"] = 1e6
    before = best.read_bytes()
    program(*TINY, "max_iterations=5", f"{CONFIG}.save_best_after=1", f"checkpoint={last}")
    assert best.read_bytes() == before
    assert load_checkpoint(only("runs/Cartpole/nn/last_*_ep_5_*.pth"), "cpu")["last_mean_rewards"] == 1e6


def test_resumption_with_other_worlds_keeps_the_networks(program) -> None:
    last = train_three_epochs(program)
    outcome = program("num_envs=32", "sim_device=cpu", "max_iterations=4", f"checkpoint={last}")
    assert outcome.code == 0, outcome.err
    assert "new episodes begin" in outcome.err
    state = load_checkpoint(only("runs/Cartpole/nn/last_*_ep_4_*.pth"), "cpu")
    assert state["progress"]["num_actors"] == 32
    assert state["frame"] == 3 * 16 * 64 + 16 * 32


def test_resumption_with_another_task_configuration_uses_it(program) -> None:
    ant = ("task=Ant", "num_envs=8", "sim_device=cpu", f"{CONFIG}.horizon_length=4", "experiment=ant")
    program(*ant, "max_iterations=1")
    last = only("runs/ant/nn/last_ant_ep_1_*.pth")
    outcome = program(*ant, "max_iterations=2", "task.env.powerScale=0.25", f"checkpoint={last}")
    assert "the task's configuration or the version differs, so new episodes begin" in outcome.err
    before, after = (load_checkpoint(only(f"runs/ant/nn/last_ant_ep_{i}_*.pth"), "cpu") for i in (1, 2))
    torques = [state["env_state"]["task"]["tensors"]["torque_scale"] for state in (before, after)]
    torch.testing.assert_close(torques[1], 0.5 * torques[0])  # powerScale was 0.5
    outcome = program(*ant, "max_iterations=2", f"checkpoint={last}")
    assert "after epoch 1\n" in outcome.err


def test_resumption_of_a_changed_task_starts_new_episodes(program) -> None:
    last = train_three_epochs(program)
    with changing(last) as state:
        tensors = state["env_state"]["task"]["tensors"]
        tensors["progress_buf"] = tensors["progress_buf"].unsqueeze(-1)
    outcome = program(*TINY, "max_iterations=4", f"checkpoint={last}")
    assert outcome.code == 0, outcome.err
    assert "or the version differs, so new episodes begin" in outcome.err


def test_resumption_on_another_engine_keeps_the_networks(program) -> None:
    last = train_three_epochs(program)
    with changing(last) as state:
        progress = state["progress"]
        assert progress["state_format"].startswith("mujoco.batch nq=2 ")
        progress["state_format"] = progress["state_format"].replace("mujoco.batch", "mujoco_warp")
        # Nothing that the C engine could load.
        state["env_state"]["engine"]["executor"] = {"state": {"qpos": torch.zeros(64, 2)}}
    outcome = program(*TINY, "max_iterations=4", f"checkpoint={last}")
    assert outcome.code == 0, outcome.err
    assert "new episodes begin" in outcome.err
    assert load_checkpoint(only("runs/Cartpole/nn/last_*_ep_4_*.pth"), "cpu")["frame"] == 4 * 16 * 64


def test_checkpoint_of_another_network_is_refused_in_one_line(program) -> None:
    last = train_three_epochs(program)
    wide = "train.params.network.mlp.units=[8]"
    for arguments in ((), ("test=True",)):
        outcome = program(*TINY, f"checkpoint={last}", "max_iterations=4", wide, *arguments)
        assert outcome.code == 2
        assert "does not fit the network of this run" in outcome.err.splitlines()[-1]


def test_crash_keeps_earlier_checkpoints(program, monkeypatch: pytest.MonkeyPatch) -> None:
    from oige_train.learner.environment import RlGamesEnv

    step, calls = RlGamesEnv.step, []

    def failing_step(self: RlGamesEnv, actions: torch.Tensor) -> Any:
        calls.append(1)
        if len(calls) > 16 * 3 + 5:
            raise RuntimeError("engine on fire")
        return step(self, actions)

    monkeypatch.setattr(RlGamesEnv, "step", failing_step)
    with pytest.raises(RuntimeError, match="engine on fire"):
        program(*TINY, "max_iterations=9")
    assert load_checkpoint(only("runs/Cartpole/nn/last_*_ep_3_*.pth"), "cpu")["epoch"] == 3


def test_play_counts_games_num_episodes(program) -> None:
    last = train_three_epochs(program)
    arguments = ("test=True", "num_envs=16", "sim_device=cpu", f"checkpoint={last}", f"{CONFIG}.player.games_num=20")
    first = program(*arguments)
    assert first.code == 0, first.err
    assert "over 20 finished episodes" in first.out
    assert program(*arguments).out == first.out, "a deterministic policy from the same seed plays the same episodes"
    assert program(*arguments, f"{CONFIG}.player.deterministic=False").out != first.out


def test_signal_saves_a_checkpoint_to_resume_from(tmp_path: Path, program) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "oige_train.cli.train", *TINY, "max_iterations=100000"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/Cartpole/nn/last_*_ep_3_*.pth")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "SIGINT: saving after this epoch" in err
    (message,) = [line for line in err.splitlines() if line.startswith("stopped after epoch ")]
    epoch = int(message.split()[3].rstrip(";"))
    saved = Path(message.partition("; saved ")[2])
    assert load_checkpoint(tmp_path / saved, "cpu")["epoch"] == epoch
    outcome = program(*TINY, f"checkpoint={saved}", f"max_iterations={epoch + 1}")
    assert outcome.code == 0, outcome.err
    assert f"after epoch {epoch}" in outcome.err


def test_immediate_interruption_prints_the_resume_command(program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(agent: ResumableAgent) -> None:
        if agent.epoch_num == 2:
            raise KeyboardInterrupt

    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setattr(ResumableAgent, "between_epochs", interrupt)
    outcome = program(*TINY, "max_iterations=9", f"{CONFIG}.save_frequency=2")
    assert outcome.code == 130
    (saved,) = Path("runs/Cartpole/nn").glob("last_*_ep_2_*.pth")
    assert outcome.err.splitlines()[-2:] == [
        f"not saved since {saved}; resume: oige-train task=Cartpole checkpoint={saved} sim_device=cpu",
        "interrupted",
    ]


@pytest.mark.parametrize(
    ("folder", "has_project", "options"),
    [("project", True, []), ("project/runs", True, []), ("", True, ["--project", "project"]), ("", False, [])],
)
def test_printed_commands_name_the_project_of_uv_outside_of_it(
    folder: str, has_project: bool, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    (project / "runs").mkdir(parents=True)
    if has_project:
        (project / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path / folder)
    monkeypatch.setenv("VIRTUAL_ENV", str(project / ".venv"))
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    named = [str(project) if option == "project" else option for option in options]
    assert runner._launcher() == ["uv", "run", *named]
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH")
    assert runner._launcher() == []


def test_sweep_gives_each_run_its_folder(program) -> None:
    outcome = program("--multirun", *TINY[:1], "sim_device=cpu", "seed=1,2", "max_iterations=1")
    assert outcome.code == 0, outcome.err
    seeds = [yaml.safe_load(Path(f"runs/Cartpole_seed={i}/config.yaml").read_text())["seed"] for i in (1, 2)]
    assert seeds == [1, 2]


def test_runs_of_a_sweep_leave_no_agents_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    agents: list[weakref.ref[Any]] = []
    alive: list[int] = []

    class Agent:
        def __init__(self) -> None:
            self.step = self.__init__

    def execute(*_: Any) -> int:
        alive.append(sum(agent() is not None for agent in agents))
        agents.append(weakref.ref(Agent()))
        return 0

    monkeypatch.setattr(runner, "execute", execute)
    with uncollected():
        assert train(["--multirun", "task=Cartpole", *TINY[:1], "sim_device=cpu", "seed=1,2,3"]) == 0
    assert alive == [0, 0, 0]


def test_training_does_not_import_the_compiler(tmp_path: Path) -> None:
    code = (
        "import sys; from oige_train.cli.train import train; assert train(sys.argv[1:]) == 0;"
        "sys.exit(', '.join(m for m in ('torch._dynamo', 'torch._inductor', 'sympy') if m in sys.modules) or 0)"
    )
    arguments = [*TINY, "max_iterations=1"]
    process = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.slow
def test_warp_variant_trains_and_its_printed_command_plays(program) -> None:
    outcome = program("sim_device=cpu", "seed=2", "warp=True")
    assert float(outcome.out.partition("mean episode reward ")[2].split()[0]) > 450.0
    command = re.search(r"^play: +(?:uv run (?:--project \S+ )?)?oige-train (.*)$", outcome.out, re.MULTILINE)
    assert command
    assert "warp=True" not in command[1].split(), "the checkpoint holds the overrides of its run"
    played = program(*command[1].split(), f"{CONFIG}.player.games_num=64")
    assert float(played.out.partition("mean return ")[2].split(",")[0]) > 450.0


def test_checkpoint_of_the_other_variant_is_refused_in_one_line(program) -> None:
    last = train_three_epochs(program, "warp=True")
    outcome = program(*TINY, "max_iterations=6", f"checkpoint={last}", "warp=False")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "error: this state of Cartpole belongs to its Warp variant; resume with warp=True."
    )
    resumed = program("max_iterations=4", f"checkpoint={last}", "sim_device=cpu")
    assert resumed.code == 0, resumed.err
    assert "after epoch 3\n" in resumed.err, "and nothing about new episodes"


def test_run_that_ended_at_its_limit_of_steps_resumes_with_the_printed_limit(program) -> None:
    outcome = program(*TINY, "max_iterations=9", f"{CONFIG}.max_frames=1500")  # 1,024 steps an epoch
    assert "done: 2 epochs, 2,048 steps" in outcome.out
    printed = shlex.split(outcome.out.splitlines()[-1])
    limit = f"{CONFIG}.max_frames=4096"
    assert limit in printed
    assert not any(word.startswith("max_iterations") for word in printed)
    checkpoint = next(word for word in printed if word.startswith("checkpoint="))
    outcome = program(checkpoint, "sim_device=cpu")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        f"error: {checkpoint}: has 2,048 environment steps, and training ends at {CONFIG}.max_frames=1500; raise it, "
        "or play the checkpoint with test=True."
    )
    assert "done: 4 epochs, 4,096 steps" in program(checkpoint, "sim_device=cpu", limit).out


def test_asymmetric_critic_of_a_task_without_states_is_refused(program) -> None:
    critic = "{network: {name: actor_critic, central_value: True, mlp: {units: [8]}}, minibatch_size: 1024, "
    critic += "learning_rate: 1e-3, mini_epochs: 1, clip_value: True, normalize_input: True}"
    outcome = program(*TINY, f"{CONFIG}.central_value_config={critic}", f"{CONFIG}.symmetry_augmentation=False")
    assert outcome.code == 2
    message = f"{CONFIG}.central_value_config: expected none; Cartpole has no states for an asymmetric critic."
    assert outcome.err.splitlines()[-1] == f"error: {message}"


def test_states_without_an_asymmetric_critic_are_reported(program) -> None:
    sizes = [f"{CONFIG}.horizon_length=4", f"{CONFIG}.minibatch_size=16", "num_envs=4", "max_iterations=1"]
    asymmetric = "task.env.asymmetric_observations=True"
    outcome = program("task=ShadowHand", "sim_device=cpu", "rl_device=cpu", *sizes, asymmetric)
    assert outcome.code == 0
    message = f"{CONFIG}.central_value_config is not set: nothing reads the 187 privileged states of ShadowHand."
    assert message in outcome.out + outcome.err


def test_an_agent_is_closed_before_its_process_leaves_the_group(
    program: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """NCCL waits for ever to leave while the agent holds graphs with collectives."""
    calls: list[str] = []
    close = PpoAgent.close

    def noted(agent: PpoAgent) -> None:
        calls.append("close")
        close(agent)

    monkeypatch.setattr(PpoAgent, "close", noted)
    monkeypatch.setattr(Workers, "leave", lambda _: calls.append("leave"))
    program(*TINY, "max_iterations=1")
    assert calls == ["close", "leave"]
