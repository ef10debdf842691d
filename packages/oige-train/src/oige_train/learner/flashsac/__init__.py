"""FlashSAC: soft actor-critic with few large gradient steps and bounded weights, features and gradients.

Kim et al., "FlashSAC: Fast and Stable Off-Policy Reinforcement Learning for High-Dimensional Robot Control",
arXiv:2604.04539, 2026.
"""
