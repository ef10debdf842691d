"""Describes rigid bodies from their MJCF files."""

from oige_core.engines.isaacsim.usd.description import BodyDescription
from oige_core.engines.isaacsim.usd.from_mujoco import describe_model
from oige_core.engines.mujoco.rigid_assets import read_rigid_assets
from oige_core.scene.elements import RigidAssetElement

__all__ = ["describe"]


def describe(element: RigidAssetElement) -> BodyDescription:
    """Return the description of a body with one asset.

    Raises:
        OigeError: the asset is invalid.
    """
    spec = read_rigid_assets(element)[0]
    root = spec.worldbody.bodies[0]
    if not element.kinematic:
        root.add_freejoint()
    model, robot = describe_model(spec, f"rigid body '{element.name}'")
    names = [shape.name for shape in robot.root.shapes]
    masks = zip(model.geom_contype.tolist(), model.geom_conaffinity.tolist(), strict=True)
    return BodyDescription(
        mass=robot.root.mass,
        shapes=robot.root.shapes,
        meshes=robot.meshes,
        masks=dict(zip(names, masks, strict=True)),
    )
