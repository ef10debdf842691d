"""Surfaces, lattices and masses of soft bodies against closed forms."""

import math
from typing import Any

import numpy as np
import pytest
from oige_core.errors import OigeError
from oige_core.scene import DeformableAsset
from scene_helpers import raises

SIZE = (0.4, 0.2, 0.1)
TETRAHEDRON = {"vertices": [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]],
               "triangles": [[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]}  # fmt: skip


def box(**options: Any) -> DeformableAsset:
    given: dict[str, Any] = {"youngs_modulus": 1e5}
    return DeformableAsset.box(SIZE, **(given | options))


def tube(**options: Any) -> DeformableAsset:
    given = {"outer_radius": 0.02, "inner_radius": 0.015, "length": 0.3, "segments": 24, "youngs_modulus": 1e5}
    return DeformableAsset.tube(**(given | options))


def test_box_has_its_volume_and_mass() -> None:
    asset = box(rows=(3, 2, 1), density=500.0)
    assert asset.volume == pytest.approx(0.4 * 0.2 * 0.1)
    assert asset.mass == pytest.approx(4.0)
    np.testing.assert_allclose(asset.bounds, [[-0.2, -0.1, -0.05], [0.2, 0.1, 0.05]])
    assert len(asset.vertices) == 4 * 3 * 2  # all 4 × 3 × 2 nodes of the grid are on the surface
    assert len(asset.triangles) == 2 * 2 * (3 * 2 + 3 * 1 + 2 * 1)


def test_tube_has_the_volume_of_its_polygons_and_is_hollow() -> None:
    asset = tube()
    polygon = 0.5 * 24 * math.sin(2 * math.pi / 24)  # area of a regular polygon with corners on the unit circle
    assert asset.volume == pytest.approx(polygon * (0.02**2 - 0.015**2) * 0.3)
    np.testing.assert_allclose(asset.center, 0.0, atol=1e-12)
    radii = np.linalg.norm(asset.vertices[:, 1:], axis=1)
    np.testing.assert_allclose(np.unique(radii.round(9)), [0.015, 0.02])


def test_tube_nodes_have_the_stated_order() -> None:
    asset = tube(rows=6)
    node = (2 * 4 + 1) * 24 + 6  # cross-section 4 of 0 to 6, inner surface, a quarter of the circle
    np.testing.assert_allclose(asset.vertices[node], [0.3 * (4 / 6 - 0.5), 0.0, 0.015], atol=1e-12)


def test_corner_masses_have_the_mass_and_centre_of_the_body() -> None:
    # A wedge whose cross-section in x and z is a right triangle: its centre is at a third of the edges from the right
    # angle, and at half of y.
    flat = np.array([[0, 0, 0], [0.3, 0, 0], [0, 0, 0.6], [0, 0.2, 0], [0.3, 0.2, 0], [0, 0.2, 0.6]])
    triangles = np.array([[0, 1, 2], [3, 5, 4], [0, 3, 4], [0, 4, 1], [0, 2, 5], [0, 5, 3], [1, 4, 5], [1, 5, 2]])
    middle = np.array([[0.15, 0, 0.3], [0.15, 0.2, 0.3]])
    split = {(1, 4, 5): [[1, 4, 7], [1, 7, 6]], (1, 5, 2): [[6, 7, 5], [6, 5, 2]]}
    split |= {(0, 1, 2): [[0, 1, 6], [0, 6, 2]], (3, 5, 4): [[3, 5, 7], [3, 7, 4]]}
    fine = [part for triangle in triangles.tolist() for part in split.get(tuple(triangle), [triangle])]
    asset = DeformableAsset(
        vertices=np.concatenate([flat, middle]) + np.array([1.0, 2.0, 3.0]),
        triangles=np.array(fine),
        youngs_modulus=1e5,
        density=2000.0,
    )
    assert asset.mass == pytest.approx(2000 * 0.5 * 0.3 * 0.6 * 0.2)
    np.testing.assert_allclose(asset.center, [1.1, 2.1, 3.2])
    masses = asset.corner_masses()
    assert masses.sum() == pytest.approx(asset.mass)
    np.testing.assert_allclose(masses @ asset.lattice() / masses.sum(), asset.center)


def test_weights_reproduce_nodes_and_trilinear_functions() -> None:
    asset = tube(cells=(3, 1, 1))
    weights = asset.weights()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    np.testing.assert_allclose(weights @ asset.lattice(), asset.vertices, atol=1e-12)
    twist = asset.vertices.prod(axis=1)  # x·y·z is linear in x within each cell
    np.testing.assert_allclose(weights @ asset.lattice().prod(axis=1), twist, atol=1e-12)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"youngs_modulus": 0.0}, "DeformableAsset: youngs_modulus=0: expected a number above 0."),
        ({"density": -1.0}, "DeformableAsset: density=-1: expected a number above 0."),
        ({"poissons_ratio": 0.5}, "DeformableAsset: poissons_ratio=0.5: expected 0 to below 0.5."),
        ({"damping": -0.1}, "DeformableAsset: damping=-0.1: expected a time of at least 0 s."),
        ({"cells": (1, 0, 1)}, r"DeformableAsset: cells=\(1, 0, 1\): expected whole numbers of at least 1 along .*"),
        ({"rows": (1, 0, 1)}, r"DeformableAsset.box: rows=\(1, 0, 1\): expected whole numbers of at least 1."),
        ({"cells": (2, 1, 1)}, r"DeformableAsset: its 8 nodes do not determine the 12 corners of its cells .*"),
    ],
)  # fmt: skip
def test_invalid_box_raises(given: dict[str, Any], message: str) -> None:
    with raises(OigeError, message):
        box(**given)


@pytest.mark.parametrize(
    ("triangles", "message"),
    [
        (TETRAHEDRON["triangles"][:3], "DeformableAsset: its surface is not closed: 3 edges belong to one triangle.*"),
        ([t[::-1] for t in TETRAHEDRON["triangles"]], r"DeformableAsset: its triangles enclose -0.166667 m³; name .*"),
        ([[0, 1, 4]], "DeformableAsset: triangles name nodes from 0 to 4; expected 0 to 3."),
        ([[0, 1, 1.5]], r"DeformableAsset: triangles : expected \(n, 3\) .*"),
    ],
)
def test_invalid_surface_raises(triangles: list[list[int]], message: str) -> None:
    with raises(OigeError, message):
        DeformableAsset(vertices=TETRAHEDRON["vertices"], triangles=triangles, youngs_modulus=1e5)  # type: ignore[arg-type]


def test_invalid_tube_raises() -> None:
    with raises(OigeError, "DeformableAsset.tube: outer_radius=0.02, inner_radius=0.03, length=0.3: expected 0 < .*"):
        tube(inner_radius=0.03)
