"""Which names of Isaac Sim this package serves, as data.

``oige-compat check`` reports these states without running any code, and errors at run time take their texts from here.
Names are those of Isaac Sim 2023.1, without private modules in between: :func:`canonical` returns them for later names.
A name ``X.*`` stands for everything below ``X`` that has no entry of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from oige_compat.served_names import NAMES, State
from oige_compat.served_schemas import SCHEMAS
from oige_compat.served_soft_bodies import SOFT_BODIES
from oige_compat.served_views import VIEWS

__all__ = ["ROOTS", "SERVED", "Served", "State", "canonical", "find_served", "is_of_isaac_sim"]

ROOTS = ("carb", "isaacsim", "omni", "pxr", "warp.sim")
"""Packages of Isaac Sim; names below them are looked up."""


@dataclass(frozen=True)
class Served:
    """What becomes of a name.

    Attributes:
        state: ``served``: it does what it does in Isaac Sim; ``approximated``: it does it in part, or in another way;
            ``missing``: its use raises an error.
        text: what it does in Isaac Sim; of an approximated name, also what differs.
    """

    state: State
    text: str


RENAMED: tuple[tuple[str, str], ...] = (
    ("isaacsim.core.prims.SingleArticulation", "omni.isaac.core.articulations.Articulation"),
    ("isaacsim.core.prims.SingleRigidPrim", "omni.isaac.core.prims.RigidPrim"),
    ("isaacsim.core.prims.SingleXFormPrim", "omni.isaac.core.prims.XFormPrim"),
    ("isaacsim.core.prims.SingleGeometryPrim", "omni.isaac.core.prims.GeometryPrim"),
    ("isaacsim.core.prims.SingleDeformablePrim", "omni.isaac.core.prims.soft.DeformablePrim"),
    ("isaacsim.core.prims.DeformablePrim", "omni.isaac.core.prims.soft.DeformablePrimView"),
    ("isaacsim.core.prims.ClothPrim", "omni.isaac.core.prims.soft.ClothPrimView"),
    ("isaacsim.core.prims.Articulation", "omni.isaac.core.articulations.ArticulationView"),
    ("isaacsim.core.prims.RigidPrim", "omni.isaac.core.prims.RigidPrimView"),
    ("isaacsim.core.prims.XFormPrim", "omni.isaac.core.prims.XFormPrimView"),
    ("isaacsim.core.prims.GeometryPrim", "omni.isaac.core.prims.GeometryPrimView"),
    ("isaacsim.core.prims", "omni.isaac.core.prims"),
    ("isaacsim.core.api", "omni.isaac.core"),
    ("isaacsim.core.utils", "omni.isaac.core.utils"),
    ("isaacsim.core.cloner", "omni.isaac.cloner"),
    ("isaacsim.storage.native", "omni.isaac.nucleus"),
    ("isaacsim.sensors.camera", "omni.isaac.sensor"),
    ("isaacsim.robot.wheeled_robots", "omni.isaac.wheeled_robots"),
    ("isaacsim.replicator.domain_randomization", "omni.replicator.isaac"),
    ("isaacsim.replicator.writers", "omni.replicator.isaac.scripts.writers"),
    ("isaacsim.asset.importer.urdf", "omni.importer.urdf"),
    ("omni.isaac.urdf", "omni.importer.urdf"),
    ("isaacsim.simulation_app", "omni.isaac.kit"),
    ("isaacsim.SimulationApp", "omni.isaac.kit.SimulationApp"),
    ("omni.isaac.core.utils.nucleus", "omni.isaac.nucleus"),
    ("omni.isaac.core.utils.torch.maths", "omni.isaac.core.utils.torch"),
    ("omni.isaac.core.utils.torch.rotations", "omni.isaac.core.utils.torch"),
    ("omni.isaac.core.utils.torch.transformations", "omni.isaac.core.utils.torch"),
    ("omni.isaac.core.utils.torch.tensor", "omni.isaac.core.utils.torch"),
    ("omni.isaac.core.utils.warp.rotations", "omni.isaac.core.utils.warp"),
    ("omni.isaac.core.utils.warp.transformations", "omni.isaac.core.utils.warp"),
    ("omni.isaac.core.utils.warp.tensor", "omni.isaac.core.utils.warp"),
)
"""Other names of modules and classes, and what they are here; the first that fits applies."""

SERVED: Mapping[str, Served] = {
    name: Served(state, text) for table in (NAMES, SCHEMAS, SOFT_BODIES, VIEWS) for name, (state, text) in table.items()
}
"""What becomes of each known name."""

BASES: Mapping[str, tuple[str, ...]] = {
    "omni.isaac.core.articulations.ArticulationView": ("omni.isaac.core.prims.XFormPrimView",),
    "omni.isaac.core.articulations.Articulation": ("omni.isaac.core.prims.XFormPrim",),
    "omni.isaac.core.robots.RobotView": ("omni.isaac.core.articulations.ArticulationView",),
    "omni.isaac.core.robots.Robot": ("omni.isaac.core.articulations.Articulation",),
    "omni.isaac.wheeled_robots.robots.WheeledRobot": ("omni.isaac.core.robots.Robot",),
    "omni.isaac.core.prims.RigidPrimView": ("omni.isaac.core.prims.XFormPrimView",),
    "omni.isaac.core.prims.RigidPrim": ("omni.isaac.core.prims.XFormPrim",),
    "omni.isaac.core.prims.GeometryPrimView": ("omni.isaac.core.prims.XFormPrimView",),
    "omni.isaac.core.prims.GeometryPrim": ("omni.isaac.core.prims.XFormPrim",),
    "omni.isaac.core.objects.DynamicSphere": ("omni.isaac.core.prims.RigidPrim", "omni.isaac.core.prims.GeometryPrim"),
    "omni.isaac.core.objects.DynamicCuboid": ("omni.isaac.core.prims.RigidPrim", "omni.isaac.core.prims.GeometryPrim"),
    "omni.isaac.core.objects.DynamicCylinder": (
        "omni.isaac.core.prims.RigidPrim",
        "omni.isaac.core.prims.GeometryPrim",
    ),
    "omni.isaac.core.objects.DynamicCapsule": ("omni.isaac.core.prims.RigidPrim", "omni.isaac.core.prims.GeometryPrim"),
    "omni.isaac.core.objects.FixedCuboid": ("omni.isaac.core.prims.GeometryPrim",),
    "omni.isaac.core.objects.FixedSphere": ("omni.isaac.core.prims.GeometryPrim",),
    "omni.isaac.core.objects.VisualSphere": ("omni.isaac.core.prims.GeometryPrim",),
    "omni.isaac.core.objects.VisualCuboid": ("omni.isaac.core.prims.GeometryPrim",),
    "omni.isaac.gym.tasks.RLTaskInterface": ("omni.isaac.core.tasks.BaseTask",),
    "omni.isaac.gym.vec_env.VecEnvMT": ("omni.isaac.gym.vec_env.VecEnvBase",),
    "omni.isaac.core.World": ("omni.isaac.core.simulation_context.SimulationContext",),
}
"""Base classes whose methods a class has, too."""


def is_of_isaac_sim(name: str) -> bool:
    """Whether a dotted name is below a package of Isaac Sim."""
    return any(f"{name}.".startswith(f"{root}.") for root in ROOTS)


def canonical(name: str) -> str:
    """Return the name under which :data:`SERVED` has a dotted name: that of Isaac Sim 2023.1, in its public module."""
    parts = _renamed(name).split(".")
    number = next((number for number, part in enumerate(parts) if part[:1].isupper()), 0)
    if number and ".".join(parts[: number + 1]) not in SERVED:
        module, holder = parts[number - 1], parts[number]
        if module.replace("_", "") == holder.lower():  # the module of a class, as in robots.robot.Robot
            del parts[number - 1]
    return _renamed(".".join(parts))


def _renamed(name: str) -> str:
    for old, new in RENAMED:
        if f"{name}.".startswith(f"{old}."):
            return new + name[len(old) :]
    return name


def find_served(name: str) -> Served | None:
    """Return what becomes of a dotted name, or None if it is unknown.

    Args:
        name: a module, class, function or method, under its name in any version of Isaac Sim.
    """
    name = canonical(name)
    found = _exact(name)
    while found is None and name:
        name = name.rpartition(".")[0]
        found = SERVED.get(f"{name}.*")
    return found


def _exact(name: str) -> Served | None:
    """Return the entry of a canonical name, or of the base class that has the method."""
    if name in SERVED:
        return SERVED[name]
    holder, _, member = name.rpartition(".")
    entries = (_exact(f"{base}.{member}") for base in BASES.get(holder, ()))
    return next((entry for entry in entries if entry is not None), None)
