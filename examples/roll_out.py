"""Step Cartpole in many worlds, with a controller of one line.

Needs oige-tasks-classic. Prints the mean return of the worlds' first episodes, at most 500.
"""

import gymnasium as gym
import oige_core  # noqa: F401  registers the tasks
import torch

GAINS = (0.1, 0.2, -2.0, -0.3)
"""Action per m, m/s, rad and rad/s of cart and pole, the observations of Cartpole."""


def main(num_envs: int = 64) -> float:
    """Play an episode in each world and return the mean of their returns."""
    torch.set_num_threads(1)  # on a CPU, idle torch threads slow down physics
    env = gym.make_vec("oige/Cartpole-v0", num_envs=num_envs)
    observations, _ = env.reset(seed=1)
    gains = torch.tensor(GAINS, device=observations.device).unsqueeze(-1)
    returns = torch.zeros(num_envs, device=observations.device)
    running = torch.ones_like(returns, dtype=torch.bool)
    while running.any():
        observations, rewards, terminated, truncated, _ = env.step((observations @ gains).clamp(-1.0, 1.0))
        returns += rewards * running
        running &= ~(terminated | truncated)
    env.close()
    return returns.mean().item()


if __name__ == "__main__":
    print(f"mean return: {main():.1f} of 500")
