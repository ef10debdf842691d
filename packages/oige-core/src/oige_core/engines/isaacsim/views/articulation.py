"""Views of articulations."""

from typing import Any

from oige_core.engines.isaacsim.views.dynamics import DynamicsView
from oige_core.engines.isaacsim.views.link_surfaces import LinkSurfaceView

__all__ = ["IsaacArticulationView"]


class IsaacArticulationView(LinkSurfaceView, DynamicsView):
    """An articulation; see :class:`~oige_core.views.ArticulationView`."""

    def state_dict(self) -> dict[str, Any]:
        """Return positions, velocities, properties and the state of the drives."""
        return {
            **self._state.state_dict(),
            **self._tendon_state(),
            **self._surface_state(),
            "drives": self._drives.state_dict(),
            "driven": self._driven,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        self._state.load_state_dict(state)
        self._load_tendons(state["tendons"])
        self._load_surfaces(state)
        self._drives.load_state_dict(state["drives"])
        self._driven = state["driven"]
        self._has_encoder_biases = bool(self._drives.encoder_biases.any())
