"""Result of a policy that was played."""

from dataclasses import dataclass

__all__ = ["PlayResult"]


@dataclass(frozen=True)
class PlayResult:
    """Result of the episodes that were played.

    Attributes:
        count: number of finished episodes; if it is 0, so are the means.
        mean_return: mean sum of rewards of an episode.
        mean_length: mean length of an episode in control steps.
        success: fraction of the episodes that succeeded, or of the goals that were reached; None if the task reports
            neither.
        goals: mean number of goals reached in an episode; None if the task has no goals.
    """

    count: int
    mean_return: float
    mean_length: float
    success: float | None
    goals: float | None = None

    def text(self) -> str:
        """Return the result as a sentence."""
        if not self.count:
            return "no episode was finished"
        success = "" if self.success is None else f", success {self.success:.3f}"
        if self.goals is not None:
            success += f" of goals, {self.goals:.2f} goals reached"
        return (
            f"mean return {self.mean_return:.2f}, mean length {self.mean_length:.1f}{success} over {self.count} "
            "finished episodes"
        )
