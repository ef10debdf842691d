"""MuJoCo Warp's ray tracer, as cameras and pictures use it."""

from typing import Any

import mujoco
import mujoco_warp as mjw

from oige_core.engines.mujoco.compile import HIDDEN_GROUP
from oige_core.render.appearance import SKY

__all__ = ["TracedWorlds"]


class TracedWorlds:
    """Worlds that are drawn with geoms and cameras wherever they are put; nothing is simulated.

    They are made and drawn on Warp's device of the moment.

    Args:
        model: of each world.
        warp_model: the same, from ``mujoco_warp.put_model``; it may be shared.
        count: number of worlds at most.
        options: further arguments of ``mujoco_warp.create_render_context``.

    Attributes:
        data: where geoms and cameras are; so many worlds as its ``nworld`` says are drawn.
        context: what was drawn.
    """

    def __init__(self, model: mujoco.MjModel, warp_model: Any, count: int, **options: Any) -> None:
        rest = mujoco.MjData(model)
        mujoco.mj_kinematics(model, rest)
        mujoco.mj_comPos(model, rest)
        mujoco.mj_camlight(model, rest)
        self._model = warp_model
        self.data: Any = mjw.put_data(model, rest, nworld=count, nconmax=1, njmax=1)
        self.context: Any = mjw.create_render_context(
            model,
            nworld=count,
            enabled_geom_groups=list(range(HIDDEN_GROUP)),
            background_color=(*SKY, 1.0),
            **options,
        )

    def draw(self) -> None:
        """Draw into :attr:`context`."""
        mjw.refit_bvh(self._model, self.data, self.context)
        mjw.render(self._model, self.data, self.context)
