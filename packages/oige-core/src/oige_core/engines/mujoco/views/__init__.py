"""Views on the embedded engine, in torch, on top of either executor."""

from oige_core.engines.mujoco.views.articulation import MujocoArticulationView
from oige_core.engines.mujoco.views.rigid import MujocoRigidView

__all__ = ["MujocoArticulationView", "MujocoRigidView"]
