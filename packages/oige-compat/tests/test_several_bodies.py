"""Bodies that a script copies inside of a world, and one view of all of them."""

from typing import Any

import pytest
import torch
from oige_compat.cloner import Cloner, GridCloner
from oige_compat.gym_interface import BaseTask
from oige_compat.objects import DynamicCuboid
from oige_compat.session import restart, session
from oige_compat.views import RigidPrimView
from oige_compat.world import World

DT, NUM_ENVS = 0.01, 2
HEIGHTS = (1.0, 2.0, 3.0)  # m
ENV = "/World/envs/env_0"


class _Boxes(BaseTask):
    def set_up_scene(self, scene: Any) -> None:
        DynamicCuboid(ENV + "/boxes/box_0", name="box", size=0.2, mass=0.0, density=100.0)
        paths = [f"{ENV}/boxes/box_{number}" for number in range(3)]
        Cloner().clone(paths[0], paths, positions=torch.tensor([[0.0, 0.0, height] for height in HEIGHTS]))
        cloner = GridCloner(spacing=4.0)
        cloner.clone(ENV, cloner.generate_paths("/World/envs/env", NUM_ENVS))
        self.boxes = RigidPrimView("/World/envs/.*/boxes/.*", name="boxes")
        scene.add(self.boxes)


@pytest.fixture
def boxes() -> RigidPrimView:
    restart()
    world = World(backend="torch", sim_params={"dt": DT})
    task = _Boxes("Boxes")
    world.add_task(task)
    world.reset()
    return task.boxes


def test_copies_stand_one_after_the_other_in_each_world(boxes: RigidPrimView) -> None:
    positions, _ = boxes.get_world_poses()
    expected = torch.tensor([[x, 0.0, height] for x in (2.0, -2.0) for height in HEIGHTS])
    torch.testing.assert_close(positions, expected)
    torch.testing.assert_close(boxes.get_masses(), torch.full((6,), 0.8))  # 0.2³ m³ · 100 kg/m³


def test_poses_of_selected_bodies_are_set(boxes: RigidPrimView) -> None:
    before = boxes.get_world_poses()[0]
    boxes.set_world_poses(torch.tensor([[2.0, 1.0, 5.0]]), torch.tensor([[0.0, 1.0, 0.0, 0.0]]), torch.tensor([4]))
    before[4] = torch.tensor([2.0, 1.0, 5.0])
    positions, orientations = boxes.get_world_poses()
    torch.testing.assert_close(positions, before)
    assert orientations[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 1.0]


def test_velocity_of_one_body_is_kept_while_others_fall(boxes: RigidPrimView) -> None:
    boxes.set_linear_velocities(torch.tensor([[0.5, 0.0, 0.0]]), torch.tensor([1]))
    engine = session().engine
    assert engine is not None
    engine.step(1)
    velocities = boxes.get_linear_velocities()
    torch.testing.assert_close(velocities[:, 2], torch.full((6,), -9.81 * DT))
    torch.testing.assert_close(velocities[:, 0], torch.tensor([0.0, 0.5, 0.0, 0.0, 0.0, 0.0]))


def test_force_on_one_body_accelerates_it_alone(boxes: RigidPrimView) -> None:
    boxes.apply_forces(torch.tensor([[8.0, 0.0, 0.0]]), torch.tensor([3]))
    engine = session().engine
    assert engine is not None
    engine.step(1)
    expected = torch.zeros(6)
    expected[3] = 10.0 * DT  # 8 N on 0.8 kg
    torch.testing.assert_close(boxes.get_linear_velocities()[:, 0], expected)
