"""Views of articulations."""

from functools import partial
from typing import Any

import torch

from oige_core.engines.mujoco.views.colors import BodyColors
from oige_core.engines.mujoco.views.drives import DriveView
from oige_core.engines.mujoco.views.dynamics import DynamicsView
from oige_core.engines.mujoco.views.scaling import ArticulationScaling, check_scales
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.selections import read_rows, write_rows
from oige_core.views import Indices

__all__ = ["MujocoArticulationView"]


class MujocoArticulationView(DriveView, DynamicsView):
    """An articulation; see :class:`~oige_core.views.ArticulationView`."""

    def bind(self, worlds: Worlds) -> None:
        """Look up the joints and links in the built model."""
        super().bind(worlds)
        model, root = worlds.compiled.model, self._body_ids[0]
        self._colors = BodyColors(worlds, self._body_ids)
        self._scaling = ArticulationScaling(worlds, self._body_ids)
        self._root_moved = False
        poses = {"body_pos": model.body_pos[root], "body_quat": model.body_quat[root]}
        self._initial_root = {name: torch.as_tensor(values, device=worlds.device) for name, values in poses.items()}

    def set_world_poses(
        self, positions: torch.Tensor | None = None, orientations: torch.Tensor | None = None, indices: Indices = None
    ) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        positions, orientations = self._poses(positions, orientations, worlds, free=self._free is not None)
        if self._free is not None:
            self._free.set_poses(positions, orientations, worlds)
            self._worlds.mark_stale(worlds)
            return
        fields = {"body_pos": positions, "body_quat": orientations}
        given = {name: values.unsqueeze(-2) for name, values in fields.items() if values is not None}
        self._write_model(given, self._frames, worlds)
        self._root_moved = True

    def get_body_colors(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return self._colors.read(self._index(indices))

    def set_body_colors(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        worlds = self._index(indices)
        self._colors.write(self._properties("values", values, worlds, self.num_bodies, 3).to(torch.float32), worlds)

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.ArticulationView`."""
        return read_rows(self._scaling.values, self._index(indices), clone)

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.ArticulationView`."""
        self._scaling.check(self.name)
        worlds = self._index(indices)
        scales = self._properties("scales", scales, worlds, 3, check=partial(check_scales, equal_axes=3))
        self._scaling.set(scales.to(torch.float32), worlds)

    def reset(self, worlds: torch.Tensor | None) -> None:
        """Restore the initial targets and the pose of a fixed root; the executor restores the rest."""
        if self._driven:
            by_world = self._initial_targets.transpose(0, 1)
            write_rows(self._targets.transpose(0, 1), read_rows(by_world, worlds), worlds)
        if self._root_moved:
            self._write_model(self._initial_root, self._frames, worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the drives and tendons, the scales, and whether a fixed root was moved."""
        own = {"root_moved": self._root_moved, "tendon_offsets": self._tendon_offsets.clone()}
        return {**super().state_dict(), **self._scaling.state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`; the executor restores model fields."""
        super().load_state_dict(state)
        self._root_moved = state["root_moved"]
        self._tendon_offsets.copy_(state["tendon_offsets"])
        self._scaling.load_state_dict(state)
