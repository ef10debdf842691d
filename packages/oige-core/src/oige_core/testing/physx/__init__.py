"""Real PhysX on the CPU, without Isaac Sim: a host, and a stand-in of ``omni.physics.tensors`` over ovphysx.

It is for developers: ovphysx is in the dependency group ``isaacsim``, and its licence forbids to publish speed figures.
"""

from oige_core.testing.physx.host import OvphysxHost
from oige_core.testing.physx.runtime import is_ovphysx_installed

__all__ = ["OvphysxHost", "is_ovphysx_installed"]
