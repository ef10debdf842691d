"""``omni.isaac.core.materials``: materials of physics, whose friction acts, and materials that only cameras see."""

from typing import Any

from pxr import UsdPhysics, UsdShade

from oige_compat.errors import TellsMissing
from oige_compat.session import session

__all__ = ["OmniGlass", "OmniPBR", "PhysicsMaterial", "PreviewSurface", "VisualMaterial"]


class PhysicsMaterial(TellsMissing):
    """A material of physics.

    Args:
        prim_path: path of the material.
        name: name of the material.
        static_friction: coefficient of friction at rest; the dynamic one acts.
        dynamic_friction: coefficient of friction.
        restitution: fraction of the speed after an impact; there is none.
    """

    def __init__(
        self,
        prim_path: str,
        name: str = "physics_material",
        static_friction: float | None = None,
        dynamic_friction: float | None = None,
        restitution: float | None = None,
    ) -> None:
        self.prim_path, self.name = str(prim_path), name
        self.material = UsdShade.Material.Define(session().stage, self.prim_path)
        self.prim = self.material.GetPrim()
        self._api = UsdPhysics.MaterialAPI.Apply(self.prim)
        if static_friction is not None:
            self.set_static_friction(static_friction)
        if dynamic_friction is not None:
            self.set_dynamic_friction(dynamic_friction)
        if restitution is not None:
            self.set_restitution(restitution)

    def set_static_friction(self, friction: float) -> None:
        """Set the coefficient of friction at rest."""
        self._api.CreateStaticFrictionAttr(float(friction))

    def get_static_friction(self) -> float:
        """Return the coefficient of friction at rest."""
        return float(self._api.GetStaticFrictionAttr().Get() or 0.0)

    def set_dynamic_friction(self, friction: float) -> None:
        """Set the coefficient of friction."""
        self._api.CreateDynamicFrictionAttr(float(friction))

    def get_dynamic_friction(self) -> float:
        """Return the coefficient of friction."""
        return float(self._api.GetDynamicFrictionAttr().Get() or 0.0)

    def set_restitution(self, restitution: float) -> None:
        """Set the restitution."""
        self._api.CreateRestitutionAttr(float(restitution))

    def get_restitution(self) -> float:
        """Return the restitution."""
        return float(self._api.GetRestitutionAttr().Get() or 0.0)


class VisualMaterial(TellsMissing):
    """A material that only cameras see; it changes nothing.

    Args:
        prim_path: path of the material.
        name: name of the material.
        appearance: colour, texture and other values.
    """

    def __init__(self, prim_path: str, name: str = "visual_material", **appearance: Any) -> None:
        self.prim_path, self.name = str(prim_path), name
        self.material = UsdShade.Material.Define(session().stage, self.prim_path)
        self.prim = self.material.GetPrim()

    def set_color(self, color: Any) -> None:
        """Do nothing."""


class PreviewSurface(VisualMaterial):
    """A plain surface."""


class OmniPBR(VisualMaterial):
    """A surface with texture."""


class OmniGlass(VisualMaterial):
    """Glass."""
