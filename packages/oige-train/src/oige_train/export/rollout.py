"""Play a policy in its task and record it, for the contract of the exported policy."""

from typing import Any

import numpy as np
import torch
from oige_core import VecEnv
from oige_core.errors import OigeError

from oige_train.export.actor import Actor
from oige_train.export.statistics import Recording

__all__ = ["record"]


def record(env: VecEnv, actor: Actor, steps: int) -> Recording:
    """Play a policy without exploration noise and return what it observed and did.

    Args:
        env: its environment, which is reset.
        actor: the policy.
        steps: number of control steps.

    Raises:
        OigeError: an observation is NaN.
    """
    n, device = env.num_envs, next(iter(actor.parameters())).device
    observations, _ = env.reset()
    hidden: list[torch.Tensor] = [state.to(device) for state in actor.inputs(n)[1:]]
    starts = torch.ones(n, dtype=torch.bool)
    kept: dict[str, list[Any]] = {"observations": [], "actions": [], "starts": []}
    for _ in range(steps):
        with torch.no_grad():
            actions, *hidden = actor(observations.to(device), *hidden)
        kept["observations"].append(_recorded(observations))
        kept["actions"].append(_recorded(actions))
        kept["starts"].append(starts.numpy().copy())
        observations, _, terminated, truncated, _ = env.step(actions.to(env.device))
        starts = (terminated | truncated).cpu()
        for state in hidden:
            state[:, starts.to(device)] = 0.0
    recording = Recording(**{name: np.stack(values) for name, values in kept.items()})
    if not np.isfinite(recording.observations).all():
        raise OigeError("an observation of the task is NaN or infinite, so that its range cannot be recorded.")
    return recording


def _recorded(values: torch.Tensor) -> np.ndarray:
    return values.detach().cpu().numpy().copy()
