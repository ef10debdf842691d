"""Determines buffer sizes for MuJoCo Warp by running a few disturbed worlds on the C engine."""

import math
from collections.abc import Sequence

import mujoco
import numpy as np

__all__ = ["probe_buffers"]

_WORLDS = 6


def probe_buffers(
    model: mujoco.MjModel, max_contacts: int = 0, other_models: Sequence[mujoco.MjModel] = ()
) -> tuple[int, int]:
    """Return the maximum numbers of contacts and constraint rows of a world.

    The C engine runs a few worlds from randomly disturbed initial states with random controls or position targets. The
    number of contacts is twice the observed maximum, at least 8, and at least 1.25 times the pairs of shapes whose
    bounding spheres touched, because MuJoCo Warp needs an entry for each of these pairs. The rows are one for each
    joint and tendon that may have friction or reach a limit, those of all equality constraints, and those of the
    contacts.

    Args:
        model: the compiled model.
        max_contacts: number of contacts for which rows are counted; 0: that of the probe.
        other_models: models with other sizes of the same shapes, each of which runs in some of the worlds.
    """
    pairs = _collision_pairs(model)
    can_collide = len(pairs) > 0 or model.nflex > 0
    most_contacts, most_pairs = _probe([model, *other_models], pairs) if can_collide else (0, 0)
    slots = max_contacts or (max(8, 2 * most_contacts) if can_collide else 0)
    dimension = int(max([1, *model.geom_condim, *model.pair_dim, *model.flex_condim]))
    elliptic = model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC
    rows_per_contact = dimension if elliptic or dimension == 1 else 2 * (dimension - 1)
    rows = _equality_rows(model) + model.nv + 2 * model.ntendon + int(np.sum(model.jnt_limited))
    contacts = max(slots, math.ceil(1.25 * most_pairs))
    return contacts, max(1, rows + slots * rows_per_contact)


def _equality_rows(model: mujoco.MjModel) -> int:
    """Return the rows of all equality constraints, active or not."""
    sizes = {int(mujoco.mjtEq.mjEQ_CONNECT): 3, int(mujoco.mjtEq.mjEQ_WELD): 6}
    rows = sum(sizes.get(int(kind), 1) for kind in model.eq_type)
    return rows + int(np.sum(model.eq_type == mujoco.mjtEq.mjEQ_FLEX)) * model.nflexedge


def _collision_pairs(model: mujoco.MjModel) -> np.ndarray:
    """Return the ``(n, 2)`` pairs of geoms that may collide, as masks, explicit pairs, exclusions and parents say."""
    first, second = np.triu_indices(model.ngeom, k=1)
    masks = (model.geom_contype[first] & model.geom_conaffinity[second]) | (
        model.geom_contype[second] & model.geom_conaffinity[first]
    )
    bodies = model.geom_bodyid[first], model.geom_bodyid[second]
    welds = model.body_weldid[bodies[0]], model.body_weldid[bodies[1]]
    parents = model.body_weldid[model.body_parentid[welds[0]]], model.body_weldid[model.body_parentid[welds[1]]]
    related = (welds[0] != 0) & (welds[1] != 0) & ((welds[0] == parents[1]) | (welds[1] == parents[0]))
    if model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT:
        related[:] = False
    still = (model.body_dofnum[welds[0]] == 0) & (model.body_dofnum[welds[1]] == 0)
    excluded = np.isin((bodies[0] << 16) + bodies[1], model.exclude_signature)
    chosen = (masks != 0) & (welds[0] != welds[1]) & ~related & ~still & ~excluded
    explicit = np.stack([model.pair_geom1, model.pair_geom2], axis=1)
    return np.concatenate([np.stack([first, second], axis=1)[chosen], explicit]).astype(np.int64)


def _probe(models: Sequence[mujoco.MjModel], pairs: np.ndarray) -> tuple[int, int]:
    """Return the maximum numbers of contacts and of close pairs in a few disturbed worlds."""
    random = np.random.default_rng(0)
    model = models[0]
    limited = np.flatnonzero(model.jnt_limited & (model.jnt_type >= int(mujoco.mjtJoint.mjJNT_SLIDE)))
    addresses = model.jnt_qposadr[limited]
    bounds = _control_bounds(model)
    most_contacts = most_pairs = 0
    # Otherwise MuJoCo would report diverging disturbed states on standard output and in a file.
    warn = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda _: None)
    try:
        for world in range(max(_WORLDS, len(models))):
            model = models[world % len(models)]
            data = mujoco.MjData(model)
            scale = 0.1 * (world % _WORLDS)
            mujoco.mj_integratePos(model, data.qpos, random.normal(0.0, scale, model.nv), 1.0)
            low, high = model.jnt_range[limited].T
            drawn = random.uniform(low, high)
            data.qpos[addresses] = data.qpos[addresses] * (1.0 - 2 * scale) + drawn * 2 * scale
            data.qvel[:] = random.normal(0.0, scale, model.nv)
            control_steps = 10 if world % 2 else 125  # joints need time to reach targets
            for step in range(250):
                if step % control_steps == 0 and model.nu:
                    data.ctrl[:] = random.uniform(bounds[:, 0], bounds[:, 1])
                mujoco.mj_step(model, data)
                most_contacts = max(most_contacts, data.ncon)
                if step % 10 == 0:
                    most_pairs = max(most_pairs, _close_pairs(model, data, pairs))
    finally:
        mujoco.set_mju_user_warning(warn)
    return most_contacts, most_pairs


def _control_bounds(model: mujoco.MjModel) -> np.ndarray:
    """Return bounds ``(nu, 2)`` of controls: with them, drives with stiffness reach the limits of their joints."""
    bounds = np.tile([-1.0, 1.0], (model.nu, 1))
    has_limit = model.actuator_forcelimited != 0
    bounds[model.actuator_ctrladr[has_limit]] = model.actuator_forcerange[has_limit]
    joints, stiffness = model.actuator_trnid[:, 0], -model.actuator_biasprm[:, 1]
    stiff = (model.actuator_trntype == mujoco.mjtTrn.mjTRN_JOINT) & (stiffness > 0) & (model.jnt_limited[joints] != 0)
    bounds[model.actuator_ctrladr[stiff]] = stiffness[stiff, None] * model.jnt_range[joints[stiff]]
    return bounds


def _close_pairs(model: mujoco.MjModel, data: mujoco.MjData, pairs: np.ndarray) -> int:
    """Return the number of pairs of geoms whose bounding spheres touch; planes count as half-spaces."""
    reach = model.geom_rbound + model.geom_margin
    position, normal = data.geom_xpos, data.geom_xmat[:, 2::3]
    first, second = pairs[:, 0], pairs[:, 1]
    offset = position[second] - position[first]
    gap = np.linalg.norm(offset, axis=1)
    planes = model.geom_type == mujoco.mjtGeom.mjGEOM_PLANE
    gap = np.where(planes[first], np.sum(normal[first] * offset, axis=1), gap)
    gap = np.where(planes[second], -np.sum(normal[second] * offset, axis=1), gap)
    return int(np.sum(gap <= reach[first] + reach[second]))
