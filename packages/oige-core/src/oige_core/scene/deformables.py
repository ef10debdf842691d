"""Soft bodies: their surface, the lattice of cells that carries it, and what they are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from oige_core.errors import OigeError
from oige_core.scene.values import as_number, as_vector, as_whole

__all__ = ["DeformableAsset"]

Cells = tuple[int, int, int]
"""Number of cells along x, y, z."""


@dataclass(frozen=True, kw_only=True, eq=False)
class DeformableAsset:
    """An elastic body with a closed surface of triangles, carried by a lattice of cells.

    The lattice fills the bounding box of the surface. Its corners carry mass and move; in each cell, the surface
    follows the eight corners by trilinear interpolation, so that a body of one cell can stretch, shear, bend and twist
    evenly. Each corner has three degrees of freedom, and computing time grows with their number.

    Mass and stiffness are those of the material inside the surface: each cell is as stiff against stretching, shearing,
    bending and twisting as the part of the material that it contains, if that part deforms as the cell can. Bodies that
    are long in relation to their cells bend as far as beams do only with several cells along their length. Mass is in
    the corners: the centre of mass is that of a body of uniform density, but moments of inertia are larger, and those
    of slender bodies about their axis up to three times as large.

    Attributes:
        vertices: positions ``(k, 3)`` of the nodes of the surface in the frame of the body, in m.
        triangles: node indices ``(m, 3)`` of each triangle, counter-clockwise seen from outside.
        youngs_modulus: in Pa.
        poissons_ratio: from 0 to below 0.5.
        density: in kg/m³.
        damping: time in s by which the rate of strain counts in stress: σ = E·(ε + damping · dε/dt).
        cells: number of cells along x, y, z.
        contact_radius: distance in m from the surface at which the body touches others.

    Raises:
        OigeError: a value is out of range, or the surface is not closed.
    """

    vertices: np.ndarray = field(repr=False)
    triangles: np.ndarray = field(repr=False)
    youngs_modulus: float
    poissons_ratio: float = 0.3
    density: float = 1000.0
    damping: float = 0.01
    cells: Cells = (1, 1, 1)
    contact_radius: float = 0.001

    def __post_init__(self) -> None:
        for name, kind in (("vertices", np.float64), ("triangles", np.int64)):
            object.__setattr__(self, name, _array(name, getattr(self, name), kind))
        if len(self.triangles) and not 0 <= self.triangles.min() <= self.triangles.max() < len(self.vertices):
            raise OigeError(f"DeformableAsset: triangles name nodes from {self.triangles.min()} to "
                            f"{self.triangles.max()}; expected 0 to {len(self.vertices) - 1}.")  # fmt: skip
        for name, low, high in (
            ("youngs_modulus", 0.0, math.inf),
            ("density", 0.0, math.inf),
            ("contact_radius", 0.0, math.inf),
        ):
            value = as_number(getattr(self, name), f"DeformableAsset: {name}")
            if not low < value < high:
                raise OigeError(f"DeformableAsset: {name}={value:g}: expected a number above 0.")
        if not 0.0 <= as_number(self.poissons_ratio, "DeformableAsset: poissons_ratio") < 0.5:
            raise OigeError(f"DeformableAsset: poissons_ratio={self.poissons_ratio:g}: expected 0 to below 0.5.")
        if not as_number(self.damping, "DeformableAsset: damping") >= 0.0:
            raise OigeError(f"DeformableAsset: damping={self.damping:g}: expected a time of at least 0 s.")
        counts = as_vector(self.cells, "DeformableAsset: cells")
        if any(as_whole(count, "DeformableAsset: cells") < 1 for count in counts):
            raise OigeError(f"DeformableAsset: cells={self.cells}: expected whole numbers of at least 1 along x, y, z.")
        object.__setattr__(self, "cells", tuple(int(count) for count in counts))
        self._check_surface()
        weights = self.weights()
        if np.linalg.matrix_rank(weights) < weights.shape[1]:
            raise OigeError(
                f"DeformableAsset: its {len(weights)} nodes do not determine the {weights.shape[1]} corners of its "
                f"cells {self.cells}; give its surface more nodes, or fewer cells."
            )

    @classmethod
    def box(
        cls, size: Sequence[float], *, rows: Sequence[int] = (1, 1, 1), **material: float | Cells
    ) -> "DeformableAsset":
        """Return a box centred on the origin.

        Args:
            size: edges along x, y, z, in m.
            rows: number of rows of squares, of two triangles each, along x, y, z.
            material: the other attributes of the class.
        """
        edges = np.array(as_vector(size, "DeformableAsset.box: size"))
        if not (edges > 0).all():
            raise OigeError(f"DeformableAsset.box: size={tuple(size)}: expected lengths above 0 m.")
        counts = [as_whole(n, "DeformableAsset.box: rows") for n in as_vector(rows, "DeformableAsset.box: rows")]
        if min(counts) < 1:
            raise OigeError(f"DeformableAsset.box: rows={tuple(rows)}: expected whole numbers of at least 1.")
        ids: dict[tuple[int, ...], int] = {}  # of the nodes, by their place in the grid
        triangles: list[list[int]] = []
        for axis in range(3):
            along, across = (axis + 1) % 3, (axis + 2) % 3
            for side in (0, counts[axis]):
                for i, j in np.ndindex(counts[along], counts[across]):
                    places = np.zeros((4, 3), dtype=int)
                    places[:, axis] = side
                    places[:, along] = [i, i + 1, i + 1, i]
                    places[:, across] = [j, j, j + 1, j + 1]
                    a, b, c, d = (ids.setdefault(tuple(place), len(ids)) for place in places.tolist())
                    triangles += [[a, b, c], [a, c, d]] if side else [[a, c, b], [a, d, c]]
        vertices = (np.array(list(ids)) / counts - 0.5) * edges
        return cls(vertices=vertices, triangles=np.array(triangles), **material)  # type: ignore[arg-type]

    @classmethod
    def tube(
        cls,
        *,
        outer_radius: float,
        inner_radius: float,
        length: float,
        segments: int = 12,
        rows: int = 12,
        **material: float | Cells,
    ) -> "DeformableAsset":
        """Return a tube along x, centred on the origin, open at both ends.

        Node ``(2·i + s)·segments + j`` is in cross-section i, from x = −length/2 on, on the outer (s = 0) or the inner
        surface (s = 1), at the angle 2π·j / segments from y to z.

        Args:
            outer_radius: in m.
            inner_radius: in m.
            length: in m.
            segments: sides of the polygons that replace circles.
            rows: number of rows of squares, of two triangles each, along x.
            material: the other attributes of the class.
        """
        outer, inner, length = (
            as_number(value, f"DeformableAsset.tube: {name}")
            for name, value in (("outer_radius", outer_radius), ("inner_radius", inner_radius), ("length", length))
        )
        if not (0 < inner < outer and length > 0):
            raise OigeError(
                f"DeformableAsset.tube: outer_radius={outer:g}, inner_radius={inner:g}, length={length:g}: expected "
                "0 < inner_radius < outer_radius, and a length above 0 m."
            )
        segments, rows = (
            as_whole(segments, "DeformableAsset.tube: segments"),
            as_whole(rows, "DeformableAsset.tube: rows"),
        )
        if segments < 3 or rows < 1:
            raise OigeError(f"DeformableAsset.tube: segments={segments}, rows={rows}: expected at least 3 and 1.")
        angles = 2.0 * np.pi * np.arange(segments) / segments
        circle = np.stack([np.zeros(segments), np.cos(angles), np.sin(angles)], axis=-1)
        section = np.concatenate([outer * circle, inner * circle])
        shift = np.linspace(-0.5, 0.5, rows + 1) * length
        vertices = (section + shift[:, None, None] * np.array([1.0, 0.0, 0.0])).reshape(-1, 3)
        node = np.arange(len(vertices)).reshape(rows + 1, 2, segments)
        following = np.roll(node, -1, axis=-1)
        sides = [
            (node[:-1, 0], following[:-1, 0], following[1:, 0], node[1:, 0]),  # outside
            (node[:-1, 1], node[1:, 1], following[1:, 1], following[:-1, 1]),  # inside
            (node[0, 0], node[0, 1], following[0, 1], following[0, 0]),
            (node[-1, 0], following[-1, 0], following[-1, 1], node[-1, 1]),
        ]
        squares = np.concatenate([np.stack(side, axis=-1).reshape(-1, 4) for side in sides])
        triangles = squares[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)
        return cls(vertices=vertices, triangles=triangles, **material)  # type: ignore[arg-type]

    @property
    def bounds(self) -> np.ndarray:
        """Corners ``(2, 3)`` of the bounding box with the smallest and the largest coordinates, in m."""
        return np.stack([self.vertices.min(axis=0), self.vertices.max(axis=0)])

    @property
    def volume(self) -> float:
        """Volume that the surface encloses, in m³."""
        return float(self._tetrahedra()[0].sum())

    @property
    def center(self) -> np.ndarray:
        """Centre ``(3,)`` of the enclosed volume, in m."""
        volumes, centers = self._tetrahedra()
        return volumes @ centers / volumes.sum()

    @property
    def mass(self) -> float:
        """Mass in kg."""
        return self.density * self.volume

    def lattice(self) -> np.ndarray:
        """Return the corners ``(c, 3)`` of the cells, in m; the last coordinate changes fastest."""
        low, high = self.bounds
        axes = [np.linspace(low[axis], high[axis], count + 1) for axis, count in enumerate(self.cells)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)

    def corner_masses(self) -> np.ndarray:
        """Return the masses ``(c,)`` of the corners, in kg: in sum and centre those of the body.

        Raises:
            OigeError: the centre of mass is too far from that of the bounding box.
        """
        weights = [np.ones(count + 1) for count in self.cells]
        for weight in weights:
            weight[[0, -1]] = 0.5
        even = np.einsum("i,j,k->ijk", *weights).ravel()
        even *= self.mass / even.sum()
        arms = self.lattice() - self.bounds.mean(axis=0)
        slope = np.linalg.solve((even * arms.T) @ arms, self.mass * (self.center - self.bounds.mean(axis=0)))
        masses = even * (1.0 + arms @ slope)
        if not (masses > 0).all():
            raise OigeError("DeformableAsset: its mass is on one side of its bounding box; give it more cells there, "
                            "or another shape.")  # fmt: skip
        return masses

    def weights(self) -> np.ndarray:
        """Return the weights ``(k, c)`` with which each vertex of the surface follows the corners."""
        low, high = self.bounds
        weights = np.ones((len(self.vertices), 1))
        for axis, count in enumerate(self.cells):
            place = (self.vertices[:, axis] - low[axis]) / (high[axis] - low[axis]) * count
            along = np.clip(1.0 - np.abs(place[:, None] - np.arange(count + 1)), 0.0, None)
            weights = (weights[:, :, None] * along[:, None, :]).reshape(len(self.vertices), -1)
        return weights

    def _tetrahedra(self) -> tuple[np.ndarray, np.ndarray]:
        """Volumes ``(m,)``, with sign, and centres ``(m, 3)`` of the tetrahedra of triangles and the origin."""
        corners = self.vertices[self.triangles]
        return np.linalg.det(corners) / 6.0, corners.sum(axis=1) / 4.0

    def _check_surface(self) -> None:
        edges = np.concatenate([self.triangles[:, [i, (i + 1) % 3]] for i in range(3)])
        both = {tuple(edge) for edge in edges.tolist()}
        unmatched = [edge for edge in both if edge[::-1] not in both]
        if len(both) != len(edges) or unmatched:
            raise OigeError(
                f"DeformableAsset: its surface is not closed: {len(unmatched)} edges belong to one triangle, or two "
                "triangles that meet are seen from different sides; expected a closed surface of one orientation."
            )
        if not self.volume > 0:
            raise OigeError(f"DeformableAsset: its triangles enclose {self.volume:g} m³; name the nodes of each in the "
                            "other order, counter-clockwise seen from outside.")  # fmt: skip


def _array(name: str, values: object, kind: type) -> np.ndarray:
    """Return rows of three numbers as a read-only array."""
    try:
        array = np.array(values, dtype=kind)
        exact = np.array_equal(array, np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        array, exact = np.empty(0), False
    if array.ndim != 2 or array.shape[-1] != 3 or not len(array) or not exact:
        shape = np.shape(values) if isinstance(values, np.ndarray) else ""
        raise OigeError(f"DeformableAsset: {name} {shape}: expected (n, 3) finite numbers; whole ones for triangles.")
    array.setflags(write=False)
    return array
