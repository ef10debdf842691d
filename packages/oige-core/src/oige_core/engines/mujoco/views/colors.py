"""Colours of bodies."""

import numpy as np
import torch

from oige_core.engines.columns import Columns
from oige_core.engines.mujoco.worlds import Worlds
from oige_core.selections import read_rows

__all__ = ["BodyColors"]

_NO_GEOM = (0.5, 0.5, 0.5)
_NUDGE = 1e-4  # MuJoCo takes a grey of exactly 0.5 for "the colour of the material"


class BodyColors:
    """Colours of bodies in the images of cameras; all geoms of a body have one colour once it is set.

    Args:
        worlds: the built worlds.
        bodies: ids of the bodies.
    """

    def __init__(self, worlds: Worlds, bodies: list[int]) -> None:
        self._worlds = worlds
        model, device = worlds.compiled.model, worlds.device
        owned = [np.flatnonzero(model.geom_bodyid == body).tolist() for body in bodies]
        self._geoms = Columns([geom for geoms in owned for geom in geoms], device)
        self._owners = torch.tensor(
            [i for i, geoms in enumerate(owned) for _ in geoms], dtype=torch.int64, device=device
        )
        self._firsts = torch.tensor([geoms[0] if geoms else 0 for geoms in owned], dtype=torch.int64, device=device)
        self._without = torch.tensor([not geoms for geoms in owned], device=device).unsqueeze(-1)
        self._neutral = torch.tensor(_NO_GEOM, device=device)

    def read(self, worlds: torch.Tensor | None) -> torch.Tensor:
        """Return red, green and blue ``(n, bodies, 3)``; grey for bodies without geoms."""
        colors = read_rows(self._worlds.appearance.values("colors"), worlds)[:, self._firsts, :3]
        return torch.where(self._without, self._neutral, colors)

    def write(self, values: torch.Tensor, worlds: torch.Tensor | None) -> None:
        """Set red, green and blue ``(n, bodies, 3)``, clamped to 0 and 1."""
        colors = values.clamp(0.0, 1.0)[:, self._owners]
        colors = torch.where((colors == 0.5).all(dim=-1, keepdim=True), colors + _NUDGE, colors)
        own = self._worlds.appearance.own_values("colors")
        self._geoms.write(own[..., :3], colors, worlds)
        self._worlds.mark_unseen(worlds)
