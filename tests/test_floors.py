"""The packages work with the Python, PyTorch and NumPy that Isaac Sim brings, without MuJoCo, Warp and the viewer."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
# oige-compat stands in for Isaac Sim, and is not installed into it.
PACKAGES = sorted(
    path.parent for path in (REPOSITORY / "packages").glob("*/pyproject.toml") if path.parent.name != "oige-compat"
)

ABSENT = ("PIL", "av", "mujoco", "mujoco_warp", "newton", "trimesh", "viser", "warp", "websockets")
"""Modules that Isaac Sim does not bring, or in an older release that must not be loaded before its own code does."""

HOST = "oige_core.engines.isaacsim"
"""The package that is imported once Isaac Sim's application runs; others must not need USD, which comes with it."""

LEFT_OUT = (
    "oige_core.engines.column_kernels",
    "oige_core.engines.isaacsim.usd.from_mujoco",
    "oige_core.engines.isaacsim.usd.rigid_from_mujoco",
    "oige_core.engines.mujoco",
    "oige_core.kernel_launch",
    "oige_core.math.linear_kernels",
    "oige_core.math.rotation_kernels",
    "oige_core.render.recording",
    "oige_core.render.viewer",
    "oige_core.tasks.episode_kernels",
    "oige_core.tasks.fused_step",
    "oige_core.tasks.rl_task_warp",
    "oige_core.tasks.step_kernels",
    "oige_core.testing",
    "oige_core.warp_arrays",
    "oige_core.warp_runtime",
    "oige_extension.extension",
    "oige_extension.ui",
    "oige_extension.web",
    "oige_tasks_classic.cartpole.warp_task",
    "oige_tasks_locomotion.ant.warp_task",
    "oige_tasks_locomotion.ant_humanoid.warp_task",
    "oige_tasks_locomotion.humanoid.warp_task",
    "oige_train.benchmark.measure",
    "oige_train.benchmark.stages",
    "oige_train.benchmark.timing",
    "oige_train.demo",
    "oige_train.learner.ppo.kernels",
    "oige_train.zoo.executor",
    "oige_train.zoo.geometry",
    "oige_train.zoo.graphs",
    "oige_train.zoo.model",
    "oige_train.zoo.program",
    "oige_train.zoo.site",
    "oige_train.zoo.task_files",
    "oige_train.zoo.vectors",
)
"""Modules of the embedded engine, of Warp, of the viewer and of windows in Kit, with those below them."""

OPTIONAL = ("ray", "rsl_rl", "skrl", "stable_baselines3", "tensordict")

IMPORT_ALL = """
import importlib, json, sys
from pathlib import Path

packages, absent, host, left_out, optional = map(json.loads, sys.argv[1:])
blocked, asked = {*absent, "omni", "isaacsim", "pxr"}, set()

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in blocked:
            asked.add(top)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def modules(package):
    folder = Path(importlib.import_module(package).__file__).parent
    for file in sorted(folder.rglob("*.py")):
        name = ".".join((package, *file.relative_to(folder).with_suffix("").parts))
        yield name.removesuffix(".__init__")

def belongs(name, package):
    return name == package or name.startswith(package + ".")

def failure(name):
    try:
        importlib.import_module(name)
    except Exception as error:
        missing = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) else None
        return None if missing in optional else f"{type(error).__name__}: {error}"

sys.meta_path.insert(0, Blocker())
names = [name for package in packages for name in modules(package)]
needed = [name for name in names if not any(belongs(name, package) for package in left_out)]
needed.sort(key=lambda name: belongs(name, host))
failures = {}
for name in needed:
    if belongs(name, host):
        blocked.discard("pxr")
    if text := failure(name):
        failures[name] = text
outcome = {"failures": failures, "asked": sorted(asked), "count": len(needed)}
outcome["needlessly"] = [name for name in left_out if name not in names or failure(name) is None]
print(json.dumps(outcome))
"""

UNIT_TESTS = (
    "oige-core/tests/test_config.py",
    "oige-core/tests/test_config_composition.py",
    "oige-core/tests/test_math.py",
    "oige-core/tests/test_overrides.py",
    "oige-core/tests/test_packing.py",
    "oige-core/tests/test_randomization_schema.py",
    "oige-core/tests/test_randomization_signals.py",
    "oige-core/tests/test_registry.py",
    "oige-core/tests/test_symmetry.py",
    "oige-train/tests/ppo/test_epochs.py",
    "oige-train/tests/ppo/test_gradients.py",
    "oige-train/tests/ppo/test_linear.py",
    "oige-train/tests/ppo/test_losses.py",
    "oige-train/tests/ppo/test_rollouts.py",
    "oige-train/tests/ppo/test_slices.py",
    "oige-train/tests/test_arguments.py",
    "oige-train/tests/test_base_configurations.py",
    "oige-train/tests/test_command_line.py",
    "oige-train/tests/test_composition.py",
    "oige-train/tests/test_flashsac_parts.py",
    "oige-train/tests/test_learner.py",
    "oige-train/tests/test_learner_settings.py",
    "oige-train/tests/test_recent_mean.py",
    "oige-train/tests/test_resumption.py",
    "oige-train/tests/test_rl_games_faults.py",
    "oige-train/tests/test_rl_games_shim.py",
    "oige-train/tests/test_sac_agent.py",
    "oige-train/tests/test_time_outs.py",
)
"""Tests under ``packages`` that need no engine."""

BROUGHT_BY_ISAAC_SIM = ("torch==2.7.0", "numpy==1.26.*", "usd-core>=25.5", "tensorboard>=2.16")
OF_OUR_PACKAGES = ("gymnasium>=1.2,<2", "omegaconf>=2.3,<2.4", "hydra-core>=1.3.2,<1.4", "rl-games>=1.6.5,<2")
OF_THE_TESTS = ("hypothesis>=6.100", "pillow>=11", "pytest>=8", "pytest-xdist>=3.6")


def import_all(python: str | Path) -> dict[str, Any]:
    """Import every module but ``LEFT_OUT`` in a new process, in which what Isaac Sim has not cannot be imported.

    Returns:
        ``failures`` by module; the packages ``asked`` for although they are not there; names of ``LEFT_OUT`` that stand
        there ``needlessly``; the ``count`` of modules.
    """
    lists = ([path.name.replace("-", "_") for path in PACKAGES], ABSENT, HOST, LEFT_OUT, OPTIONAL)
    arguments = [json.dumps(each) for each in lists]
    done = subprocess.run([python, "-c", IMPORT_ALL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_modules_that_isaac_sim_needs_import_without_the_embedded_engine() -> None:
    outcome = import_all(sys.executable)
    assert outcome.pop("count") > 200
    assert outcome == {"failures": {}, "asked": [], "needlessly": []}


@pytest.fixture(scope="module", params=["3.10", "3.11"])
def floor(request: pytest.FixtureRequest, uv: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the oldest dependencies and our wheels, installed as in Isaac Sim."""
    folder = tmp_path_factory.mktemp(f"floor-{request.param}")
    try:
        interpreter = uv("python", "find", "--no-project", request.param).strip()
    except AssertionError:
        pytest.skip(f"no Python {request.param} on this machine: uv python install {request.param}")
    uv("build", "--all-packages", "--wheel", "--quiet", "--out-dir", folder / "dist")
    uv("venv", "--quiet", "--python", interpreter, folder / "venv")
    python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    install = ("pip", "install", "--quiet", "--python", python)
    uv(*install, *BROUGHT_BY_ISAAC_SIM, *OF_OUR_PACKAGES, *OF_THE_TESTS, UV_LINK_MODE="symlink", UV_NO_CONFIG="1")
    uv(*install, "--no-deps", *(folder / "dist").glob("*.whl"))
    return python


@pytest.mark.slow
def test_wheels_import_with_the_oldest_dependencies(floor: Path) -> None:
    program = "import torch, numpy; print(torch.__version__.split('+')[0], numpy.__version__)"
    versions = subprocess.run([floor, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert versions[0] == "2.7.0"
    assert versions[1].startswith("1.26.")
    outcome = import_all(floor)
    assert outcome.pop("count") > 200
    assert outcome == {"failures": {}, "asked": [], "needlessly": []}


@pytest.mark.slow
def test_unit_tests_pass_with_the_oldest_dependencies(floor: Path) -> None:
    files = [REPOSITORY / "packages" / name for name in UNIT_TESTS]
    options = ["-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib", "-m", "not slow"]
    done = subprocess.run([floor, "-m", "pytest", *options, *files], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
