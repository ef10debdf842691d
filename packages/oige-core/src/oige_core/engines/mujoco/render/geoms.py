"""Geoms of the simulated model: whether they are visible, and their current poses."""

import copy
from collections.abc import Iterator, Sequence

import mujoco
import numpy as np

from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.engines.mujoco.render.colors import geom_color
from oige_core.engines.mujoco.worlds import Worlds

__all__ = ["geom_poses", "is_visible", "kinematics"]

_STATE_FIELDS = ("qpos", "mocap_pos", "mocap_quat")
_MODEL_FIELDS = ("body_pos", "body_quat", "geom_pos", "geom_quat", "jnt_pos")  # may differ between worlds


def kinematics(worlds: Worlds, numbers: Sequence[int]) -> Iterator[mujoco.MjData]:
    """Yield, for each of these worlds in turn, data with the current poses of bodies and geoms and of soft surfaces.

    The data belong to this function, so that viewing has no side effects. This waits for the device.
    """
    rows = list(numbers)
    model = copy.copy(worlds.compiled.model)
    model.body_sameframe[:] = model.geom_sameframe[:] = 0  # otherwise MuJoCo ignores poses that were zero when compiled
    data = mujoco.MjData(model)
    states = {name: worlds.executor.field(name)[rows].cpu().numpy() for name in _STATE_FIELDS}
    moved = {name: worlds.model_values(name)[rows].cpu().numpy() for name in _MODEL_FIELDS}
    for index in range(len(rows)):
        for name, values in states.items():
            getattr(data, name)[:] = values[index]
        for name, values in moved.items():
            getattr(model, name)[:] = values[index]
        mujoco.mj_kinematics(model, data)
        if model.nflex:
            mujoco.mj_flex(model, data)
        yield data


def geom_poses(worlds: Worlds, numbers: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return where what is drawn is in its worlds, in metres.

    These are positions ``(n, ngeom, 3)`` and rotations ``(n, ngeom, 3, 3)`` of geoms, and positions
    ``(n, nflexvert, 3)`` of the vertices of soft bodies.
    """
    poses = [
        (data.geom_xpos.copy(), data.geom_xmat.reshape(-1, 3, 3).copy(), data.flexvert_xpos.copy())
        for data in kinematics(worlds, numbers)
    ]
    positions, rotations, vertices = (np.stack(values) for values in zip(*poses, strict=True))
    return positions, rotations, vertices


def is_visible(model: mujoco.MjModel, geom: int) -> bool:
    """Return whether a geom is shown: geoms of :data:`HIDDEN_GROUP` and transparent ones are not."""
    return model.geom_group[geom] < HIDDEN_GROUP and geom_color(model, geom)[3] > 0
