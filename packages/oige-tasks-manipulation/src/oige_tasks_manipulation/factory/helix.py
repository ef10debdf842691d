"""Whether nuts follow the thread of their bolt."""

import math
from typing import NamedTuple

import torch

from oige_tasks_manipulation.factory.base import FactoryConfigT, FactoryTask

__all__ = ["LEFT", "Helix", "ThreadTask", "follow_helix", "has_left"]

LEFT = 0.5  # pitches from the helix; a nut has then passed through the thread
CENTRED = 0.1  # diameters of the bolt; the middle of a nut on the bolt is that close to the axis
ENGAGED = 2.0  # pitches; a nut on the bolt is that far below the tip


class Helix(NamedTuple):
    """Nuts relative to the helix on which they came onto the bolt, in n worlds.

    Attributes:
        on_bolt: ``(n,)`` bool: the nut is on the bolt.
        height: ``(n,)``: of the nut above where it touches the bolt's head, in m.
        yaw: ``(n,)``: of the nut, in rad.
        off: ``(n,)``: distance along the axis from the helix, in pitches; 0 beside the bolt.
    """

    on_bolt: torch.Tensor
    height: torch.Tensor
    yaw: torch.Tensor
    off: torch.Tensor


def follow_helix(
    last: Helix, on_bolt: torch.Tensor, height: torch.Tensor, yaw: torch.Tensor, pitch: torch.Tensor
) -> Helix:
    """Return where nuts are that have turned by less than half a turn since ``last``.

    Args:
        last: where they were.
        on_bolt: see :class:`Helix`.
        height: see :class:`Helix`.
        yaw: see :class:`Helix`.
        pitch: ``(n,)``: of the thread, in m.
    """
    turned = torch.remainder(yaw - last.yaw + math.pi, 2.0 * math.pi) - math.pi
    moved = (height - last.height) / pitch - turned / (2.0 * math.pi)
    return Helix(on_bolt, height, yaw, torch.where(on_bolt & last.on_bolt, last.off + moved, 0.0))


def has_left(helix: Helix, last: Helix) -> torch.Tensor:
    """Return which nuts have passed through the thread since ``last`` ``(n,)``; each counts once until it is back."""
    return (helix.off.abs() >= LEFT) & (last.off.abs() < LEFT)


class ThreadTask(FactoryTask[FactoryConfigT]):
    """A Factory task that counts nuts that pass through their thread, the problem ``nut_left_thread``.

    The hand may strike a nut of 34 g after it has lost it; guards of the thread stop all but a few of such blows.
    """

    problem_kinds = ("nut_left_thread",)

    def post_reset(self) -> None:
        """See :class:`~oige_tasks_manipulation.factory.base.FactoryTask`."""
        super().post_reset()
        nothing = torch.zeros(self.num_envs, device=self.device)
        self.helix = Helix(nothing.bool(), nothing, nothing.clone(), nothing.clone())

    def reset_idx(self, worlds: torch.Tensor) -> None:
        """Forget on which helix the nuts were."""
        super().reset_idx(worlds)
        self.helix = self.helix._replace(on_bolt=self.assign(self.helix.on_bolt, worlds, False))

    def follow_thread(self, nut: torch.Tensor, orientation: torch.Tensor) -> None:
        """Follow nuts on their bolts, and count those that have passed through the thread since the last call.

        Args:
            nut: middles of the nuts ``(N, 3)``, in m.
            orientation: of the nuts ``(N, 4)``.
        """
        from_bolt = nut - self.bolts.get_world_poses(clone=False)[0]
        height = from_bolt[:, 2] - self.head_height - 0.5 * self.nut_height
        centred = torch.linalg.vector_norm(from_bolt[:, :2], dim=-1) < CENTRED * self.bolt_diameter
        on_bolt = centred & (height < self.shank_length - ENGAGED * self.thread_pitch)
        yaw = 2.0 * torch.atan2(orientation[:, 3], orientation[:, 0])
        last, self.helix = self.helix, follow_helix(self.helix, on_bolt, height, yaw, self.thread_pitch)
        self.problem_counts.add("nut_left_thread", has_left(self.helix, last))
