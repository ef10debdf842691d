"""A small project in the manner of a fork of OmniIsaacGymEnvs, for tests: a robot, a view and a task with its YAML."""

from pathlib import Path

__all__ = ["FILES", "line_of", "write_fork"]

ROBOT = """\
from omni.isaac.core.robots.robot import Robot
from omni.isaac.core.utils.nucleus import get_assets_root_path
from omni.isaac.core.utils.stage import add_reference_to_stage


class Wagon(Robot):
    def __init__(self, prim_path, name="wagon", translation=None, orientation=None):
        self._usd_path = get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd"
        add_reference_to_stage(self._usd_path, prim_path)
        super().__init__(prim_path=prim_path, name=name, translation=translation, orientation=orientation)
"""

VIEW = """\
from omni.isaac.core.articulations import ArticulationView


class WagonView(ArticulationView):
    def __init__(self, prim_paths_expr, name="wagon_view"):
        super().__init__(prim_paths_expr=prim_paths_expr, name=name, reset_xform_properties=False)
"""

TASK = '''\
import math

import torch
from omni.isaac.core.utils.prims import get_prim_at_path
from omni.isaac.core.utils.torch.maths import torch_rand_float
from omniisaacgymenvs.tasks.base.rl_task import RLTask

from wagons.robots.wagon import Wagon
from wagons.robots.wagon_view import WagonView


class WagonTask(RLTask):
    """Keep a pole on a wagon upright."""

    def __init__(self, name, sim_config, env, offset=None):
        self.update_config(sim_config)
        self._num_observations = 4
        self._num_actions = 1
        RLTask.__init__(self, name, env)

    def update_config(self, sim_config):
        self._sim_config = sim_config
        self._cfg = sim_config.config
        self._task_cfg = sim_config.task_config
        self._num_envs = self._task_cfg["env"]["numEnvs"]
        self._env_spacing = self._task_cfg["env"]["envSpacing"]
        self._max_episode_length = self._task_cfg["env"]["episodeLength"]
        self.max_push = self._task_cfg["env"]["maxPush"]
        self.range = self._task_cfg["env"]["range"]
        self._start = torch.tensor([0.0, 0.0, 2.0])

    def set_up_scene(self, scene):
        self.get_wagon()
        super().set_up_scene(scene)
        self._wagons = WagonView(prim_paths_expr="/World/envs/.*/Wagon")
        scene.add(self._wagons)

    def get_wagon(self):
        wagon = Wagon(prim_path=self.default_zero_env_path + "/Wagon", translation=self._start)
        self._sim_config.apply_articulation_settings(
            "Wagon", get_prim_at_path(wagon.prim_path), self._sim_config.parse_actor_config("Wagon")
        )

    def post_reset(self):
        self.cart = self._wagons.get_dof_index("cartJoint")
        self.pole = self._wagons.get_dof_index("poleJoint")
        self.reset_idx(torch.arange(self._num_envs, device=self._device))

    def reset_idx(self, env_ids):
        count = len(env_ids)
        positions = torch.zeros((count, self._wagons.num_dof), device=self._device)
        positions[:, self.cart] = torch_rand_float(-0.5, 0.5, (count, 1), device=self._device).squeeze(-1)
        positions[:, self.pole] = 0.1 * math.pi * (1.0 - 2.0 * torch.rand(count, device=self._device))
        velocities = torch.zeros((count, self._wagons.num_dof), device=self._device)
        indices = env_ids.to(dtype=torch.int32)
        self._wagons.set_joint_positions(positions, indices=indices)
        self._wagons.set_joint_velocities(velocities, indices=indices)
        self.reset_buf[env_ids] = 0
        self.progress_buf[env_ids] = 0

    def pre_physics_step(self, actions):
        if not self.world.is_playing():
            return
        reset_env_ids = self.reset_buf.nonzero(as_tuple=False).squeeze(-1)
        if len(reset_env_ids) > 0:
            self.reset_idx(reset_env_ids)
        actions = actions.to(self._device)
        forces = torch.zeros((self._wagons.count, self._wagons.num_dof), device=self._device)
        forces[:, self.cart] = self.max_push * actions[:, 0]
        indices = torch.arange(self._wagons.count, dtype=torch.int32, device=self._device)
        self._wagons.set_joint_efforts(forces, indices=indices)

    def get_observations(self):
        positions = self._wagons.get_joint_positions(clone=False)
        velocities = self._wagons.get_joint_velocities(clone=False)
        self.cart_position = positions[:, self.cart]
        self.pole_angle = positions[:, self.pole]
        self.obs_buf[:, 0] = self.cart_position
        self.obs_buf[:, 1] = velocities[:, self.cart]
        self.obs_buf[:, 2] = self.pole_angle
        self.obs_buf[:, 3] = velocities[:, self.pole]
        return {self._wagons.name: {"obs_buf": self.obs_buf}}

    def calculate_metrics(self):
        reward = 1.0 - self.pole_angle * self.pole_angle
        reward = torch.where(torch.abs(self.cart_position) > self.range, torch.ones_like(reward) * -2.0, reward)
        self.rew_buf[:] = reward

    def is_done(self):
        resets = torch.where(torch.abs(self.cart_position) > self.range, 1, 0)
        resets = torch.where(torch.abs(self.pole_angle) > math.pi / 2, 1, resets)
        resets = torch.where(self.progress_buf >= self._max_episode_length, 1, resets)
        self.reset_buf[:] = resets
'''

TASK_YAML = """\
name: Wagon
physics_engine: ${..physics_engine}
env:
  numEnvs: ${resolve_default:512,${...num_envs}}
  envSpacing: 4.0
  episodeLength: 500
  maxPush: 400.0
  range: 3.0
  clipActions: 1.0
  controlFrequencyInv: 2
sim:
  dt: 0.0083
  use_gpu_pipeline: ${eq:${...pipeline},"gpu"}
  gravity: [0.0, 0.0, -9.81]
  physx:
    solver_type: ${....solver_type}
    bounce_threshold_velocity: 0.2
  Wagon:
    enable_self_collisions: False
    solver_position_iteration_count: 4
"""

TRAIN_YAML = """\
params:
  seed: ${...seed}
  algo: {name: a2c_continuous}
  model: {name: continuous_a2c_logstd}
  network:
    name: actor_critic
    separate: False
    space:
      continuous:
        mu_activation: None
        sigma_activation: None
        mu_init: {name: default}
        sigma_init: {name: const_initializer, val: 0}
        fixed_sigma: True
    mlp: {units: [32, 32], activation: elu, initializer: {name: default}}
  config:
    name: ${resolve_default:Wagon,${....experiment}}
    full_experiment_name: ${.name}
    env_name: rlgpu
    ppo: True
    horizon_length: 16
    minibatch_size: 8192
    mini_epochs: 8
    max_epochs: 100
    gamma: 0.99
    tau: 0.95
    learning_rate: 3e-4
    e_clip: 0.2
"""

FILES = {
    "wagons/__init__.py": "",
    "wagons/robots/__init__.py": "",
    "wagons/robots/wagon.py": ROBOT,
    "wagons/robots/wagon_view.py": VIEW,
    "wagons/tasks/wagon.py": TASK,
    "wagons/cfg/task/Wagon.yaml": TASK_YAML,
    "wagons/cfg/train/WagonPPO.yaml": TRAIN_YAML,
}
"""Text by name of the file."""


def write_fork(folder: Path) -> Path:
    """Write the project into a folder, and return the folder."""
    for name, text in FILES.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder


def line_of(name: str, text: str) -> int:
    """Return the number of the only line of a file that contains a text."""
    lines = [number for number, line in enumerate(FILES[name].splitlines(), start=1) if text in line]
    assert len(lines) == 1, lines
    return lines[0]
