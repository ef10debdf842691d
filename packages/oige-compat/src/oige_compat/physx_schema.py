"""``pxr.PhysxSchema``, which usd-core lacks: schemas of PhysX as attributes with their prefixes."""

from collections.abc import Callable
from typing import Any

from pxr import Gf, Sdf, Usd

from oige_compat.errors import ServedNameError, missing

__all__ = [
    "PhysxApi",
    "PhysxArticulationAPI",
    "PhysxAttribute",
    "PhysxCollisionAPI",
    "PhysxContactReportAPI",
    "PhysxConvexDecompositionCollisionAPI",
    "PhysxConvexHullCollisionAPI",
    "PhysxForceAPI",
    "PhysxJointAPI",
    "PhysxLimitAPI",
    "PhysxMaterialAPI",
    "PhysxRigidBodyAPI",
    "PhysxSDFMeshCollisionAPI",
    "PhysxSceneAPI",
    "PhysxTendonAxisAPI",
    "PhysxTendonAxisRootAPI",
    "PhysxTriangleMeshCollisionAPI",
]

_TYPES: tuple[tuple[type | tuple[type, ...], Sdf.ValueTypeName], ...] = (
    (bool, Sdf.ValueTypeNames.Bool),
    (int, Sdf.ValueTypeNames.Int),
    (float, Sdf.ValueTypeNames.Float),
    (str, Sdf.ValueTypeNames.Token),
    ((Gf.Vec3f, Gf.Vec3d, tuple, list), Sdf.ValueTypeNames.Float3),
)


class PhysxAttribute:
    """An attribute of a PhysX schema, which the first ``Set`` creates."""

    def __init__(self, prim: Usd.Prim, name: str) -> None:
        self._prim, self._name = prim, name

    def __bool__(self) -> bool:
        return self._prim.GetAttribute(self._name).IsValid()

    IsValid = __bool__

    def Get(self) -> Any:  # noqa: N802
        """Return the value; None if none was set."""
        return self._prim.GetAttribute(self._name).Get() if self else None

    def Set(self, value: Any) -> bool:  # noqa: N802
        """Set the value."""
        attribute = self._prim.GetAttribute(self._name)
        value = value.item() if hasattr(value, "item") and not isinstance(value, str) else value
        if not attribute.IsValid():
            kind = next((kind for types, kind in _TYPES if isinstance(value, types)), Sdf.ValueTypeNames.Token)
            attribute = self._prim.CreateAttribute(self._name, kind)
        return attribute.Set(value)

    def IsAuthored(self) -> bool:  # noqa: N802
        """Whether a value was set."""
        return self._prim.GetAttribute(self._name).IsAuthored()

    HasAuthoredValue = IsAuthored

    def GetName(self) -> str:  # noqa: N802
        """Return the full name."""
        return self._name


class PhysxApi:
    """A schema that can be applied to prims; ``Get…Attr`` and ``Create…Attr`` reach its attributes.

    Args:
        prim: the prim, or a schema of it.
        instance: name of the instance, for schemas that a prim can have several times.
    """

    prefix = ""

    def __init__(self, prim: Any, instance: str = "") -> None:
        self._prim: Usd.Prim = prim.GetPrim()
        self._instance = instance

    @classmethod
    def schema(cls, instance: str = "") -> str:
        """Return the name in the prim's list of schemas."""
        return f"{cls.__name__}:{instance}" if instance else cls.__name__

    @classmethod
    def Get(cls, stage_or_prim: Any, path: Any = "") -> "PhysxApi":  # noqa: N802
        """Return the schema of a prim, which is False if it is not applied."""
        if isinstance(stage_or_prim, Usd.Stage):
            return cls(stage_or_prim.GetPrimAtPath(path))
        return cls(stage_or_prim, path)

    @classmethod
    def Apply(cls, prim: Usd.Prim, instance: str = "") -> "PhysxApi":  # noqa: N802
        """Apply the schema to a prim."""
        prim.AddAppliedSchema(cls.schema(instance))
        return cls(prim, instance)

    def __bool__(self) -> bool:
        return (
            self._prim.IsValid() and self.schema(self._instance) in self._prim.GetPrimTypeInfo().GetAppliedAPISchemas()
        )

    def GetPrim(self) -> Usd.Prim:  # noqa: N802
        """Return the prim."""
        return self._prim

    def GetPath(self) -> Sdf.Path:  # noqa: N802
        """Return the path of the prim."""
        return self._prim.GetPath()

    def __getattr__(self, name: str) -> Callable[..., PhysxAttribute]:
        for verb in ("Get", "Create"):
            if name.startswith(verb) and name.endswith("Attr"):
                word = name[len(verb) : -len("Attr")]
                prefix = f"{self.prefix}:{self._instance}" if self._instance else self.prefix
                attribute = PhysxAttribute(self._prim, f"{prefix}:{word[0].lower()}{word[1:]}")

                def access(value: Any = None, *_: Any, found: PhysxAttribute = attribute) -> PhysxAttribute:
                    if value is not None:
                        found.Set(value)
                    return found

                return access
        raise ServedNameError(missing(f"pxr.PhysxSchema.{type(self).__name__}.{name}"))


def _schema(name: str, prefix: str) -> type[PhysxApi]:
    return type(name, (PhysxApi,), {"prefix": prefix, "__doc__": f"Attributes ``{prefix}:…``."})


PhysxArticulationAPI = _schema("PhysxArticulationAPI", "physxArticulation")
PhysxCollisionAPI = _schema("PhysxCollisionAPI", "physxCollision")
PhysxContactReportAPI = _schema("PhysxContactReportAPI", "physxContactReport")
PhysxConvexDecompositionCollisionAPI = _schema(
    "PhysxConvexDecompositionCollisionAPI", "physxConvexDecompositionCollision"
)
PhysxConvexHullCollisionAPI = _schema("PhysxConvexHullCollisionAPI", "physxConvexHullCollision")
PhysxForceAPI = _schema("PhysxForceAPI", "physxForce")
PhysxJointAPI = _schema("PhysxJointAPI", "physxJoint")
PhysxLimitAPI = _schema("PhysxLimitAPI", "physxLimit")
PhysxMaterialAPI = _schema("PhysxMaterialAPI", "physxMaterial")
PhysxRigidBodyAPI = _schema("PhysxRigidBodyAPI", "physxRigidBody")
PhysxSDFMeshCollisionAPI = _schema("PhysxSDFMeshCollisionAPI", "physxSDFMeshCollision")
PhysxSceneAPI = _schema("PhysxSceneAPI", "physxScene")
PhysxTendonAxisAPI = _schema("PhysxTendonAxisAPI", "physxTendon")
PhysxTendonAxisRootAPI = _schema("PhysxTendonAxisRootAPI", "physxTendon")
PhysxTriangleMeshCollisionAPI = _schema("PhysxTriangleMeshCollisionAPI", "physxTriangleMeshCollision")


def _accept_our_schemas() -> None:
    """Let ``HasAPI``, ``ApplyAPI`` and ``RemoveAPI`` of prims take the schemas above."""
    has, apply, remove = Usd.Prim.HasAPI, Usd.Prim.ApplyAPI, Usd.Prim.RemoveAPI

    def ours(schema: Any) -> bool:
        return isinstance(schema, type) and issubclass(schema, PhysxApi)

    def has_api(prim: Usd.Prim, schema: Any, *rest: Any) -> bool:
        return bool(schema(prim, *rest)) if ours(schema) else has(prim, schema, *rest)

    def apply_api(prim: Usd.Prim, schema: Any, *rest: Any) -> bool:
        return bool(schema.Apply(prim, *rest)) if ours(schema) else apply(prim, schema, *rest)

    def remove_api(prim: Usd.Prim, schema: Any, *rest: Any) -> bool:
        return prim.RemoveAppliedSchema(schema.schema(*rest)) if ours(schema) else remove(prim, schema, *rest)

    Usd.Prim.HasAPI, Usd.Prim.ApplyAPI, Usd.Prim.RemoveAPI = has_api, apply_api, remove_api


_accept_our_schemas()
