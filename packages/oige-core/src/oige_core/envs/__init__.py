"""Vectorised environments."""

from oige_core.envs.make import make_env, make_vec
from oige_core.envs.vec_env import VecEnv

__all__ = ["VecEnv", "make_env", "make_vec"]
