"""Views of the embedded engine, written in torch on top of the executor protocol."""

from oige_core.engines.mujoco.views.articulation import MujocoArticulationView
from oige_core.engines.mujoco.views.deformables import MujocoDeformableView
from oige_core.engines.mujoco.views.rigid import MujocoRigidView

__all__ = ["MujocoArticulationView", "MujocoDeformableView", "MujocoRigidView"]
