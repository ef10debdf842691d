"""Warp kernels for episodes and their statistics; one thread per world unless stated otherwise."""

import warp as wp

__all__ = [
    "average",
    "begin_episodes",
    "check_actions",
    "count_step",
    "discard_step",
    "end_episodes",
    "end_failed_episodes",
    "sum_rewards",
]


@wp.kernel(enable_backward=False)
def count_step(progress: wp.array[wp.int64]):
    """Count a control step."""
    world = wp.tid()
    progress[world] = progress[world] + wp.int64(1)


@wp.kernel(enable_backward=False)
def end_episodes(
    progress: wp.array[wp.int64],
    max_length: wp.int64,
    terminated: wp.array[bool],
    truncated: wp.array[bool],
    ended: wp.array[bool],
):
    """Truncate episodes that reached their length, and mark those that ended."""
    world = wp.tid()
    truncated[world] = progress[world] >= max_length and not terminated[world]
    ended[world] = truncated[world] or terminated[world]


@wp.kernel(enable_backward=False)
def discard_step(
    mask: wp.array[bool],
    rewards: wp.array[float],
    terminated: wp.array[bool],
    truncated: wp.array[bool],
    ended: wp.array[bool],
):
    """Clear reward and flags of a step in the worlds of the mask, which it resets."""
    world = wp.tid()
    if mask[world]:
        rewards[world] = 0.0
        terminated[world] = False
        truncated[world] = False
        ended[world] = False


@wp.kernel(enable_backward=False)
def check_actions(actions: wp.array2d[float], row: int, counts: wp.array2d[int], failed: wp.array[bool]):
    """Replace the actions of a world by zeros if one is not finite, and count this in a row of ``counts``."""
    world = wp.tid()
    finite = bool(True)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    for i in range(actions.shape[1]):
        finite = finite and wp.isfinite(actions[world, i])
    if not finite:
        for i in range(actions.shape[1]):
            actions[world, i] = 0.0
        counts[row, world] = counts[row, world] + 1
        failed[world] = True


@wp.func
def _replace_non_finite(values: wp.array2d[float], world: int) -> bool:
    finite = bool(True)  # noqa: UP018
    for i in range(values.shape[1]):
        if not wp.isfinite(values[world, i]):
            values[world, i] = 0.0
            finite = False
    return not finite


@wp.kernel(enable_backward=False)
def end_failed_episodes(
    physics_failed: wp.array[bool],
    observations_row: int,
    rewards_row: int,
    observations: wp.array2d[float],
    states: wp.array2d[float],
    rewards: wp.array[float],
    terms: wp.array2d[float],
    counts: wp.array2d[int],
    failed: wp.array[bool],
    terminated: wp.array[bool],
    truncated: wp.array[bool],
    ended: wp.array[bool],
):
    """Terminate episodes of failed worlds, without reward and with finite observations."""
    world = wp.tid()
    unseen = _replace_non_finite(observations, world)
    if _replace_non_finite(states, world):
        unseen = True
    if unseen:
        counts[observations_row, world] = counts[observations_row, world] + 1
    elif not wp.isfinite(rewards[world]):
        counts[rewards_row, world] = counts[rewards_row, world] + 1
    if unseen or physics_failed[world] or not wp.isfinite(rewards[world]):
        failed[world] = True
    if failed[world]:
        rewards[world] = 0.0
        for i in range(terms.shape[1]):
            terms[world, i] = 0.0
        terminated[world] = True
        truncated[world] = False
        ended[world] = True


@wp.kernel(enable_backward=False)
def sum_rewards(
    rewards: wp.array[float],
    terms: wp.array2d[float],
    ended: wp.array[bool],
    sums: wp.array2d[float],
    finished: wp.array[float],
):
    """Add a step to the sums of a world's episode, and those of an ended episode to ``finished``.

    Columns: reward, steps, terms of the reward; the last entry of ``finished`` is the number of episodes.
    """
    world = wp.tid()
    sums[world, 0] = sums[world, 0] + rewards[world]
    sums[world, 1] = sums[world, 1] + 1.0
    for i in range(terms.shape[1]):
        sums[world, 2 + i] = sums[world, 2 + i] + terms[world, i]
    if ended[world]:
        for i in range(sums.shape[1]):
            wp.atomic_add(finished, i, sums[world, i])
        wp.atomic_add(finished, sums.shape[1], 1.0)


@wp.kernel(enable_backward=False)
def average(finished: wp.array[float]):
    """Turn sums over episodes into means; one thread per sum."""
    i = wp.tid()
    finished[i] = finished[i] / wp.max(finished[finished.shape[0] - 1], 1.0)


@wp.kernel(enable_backward=False)
def begin_episodes(
    mask: wp.array[bool], progress: wp.array[wp.int64], skipped: wp.array[wp.int64], sums: wp.array2d[float]
):
    """Clear the sums in worlds of the mask."""
    world = wp.tid()
    if mask[world]:
        progress[world] = wp.int64(0)
        skipped[world] = wp.int64(0)
        for i in range(sums.shape[1]):
            sums[world, i] = 0.0
