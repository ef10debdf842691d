"""Scenes, constructors and results that ``oige-compat port`` moves from changed copies of the small fork."""

import math
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from oige_core import make_vec
from ported import TASK, made, method, port
from sample_fork import FILES

VIEW = """\
from omni.isaac.core.articulations import ArticulationView
from omni.isaac.core.prims import RigidPrimView


class WagonView(ArticulationView):
    def __init__(self, prim_paths_expr, name="wagon_view", track_contact_forces=False):
        super().__init__(prim_paths_expr=prim_paths_expr, name=name)
        self.scale = 2.0
        self.poles = [
            RigidPrimView(prim_paths_expr=f"/World/envs/.*/Wagon/{link}", name=f"{link}_view") for link in ("pole",)
        ]

    def initialize(self, physics_sim_view):
        super().initialize(physics_sim_view)
        self._pole_indices = [self._dof_indices["poleJoint"]]

    @property
    def pole_indices(self):
        return self._pole_indices

    def scaled_height(self):
        return self.scale * self.poles[0].get_world_poses()[0][:, 2]
"""
ROBOT = (
    FILES["wagons/robots/wagon.py"].replace(
        "from omni.isaac.core.utils.stage",
        "from omniisaacgymenvs.tasks.utils.usd_utils import set_drive\nfrom omni.isaac.core.utils.stage",
    )
    + """\
        for joint, kind in zip(["cartJoint", "poleJoint"], ["linear", "angular"]):
            set_drive(f"{prim_path}/rail/{joint}", kind, "position", 0, 3.0, 0.5, 20)
"""
)
SCENE = TASK.replace(
    "        super().set_up_scene(scene)\n",
    """\
        for side in range(self.count // 2):
            box = DynamicCuboid(
                prim_path=f"{self.default_zero_env_path}/box_{side}",
                translation=torch.tensor([1.0 + side, 0.0, 0.0]) + self._start,
                size=0.2,
            )
            self._sim_config.apply_articulation_settings(
                "box", get_prim_at_path(box.prim_path), self._sim_config.parse_actor_config("box")
            )
        self.offset = 0.5 * self.width
        super().set_up_scene(scene)
""",
).replace("import torch\n", "import torch\nfrom omni.isaac.core.objects import DynamicCuboid\n")
SCENE = SCENE.replace(
    "        RLTask.__init__(self, name, env)\n",
    """\
        self.count = 2 + 2
        RLTask.__init__(self, name, env)
        self.gravity = -self._task_cfg["sim"]["gravity"][2]
        self.height = self.width * self.gravity
""",
).replace(
    "        self._task_cfg = sim_config.task_config\n",
    '        self._task_cfg = sim_config.task_config\n        self.width = self._task_cfg["env"].get("width", 0.25)\n',
)
SCENE = SCENE.replace(
    "        self.rew_buf[:] = reward\n",
    "        self.rew_buf[:] = reward + self.offset + self.height + 0.0 * self._wagons.scaled_height()\n",
)
SCENE_FILES = {
    "wagons/robots/wagon_view.py": VIEW,
    "wagons/robots/wagon.py": ROBOT,
    "wagons/cfg/task/Wagon.yaml": FILES["wagons/cfg/task/Wagon.yaml"] + "  box: {density: 50, make_kinematic: True}\n",
}


def lines_of(package: Path, name: str) -> list[str]:
    """Return the lines of a method without their indent."""
    return [line.strip() for line in method(package, name).splitlines()]


def test_scene_is_evaluated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = port(tmp_path, code=SCENE, files=SCENE_FILES)
    assert "TODO" not in capsys.readouterr().out
    assert lines_of(package, "set_up_scene")[2:] == [
        "scene.add_ground_plane()",
        'self._wagons = WagonView(scene.add_articulation("Wagon", WAGON_WITH_DRIVES, position=(0.0, 0.0, 2.0)))',
        'scene.add_box("box_0", size=(0.2, 0.2, 0.2), position=(1.0, 0.0, 2.0))',
        'scene.add_box("box_1", size=(0.2, 0.2, 0.2), position=(2.0, 0.0, 2.0))',
        "self._wagons.poles = []",
        'self._wagons.poles.append(scene.add_link_view("pole_view", "Wagon", ["pole"]))',
    ]
    settings = yaml.safe_load((package / "src/wagon/cfg/task/Wagon.yaml").read_text())["sim"]
    assert settings["box_0"] == settings["box_1"] == {"density": 50, "make_kinematic": True}
    with made(package, monkeypatch) as env:
        env.reset(seed=0)
        views = env.task._wagons  # type: ignore[attr-defined]
        stiffness, damping = views.get_gains()
        assert stiffness[0].tolist() == pytest.approx([3.0, math.degrees(3.0)], rel=1e-5)  # per metre, per radian
        assert damping[0].tolist() == pytest.approx([0.5, math.degrees(0.5)], rel=1e-5)
        assert views.pole_indices == [1]
        rewards = env.step(torch.zeros(4, 1))[1]
        angle = env.task.pole_angle  # type: ignore[attr-defined]
        expected = 1.0 - angle * angle + 0.125 + 0.25 * 9.81
        assert rewards.tolist() == pytest.approx(expected.tolist(), abs=1e-5)
        assert views.scaled_height().tolist() == pytest.approx(
            (2.0 * views.poles[0].get_world_poses()[0][:, 2]).tolist()
        )


def test_constants_keep_the_order_of_the_constructors(tmp_path: Path) -> None:
    package = port(tmp_path, code=SCENE, files=SCENE_FILES)
    assigned = [line.partition(" = ")[0] for line in lines_of(package, "post_reset") if " = " in line]
    names = [name.removeprefix("self.") for name in assigned if name.startswith("self.") and "," not in name]
    assert names == ["observations", "rewards", "resets", "width", "gravity", "height", "offset", "cart", "pole"]
    assert "self.count" not in (package / "src/wagon/task.py").read_text()  # only the scene needed it


def test_settings_come_from_the_yaml_file_that_a_task_extends(tmp_path: Path) -> None:
    files = {
        "wagons/cfg/task/Base.yaml": FILES["wagons/cfg/task/Wagon.yaml"],
        "wagons/cfg/task/Wagon.yaml": "defaults:\n  - Base\n  - _self_\nname: Wagon\nenv:\n  range: 2.5\n",
    }
    package = port(tmp_path, files=files)
    settings = yaml.safe_load((package / "src/wagon/cfg/task/Wagon.yaml").read_text())
    assert settings["env"]["range"] == 2.5
    assert settings["env"]["maxPush"] == 400.0
    assert settings["sim"]["dt"] == 0.0083


def test_statements_about_the_stage_are_marked_with_their_counterpart(tmp_path: Path) -> None:
    changed = TASK.replace(
        "        super().set_up_scene(scene)\n",
        """\
        joint = UsdPhysics.FixedJoint.Define(self._stage, "/World/envs/env_0/Wagon/extra")
        joint.CreateBody1Rel().SetTargets(["/World/envs/env_0/Wagon/pole"])
        super().set_up_scene(scene)
""",
    ).replace("import torch\n", "import torch\nfrom pxr import UsdPhysics\n")
    lines = [line.strip() for line in (port(tmp_path, code=changed) / "src/wagon/task.py").read_text().splitlines()]
    start = lines.index("# TODO(port): joints that the task adds; write them into the MJCF file:")
    assert lines[start : start + 4] == [
        "# TODO(port): joints that the task adds; write them into the MJCF file:",
        "#     joint = UsdPhysics.FixedJoint.Define(self._stage, '/World/envs/env_0/Wagon/extra')",
        "#     joint.CreateBody1Rel().SetTargets(['/World/envs/env_0/Wagon/pole'])",
        "",
    ]


def test_state_that_a_reset_keeps_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = TASK.replace("        self._wagons.set_joint_velocities(velocities, indices=indices)\n", "")
    with made(port(tmp_path, code=changed), monkeypatch) as env:
        env.reset(seed=0)
        task = env.task
        views = task._wagons  # type: ignore[attr-defined]
        views.set_joint_velocities(torch.full((4, 2), 0.75))
        task.reset_idx(torch.tensor([1, 2]))  # type: ignore[attr-defined]
        assert views.get_joint_velocities().tolist() == [[0.75, 0.75]] * 4


def test_reward_that_depends_on_the_time_limit_stays(tmp_path: Path) -> None:
    changed = TASK.replace(
        "        self.rew_buf[:] = reward\n",
        "        reward = torch.where(self.progress_buf >= self._max_episode_length - 1, reward - 5.0, reward)\n"
        "        self.rew_buf[:] = reward\n",
    )
    expected = "reward = torch.where(self.progress_buf >= self.cfg.episodeLength - 1, reward - 5.0, reward)"
    assert expected in lines_of(port(tmp_path, code=changed), "calculate_metrics")


@pytest.mark.parametrize("variable", [False, True])
def test_time_limit_of_the_original_truncates(tmp_path: Path, variable: bool) -> None:
    old = "        resets = torch.where(self.progress_buf >= self._max_episode_length, 1, resets)\n"
    new = old.replace("_max_episode_length", "_max_episode_length - 1")
    if variable:
        new = (
            "        late = self.progress_buf >= self._max_episode_length - 1\n        resets = resets.bool() | late\n"
        )
    package = port(tmp_path, code=TASK.replace(old, new))
    assert "progress_buf >=" not in method(package, "is_done")
    assert lines_of(package, "is_cut_short")[1:] == ["return self.progress_buf >= self.cfg.episodeLength - 1"]


def test_early_returns_return_results(tmp_path: Path) -> None:
    changed = TASK.replace(
        "    def calculate_metrics(self):\n",
        "    def calculate_metrics(self):\n"
        "        if self.range < 0.0:\n"
        "            self.rew_buf[:] = 0.0\n"
        "            return\n",
    ).replace(
        '        return {self._wagons.name: {"obs_buf": self.obs_buf}}\n',
        '        if self.range > 9.0:\n            return {self._wagons.name: {"obs_buf": 2.0 * self.obs_buf}}\n'
        '        return {self._wagons.name: {"obs_buf": self.obs_buf}}\n',
    )
    package = port(tmp_path, code=changed)
    assert lines_of(package, "calculate_metrics")[1:4] == [
        "if self.cfg.range < 0.0:",
        "self.rewards[:] = 0.0",
        "return self.rewards.clone()",
    ]
    assert lines_of(package, "get_observations")[-4:] == [
        "if self.cfg.range > 9.0:",
        "self.observations = 2.0 * self.observations",
        "return self.rows(self.observations.clone(), worlds)",
        "return self.rows(self.observations.clone(), worlds)",
    ]


STATEMENTS = {
    "a = self._env_pos[env_ids] + positions": "a = positions",
    "positions -= self._env_pos[env_ids].repeat(1, 2)": None,
    "b = self._env_pos * 2.0": "b = torch.zeros(self.num_envs, 3, device=self.device) * 2.0",
    "c = torch.randn(3)": "c = torch.randn(3, generator=self.generator, device=self.device)",
    'd = self._cfg["task"]["env"]["range"]': "d = self.cfg.range",
    'e = self._task_cfg["env"].get("range", 7.0)': "e = self.cfg.range",
    'f = self._task_cfg["env"].get("absent", 7.0)': "f = 7.0",
    "g = self._wagons._body_indices['pole']": "g = self._wagons.get_link_index('pole')",
    "h = torch.where(self.progress_buf >= self._max_episode_length, 1, 0)": (
        "h = torch.where(self.progress_buf >= self.cfg.episodeLength, 1, 0)"
    ),
}
"""Statements of a task, and what becomes of them."""


def test_statements_become_those_of_the_base_class(tmp_path: Path) -> None:
    start = "        velocities = torch.zeros((count"
    before = lines_of(port(tmp_path / "plain"), "reset_idx")
    inserted = "".join(f"        {statement}\n" for statement in STATEMENTS)
    after = lines_of(port(tmp_path / "changed", code=TASK.replace(start, inserted + start, 1)), "reset_idx")
    assert [line for line in after if line not in before] == [line for line in STATEMENTS.values() if line is not None]


def test_methods_come_from_base_classes_in_the_order_of_python(tmp_path: Path) -> None:
    mixins = """

class Common:
    GAIN = 1.0

    def push(self):
        return 1.0


class Left(Common):
    pass


class Right(Common):
    GAIN = 4.0

    def push(self):
        return 2.0


class WagonTask(Left, Right, RLTask):"""
    changed = TASK.replace("class WagonTask(RLTask):", mixins.lstrip("\n"))
    changed = changed.replace("reward = 1.0 - ", "reward = self.GAIN * self.push() - ")
    package = port(tmp_path, code=changed)
    assert lines_of(package, "push")[1:] == ["return 2.0"]
    text = (package / "src/wagon/task.py").read_text()
    assert re.findall(r"^    GAIN = (.*)$", text, re.MULTILINE)[-1] == "4.0"


def test_functions_and_classes_of_other_modules_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    helpers = """\
import torch

SCALE = 3.0


def half(values):
    return 0.5 * values


def bonus(values):
    return half(values) * SCALE


class Clamp:
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, values):
        return torch.clamp(values, max=self.limit)
"""
    changed = TASK.replace("import torch\n", "import torch\nfrom ..helpers import bonus, Clamp as Limit\n", 1).replace(
        "self.rew_buf[:] = reward\n", "self.rew_buf[:] = Limit(0.75)(bonus(torch.ones_like(reward)))\n"
    )
    package = port(tmp_path, code=changed, files={"wagons/helpers.py": helpers})
    assert "TODO" not in (package / "src/wagon/task.py").read_text()
    with made(package, monkeypatch) as env:
        env.reset(seed=0)
        assert env.step(torch.zeros(4, 1))[1].tolist() == [0.75] * 4


def test_worlds_that_were_just_reset_are_known_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = TASK.replace(
        "            self.reset_idx(reset_env_ids)\n",
        "            self.reset_idx(reset_env_ids)\n            self.resets_seen = reset_env_ids.tolist()\n"
        "        else:\n            self.resets_seen = []\n",
    )
    with made(port(tmp_path, code=changed), monkeypatch) as env:
        env.reset(seed=0)
        seen = []
        for _ in range(3):
            env.step(torch.zeros(4, 1))
            seen.append(env.task.resets_seen)  # type: ignore[attr-defined]
            if len(seen) == 1:
                env.task._wagons.set_joint_positions(torch.tensor([[0.0, 0.0], [3.5, 0.0], [0.0, 0.0], [0.0, 0.0]]))  # type: ignore[attr-defined]
        # The second step ends the episode of world 1, which the third step resets first.
        assert seen == [[0, 1, 2, 3], [], [1]]


@pytest.mark.slow
def test_ported_task_moves_as_our_task_with_the_same_robot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"task.env.maxEffort": 400.0, "task.env.clipObservations": 100.0, "task.env.autoresetMode": "upstream"}
    with made(port(tmp_path), monkeypatch) as env:
        ours = make_vec("Cartpole", num_envs=4, sim_device="cpu", overrides=settings)
        env.reset(seed=0)
        ours.reset(seed=1)
        theirs = env.task._wagons  # type: ignore[attr-defined]
        theirs.set_joint_positions(ours.task.cartpoles.get_joint_positions())  # type: ignore[attr-defined]
        theirs.set_joint_velocities(ours.task.cartpoles.get_joint_velocities())  # type: ignore[attr-defined]
        generator = torch.Generator().manual_seed(2)
        alive = torch.ones(4, dtype=torch.bool)
        for _ in range(20):
            actions = torch.rand(4, 1, generator=generator) * 2.0 - 1.0
            expected = ours.step(actions)[0]
            observations, rewards, terminated, _, _ = env.step(actions)
            position, _, angle, _ = expected.unbind(-1)
            reward = torch.where(position.abs() > 3.0, -2.0, 1.0 - angle * angle)
            assert torch.equal(observations[alive], expected[alive])
            assert torch.allclose(rewards[alive], reward[alive])
            alive &= ~terminated
        ours.close()
    assert alive.any()


def test_randomisation_names_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = """\
domain_randomization:
  randomize: True
  randomization_params:
    articulation_views:
      wagon_view:
        damping:
          on_reset: {operation: additive, distribution: uniform, distribution_parameters: [2.0, 2.0]}
"""
    files = {"wagons/cfg/task/Wagon.yaml": FILES["wagons/cfg/task/Wagon.yaml"] + section}
    package = port(tmp_path, files=files)
    written = yaml.safe_load((package / "src/wagon/cfg/task/Wagon.yaml").read_text())["domain_randomization"]
    assert list(written["randomization_params"]["articulation_views"]) == ["Wagon"]
    with made(package, monkeypatch) as env:
        env.reset(seed=0)
        assert env.task._wagons.get_gains()[1][0].tolist() == [2.0, 2.0]  # type: ignore[attr-defined]


def test_mass_of_a_view_replaces_the_density_of_its_settings(tmp_path: Path) -> None:
    changed = SCENE.replace(
        "        scene.add(self._wagons)\n",
        "        scene.add(self._wagons)\n"
        "        masses = torch.tensor([0.3] * self._num_envs)\n"
        '        self._boxes = RigidPrimView(prim_paths_expr="/World/envs/.*/box_0", name="boxes", masses=masses)\n'
        "        scene.add(self._boxes)\n",
    ).replace("import torch\n", "import torch\nfrom omni.isaac.core.prims import RigidPrimView\n", 1)
    package = port(tmp_path, code=changed, files=SCENE_FILES)
    box = 'self._boxes = scene.add_box("box_0", size=(0.2, 0.2, 0.2), position=(1.0, 0.0, 2.0), mass=0.3)'
    assert box in lines_of(package, "set_up_scene")
    settings = yaml.safe_load((package / "src/wagon/cfg/task/Wagon.yaml").read_text())["sim"]
    assert settings["box_0"] == {"make_kinematic": True}
    assert settings["box_1"]["density"] == 50
