"""What worlds look like where it differs between them: colours of geoms, and sunlight."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import mujoco
import numpy as np
import torch

from oige_core.engines.mujoco.render.colors import geom_color
from oige_core.errors import CapabilityError
from oige_core.modes import plain_tensors
from oige_core.selections import read_rows

__all__ = ["Appearance", "Looks"]


@dataclass(frozen=True)
class Looks:
    """What differs between worlds in images, besides poses; None: as in the model, in all worlds.

    Attributes:
        sizes: of geoms ``(n, ngeom, 3)``, as in MuJoCo's ``geom_size``, in metres.
        meshes: numbers of the meshes of geoms ``(n, ngeom)``, as in MuJoCo's ``geom_dataid``.
        colors: of geoms ``(n, ngeom, 4)``, red, green, blue and opacity from 0 to 1.
        sun_directions: directions in which sunlight travels, ``(n, 3)``, of length 1.
        sunlight: red, green and blue of sunlight, ``(n, 3)``.
        fovy: vertical fields of view ``(n,)``, in degrees.
    """

    sizes: torch.Tensor | None = None
    meshes: torch.Tensor | None = None
    colors: torch.Tensor | None = None
    sun_directions: torch.Tensor | None = None
    sunlight: torch.Tensor | None = None
    fovy: torch.Tensor | None = None

    def rows(self, rows: slice | torch.Tensor | None) -> "Looks":
        """Return the looks of some of the worlds: a slice of them, or a selection."""

        def chosen(values: torch.Tensor | None) -> torch.Tensor | None:
            if values is None:
                return None
            return values[rows] if isinstance(rows, slice) else read_rows(values, rows)

        return Looks(**{field.name: chosen(getattr(self, field.name)) for field in fields(self)})


class Appearance:
    """Colours of geoms and sunlight by world, which have values of their own from the first write on.

    Args:
        model: the compiled model.
        num_envs: number of worlds.
        device: device of the tensors.
        changed: called before something differs between worlds for the first time; captured graphs then lack it.
    """

    def __init__(
        self, model: mujoco.MjModel, num_envs: int, device: torch.device, changed: Callable[[], object]
    ) -> None:
        self._model = model
        self._num_envs = num_envs
        self._device = device
        self._changed = changed
        self._own: dict[str, torch.Tensor] = {}
        sunlight = model.light_diffuse[0] if model.nlight else np.zeros(3)
        self._sunlight = torch.as_tensor(sunlight, dtype=torch.float32, device=device)

    def values(self, name: str) -> torch.Tensor:
        """Return ``colors``, ``sun_directions`` or ``sun_intensities`` ``(num_envs, …)`` for reading."""
        return self._own[name] if name in self._own else self._initial(name)

    @plain_tensors
    def own_values(self, name: str) -> torch.Tensor:
        """Return writable values ``(num_envs, …)``, whose address does not change."""
        if name not in self._own:
            self._changed()
            self._own[name] = self._initial(name).contiguous()
        return self._own[name]

    def looks(self) -> Looks:
        """Return what differs between worlds."""
        intensities = self._own.get("sun_intensities")
        sunlight = None if intensities is None else intensities.unsqueeze(-1) * self._sunlight
        return Looks(colors=self._own.get("colors"), sun_directions=self._own.get("sun_directions"), sunlight=sunlight)

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the values that differ between worlds."""
        return {name: values.clone() for name, values in self._own.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for name in {*self._own, *state}:
            self.own_values(name).copy_(state[name] if name in state else self._initial(name))

    def _initial(self, name: str) -> torch.Tensor:
        model = self._model
        if name == "colors":
            row: Any = [geom_color(model, geom) for geom in range(model.ngeom)]
        elif not model.nlight:
            raise CapabilityError("the scene has no sunlight: add a camera and set task.sim.add_distant_light=True.")
        else:
            row = model.light_dir[0] if name == "sun_directions" else 1.0
        values = torch.as_tensor(np.asarray(row), dtype=torch.float32, device=self._device)
        return values.expand(self._num_envs, *values.shape)
