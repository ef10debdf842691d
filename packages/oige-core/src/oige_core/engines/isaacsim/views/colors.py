"""Colours of bodies in windows and images of cameras."""

from collections.abc import Sequence

import torch

from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from oige_core.engines.isaacsim.worlds import IsaacWorlds
from oige_core.selections import is_mask, read_rows, write_rows

__all__ = ["BodyColors"]

_NO_SHAPE = (0.5, 0.5, 0.5)


class BodyColors:
    """Colours of bodies; all shapes of a body have one colour once it is set.

    Args:
        worlds: the running worlds.
        paths: paths of the bodies in world 0.
    """

    def __init__(self, worlds: IsaacWorlds, paths: Sequence[str]) -> None:
        from pxr import Usd, UsdGeom

        self._worlds = worlds
        self._shapes: list[list[str]] = []
        colors = []
        for path in paths:
            prims = [prim for prim in Usd.PrimRange(worlds.stage.GetPrimAtPath(path)) if prim.IsA(UsdGeom.Gprim)]
            self._shapes.append([str(prim.GetPath()) for prim in prims])
            stated = UsdGeom.Gprim(prims[0]).GetDisplayColorAttr().Get() if prims else None
            colors.append(tuple(stated[0]) if stated else _NO_SHAPE)
        self._values = torch.tensor(colors, dtype=torch.float32, device=worlds.device).repeat(worlds.num_envs, 1, 1)

    def read(self, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> torch.Tensor:
        """Return red, green and blue ``(n, b, 3)`` of the first shapes of some bodies; grey for those without."""
        values = self._values if bodies is None else self._values[:, list(bodies)]
        return read_rows(values, worlds, clone=bodies is None)

    def write(self, values: torch.Tensor, worlds: torch.Tensor | None, bodies: Sequence[int] | None = None) -> None:
        """Set red, green and blue ``(n, b, 3)``, clamped to 0 and 1, of some bodies."""
        for column, body in enumerate(range(self._values.shape[1]) if bodies is None else bodies):
            write_rows(self._values[:, body], values[:, column].clamp(0.0, 1.0), worlds)
        self._send(worlds)

    def _send(self, worlds: torch.Tensor | None) -> None:
        from pxr import Gf, Sdf, UsdGeom

        everything = range(self._worlds.num_envs)
        if worlds is None:
            numbers = list(everything)
        else:
            numbers = (worlds.nonzero().squeeze(-1) if is_mask(worlds) else worlds).tolist()
        stage, colors = self._worlds.stage, self._values.tolist()
        with Sdf.ChangeBlock():
            for world in numbers:
                for body, shapes in enumerate(self._shapes):
                    for path in shapes:
                        shape = UsdGeom.Gprim(stage.GetPrimAtPath(path_in_world(path, world)))
                        shape.CreateDisplayColorAttr([Gf.Vec3f(*colors[world][body])])

    def state_dict(self) -> torch.Tensor:
        """Return all colours."""
        return self._values.clone()

    def load_state_dict(self, state: torch.Tensor) -> None:
        """Restore :meth:`state_dict`."""
        if not torch.equal(self._values, state):
            self._values.copy_(state)
            self._send(None)
