"""Programs that are told to use Isaac Sim where it is not installed say so before they do anything."""

import importlib
from pathlib import Path

import pytest
from oige_core.errors import CapabilityError, OigeError

PROGRAMS = {
    "train": ["task=Cartpole"],
    "benchmark": ["task=Cartpole"],
    "random_policy": ["task=Cartpole"],
    "demo": ["task=AnymalTerrain", "checkpoint=pretrained"],
}


def run(program: str, *arguments: str) -> None:
    module = importlib.import_module(f"oige_train.cli.{program}")
    getattr(module, program)(
        [*PROGRAMS[program], "physics_engine=isaacsim", "sim_device=cpu", "rl_device=cpu", *arguments]
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_printed_or_written(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OigeError, match=r"physics_engine=isaacsim: Isaac Sim was not found .* use physics_engine=mujo"):
        run(program)
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_ends_before_its_first_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OigeError, match="Isaac Sim was not found"):
        run("train", "--multirun", "seed=1,2")
    assert "run 1 of 2" not in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_what_isaac_sim_never_supports_is_named_first() -> None:
    with pytest.raises(CapabilityError, match=r"enable_recording=True: the engine Isaac Sim does not support drawing"):
        run("train", "enable_recording=True")
