"""The scripts and the package of examples/ do what they say."""

import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a script by its name."""
    monkeypatch.syspath_prepend(EXAMPLES)
    yield importlib.import_module
    for file in EXAMPLES.glob("*.py"):
        sys.modules.pop(file.stem, None)


def test_controller_balances_the_pole(example: Callable[[str], ModuleType]) -> None:
    assert example("roll_out").main(num_envs=16) > 490.0


def test_own_learner_learns_cartpole(example: Callable[[str], ModuleType]) -> None:
    scores = example("own_learner").main(generations=4)
    assert scores[0] < 100.0
    assert scores[-1] > 400.0


def test_video_shows_moving_robots(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    file: Path = example("record_video").main(tmp_path, frames=8)
    with av.open(file, mode="r") as video:
        frames = [frame.to_ndarray(format="rgb24").astype(float) for frame in video.decode(video=0)]
    assert len(frames) == 8
    assert frames[0].shape == (360, 640, 3)
    assert frames[0].std() > 10.0, "one colour everywhere"
    changed = (np.abs(frames[-1] - frames[0]).max(axis=-1) > 30.0).mean()
    assert 0.001 < changed < 0.3, "the robots move, the camera and the ground do not"


def test_readme_lists_every_example() -> None:
    page = (EXAMPLES / "README.md").read_text()
    assert all(f"`{file.name}`" in page for file in EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def double_pendulum(
    install: Callable[[Path, Path], Callable[..., str]], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Run Python where the package of examples/double_pendulum is installed."""
    return install(tmp_path_factory.mktemp("double_pendulum"), EXAMPLES / "double_pendulum")


@pytest.mark.slow
def test_double_pendulum_passes_its_tests(double_pendulum: Callable[..., str]) -> None:
    tests = str(EXAMPLES / "double_pendulum" / "tests")
    assert "5 passed" in double_pendulum("-m", "pytest", "-q", "-p", "no:cacheprovider", tests)


@pytest.mark.slow
def test_double_pendulum_is_learned_with_the_inherited_settings(double_pendulum: Callable[..., str]) -> None:
    """500 is the greatest return; poles that hang get 0."""
    printed = double_pendulum("-m", "oige_train.cli.train", "task=DoublePendulum", "sim_device=cpu", "seed=1")
    score = re.search(r"mean episode reward ([\d.]+)", printed)
    assert score, printed
    assert float(score[1]) > 400.0
