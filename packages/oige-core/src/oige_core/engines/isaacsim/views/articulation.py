"""Views of articulations."""

from typing import Any

import torch

from oige_core.engines.isaacsim.views.dynamics import DynamicsView

__all__ = ["IsaacArticulationView"]


class IsaacArticulationView(DynamicsView):
    """An articulation; see :class:`~oige_core.views.ArticulationView`."""

    def state_dict(self) -> dict[str, Any]:
        """Return positions, velocities and the state of the drives."""
        state = self._state
        state.read_joints()
        state.root.read()
        return {
            "joints": torch.stack((state.positions, state.velocities)),
            "initial_joints": state.initial_joints.clone(),
            "root_poses": state.root.poses.clone(),
            "root_velocities": state.root.velocities.clone(),
            "drives": self._drives.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._state.load(state["joints"], state["root_poses"], state["root_velocities"])
        self._state.initial_joints.copy_(state["initial_joints"])
        self._drives.load_state_dict(state["drives"])
