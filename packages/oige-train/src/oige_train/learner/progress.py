"""Progress of training: a line on the terminal and summaries for TensorBoard."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import torch
from oige_core.problems import ProblemReport, describe_problems

from oige_train.console import ProgressLine

__all__ = ["EpisodeMeans", "Observer", "ProgressObserver", "format_time"]


class HostCopy:
    """Values of a tensor, which are copied to the host while both continue to work.

    Args:
        tensor: ``(n,)``; it may change afterwards.
    """

    def __init__(self, tensor: torch.Tensor) -> None:
        self._event = None
        if tensor.device.type == "cuda":
            self._values = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._values.copy_(tensor, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record(torch.cuda.current_stream(tensor.device))
        else:
            self._values = tensor.clone()

    def wait(self) -> list[float]:
        """Return the values as soon as they have arrived."""
        if self._event is not None:
            self._event.synchronize()
        return self._values.tolist()


class EpisodeMeans:
    """Means of episode statistics, by name, over the episodes that ended in the steps of an epoch."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, ...], list[torch.Tensor]] = {}
        self._epochs: deque[dict[tuple[str, ...], HostCopy]] = deque()

    def add(self, means: dict[str, torch.Tensor], count: torch.Tensor) -> None:
        """Add the means of a step, which are copied; the device is not waited for.

        Args:
            means: 0-d means by name over the episodes that ended in the step; any value if none ended.
            count: 0-d number of these episodes.
        """
        row = torch.stack([count.to(torch.float32), *means.values()])
        self._steps.setdefault(tuple(means), []).append(row)

    def end_epoch(self) -> None:
        """End an epoch with the steps so far."""
        sums: dict[tuple[str, ...], HostCopy] = {}
        for names, rows in self._steps.items():
            table = torch.stack(rows).double()
            table[:, 1:] *= table[:, :1]
            sums[names] = HostCopy(table.sum(0))
        self._epochs.append(sums)
        self._steps = {}

    def take(self) -> dict[str, float]:
        """Return the means of the oldest epoch that has ended, and forget it; a name without episodes is omitted."""
        sums: dict[str, tuple[float, float]] = {}
        for names, copy in self._epochs.popleft().items():
            count, *totals = copy.wait()
            for name, total in zip(names, totals, strict=True):
                before = sums.get(name, (0.0, 0.0))
                sums[name] = (before[0] + total, before[1] + count)
        return {name: total / count for name, (total, count) in sums.items() if count > 0}


class Observer:
    """Sees every step and epoch of an agent; rl_games calls these methods. This one does nothing."""

    def before_init(self, base_name: str, config: dict[str, Any], experiment_name: str) -> None:
        """Called at the start of the agent's construction."""

    def after_init(self, algo: Any) -> None:
        """Called with the agent at the start of training."""

    def process_infos(self, infos: dict[str, Any], done_indices: torch.Tensor | None) -> None:
        """Called after each step with the environment's info; SAC also passes the worlds whose episode ended."""

    def after_steps(self) -> None:
        """Called after the last step of an epoch."""

    def after_clear_stats(self) -> None:
        """Called when the agent clears its statistics."""

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        """Called at the end of an epoch."""


class ProgressObserver(Observer):
    """Collects the infos of the environment and reports them once per epoch.

    TensorBoard gets ``Episode/<name>`` for every statistic in ``info["episode_means"]``, and ``<name>/frame`` for every
    other scalar in ``info``. ``Problems/<kind>`` is the number of problems so far.

    Args:
        line: shows progress, and explains each kind of problem once.
        problems: returns the number of problems of each kind so far.
    """

    def __init__(self, line: ProgressLine, problems: Callable[[], Mapping[str, int]] = dict) -> None:
        self.line = line
        self.problems = problems
        self._report = ProblemReport()
        self.latest: dict[str, float] = {}
        self.episodes = EpisodeMeans()
        self._scalars: dict[str, Any] = {}
        self._epochs: deque[tuple[dict[str, float], list[str], HostCopy]] = deque()
        self._start: tuple[float, int, int] | None = None

    def after_init(self, algo: Any) -> None:
        """Store the agent; rl_games calls this."""
        self.algo = algo

    def process_infos(self, infos: dict[str, Any], done_indices: torch.Tensor | None) -> None:
        """Collect the info of a step; rl_games calls this."""
        if self._start is None:
            # The clock starts here, because compilation and the first reset would distort the estimate.
            self._start = (time.monotonic(), self.algo.epoch_num - 1, self.algo.frame)
        self.episodes.add(infos["episode_means"], infos["episode_count"])
        for name, value in infos.items():
            if name != "episode_count" and _is_scalar(value):
                self._scalars[name] = value

    def after_steps(self) -> None:
        """Keep what the steps of the epoch returned, which the next steps may overwrite."""
        self.episodes.end_epoch()
        tensors = {name: value for name, value in self._scalars.items() if isinstance(value, torch.Tensor)}
        numbers = {name: float(value) for name, value in self._scalars.items() if name not in tensors}
        values = torch.stack([value.double() for value in tensors.values()]) if tensors else torch.zeros(0)
        self._epochs.append((numbers, list(tensors), HostCopy(values)))
        self._scalars.clear()

    def after_print_stats(self, frame: int, epoch_num: int, total_time: float) -> None:
        """Write an epoch's summaries and show the line; rl_games calls this."""
        means = self.episodes.take()
        self.latest.update(means)
        for name, value in means.items():
            self.algo.writer.add_scalar(f"Episode/{name}", value, frame)
        numbers, names, copy = self._epochs.popleft()
        for name, value in (numbers | dict(zip(names, copy.wait(), strict=True))).items():
            self.algo.writer.add_scalar(f"{name}/frame", value, frame)
        problems = self.problems()
        for kind, count in problems.items():
            self.algo.writer.add_scalar(f"Problems/{kind}", count, frame)
        if lines := self._report.new_lines(problems):
            self.line.say(*lines)
        last = epoch_num == self._last_epoch(epoch_num)
        self.line.show(self.text(epoch_num), force=last)

    def _last_epoch(self, epoch: int) -> int:
        """Return the epoch in which training reaches its first limit; -1 without a limit."""
        assert self._start is not None
        _, first_epoch, first_frame = self._start
        limits = [self.algo.max_epochs] if self.algo.max_epochs > 0 else []
        if self.algo.max_frames > 0 and epoch > first_epoch:
            per_epoch = (self.algo.frame - first_frame) / (epoch - first_epoch)
            limits.append(epoch + max(0, math.ceil((self.algo.max_frames - self.algo.frame) / per_epoch)))
        return min(limits, default=-1)

    def text(self, epoch: int) -> str:
        """Return the line: epoch, mean reward, episode length, steps per second and time left."""
        algo = self.algo
        assert self._start is not None
        begun, first_epoch, first_frame = self._start
        elapsed = max(time.monotonic() - begun, 1e-9)
        limit = self._last_epoch(epoch)
        parts = [f"epoch {epoch}/{limit}" if limit > 0 else f"epoch {epoch}"]
        if algo.game_rewards.current_size > 0:
            parts.append(f"reward {algo.game_rewards.get_mean().item():.2f}")
            parts.append(f"length {algo.game_lengths.get_mean().item():.1f}")
        else:
            parts.append("no episode has ended yet")
        parts.append(f"{(algo.frame - first_frame) / elapsed:,.0f} steps/s")
        if problems := describe_problems(self.problems()):
            parts.append(f"problems: {problems}")
        done = epoch - first_epoch
        if limit > 0 and done > 0:
            parts.append(f"{format_time(elapsed / done * (limit - epoch))} left")
        return " | ".join(parts)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, torch.Tensor) and value.ndim == 0)


def format_time(seconds: float) -> str:
    """Return ``m:ss``, or ``h:mm:ss`` from an hour on."""
    total = round(seconds)
    hours, minutes, rest = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
