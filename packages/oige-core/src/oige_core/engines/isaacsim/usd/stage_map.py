"""Where the elements of a scene are on a USD stage."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from oige_core.engines.isaacsim.usd.friction import FrictionMapping

if TYPE_CHECKING:
    from oige_core.engines.isaacsim.usd.description import BodyDescription, RobotDescription

__all__ = [
    "ABSENT_REST_OFFSET",
    "WORLDS",
    "ArticulationPrims",
    "CameraPrims",
    "RigidPrims",
    "StageMap",
    "path_in_world",
]

WORLDS = "/World/envs"
"""Path of the prim below which the worlds ``env_0``, ``env_1``, … are."""


ABSENT_REST_OFFSET = -1e3
"""Rest offset in m of the first alternative shape of a body; the second has twice that, and so on.

Nothing gets that deep into a shape, so that nothing touches it.
"""


def path_in_world(path: str, world: int) -> str:
    """Return the path in a world of a prim whose path in world 0 is given; paths outside the worlds do not change."""
    source = f"{WORLDS}/env_0"
    if path == source or path.startswith(f"{source}/"):
        return f"{WORLDS}/env_{world}{path.removeprefix(source)}"
    return path


@dataclass(frozen=True, kw_only=True)
class ArticulationPrims:
    """Prims of an articulation in world 0.

    Attributes:
        path: of the articulation, which holds its links and joints and has its initial pose.
        root_path: of the prim with the articulation root API.
        description: the robot.
        link_paths: by name of the link, helper links included.
        joint_paths: by name of the joint, or of a loop.
        shape_paths: by name of the shape.
    """

    path: str
    root_path: str
    description: "RobotDescription"
    link_paths: dict[str, str]
    joint_paths: dict[str, str]
    shape_paths: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class RigidPrims:
    """Prims of a rigid body in world 0.

    Attributes:
        path: of the body, which has its initial pose.
        shape_paths: by name of the shape, of those that worlds may have, its own first; or of all shapes from a file.
        description: of a body from a file.
    """

    path: str
    shape_paths: dict[str, str]
    description: "BodyDescription | None" = None


@dataclass(frozen=True, kw_only=True)
class CameraPrims:
    """The prim of a camera in world 0.

    Attributes:
        path: of the camera.
        hidden_paths: of what it does not render.
    """

    path: str
    hidden_paths: list[str]


@dataclass(kw_only=True)
class StageMap:
    """Prims of a scene, by names of its elements. Paths are those in world 0: see :func:`path_in_world`.

    Attributes:
        physics_scene: path of the physics scene.
        articulations: prims of articulations.
        rigids: prims of rigid bodies.
        cameras: prims of cameras.
        shared_paths: paths of what collides with the bodies of all worlds: ground and terrain.
        friction: PhysX's coefficients of friction.
        sun: path of the distant light, which shines along −z of its frame; None: there is none.
    """

    physics_scene: str
    articulations: dict[str, ArticulationPrims] = field(default_factory=dict)
    rigids: dict[str, RigidPrims] = field(default_factory=dict)
    cameras: dict[str, CameraPrims] = field(default_factory=dict)
    shared_paths: list[str] = field(default_factory=list)
    friction: FrictionMapping = field(default_factory=FrictionMapping)
    sun: str | None = None

    @property
    def world(self) -> str:
        """Path of world 0, from which the others are cloned."""
        return f"{WORLDS}/env_0"

    @property
    def collision_root(self) -> str:
        """Path below which collision groups may be created."""
        return "/World/collisions"
