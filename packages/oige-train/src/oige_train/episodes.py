"""Episodes of a policy that is played, and what they amount to."""

from typing import TYPE_CHECKING, Any

import torch

from oige_train.console import ProgressLine
from oige_train.learner.environment import RlGamesEnv
from oige_train.play_result import PlayResult
from oige_train.policy import FlashSacPolicy, Policy
from oige_train.schema.learner import PlayerConfig

if TYPE_CHECKING:
    from oige_train.export.exported import ExportedPolicy

__all__ = ["Episodes"]


class Episodes:
    """Plays episodes of a policy, spread evenly over the worlds, and counts them.

    Each world has a fixed quota; taking the first episodes to finish would over-represent short ones. A task reports
    successes in ``info["success"]`` ``(N,)``: whether the current episode of each world has succeeded; or, if each
    episode has goals one after the other, how many it has had in ``info["goals_given"]`` and ``info["goals_reached"]``
    ``(N,)``.

    Args:
        policy: the policy.
        adapter: the environment.
        config: number of episodes, and whether actions have exploration noise.
    """

    def __init__(
        self, policy: "Policy | FlashSacPolicy | ExportedPolicy", adapter: RlGamesEnv, config: PlayerConfig
    ) -> None:
        self._policy, self._adapter, self._config = policy, adapter, config
        self.begin()

    def begin(self) -> None:
        """Reset all worlds, and forget the episodes so far."""
        worlds, device = self._adapter.env.num_envs, self._adapter.device
        self._observations = self._adapter.reset()["obs"]
        self._only_reset = torch.zeros(worlds, dtype=torch.bool, device=device)
        self._policy.reset_hidden_state(~self._only_reset)
        self._tally = _Tally(self._config.games_num, worlds, device)

    def step(self) -> None:
        """Step all worlds.

        Raises:
            RunStoppedError: the program around the run has ended it.
        """
        actions = self._policy.act(self._observations, deterministic=self._config.deterministic)
        out, rewards, done, info = self._adapter.step(actions)
        self._observations = out["obs"]
        self._tally.add(rewards, done, info, self._only_reset)
        self._policy.reset_hidden_state(done | self._only_reset)
        if self._adapter.autoreset_mode == "next_step":
            self._only_reset = done

    def add_round(self) -> None:
        """Ask for one more episode per world."""
        self._tally.add_round()

    def are_complete(self) -> bool:
        """Whether all episodes have ended."""
        return self._tally.is_complete()

    def show(self, line: ProgressLine, *, endless: bool) -> None:
        """Show progress."""
        self._tally.show(line, endless=endless)

    def result(self) -> PlayResult:
        """Return the result of the episodes that have ended."""
        return self._tally.result()


class _Tally:
    """Returns, lengths and successes of a number of episodes, spread evenly over the worlds.

    Args:
        count: number of episodes.
        num_envs: number of worlds.
        device: device of the tensors.
    """

    def __init__(self, count: int, num_envs: int, device: torch.device) -> None:
        self._count = count
        self._quota = torch.full((num_envs,), count // num_envs, device=device)
        self._quota[: count % num_envs] += 1
        self._returns = torch.zeros(num_envs, device=device)
        self._lengths = torch.zeros(num_envs, device=device)
        self._total_return = torch.zeros((), dtype=torch.float64, device=device)
        self._total_length = torch.zeros((), dtype=torch.float64, device=device)
        self._successes: int | None = None
        self._goals: torch.Tensor | None = None  # reached and given
        self._left = count

    def add(self, rewards: torch.Tensor, done: torch.Tensor, info: dict[str, Any], only_reset: torch.Tensor) -> None:
        """Add a step.

        Args:
            rewards: ``(N,)``.
            done: ``(N,)`` bool, whether the episode has ended.
            info: of the environment.
            only_reset: ``(N,)`` bool, whether the step belongs to no episode.
        """
        device = self._quota.device
        self._returns += rewards
        self._lengths += ~only_reset
        counted = done & (self._quota > 0)
        self._total_return += (self._returns * counted).sum()
        self._total_length += (self._lengths * counted).sum()
        if "success" in info:
            self._successes = (self._successes or 0) + int((info["success"].to(device) & counted).sum())
        if "goals_reached" in info:
            both = torch.stack([info["goals_reached"], info["goals_given"]]).to(device, torch.float64)
            self._goals = (self._goals if self._goals is not None else 0.0) + (both * counted).sum(dim=1)
        self._quota -= counted.long()
        self._returns *= ~done
        self._lengths *= ~done
        self._left = int(self._quota.sum())

    def add_round(self) -> None:
        """Ask for one more episode per world."""
        self._quota += 1
        self._count += len(self._quota)
        self._left += len(self._quota)

    def is_complete(self) -> bool:
        """Whether all episodes have ended."""
        return self._left == 0

    def show(self, line: ProgressLine, *, endless: bool) -> None:
        """Show progress."""
        finished = self._count - self._left
        if not endless:
            line.show(f"played {finished} of {self._count} episodes")
        elif finished:
            line.show(f"played {finished} episodes, mean return {float(self._total_return) / finished:.2f}")

    def result(self) -> PlayResult:
        """Return the result of the episodes that have ended."""
        finished = self._count - self._left
        success = None if self._successes is None else self._successes / max(finished, 1)
        if self._goals is not None:
            success = float(self._goals[0]) / max(float(self._goals[1]), 1.0)
        return PlayResult(
            count=finished,
            mean_return=float(self._total_return) / max(finished, 1),
            mean_length=float(self._total_length) / max(finished, 1),
            success=success,
            goals=None if self._goals is None else float(self._goals[0]) / max(finished, 1),
        )
