"""Images of a replayed failure."""

from collections.abc import Iterator
from dataclasses import dataclass

import mujoco
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from oige_core.capabilities import Capable
from oige_core.engines.mujoco.compile import CompiledScene
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.failures.failure import STATE, Failure
from oige_core.engines.mujoco.failures.replay import CallReport, Replay, replay
from oige_core.engines.mujoco.render.offscreen import MujocoRenderer
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.render.camera import Camera

__all__ = ["Moment", "ShownWorld", "frames", "moments"]

WHITE, RED = (255, 255, 255), (255, 120, 120)


@dataclass(frozen=True)
class Moment:
    """A failed world at a time.

    Attributes:
        state: its integration state; see :data:`~oige_core.engines.mujoco.failures.failure.STATE`.
        lines: the time, and the joints that move most.
        trouble: what has gone wrong; empty: nothing so far.
    """

    state: np.ndarray
    lines: tuple[str, ...]
    trouble: str = ""


def moments(failure: Failure) -> list[Moment]:
    """Return a failed world at its first recorded state and after each solver step until something goes wrong.

    Moments whose positions are not finite or are beyond their bounds, which cannot be drawn, are left out; what went
    wrong is then said with the last one before it.

    Args:
        failure: the failure.
    """
    model = failure.model
    found: list[Moment] = []
    hidden = False

    def keep(data: mujoco.MjData, report: CallReport) -> None:
        nonlocal hidden
        hidden = not failure.bounds.include_positions(data.qpos)
        if not hidden:
            state = np.empty(mujoco.mj_stateSize(model, STATE))
            mujoco.mj_getState(model, data, state, STATE)
            found.append(Moment(state, _lines(failure, report)))

    result = replay(failure, keep)
    data = mujoco.MjData(model)
    mujoco.mj_setState(model, data, failure.states[0], STATE)
    if failure.bounds.include_positions(data.qpos):
        found.insert(0, Moment(failure.states[0], (f"time {data.time:.4f} s, the first recorded state",)))
    if found and result.trouble is not None:
        found[-1] = Moment(found[-1].state, found[-1].lines, _trouble(result, hidden=hidden))
    return found


def _lines(failure: Failure, report: CallReport) -> tuple[str, ...]:
    before = len(failure.states) - 1 - report.call
    step = f"{before} step{'s' * (before != 1)} before the failing one" if before else "failing step"
    return (
        f"time {report.time:.4f} s, {step}, solver step {report.solver_step}",
        f"velocity {report.speed:.4g} of {report.fastest}",
        f"acceleration {report.acceleration:.4g} of {report.most_accelerated}",
        *([f"contact {1000 * report.penetration:.3g} mm deep, {_plain(report.contact)}"] if report.contact else []),
    )


def _plain(contact: str) -> str:
    return contact.replace(" – ", " and ")  # the font has no dash


def _trouble(result: Replay, *, hidden: bool) -> str:
    assert result.trouble is not None
    return f"{'then ' if hidden else ''}wrong: {result.trouble.text}"


class ShownWorld:
    """The worlds of an engine with one world, which shows states of a failed one.

    Args:
        model: the model of the failed world.

    Attributes:
        worlds: the worlds, for renderers and geometry.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        engine: Capable = MujocoEngine(1)
        self.worlds = Worlds(engine, CompiledScene(model, mujoco.MjSpec(), model.qpos0), BatchExecutor(model, 1, 1), 1)
        self._model, self._data = model, mujoco.MjData(model)

    def show(self, state: np.ndarray) -> None:
        """Take the positions of an integration state."""
        mujoco.mj_setState(self._model, self._data, state, STATE)
        for name in ("qpos", "mocap_pos", "mocap_quat"):
            self.worlds.executor.field(name).copy_(torch.from_numpy(getattr(self._data, name)))
        self.worlds.mark_stale(None)


def frames(failure: Failure, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield an image ``(height, width, 3)`` uint8 of each of the :func:`moments`, with the time and what is wrong.

    Args:
        failure: the failure.
        size: width and height in pixels, both even.
    """
    world = ShownWorld(failure.model)
    renderer = MujocoRenderer(world.worlds, Camera(size), np.zeros((1, 3)))
    for moment in moments(failure):
        world.show(moment.state)
        yield _captioned(renderer.render()[0], moment)


def _captioned(image: np.ndarray, moment: Moment) -> np.ndarray:
    """Return an image with the texts of a moment in its corner."""
    picture = Image.fromarray(image)
    font = ImageFont.load_default(max(10, image.shape[0] // 30))
    texts = [(line, WHITE) for line in moment.lines] + ([(moment.trouble, RED)] if moment.trouble else [])
    draw, margin = ImageDraw.Draw(picture, "RGBA"), image.shape[0] // 45
    boxes = [draw.textbbox((0, 0), text, font=font) for text, _ in texts]
    row = max(box[3] for box in boxes) + margin // 2
    width = max(box[2] for box in boxes)
    draw.rectangle((0, 0, width + 2 * margin, row * len(texts) + 2 * margin), fill=(0, 0, 0, 150))
    for number, (text, color) in enumerate(texts):
        draw.text((margin, margin + row * number), text, fill=color, font=font)
    return np.asarray(picture)
