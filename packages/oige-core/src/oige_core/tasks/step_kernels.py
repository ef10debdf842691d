"""Warp kernels of the control step of torch tasks on a GPU; one thread per world unless stated otherwise.

Each does the work of many operations of torch, whose results the torch form in :mod:`~oige_core.tasks.rl_task` defines.
"""

import warp as wp

__all__ = [
    "assign_observations",
    "average",
    "begin_episodes",
    "begin_step",
    "clear_unseen",
    "copy_observations",
    "end_failed_episodes",
    "select_ended",
]


@wp.kernel(enable_backward=False)
def begin_step(
    actions: wp.array2d[float],
    limit: float,
    ignores: bool,
    ignored: wp.array[bool],
    row: int,
    counts: wp.array2d[int],
    failed: wp.array[bool],
    physics_failed: wp.array[bool],
    used: wp.array2d[float],
):
    """Clamp the actions of a world to ``used``, or zero them and count a problem if one is not finite.

    Args:
        actions: ``(N, num_actions)``.
        limit: actions are clamped to plus and minus this.
        ignores: whether the actions of the worlds of the mask ``ignored`` are replaced by zeros, and not counted.
        ignored: ``(N,)``.
        row: row of the counts.
        counts: ``(kinds, N)``.
        failed: ``(N,)``; whether there was a problem in this step.
        physics_failed: ``(N,)``; cleared.
        used: ``(N, num_actions)``.
    """
    world = wp.tid()
    finite = bool(True)  # noqa: UP018  a variable in Warp, which treats a literal as a constant
    skipped = ignores and ignored[world]
    for i in range(actions.shape[1]):
        value = actions[world, i]
        # NaN stays NaN, because every comparison with it is false.
        if value > limit:
            value = limit
        if value < -limit:
            value = -limit
        if skipped:
            value = 0.0
        finite = finite and wp.isfinite(value)
        used[world, i] = value
    if not finite:
        for i in range(actions.shape[1]):
            used[world, i] = 0.0
        counts[row, world] = counts[row, world] + 1
    failed[world] = not finite
    physics_failed[world] = False


@wp.kernel(enable_backward=False)
def copy_observations(values: wp.array2d[float], copy: wp.array2d[float], unseen: wp.array[bool]):
    """Copy observations, and mark the worlds in which one is not finite; one thread per number."""
    world, i = wp.tid()
    value = values[world, i]
    copy[world, i] = value
    if not wp.isfinite(value):
        unseen[world] = True


@wp.kernel(enable_backward=False)
def assign_observations(
    mask: wp.array[bool],
    values: wp.array2d[float],
    others: wp.array2d[float],
    copy: wp.array2d[float],
    unseen: wp.array[bool],
):
    """Copy ``values`` in worlds of the mask, ``others`` elsewhere; mark worlds as in :func:`copy_observations`.

    One thread per number.
    """
    world, i = wp.tid()
    value = others[world, i]
    if mask[world]:
        value = values[world, i]
    copy[world, i] = value
    if not wp.isfinite(value):
        unseen[world] = True


@wp.func
def _clear(world: int, observations: wp.array2d[float], states: wp.array2d[float]):
    for i in range(observations.shape[1]):
        observations[world, i] = 0.0
    for i in range(states.shape[1]):
        states[world, i] = 0.0


@wp.kernel(enable_backward=False)
def clear_unseen(
    unseen: wp.array[bool],
    mask: wp.array[bool],
    row: int,
    counts: wp.array2d[int],
    failed: wp.array[bool],
    observations: wp.array2d[float],
    states: wp.array2d[float],
):
    """Zero the observations and states of the marked worlds, count a problem in those of the mask, and unmark them."""
    world = wp.tid()
    if unseen[world]:
        unseen[world] = False
        _clear(world, observations, states)
        if mask[world]:
            counts[row, world] = counts[row, world] + 1
            failed[world] = True


@wp.kernel(enable_backward=False)
def end_failed_episodes(
    unseen: wp.array[bool],
    physics_failed: wp.array[bool],
    observations_row: int,
    rewards_row: int,
    counts: wp.array2d[int],
    counted_failed: wp.array[bool],
    observations: wp.array2d[float],
    states: wp.array2d[float],
    rewards: wp.array[float],
    terms: wp.array2d[float],
    terminated: wp.array[bool],
    truncated: wp.array[bool],
    new_rewards: wp.array[float],
    new_terms: wp.array2d[float],
    new_terminated: wp.array[bool],
    new_truncated: wp.array[bool],
    failed: wp.array[bool],
    sums: wp.array2d[float],
):
    """Terminate the episode of a failed world, without reward and with observations of zeros; add up rewards.

    One thread per sum.

    Args:
        unseen: worlds ``(N,)`` with observations that are not finite; :func:`select_ended` unmarks them.
        physics_failed: ``(N,)``.
        observations_row: row of the counts.
        rewards_row: row of the counts.
        counts: ``(kinds, N)``.
        counted_failed: ``(N,)``; worlds with a problem outside of physics in this step.
        observations: ``(N, k)``, zeroed in place.
        states: ``(N, num_states)``, zeroed in place.
        rewards: ``(N,)``.
        terms: ``(terms, N)``.
        terminated: ``(N,)``.
        truncated: ``(N,)``.
        new_rewards: ``(N,)``.
        new_terms: ``(terms, N)``.
        new_terminated: ``(N,)``.
        new_truncated: ``(N,)``.
        failed: ``(N,)``; worlds with a problem in this step.
        sums: ``(2 + terms, N)`` over the episode: reward, steps, terms.
    """
    row, world = wp.tid()
    hidden = unseen[world]
    reward = rewards[world]
    # Whether another thread has already marked the world as failed makes no difference.
    fails = counted_failed[world] or physics_failed[world] or hidden or not wp.isfinite(reward)
    if fails:
        reward = 0.0
    if row == 0:
        if hidden:
            _clear(world, observations, states)
            counts[observations_row, world] = counts[observations_row, world] + 1
            counted_failed[world] = True
        elif not wp.isfinite(rewards[world]):
            counts[rewards_row, world] = counts[rewards_row, world] + 1
            counted_failed[world] = True
        failed[world] = fails
        new_rewards[world] = reward
        new_terminated[world] = terminated[world] or fails
        new_truncated[world] = truncated[world] and not fails
        sums[0, world] = sums[0, world] + reward
    elif row == 1:
        sums[1, world] = sums[1, world] + 1.0
    else:
        term = terms[row - 2, world]
        if fails:
            term = 0.0
        new_terms[row - 2, world] = term
        sums[row, world] = sums[row, world] + term


@wp.kernel(enable_backward=False)
def select_ended(
    terminated: wp.array[bool],
    truncated: wp.array[bool],
    sums: wp.array2d[float],
    unseen: wp.array[bool],
    ended: wp.array[bool],
    selected: wp.array2d[float],
):
    """Mark the world if its episode has ended, and select its sums; one thread per entry of ``selected``.

    Args:
        terminated: ``(N,)``.
        truncated: ``(N,)``.
        sums: ``(sums, N)``.
        unseen: ``(N,)``; unmarked.
        ended: ``(N,)``.
        selected: ``(sums + 1, N)``: the sums and 1 if the episode has ended, otherwise zeros.
    """
    row, world = wp.tid()
    ends = terminated[world] or truncated[world]
    value = float(1.0)  # noqa: UP018
    if row < sums.shape[0]:
        value = sums[row, world]
    else:
        ended[world] = ends
        unseen[world] = False
    if not ends:
        value = 0.0
    selected[row, world] = value


@wp.kernel(enable_backward=False)
def average(totals: wp.array[float], means: wp.array[float], count: wp.array[wp.int64]):
    """Divide totals by the number of episodes, which is their last entry; one thread per entry."""
    i = wp.tid()
    last = totals.shape[0] - 1
    number = totals[last]
    if i == last:
        count[0] = wp.int64(number)
    else:
        means[i] = totals[i] / wp.max(number, 1.0)


@wp.kernel(enable_backward=False)
def begin_episodes(
    mask: wp.array[bool], progress: wp.array[wp.int64], skipped: wp.array[wp.int64], sums: wp.array2d[float]
):
    """Clear the steps and the sums ``(sums, N)`` of a world of the mask."""
    world = wp.tid()
    if mask[world]:
        progress[world] = wp.int64(0)
        skipped[world] = wp.int64(0)
        for i in range(sums.shape[0]):
            sums[i, world] = 0.0
