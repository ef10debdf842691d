"""A height field as a mesh of few triangles."""

import numpy as np

__all__ = ["height_field_mesh"]

LONGEST_RECTANGLE = 64  # cells; largest side of a rectangle


def height_field_mesh(
    heights: np.ndarray, spacing: tuple[float, float], tolerance: float = 1e-3
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices ``(V, 3)`` and faces ``(F, 3)`` of a height field; flat parts become large rectangles.

    This leaves a fifteenth of the five million triangles of AnymalTerrain's map, most of them on rough slopes. Where a
    rectangle borders on smaller ones, their samples lie on its edge within ``tolerance``, so no wider gap opens.

    Args:
        heights: ``(rows along x, columns along y)``, in metres.
        spacing: distance of neighbouring samples along x and y, in metres; sample ``[0, 0]`` lies at x = y = 0.
        tolerance: largest distance of the mesh from a sample, in metres.
    """
    columns = heights.shape[1]
    row, column, next_row, next_column = _flat_rectangles(heights, tolerance)
    corners = ((row, column), (next_row, column), (next_row, next_column), (row, next_column))
    used, indices = np.unique(np.stack([i * columns + j for i, j in corners], axis=1), return_inverse=True)
    rectangles = indices.reshape(-1, 4)
    x, y = np.divmod(used, columns)
    vertices = np.stack([x * spacing[0], y * spacing[1], heights.ravel()[used]], axis=1).astype(np.float32)
    return vertices, np.concatenate([rectangles[:, :3], rectangles[:, [0, 2, 3]]]).astype(np.uint32)


def _flat_rectangles(heights: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the first row and column of samples and the last ones of rectangles that cover a height field, ``(4, n)``.

    Neighbouring coplanar cells of a row are merged into a strip, and neighbouring coplanar strips into a rectangle.
    Small bends add up: a rectangle that misses a sample by more than the tolerance is split into single cells.
    """
    rows, columns = heights.shape[0] - 1, heights.shape[1] - 1
    bend = 0.01 * tolerance
    even = np.abs(heights[:-1, :-1] + heights[1:, 1:] - heights[1:, :-1] - heights[:-1, 1:]) <= bend
    straight_x, straight_y = (np.abs(np.diff(heights, n=2, axis=axis)) <= bend for axis in (0, 1))  # inner samples

    joined = np.zeros((rows, columns), dtype=bool)  # with the previous cell of the row
    joined[:, 1:] = even[:, 1:] & even[:, :-1] & straight_y[:-1] & straight_y[1:]
    joined[:, ::LONGEST_RECTANGLE] = False
    starts = np.flatnonzero(~joined)
    lengths = np.diff(starts, append=rows * columns)
    row, column = np.divmod(starts, columns)
    length_at = np.zeros((rows, columns), dtype=lengths.dtype)
    length_at[row, column] = lengths

    straight_x = np.pad(straight_x, ((1, 0), (0, 0)))
    stacked = (  # with the strip of the previous row
        (row % LONGEST_RECTANGLE != 0)
        & (length_at[row - 1, column] == lengths)
        & even[row, column]
        & even[row - 1, column]
        & straight_x[row, column]
        & straight_x[row, column + lengths]
    )
    order = np.lexsort((row, column))
    number = np.empty_like(order)
    number[order] = np.cumsum(~stacked[order]) - 1  # of the rectangle that a strip belongs to
    firsts = order[~stacked[order]]
    last_row = row[firsts] + np.bincount(number)
    rectangles = np.stack([row[firsts], column[firsts], last_row, column[firsts] + lengths[firsts]])

    owner = np.repeat(number, lengths)  # of each cell
    cells = np.arange(rows * columns)
    wrong = np.unique(owner[_misses(heights, rectangles[:, owner], *np.divmod(cells, columns)) > tolerance])
    row, column = np.divmod(cells[np.isin(owner, wrong)], columns)
    return np.concatenate([np.delete(rectangles, wrong, axis=1), [row, column, row + 1, column + 1]], axis=1)


def _misses(heights: np.ndarray, rectangles: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the largest distance, in metres, of the plane of each cell's rectangle from the corners of the cell."""
    first_row, first_column, last_row, last_column = rectangles
    corner = heights[first_row, first_column]
    along_x = (heights[last_row, first_column] - corner) / (last_row - first_row)
    along_y = (heights[first_row, last_column] - corner) / (last_column - first_column)
    is_cell = (last_row - first_row == 1) & (last_column - first_column == 1)
    worst = np.zeros(len(row))
    for i, j in ((row, column), (row + 1, column), (row, column + 1), (row + 1, column + 1)):
        plane = corner + along_x * (i - first_row) + along_y * (j - first_column)
        worst = np.maximum(worst, np.abs(heights[i, j] - plane))
    return np.where(is_cell, 0.0, worst)
