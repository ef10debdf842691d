"""The tool that kills training finds every difference between two runs, and there is none."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tools.kill_training import compare_points, differences

ROOT = Path(__file__).resolve().parent.parent


def test_equal_states_have_no_differences() -> None:
    def state() -> dict[str, object]:
        return {"a": torch.tensor([1.0, float("nan")]), "b": [1, (2.0, None)], "c": np.float32(0.5)}

    assert list(differences(state(), state())) == []


def test_every_kind_of_difference_is_found() -> None:
    zero, rounded = torch.zeros(2), torch.tensor([0.0, 1e-45])
    ours = {"sign": zero, "bit": zero, "type": zero, "gone": 1, "deep": [{"x": 1.0}], "text": "a", "length": [1]}
    theirs = {
        "sign": -zero,
        "bit": rounded,
        "type": zero.double(),
        "deep": [{"x": 1.0 + 1e-15}],
        "text": "b",
        "length": [],
    }
    found = sorted(path.partition(":")[0] for path in differences(ours, theirs))
    assert found == ["/bit", "/deep/0/x", "/gone is missing", "/length", "/sign", "/text", "/type"]


def test_doubles_gaps_and_values_of_scalars_are_found() -> None:
    whole = [(10, 1.0), (20, 2.0), (30, 3.0)]
    assert compare_points("x", whole, list(whole)) == []
    assert compare_points("x", whole, [*whole, (30, 3.0)]) == ["TensorBoard: x has 1 doubles"]
    assert compare_points("x", whole, whole[:2]) == ["TensorBoard: x differs in the steps [30]"]
    assert compare_points("x", whole, [(10, 1.0), (20, 2.5), (30, 3.0)]) == ["TensorBoard: x differs at [20]"]


@pytest.mark.slow
def test_killed_training_continues_bit_for_bit(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "tools" / "kill_training.py"), "--kind", "Cartpole, PPO", "--kills", "2"]
    process = subprocess.run(
        [*command, "--folder", str(tmp_path / "runs")], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.splitlines()[0].split("|")[3].strip() == "2"
