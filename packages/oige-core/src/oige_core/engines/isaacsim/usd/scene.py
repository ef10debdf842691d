"""Writes a scene to a USD stage: one world, from which the others are cloned, and what they share."""

from pxr import Usd, UsdGeom

from oige_core.engines.isaacsim.usd.actor import apply_actor
from oige_core.engines.isaacsim.usd.cameras import write_camera, write_lights
from oige_core.engines.isaacsim.usd.description import Pose, RobotDescription, with_density
from oige_core.engines.isaacsim.usd.files import describe_asset, describe_body
from oige_core.engines.isaacsim.usd.friction import Surface, map_friction
from oige_core.engines.isaacsim.usd.ground import write_ground_plane, write_height_field
from oige_core.engines.isaacsim.usd.physics_scene import write_physics_scene
from oige_core.engines.isaacsim.usd.prims import PhysicsMaterials, make_valid, report_contacts
from oige_core.engines.isaacsim.usd.rigid import (
    keep_apart,
    switch_off_alternatives,
    write_rigid,
    write_rigid_asset,
)
from oige_core.engines.isaacsim.usd.robot import RobotOptions, write_robot
from oige_core.engines.isaacsim.usd.stage_map import WORLDS, ArticulationPrims, CameraPrims, StageMap
from oige_core.engines.joints import select_names
from oige_core.errors import OigeError, nearest
from oige_core.scene.assets import Material
from oige_core.scene.elements import (
    ArticulationElement,
    CameraElement,
    GroundPlaneElement,
    HeightFieldElement,
    LinkSet,
    RigidAssetElement,
    RigidElement,
)
from oige_core.scene.scene import Scene

__all__ = ["write_scene"]

_ROOT = "/World"
_SHARED = ("envs", "physics_scene", "collisions", "materials", "lights")
"""Names below the root that no element has."""


def write_scene(scene: Scene, stage: Usd.Stage, *, gpu: bool = False) -> StageMap:
    """Write a scene to an empty stage.

    World 0 is at ``/World/envs/env_0``. Ground and terrain are at ``/World``, and meet all worlds.

    Args:
        scene: the complete scene.
        stage: the stage, z up, in metres and kilograms.
        gpu: whether physics runs on the GPU.

    Returns:
        Where its elements are.

    Raises:
        OigeError: an asset is invalid, or a camera names what the scene does not have.
        CapabilityError: PhysX cannot combine the coefficients of friction of the scene.
    """
    return _SceneWriter(scene, stage).write(gpu=gpu)


class _SceneWriter:
    def __init__(self, scene: Scene, stage: Usd.Stage) -> None:
        self._scene = scene
        self._stage = stage
        self._map = StageMap(physics_scene=f"{_ROOT}/physics_scene")
        self._shared_colliders: list[str] = []
        elements = scene.elements.values()
        self._descriptions = {e.name: _describe(e) for e in elements if isinstance(e, ArticulationElement)}
        self._bodies = {e.name: describe_body(e) for e in elements if isinstance(e, RigidAssetElement)}
        default = scene.sim.default_physics_material
        surfaces = [surface for element in elements for surface in self._surfaces(element)]
        self._friction = map_friction(surfaces, (default.static_friction, default.dynamic_friction))
        self._map.friction = self._friction
        self._materials = PhysicsMaterials(stage, f"{_ROOT}/materials", self._friction.combine)
        shared = [e.name for e in elements if isinstance(e, GroundPlaneElement | HeightFieldElement)]
        own = [e.name for e in elements if e.name not in shared]
        self._paths = {name: f"{_ROOT}/{valid}" for name, valid in make_valid(shared, _SHARED).items()}
        self._paths |= {name: f"{self._map.world}/{valid}" for name, valid in make_valid(own).items()}

    def write(self, *, gpu: bool) -> StageMap:
        stage, scene = self._stage, self._scene
        stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, _ROOT).GetPrim())
        UsdGeom.Scope.Define(stage, WORLDS)
        UsdGeom.Xform.Define(stage, self._map.world)
        write_physics_scene(scene.sim, stage, self._map.physics_scene, gpu=gpu)
        self._map.sun = write_lights(stage, f"{_ROOT}/lights", sun=scene.sim.add_distant_light)
        for element in scene.elements.values():
            self._write(element)
        for element in scene.elements.values():  # last, because bodies on which cameras are mounted may come later
            if isinstance(element, CameraElement):
                self._write_camera(element)
        robots = [path for prims in self._map.articulations.values() for path in prims.link_paths.values()]
        keep_apart(stage, self._map.rigids, [*self._shared_colliders, *robots])
        for link_set in scene.link_sets:
            if link_set.track_contact_forces:
                self._report_contacts(link_set)
        return self._map

    def _keep_shared(self, name: str, collider: Usd.Prim, material: Material) -> None:
        self._bind(collider, material.friction)
        self._map.shared_paths.append(self._paths[name])
        self._shared_colliders.append(str(collider.GetPath()))

    def _report_contacts(self, link_set: LinkSet) -> None:
        prims = self._map.articulations[link_set.articulation]
        names = prims.description.body_names
        for name in select_names(link_set.links, names, f"links of '{link_set.articulation}'"):
            report_contacts(self._stage.GetPrimAtPath(prims.link_paths[name]))

    def _write(self, element: object) -> None:
        stage = self._stage
        match element:
            case GroundPlaneElement(name=name):
                self._keep_shared(name, write_ground_plane(element, stage, self._paths[name]), element.material)
            case HeightFieldElement(name=name):
                self._keep_shared(name, write_height_field(element, stage, self._paths[name]), element.material)
            case RigidElement(name=name):
                prims = self._map.rigids[name] = write_rigid(element, stage, self._paths[name])
                if element.collision:
                    for path in prims.shape_paths.values():
                        self._bind(stage.GetPrimAtPath(path), element.material.friction)
                apply_actor(stage.GetPrimAtPath(prims.path), element.actor, self._scene.sim.physx)
                switch_off_alternatives(element, stage, prims)
                if element.track_contact_forces:
                    report_contacts(stage.GetPrimAtPath(prims.path))
            case RigidAssetElement(name=name):
                description = self._bodies[name]
                prims = write_rigid_asset(element, description, stage, self._paths[name])
                self._map.rigids[name] = prims
                for shape in description.shapes:
                    if shape.collides:
                        self._bind(stage.GetPrimAtPath(prims.shape_paths[shape.name]), shape.friction)
                apply_actor(stage.GetPrimAtPath(prims.path), element.actor, self._scene.sim.physx)
                if element.track_contact_forces:
                    report_contacts(stage.GetPrimAtPath(prims.path))
            case ArticulationElement(name=name):
                self._map.articulations[name] = self._write_articulation(element)
                apply_actor(stage.GetPrimAtPath(self._paths[name]), element.actor, self._scene.sim.physx)

    def _write_articulation(self, element: ArticulationElement) -> ArticulationPrims:
        description = self._descriptions[element.name]
        options = RobotOptions(
            pose=Pose(position=element.position, orientation=element.orientation),
            drives=element.asset.drives,
            joint_positions=element.asset.joint_positions,
            self_collisions=element.actor.enable_self_collisions == 1,
            disable_gravity=bool(element.disable_gravity),
            friction=self._friction,
            restitution=self._scene.sim.default_physics_material.restitution,
            mark_tendons=True,
        )
        prims = write_robot(description, self._stage, self._paths[element.name], options)
        return ArticulationPrims(
            path=prims.path,
            root_path=prims.articulation,
            description=description,
            link_paths=prims.links,
            joint_paths=prims.joints,
            shape_paths=prims.shapes,
        )

    def _bind(self, collider: Usd.Prim, coefficient: float | None) -> None:
        static, dynamic = self._friction.coefficients(coefficient)
        self._materials.bind(collider, static, dynamic, self._scene.sim.default_physics_material.restitution)

    def _surfaces(self, element: object) -> list[Surface]:
        match element:
            case GroundPlaneElement() | HeightFieldElement():
                coefficients, movable, touches_itself = {element.material.friction}, False, False
            case RigidElement(collision=True):
                coefficients, movable, touches_itself = {element.material.friction}, not element.kinematic, False
            case RigidAssetElement():
                shapes = self._bodies[element.name].shapes
                coefficients = {shape.friction for shape in shapes if shape.collides}
                movable, touches_itself = not element.kinematic, False
            case ArticulationElement():
                links = self._descriptions[element.name].links
                coefficients = {shape.friction for link in links for shape in link.shapes if shape.collides}
                movable, touches_itself = True, element.actor.enable_self_collisions == 1
            case _:
                return []
        return [
            Surface(element=element.name, coefficient=each, movable=movable, touches_itself=touches_itself)
            for each in sorted(coefficients, key=lambda value: (value is None, value))
        ]

    def _write_camera(self, element: CameraElement) -> None:
        bodies = {name: prims.path for name, prims in self._map.rigids.items()}
        for name, prims in self._map.articulations.items():
            links = prims.description.body_names
            bodies |= {f"{name}/{link}": prims.link_paths[link] for link in links}
        parent = self._map.world
        if element.parent is not None:
            parent = self._look_up(element.parent, bodies, f"camera '{element.name}': no body or link")
        hideable = {**self._paths, **bodies}
        hidden = [
            self._look_up(name, hideable, f"camera '{element.name}': hidden names no element or link")
            for name in element.hidden
        ]
        path = f"{parent}/{make_valid([element.name], self._children(parent))[element.name]}"
        write_camera(element, self._stage, path)
        self._map.cameras[element.name] = CameraPrims(path=path, hidden_paths=hidden)

    def _children(self, path: str) -> list[str]:
        return [child.GetName() for child in self._stage.GetPrimAtPath(path).GetAllChildren()]

    @staticmethod
    def _look_up(name: str, paths: dict[str, str], title: str) -> str:
        if name not in paths:
            raise OigeError(f"{title} '{name}'. {nearest(name, paths)}")
        return paths[name]


def _describe(element: ArticulationElement) -> RobotDescription:
    """Return the description of an articulation, with the density of ``task.sim.<name>``."""
    description = describe_asset(element.asset, element.name)
    density = element.actor.density
    return description if density == -1 else with_density(description, density, f"task.sim.{element.name}.density")
