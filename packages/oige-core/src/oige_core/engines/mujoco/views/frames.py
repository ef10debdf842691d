"""Base of all views of bodies: selections of worlds, model fields of bodies, and frames of bodies."""

from collections.abc import Iterable

import mujoco
import torch

from oige_core.engines.columns import Columns, ColumnSet
from oige_core.engines.mujoco.views.free_joint import FreeJoint
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.engines.world_view import WorldView
from oige_core.errors import CapabilityError
from oige_core.math import quat_apply_inverse, quat_to_matrix
from oige_core.math.products import matmul
from oige_core.selections import host_can_read, is_mask
from oige_core.views import Indices

__all__ = ["BodyView"]


class BodyView(WorldView):
    """Indexing, bodies with their model fields, and the frame of a body.

    The frame is that of the rigid body, of each viewed link, or of an articulation's root.
    """

    _worlds: Worlds

    def _bind(self, worlds: Worlds, body_ids: list[int], frames: list[int]) -> None:
        """Store the bodies, and those whose frames the view returns."""
        model, device = worlds.compiled.model, worlds.device
        self._worlds = worlds
        self._body_ids = body_ids
        self._bodies = ColumnSet([[body] for body in body_ids], device, "body_indices")
        self._frames = Columns(frames, device)
        self._single = len(frames) == 1
        self._tree = Columns([int(model.body_rootid[body_ids[0]])], device)
        joint = int(model.body_jntadr[frames[0]])
        self._free: FreeJoint | None = None
        if self._single and joint >= 0 and model.jnt_type[joint] == mujoco.mjtJoint.mjJNT_FREE:
            self._free = FreeJoint(worlds, int(model.jnt_qposadr[joint]), int(model.jnt_dofadr[joint]))

    def _squeeze(self, values: torch.Tensor) -> torch.Tensor:
        return values.squeeze(1) if self._single else values

    def _read_model(self, name: str, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        return columns.read(self._worlds.model_values(name), worlds, clone=True)

    def _write_model(self, names: dict[str, torch.Tensor], columns: Columns, worlds: torch.Tensor | None) -> None:
        """Write model fields and update quantities that depend on them."""
        for name, values in names.items():
            columns.write(self._worlds.own_model_field(name), values, worlds)
        self._worlds.model_changed(names, worlds)

    # Bodies; ``columns`` picks body ids

    def _body_inertias(self, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        moments = self._read_model("body_inertia", columns, worlds)
        axes = quat_to_matrix(self._read_model("body_iquat", columns, worlds))
        return matmul(axes * moments.unsqueeze(-2), axes.transpose(-1, -2)).flatten(-2)

    def _set_body_inertias(self, values: torch.Tensor, columns: Columns, worlds: torch.Tensor | None) -> None:
        """Set inertias ``(n, b, 9)`` that were checked with :meth:`_check_inertias`."""
        axes = _axes_by_kernel if not host_can_read(values) else _axes_by_torch
        if is_mask(worlds):  # rows of other worlds may have any values
            identity = torch.eye(3, dtype=values.dtype, device=values.device).flatten()
            values = torch.where(worlds.view(-1, 1, 1), values, identity)
        moments, orientations = axes(values)
        self._write_model({"body_inertia": moments, "body_iquat": orientations}, columns, worlds)

    def _gravity_disabled(self, columns: Columns, worlds: torch.Tensor | None) -> torch.Tensor:
        return self._read_model("body_gravcomp", columns, worlds) > 0.5

    def _set_gravity_disabled(self, values: torch.Tensor, columns: Columns, worlds: torch.Tensor | None) -> None:
        if not all(self._worlds.compiled.model.body_gravcomp[body] > 0 for body in self._body_ids):
            raise CapabilityError(
                f"'{self.name}': gravity cannot be switched; add it to the scene with disable_gravity=False (or True)."
            )
        self._write_model({"body_gravcomp": values.to(torch.float32)}, columns, worlds)

    # Frames

    def get_world_poses(self, indices: Indices = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """See :mod:`oige_core.views`."""
        worlds = self._index(indices)
        if self._free is not None:
            return self._free.poses(worlds, clone)
        return (
            self._squeeze(self._frames.read(self._worlds.fresh("xpos"), worlds, clone)),
            self._squeeze(self._frames.read(self._worlds.fresh("xquat"), worlds, clone)),
        )

    def get_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        worlds = self._index(indices)
        if self._free is not None:
            return self._free.velocities(worlds)
        # MuJoCo computes velocities about the centre of mass of the whole tree.
        velocity = self._frames.read(self._worlds.fresh("cvel"), worlds, clone=False)
        arm = self._frames.read(self._worlds.fresh("xpos"), worlds, clone=False) - self._tree_centre(worlds)
        angular, linear = velocity[..., :3], velocity[..., 3:]
        return self._squeeze(torch.cat((linear + torch.linalg.cross(angular, arm), angular), dim=-1))

    def get_linear_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.linear_velocities(self._index(indices), clone)
        return self.get_velocities(indices)[..., :3]

    def get_angular_velocities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.angular_velocities(self._index(indices))
        return self.get_velocities(indices)[..., 3:]

    def get_body_frame_velocities(self, indices: Indices = None) -> torch.Tensor:
        """See :mod:`oige_core.views`."""
        if self._free is not None:
            return self._free.body_frame_velocities(self._index(indices))
        orientations = self.get_world_poses(indices, clone=False)[1].unsqueeze(-2)
        velocities = self.get_velocities(indices, clone=False).unflatten(-1, (2, 3))
        return quat_apply_inverse(orientations, velocities).flatten(-2)

    def set_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        velocities = self._values("velocities", velocities, worlds, 6)
        free.set_linear_velocities(velocities[:, :3], worlds)
        free.set_angular_velocities(velocities[:, 3:], worlds)
        self._worlds.mark_stale(worlds)

    def set_linear_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        free.set_linear_velocities(self._values("velocities", velocities, worlds, 3), worlds)
        self._worlds.mark_stale(worlds)

    def set_angular_velocities(self, velocities: torch.Tensor, indices: Indices = None) -> None:
        """See :mod:`oige_core.views`."""
        worlds, free = self._index(indices), self._moving()
        free.set_angular_velocities(self._values("velocities", velocities, worlds, 3), worlds)
        self._worlds.mark_stale(worlds)

    def _moving(self) -> FreeJoint:
        if self._free is None:
            raise CapabilityError(f"'{self.name}': only free bodies and floating roots have a velocity to set.")
        return self._free

    def _tree_centre(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Centres of mass ``(n, 1, 3)`` of the tree to which the bodies belong."""
        return self._tree.read(self._worlds.fresh("subtree_com"), worlds)


def _axes_by_torch(inertias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return moments ``(n, b, 3)`` and orientations ``(n, b, 4)`` of principal axes of inertias ``(n, b, 9)``."""
    moments, axes = torch.linalg.eigh(inertias.unflatten(-1, (3, 3)).double())
    axes = axes * torch.linalg.det(axes).sign()[..., None, None]  # a rotation, not a reflection
    return moments, _matrix_to_quat(axes)


def _axes_by_kernel(inertias: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Do the same as :func:`_axes_by_torch` without waiting for a GPU."""
    from oige_core.engines.mujoco.views.inertia_kernels import find_principal_axes
    from oige_core.kernel_launch import launch

    inertias = inertias.to(torch.float32).contiguous()
    size = tuple(inertias.shape[:2])
    moments, orientations = inertias.new_empty(*size, 3), inertias.new_empty(*size, 4)
    if inertias.numel():
        launch(find_principal_axes, size, inertias, moments, orientations)
    return moments, orientations


def _matrix_to_quat(matrices: torch.Tensor) -> torch.Tensor:
    """Return quaternions ``(…, 4)`` of rotation matrices ``(…, 3, 3)``.

    The quaternion is the eigenvector of the largest eigenvalue of a symmetric matrix (Bar-Itzhack, 2000), which has no
    singular cases.
    """
    m = matrices
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    rows: Iterable[tuple[torch.Tensor, ...]] = (
        (xx + yy + zz, m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]),
        (m[..., 2, 1] - m[..., 1, 2], xx - yy - zz, m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0]),
        (m[..., 0, 2] - m[..., 2, 0], m[..., 0, 1] + m[..., 1, 0], yy - xx - zz, m[..., 1, 2] + m[..., 2, 1]),
        (m[..., 1, 0] - m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1], zz - xx - yy),
    )
    symmetric = torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)
    return torch.linalg.eigh(symmetric)[1][..., :, -1]
