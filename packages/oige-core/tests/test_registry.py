"""Tasks of packages that the tests install, and which modules importing and listing tasks loads."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from oige_core.config import EnvConfig
from oige_core.errors import ConfigError, OigeError
from oige_core.registry import (
    UnknownTaskError,
    find_task,
    installed_specs,
    installed_tasks,
    load_spec,
    load_task_class,
)
from oige_core.spec import TaskSpec

RECORD = """
from oige_core import EnvConfig, TaskSpec

BALL = TaskSpec(task="fractions:Fraction", env=EnvConfig, observation_shape=(4,), num_actions=1)
"""

YAML = """
name: TestBall
env: {numEnvs: 8, envSpacing: 1.0, episodeLength: 10}
"""

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that provides a task, until the test ends."""

    def install(package: str, task: str, module: str | None = None, record: str = "BALL") -> Path:
        root = tmp_path / package
        code = root / package
        (code / "cfg" / "task").mkdir(parents=True)
        (code / "__init__.py").write_text(RECORD)
        (code / "cfg" / "task" / f"{task}.yaml").write_text(YAML)
        information = root / f"{package}-1.0.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[oige.tasks]\n{task} = {module or package}:{record}\n")
        monkeypatch.syspath_prepend(str(root))
        installed_tasks.cache_clear()
        return root

    yield install
    monkeypatch.undo()
    for name in ("balls_one", "balls_two"):
        sys.modules.pop(name, None)
    installed_tasks.cache_clear()


def python(code: str, *paths: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_task_is_found_and_imported_lazily(install: Install) -> None:
    root = install("balls_one", "TestBall")
    task = find_task("TestBall")
    assert "balls_one" not in sys.modules
    assert (task.name, task.package, task.cfg) == ("TestBall", "balls_one", root / "balls_one" / "cfg")
    spec = load_spec(task)
    assert (spec.observation_shape, spec.num_actions, spec.num_states) == ((4,), 1, 0)
    assert load_task_class(spec).__name__ == "Fraction"


def test_tasks_are_sorted(install: Install) -> None:
    install("balls_one", "ZBall")
    install("balls_two", "ABall")
    names = list(installed_tasks())
    assert {"ABall", "ZBall"} <= set(names)
    assert names == sorted(names)


def test_unknown_task_suggests_the_nearest(install: Install) -> None:
    install("balls_one", "TestBall")
    with pytest.raises(UnknownTaskError) as caught:
        find_task("TestBal")
    assert str(caught.value) == "task=TestBal: unknown task 'TestBal'. Did you mean TestBall?"
    assert isinstance(caught.value, ConfigError)


def test_task_without_installed_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oige_core.registry.installed_tasks", dict)
    with pytest.raises(
        UnknownTaskError, match=r"\Atask=Ant: unknown task 'Ant'\. No task is installed: install a pack"
    ):
        find_task("Ant")


def test_task_name_in_two_packages_raises(install: Install) -> None:
    install("balls_one", "TestBall")
    install("balls_two", "TestBall")
    with pytest.raises(OigeError) as caught:
        installed_tasks()
    # The path of the package that was installed last comes first.
    assert str(caught.value) == ("task 'TestBall' is provided by both balls_two and balls_one; uninstall one of them.")


@pytest.mark.parametrize("module", ["not_there", "fractions"])  # a module that is no package has no cfg folder
def test_broken_entry_point_raises(install: Install, module: str) -> None:
    install("balls_one", "TestBall", module)
    with pytest.raises(OigeError) as caught:
        installed_tasks()
    assert str(caught.value) == f"task 'TestBall' of balls_one: '{module}' cannot be imported."


@pytest.mark.parametrize(
    ("module", "record", "message"),
    [
        (
            "balls_one.gone",
            "BALL",
            "balls_one.gone:BALL cannot be imported (No module named 'balls_one.gone'); correct the",
        ),
        (
            "balls_one",
            "GONE",
            "balls_one:GONE names nothing, expected a TaskSpec; correct the package's pyproject.toml.",
        ),
        (
            "balls_one",
            "EnvConfig",
            "balls_one:EnvConfig names type, expected a TaskSpec; correct the package's pyproject.toml.",
        ),
    ],
)
def test_entry_point_without_a_task_record_raises(module: str, record: str, message: str, install: Install) -> None:
    install("balls_one", "TestBall", module, record)
    with pytest.raises(OigeError, match=re.escape(message)):
        load_spec(find_task("TestBall"))
    assert "TestBall" not in installed_specs()


def test_warp_option_selects_the_variant_or_raises() -> None:
    spec = TaskSpec(task="fractions:Fraction", env=EnvConfig, observation_shape=(1,), num_actions=1)
    with pytest.raises(ConfigError) as caught:
        load_task_class(spec, warp=True)
    assert re.fullmatch(r"warp=True: Fraction has no Warp variant; leave warp out( or choose .+)?\.", str(caught.value))
    spec = TaskSpec(task="none:None", warp_task="decimal:Decimal", env=EnvConfig, observation_shape=(1,), num_actions=1)
    assert load_task_class(spec, warp=True).__name__ == "Decimal"


def test_observation_shape_may_depend_on_the_configuration() -> None:
    @dataclass(kw_only=True)
    class StackConfig(EnvConfig):
        frames: int

    spec = TaskSpec(
        task="n:n",
        env=StackConfig,
        observation_shape=lambda env: (4 * env.frames,),
        num_actions=1,
        num_states=lambda env: 5 * env.frames,
    )
    env = StackConfig(numEnvs=1, envSpacing=0.0, episodeLength=1, frames=3)
    assert (spec.shape_for(env), spec.states_for(env)) == ((12,), 15)
    plain = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(4,), num_actions=1, num_states=6)
    assert (plain.shape_for(env), plain.states_for(env)) == ((4,), 6)


def test_listing_and_validating_import_neither_torch_nor_mujoco(install: Install) -> None:
    root = install("balls_one", "TestBall")
    code = """
import sys
import oige_core
from oige_core.devices import resolve_devices
from oige_core.registry import load_config
config = load_config("TestBall", {"num_threads": 2})
resolve_devices(config)
print(config.task.env.numEnvs, config.num_threads, [m for m in ("torch", "mujoco", "warp") if m in sys.modules])
"""
    assert python(code, root) == "8 2 []"


def test_configurations_are_validated_without_torch(install: Install) -> None:
    root = install("balls_one", "TestBall")
    code = """
import sys
sys.modules.update(torch=None, mujoco=None, warp=None)  # importing them raises ImportError
from oige_core.errors import ConfigError
from oige_core.registry import load_config
try:
    load_config("TestBall", {"task.env.episodeLength": 0})
except ConfigError as error:
    print(error)
"""
    assert python(code, root) == "task.env.episodeLength=0: expected a number above 0."


def test_every_task_is_registered_with_gymnasium(install: Install) -> None:
    root = install("balls_one", "TestBall")
    code = """
import gymnasium as gym, oige_core
ids = {id for id in gym.registry if id.startswith("oige/")}
assert ids == {f"oige/{name}-v0" for name in oige_core.installed_tasks()}, ids
print("oige/TestBall-v0" in ids)
"""
    assert python(code, root) == "True"
