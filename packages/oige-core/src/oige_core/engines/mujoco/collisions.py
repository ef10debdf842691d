"""Assigns collision bits to the moving elements of a scene."""

from collections.abc import Mapping

import mujoco

from oige_core.errors import CapabilityError
from oige_core.scene.elements import ArticulationElement, BodyElement, DeformableElement
from oige_core.scene.scene import Scene

__all__ = ["DEFAULT_MASKS", "Masks", "collision_masks"]

Masks = tuple[int, int]
"""``contype`` and ``conaffinity``."""

DEFAULT_MASKS: Masks = (1, 1)
"""Those of shapes that touch everything."""

_BITS = 31  # The first one is that of what does not move.


def collision_masks(scene: Scene, assets: Mapping[str, mujoco.MjSpec]) -> dict[tuple[str, Masks], Masks]:
    """Return what shapes of moving elements get instead of the ``contype`` and ``conaffinity`` of their file.

    Shapes of an element with the same masks have a bit of their own. They touch what the masks select in everything
    else, and each other only if self-collision is enabled.

    Args:
        scene: the scene.
        assets: specifications of its rigid bodies from files, by name.

    Returns:
        Masks by name of the element and masks in its file, which are the default ones in elements without a
        specification.

    Raises:
        CapabilityError: there are not enough bits.
    """
    groups: list[tuple[str, Masks]] = []
    masks: dict[tuple[str, Masks], Masks] = {}
    for element in scene.elements.values():
        if isinstance(element, ArticulationElement | BodyElement | DeformableElement):
            asset = assets.get(element.name)
            own = [DEFAULT_MASKS] if asset is None else [(geom.contype, geom.conaffinity) for geom in asset.geoms]
            masks |= {(element.name, each): (0, 0) for each in own}
            groups += dict.fromkeys((element.name, each) for each in own if any(each))
    if len(groups) >= _BITS:
        raise CapabilityError(
            f"the scene has {len(groups)} moving elements, counting shapes of one that have other contype and "
            f"conaffinity apart: the embedded engine allows {_BITS - 1}."
        )
    for index, (name, own) in enumerate(groups):
        others = [
            1 << (number + 1)
            for number, (other, theirs) in enumerate(groups)
            if (name != other or _touches_itself(scene, name)) and _collide(own, theirs)
        ]
        masks[name, own] = 1 << (index + 1), sum(others) + _collide(own, DEFAULT_MASKS)
    return masks


def _touches_itself(scene: Scene, name: str) -> bool:
    element = scene.elements[name]
    return isinstance(element, ArticulationElement | BodyElement) and element.actor.enable_self_collisions == 1


def _collide(first: Masks, second: Masks) -> bool:
    return bool(first[0] & second[1] or second[0] & first[1])
