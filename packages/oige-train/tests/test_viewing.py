"""Settings of the viewer, the livestream and recordings."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from oige_core import VecEnv
from oige_core.render.viewer import Viewer

TINY = ("num_envs=64", "seed=3", "sim_device=cpu", "task.env.episodeLength=50")
SMALL = ("task.viewport.viewport_camera_width=64", "task.viewport.viewport_camera_height=48")
RECORDING = ("enable_recording=True", "recording_interval=10", "recording_length=4", "recording_fps=20", *SMALL)


def clips(folder: Path) -> dict[str, tuple[int, float]]:
    """Frames and frames per second of the clips of a folder."""
    found = {}
    for file in folder.iterdir():
        with av.open(file) as container:
            stream = container.streams.video[0]
            found[file.name] = sum(1 for _ in container.decode(stream)), float(stream.average_rate or 0)
    return found


def test_training_and_playing_write_videos(program: Any) -> None:
    trained = program(*TINY, *RECORDING, "max_iterations=2")  # of 16 steps each
    assert trained.code == 0, trained.err
    assert clips(Path("runs/Cartpole/videos")) == {
        f"rl-video-step-{step}.mp4": (4, 20.0) for step in (0, 10, 20, 30)
    } | {"rl-video-step-30.mp4": (2, 20.0)}
    (policy,) = Path("runs/Cartpole/nn").glob("last*.pth")
    games = "train.params.config.player.games_num=64"  # of 50 steps at most
    played = program(*TINY, *RECORDING, f"checkpoint={policy}", "test=True", games, "recording_dir=played")
    assert played.code == 0, played.err
    found = clips(Path("played"))
    assert found["rl-video-step-0.mp4"] == (4, 20.0)
    assert set(found) <= {f"rl-video-step-{step}.mp4" for step in range(0, 51, 10)}


@pytest.fixture
def signal_in_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, signal.Signals], None]:
    """Let a signal arrive in a step of the environment, counted from 1 since it was made."""

    def arrange(step: int, number: signal.Signals) -> None:
        take_step, steps = VecEnv.step, [0]

        def counted(self: VecEnv, actions: Any) -> Any:
            steps[0] += 1
            if steps[0] == step:
                signal.raise_signal(number)
            return take_step(self, actions)

        monkeypatch.setattr(VecEnv, "step", counted)

    return arrange


def written(folder: Path) -> dict[str, int]:
    """Frames of the clips of a folder, in which nothing else is."""
    return {name: frames for name, (frames, _) in clips(folder).items()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_playing_finishes_its_clip(number: signal.Signals, program: Any, signal_in_step: Any) -> None:
    signal_in_step(13, number)
    outcome = program("task=Cartpole", "checkpoint=pretrained", "test=True", *TINY, *RECORDING)
    assert outcome.code == 130, outcome.err
    assert written(Path("runs/Cartpole/videos")) == {"rl-video-step-0.mp4": 4, "rl-video-step-10.mp4": 3}


@pytest.mark.slow
def test_interrupted_training_with_sac_finishes_its_clip(program: Any, signal_in_step: Any) -> None:
    signal_in_step(6, signal.SIGTERM)
    learner = {"num_warmup_steps": 2, "batch_size": 32, "num_steps_per_episode": 4}
    settings = [f"train.params.config.{key}={value}" for key, value in learner.items()]
    outcome = program("task=AntSAC", "num_envs=4", "sim_device=cpu", *RECORDING, *settings)
    assert outcome.code == 130, outcome.err
    # The epoch in which the signal arrives is finished.
    assert written(Path("runs/AntSAC/videos")) == {"rl-video-step-0.mp4": 4}


def test_evaluation_writes_videos_of_all_checkpoints(program: Any, signal_in_step: Any) -> None:
    assert program(*TINY, "max_iterations=2", "train.params.config.save_frequency=1").code == 0
    games = "train.params.config.player.games_num=1"
    evaluated = ["checkpoint=runs/Cartpole", "evaluation=True", "test=True", "num_envs=1", "sim_device=cpu"]
    outcome = program(*evaluated, *RECORDING, games)
    assert outcome.code == 0, outcome.err
    results = re.findall(r"^epoch (\d), .* mean length (\d+)", outcome.out, re.MULTILINE)
    assert [epoch for epoch, _ in results] == ["1", "2"]
    steps = sum(int(length) for _, length in results)
    found = written(Path("runs/Cartpole/videos"))
    assert sum(found.values()) == sum(min(4, steps - first) for first in range(0, steps, 10))
    assert set(found) == {f"rl-video-step-{first}.mp4" for first in range(0, steps, 10)}


def test_run_with_viewer_prints_its_address(program: Any) -> None:
    outcome = program(*TINY, "headless=False", "max_iterations=1")
    assert outcome.code == 0, outcome.err
    assert re.search(r"^viewer: http://127\.0\.0\.1:8\d\d\d$", outcome.err, re.MULTILINE)
    assert not program(*TINY, "max_iterations=1").err.count("viewer:")


def test_livestream_uses_the_configured_address(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        outcome = program(*TINY, "enable_livestream=True", f"livestream_port={port}", "max_iterations=1")
        assert outcome.code == 2
        assert f"cannot listen on 127.0.0.1, port {port}" in outcome.err
    asked: list[dict[str, Any]] = []
    construct = Viewer.__init__
    monkeypatch.setattr(
        Viewer, "__init__", lambda self, env, **options: (asked.append(options), construct(self, env, **options))[1]
    )
    outcome = program(
        *TINY, "enable_livestream=True", "livestream_host=0.0.0.0", f"livestream_port={port}", "max_iterations=1"
    )
    assert outcome.code == 0, outcome.err
    assert (asked[0]["host"], asked[0]["port"]) == ("0.0.0.0", port)
    assert f"viewer: http://localhost:{port}" in outcome.err


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("livestream_port=0", "livestream_port=0: expected a number from 1 to 65535."),
        ("recording_length=0", "recording_length=0: expected a number above 0."),
        (
            "recording_length=2001",
            "recording_length=2001: expected at most recording_interval, 2000; clips do not overlap.",
        ),
        ("task.viewport.viewport_camera_width=15", "task.viewport.viewport_camera_width=15: expected an even number"),
    ],
)
def test_invalid_viewing_settings_are_refused(argument: str, message: str, program: Any) -> None:
    outcome = program(argument)
    assert outcome.code == 2
    assert message in outcome.err


def test_random_policy_writes_videos_and_benchmark_refuses_to(tmp_path: Path) -> None:
    arguments = ["task=Cartpole", "num_envs=2", "sim_device=cpu", *RECORDING]
    random = [sys.executable, "-m", "oige_train.cli.random_policy", *arguments, "max_steps=12"]
    subprocess.run(random, cwd=tmp_path, check=True, capture_output=True)
    found = clips(tmp_path / "runs" / "Cartpole" / "videos")
    assert found == {"rl-video-step-0.mp4": (4, 20.0), "rl-video-step-10.mp4": (2, 20.0)}
    measured = subprocess.run(
        [sys.executable, "-m", "oige_train.cli.benchmark", *arguments],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert measured.returncode == 2
    assert measured.stderr.startswith("error: enable_recording=True: not available while benchmarking")
