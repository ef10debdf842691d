"""Description of what one world contains."""

from oige_core.scene.assets import ArticulationAsset, Drive, Material, RigidAsset
from oige_core.scene.body_joints import add_body_joint
from oige_core.scene.deformables import DeformableAsset
from oige_core.scene.elements import Frame
from oige_core.scene.primitives import SHAPES
from oige_core.scene.scene import Scene

__all__ = [
    "SHAPES",
    "ArticulationAsset",
    "DeformableAsset",
    "Drive",
    "Frame",
    "Material",
    "RigidAsset",
    "Scene",
    "add_body_joint",
]
