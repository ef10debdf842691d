"""Tasks that scripts and files register, without a package. Some inherit from tasks of installed packages."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym
import oige_core
import pytest
import torch
from oige_core import ConfigError, EnvConfig, OigeError, RLTask, Scene, load_config, register_task
from oige_core.registration import load_task_file, with_registered_tasks
from oige_core.registry import _registered, config_folders, find_task, installed_tasks, load_spec
from oige_tasks_classic.cartpole.task import CartpoleTask
from oige_tasks_locomotion.anymal_terrain.task import AnymalTerrainTask

CPU = {"sim_device": "cpu", "num_threads": 1}
BALL = {"task.env.numEnvs": 2, "task.env.envSpacing": 1.0, "task.env.episodeLength": 3, "task.env.height": 1.5}

FILE = """
import oige_core
from oige_tasks_classic.cartpole.task import CartpoleTask


class {name}(CartpoleTask):
    pass


oige_core.register_task("{name}", {name}, base="Cartpole")
"""


class Half(CartpoleTask):
    """Cartpole with half the reward."""

    def calculate_metrics(self) -> torch.Tensor:
        """Return half the reward ``(N,)`` of Cartpole."""
        return 0.5 * super().calculate_metrics()


class Blind(CartpoleTask):
    """Cartpole without the velocities."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Observe the positions ``(n, 2)``."""
        return self.observe_motion(worlds)[:, ::2]


class Rough(AnymalTerrainTask):
    """AnymalTerrain under another name."""


@dataclass(kw_only=True)
class FallConfig(EnvConfig):
    """The section ``task.env`` of Fall.

    Attributes:
        height: height of the ball at the start, in metres.
    """

    height: float


class Fall(RLTask[FallConfig]):
    """A ball that falls; the action does nothing."""

    def set_up_scene(self, scene: Scene) -> None:
        """Add the ball."""
        self.balls = scene.add_sphere("ball", radius=0.1, position=(0.0, 0.0, self.cfg.height))

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        """Ignore the actions."""

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        """Observe the height ``(n, 1)``, in metres."""
        return self.balls.get_world_poses(worlds)[0][:, 2:]

    def is_done(self) -> torch.Tensor:
        """Never terminate."""
        return torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)

    def calculate_metrics(self) -> torch.Tensor:
        """Reward height."""
        return self.obs_buf[:, 0]


@pytest.fixture(autouse=True)
def unregistered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget what a test registers and imports."""
    modules, paths = set(sys.modules), list(sys.path)
    yield
    for name in _registered:
        gym.registry.pop(f"oige/{name}-v0", None)
    _registered.clear()
    installed_tasks.cache_clear()
    sys.path[:] = paths
    for name in set(sys.modules) - modules:
        if name.startswith("my_"):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a file and return its path."""

    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return write


def test_task_with_a_base_inherits_scene_and_configuration() -> None:
    register_task("Half", Half, base="Cartpole", config={"task.env.maxEffort": 100.0})
    actions = torch.tensor([[1.0], [-0.5]])
    rewards = []
    for name, effort in (("Half", 100.0), ("Cartpole", 400.0)):
        env = gym.make_vec(f"oige/{name}-v0", num_envs=2, **CPU, overrides={"task.env.episodeLength": 9})
        assert isinstance(env, oige_core.VecEnv)
        assert env.task.cfg.maxEffort == effort
        env.reset(seed=3)
        env.task.cfg.maxEffort = 100.0
        rewards.append(env.step(actions)[1])
        env.close()
    torch.testing.assert_close(rewards[0], 0.5 * rewards[1])


def test_task_without_a_base_has_its_own_record_and_configuration() -> None:
    register_task("Fall", Fall, env=FallConfig, observation_shape=(1,), num_actions=1, config=BALL)
    env = oige_core.make_vec("Fall", 1, **CPU)
    env.reset(seed=1)
    for _ in range(2):
        env.step(torch.zeros(1, 1))
    heights, rewards, terminated, truncated, info = env.step(torch.zeros(1, 1))
    env.close()
    dt = load_config("Fall").task.sim.dt * load_config("Fall").task.env.controlFrequencyInv
    fallen = 1.5 - 0.5 * 9.81 * (3 * dt) ** 2
    assert abs(info["final_obs"].item() - fallen) < 9.81 * 3 * dt**2  # a semi-implicit step adds g t dt / 2
    assert (rewards.item(), heights.item()) == (info["final_obs"].item(), 1.5)
    assert (terminated.item(), truncated.item()) == (False, True)


def test_training_configurations_are_inherited() -> None:
    task = register_task("Rough", Rough, base="AnymalTerrain", config={"train.params.config.gamma": 0.5})
    inherited = {file.stem for file in (find_task("AnymalTerrain").cfg / "train").glob("AnymalTerrain*.yaml")}
    assert {file.stem.replace("Rough", "AnymalTerrain") for file in (task.cfg / "train").glob("*.yaml")} == inherited
    assert "gamma: 0.5" in (task.cfg / "train" / "RoughPPO.yaml").read_text()
    assert load_spec(task).demo == load_spec(find_task("AnymalTerrain")).demo


def test_training_configurations_of_longer_names_are_not_inherited() -> None:
    task = register_task("Half", Half, base="Cartpole")
    assert [file.stem for file in (task.cfg / "train").glob("*.yaml")] == ["HalfPPO"]  # not those of CartpoleCamera


def test_description_is_inherited_with_observations_and_actions() -> None:
    described = load_spec(find_task("Cartpole")).description
    assert described is not None
    assert load_spec(register_task("Half", Half, base="Cartpole")).description == described
    assert load_spec(register_task("Blind", Blind, base="Cartpole", observation_shape=(2,))).description is None


def test_task_can_be_registered_again() -> None:
    for effort in (100.0, 50.0):
        register_task("Half", Half, base="Cartpole", config={"task.env.maxEffort": effort})
    assert vars(load_config("Half").task.env)["maxEffort"] == 50.0
    assert len([folder for folder in config_folders() if "oige-task-" in folder.name]) == 1


def test_registered_task_does_not_have_a_warp_variant() -> None:
    register_task("Half", Half, base="Cartpole")
    with pytest.raises(ConfigError, match=r"\Awarp=True: Half has no Warp variant; leave warp out or choose Ant, "):
        load_config("Half", {"warp": True})


def local_class() -> type[RLTask]:
    class Local(CartpoleTask):
        pass

    return Local


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("half", Half),
            "register_task: name='half': expected letters and digits in CamelCase, such as ReachCube.",
        ),
        (("Ant", Half), "register_task: name='Ant': oige-tasks-locomotion has a task Ant; choose another name."),
        (("Half", 3), "register_task: task=3: expected a class that derives from RLTask."),
        (("Half", str), "register_task: task=<class 'str'>: expected a class that derives from RLTask."),
        (
            ("Local", local_class()),
            "register_task: local_class.<locals>.Local: expected a class at the top level of a module.",
        ),
        (("Fall", Fall), "register_task: env is missing; it is required without base=<an installed task>."),
    ],
)
def test_invalid_registration_raises(arguments: tuple, message: str) -> None:
    with pytest.raises(OigeError) as caught:
        register_task(*arguments)
    assert str(caught.value) == message
    assert not _registered


def test_unknown_base_and_keys_raise() -> None:
    with pytest.raises(ConfigError, match=r"\Atask=Cartpol: unknown task 'Cartpol'\. Did you mean Cartpole"):
        register_task("Half", Half, base="Cartpol")
    with pytest.raises(ConfigError) as caught:
        register_task("Half", Half, base="Cartpole", config={"num_envs": 3})
    assert str(caught.value) == (
        "register_task: config['num_envs']: expected a key that begins with task. or train., such as "
        "task.env.episodeLength."
    )
    register_task("Half", Half, base="Cartpole", config={"task.env.maxEfort": 3.0})
    with pytest.raises(ConfigError, match=r"\Atask\.env\.maxEfort: unknown key\. Did you mean maxEffort"):
        load_config("Half")


def test_file_is_loaded_once_under_its_name(write: Callable[[str, str], str]) -> None:
    file = write("my_first.py", FILE.format(name="First"))
    task = load_task_file(file)
    assert (task.name, task.package, task.file) == ("First", "my_first", file)
    assert load_task_file(file) == task
    assert load_spec(task).task == "my_first:First"
    assert with_registered_tasks(["num_envs=3", f"task={file}"]) == ["num_envs=3", "task=First"]
    assert with_registered_tasks([f"task=Ant,{file}"]) == ["task=Ant,First"]


def test_one_task_of_several_is_selected(write: Callable[[str, str], str]) -> None:
    file = write("my_two.py", FILE.format(name="Second") + FILE.format(name="Third"))
    assert load_task_file(f"{file}:Third").name == "Third"
    expected = f"expected one of the tasks that the file registers, task={file}:Second or task={file}:Third."
    for value in (file, f"{file}:Fourth"):
        with pytest.raises(ConfigError) as caught:
            load_task_file(value)
        assert str(caught.value) == f"task={value}: {expected}"


def test_files_without_a_task_are_refused(write: Callable[[str, str], str]) -> None:
    empty, json, dashed = write("my_empty.py", ""), write("json.py", ""), write("my-task.py", "")
    import json as library

    for value, expected in {
        "missing.py": "expected a Python file, but there is no such file.",
        empty: "registers no task; call oige_core.register_task(…) at the top level.",
        json: f"its name is that of the module json at {library.__file__}; rename the file.",
        dashed: "expected a file name that can be imported, such as my_task.py; rename it.",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_task_file(value)
        assert str(caught.value) == f"task={value}: {expected}"


def test_syntax_errors_and_missing_modules_of_a_file_are_one_line(write: Callable[[str, str], str]) -> None:
    broken, imports = write("my_broken.py", "x = 1\ndef f(:\n"), write("my_imports.py", "import no_such_module.part\n")
    importer = write("my_importer.py", "import my_broken\n")
    mistake = "my_broken.py has a mistake in line 2 (invalid syntax: def f(:); correct it."
    for value, expected in {
        broken: mistake,
        importer: mistake,
        imports: "it imports no_such_module, which is not installed; install it, or correct the import.",
    }.items():
        with pytest.raises(ConfigError) as caught:
            load_task_file(value)
        assert str(caught.value) == f"task={value}: {expected}"


def test_name_of_another_file_is_refused(write: Callable[[str, str], str]) -> None:
    load_task_file(write("my_one.py", FILE.format(name="First")))
    with pytest.raises(ConfigError) as caught:
        load_task_file(write("my_other.py", FILE.format(name="First")))
    assert str(caught.value) == "register_task: name='First': my_one has a task First; choose another name."
