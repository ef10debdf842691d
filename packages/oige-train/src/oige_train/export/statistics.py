"""Statistics of what a policy observed and did, by which logs of a robot are checked later.

A recording has the control steps of several worlds, and what it returns is plain data for the contract.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = [
    "Recording",
    "entry_statistics",
    "find_derivatives",
    "find_echoes",
    "find_unit_vectors",
    "fit",
    "image_statistics",
    "longest_still",
]

#: Correlations from which on one entry counts as the rate of change of another, and as a repeated action.
MIN_DERIVATIVE = 0.6
MIN_ECHO = 0.999
#: Factor by which slopes of single worlds may differ from that of all.
SAME_SLOPE = 1.4
#: Fraction of the deviation of all worlds from which on a world moves.
MOVING = 0.5
#: Standard deviations below this are zero: such entries have no correlations.
CONSTANT = 1e-6


@dataclasses.dataclass(frozen=True)
class Recording:
    """What a policy observed and did in its task.

    Attributes:
        observations: ``(T, N, D)``.
        actions: ``(T, N, A)``: actions that the policy gave for these observations.
        starts: ``(T, N)`` bool: whether the observation is the first one of an episode.
    """

    observations: np.ndarray
    actions: np.ndarray
    starts: np.ndarray

    def same_episode(self, lag: int = 1) -> np.ndarray:
        """Return ``(T − lag, N)`` bool: whether a step and the one ``lag`` steps later belong to the same episode."""
        joined = np.ones((len(self.starts) - lag, self.starts.shape[1]), bool)
        for step in range(1, lag + 1):
            joined &= ~self.starts[step : len(self.starts) - lag + step]
        return joined


def entry_statistics(values: np.ndarray, starts: np.ndarray) -> list[dict[str, float]]:
    """Return mean, standard deviation, minimum, maximum and longest time without a change of each entry.

    Args:
        values: ``(T, N, D)``.
        starts: ``(T, N)`` bool, whether an episode begins.

    Returns:
        One dictionary for each entry: ``mean``, ``deviation``, ``minimum``, ``maximum`` in units of the entry, and
        ``still`` in control steps.
    """
    rows = values.reshape(-1, values.shape[-1]).astype(np.float64)
    columns = zip(
        rows.mean(axis=0),
        rows.std(axis=0),
        rows.min(axis=0),
        rows.max(axis=0),
        longest_still(values, starts),
        strict=True,
    )
    names = ("mean", "deviation", "minimum", "maximum", "still")
    return [dict(zip(names, (*map(float, numbers), int(still)), strict=True)) for *numbers, still in columns]


def image_statistics(images: np.ndarray, starts: np.ndarray) -> list[dict[str, float]]:
    """Return the statistics of each channel of images over all pixels; ``still`` counts steps with the same sums.

    Args:
        images: ``(T, N, rows, columns, channels)``.
        starts: ``(T, N)`` bool, whether an episode begins.
    """
    sums = images.sum(axis=(2, 3), dtype=np.float64)
    still = longest_still(sums, starts)
    result = []
    for channel in range(images.shape[-1]):
        pixels = images[..., channel]
        numbers = (pixels.mean(dtype=np.float64), pixels.std(dtype=np.float64), pixels.min(), pixels.max())
        names = ("mean", "deviation", "minimum", "maximum")
        result.append(dict(zip(names, map(float, numbers), strict=True)) | {"still": int(still[channel])})
    return result


def find_unit_vectors(recording: Recording, groups: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Return which groups of entries are vectors of constant length.

    Args:
        recording: the recording.
        groups: indices of the components of each vector.

    Returns:
        ``entries``, which are indices, and ``length`` of those that do.
    """
    found = []
    for group in groups:
        lengths = np.linalg.norm(recording.observations[..., list(group)].astype(np.float64), axis=-1)
        if lengths.mean() > CONSTANT and lengths.std() < 1e-3 * lengths.mean():
            found.append({"entries": list(group), "length": float(lengths.mean())})
    return found


def longest_still(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the largest number of consecutive steps ``(D,)`` in which each entry repeats its value in an episode.

    Args:
        values: ``(T, N, D)``.
        starts: ``(T, N)`` bool.
    """
    run = np.zeros(values.shape[1:], int)
    longest = np.zeros(values.shape[2], int)
    for before, now, start in zip(values[:-1], values[1:], starts[1:], strict=True):
        run = np.where((before == now) & ~start[:, None], run + 1, 0)
        longest = np.maximum(longest, run.max(axis=0))
    return longest


def find_derivatives(recording: Recording, pairs: Sequence[tuple[int, int]], rate: float) -> list[dict[str, Any]]:
    """Return which entries are rates of change of others, as the recording shows.

    Args:
        recording: the recording.
        pairs: indices of a position and of a velocity that could belong to it.
        rate: control rate in Hz.

    Returns:
        For each position that has a velocity in every world that moves: ``position`` and ``velocity``, which are
        indices, ``correlation`` between the change of the position in a control step times ``rate`` and the mean
        velocity of its two ends, in the world where it is lowest, and ``slope``, the first divided by the second.
    """
    joined = recording.same_episode()
    best: dict[int, dict[str, Any]] = {}
    for position, velocity in pairs:
        x, v = recording.observations[..., position], recording.observations[..., velocity]
        change, mean = np.diff(x, axis=0) * rate, 0.5 * (v[1:] + v[:-1])
        correlation, slope = fit(change[joined], mean[joined])
        if correlation < max(MIN_DERIVATIVE, best.get(position, {}).get("correlation", 0.0)):
            continue
        enough = MOVING * float(mean[joined].std())  # noise hides smaller motions
        moving = [
            fit(c[kept], m[kept]) for c, m, kept in zip(change.T, mean.T, joined.T, strict=True) if m.std() > enough
        ]
        if all(each[0] >= MIN_DERIVATIVE and 1.0 / SAME_SLOPE < each[1] / slope < SAME_SLOPE for each in moving):
            correlation = min([correlation, *(each[0] for each in moving)])
            best[position] = {"position": position, "velocity": velocity, "correlation": correlation, "slope": slope}
    return list(best.values())


def find_echoes(recording: Recording) -> list[dict[str, Any]]:
    """Return which observations repeat the action of the step before, times a factor.

    Returns:
        ``observation`` and ``action``, which are indices, and ``slope``, the first divided by the second.
    """
    joined = recording.same_episode()
    if not joined.any():
        return []
    observations, deviations = _centred(recording.observations[1:][joined])
    actions, spreads = _centred(recording.actions[:-1][joined])
    products = observations.T @ actions / len(actions)
    varies = (deviations[:, None] > CONSTANT) & (spreads > CONSTANT)
    correlations = np.where(varies, products / np.where(varies, deviations[:, None] * spreads, 1.0), 0.0)
    return [
        {
            "observation": int(entry),
            "action": int(action),
            "slope": float(products[entry, action] / spreads[action] ** 2),
        }
        for entry, action in np.argwhere(correlations >= MIN_ECHO)
    ]


def _centred(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows ``(n, d)`` minus their mean, and their standard deviations ``(d,)``."""
    rows = rows.astype(np.float64)
    rows = rows - rows.mean(axis=0)
    return rows, np.sqrt((rows * rows).mean(axis=0))


def fit(y: np.ndarray, x: np.ndarray) -> tuple[float, float]:
    """Return correlation and slope of y against x, both ``(n,)``; zero if one of them is constant."""
    if not len(y):
        return 0.0, 0.0
    rows, deviations = _centred(np.stack((y, x), axis=1))
    if deviations.min() < CONSTANT:
        return 0.0, 0.0
    covariance = float(rows.prod(axis=1).mean())
    return covariance / float(deviations.prod()), covariance / float(deviations[1]) ** 2
