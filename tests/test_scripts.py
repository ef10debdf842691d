"""The scripts of OmniIsaacGymEnvs start the programs, also from other folders and under torchrun."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
PROGRAMS = {"rlgames_train": "oige-train", "rlgames_demo": "oige-demo", "random_policy": "oige-random-policy"}


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=cwd, capture_output=True, text=True, check=False)


def test_each_script_has_a_program() -> None:
    assert {file.stem for file in SCRIPTS.glob("*.py")} == set(PROGRAMS)


@pytest.mark.parametrize(("script", "name"), PROGRAMS.items())
def test_script_starts_its_program_from_another_folder(script: str, name: str, tmp_path: Path) -> None:
    helped = run(SCRIPTS / f"{script}.py", "--help", cwd=tmp_path)
    assert helped.returncode == 0, helped.stderr
    assert helped.stdout.startswith(f"usage: {name} ")
    refused = run(SCRIPTS / f"{script}.py", "task=Cartpol", cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: task=Cartpol: unknown task")


def test_torchrun_starts_the_training_script(tmp_path: Path) -> None:
    # As on the command line that OmniIsaacGymEnvs documents for several GPUs, here on the CPU.
    torchrun = ("-m", "torch.distributed.run", "--nnodes=1", "--nproc_per_node=2", "--standalone")
    small = ("num_envs=8", "max_iterations=1", "sim_device=cpu", "num_threads=1")
    done = run(
        *torchrun,
        SCRIPTS / "rlgames_train.py",
        *("headless=True", "task=Cartpole", "multi_gpu=True", *small),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "2 processes with 8 worlds on cpu each, 16 in all" in done.stderr
    assert list((tmp_path / "runs" / "Cartpole" / "nn").glob("last_Cartpole_ep_1_*.pth"))
