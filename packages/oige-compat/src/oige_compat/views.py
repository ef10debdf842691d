"""``XFormPrimView``, ``RigidPrimView`` and ``ArticulationView`` over the views of the engine.

Poses are those of Isaac Sim: in the frame of the stage, on which worlds stand beside each other. Indices select worlds;
in a view of several bodies per world they select bodies, those of a world one after the other. Getters return copies,
also with ``clone=False``: in Isaac Sim, scripts may write to what they get.
"""

import types
from collections.abc import Callable, Mapping
from typing import Any

import torch
from oige_core.math import quat_apply, quat_apply_inverse, quat_conjugate, quat_mul
from pxr import Usd

from oige_compat.errors import CompatError, TellsMissing, caller, refuse_parameters
from oige_compat.session import session
from oige_compat.stage import matching_prims, pose_in_world
from oige_compat.startup import POSITIONAL, StartupValues
from oige_compat.warp_arrays import serves_warp

__all__ = ["MovingView", "PrimView", "RigidPrimView", "XFormPrimView"]


_NEUTRAL = {"usd", "disable_stablization", "max_contact_count"}
"""Parameters that change nothing here."""


class PrimView(TellsMissing):
    """Prims of all worlds, and how indices select them.

    Args:
        prim_paths_expr: path whose names are regular expressions.
        name: name in the scene.
        positional: ``positions``, ``translations``, ``orientations`` and ``scales``, if they are not named.
        further: these and velocities, with which the worlds begin.

    Raises:
        CompatError: there are other parameters.
    """

    track_contact_forces = False
    _non_root_link = False
    inner_names: Mapping[str, str] = types.MappingProxyType({"_count": "count", "_prim_paths": "prim_paths"})
    """Public names by those of Isaac Sim's own fields, which some tasks read."""

    def __init__(self, prim_paths_expr: str, name: str = "view", *positional: Any, **further: Any) -> None:
        refuse_parameters(type(self), further.keys() - {*POSITIONAL, *_NEUTRAL})
        self._regex_prim_paths, self._name = prim_paths_expr, name
        self._engine_view: Any = None
        self._bodies = 1
        self._parent_poses: tuple[torch.Tensor, ...] | None = None  # empty: those of the worlds' prims
        self._startup = StartupValues(self, {**dict(zip(POSITIONAL, positional, strict=False)), **further})
        session().views.append(self)

    @property
    def name(self) -> str:
        """Name in the scene."""
        return self._name

    @property
    def count(self) -> int:
        """Number of prims in all worlds."""
        return self._num_worlds * (self._bodies if self.initialized else max(1, len(self.prims)))

    @property
    def prim_paths(self) -> list[str]:
        """Paths of the prims in all worlds, those of a world one after the other."""
        first = [path for path, _ in matching_prims(self._regex_prim_paths)]
        worlds = session().env_paths
        return [path.replace(worlds[0], world, 1) for world in worlds for path in first] if worlds else first

    @property
    def prims(self) -> list[Usd.Prim]:
        """The prims of the first world."""
        return [prim for _, prim in matching_prims(self._regex_prim_paths)]

    @property
    def initialized(self) -> bool:
        """Whether the worlds exist."""
        return self._engine_view is not None

    def is_physics_handle_valid(self) -> bool:
        """Whether the worlds exist."""
        return self.initialized

    def initialize(self, physics_sim_view: Any = None) -> None:
        """Check that the worlds exist and have these prims.

        Raises:
            CompatError: they do not.
        """
        self._bound()

    def post_reset(self) -> None:
        """Set the poses and velocities again that the constructor got; the worlds restore the rest."""
        if self.initialized:
            self._startup.place()

    def bind(self, engine_view: Any, bodies: int = 1) -> None:
        """Take the view of the engine, which has so many bodies per world, and give it what was set before."""
        self._engine_view, self._bodies, self._parent_poses = engine_view, bodies, None
        self._startup.apply(bodies)

    def get_local_scales(self, indices: Any = None) -> torch.Tensor:
        """Return sizes ``(n, 3)`` along x, y and z, relative to those of the USD file."""
        scales, selected = self._startup.read("scales").to(self._device), self._select(indices)
        return scales if selected is None else scales[selected]

    def set_local_scales(self, scales: Any, indices: Any = None) -> None:
        """Set sizes ``(n, 3)`` before the worlds exist."""
        self._startup.write("scales", scales, indices)

    def __getattr__(self, name: str) -> Any:
        if name in self.inner_names:
            return getattr(self, self.inner_names[name])
        return super().__getattr__(name)

    @property
    def _num_worlds(self) -> int:
        return max(1, len(session().env_paths))

    @property
    def _device(self) -> torch.device:
        engine = session().engine
        return torch.device("cpu") if engine is None else engine.device

    def _bound(self) -> Any:
        if self._engine_view is None:
            raise CompatError(
                f"view '{self._name}' of {self._regex_prim_paths} (used in {caller()}): its prims were not built; "
                "create the view in set_up_scene, and check the expression."
            )
        return self._engine_view

    def _rows(self, values: Any) -> torch.Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._device)

    def _select(self, indices: Any) -> torch.Tensor | None:
        """Return indices as the engine takes them, also for a mask; None for all prims in their order.

        Raises:
            CompatError: they are neither whole numbers nor a mask of all prims.
        """
        if indices is None:
            return None
        given = torch.as_tensor(indices, device=self._device)
        is_mask = given.dtype == torch.bool
        if (is_mask and given.shape != (self.count,)) or (given.is_floating_point() and given.numel()):
            raise CompatError(
                f"indices of view '{self._name}' (used in {caller()}): {str(given.dtype).removeprefix('torch.')} of "
                f"shape {tuple(given.shape)}; expected whole numbers, or a mask of shape ({self.count},)."
            )
        selected = given.nonzero().squeeze(-1) if is_mask else torch.atleast_1d(given).long()
        # Tasks often pass all indices, for which engines have a faster path. On a GPU, the comparison would wait.
        if len(selected) == self.count and selected.device.type == "cpu":
            return None if torch.equal(selected, torch.arange(self.count)) else selected
        return selected

    def _read(self, getter: Callable[..., torch.Tensor], indices: Any) -> torch.Tensor:
        """Return one row per selected prim."""
        selected = self._select(indices)
        if self._bodies == 1:
            return getter(selected)
        rows = getter(None).flatten(0, 1)
        return rows if selected is None else rows[selected]

    def _full(self, values: Any, indices: Any, others: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return values ``(num_envs, bodies, …)``, with those of ``others`` where nothing is selected."""
        rows, selected = self._rows(values), self._select(indices)
        if selected is not None:
            kept = others().flatten(0, 1).clone()
            kept[selected] = rows
            rows = kept
        return rows.unflatten(0, (self._num_worlds, self._bodies))

    def _offsets(self, indices: Any) -> torch.Tensor:
        """Return what to add to positions of the engine."""
        return self._of_bodies(session().offsets, indices)

    def _origins(self, indices: Any) -> torch.Tensor:
        """Return positions of the worlds on the stage."""
        return self._of_bodies(session().offsets + session().places.to(self._device), indices)

    def _of_bodies(self, offsets: torch.Tensor, indices: Any) -> torch.Tensor:
        selected = self._select(indices)
        if self._bodies > 1:
            offsets = offsets.repeat_interleave(self._bodies, dim=0)
        return offsets if selected is None else offsets[selected]


@serves_warp
class XFormPrimView(PrimView):
    """Poses of prims."""

    def get_world_poses(
        self, indices: Any = None, clone: bool = True, usd: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m on the stage and orientations ``(n, 4)``.

        Before the worlds exist, they are those of the prims on the stage.
        """
        if session().engine is None:
            return self._stage_poses(indices)
        view, selected = self._bound(), self._select(indices)
        if self._bodies == 1:
            positions, orientations = view.get_world_poses(selected)
        else:
            positions, orientations = (rows.flatten(0, 1) for rows in view.get_world_poses())
            if selected is not None:
                positions, orientations = positions[selected], orientations[selected]
        return positions + self._offsets(indices), orientations

    def _stage_poses(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor]:
        prims = [prim for _, prim in matching_prims(self._regex_prim_paths)]
        if not prims:
            raise CompatError(f"view '{self._name}' (used in {caller()}): no prim matches {self._regex_prim_paths}.")
        poses = [pose_in_world(prim) for prim in prims]
        selected = slice(None) if indices is None else torch.as_tensor(indices).long()
        offsets = session().offsets.repeat_interleave(len(prims), dim=0)
        positions, orientations = (self._rows(rows).repeat(self._num_worlds, 1) for rows in zip(*poses, strict=True))
        return (positions + offsets.to(positions))[selected], orientations[selected]

    def get_local_poses(self, indices: Any = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return positions ``(n, 3)`` in m and orientations ``(n, 4)`` in the parents of the prims.

        A parent stays where the stage has it, also if it is a body that moves, as in Isaac Sim.
        """
        positions, orientations = self.get_world_poses(indices)
        positions = positions - self._origins(indices)
        parents = self._parents(indices)
        if parents is None:
            return positions, orientations
        place, turn = parents
        return quat_apply_inverse(turn, positions - place), quat_mul(quat_conjugate(turn), orientations)

    def set_world_poses(
        self, positions: Any = None, orientations: Any = None, indices: Any = None, usd: bool = True
    ) -> None:
        """Set positions ``(n, 3)`` in m on the stage and orientations ``(n, 4)``."""
        local = None if positions is None else self._rows(positions) - self._offsets(indices)
        turned = None if orientations is None else self._rows(orientations)
        view = self._bound()
        if self._bodies == 1:
            view.set_world_poses(local, turned, self._select(indices))
            return
        full = [
            None if rows is None else self._full(rows, indices, lambda number=number: view.get_world_poses()[number])
            for number, rows in enumerate((local, turned))
        ]
        view.set_world_poses(*full)

    def set_local_poses(self, translations: Any = None, orientations: Any = None, indices: Any = None) -> None:
        """Set positions ``(n, 3)`` in m and orientations ``(n, 4)`` in the parents of the prims."""
        place = None if translations is None else self._rows(translations)
        turn = None if orientations is None else self._rows(orientations)
        parents = self._parents(indices)
        if parents is not None:
            place = None if place is None else quat_apply(parents[1], place) + parents[0]
            turn = None if turn is None else quat_mul(parents[1], turn)
        self.set_world_poses(None if place is None else place + self._origins(indices), turn, indices)

    def _parents(self, indices: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return poses ``(n, 3)`` and ``(n, 4)`` of the parents in their worlds; None if they are the worlds' prims."""
        if self._parent_poses is None:
            self._parent_poses = self._look_up_parents()
        selected, poses = self._select(indices), self._parent_poses
        return None if not poses else tuple(rows if selected is None else rows[selected] for rows in poses)  # pyright: ignore

    def _look_up_parents(self) -> tuple[torch.Tensor, ...]:
        above = [prim.GetParent() for prim in self.prims] or [
            prim for _, prim in matching_prims(self._regex_prim_paths.rpartition("/")[0])
        ]
        poses = list(dict.fromkeys(pose_in_world(prim) for prim in above))
        if poses in ([], [((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))]):
            return ()
        if len(poses) > 1:
            poses = [pose_in_world(prim) for prim in above]
            if self.initialized and len(poses) != self._bodies:
                raise CompatError(
                    f"view '{self._name}' of {self._regex_prim_paths} (used in {caller()}): local poses are not "
                    "served, because not all of its prims are bodies, and their parents differ; use world poses."
                )
        rows = (torch.tensor(part, dtype=torch.float32, device=self._device) for part in zip(*poses, strict=True))
        bodies = self._bodies if self.initialized else len(above)
        return tuple(part.repeat(self._num_worlds * bodies // len(poses), 1) for part in rows)

    def is_valid(self, indices: Any = None) -> bool:
        """Whether there are such prims."""
        return bool(self.prims)

    def set_default_state(
        self, positions: Any = None, orientations: Any = None, *velocities: Any, indices: Any = None, **further: Any
    ) -> None:
        """Say that a reset of the world restores the state at which the worlds were built."""
        session().note(
            f"set_default_state of '{self._name}': the state that world.reset restores; here it restores that at which "
            "the worlds were built."
        )

    def set_visibilities(self, visibilities: Any, indices: Any = None) -> None:
        """Do nothing: there is no window."""


@serves_warp
class MovingView(XFormPrimView):
    """Velocities of bodies, or of roots of articulations."""

    def get_velocities(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return linear and angular velocities ``(n, 6)`` in m/s and rad/s."""
        return self._read(lambda rows: self._bound().get_velocities(rows), indices)

    def get_linear_velocities(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return linear velocities ``(n, 3)`` in m/s."""
        return self.get_velocities(indices, clone)[:, 0:3]

    def get_angular_velocities(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return angular velocities ``(n, 3)`` in rad/s."""
        return self.get_velocities(indices, clone)[:, 3:6]

    def set_velocities(self, velocities: Any, indices: Any = None) -> None:
        """Set linear and angular velocities ``(n, 6)``."""
        view = self._bound()
        if self._bodies == 1:
            view.set_velocities(self._rows(velocities), self._select(indices))
        else:
            view.set_velocities(self._full(velocities, indices, view.get_velocities))

    def set_linear_velocities(self, velocities: Any, indices: Any = None) -> None:
        """Set linear velocities ``(n, 3)`` in m/s."""
        self._set_half(velocities, indices, slice(0, 3), "set_linear_velocities")

    def set_angular_velocities(self, velocities: Any, indices: Any = None) -> None:
        """Set angular velocities ``(n, 3)`` in rad/s."""
        self._set_half(velocities, indices, slice(3, 6), "set_angular_velocities")

    def _set_half(self, velocities: Any, indices: Any, columns: slice, name: str) -> None:
        if self._bodies == 1:
            getattr(self._bound(), name)(self._rows(velocities), self._select(indices))
        else:
            both = self.get_velocities(indices).clone()
            both[:, columns] = self._rows(velocities)
            self.set_velocities(both, indices)


@serves_warp
class RigidPrimView(MovingView):
    """Rigid bodies, or links of articulations.

    Args:
        prim_paths_expr: path whose names are regular expressions.
        name: name in the scene.
        positional: as named ones, in the order of :data:`~oige_compat.startup.POSITIONAL`.
        track_contact_forces: whether :meth:`get_net_contact_forces` will be called.
        prepare_contact_sensors: without effect; ``track_contact_forces`` prepares what is needed.
        contact_filter_prim_paths_expr: not served.
        further: ``masses`` in kg and ``densities`` in kg/m³, ``(n,)``, and what :class:`PrimView` takes.

    Raises:
        CompatError: contacts are to be measured by pairs of bodies.
    """

    def __init__(
        self,
        prim_paths_expr: str,
        name: str = "rigid_prim_view",
        *positional: Any,
        track_contact_forces: bool = False,
        prepare_contact_sensors: bool = True,
        contact_filter_prim_paths_expr: list[str] | None = None,
        **further: Any,
    ) -> None:
        if contact_filter_prim_paths_expr:
            raise CompatError(
                f"RigidPrimView(contact_filter_prim_paths_expr=…) (used in {caller()}): forces by pairs of bodies are "
                "not served; read net forces."
            )
        self.track_contact_forces = track_contact_forces or any(positional[len(POSITIONAL) :][:1])
        super().__init__(prim_paths_expr, name, *positional, **further)

    def apply_forces(self, forces: Any, indices: Any = None, is_global: bool = True) -> None:
        """Apply forces ``(n, 3)`` in N at the centres of mass during the next physics step."""
        self.apply_forces_and_torques_at_pos(forces, indices=indices, is_global=is_global)

    def apply_forces_and_torques_at_pos(
        self,
        forces: Any = None,
        torques: Any = None,
        positions: Any = None,
        indices: Any = None,
        is_global: bool = True,
    ) -> None:
        """Apply wrenches during the next physics step: in N and N·m, at positions in m, ``(n, 3)`` each."""
        given = [None if value is None else self._rows(value).reshape(-1, 3) for value in (forces, torques, positions)]
        if given[2] is not None and is_global:
            given[2] = given[2] - self._offsets(indices)
        view = self._bound()
        if self._bodies == 1:
            view.apply_forces_and_torques_at_pos(*given, indices=self._select(indices), is_global=is_global)
            return

        def zeros() -> torch.Tensor:
            return torch.zeros(self._num_worlds, self._bodies, 3, device=self._device)

        full = [None if value is None else self._full(value, indices, zeros) for value in given]
        view.apply_forces_and_torques_at_pos(*full, is_global=is_global)

    def get_net_contact_forces(self, indices: Any = None, clone: bool = True, dt: float = 1.0) -> torch.Tensor:
        """Return impulses of contacts in the last physics step divided by ``dt``, ``(n, 3)`` in N·s / s."""
        engine = session().engine
        assert engine is not None
        forces = self._read(lambda rows: self._bound().get_net_contact_forces(rows), indices)
        return forces * (engine.physics_dt / dt)

    def get_masses(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return masses ``(n,)`` in kg; before the worlds exist, 0 where no mass is stated."""
        if not self.initialized:
            return self._unbuilt("masses", indices)
        return self._read(lambda rows: self._bound().get_masses(rows), indices)

    def set_masses(self, masses: Any, indices: Any = None) -> None:
        """Set masses ``(n,)`` in kg; before the worlds exist, inertias follow."""
        if not self.initialized:
            self._startup.write("masses", masses, indices)
            return
        view = self._bound()
        if self._bodies == 1:
            view.set_masses(self._rows(masses), self._select(indices))
        else:
            view.set_masses(self._full(masses, indices, view.get_masses))

    def get_densities(self, indices: Any = None) -> torch.Tensor:
        """Return densities ``(n,)`` in kg/m³; before the worlds exist, 0 where none is stated."""
        if not self.initialized:
            return self._unbuilt("densities", indices)
        return self._read(lambda rows: self._bound().get_densities(rows), indices)

    def set_densities(self, densities: Any, indices: Any = None) -> None:
        """Set densities ``(n,)`` in kg/m³; masses and inertias follow."""
        if not self.initialized:
            self._startup.write("densities", densities, indices)
        elif self._bodies == 1:
            self._bound().set_densities(self._rows(densities), self._select(indices))
        else:
            self._bound().set_densities(self._full(densities, indices, self._bound().get_densities))

    def _unbuilt(self, name: str, indices: Any) -> torch.Tensor:
        values, selected = self._startup.read(name), self._select(indices)
        return values if selected is None else values[selected]

    def get_inertias(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return inertia matrices ``(n, 9)`` in kg·m²."""
        return self._read(lambda rows: self._bound().get_inertias(rows), indices)

    def set_inertias(self, values: Any, indices: Any = None) -> None:
        """Set inertia matrices ``(n, 9)`` in kg·m²."""
        view = self._bound()
        if self._bodies == 1:
            view.set_inertias(self._rows(values), self._select(indices))
        else:
            view.set_inertias(self._full(values, indices, view.get_inertias))

    def get_coms(self, indices: Any = None, clone: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return centres of mass ``(n, 3)`` in m in the bodies' frames, and orientations ``(n, 4)``, which are 1."""
        positions = self._read(lambda rows: self._bound().get_coms(rows), indices)
        orientations = torch.zeros(len(positions), 4, device=positions.device)
        orientations[:, 0] = 1.0
        return positions, orientations

    def enable_gravities(self, indices: Any = None) -> None:
        """Let gravity act on the bodies: if there are several per world, on all of a world."""
        self._bound().enable_gravities(self._whole_worlds(indices, "enable_gravities"))

    def disable_gravities(self, indices: Any = None) -> None:
        """Let gravity not act on the bodies: if there are several per world, on none of a world."""
        self._bound().disable_gravities(self._whole_worlds(indices, "disable_gravities"))

    def _whole_worlds(self, indices: Any, name: str) -> torch.Tensor | None:
        """Return the worlds of all of whose bodies are selected; None for all worlds."""
        selected = self._select(indices)
        if selected is None or self._bodies == 1:
            return selected
        chosen = torch.zeros(self._num_worlds, self._bodies, dtype=torch.bool, device=self._device)
        chosen.view(-1)[selected] = True
        if bool((chosen.any(dim=1) != chosen.all(dim=1)).any()):
            raise CompatError(
                f"{name} of view '{self._name}' (used in {caller()}): expected all {self._bodies} bodies of a world; "
                "use a view for each body."
            )
        return chosen.all(dim=1).nonzero().squeeze(-1)
