"""Damping of links and drives that a script removes, on the cart and pole of a fork's task."""

import asyncio
import math
from typing import Any

import pytest
import torch
from oige_compat.articulation_view import ArticulationView
from oige_compat.cloner import GridCloner
from oige_compat.gym_interface import BaseTask
from oige_compat.kit import get_app
from oige_compat.link_damping import LinkDamping
from oige_compat.physx_schema import PhysxRigidBodyAPI
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage, get_assets_root_path
from oige_compat.world import World
from pxr import UsdPhysics

DT = 0.005
ROBOT = "/World/envs/env_0/Cartpole"


def test_joints_together_lose_momentum() -> None:
    """−c M q̇ with M q̇ = (2·1 + 0.5·2, 0.5·1 + 1·2) kg·m²/s."""
    damping = LinkDamping(loss=5.0, max_speed=math.inf, max_angular_speed=math.inf)
    mass_matrix, velocities = torch.tensor([[[2.0, 0.5], [0.5, 1.0]]]), torch.tensor([[1.0, 2.0]])
    efforts = damping.efforts(mass_matrix, velocities, torch.zeros(1, 3, 6), 0.01)
    torch.testing.assert_close(efforts, torch.tensor([[-15.0, -12.5]]))


def test_link_above_its_speed_limit_is_brought_back_within_a_step() -> None:
    """A link at 4 rad/s, limited to 2 rad/s, loses half of its momentum in 0.01 s: 50/s."""
    damping = LinkDamping(loss=0.0, max_speed=1.0, max_angular_speed=2.0)
    links = torch.zeros(1, 2, 6)
    links[0, 1, 5] = 4.0
    efforts = damping.efforts(torch.tensor([[[1.0]]]), torch.tensor([[4.0]]), links, 0.01)
    torch.testing.assert_close(efforts, torch.tensor([[-200.0]]))


class _Carts(BaseTask):
    def set_up_scene(self, scene: Any) -> None:
        add_reference_to_stage(get_assets_root_path() + "/Isaac/Robots/Cartpole/cartpole.usd", ROBOT)
        stage = session().stage
        for name in ("cart", "pole"):
            body = PhysxRigidBodyAPI.Apply(stage.GetPrimAtPath(f"{ROBOT}/{name}"))
            body.GetAngularDampingAttr().Set(4.0)
            body.GetLinearDampingAttr().Set(1.0)
        cart = stage.GetPrimAtPath(f"{ROBOT}/rail/cartJoint")  # where Isaac Sim's file has the joint
        drive = UsdPhysics.DriveAPI.Apply(cart, "linear")
        drive.CreateStiffnessAttr(100.0)
        drive.CreateDampingAttr(50.0)
        cart.RemoveAPI(UsdPhysics.DriveAPI, "linear")
        cloner = GridCloner(spacing=4.0)
        cloner.clone("/World/envs/env_0", cloner.generate_paths("/World/envs/env", 2))
        self.carts = ArticulationView("/World/envs/.*/Cartpole", name="carts")
        scene.add(self.carts)

    def post_reset(self) -> None:
        self.waited = 0
        asyncio.ensure_future(self._wait())  # noqa: RUF006

    async def _wait(self) -> None:
        for _ in range(3):
            await get_app().next_update_async()
            self.waited += 1


@pytest.fixture(scope="module")
def world() -> World:
    restart()
    world = World(backend="torch", sim_params={"dt": DT, "gravity": [0.0, 0.0, 0.0]})
    world.add_task(_Carts("Carts"))
    world.reset()
    return world


def test_removed_drive_has_no_gains(world: World) -> None:
    stiffnesses, dampings = world._tasks[0].carts.get_gains()
    assert not stiffnesses.any()
    assert not dampings.any()


def test_coroutine_of_a_reset_ends_before_the_first_step(world: World) -> None:
    steps = world.current_time_step_index
    world.reset()
    assert world._tasks[0].waited == 3
    assert world.current_time_step_index == steps + 3


def test_damped_cart_slows_down(world: World) -> None:
    """Efforts −4 M q̇ alone change velocities by −4 q̇ dt; the script's own efforts stay what they are."""
    world.reset()
    carts = world._tasks[0].carts
    velocities = torch.zeros(2, 2)
    velocities[:, carts.get_dof_index("cartJoint")] = torch.tensor([1.0, -0.5])
    carts.set_joint_velocities(velocities)
    carts.set_joint_efforts(torch.zeros(2, 2))
    world.step(render=False)
    torch.testing.assert_close(carts.get_joint_velocities(), velocities * (1.0 - 4.0 * DT), rtol=1e-3, atol=1e-5)
    assert not carts.get_applied_joint_efforts().any()


def test_efforts_that_damp_change_when_the_script_sets_efforts(world: World) -> None:
    """With two physics steps per control step, both change velocities by the same amount: −4 q̇ dt of the first."""
    world.reset()
    carts = world._tasks[0].carts
    velocities = torch.zeros(2, 2)
    velocities[:, carts.get_dof_index("cartJoint")] = 1.0
    for _ in range(2):
        carts.set_joint_velocities(velocities)
        carts.set_joint_efforts(torch.zeros(2, 2))
        for _ in range(2):
            world.step(render=False)
    torch.testing.assert_close(carts.get_joint_velocities(), velocities * (1.0 - 8.0 * DT), rtol=1e-3, atol=1e-4)
