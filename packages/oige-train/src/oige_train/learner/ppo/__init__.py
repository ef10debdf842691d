"""Proximal policy optimisation: rl_games' agent, whose rollouts and gradient steps run as CUDA graphs on a GPU."""
