"""A task as forks of OmniIsaacGymEnvs have them: it pushes carts with a constant force, beside a ball."""

# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import numpy as np
import omni.usd
import torch
from gym import spaces
from omni.isaac.cloner import GridCloner
from omni.isaac.core.articulations import ArticulationView
from omni.isaac.core.objects import DynamicSphere
from omni.isaac.core.prims import RigidPrimView
from omni.isaac.core.robots.robot import Robot
from omni.isaac.core.tasks import BaseTask
from omni.isaac.core.utils.prims import get_prim_at_path
from omni.isaac.core.utils.stage import add_reference_to_stage
from omni.isaac.gym.tasks.rl_task import RLTaskInterface
from omni.isaac.nucleus import get_assets_root_path
from pxr import PhysxSchema, UsdGeom, UsdPhysics

__all__ = ["PushTask"]

ZERO = "/World/envs/env_0"


class PushTask(RLTaskInterface):
    def __init__(self, num_envs: int) -> None:
        self._num_envs, self._num_actions, self._num_observations, self._num_states = num_envs, 1, 4, 0
        self._device = "cpu"
        BaseTask.__init__(self, name="Push", offset=None)
        self.action_space = spaces.Box(-np.ones(1, np.float32), np.ones(1, np.float32))
        self.observation_space = spaces.Box(-np.ones(4, np.float32), np.ones(4, np.float32))

    def set_up_scene(self, scene) -> None:
        add_reference_to_stage(get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd", ZERO + "/Cartpole")
        robot = Robot(prim_path=ZERO + "/Cartpole", name="Cartpole", translation=torch.tensor([0.0, 0.0, 2.0]))
        articulation = PhysxSchema.PhysxArticulationAPI.Get(
            omni.usd.get_context().get_stage(), get_prim_at_path(robot.prim_path).GetPath()
        )
        articulation.GetEnabledSelfCollisionsAttr().Set(False)
        drive = UsdPhysics.DriveAPI.Apply(get_prim_at_path(ZERO + "/Cartpole/rail/cartJoint"), "linear")
        drive.CreateStiffnessAttr(0.0)
        drive.CreateDampingAttr(2.0)
        drive.CreateMaxForceAttr(1000.0)
        UsdPhysics.PrismaticJoint(get_prim_at_path(ZERO + "/Cartpole/rail/cartJoint")).CreateUpperLimitAttr(3.5)
        PhysxSchema.PhysxJointAPI.Apply(get_prim_at_path(ZERO + "/Cartpole/cart/poleJoint")).CreateArmatureAttr(0.25)
        UsdPhysics.MassAPI.Apply(get_prim_at_path(ZERO + "/Cartpole/pole")).CreateMassAttr(3.0)
        ball = DynamicSphere(
            prim_path=ZERO + "/ball",
            name="ball",
            radius=0.1,
            mass=0.0,
            density=200.0,
            translation=np.array([0.0, 1.0, 3.0]),
        )
        assert get_prim_at_path(ball.prim_path).HasAPI(UsdPhysics.RigidBodyAPI)
        super().set_up_scene(scene)
        cloner = GridCloner(spacing=4.0)
        cloner.define_base_env("/World/envs")
        UsdGeom.Xform.Define(omni.usd.get_context().get_stage(), ZERO)
        paths = cloner.generate_paths("/World/envs/env", self._num_envs)
        positions = cloner.clone(source_prim_path=ZERO, prim_paths=paths)
        self._env_pos = torch.tensor(np.array(positions), dtype=torch.float)
        scene.add_default_ground_plane()
        self.carts = ArticulationView(prim_paths_expr="/World/envs/.*/Cartpole", name="carts")
        self.poles = RigidPrimView(prim_paths_expr="/World/envs/.*/Cartpole/(cart|pole)", name="links")
        self.balls = RigidPrimView(prim_paths_expr="/World/envs/.*/ball", name="balls")
        for view in (self.carts, self.poles, self.balls):
            scene.add(view)

    def post_reset(self) -> None:
        self.cart = self.carts.get_dof_index("cartJoint")

    def pre_physics_step(self, actions) -> None:
        efforts = torch.zeros(self.num_envs, self.carts.num_dof)
        efforts[:, self.cart] = actions[:, 0]
        self.carts.set_joint_efforts(efforts, indices=torch.arange(self.num_envs, dtype=torch.int32))

    def post_physics_step(self):
        observations = torch.cat((self.carts.get_joint_positions(), self.carts.get_joint_velocities()), dim=-1)
        return observations, torch.zeros(self.num_envs), torch.zeros(self.num_envs), {}
