"""Kinematics of the Panda's arm in torch: poses, Jacobians and inverse kinematics, without an engine."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree

import torch
from oige_core import OigeError
from oige_core.control import pose_error
from oige_core.math import quat_apply, quat_mul

from oige_tasks_manipulation.franka.description import ARM_JOINTS
from oige_tasks_manipulation.franka.factory import FACTORY_FRANKA, FINGERTIP_LINK

__all__ = ["ArmKinematics"]

DAMPING = 0.05
"""Of the least squares of :meth:`ArmKinematics.solve`."""

LARGEST_STEP = 0.3
"""Of a joint in one iteration, in rad."""


class ArmKinematics:
    """The arm of Factory's Franka from its base to its fingertips, with the numbers of its MJCF file.

    Args:
        position: position of the base, in m.
        orientation: orientation of the base, w, x, y, z.
        device: of the tensors.
        dtype: of the tensors.

    Attributes:
        limits: lower and upper limits of the joints ``(7, 2)``, in rad; infinite for joints without limits.
    """

    def __init__(
        self,
        position: Sequence[float],
        orientation: Sequence[float],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        links = _chain(FINGERTIP_LINK)
        numbers = {"device": device, "dtype": dtype}
        self._base = torch.tensor(position, **numbers), torch.tensor(orientation, **numbers)
        self._links = [(torch.tensor(p, **numbers), torch.tensor(q, **numbers), joint) for p, q, joint, _ in links]
        self.limits = torch.tensor([limits for *_, limits in links if limits is not None], **numbers)

    def poses(self, joint_positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)`` of the fingertips.

        Args:
            joint_positions: of the arm ``(n, 7)``, in rad.
        """
        position, orientation, _ = self._forward(joint_positions)
        return position, orientation

    def jacobians(self, joint_positions: torch.Tensor) -> torch.Tensor:
        """Return the geometric Jacobians of the fingertips ``(n, 6, 7)``, linear then angular, in the world frame."""
        position, _, joints = self._forward(joint_positions)
        return _jacobians(position, joints)

    def solve(
        self, start: torch.Tensor, position: torch.Tensor, orientation: torch.Tensor, iterations: int = 60
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Find joint positions for poses of the fingertips by damped least squares.

        Args:
            start: joint positions from which the search begins ``(n, 7)``, in rad.
            position: ``(n, 3)``, in m.
            orientation: ``(n, 4)``.
            iterations: their number.

        Returns:
            Joint positions ``(n, 7)``, within their limits, and the errors that remain ``(n,)``: the length of the
            distance, in m, and of the rotation, in rad, together.
        """
        q = start
        lower, upper = self.limits.unbind(-1)
        damping = DAMPING**2 * torch.eye(6, dtype=q.dtype, device=q.device)
        for _ in range(iterations):
            at, turned, joints = self._forward(q)
            error = pose_error(at, turned, position, orientation)
            jacobian = _jacobians(at, joints)
            transposed = jacobian.transpose(-1, -2)
            change = transposed @ torch.linalg.solve(jacobian @ transposed + damping, error.unsqueeze(-1))
            q = torch.clamp(q + change.squeeze(-1).clamp(-LARGEST_STEP, LARGEST_STEP), lower, upper)
        return q, pose_error(*self.poses(q), position, orientation).norm(dim=-1)

    def _forward(
        self, joint_positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]:
        """Return position and orientation of the fingertips, and of each joint its place and its axis ``(n, 3)``."""
        n = joint_positions.shape[0]
        position, orientation = (value.expand(n, -1) for value in self._base)
        z = position.new_tensor([0.0, 0.0, 1.0]).expand(n, 3)
        joints: list[tuple[torch.Tensor, torch.Tensor]] = []
        for offset, rotation, turns in self._links:
            position = position + quat_apply(orientation, offset.expand(n, 3))
            orientation = quat_mul(orientation, rotation.expand(n, 4))
            if turns:
                joints.append((position, quat_apply(orientation, z)))
                half = 0.5 * joint_positions[:, len(joints) - 1 : len(joints)]
                orientation = quat_mul(orientation, torch.cat((half.cos(), half.sin() * z), dim=-1))
        return position, orientation, joints


def _jacobians(tip: torch.Tensor, joints: list[tuple[torch.Tensor, torch.Tensor]]) -> torch.Tensor:
    columns = [torch.cat((torch.linalg.cross(axis, tip - place), axis), dim=-1) for place, axis in joints]
    return torch.stack(columns, dim=-1)


def _chain(
    tip: str,
) -> list[tuple[tuple[float, ...], tuple[float, ...], bool, tuple[float, ...] | None]]:
    """Return the links after the base up to ``tip``: position and orientation in their parent's frame, whether a
    joint turns them about their z axis, and its limits.
    """
    assert not isinstance(FACTORY_FRANKA.mjcf, str)
    root = ElementTree.parse(FACTORY_FRANKA.mjcf).getroot()
    parents = {child: parent for parent in root.iter() for child in parent}
    body = next(element for element in root.iter("body") if element.get("name") == tip)
    links: list[tuple[tuple[float, ...], tuple[float, ...], bool, tuple[float, ...] | None]] = []
    while parents[body].tag == "body":
        joint = body.find("joint")
        limits = None if joint is None else _numbers(joint.get("range", "-inf inf"))
        quaternion = _numbers(body.get("quat", "1 0 0 0"))
        length = math.hypot(*quaternion)
        rotation = tuple(part / length for part in quaternion)
        links.append((_numbers(body.get("pos", "0 0 0")), rotation, joint is not None, limits))
        body = parents[body]
    if sum(turns for _, _, turns, _ in links) != len(ARM_JOINTS):
        raise OigeError(f"{FACTORY_FRANKA.mjcf}: expected {len(ARM_JOINTS)} joints between the base and {tip}.")
    return links[::-1]


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(word) for word in text.split())
