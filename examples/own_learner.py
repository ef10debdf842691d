"""Learn Cartpole with a learner of your own: the cross-entropy method, which tries many policies at the same time.

Needs oige-tasks-classic. Prints the mean return of the best policies of each generation, at most 500.
"""

import oige_core
import torch

ROLL_OUTS = 8
"""Worlds in which each policy is tried."""


def play(env: oige_core.VecEnv, gains: torch.Tensor, seed: int) -> torch.Tensor:
    """Play an episode in each world, with linear policies ``gains`` ``(N, 4)``; return the returns ``(N,)``."""
    observations, _ = env.reset(seed=seed)
    returns = torch.zeros(env.num_envs, device=env.device)
    running = torch.ones_like(returns, dtype=torch.bool)
    while running.any():
        actions = (gains * observations).sum(dim=1, keepdim=True).clamp(-1.0, 1.0)
        observations, rewards, terminated, truncated, _ = env.step(actions)
        returns += rewards * running
        running &= ~(terminated | truncated)
    return returns


def main(policies: int = 32, best: int = 6, generations: int = 6) -> list[float]:
    """Learn, and return the mean return of the ``best`` policies of each generation."""
    torch.manual_seed(1)
    torch.set_num_threads(1)  # on a CPU, idle torch threads slow down physics
    env = oige_core.make_vec("Cartpole", num_envs=policies * ROLL_OUTS)
    mean, deviation = torch.zeros(4, device=env.device), torch.ones(4, device=env.device)
    scores = []
    for generation in range(generations):
        gains = mean + deviation * torch.randn(policies, 4, device=env.device)
        returns = play(env, gains.repeat_interleave(ROLL_OUTS, dim=0), seed=generation)
        score, chosen = returns.view(policies, ROLL_OUTS).mean(dim=1).topk(best)
        mean, deviation = gains[chosen].mean(dim=0), gains[chosen].std(dim=0)
        scores.append(score.mean().item())
        print(f"generation {generation}: {scores[-1]:.1f} of 500")
    env.close()
    return scores


if __name__ == "__main__":
    main()
