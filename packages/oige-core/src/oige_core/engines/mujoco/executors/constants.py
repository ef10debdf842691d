"""Constants that MuJoCo derives from a model at its reference position, per world on MuJoCo Warp."""

from collections.abc import Iterable
from typing import Any

import mujoco
import mujoco_warp as mjw
import numpy as np
import torch
import warp as wp

# There are no public functions for these parts of ``set_const``.
from mujoco_warp._src.set_const import _compute_eq_data0, _copy_body_to_mocap, _copy_qpos0_to_qpos
from mujoco_warp._src.smooth import tendon_armature

from oige_core.engines.mujoco.executors import constants_kernels as kernels
from oige_core.selections import is_mask

__all__ = ["DerivedConstants"]

# Fields that bounds of shapes and masses of subtrees depend on, and fields that constants at the reference position do.
_FIXED = {"body_mass": ("body_subtreemass",), "geom_size": ("geom_aabb", "geom_rbound")}
_POSED = frozenset(
    {
        "actuator_armature",
        "actuator_gear",
        "body_inertia",
        "body_ipos",
        "body_iquat",
        "body_mass",
        "body_pos",
        "body_quat",
        "dof_armature",
        "eq_data",
        "jnt_axis",
        "jnt_pos",
        "qpos0",
        "tendon_armature",
    }
)
_POSED_RESULTS = ("body_invweight0", "dof_invweight0", "eq_data", "tendon_invweight0")


class DerivedConstants:
    """Keeps the constants of worlds up to date.

    Masses of subtrees and bounds of shapes are computed at once. The others, inverse inertias and anchors of equality
    constraints, are needed only by the next step. :meth:`launch_update` computes them there, and only if a world was
    changed. ``mujoco_warp.set_const`` would solve a linear system after the other, for all worlds.

    Inverse inertias of spatial tendons follow masses, but not changes of their path at the reference position.

    Args:
        compiled: the compiled model.
        model: MuJoCo Warp's model, whose written and derived fields have separate values for every world.
        data: MuJoCo Warp's data.
        changed: ``(num_envs,)`` bool, the worlds that were changed since the last update.

    Attributes:
        changed: see above.
    """

    def __init__(self, compiled: mujoco.MjModel, model: Any, data: Any, changed: torch.Tensor) -> None:
        self._model = model
        self._data = data
        self.changed = changed
        self._changed_array = wp.from_torch(changed)
        self._any = wp.zeros(1, dtype=int)
        self._saved = [wp.empty_like(array) for array in self._state]
        depth = np.zeros(compiled.nv, dtype=int)
        for dof, parent in enumerate(compiled.dof_parentid):
            depth[dof] = 0 if parent < 0 else depth[parent] + 1
        self._tree = tree = kernels.Tree()
        for name in ("body_parentid", "body_rootid", "body_dofadr", "body_dofnum", "dof_parentid"):
            setattr(tree, name, wp.array(getattr(compiled, name), dtype=int))
        tree.dof_depth = wp.array(depth, dtype=int)
        tree.jnt_type, tree.jnt_dofadr = (
            wp.array(compiled.jnt_type, dtype=int),
            wp.array(compiled.jnt_dofadr, dtype=int),
        )
        self._factor = factor = kernels.Factor()
        for name in ("rownnz", "rowadr", "colind"):
            setattr(factor, name, wp.array(getattr(compiled, f"M_{name}"), dtype=int))
        chains = max(compiled.njnt, compiled.nbody)
        factor.values = wp.empty_like(data.M)
        factor.chains = wp.empty((data.nworld, chains, depth.max(initial=0) + 1), dtype=float)
        factor.rows = wp.empty((data.nworld, compiled.ntendon, compiled.nv), dtype=float)
        at_reference = mujoco.MjData(compiled)
        mujoco.mj_forward(compiled, at_reference)
        self._tendons = [
            wp.array(getattr(compiled, f"ten_J_{name}"), dtype=int) for name in ("rownnz", "rowadr", "colind")
        ]
        self._tendon_jacobian = wp.array(at_reference.ten_J, dtype=float)
        wp.to_torch(data.ten_J).copy_(wp.to_torch(self._tendon_jacobian))  # otherwise zero until the first step

    @property
    def _state(self) -> list[Any]:
        return [self._data.qpos, self._data.mocap_pos, self._data.mocap_quat]

    @staticmethod
    def derived_from(name: str) -> tuple[str, ...]:
        """Return the fields that depend on a field of the model."""
        return _FIXED.get(name, ()) + (_POSED_RESULTS if name in _POSED else ())

    def mark(self, names: Iterable[str], worlds: torch.Tensor | None) -> bool:
        """Note a selection of worlds whose fields were written; return whether :meth:`launch_fixed` must run now."""
        names = set(names)
        if not _POSED.isdisjoint(names):
            if worlds is None:
                self.changed.fill_(True)
            elif is_mask(worlds):
                self.changed |= worlds
            else:
                self.changed.index_fill_(0, worlds, True)
        return not _FIXED.keys().isdisjoint(names)

    def launch_fixed(self) -> None:
        """Launch the computation of masses of subtrees and bounds of shapes, for all worlds."""
        mjw.set_const(self._model, self._data, mjw.SetConstGroup.FIXED)

    def launch_update(self) -> None:
        """Launch the computation of the other constants of changed worlds.

        Kinematics are those of the reference position afterwards, in all worlds; positions do not change.
        """
        self._any.zero_()
        wp.launch(kernels.mark_any, self._changed_array.shape, inputs=[self._changed_array, self._any])
        wp.capture_if(self._any, self._launch)  # its body cannot allocate memory

    def _launch(self) -> None:
        model, data, changed = self._model, self._data, self._changed_array
        for array, saved in zip(self._state, self._saved, strict=True):
            wp.copy(saved, array)
        wp.launch(_copy_qpos0_to_qpos, dim=(data.nworld, model.nq), inputs=[model.qpos0], outputs=[data.qpos])
        wp.launch(
            _copy_body_to_mocap,
            dim=(data.nworld, model.nbody),
            inputs=[model.body_mocapid, model.body_pos, model.body_quat],
            outputs=[data.mocap_pos, data.mocap_quat],
        )
        mjw.kinematics(model, data)
        mjw.com_pos(model, data)
        mjw.crb(model, data)
        if model.ntendon:
            tendon_armature(model, data)
        factor, tree = self._factor, self._tree
        wp.launch(kernels.factorise, data.nworld, inputs=[changed, data.M, factor])
        joints = (data.nworld, model.njnt)
        wp.launch(kernels.weigh_joints, joints, inputs=[changed, tree, factor, model.dof_invweight0])
        state = [data.subtree_com, data.xipos, data.cdof]
        bodies = (data.nworld, model.nbody)
        wp.launch(kernels.weigh_bodies, bodies, inputs=[changed, tree, factor, *state, model.body_invweight0])
        tendons = [*self._tendons, self._tendon_jacobian, model.tendon_invweight0]
        wp.launch(kernels.weigh_tendons, (data.nworld, model.ntendon), inputs=[changed, factor, *tendons])
        wp.launch(
            _compute_eq_data0,
            dim=(model.eq_data.shape[0], model.neq),
            inputs=[
                model.eq_type,
                model.eq_obj1id,
                model.eq_obj2id,
                model.eq_objtype,
                data.xpos,
                data.xquat,
                data.xmat,
            ],
            outputs=[model.eq_data],
        )
        for array, saved in zip(self._state, self._saved, strict=True):
            wp.copy(array, saved)
        self._changed_array.zero_()
