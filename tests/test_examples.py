"""The scripts and the package of examples/ do what they say."""

import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
from oige_train.cli.export import export

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


#: Runs a script where neither this project nor torch can be imported.
WITHOUT_OIGE = """
import runpy, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("oige") or name.partition(".")[0] == "torch":
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_exported_policy_walks_at_the_commanded_velocity_without_oige(tmp_path: Path) -> None:
    policy = tmp_path / "policy.onnx"
    export(["task=Anymal", "checkpoint=pretrained", f"output={policy}", "sim_device=cpu", "num_envs=2", "steps=20"])
    script = [sys.executable, "-c", WITHOUT_OIGE, str(EXAMPLES / "deploy_anymal.py"), str(policy), "--seconds", "6"]
    importing = tmp_path / "importing.py"
    importing.write_text("import oige_core")
    refused = subprocess.run([*script[:3], str(importing)], capture_output=True, text=True, check=False)
    assert "oige_core must not be imported" in refused.stderr
    for command in ((1.0, 0.0, 0.0), (-0.8, 0.4, 0.6)):
        output = subprocess.check_output([*script, "--command", *map(str, command)], text=True)
        velocity, height = output.splitlines()
        measured = [float(number) for number in re.findall(r"-?\d+\.\d+", velocity)]
        assert np.abs(np.subtract(measured, command)).max() < 0.12, velocity
        assert float(re.findall(r"\d+\.\d+", height)[0]) > 0.5, "the base of a robot that fell is lower"


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
