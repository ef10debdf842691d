"""Description of what one world contains."""

from oige_core.scene.assets import ArticulationAsset, Drive, Material, RigidAsset
from oige_core.scene.deformables import DeformableAsset
from oige_core.scene.primitives import SHAPES
from oige_core.scene.scene import Scene

__all__ = ["SHAPES", "ArticulationAsset", "DeformableAsset", "Drive", "Material", "RigidAsset", "Scene"]
