"""PPO and SAC of rl_games, with atomic checkpoints, exact resumption and a quick start."""
