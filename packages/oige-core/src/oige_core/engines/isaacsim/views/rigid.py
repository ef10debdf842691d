"""Views of rigid bodies."""

from typing import TYPE_CHECKING, Any

import torch

from oige_core.capabilities import require
from oige_core.engines.isaacsim.tensors import TensorRows, call
from oige_core.engines.isaacsim.views.bodies import BodyProperty, BodyPropertyView, check_gravity_switch
from oige_core.engines.isaacsim.views.body_state import BodyState
from oige_core.engines.isaacsim.views.colors import BodyColors
from oige_core.engines.isaacsim.views.contacts import ContactForces
from oige_core.engines.isaacsim.views.framed import BodyFrameView
from oige_core.engines.isaacsim.views.kinematic import KinematicState
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.views.sizes import BodyShapes
from oige_core.engines.isaacsim.views.surfaces import Surfaces, material
from oige_core.engines.isaacsim.views.visibility import ShapeVisibility
from oige_core.engines.isaacsim.views.wrenches import Wrenches
from oige_core.engines.isaacsim.worlds import MAX_VALUE, IsaacWorlds
from oige_core.errors import CapabilityError
from oige_core.math import quat_to_matrix
from oige_core.scene.elements import BodyElement, RigidElement
from oige_core.scene.primitives import SHAPES
from oige_core.selections import read_rows
from oige_core.views import Indices

if TYPE_CHECKING:
    from oige_core.engines.isaacsim.usd.description import MassProperties
    from oige_core.engines.isaacsim.usd.stage_map import RigidPrims

__all__ = ["IsaacRigidView"]

_LOWEST_DENSITY = 1e-6  # kg/m³


class RigidState:
    """State and properties of a rigid body in all worlds; see :class:`~oige_core.engines.isaacsim.worlds.Part`.

    Args:
        worlds: the running worlds.
        element: the body.

    Attributes:
        rows: rows of the worlds in the view of ``omni.physics.tensors``.
        masses: ``(num_envs, 1)``.
        coms: centres of mass ``(num_envs, 3)``.
        inertias: inertia matrices about the centres of mass in the bodies' frames ``(num_envs, 9)``.
        gravity_disabled: ``(num_envs, 1)``.
        frame: poses and velocities.
        wrenches: of the next control step.
        contacts: contact forces, if the scene tracks them.
    """

    def __init__(self, worlds: IsaacWorlds, element: BodyElement) -> None:
        self._worlds, self._moves = worlds, not element.kinematic
        path = worlds.stage_map.rigids[element.name].path
        view = worlds.simulation.create_rigid_body_view(worlds.pattern(path))
        self.rows = rows = TensorRows(view, list(view.prim_paths), worlds.num_envs, worlds.device)
        self.masses = Property(rows, "mass", "get_masses", "set_masses", None, worlds.device)
        self.coms = Property(rows, "centre of mass", "get_coms", "set_coms", None, worlds.device, slice(3))
        self.inertias = Property(rows, "inertia", "get_inertias", "set_inertias", None, worlds.device)
        names = "get_disable_gravities", "set_disable_gravities"
        self.gravity_disabled = Property(rows, "disabled gravity", *names, None, worlds.device)
        pose = (*element.position, *element.orientation)
        if element.kinematic:
            self.frame: BodyState = KinematicState(worlds, rows, pose)
        else:
            methods = ("get_transforms", "set_transforms", "get_velocities", "set_velocities")
            self.frame = BodyState(worlds, rows, methods, lambda: self.coms.values, pose, moves=True)
        self.wrenches = Wrenches(worlds.num_envs, 1, worlds.device)
        self.contacts = ContactForces(worlds, [path]) if element.track_contact_forces else None

    def check(self, name: str, mass: "MassProperties") -> None:
        """Compare properties in physics with those of the scene.

        Raises:
            OigeError: one differs.
        """
        device = self._worlds.device
        axes = quat_to_matrix(torch.tensor([mass.axes], dtype=torch.float64))[0]
        inertias = axes @ torch.diag(torch.tensor(mass.inertia, dtype=torch.float64)) @ axes.T
        self.masses.values.fill_(mass.mass)
        self.coms.values.copy_(torch.tensor(mass.center, device=device))
        self.inertias.values.copy_(inertias.flatten().to(device))
        for one in (self.masses, self.coms, self.inertias):
            one.check([], name)

    def hold_velocities(self) -> None:
        """Let velocities of origins stay when centres of mass are moved."""
        self.frame.read()
        if self._moves:
            self.frame.set_velocities(self.frame.velocities.clone(), None)

    def flush(self) -> bool:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        return self.frame.flush()

    def send_commands(self) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        if not self.wrenches.pending or not self._moves:
            return
        order, data = self.rows.order, []
        for values in (self.wrenches.forces, self.wrenches.torques):
            bad = ~(values.abs() <= MAX_VALUE)
            self._worlds.mark_diverged(bad.flatten(1).any(dim=1))
            target = values.new_zeros(order.size, 3)
            order.put(target, values.masked_fill(bad, 0.0).squeeze(1))
            data.append(target)
        rows = order.numbers(self._worlds.device).to(torch.int32)
        call(self.rows.view, "apply_forces_and_torques_at_position", *data, None, rows, True)

    def after_step(self) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        self.frame.after_step()
        self.wrenches.clear()
        if self.contacts is not None:
            self.contacts.after_step()

    def find_problems(self, worlds: IsaacWorlds) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        if self._moves:
            self.frame.read()
            worlds.check_state(self.frame.poses[:, :3], worlds.sim.max_position)
            worlds.check_state(self.frame.velocities, worlds.sim.max_velocity)

    def restore(self, worlds: torch.Tensor | None) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        self.frame.restore(worlds)
        self.wrenches.clear(worlds)
        if self.contacts is not None:
            self.contacts.restore(worlds)


class IsaacRigidView(BodyPropertyView, BodyFrameView):
    """A rigid body in each world; see :class:`~oige_core.views.RigidPrimView`.

    Args:
        element: the body.
        num_envs: number of worlds.
    """

    def __init__(self, element: BodyElement, num_envs: int) -> None:
        super().__init__(element.name, num_envs)
        self._element = element

    def bind(self, worlds: IsaacWorlds) -> None:
        """Look up the bodies in running physics."""
        element = self._element
        prims = worlds.stage_map.rigids[element.name]
        self._state = state = RigidState(worlds, element)
        state.check(element.name, _mass(element, prims))
        worlds.parts.append(state)
        self._bind_frame(worlds, state.frame, free=not element.kinematic)
        self._single = True
        self._masses = BodyProperty(state.masses)
        self._inertias = BodyProperty(state.inertias)
        self._centers = BodyProperty(state.coms)
        self._contacts = state.contacts
        materials = [material(_friction(element, prims), worlds.sim.default_physics_material)]
        factors = worlds.stage_map.friction.factor
        self._surfaces = Surfaces(lambda: [state.rows], materials, factors, worlds.num_envs, worlds.device)
        self._primitives: BodyShapes | None = None
        if isinstance(element, RigidElement):
            shapes = {SHAPES.index(name): path for name, path in prims.shape_paths.items()}
            shown = ShapeVisibility(worlds, prims.path, shapes)
            self._primitives = BodyShapes(element, state.rows, state.masses, state.inertias, shown, worlds.device)
        self._colors = BodyColors(worlds, [prims.path])

    def _frames(self, worlds: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        self._state.frame.read()
        poses = read_rows(self._state.frame.poses, worlds).unsqueeze(1)
        return poses[..., :3], poses[..., 3:]

    def _add_wrenches(self, forces: torch.Tensor, torques: torch.Tensor, worlds: torch.Tensor | None) -> None:
        self._state.wrenches.add(forces, torques, worlds)

    def _set_centers(self, positions: torch.Tensor, worlds: torch.Tensor | None) -> None:
        self._state.hold_velocities()
        self._centers.write(positions, worlds)

    @property
    def _shapes(self) -> BodyShapes:
        if self._primitives is None:
            raise CapabilityError(
                f"'{self.name}': a body from a file has no primitive shape and no density; set masses."
            )
        return self._primitives

    def get_rest_offsets(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        if self._primitives is None:
            return self._surfaces.rest_offsets(worlds).squeeze(1)
        return read_rows(self._primitives.rest_offsets, worlds, clone=True)

    def set_rest_offsets(self, offsets: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        offsets = self._properties("offsets", offsets, worlds, low=0.0).to(torch.float32)
        if self._primitives is None:
            self._surfaces.set_rest_offsets(offsets.unsqueeze(1), worlds)
            return
        self._surfaces.make_room(offsets.unsqueeze(1), worlds)
        self._primitives.set_rest_offsets(offsets, worlds)

    # Sizes

    def get_local_scales(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return read_rows(torch.ones(self.count, 3, device=self._worlds.device), self._index(indices))

    def set_local_scales(self, scales: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`. Shapes of running physics cannot change their size."""
        worlds = self._index(indices)
        scales = self._properties("scales", scales, worlds, 3)
        if bool((scales != 1.0).any()):
            require(self._worlds.engine, "scales", f"'{self.name}'", "State sizes in the scene.")

    def get_shapes(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return read_rows(self._shapes.numbers, self._index(indices), clone=True)

    def set_shapes(self, values: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        self._shapes.set(self._properties("values", values, worlds, check=self._shapes.check), worlds)

    def get_densities(self, indices: Indices = None, clone: bool = True) -> torch.Tensor:
        """See :class:`~oige_core.views.RigidPrimView`."""
        return read_rows(self._shapes.densities(), self._index(indices))

    def set_densities(self, densities: torch.Tensor, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        worlds = self._index(indices)
        densities = self._properties("densities", densities, worlds, low=_LOWEST_DENSITY).to(torch.float32)
        self._shapes.set_densities(densities, worlds)

    # Gravity

    def enable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._disable_gravities(0.0, indices)

    def disable_gravities(self, indices: Indices = None) -> None:
        """See :class:`~oige_core.views.RigidPrimView`."""
        self._disable_gravities(1.0, indices)

    def _disable_gravities(self, value: float, indices: Indices) -> None:
        worlds = self._index(indices)
        check_gravity_switch(self.name, self._element)
        count = self.count if worlds is None else len(worlds)
        values = torch.full((count, 1, 1), value, device=self._worlds.device)
        BodyProperty(self._state.gravity_disabled).write(values, worlds)

    # Saved states

    def state_dict(self) -> dict[str, Any]:
        """Return state and properties."""
        state = self._state
        state.frame.read()
        saved: dict[str, Any] = {"poses": state.frame.poses.clone(), "velocities": state.frame.velocities.clone()}
        saved |= {name: getattr(state, name).values.clone() for name in _SAVED}
        saved |= {"forces": state.wrenches.forces.clone(), "torques": state.wrenches.torques.clone()}
        saved |= {"surfaces": self._surfaces.state_dict()}
        if self._primitives is not None:
            saved["shapes"] = self._primitives.state_dict()
        if self._contacts is not None:
            saved["contacts"] = self._contacts.read(None)
        return saved | {"colors": self._colors.state_dict()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        state = self._state
        if self._primitives is not None:
            self._surfaces.make_room(saved["shapes"]["rest_offsets"].unsqueeze(1), None)
            self._primitives.load_state_dict(saved["shapes"])
        self._surfaces.load_state_dict(saved["surfaces"])
        for name in _SAVED:
            values = getattr(state, name)
            if not torch.equal(values.read(), saved[name].to("cpu")):
                values.values.copy_(saved[name])
                values.send()
        state.restore(None)
        state.frame.poses.copy_(saved["poses"])
        state.frame.velocities.copy_(saved["velocities"])
        state.wrenches.clear()
        if bool((saved["forces"] != 0).any()) or bool((saved["torques"] != 0).any()):
            state.wrenches.add(saved["forces"], saved["torques"], None)
        if self._contacts is not None:
            self._contacts.load(saved["contacts"])
        self._colors.load_state_dict(saved["colors"])


def _mass(element: BodyElement, prims: "RigidPrims") -> "MassProperties":
    """Return mass and inertia of a body in the scene."""
    if prims.description is not None:
        return prims.description.mass
    from oige_core.engines.isaacsim.usd.rigid import primitive_mass

    assert isinstance(element, RigidElement)
    return primitive_mass(element)


def _friction(element: BodyElement, prims: "RigidPrims") -> float | None:
    """Return the stated coefficient of friction of the first shape that collides, or of the first shape."""
    if prims.description is None:
        assert isinstance(element, RigidElement)
        return element.material.friction
    return max(prims.description.shapes, key=lambda shape: shape.collides).friction


_SAVED = ("masses", "coms", "inertias", "gravity_disabled")
