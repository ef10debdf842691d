"""The engine on Isaac Sim's own Python, over stand-ins of Kit's modules: level 4 of docs/isaac_sim_mapping.md."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from oige_core.testing.physx.runtime import is_ovphysx_installed

REPOSITORY = Path(__file__).resolve().parent.parent
VARIABLES = ("OIGE_ISAACSIM_SOURCE", "OIGE_PHYSX_SOURCE")

pytestmark = [
    pytest.mark.skipif(
        not all(os.environ.get(variable) for variable in VARIABLES),
        reason=f"needs checkouts of Isaac Sim and PhysX, in {' and '.join(VARIABLES)}; see CONTRIBUTING.md",
    ),
    pytest.mark.skipif(not is_ovphysx_installed(), reason="needs the dependency group isaacsim"),
]


def play(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in a process of its own, because its stand-ins replace modules."""
    command = [sys.executable, "-m", "tools.isaacsim_level4", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_cartpole_behaves_as_without_isaac_sims_python() -> None:
    pytest.importorskip("scipy", reason="Isaac Sim's Python needs scipy: uv run --with scipy pytest …")
    run = play("--task", "Cartpole")
    assert run.returncode == 0, run.stderr
    found = re.search(r"Cartpole: mean reward ([\d.]+).*observation ([\d.e-]+)$", run.stdout)
    assert found, run.stdout
    assert float(found.group(1)) > 0.9
    assert float(found.group(2)) < 1e-5


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    run = play("--isaac-sim", str(tmp_path))
    assert run.returncode == 2
    assert run.stderr.strip().endswith("expected a checkout of Isaac Sim, with source/extensions")


def test_every_call_of_hosts_and_every_convention_is_as_expected(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="Isaac Sim's Python needs scipy: uv run --with scipy pytest …")
    command = [sys.executable, "-m", "oige_extension.isaacsim_check", "--host", "tools.isaacsim_level4.hosts:create"]
    options = ["--device", "cpu", "--only", "host", "convention", "--report", str(tmp_path / "report.json")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])}
    run = subprocess.run([*command, *options], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert " 0 FAIL, 0 SKIP" in run.stdout
