"""``ArticulationView`` over the view of the engine."""

import types
from collections.abc import Mapping
from typing import Any

import torch

from oige_compat.articulation_settings import ArticulationSettings
from oige_compat.errors import CompatError, caller
from oige_compat.physics_view import PhysicsView
from oige_compat.types import ArticulationActions, JointsState
from oige_compat.warp_arrays import serves_warp

__all__ = ["ArticulationView", "RobotView"]

UNLIMITED = torch.finfo(torch.float32).max
"""What PhysX returns for a joint without limits."""


@serves_warp
class ArticulationView(ArticulationSettings):
    """Articulations, one per world.

    Args:
        prim_paths_expr: path of a prim of the articulation, whose names are regular expressions.
        name: name in the scene.
        positional: as in :class:`~oige_compat.views.PrimView`.
        enable_dof_force_sensors: without effect; forces are measured where the script reads them.
        further: as in :class:`~oige_compat.views.PrimView`.
    """

    inner_names: Mapping[str, str] = types.MappingProxyType(
        {
            **ArticulationSettings.inner_names,
            "_body_names": "body_names",
            "_dof_names": "dof_names",
            "_num_bodies": "num_bodies",
            "_num_dof": "num_dof",
            "_physics_view": "physics_view",
        }
    )

    def __init__(
        self,
        prim_paths_expr: str,
        name: str = "articulation_prim_view",
        *positional: Any,
        enable_dof_force_sensors: bool = False,
        **further: Any,
    ) -> None:
        super().__init__(prim_paths_expr, name, *positional[:6], **further)
        self._has_gains = False
        self._targets: dict[str, torch.Tensor] = {}  # set while the drives had no gains

    def bind(self, engine_view: Any, bodies: int = 1) -> None:
        """Take the view of the engine."""
        super().bind(engine_view, bodies)
        self._look_up_gains()
        self._default_joints_state = self.get_joints_state()

    def _look_up_gains(self) -> None:
        self._has_gains = any(bool((gains != 0).any()) for gains in self._bound().get_gains())
        while self._has_gains and self._targets:
            name, targets = self._targets.popitem()
            getattr(self._bound(), name)(targets)

    @property
    def physics_view(self) -> PhysicsView:
        """What tasks of old versions read from PhysX."""
        return PhysicsView(self)

    @property
    def num_dof(self) -> int:
        """Number of degrees of freedom, ``d``."""
        return self._bound().num_dof

    @property
    def num_bodies(self) -> int:
        """Number of links, ``b``."""
        return self._bound().num_bodies

    @property
    def num_joints(self) -> int:
        """Number of joints between links."""
        return self.num_bodies - 1

    @property
    def num_fixed_tendons(self) -> int:
        """Number of fixed tendons, ``t``."""
        return self._bound().num_fixed_tendons

    @property
    def dof_names(self) -> list[str]:
        """Joint names in breadth-first order."""
        return self._bound().dof_names

    @property
    def body_names(self) -> list[str]:
        """Link names in breadth-first order."""
        return self._bound().body_names

    @property
    def joint_names(self) -> list[str]:
        """Joint names in breadth-first order."""
        return self._bound().dof_names

    @property
    def _num_dof(self) -> int:
        return self.num_dof

    @property
    def _num_bodies(self) -> int:
        return self.num_bodies

    @property
    def _dof_indices(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.dof_names)}

    @property
    def _body_indices(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.body_names)}

    def get_dof_index(self, dof_name: str) -> int:
        """Return the index of a joint."""
        return self._bound().get_dof_index(dof_name)

    def get_body_index(self, body_name: str) -> int:
        """Return the index of a link."""
        return self._bound().get_link_index(body_name)

    get_link_index = get_body_index

    def get_dof_limits(self, clone: bool = True) -> torch.Tensor:
        """Return limits ``(n, d, 2)`` in rad or m; the largest numbers for joints without limits."""
        return self._bound().get_dof_limits().clamp(-UNLIMITED, UNLIMITED)

    def get_joint_positions(self, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return positions ``(n, d)`` in rad or m."""
        return self._get("get_joint_positions", indices, joint_indices)

    def get_joint_velocities(self, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return velocities ``(n, d)`` in rad/s or m/s."""
        return self._get("get_joint_velocities", indices, joint_indices)

    def set_joint_positions(self, positions: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set positions ``(n, d)``, and the targets of the drives, as Isaac Sim does."""
        self._set("set_joint_positions", positions, indices, joint_indices)
        self.set_joint_position_targets(positions, indices, joint_indices)

    def set_joint_velocities(self, velocities: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set velocities ``(n, d)``, and the targets of the drives, as Isaac Sim does."""
        self._set("set_joint_velocities", velocities, indices, joint_indices)
        self.set_joint_velocity_targets(velocities, indices, joint_indices)

    def set_joint_position_targets(self, positions: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set the position targets ``(n, d)`` of the drives; without gains, they act once there are some."""
        self._set_targets("position", positions, indices, joint_indices)

    def set_joint_velocity_targets(self, velocities: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set the velocity targets ``(n, d)`` of the drives; without gains, they act once there are some."""
        self._set_targets("velocity", velocities, indices, joint_indices)

    def _set_targets(self, kind: str, values: Any, indices: Any, joint_indices: Any) -> None:
        name = f"set_joint_{kind}_targets"
        if self._has_gains:
            self._set(name, values, indices, joint_indices)
        elif values is not None:
            if name not in self._targets:
                start = self._default_joints_state.positions
                self._targets[name] = start.clone() if kind == "position" else torch.zeros_like(start)
            targets, worlds, joints = self._targets[name], self._select(indices), self._joints(joint_indices)
            rows = self._rows(values)
            if joints is None:
                targets[slice(None) if worlds is None else worlds] = rows
            else:
                columns = torch.as_tensor(joints, device=targets.device)
                lines = torch.arange(len(targets), device=targets.device) if worlds is None else worlds
                targets[lines.unsqueeze(-1), columns] = rows

    def set_joint_efforts(self, efforts: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set efforts ``(n, d)`` in N·m or N."""
        self._set("set_joint_efforts", efforts, indices, joint_indices)

    def get_applied_joint_efforts(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the efforts ``(n, d)`` that were set."""
        return self._get("get_applied_joint_efforts", indices, joint_indices)

    def get_measured_joint_efforts(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the efforts ``(n, d)`` of the drives."""
        return self._get("get_measured_joint_efforts", indices, joint_indices)

    def get_measured_joint_forces(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> torch.Tensor:
        """Return the wrenches ``(n, b, 6)`` that parents exert on links through their joints, in N and N·m."""
        return self._get("get_measured_joint_forces", indices, joint_indices)

    def get_gains(
        self, indices: Any = None, joint_indices: Any = None, clone: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return stiffnesses and dampings ``(n, d)`` of the drives."""
        return self._bound().get_gains(self._select(indices), self._joints(joint_indices))

    def set_gains(
        self,
        kps: Any = None,
        kds: Any = None,
        indices: Any = None,
        joint_indices: Any = None,
        save_to_usd: bool = False,
    ) -> None:
        """Set stiffnesses and dampings ``(n, d)`` of the drives."""
        rows = [None if gains is None else self._rows(gains) for gains in (kps, kds)]
        self._bound().set_gains(*rows, self._select(indices), self._joints(joint_indices))
        self._look_up_gains()

    def get_max_efforts(self, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return the maximum efforts ``(n, d)`` of the drives."""
        return self._get("get_max_efforts", indices, joint_indices)

    def set_max_efforts(self, values: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set the maximum efforts ``(n, d)`` of the drives."""
        self._set("set_max_efforts", values, indices, joint_indices)

    def get_armatures(self, indices: Any = None, joint_indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return armatures ``(n, d)`` in kg·m² or kg."""
        return self._get("get_armatures", indices, joint_indices)

    def set_armatures(self, values: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set armatures ``(n, d)`` in kg·m² or kg."""
        self._set("set_armatures", values, indices, joint_indices)

    def set_max_joint_velocities(self, values: Any, indices: Any = None, joint_indices: Any = None) -> None:
        """Set maximum velocities ``(n, d)`` in rad/s or m/s."""
        self._set("set_max_joint_velocities", values, indices, joint_indices)

    def switch_control_mode(self, mode: str, indices: Any = None, joint_indices: Any = None) -> None:
        """Control joints by ``position``, ``velocity`` or ``effort``, in all worlds.

        Raises:
            CompatError: only some worlds are selected.
        """
        if indices is not None and self._select(indices) is not None:
            raise CompatError(f"switch_control_mode(indices=…) (used in {caller()}): only all worlds are served.")
        self._bound().switch_control_mode(mode, self._joints(joint_indices))
        self._look_up_gains()

    def set_joints_default_state(self, positions: Any = None, velocities: Any = None, efforts: Any = None) -> None:
        """Set the state that a reset of the world restores."""
        rows = [None if value is None else self._rows(value) for value in (positions, velocities)]
        self._bound().set_joints_default_state(*rows)
        for name, value in zip(("positions", "velocities"), rows, strict=True):
            if value is not None:
                setattr(self._default_joints_state, name, value)

    def get_joints_default_state(self) -> JointsState:
        """Return the state that a reset of the world restores."""
        self._bound()
        return self._default_joints_state

    def get_joints_state(self) -> JointsState:
        """Return positions, velocities and efforts ``(n, d)``."""
        return JointsState(self.get_joint_positions(), self.get_joint_velocities(), self.get_applied_joint_efforts())

    def apply_action(self, control_actions: ArticulationActions, indices: Any = None) -> None:
        """Set targets and efforts of the drives; None keeps them."""
        joints = control_actions.joint_indices
        self.set_joint_position_targets(control_actions.joint_positions, indices, joints)
        self.set_joint_velocity_targets(control_actions.joint_velocities, indices, joints)
        self._set("set_joint_efforts", control_actions.joint_efforts, indices, joints)

    def get_jacobians(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return Jacobians of the links: without the root for a fixed base, as PhysX returns them."""
        jacobians = self._bound().get_jacobians(self._select(indices))
        return jacobians[:, 1:] if jacobians.shape[-1] == self.num_dof else jacobians

    def get_mass_matrices(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return mass matrices of the joints."""
        return self._bound().get_mass_matrices(self._select(indices))

    def get_generalized_gravity_forces(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return the forces ``(n, d)`` that hold the joints against gravity."""
        return self._bound().get_generalized_gravity_forces(self._select(indices))

    def get_coriolis_and_centrifugal_forces(self, indices: Any = None, clone: bool = True) -> torch.Tensor:
        """Return the forces ``(n, d)`` that keep the joints' velocities."""
        return self._bound().get_coriolis_and_centrifugal_forces(self._select(indices))


class RobotView(ArticulationView):
    """Robots, one per world."""
