"""Images of a replayed failure."""

from collections.abc import Iterator

import mujoco
import numpy as np
import torch

from oige_core.capabilities import Capable
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.failures.failure import STATE, Failure
from oige_core.engines.mujoco.failures.replay import replay
from oige_core.engines.mujoco.render.offscreen import MujocoRenderer
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.render.camera import Camera

__all__ = ["frames"]


def frames(failure: Failure, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield an image ``(height, width, 3)`` uint8 of the world after each solver step before something goes wrong.

    If it goes wrong at once, the only image shows the first recorded state, if that is finite.

    Args:
        failure: the failure.
        size: width and height in pixels, both even.
    """
    states: list[np.ndarray] = [failure.states[0]]
    model = failure.model

    def keep(data: mujoco.MjData) -> None:
        state = np.empty(mujoco.mj_stateSize(model, STATE))
        mujoco.mj_getState(model, data, state, STATE)
        states.append(state)

    replay(failure, keep)
    engine: Capable = MujocoEngine(1)
    worlds = Worlds(engine, CompiledScene(model, mujoco.MjSpec(), model.qpos0), BatchExecutor(model, 1, 1), 1)
    renderer = MujocoRenderer(worlds, Camera(size), np.zeros((1, 3)))
    data = mujoco.MjData(model)
    for state in states:
        mujoco.mj_setState(model, data, state, STATE)
        if not np.isfinite(data.qpos).all():
            return
        for name in ("qpos", "mocap_pos", "mocap_quat"):
            worlds.executor.field(name).copy_(torch.from_numpy(getattr(data, name)))
        worlds.mark_stale(None)
        yield renderer.render()[0]
