"""Drives of joints in PhysX, which has one per joint for PD terms, springs and dampers."""

import dataclasses
from typing import Any

import torch

from oige_core.engines.isaacsim.views.articulation_state import ArticulationState
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.engines.joints import first_match
from oige_core.scene.assets import Drive
from oige_core.scene.elements import ArticulationElement

__all__ = ["NO_LIMIT", "Drives"]

_FRICTION = "get_dof_friction_properties", "set_dof_friction_properties"

NO_LIMIT = torch.finfo(torch.float32).max
"""What PhysX has where nothing is limited."""


class Drives:
    """Targets, gains and limits of the drives of an articulation, and the joints' own springs and dampers.

    A drive of PhysX limits the sum of its PD terms and of the effort that is set. Where the effort is limited, such an
    effort moves the target, and the joint's damper is viscous friction, which the limit does not concern. The
    joint's spring acts as an effort, and so does the damper in releases without such friction: neither acts while the
    drive is at its limit. Elsewhere, spring and damper are part of the drive, which integrates them implicitly.

    Args:
        worlds: the running worlds.
        state: the articulation.

    Attributes:
        targets: ``(3, num_envs, d)``: position, velocity, effort. Call :meth:`wrote_targets` after a change.
        initial_targets: of a reset.
        gains: ``(2, num_envs, d)``: stiffness and damping. Call :meth:`send_gains` after a change of these or those:
        max_efforts: ``(num_envs, d)``.
        strengths: ``(num_envs, d)``.
        encoder_biases: ``(num_envs, d)``.
        default_gains: ``(2, d)`` of the asset.
        friction: static, dynamic and viscous friction of joints ``(num_envs, d, 3)``; None if the release has none.
    """

    def __init__(self, worlds: IsaacWorlds, state: ArticulationState) -> None:
        self._state, device = state, worlds.device
        joints, drives = state.description.moving_joints, _drives(state.element, state)
        shape = (worlds.num_envs, len(joints))

        def column(values: list[float]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        self.default_gains = torch.stack(
            (column([drive.stiffness for drive in drives]), column([drive.damping for drive in drives]))
        )
        self.gains = self.default_gains.unsqueeze(1).repeat(1, worlds.num_envs, 1)
        self.max_efforts = column([drive.max_effort for drive in drives]).repeat(worlds.num_envs, 1)
        self.strengths = torch.ones(shape, device=device)
        self.encoder_biases = torch.zeros(shape, device=device)
        self.targets = torch.zeros(3, *shape, device=device)
        self.targets[0] = state.initial_joints[0]
        self.initial_targets = self.targets.clone()
        self._spring = column([joint.stiffness for joint in joints])
        self._rest = column([joint.spring_position for joint in joints])
        self._damper = column([joint.damping for joint in joints])
        self._properties = [
            state.joint_property(what, f"get_dof_{name}", f"set_dof_{name}")
            for what, name in (("stiffness", "stiffnesses"), ("damping", "dampings"), ("max. effort", "max_forces"))
        ]
        self.friction: Property | None = None
        if "joint_friction_force" in worlds.engine.capabilities:
            self.friction = state.joint_property("friction", *_FRICTION)
            self.friction.values[..., :2] = column([joint.friction for joint in joints]).unsqueeze(-1)
        self._targets_sent = False
        self.send_gains()

    @property
    def _drives(self) -> torch.Tensor:
        """Which drives have gains, ``(num_envs, d)`` bool."""
        return (self.gains > 0.0).any(dim=0)

    def measured_efforts(self) -> torch.Tensor:
        """Return the efforts ``(num_envs, d)`` that drives exert at the current state."""
        self._state.read_joints()
        position, velocity, effort = self.targets
        effort = torch.addcmul(effort, self.gains[0], position - self._state.positions - self.encoder_biases)
        effort = torch.addcmul(effort, self.gains[1], velocity - self._state.velocities)
        return effort.clamp(-self.max_efforts, self.max_efforts) * self.strengths

    def send_gains(self, worlds: torch.Tensor | None = None) -> None:
        """Send gains and limits, times strengths, of a selection of worlds to physics."""
        stiffness, damping = self.gains * self.strengths
        limited = self._limited
        free = ~limited
        values = (
            stiffness + free * self._spring,
            damping + free * self._damper,
            torch.where(limited, self.max_efforts * self.strengths, NO_LIMIT).clamp(max=NO_LIMIT),
        )
        for one, sent in zip(self._properties, values, strict=True):
            one.values.copy_(sent)
            one.send(worlds)
        if self.friction is not None:
            self.friction.values[..., 2] = limited * self._damper
            self.friction.send(worlds)
        self._targets_sent = False

    @property
    def _limited(self) -> torch.Tensor:
        """Which drives of PhysX limit PD terms and efforts together, ``(num_envs, d)`` bool."""
        return self._drives & self.max_efforts.isfinite()

    def wrote_targets(self) -> None:
        """Have targets and efforts sent before the next physics step."""
        self._targets_sent = False

    def send_targets(self) -> None:
        """Send targets to physics, and efforts to the state of the articulation, if they have changed."""
        if self._targets_sent:
            return
        self._targets_sent = True
        state, limited = self._state, self._limited
        stiffness, damping = self.gains * self.strengths
        position, velocity, effort = self.targets
        position = position - self.encoder_biases
        effort = torch.where(self._drives, effort, effort.clamp(-self.max_efforts, self.max_efforts)) * self.strengths
        all_stiffness, all_damping = self._properties[0].values, self._properties[1].values
        # Where nothing is limited, the spring's rest position and the drive's target become one.
        rest = (stiffness * position + self._spring * self._rest) / all_stiffness
        slowed = damping * velocity / all_damping
        moved = torch.where(stiffness > 0.0, position + effort / stiffness, position)
        hurried = torch.where((stiffness == 0.0) & (damping > 0.0), velocity + effort / damping, velocity)
        position = torch.where(limited, moved, torch.where(all_stiffness > 0.0, rest, position))
        velocity = torch.where(limited, hurried, torch.where(all_damping > 0.0, slowed, velocity))
        state.send_targets(position, velocity)
        state.efforts = torch.where(limited, 0.0, effort)
        springs = limited * self._spring
        dampers = limited * self._damper * (self.friction is None)
        state.springs = (springs, self._rest, dampers) if bool((springs + dampers).any()) else None

    def state_dict(self) -> dict[str, Any]:
        """Return targets, gains, limits, strengths and biases."""
        return {
            name: getattr(self, name).clone()
            for name in ("targets", "initial_targets", "gains", "max_efforts", "strengths", "encoder_biases")
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for name, values in state.items():
            getattr(self, name).copy_(values)
        self.send_gains()


def _drives(element: ArticulationElement, state: ArticulationState) -> list[Drive]:
    """Return the drives of joints, each limited to what its asset states for the joint."""
    drives = []
    for joint in state.description.moving_joints:
        drive = first_match(element.asset.drives, joint.name, Drive())
        if joint.max_effort is not None:
            drive = dataclasses.replace(drive, max_effort=min(drive.max_effort, joint.max_effort))
        drives.append(drive)
    return drives
