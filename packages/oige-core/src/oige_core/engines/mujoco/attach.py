"""Attaches the specification of an element to that of a scene."""

from collections.abc import Sequence

import mujoco

__all__ = ["attach"]

_OPTIONS = [name for name in dir(mujoco.MjSpec().option) if not name.startswith("_")]
_SIZES = ["memory", "nconmax", "njmax", "nkey", "nstack", "nuserdata"]
_SIZES += [name for name in dir(mujoco.MjSpec) if name.startswith("nuser_")]


def attach(
    spec: mujoco.MjSpec, asset: mujoco.MjSpec, prefix: str, position: Sequence[float], orientation: Sequence[float]
) -> "mujoco.MjsBody":
    """Attach the single child of an asset's world body to the world of a scene, and return it.

    The pose of the body in the asset, and the options of the asset, have no effect.

    Args:
        spec: specification of the scene.
        asset: specification of the element.
        prefix: of the names of everything in the asset.
        position: ``(3,)`` of the body in the world, in m.
        orientation: ``(4,)`` of the body.
    """
    root = asset.worldbody.bodies[0]
    root.pos, root.quat, root.alt.type = [0, 0, 0], [1, 0, 0, 0], mujoco.mjtOrientation.mjORIENTATION_QUAT
    # MuJoCo would warn about settings that differ.
    for name in _OPTIONS:
        setattr(asset.option, name, getattr(spec.option, name))
    for name in _SIZES:
        setattr(asset, name, getattr(spec, name))
    asset.visual, asset.stat = spec.visual, spec.stat
    return spec.worldbody.add_frame(pos=position, quat=orientation).attach_body(root, prefix, "")
