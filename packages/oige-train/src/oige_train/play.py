"""Play a trained policy and measure its mean return."""

from dataclasses import dataclass
from typing import Any

import torch

from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.learner.environment import RlGamesEnv
from oige_train.policy import load_policy
from oige_train.stopping import RunStoppedError
from oige_train.viewing import StepLoop

__all__ = ["PlayResult", "evaluate"]


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


def evaluate(run: Run, env: Any, line: ProgressLine, loop: StepLoop | None = None) -> PlayResult:
    """Play ``games_num`` episodes, spread evenly over the worlds; in an endless loop, continue until stopped.

    Counts a fixed quota per world; taking the first episodes to finish would over-represent short ones. In an endless
    loop, rounds of one episode per world follow; with a viewer, worlds pause while no page is open. A task reports
    successes in ``info["success"]`` ``(N,)``: whether the current episode of each world has succeeded; or, if each
    episode has goals one after the other, how many it has had in ``info["goals_given"]`` and ``info["goals_reached"]``
    ``(N,)``.

    Args:
        run: the checked run, which has a checkpoint.
        env: the vector environment.
        line: where progress is shown.
        loop: waits for viewers and stops on request, with the episodes finished so far; None: neither.

    Raises:
        OigeError: the checkpoint is refused or does not fit.
    """
    device = run.config.rl_device
    player = run.config.train.params.config.player
    adapter = RlGamesEnv(env, device, upstream=run.config.task.env.compat == "upstream")
    policy = load_policy(run, adapter)

    count = player.games_num
    quota = torch.full((env.num_envs,), count // env.num_envs, device=device)
    quota[: count % env.num_envs] += 1
    returns = torch.zeros(env.num_envs, device=device)
    lengths = torch.zeros(env.num_envs, device=device)
    total_return = torch.zeros((), dtype=torch.float64, device=device)
    total_length = torch.zeros((), dtype=torch.float64, device=device)
    successes: int | None = None
    goals: torch.Tensor | None = None  # reached and given
    observations = adapter.reset()["obs"]
    left = count
    only_reset = torch.zeros(env.num_envs, dtype=torch.bool, device=device)
    loop = loop or StepLoop()
    while loop.wait_for_next_step():
        actions = policy.act(observations, deterministic=player.deterministic)
        try:
            out, rewards, done, info = adapter.step(actions)
        except RunStoppedError:
            loop.stop()
            break
        observations = out["obs"]
        returns += rewards
        lengths += ~only_reset
        counted = done & (quota > 0)
        total_return += (returns * counted).sum()
        total_length += (lengths * counted).sum()
        if "success" in info:
            successes = (successes or 0) + int((info["success"].to(device) & counted).sum())
        if "goals_reached" in info:
            both = torch.stack([info["goals_reached"], info["goals_given"]]).to(device, torch.float64)
            goals = (goals if goals is not None else 0.0) + (both * counted).sum(dim=1)
        quota -= counted.long()
        returns *= ~done
        lengths *= ~done
        policy.reset_hidden_state(done | only_reset)
        if adapter.autoreset_mode == "next_step":
            only_reset = done
        left = int(quota.sum())
        if not loop.endless:
            line.show(f"played {count - left} of {count} episodes")
        elif left < count:
            line.show(f"played {count - left} episodes, mean return {float(total_return) / (count - left):.2f}")
        if left == 0:
            if not loop.endless:
                break
            quota += 1
            count += env.num_envs
            left = env.num_envs
    line.close()
    finished = count - left
    success = None if successes is None else successes / max(finished, 1)
    if goals is not None:
        success = float(goals[0]) / max(float(goals[1]), 1.0)
    return PlayResult(
        count=finished,
        mean_return=float(total_return) / max(finished, 1),
        mean_length=float(total_length) / max(finished, 1),
        success=success,
        goals=None if goals is None else float(goals[0]) / max(finished, 1),
    )
