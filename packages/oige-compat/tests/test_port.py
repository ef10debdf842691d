"""The package that ``oige-compat port`` writes from a small fork."""

import ast
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
import torch
from oige_compat.assets import load_usd
from oige_compat.cli import compat
from oige_core import VecEnv
from oige_core.errors import OigeError
from oige_core.scene import Drive

sys.path.insert(0, str(Path(__file__).parent))
from ported import TASK, made, method, port, write_fork
from sample_fork import FILES


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VecEnv]:
    """The ported task, with four worlds."""
    with made(port(tmp_path), monkeypatch) as env:
        yield env


def test_ported_task_computes_what_the_fork_computes(env: VecEnv) -> None:
    env.reset(seed=0)
    task = env.task
    views = task._wagons  # type: ignore[attr-defined]
    assert views.dof_names == ["cartJoint", "poleJoint"]
    assert (views.get_joint_positions()[:, 0].abs() <= 0.5).all()
    assert (views.get_joint_positions()[:, 1].abs() <= 0.1 * torch.pi).all()
    # upright at rest; tilted; beyond the range; fallen
    positions = torch.tensor([[0.0, 0.0], [0.0, 0.3], [3.5, 0.0], [0.0, 1.7]])
    views.set_joint_positions(positions)
    views.set_joint_velocities(torch.zeros(4, 2))
    observations, rewards, terminated, truncated, _ = env.step(torch.zeros(4, 1))
    assert observations[:, 0].tolist() == pytest.approx([0.0, 0.0, 3.5, 0.0], abs=0.02)
    angles = observations[:, 2]
    assert angles.tolist() == pytest.approx([0.0, 0.3, 0.0, 1.7], abs=0.02)
    expected = 1.0 - angles * angles
    expected[2] = -2.0
    assert rewards.tolist() == pytest.approx(expected.tolist(), abs=1e-6)
    assert terminated.tolist() == [False, False, True, True]
    assert truncated.tolist() == [False] * 4
    assert env.task.max_episode_length == 500


def test_actions_push_as_the_fork_does(env: VecEnv) -> None:
    env.reset(seed=0)
    views = env.task._wagons  # type: ignore[attr-defined]
    views.set_joint_positions(torch.zeros(4, 2))
    views.set_joint_velocities(torch.zeros(4, 2))
    env.step(torch.tensor([[0.0], [0.5], [-0.5], [1.0]]))
    velocities = views.get_joint_velocities()[:, 0]
    assert velocities[1].item() == pytest.approx(-velocities[2].item(), rel=1e-3)
    assert velocities[3].item() == pytest.approx(2.0 * velocities[1].item(), rel=0.05)
    assert velocities[1].item() > 0.5
    assert velocities[0].item() == pytest.approx(0.0, abs=1e-4)


def test_simple_task_needs_no_work_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = port(tmp_path)
    assert "TODO" not in capsys.readouterr().out
    assert "TODO" not in (package / "src/wagon/task.py").read_text()
    assert "nonzero" not in method(package, "pre_physics_step")
    assert "progress_buf >=" not in method(package, "is_done")
    dependencies = tomllib.loads((package / "pyproject.toml").read_text())["project"]["dependencies"]
    assert dependencies == ["oige-core[mujoco]", "oige-train", "oige-tasks-classic"]


def test_comments_stay_and_what_cannot_be_ported_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = TASK.replace(
        "        count = len(env_ids)\n",
        "        # how many worlds\n        count = len(env_ids)\n"
        "        self._wagons.pause_motion()\n        self._env.render()\n",
    )
    package = port(tmp_path, code=changed)
    assert "2 places are marked with TODO(port):" in capsys.readouterr().out
    assert [line.strip() for line in method(package, "reset_idx").splitlines()][3:8] == [
        "# how many worlds",
        "count = len(env_ids)",
        "# TODO(port): views have no pause_motion",
        "#     self._wagons.pause_motion()",
        "# TODO(port): the environment of OmniIsaacGymEnvs",
    ]


def test_rewards_are_computed_first_if_the_end_of_episodes_needs_them(tmp_path: Path) -> None:
    changed = TASK.replace(
        "        self.rew_buf[:] = reward\n",
        "        self.far = self.cart_position > 1.0\n        self.rew_buf[:] = reward\n",
    ).replace("        self.reset_buf[:] = resets\n", "        self.reset_buf[:] = torch.where(self.far, 1, resets)\n")
    package = port(tmp_path, code=changed)
    assert "self.compute_rewards()" in method(package, "is_done")
    assert method(package, "calculate_metrics").splitlines()[1:] == ["        return self.rewards.clone()"]
    assert "self.far = " in method(package, "compute_rewards")


def test_missing_robot_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_fork(tmp_path / "fork")
    robot = tmp_path / "fork/wagons/robots/wagon.py"
    robot.write_text(robot.read_text().replace("Robots/Cartpole/cartpole.usd", "Robots/Other/other.usd"))
    assert compat(["port", str(tmp_path / "fork"), str(tmp_path / "new")]) == 0
    assert "1 place is marked with TODO(port):" in capsys.readouterr().out
    text = (tmp_path / "new/src/wagon/task.py").read_text()
    assert "# TODO(port): write the robot of /Isaac/Robots/Other/other.usd as assets/wagon.xml." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-compat port: expected a Python file or a folder, and the folder of the new package."),
        (["a", "b", "--tsk"], "--tsk: unknown option; oige-compat port has --task and --name."),
        (["a", "b", "--task"], "--task: expected the name of a task after it."),
        (["/nowhere/x", "b"], "/nowhere/x: there is no such file or folder."),
    ],
)
def test_wrong_arguments_raise(arguments: list[str], message: str) -> None:
    with pytest.raises(OigeError) as error:
        compat(["port", *arguments])
    assert str(error.value) == message


def test_folder_without_a_task_and_full_folder_raise(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n")
    with pytest.raises(OigeError) as error:
        compat(["port", str(tmp_path), str(tmp_path / "new")])
    expected = "expected a class that derives from RLTask and has reset_idx; none was found."
    assert str(error.value) == f"{tmp_path}: {expected}"
    with pytest.raises(OigeError) as error:
        compat(["port", str(tmp_path), str(tmp_path)])
    assert str(error.value) == f"{tmp_path}: exists already; remove it, or choose another folder."


def test_name_of_an_installed_task_needs_another_one(tmp_path: Path) -> None:
    fork = str(write_fork(tmp_path / "fork"))
    with pytest.raises(OigeError) as error:
        compat(["port", fork, str(tmp_path / "new"), "--name", "Ant"])
    assert str(error.value) == "Ant: oige-tasks-locomotion has a task Ant; choose another name with --name."
    assert compat(["port", fork, str(tmp_path / "new"), "--name=MyWagon"]) == 0
    assert (tmp_path / "new/src/my_wagon/cfg/task/MyWagon.yaml").read_text().startswith("name: MyWagon\n")


def test_type_comments_of_functions_stay_first(tmp_path: Path) -> None:
    function = "\n\n@torch.jit.script\ndef penalty(angle):\n    # type: (Tensor) -> Tensor\n    return angle * angle\n"
    changed = TASK.replace("1.0 - self.pole_angle * self.pole_angle", "1.0 - penalty(self.pole_angle)") + function
    lines = (port(tmp_path, code=changed) / "src/wagon/task.py").read_text().splitlines()
    start = lines.index("def penalty(angle):")
    assert lines[start - 1 :] == ["@torch.jit.script", "def penalty(angle):", *function.splitlines()[-2:]]


def test_part_of_a_checkout_gets_the_files_around_it(tmp_path: Path) -> None:
    fork = write_fork(tmp_path / "fork")
    (fork / ".git").mkdir()
    (fork / "wagons/cfg").rename(fork / "cfg")
    (tmp_path / "link").symlink_to(fork)
    for number, path in enumerate(("fork/wagons/tasks", "fork/wagons/tasks/wagon.py", "link/wagons/tasks/wagon.py")):
        new = tmp_path / f"new{number}"
        assert compat(["port", str(tmp_path / path), str(new)]) == 0
        assert "maxPush: " in (new / "src/wagon/cfg/task/Wagon.yaml").read_text()


def test_file_that_python_cannot_parse_is_one_line_with_its_line(tmp_path: Path) -> None:
    write_fork(tmp_path)
    task = tmp_path / "wagons/tasks/wagon.py"
    task.write_text(TASK + "\ndef broken(:\n")
    line = len(TASK.splitlines()) + 2
    with pytest.raises(OigeError) as error:
        compat(["port", str(task), str(tmp_path / "new")])
    assert str(error.value) == f"{task}: line {line}: Python 3 cannot parse it: invalid syntax."


def test_missing_yaml_files_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fork = write_fork(tmp_path / "fork")
    shutil.rmtree(fork / "wagons/cfg")
    assert compat(["port", str(fork), str(tmp_path / "new")]) == 0
    cfg = tmp_path / "new/src/wagon/cfg"
    assert "# TODO(port): no cfg/task/Wagon.yaml was found" in (cfg / "task/Wagon.yaml").read_text()
    assert "# TODO(port): no cfg/train/WagonPPO.yaml was found" in (cfg / "train/WagonPPO.yaml").read_text()
    places = capsys.readouterr().out
    assert "src/wagon/cfg/task/Wagon.yaml:3" in places
    assert "src/wagon/cfg/train/WagonPPO.yaml:1" in places


def test_robot_beside_the_file_that_names_it_is_converted_with_its_drives(tmp_path: Path) -> None:
    usd = (resources.files("oige_tasks_locomotion") / "ant/assets/ant.usda").read_text()
    robot = FILES["wagons/robots/wagon.py"].replace(
        'get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd"',
        'path.join(path.abspath(path.dirname(__file__)), "..", "usd", "wagon.usda")',
    )
    files = {"wagons/robots/wagon.py": f"from os import path\n{robot}", "wagons/usd/wagon.usda": usd}
    package = port(tmp_path, files=files)
    text = (package / "src/wagon/task.py").read_text()
    assert "# Converted from wagons/usd/wagon.usda.\n# approximated: /ant/joints/ankle_1: ankle_1 starts at " in text
    assert "TODO(port)" not in text
    converted, _ = load_usd(tmp_path / "fork/wagons/usd/wagon.usda")
    assert (package / "src/wagon/assets/wagon.xml").read_text() == converted.mjcf
    constants = [node.value for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    written = next(value for value in constants if isinstance(value, ast.Call))
    drives, positions = (eval(ast.unparse(each.value), {"Drive": Drive}) for each in written.keywords[1:])
    assert {name: drive.damping for name, drive in drives.items()} == pytest.approx(
        {name: drive.damping for name, drive in converted.drives.items()}
    )
    assert positions == pytest.approx(converted.joint_positions)
