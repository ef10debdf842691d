"""Play a trained policy and measure its mean return."""

from typing import Any

import torch

from oige_train.checkpoint_watch import CheckpointWatch
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.export.exported import ExportedPolicy
from oige_train.learner.environment import RlGamesEnv
from oige_train.play_result import PlayResult
from oige_train.policy_choice import PolicyChoice, offer_policies
from oige_train.policy_loading import load_policy
from oige_train.stopping import RunStoppedError
from oige_train.viewing import StepLoop

__all__ = ["evaluate"]


def evaluate(run: Run, env: Any, line: ProgressLine, loop: StepLoop | None = None) -> PlayResult:
    """Play ``games_num`` episodes, spread evenly over the worlds; in an endless loop, continue until stopped.

    Counts a fixed quota per world; taking the first episodes to finish would over-represent short ones. In an endless
    loop, rounds of one episode per world follow; with a viewer, worlds pause while no page is open. A task reports
    successes in ``info["success"]`` ``(N,)``: whether the current episode of each world has succeeded; or, if each
    episode has goals one after the other, how many it has had in ``info["goals_given"]`` and ``info["goals_reached"]``
    ``(N,)``.

    With ``evaluation=True``, new checkpoints in the folder of the run's checkpoint replace the policy, and so do those
    that users select on the viewer's page; the episodes then begin anew, and the result is that of the last one.

    Args:
        run: the checked run, which has a checkpoint.
        env: the vector environment.
        line: where progress is shown.
        loop: waits for viewers and stops on request, with the episodes finished so far; None: neither.

    Raises:
        OigeError: the checkpoint is refused or does not fit.
    """
    player = run.config.train.params.config.player
    adapter = RlGamesEnv(env, run.config.rl_device, upstream=run.config.task.env.compat == "upstream")
    policy = load_policy(run, adapter)
    watch = None
    if run.config.evaluation:
        assert not isinstance(policy, ExportedPolicy)  # refused with the configuration
        watch = CheckpointWatch(run, policy)
    loop = loop or StepLoop()
    tally = _Tally(player.games_num, env.num_envs, run.config.rl_device)
    observations = adapter.reset()["obs"]
    endless = loop.endless or watch is not None
    only_reset = torch.zeros(env.num_envs, dtype=torch.bool, device=run.config.rl_device)
    with offer_policies(run, policy, loop.viewer) as choice:
        while loop.wait_for_next_step():
            if _is_replaced(watch, choice, tally):
                tally = _Tally(player.games_num, env.num_envs, run.config.rl_device)
                observations = adapter.reset()["obs"]
                policy.reset_hidden_state(torch.ones_like(only_reset))
                only_reset.zero_()
            actions = policy.act(observations, deterministic=player.deterministic)
            try:
                out, rewards, done, info = adapter.step(actions)
            except RunStoppedError:
                loop.stop()
                break
            observations = out["obs"]
            tally.add(rewards, done, info, only_reset)
            policy.reset_hidden_state(done | only_reset)
            if adapter.autoreset_mode == "next_step":
                only_reset = done
            tally.show(line, endless=endless)
            if tally.is_complete():
                if not endless:
                    break
                tally.add_round()
    line.close()
    return tally.result()


def _is_replaced(watch: CheckpointWatch | None, choice: PolicyChoice | None, tally: "_Tally") -> bool:
    """Return whether another policy is played from now on."""
    if choice is not None and choice.update(tally.result):
        if watch is not None:
            watch.playing = choice.playing
        return True
    if watch is None or not watch.update(tally.result):
        return False
    if choice is not None:
        choice.show_playing(watch.playing)
    return True


class _Tally:
    """Returns, lengths and successes of a number of episodes, spread evenly over the worlds.

    Args:
        count: number of episodes.
        num_envs: number of worlds.
        device: device of the tensors.
    """

    def __init__(self, count: int, num_envs: int, device: str) -> None:
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
