"""Worlds with a Shadow Hand, with or without a block, that tests share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from oige_core.config import ActorConfig, MujocoConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.scene import Scene
from oige_core.testing import make_engine_on
from oige_core.views import ArticulationView, RigidPrimView
from oige_tasks_manipulation.shadow_hand.description import FINGERTIPS
from oige_tasks_manipulation.shadow_hand.robot import ACTUATED_JOINTS, SHADOW_HAND

__all__ = ["BLOCK_MASS", "BLOCK_SIZE", "ROOT", "HandWorlds", "make_hand"]

ROOT = (0.0, 0.0, 0.5)  # m
BLOCK_SIZE = (0.05, 0.05, 0.05)  # m
BLOCK_MASS = 567.0 * 0.05**3  # kg


@dataclass
class HandWorlds:
    """An engine and what its worlds contain; ``tips`` are the links of ``FINGERTIPS``."""

    engine: MujocoEngine
    hand: ArticulationView
    tips: RigidPrimView
    block: RigidPrimView | None

    def set_joints(self, positions: Mapping[str, float]) -> None:
        """Set joint positions in rad by name without ``robot0_``; others are 0."""
        self.hand.set_joint_positions(self._as_row(positions).expand(self.engine.num_envs, -1))

    def set_targets(self, positions: Mapping[str, float]) -> None:
        """Set targets of the actuated joints, as in :meth:`set_joints`."""
        joints = self.actuated
        self.hand.set_joint_position_targets(
            self._as_row(positions)[:, joints].expand(self.engine.num_envs, -1), joint_indices=joints
        )

    def joint(self, name: str) -> torch.Tensor:
        """Return the positions ``(N,)`` of a joint, in rad."""
        return self.hand.get_joint_positions()[:, self.index(name)]

    def index(self, name: str) -> int:
        """Return the index of a joint, by its name without ``robot0_``."""
        return self.hand.get_dof_index(f"robot0_{name}")

    @property
    def actuated(self) -> list[int]:
        """Indices of the actuated joints."""
        return [self.hand.get_dof_index(name) for name in ACTUATED_JOINTS]

    def _as_row(self, positions: Mapping[str, float]) -> torch.Tensor:
        row = torch.zeros(1, self.hand.num_dof)
        for name, angle in positions.items():
            row[0, self.index(name)] = angle
        return row


def make_hand(
    num_envs: int = 1,
    *,
    executor: str = "c",
    block: Sequence[float] | None = None,
    block_size: tuple[float, float, float] = BLOCK_SIZE,
    block_mass: float = BLOCK_MASS,
    dt: float = 1 / 120,
    substeps: int = 1,
    self_collisions: bool = True,
    track_joint_forces: bool = False,
    mujoco: MujocoConfig | None = None,
) -> HandWorlds:
    """Build worlds as the tasks do.

    Args:
        num_envs: number of worlds.
        executor: see ``make_engine_on``.
        block: position of the block's centre, in m; None: no block.
        block_size: its edges, in m.
        block_mass: its mass, in kg.
        dt: time of a physics step, in s.
        substeps: solver steps per physics step.
        self_collisions: whether the hand's links collide with each other.
        track_joint_forces: whether the wrenches at fingertips are measured.
        mujoco: solver settings; by default an elliptic cone with an impedance ratio of 10.
    """
    engine = make_engine_on(executor, num_envs)
    mujoco = mujoco or MujocoConfig(impratio=10.0, iterations=20)
    actors = {"shadow_hand": ActorConfig(enable_self_collisions=int(self_collisions))}
    scene = Scene(engine, SimConfig(dt=dt, substeps=substeps, mujoco=mujoco, actors=actors))
    hand = scene.add_articulation(
        "shadow_hand",
        SHADOW_HAND,
        position=ROOT,
        disable_gravity=True,
        track_joint_forces=FINGERTIPS if track_joint_forces else False,
    )
    tips = scene.add_link_view("fingertips", "shadow_hand", FINGERTIPS)
    body = None
    if block is not None:
        body = scene.add_box("object", size=block_size, mass=block_mass, position=(block[0], block[1], block[2]))
    engine.build(scene)
    return HandWorlds(engine, hand, tips, body)
