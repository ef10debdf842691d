"""The program that records golden vectors: views, local variables of functions, checks of its arguments."""

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY)


def twice_plus_one(x: torch.Tensor):
    twice = 2 * x
    return twice + 1


with warnings.catch_warnings():  # newer versions of torch advise against scripts, which the original uses
    warnings.simplefilter("ignore", DeprecationWarning)
    twice_plus_one = torch.jit.script(twice_plus_one)


def test_views_return_copies_of_rows_and_columns_and_record_what_is_written() -> None:
    from tools.golden_vectors.views import RecordingView

    positions = torch.arange(6.0).view(2, 3)
    view = RecordingView("robots", 2, names={"dof": ["a", "b", "c"]}, values={"joint_positions": positions})
    read: Any = view.get_joint_positions(indices=torch.tensor([1]), joint_indices=[2, 0])
    assert read.tolist() == [[5.0, 3.0]]
    view.get_joint_positions(clone=False).zero_()
    assert positions[1, 2] == 5.0
    written = torch.ones(2, 3)
    view.set_joint_efforts(written, indices=[0, 1])
    written.zero_()
    assert view.written("set_joint_efforts").sum() == 6.0
    assert view.last("set_joint_efforts").kwargs == {"indices": [0, 1]}
    assert view.get_dof_index("c") == 2
    with pytest.raises(AttributeError, match="robots has no values for get_velocities"):
        view.get_velocities()


def test_local_variables_of_a_torchscript_function_are_read_in_python() -> None:
    from tools.golden_vectors.original import in_python, locals_of

    module: Any = types.ModuleType("task")
    module.twice_plus_one = script = twice_plus_one
    with in_python(module):
        found = locals_of(script, lambda: module.twice_plus_one(torch.tensor([3.0])))
    assert found["twice"].tolist() == [6.0]
    assert module.twice_plus_one is script
    with pytest.raises(RuntimeError, match="was not called in Python"):
        locals_of(script, lambda: module.twice_plus_one(torch.tensor([3.0])))


def test_recordings_are_saved_with_a_note_and_refuse_what_is_not_finite(tmp_path: Path) -> None:
    from tools.golden_vectors.recording import Recording

    recording = Recording("Task", 0, "by hand")
    recording.put("in/pose", (torch.zeros(1, 3), torch.ones(1, 4)))
    recording.put_distribution("x", torch.linspace(0.0, 1.0, 101).unsqueeze(-1))
    with pytest.raises(ValueError, match="out/rewards is not finite"):
        recording.put("out/rewards", torch.tensor([1.0, float("nan")]))
    with np.load(recording.save(tmp_path)) as file:
        assert "by hand" in str(file["note"])
        assert file["in/pose/1"].shape == (1, 4)
        assert file["out/reset/x/quantiles"][25, 0] == pytest.approx(0.25)
        assert "out/rewards" not in file.files


def test_a_folder_that_is_no_checkout_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tools.golden_vectors.__main__ import main

    arguments = ["--task=Cartpole", f"--original={tmp_path}", f"--isaac-sim={tmp_path}"]
    monkeypatch.setattr(sys, "argv", ["golden_vectors", *arguments])
    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 2
    assert f"{tmp_path} has no omniisaacgymenvs/tasks/cartpole.py" in capsys.readouterr().err
