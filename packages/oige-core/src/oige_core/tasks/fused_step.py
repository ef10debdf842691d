"""The bookkeeping of a control step on a GPU, in a few Warp kernels instead of dozens of operations of torch."""

import torch

from oige_core.kernel_launch import launch
from oige_core.problems import ProblemCounts
from oige_core.tasks import step_kernels as kernels

__all__ = ["FusedStep"]


class FusedStep:
    """Computes what :class:`~oige_core.tasks.RLTask` computes with torch on the CPU: bit for bit the same.

    Args:
        counts: problems outside of physics.
        physics: problems of physics.
        limit: actions are clamped to plus and minus this.
    """

    def __init__(self, counts: ProblemCounts, physics: ProblemCounts, limit: float) -> None:
        self._counts = counts
        self._physics = physics
        self._limit = limit
        self._rows = {kind: row for row, kind in enumerate(counts.kinds)}
        self._num_envs = len(counts.failed)
        # Worlds with last and first observations that are not finite; the kernels that read the masks also clear them.
        self._unseen, self._unseen_first = torch.zeros_like(counts.failed), torch.zeros_like(counts.failed)
        self._nothing = torch.zeros(self._num_envs, 0, device=counts.failed.device)

    def begin(self, actions: torch.Tensor, ignored: torch.Tensor | None) -> torch.Tensor:
        """Clear the marks of failed worlds; return clamped actions, zeros in worlds where one is not finite.

        Args:
            actions: ``(N, num_actions)``.
            ignored: worlds ``(N,)`` bool whose actions are replaced by zeros; None: no world.
        """
        used, counts = torch.empty_like(actions), self._counts
        skipped = counts.failed if ignored is None else ignored
        row = self._rows["non_finite_actions"]
        mask = [ignored is not None, skipped]
        failed = [counts.counts, counts.failed, self._physics.failed]
        launch(kernels.begin_step, self._num_envs, actions, self._limit, *mask, row, *failed, used)
        return used

    def copy(self, observations: torch.Tensor) -> torch.Tensor:
        """Return a copy of observations or states ``(N, …)``; worlds in which one is not finite are remembered."""
        copied = torch.empty_like(observations, memory_format=torch.contiguous_format)
        if copied.numel():
            values, copy = observations.flatten(1), copied.flatten(1)
            launch(kernels.copy_observations, tuple(copy.shape), values, copy, self._unseen)
        return copied

    def assign(self, target: torch.Tensor, worlds: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return a copy of observations or states in which the rows of a mask are ``values``; see :meth:`copy`.

        Args:
            target: ``(N, …)``.
            worlds: ``(N,)`` bool.
            values: ``(N, …)``.
        """
        copied = torch.empty_like(target, memory_format=torch.contiguous_format)
        rows = [each.flatten(1) for each in (values, target, copied)]
        launch(kernels.assign_observations, tuple(rows[0].shape), worlds, *rows, self._unseen_first)
        return copied

    def clear_unseen(self, worlds: torch.Tensor, observations: torch.Tensor | None, states: torch.Tensor) -> None:
        """Zero observations and states of remembered worlds, in place, and count a problem in those of a mask.

        Args:
            worlds: ``(N,)`` bool.
            observations: ``(N, …)``; None: they are images.
            states: ``(N, num_states)``.
        """
        counts, row = self._counts, self._rows["non_finite_observations"]
        cleared = [self._flat(observations), states]
        problems = [row, counts.counts, counts.failed]
        launch(kernels.clear_unseen, self._num_envs, self._unseen_first, worlds, *problems, *cleared)

    def end_failed_episodes(
        self,
        observations: torch.Tensor | None,
        states: torch.Tensor,
        rewards: torch.Tensor,
        terms: torch.Tensor,
        terminated: torch.Tensor,
        truncated: torch.Tensor,
        sums: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Terminate episodes of failed worlds, without reward and with observations of zeros, and add up rewards.

        Args:
            observations: ``(N, …)`` from :meth:`copy`, changed in place; None: they are images.
            states: ``(N, num_states)`` from :meth:`copy`, changed in place.
            rewards: ``(N,)``.
            terms: ``(terms, N)``.
            terminated: ``(N,)`` bool.
            truncated: ``(N,)`` bool.
            sums: ``(2 + terms, N)``: reward, steps, terms; changed in place.

        Returns:
            Rewards, terms, terminated, truncated, and whether there was a problem ``(N,)`` bool.
        """
        rows = self._rows["non_finite_observations"], self._rows["non_finite_rewards"]
        problems = [self._unseen, self._physics.failed, *rows, self._counts.counts, self._counts.failed]
        given = [self._flat(observations), states, rewards, terms, terminated, truncated]
        results = tuple(torch.empty_like(each) for each in (rewards, terms, terminated, truncated, terminated))
        launch(kernels.end_failed_episodes, tuple(sums.shape), *problems, *given, *results, sums)
        return results  # type: ignore[return-value]

    def finish_episodes(
        self, terminated: torch.Tensor, truncated: torch.Tensor, sums: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the worlds whose episodes ended ``(N,)`` bool, their number ``()`` int64, and means ``(sums,)``.

        Args:
            terminated: ``(N,)`` bool.
            truncated: ``(N,)`` bool.
            sums: ``(sums, N)``.
        """
        ended, selected = torch.empty_like(terminated), sums.new_empty(len(sums) + 1, self._num_envs)
        launch(kernels.select_ended, tuple(selected.shape), terminated, truncated, sums, self._unseen, ended, selected)
        # Threads that add to one number would do so in a varying order.
        totals = selected.sum(-1)
        means, count = sums.new_empty(len(sums)), sums.new_empty(1, dtype=torch.int64)
        launch(kernels.average, len(totals), totals, means, count)
        return ended, count.squeeze(0), means

    def begin_episodes(
        self, worlds: torch.Tensor, progress: torch.Tensor, skipped: torch.Tensor, sums: torch.Tensor
    ) -> None:
        """Clear steps ``(N,)`` int64 and sums ``(sums, N)`` in the worlds of a mask ``(N,)``."""
        launch(kernels.begin_episodes, self._num_envs, worlds, progress, skipped, sums)

    def _flat(self, observations: torch.Tensor | None) -> torch.Tensor:
        return self._nothing if observations is None else observations.flatten(1)
