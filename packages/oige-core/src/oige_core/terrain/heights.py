"""Heights of the terrain under points."""

import math

import numpy as np
import torch

__all__ = ["HeightSampler"]


class HeightSampler:
    """Looks up the height of a height field at many points, on the simulation's device.

    The height at a point is the lower of two opposite samples around it, as in OmniIsaacGymEnvs, so that a point next
    to an edge has the height of the lower ground. Points beyond the border have the height at the border.

    Args:
        heights: ``(rows along x, columns along y)`` in metres.
        horizontal_scale: distance between neighbouring samples, in metres.
        origin: x, y, z of sample ``[0, 0]``, in metres.
        device: device of points and heights.
        points: ``(2, P)`` sample points of :meth:`sample_around`, ahead of a robot and to its left, in metres; none by
            default.
    """

    def __init__(
        self,
        heights: np.ndarray,
        horizontal_scale: float,
        origin: tuple[float, float, float],
        device: torch.device | str,
        points: torch.Tensor | None = None,
    ) -> None:
        points = torch.zeros(2, 0) if points is None else points.cpu()
        # The border is wider than the farthest sample point. The map is padded by two borders, so clamping the robots'
        # positions to one border keeps all their sample points in bounds.
        reach = float(torch.linalg.vector_norm(points, dim=0).max()) if points.numel() else 0.0
        border = math.ceil(reach / horizontal_scale) + 1
        lower = np.pad(np.minimum(heights[:-1, :-1], heights[1:, 1:]) + origin[2], 2 * border, mode="edge")
        self._rows, self._columns = lower.shape
        self._lower = torch.as_tensor(lower, dtype=torch.float32, device=device).flatten()
        self._scale = 1.0 / horizontal_scale
        corner = [origin[axis] - 2 * border * horizontal_scale for axis in range(2)]
        self._corner = torch.tensor(corner, dtype=torch.float32, device=device)
        self._first = torch.tensor([border, border], dtype=torch.float32, device=device)
        self._last = torch.tensor([size - 1 - border for size in lower.shape], dtype=torch.float32, device=device)
        self._ahead, self._left = (points * self._scale).to(device).unbind()

    def sample(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return heights in metres at points with coordinates ``x`` and ``y`` in metres, all of one shape."""
        row, column = (x - self._corner[0]) * self._scale, (y - self._corner[1]) * self._scale
        return self._look_up(row.clamp_(0, self._rows - 1), column.clamp_(0, self._columns - 1))

    def sample_around(self, positions: torch.Tensor, forward: torch.Tensor) -> torch.Tensor:
        """Return heights in metres at the sample points around positions.

        Args:
            positions: ``(N, 2)`` x and y of the positions, in metres.
            forward: ``(N, 2)`` unit vectors of the forward directions.

        Returns:
            ``(N, P)``.
        """
        cells = torch.clamp((positions - self._corner) * self._scale, self._first, self._last)
        row, column = cells.unsqueeze(-1).unbind(1)
        cos, sin = forward.unsqueeze(-1).unbind(1)
        return self._look_up(
            torch.addcmul(row, cos, self._ahead).addcmul_(sin, self._left, value=-1.0),
            torch.addcmul(column, sin, self._ahead).addcmul_(cos, self._left),
        )

    def _look_up(self, row: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        # 32-bit indices halve the time of these steps, which run for 140 points per robot.
        cell = row.int().mul_(self._columns).add_(column.int())
        return self._lower.index_select(0, cell.view(-1)).view(cell.shape)
