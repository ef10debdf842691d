"""Meshes and height fields, read from a compiled model and added to a spec."""

from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np

__all__ = ["HeightField", "add_height_field", "add_mesh", "read_height_field", "read_mesh"]


@dataclass(frozen=True)
class HeightField:
    """A height field as MuJoCo stores it, but for the order of its axes.

    Attributes:
        fractions: ``(rows along x, columns along y)`` of the height, from 0 to 1.
        size: half extents along x and y, height, and thickness below the lowest point, in metres.
    """

    fractions: np.ndarray
    size: tuple[float, float, float, float]

    @cached_property
    def heights(self) -> np.ndarray:
        """``(rows along x, columns along y)`` above the lowest point, in metres."""
        return self.fractions.astype(np.float64) * self.size[2]

    @property
    def spacing(self) -> tuple[float, float]:
        """Distance of neighbouring samples along x and y, in metres."""
        rows, columns = self.fractions.shape
        return 2 * self.size[0] / (rows - 1), 2 * self.size[1] / (columns - 1)


def read_height_field(model: mujoco.MjModel, number: int) -> HeightField:
    """Return a height field of a model, by its number."""
    rows, columns = int(model.hfield_nrow[number]), int(model.hfield_ncol[number])
    first = int(model.hfield_adr[number])
    half_x, half_y, height, base = map(float, model.hfield_size[number])
    # MuJoCo's rows run along y.
    fractions = model.hfield_data[first : first + rows * columns].reshape(rows, columns).T
    return HeightField(fractions, (half_x, half_y, height, base))


def add_height_field(spec: mujoco.MjSpec, name: str, field: HeightField) -> None:
    """Add a height field to the assets of a spec."""
    rows, columns = field.fractions.shape
    # MuJoCo's rows run along y.
    spec.add_hfield(name=name, nrow=columns, ncol=rows, size=field.size, userdata=field.fractions.T.ravel())


def read_mesh(model: mujoco.MjModel, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices ``(V, 3)``, in metres, and faces ``(F, 3)`` of a mesh of a model, by its number."""
    first, count = int(model.mesh_vertadr[number]), int(model.mesh_vertnum[number])
    first_face, faces = int(model.mesh_faceadr[number]), int(model.mesh_facenum[number])
    return model.mesh_vert[first : first + count], model.mesh_face[first_face : first_face + faces]


def add_mesh(spec: mujoco.MjSpec, name: str, vertices: np.ndarray, faces: np.ndarray) -> None:
    """Add a mesh, vertices ``(V, 3)`` in metres and faces ``(F, 3)``, to the assets of a spec."""
    spec.add_mesh(
        name=name,
        uservert=vertices.ravel(),
        userface=faces.ravel(),
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
