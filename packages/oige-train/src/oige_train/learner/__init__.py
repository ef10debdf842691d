"""rl_games made trustworthy: PPO and SAC with atomic checkpoints, exact resumption and quick start-up."""
