"""State of an articulation in physics, which its view and those of its links share."""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import numpy as np
import torch

from oige_core.engines.isaacsim.tensors import Order, TensorRows, call, columns_of_paths, from_xyzw
from oige_core.engines.isaacsim.usd.description import RobotDescription
from oige_core.engines.isaacsim.usd.stage_map import ArticulationPrims
from oige_core.engines.isaacsim.views.body_state import BodyState, Written, com_offset
from oige_core.engines.isaacsim.views.colors import BodyColors
from oige_core.engines.isaacsim.views.properties import Property
from oige_core.engines.isaacsim.views.surfaces import Surfaces, material
from oige_core.engines.isaacsim.worlds import MAX_VALUE, IsaacWorlds
from oige_core.engines.joints import initial_positions
from oige_core.errors import OigeError
from oige_core.math import quat_to_matrix
from oige_core.math.products import matmul
from oige_core.scene.elements import ArticulationElement
from oige_core.selections import read_rows, write_rows

__all__ = ["ArticulationState"]

_LOWEST_MASS = 1e-6  # kg
_LOWEST_INERTIA = 1e-9  # kg·m²


def _nothing() -> None:
    pass


class ArticulationState:
    """Joints, root and links of an articulation in all worlds; see :class:`~oige_core.engines.isaacsim.worlds.Part`.

    Args:
        worlds: the running worlds.
        element: the articulation.

    Attributes:
        element: see above.
        description: the robot.
        prims: its prims in world 0.
        rows: rows of the worlds in the view of ``omni.physics.tensors``.
        dofs: its joints, in our order.
        links: its links without helpers, in our order.
        every_link: its links with helpers.
        root: pose and velocity of the root.
        positions: ``(num_envs, d)``; call :meth:`read_joints` before.
        velocities: ``(num_envs, d)``; call :meth:`read_joints` before.
        initial_joints: ``(2, num_envs, d)``: positions and velocities of a reset.
        masses: of every link.
        coms: centre of mass of every link ``(num_envs, links, 3)``.
        inertias: of every link about its centre of mass, along its axes ``(num_envs, links, 9)``.
        gravity_disabled: of every link.
        efforts: ``(num_envs, d)`` that joints exert besides their drives in each step.
        springs: stiffnesses, rest positions and dampings of springs that act beside drives; None: there are none.
        before_step: called before each physics step, to update the two.
        forces: ``(num_envs, b, 3)`` at the centres of mass of links, world frame, during the next control step.
        torques: likewise.
        joint_wrenches: ``(num_envs, links, 6)`` of the last physics step, as PhysX reports them; call
            :meth:`read_joint_wrenches` before.
        stepped: whether worlds have had a physics step since their last reset, ``(num_envs,)`` bool; likewise.
    """

    def __init__(self, worlds: IsaacWorlds, element: ArticulationElement) -> None:
        self._worlds, self.element = worlds, element
        self.prims: ArticulationPrims = worlds.stage_map.articulations[element.name]
        self.description: RobotDescription = self.prims.description
        view = worlds.simulation.create_articulation_view(worlds.pattern(self.prims.root_path))
        self.rows = TensorRows(view, list(view.prim_paths), worlds.num_envs, worlds.device)
        device, robot = worlds.device, self.description
        self.floating = robot.floating
        row_numbers = self.rows.order.numbers(torch.device("cpu")).tolist()
        link_paths, dof_paths = view.link_paths, view.dof_paths

        def columns(names: list[str], paths: dict[str, str], found: list[list[str]]) -> Order:
            wanted = [paths[name] for name in names]
            numbers = columns_of_paths(wanted, found, row_numbers, element.name)
            return Order(numbers, len(found[0]), device)

        every = [link.name for link in robot.links]
        self.links = columns(robot.body_names, self.prims.link_paths, link_paths)
        self.every_link = columns(every, self.prims.link_paths, link_paths)
        self.dofs = columns(robot.dof_names, self.prims.joint_paths, dof_paths)
        self.shown = torch.tensor([every.index(name) for name in robot.body_names], device=device)
        if self.dofs.size != len(robot.dof_names) or self.every_link.size != len(every):
            raise OigeError(
                f"'{element.name}': physics has {self.every_link.size} links and {self.dofs.size} joints, expected "
                f"{len(every)} and {len(robot.dof_names)}; write its file again with oige-usd."
            )
        self.properties: dict[str, Property] = {}
        self.masses = self.link_property("mass", "get_masses", "set_masses")
        self.coms = self.link_property("centre of mass", "get_coms", "set_coms", slice(3))
        self.inertias = self.link_property("inertia", "get_inertias", "set_inertias")
        names = "get_disable_gravities", "set_disable_gravities"
        self.gravity_disabled = self.link_property("disabled gravity", *names)
        self._write_masses()
        methods = ("get_root_transforms", "set_root_transforms", "get_root_velocities", "set_root_velocities")
        pose = (*element.position, *element.orientation)
        self.root = BodyState(worlds, self.rows, methods, lambda: self.coms.values[:, 0], pose, moves=self.floating)
        shape = (worlds.num_envs, self.num_dof)
        start = torch.as_tensor(self._initial_positions(), dtype=torch.float32, device=device)
        self.initial_joints = torch.stack((start.expand(shape), torch.zeros(shape, device=device)))
        self.positions, self.velocities = self.initial_joints.clone()
        self.efforts = torch.zeros(shape, device=device)
        self.springs: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None
        self.before_step: Callable[[], None] = _nothing
        self.forces = torch.zeros(worlds.num_envs, len(robot.body_names), 3, device=device)
        self.torques = torch.zeros_like(self.forces)
        self._wrenches_pending = False
        self.joint_wrenches = torch.zeros(worlds.num_envs, len(every), 6, device=device)
        self.stepped = torch.zeros(worlds.num_envs, dtype=torch.bool, device=device)
        self._joint_wrenches_stale = False
        self._stale = False
        self._written = Written(worlds)
        self._written.add(None)
        self._link_poses: tuple[torch.Tensor, torch.Tensor] | None = None
        prismatic = [joint.kind == "prismatic" for joint in robot.moving_joints]
        self._slides = torch.tensor(prismatic, dtype=torch.bool, device=device)

    @contextlib.contextmanager
    def keep_velocities(self) -> Iterator[None]:
        """Context that moves centres of mass, and keeps the velocities of origins."""
        self.root.read()
        yield
        if self.floating:
            self.root.set_velocities(self.root.velocities.clone(), None)
        self._link_poses = None

    def link_property(self, what: str, getter: str, setter: str, part: slice = slice(None)) -> Property:
        """Return a property of every link, helpers included, which saved states contain."""
        return self._property(Property(self.rows, what, getter, setter, self.every_link, self._worlds.device, part))

    def _property(self, one: Property) -> Property:
        self.properties[one.what] = one
        return one

    def _write_masses(self) -> None:
        """Write masses, centres of mass and inertias, of which physics takes none of zero."""
        links, device = [link.mass for link in self.description.links], self._worlds.device

        def tensor(values: list[Any]) -> torch.Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        axes = quat_to_matrix(tensor([link.axes for link in links]))
        moments = tensor([link.inertia for link in links]).clamp(min=_LOWEST_INERTIA)
        inertias = matmul(axes * moments.unsqueeze(-2), axes.transpose(-1, -2)).flatten(-2)
        for one, values in (
            (self.masses, tensor([link.mass for link in links]).clamp(min=_LOWEST_MASS)),
            (self.inertias, inertias),
            (self.coms, tensor([link.center for link in links])),
        ):
            one.values[:] = values
            one.send()

    @cached_property
    def surfaces(self) -> Surfaces:
        """Materials and offsets of the shapes of links without helpers."""
        worlds, links = self._worlds, {link.name: link for link in self.description.links}
        names, default = self.description.body_names, worlds.sim.default_physics_material
        colliding = [[shape for shape in links[name].shapes if shape.collides] for name in names]
        materials = [material(shapes[0].friction, default) if shapes else None for shapes in colliding]

        def find_rows() -> list[TensorRows]:
            return [self._rows_of_link(self.prims.link_paths[name]) for name in names]

        factors = worlds.stage_map.friction.factor
        return Surfaces(find_rows, materials, factors, worlds.num_envs, worlds.device)

    @cached_property
    def colors(self) -> BodyColors:
        """Colours of links without helpers."""
        paths = [self.prims.link_paths[name] for name in self.description.body_names]
        return BodyColors(self._worlds, paths)

    def _rows_of_link(self, path: str) -> TensorRows:
        worlds = self._worlds
        view = worlds.simulation.create_rigid_body_view(worlds.pattern(path))
        return TensorRows(view, list(view.prim_paths), worlds.num_envs, worlds.device)

    def joint_property(self, what: str, getter: str, setter: str) -> Property:
        """Return a property of the joints, which saved states contain."""
        return self._property(Property(self.rows, what, getter, setter, self.dofs, self._worlds.device))

    def check(self) -> None:
        """Compare properties with those that physics has.

        Raises:
            OigeError: one differs.
        """
        links, joints = [link.name for link in self.description.links], self.description.dof_names
        for one in self.properties.values():
            one.check(links if one.of(self.every_link) else joints, self.element.name)

    @property
    def num_dof(self) -> int:
        """Number of joints that move."""
        return len(self.description.moving_joints)

    def _initial_positions(self) -> np.ndarray:
        joints = self.description.moving_joints
        limits = [joint.limits or (-np.inf, np.inf) for joint in joints]
        units = ["m" if joint.kind == "prismatic" else "rad" for joint in joints]
        reference = np.array([joint.reference for joint in joints], dtype=np.float64)
        return initial_positions(self.element, self.description.dof_names, limits, units, reference)

    # Joints

    def read_joints(self) -> None:
        """Bring positions and velocities of joints up to date with the last step."""
        if self._stale:
            self._stale = False
            self.positions.copy_(self.dofs.pick(self.rows.read("get_dof_positions"), dim=1))
            self.velocities.copy_(self.dofs.pick(self.rows.read("get_dof_velocities"), dim=1))

    def wrote_joints(self, worlds: torch.Tensor | None) -> None:
        """Mark positions or velocities of joints in a selection of worlds as written."""
        self._written.add(worlds)

    def to_dofs(self, values: torch.Tensor) -> torch.Tensor:
        """Return values ``(num_envs, d)`` in the order of columns of the view."""
        columns = torch.empty_like(values)
        self.dofs.put(columns, values, dim=1)
        return columns

    def send_targets(self, positions: torch.Tensor, velocities: torch.Tensor) -> None:
        """Send targets ``(num_envs, d)`` of drives to physics."""
        self.rows.write("set_dof_position_targets", self.to_dofs(self._safe(positions)))
        self.rows.write("set_dof_velocity_targets", self.to_dofs(self._safe(velocities)))

    # Links

    def link_poses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(num_envs, links, 3)`` and orientations of every link, helpers included."""
        self._worlds.update_kinematics()
        if self._link_poses is None:
            poses = self.every_link.pick(self.rows.read("get_link_transforms"), dim=1)
            positions = poses[..., :3] - self._worlds.origins.unsqueeze(1)
            self._link_poses = positions, from_xyzw(poses[..., 3:])
        return self._link_poses

    def link_velocities(self) -> torch.Tensor:
        """Return velocities of the origins of every link ``(num_envs, links, 6)``."""
        orientations = self.link_poses()[1]
        velocities = self.every_link.pick(self.rows.read("get_link_velocities"), dim=1).clone()
        arms = com_offset(orientations, self.coms.values)
        velocities[..., :3] -= torch.linalg.cross(velocities[..., 3:], arms)
        return velocities

    def read_joint_wrenches(self) -> None:
        """Bring the wrenches of joints up to date with the last step."""
        if self._joint_wrenches_stale:
            self._joint_wrenches_stale = False
            found = self.rows.read("get_link_incoming_joint_force")
            self.joint_wrenches.copy_(self.every_link.pick(found, dim=1))
            self.stepped.fill_(True)

    def add_wrenches(self, forces: torch.Tensor, torques: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Add forces at centres of mass and torques ``(n, b, 3)`` in the world frame to the next control step."""
        for target, values in ((self.forces, forces), (self.torques, torques)):
            write_rows(target, read_rows(target, worlds) + values, worlds)
        self._wrenches_pending = True

    # Part

    def flush(self) -> bool:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        moved = self.root.flush()
        if self._written:
            moved = True
            written = self._written.take()
            good = (self.positions.abs() <= MAX_VALUE) & (self.velocities.abs() <= MAX_VALUE)
            lost = written & ~good.all(dim=1)
            self._worlds.mark_diverged(lost)
            for target, values in zip((self.positions, self.velocities), self.initial_joints, strict=True):
                write_rows(target, values, lost)
            if self.num_dof:
                self.rows.write("set_dof_positions", self.to_dofs(self.positions), written)
                self.rows.write("set_dof_velocities", self.to_dofs(self.velocities), written)
        if moved:
            self._link_poses = None
        return moved

    def send_commands(self) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        if self.num_dof:
            self.before_step()
            efforts = self.efforts
            if self.springs is not None:
                stiffness, rest, damping = self.springs
                positions = self.dofs.pick(self.rows.read("get_dof_positions"), dim=1)
                velocities = self.dofs.pick(self.rows.read("get_dof_velocities"), dim=1)
                efforts = efforts + stiffness * (rest - positions) - damping * velocities
            self.rows.write("set_dof_actuation_forces", self.to_dofs(self._safe(efforts)))
        if self._wrenches_pending:
            shape = (self._worlds.num_envs, self.every_link.size, 3)
            data = [torch.zeros(shape, device=self._worlds.device) for _ in range(2)]
            for target, values in zip(data, (self.forces, self.torques), strict=True):
                self.links.put(target, self._safe(values), dim=1)
            self._send_wrenches(*data)

    def _send_wrenches(self, forces: torch.Tensor, torques: torch.Tensor) -> None:
        rows = self.rows.order
        ordered = []
        for values in (forces, torques):
            target = values.new_zeros(rows.size, *values.shape[1:])
            rows.put(target, values)
            ordered.append(target)
        indices = rows.numbers(forces.device).to(torch.int32)
        call(self.rows.view, "apply_forces_and_torques_at_position", *ordered, None, indices, True)

    def _safe(self, values: torch.Tensor) -> torch.Tensor:
        """Replace numbers that physics cannot take by zero; their worlds have diverged."""
        bad = ~(values.abs() <= MAX_VALUE)
        self._worlds.mark_diverged(bad.flatten(1).any(dim=1))
        return values.masked_fill(bad, 0.0)

    def after_step(self) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        self.root.after_step()
        self._stale = self._joint_wrenches_stale = True
        self._link_poses = None
        if self._wrenches_pending:
            self.forces.zero_()
            self.torques.zero_()
            self._wrenches_pending = False

    def find_problems(self, worlds: IsaacWorlds) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        sim = worlds.sim
        self.read_joints()
        worlds.check_state(self.positions, MAX_VALUE)
        worlds.check_state(self.positions[:, self._slides], sim.max_position)
        worlds.check_state(self.velocities, sim.max_velocity)
        if self.floating:
            self.root.read()
            worlds.check_state(self.root.poses[:, :3], sim.max_position)
            worlds.check_state(self.root.velocities, sim.max_velocity)

    def restore(self, worlds: torch.Tensor | None) -> None:
        """See :class:`~oige_core.engines.isaacsim.worlds.Part`."""
        if self.element.track_joint_forces:
            self.read_joint_wrenches()
            for target in (self.joint_wrenches, self.stepped):
                write_rows(target, torch.zeros_like(read_rows(target, worlds)), worlds)
        self.root.restore(worlds)
        self.read_joints()
        for target, values in zip((self.positions, self.velocities), self.initial_joints, strict=True):
            write_rows(target, read_rows(values, worlds), worlds)
        self._written.add(worlds)
        for target in (self.forces, self.torques):
            write_rows(target, torch.zeros_like(read_rows(target, worlds)), worlds)

    def state_dict(self) -> dict[str, Any]:
        """Return positions, velocities, wrenches and properties."""
        self.read_joints()
        self.root.read()
        self.read_joint_wrenches()
        return {
            "joints": torch.stack((self.positions, self.velocities)),
            "initial_joints": self.initial_joints.clone(),
            "root_poses": self.root.poses.clone(),
            "root_velocities": self.root.velocities.clone(),
            "wrenches": torch.stack((self.forces, self.torques)),
            "wrenches_pending": self._wrenches_pending,
            "joint_wrenches": self.joint_wrenches.clone(),
            "stepped": self.stepped.clone(),
            "properties": {what: one.values.clone() for what, one in self.properties.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for what, values in state["properties"].items():
            self.properties[what].load(values)
        self.root.set_poses(state["root_poses"][:, :3], state["root_poses"][:, 3:], None)
        self.root.set_velocities(state["root_velocities"], None)
        self.read_joints()
        for target, values in zip((self.positions, self.velocities), state["joints"], strict=True):
            target.copy_(values)
        self.initial_joints.copy_(state["initial_joints"])
        self._written.add(None)
        for target, values in zip((self.forces, self.torques), state["wrenches"], strict=True):
            target.copy_(values)
        self._wrenches_pending = state["wrenches_pending"]
        self.joint_wrenches.copy_(state["joint_wrenches"])
        self.stepped.copy_(state["stepped"])
        self._joint_wrenches_stale = False
