"""The description of one world. A task fills it; an engine builds ``num_envs`` worlds from it."""

import math
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from oige_core.capabilities import Capable, require
from oige_core.config import ActorConfig, SimConfig
from oige_core.errors import ConfigError, OigeError, nearest
from oige_core.scene.assets import ArticulationAsset, Color, Material, RigidAsset, check_color
from oige_core.scene.deformables import DeformableAsset
from oige_core.scene.elements import (
    ArticulationElement,
    BodyElement,
    BodyJoint,
    CameraElement,
    DeformableElement,
    Element,
    GroundPlaneElement,
    HeightFieldElement,
    LinkSet,
)
from oige_core.scene.primitives import Primitive
from oige_core.scene.rigid import RigidOptions, as_material, asset_element, primitive_element
from oige_core.scene.values import (
    IDENTITY,
    Quaternion,
    Vector3,
    as_flag,
    as_number,
    as_quaternion,
    as_vector,
    as_whole,
)
from oige_core.views import ArticulationView, CameraOutput, CameraView, DeformablePrimView, RigidPrimView

if typing.TYPE_CHECKING:
    from typing_extensions import Unpack


__all__ = ["Scene", "ViewFactory"]

ViewT = typing.TypeVar("ViewT")
FACES = 6  # of a box


class ViewFactory(Capable, typing.Protocol):
    """The part of an engine that a scene needs: it creates views, which can be used once worlds are built."""

    def create_articulation_view(self, element: ArticulationElement) -> ArticulationView:
        """Return the view of an articulation."""
        ...

    def create_rigid_view(self, element: BodyElement) -> RigidPrimView:
        """Return the view of a rigid body."""
        ...

    def create_link_view(self, links: LinkSet) -> RigidPrimView:
        """Return the view of links of an articulation."""
        ...

    def create_deformable_view(self, element: DeformableElement) -> DeformablePrimView:
        """Return the view of a soft body."""
        ...

    def create_camera_view(self, element: CameraElement) -> CameraView:
        """Return the view of a camera."""
        ...


@dataclass
class Scene:
    """Elements of one world, in its own coordinates: z up, metres, kilograms, seconds.

    Args:
        views: creates the views that the ``add_`` methods return.
        sim: the ``task.sim`` section; its sections named after elements override the task's settings.
        further_shapes: returns shapes, of the same volume, that a rigid body of this name may have besides its own.

    Attributes:
        views_by_group: the views that were returned by name, in the groups ``rigid_prim_views``,
            ``articulation_views``, ``deformable_prim_views`` and ``camera_views``.
    """

    views: ViewFactory
    sim: SimConfig
    elements: dict[str, Element] = field(default_factory=dict)
    link_sets: list[LinkSet] = field(default_factory=list)
    body_joints: dict[str, BodyJoint] = field(default_factory=dict)
    further_shapes: Callable[[str], Sequence[str]] = lambda name: ()
    views_by_group: dict[str, dict[str, typing.Any]] = field(default_factory=dict)
    _sections: set[str] = field(default_factory=set, init=False, repr=False)  # of task.sim that rigid bodies share

    @property
    def kinematic_bodies(self) -> list[str]:
        """Names of the rigid bodies that only ``set_world_poses`` moves."""
        return [name for name, element in self.elements.items() if getattr(element, "kinematic", False)]

    def add_ground_plane(
        self, name: str = "ground_plane", *, height: float = 0.0, material: Material | None = None
    ) -> None:
        """Add a ground plane, unless ``sim.add_ground_plane`` is False.

        Args:
            name: unique name in the scene.
            height: z of the plane, in metres.
            material: surface; by default ``sim.default_physics_material``.

        Raises:
            OigeError: the height is not finite.
        """
        if self.sim.add_ground_plane:
            height = as_number(height, f"ground plane '{name}': height")
            self._add(GroundPlaneElement(name=name, height=height, material=as_material(material, name)))

    def add_height_field(
        self,
        name: str,
        heights: np.ndarray,
        *,
        horizontal_scale: float,
        origin: Vector3 = (0.0, 0.0, 0.0),
        material: Material | None = None,
    ) -> None:
        """Add static terrain that all worlds share.

        Args:
            name: unique name in the scene.
            heights: ``(rows along x, columns along y)`` in metres, relative to ``origin``.
            horizontal_scale: distance between neighbouring samples, in metres.
            origin: position of sample ``[0, 0]``, in metres.
            material: surface; by default ``sim.default_physics_material``.

        Raises:
            OigeError: the array is not two-dimensional with at least two samples per side, or not finite; or the scale
                is not above 0.
        """
        title = f"height field '{name}'"
        require(self.views, "height_fields", title)
        try:
            heights = np.asarray(heights, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise OigeError(f"{title}: expected rows of finite heights of equal length.") from error
        if heights.ndim != 2 or min(heights.shape) < 2 or not np.isfinite(heights).all():
            raise OigeError(f"{title} of shape {heights.shape}: expected finite heights, 2 × 2 or more.")
        horizontal_scale = as_number(horizontal_scale, f"{title}: horizontal_scale")
        if not horizontal_scale > 0:
            raise OigeError(f"{title}: horizontal_scale={horizontal_scale}, expected a length above 0 m.")
        self._add(
            HeightFieldElement(
                name=name,
                heights=heights,
                horizontal_scale=horizontal_scale,
                origin=as_vector(origin, f"{title}: origin"),
                material=as_material(material, name),
            )
        )

    def add_articulation(
        self,
        name: str,
        asset: ArticulationAsset,
        *,
        position: Vector3 = (0.0, 0.0, 0.0),
        orientation: Quaternion = IDENTITY,
        track_joint_forces: bool | Sequence[str] | str = False,
        disable_gravity: bool | None = None,
    ) -> ArticulationView:
        """Add a robot or mechanism.

        Args:
            name: unique name in the scene; ``sim.<name>`` overrides its solver settings.
            asset: description of the robot.
            position: initial position of the root link, in metres.
            orientation: initial orientation of the root link, w, x, y, z.
            track_joint_forces: measure joint wrenches, of all links or of selected ones, as in :meth:`add_link_view`.
                Reading others with ``get_measured_joint_forces`` raises an error. Each costs time in every step.
            disable_gravity: whether gravity is disabled on its links. Only if this is given, True or False, gravity can
                be changed later.

        Raises:
            OigeError: the pose is invalid, or the name is not unique.
            ConfigError: ``sim.<name>`` has a key without effect on an articulation.
        """
        self._check_name(name)
        title = f"articulation '{name}'"
        if not isinstance(asset, ArticulationAsset):
            raise OigeError(f"{title}: its asset is a {type(asset).__name__}, expected ArticulationAsset(mjcf=…).")
        if track_joint_forces is not False:
            require(self.views, "joint_forces", f"track_joint_forces of '{name}'")
        actor = self.sim.actors.get(name, ActorConfig())
        for key, remedy in (
            ("mass", "the masses of its links are in its asset"),
            ("make_kinematic", "give its asset floating=False, or let its drives hold it"),
        ):
            if getattr(actor, key) != -1:
                raise ConfigError(
                    f"task.sim.{name}.{key}={getattr(actor, key)}: has no effect on an articulation; {remedy}."
                )
        element = ArticulationElement(
            name=name,
            asset=asset,
            position=as_vector(position, f"{title}: position"),
            orientation=as_quaternion(orientation, f"{title}: orientation"),
            track_joint_forces=track_joint_forces,
            disable_gravity=None if disable_gravity is None else as_flag(disable_gravity, f"{title}: disable_gravity"),
            actor=actor,
        )
        self._add(element)
        return self._keep("articulation_views", name, self.views.create_articulation_view(element))

    def add_link_view(
        self, name: str, articulation: str, links: Sequence[str] | str, *, track_contact_forces: bool = False
    ) -> RigidPrimView:
        """View links of an articulation as rigid bodies.

        Args:
            name: name of the view.
            articulation: name of the articulation.
            links: link names in the desired order, or a regular expression that selects the links whose full name
                matches, in breadth-first order. One name gives tensors ``(num_envs, …)``, several
                ``(num_envs, links, …)``.
            track_contact_forces: measure net contact forces; otherwise, ``get_net_contact_forces`` raises an error.
        """
        if not isinstance(self.elements.get(articulation), ArticulationElement):
            known = [key for key, element in self.elements.items() if isinstance(element, ArticulationElement)]
            raise OigeError(f"links of '{articulation}': no such articulation. {nearest(articulation, known)}")
        if track_contact_forces:
            require(self.views, "contact_forces", f"track_contact_forces of '{name}'")
        if not links or (not isinstance(links, str) and len(set(links)) != len(links)):
            raise OigeError(f"links of '{articulation}' {links!r}: expected one or more names, each once.")
        link_set = LinkSet(name=name, articulation=articulation, links=links, track_contact_forces=track_contact_forces)
        self._check_name(name)
        self.link_sets.append(link_set)
        return self._keep("rigid_prim_views", name, self.views.create_link_view(link_set))

    def add_sphere(self, name: str, *, radius: float, **options: "Unpack[RigidOptions]") -> RigidPrimView:
        """Add a ball of ``radius`` metres; ``options`` are those of :class:`RigidOptions`."""
        return self._add_primitive(name, "sphere", (radius,), options)

    def add_box(
        self,
        name: str,
        *,
        size: Vector3,
        face_colors: Sequence[Color] = (),
        **options: "Unpack[RigidOptions]",
    ) -> RigidPrimView:
        """Add a box; ``options`` are those of :class:`RigidOptions`.

        Args:
            name: unique name in the scene.
            size: edges along x, y, z, in metres.
            face_colors: colours of the faces +x, −x, +y, −y, +z, −z, which show its rotation; the material's colour
                remains visible as a frame around each. Empty: all faces have the material's colour.

        Raises:
            OigeError: the size, a colour or an option is invalid.
        """
        if face_colors and len(face_colors) != FACES:
            raise OigeError(f"box '{name}': {len(face_colors)} face_colors, expected {FACES}: +x, −x, +y, −y, +z, −z.")
        for color in face_colors:
            check_color(f"box '{name}': face_colors: {color}", color)
        return self._add_primitive(name, "box", size, options, face_colors)

    def add_capsule(
        self, name: str, *, radius: float, length: float, **options: "Unpack[RigidOptions]"
    ) -> RigidPrimView:
        """Add a capsule along z, ``length`` metres between the centres of its caps."""
        return self._add_primitive(name, "capsule", (radius, length), options)

    def add_cylinder(
        self, name: str, *, radius: float, length: float, **options: "Unpack[RigidOptions]"
    ) -> RigidPrimView:
        """Add a cylinder along z of ``length`` metres; ``options`` are those of :class:`RigidOptions`."""
        return self._add_primitive(name, "cylinder", (radius, length), options)

    def add_rigid_body(
        self,
        name: str,
        asset: RigidAsset | Sequence[RigidAsset],
        *,
        position: Vector3 = (0.0, 0.0, 0.0),
        orientation: Quaternion = IDENTITY,
        kinematic: bool = False,
        track_contact_forces: bool = False,
        disable_gravity: bool | None = None,
    ) -> RigidPrimView:
        """Add a rigid body of one or more shapes.

        Args:
            name: unique name in the scene; ``sim.<name>`` overrides its settings.
            asset: description of the body, or several of which each world has one, the world ``w`` at first number
                ``w`` modulo their count: see :meth:`~oige_core.views.RigidPrimView.set_variants`. Such assets have
                shapes of the same types in the same order.
            position: initial position of its frame, in metres.
            orientation: initial orientation of its frame, w, x, y, z.
            kinematic: only ``set_world_poses`` moves the body; it pushes other bodies, but nothing pushes it.
            track_contact_forces: measure net contact forces.
            disable_gravity: whether gravity is disabled on the body. Only if this is given, True or False, gravity can
                be changed later.

        Raises:
            OigeError: the pose is invalid, or the name is not unique.
            ConfigError: ``sim.<name>`` has a key without effect on such a body.
        """
        self._check_name(name)
        if not isinstance(asset, RigidAsset) and len(asset) > 1:
            require(self.views, "variants", f"rigid body '{name}'", "Give it one asset.")
        options: RigidOptions = {
            "position": position,
            "orientation": orientation,
            "kinematic": kinematic,
            "track_contact_forces": track_contact_forces,
        }
        if disable_gravity is not None:
            options["disable_gravity"] = disable_gravity
        actor = self.sim.actors.get(name, ActorConfig())
        return self._add_body(asset_element(name, asset, options, actor))

    def add_deformable(
        self,
        name: str,
        asset: DeformableAsset,
        *,
        position: Vector3 = (0.0, 0.0, 0.0),
        orientation: Quaternion = IDENTITY,
        material: Material | None = None,
    ) -> DeformablePrimView:
        """Add a soft body; ``sim.mujoco.integrator`` must be ``discrete``.

        Args:
            name: unique name in the scene.
            asset: surface, lattice and material of the body.
            position: initial position of its frame, in metres.
            orientation: initial orientation of its frame, w, x, y, z.
            material: surface; by default ``sim.default_physics_material``.

        Raises:
            OigeError: the pose is invalid, or the name is not unique.
            CapabilityError: the engine has no soft bodies.
        """
        title = f"deformable '{name}'"
        require(self.views, "deformables", title)
        if not isinstance(asset, DeformableAsset):
            raise OigeError(f"{title}: its asset is a {type(asset).__name__}, expected DeformableAsset(…).")
        element = DeformableElement(
            name=name,
            asset=asset,
            position=as_vector(position, f"{title}: position"),
            orientation=as_quaternion(orientation, f"{title}: orientation"),
            material=as_material(material, name),
        )
        self._add(element)
        return self._keep("deformable_prim_views", name, self.views.create_deformable_view(element))

    def add_camera(
        self,
        name: str,
        *,
        width: int,
        height: int,
        horizontal_fov: float,
        parent: str | None = None,
        position: Vector3 = (0.0, 0.0, 0.0),
        orientation: Quaternion = IDENTITY,
        outputs: Sequence[CameraOutput] = ("rgb",),
        far: float = math.inf,
        samples_per_pixel: int = 1,
        hidden: Sequence[str] = (),
    ) -> CameraView:
        """Add a camera, which renders only its own world.

        Pixels are square. The camera looks along x of its frame, with z up and y to the left.

        Args:
            name: unique name in the scene.
            width: width of images, in pixels.
            height: height of images, in pixels.
            horizontal_fov: angle between the left and the right edge of images, in rad. For a lens of focal length f
                and a sensor of width w it is 2 · atan(w / 2f).
            parent: body on which the camera is mounted: the name of a rigid body, or ``"<articulation>/<link>"``; by
                default the world.
            position: position of the centre of projection in the parent's frame, in metres.
            orientation: orientation of the camera's frame in the parent's frame, w, x, y, z.
            outputs: the available outputs: ``"rgb"``, ``"depth"``, ``"segmentation"``.
            far: maximum rendered distance along the camera's axis, in metres.
            samples_per_pixel: number of rays along each axis of a pixel, whose colours are averaged. n of them take n²
                times as long and show objects that are thinner than a pixel. Depth and segmentation use one ray per
                pixel.
            hidden: elements and links ``"<articulation>/<link>"`` that the camera does not render. Hiding the robot
                that carries the camera makes rendering several times as fast.

        Raises:
            OigeError: a size, an angle or a choice is out of range.
        """
        title = f"camera '{name}'"
        require(self.views, "cameras", title)
        width, height = as_whole(width, f"{title}: width"), as_whole(height, f"{title}: height")
        samples_per_pixel = as_whole(samples_per_pixel, f"{title}: samples_per_pixel")
        horizontal_fov = as_number(horizontal_fov, f"{title}: horizontal_fov")
        if far != math.inf:
            far = as_number(far, f"{title}: far")
        if width < 1 or height < 1:
            raise OigeError(f"{title}: {width} × {height} pixels, expected at least 1 × 1.")
        if not 0.0 < horizontal_fov < math.pi:
            raise OigeError(f"{title}: horizontal_fov={horizontal_fov}, expected an angle between 0 and π, in rad.")
        if not far > 0.0:
            raise OigeError(f"{title}: far={far}, expected a distance above 0 m.")
        for key, names in (("outputs", outputs), ("hidden", hidden)):
            if isinstance(names, str):
                raise OigeError(f"{title}: {key}='{names}': expected a list of names, ['{names}'].")
        known = typing.get_args(CameraOutput)
        for output in outputs:
            if output not in known:
                raise OigeError(f"{title}: unknown output '{output}'. {nearest(output, known)}")
        if not outputs or (samples_per_pixel > 1 and "rgb" not in outputs) or samples_per_pixel < 1:
            raise OigeError(
                f"{title}: samples_per_pixel={samples_per_pixel} with outputs {', '.join(outputs) or 'none'}; expected "
                "an output, and 1 sample unless one is rgb."
            )
        element = CameraElement(
            name=name,
            width=width,
            height=height,
            horizontal_fov=horizontal_fov,
            parent=parent,
            position=as_vector(position, f"{title}: position"),
            orientation=as_quaternion(orientation, f"{title}: orientation"),
            outputs=tuple(outputs),
            far=far,
            samples_per_pixel=samples_per_pixel,
            hidden=tuple(hidden),
        )
        self._add(element)
        return self._keep("camera_views", name, self.views.create_camera_view(element))

    def check(self) -> None:
        """Check ``task.sim`` against the complete scene; engines call this before they build it.

        Raises:
            ConfigError: a section names an element that the scene does not have, or one without such settings.
            CapabilityError: the engine does not support the default material.
        """
        moving = (ArticulationElement, BodyElement)
        for name in self.sim.actors.keys() - self._sections:
            if name not in self.elements:
                keys = [*self.elements, *SimConfig.__dataclass_fields__.keys() - {"actors"}]
                raise ConfigError(f"task.sim.{name}: neither a known key nor a scene element. {nearest(name, keys)}")
            if not isinstance(self.elements[name], moving):
                raise ConfigError(
                    f"task.sim.{name}: only articulations and rigid bodies have such settings; remove it."
                )
        key, material = "task.sim.default_physics_material", self.sim.default_physics_material
        if material.restitution:
            title = f"{key}.restitution={material.restitution}"
            require(self.views, "restitution", title, "Set it to 0.")
        if material.static_friction != material.dynamic_friction:
            title = f"{key}: static_friction={material.static_friction}, dynamic_friction={material.dynamic_friction}"
            require(self.views, "static_friction", title, "Set both keys to one value.")

    def _add_primitive(
        self,
        name: str,
        shape: Primitive,
        size: tuple[float, ...],
        options: RigidOptions,
        face_colors: Sequence[Color] = (),
    ) -> RigidPrimView:
        self._check_name(name)
        section = options.get("section", name)
        self._sections.add(section)
        actor = self.sim.actors.get(section, ActorConfig())
        element = primitive_element(
            name, shape, size, options, actor, further=self.further_shapes(name), face_colors=face_colors
        )
        return self._add_body(element)

    def _add_body(self, element: BodyElement) -> RigidPrimView:
        if element.track_contact_forces:
            require(self.views, "contact_forces", f"track_contact_forces of '{element.name}'")
        self._add(element)
        return self._keep("rigid_prim_views", element.name, self.views.create_rigid_view(element))

    def _keep(self, group: str, name: str, view: ViewT) -> ViewT:
        self.views_by_group.setdefault(group, {})[name] = view
        return view

    def _add(self, element: Element) -> None:
        self._check_name(element.name)
        self.elements[element.name] = element

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or "/" in name:
            raise OigeError(f"scene element '{name}': expected a name without '/', which separates names of links.")
        if name == "world" or name in self.elements or name in [links.name for links in self.link_sets]:
            raise OigeError(f"scene element '{name}': this name is in use; choose another one.")
