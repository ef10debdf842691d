"""The actor of a policy as a module of tensors only, which exporters can trace."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import nn

from oige_train.config import Run
from oige_train.policy import FlashSacPolicy, Policy, build_policy, load_weights

__all__ = ["OBSERVATIONS", "Actor", "load_actor"]

#: Name of the input of every exported network.
OBSERVATIONS = "observations"


class Normaliser(nn.Module):
    """What rl_games' running statistics do to observations: (x − mean) / deviation, clamped to ±5.

    Exporters cannot trace the module of rl_games, which is a script.

    Args:
        statistics: the module of rl_games.
    """

    def __init__(self, statistics: Any) -> None:
        super().__init__()
        self.mean: torch.Tensor
        self.deviation: torch.Tensor
        self.register_buffer("mean", statistics.running_mean.float())
        self.register_buffer("deviation", torch.sqrt(statistics.running_var.float() + statistics.epsilon))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Normalise ``(N, …)``."""
        return ((observations - self.mean) / self.deviation).clamp(-5.0, 5.0)


class Actor(nn.Module):
    """The policy without exploration noise: raw observations and hidden state in, actions of the environment out.

    Args:
        policy: the policy, on the CPU, whose normaliser of observations is replaced.
        shape: shape of one world's observation.
        bytes_in: whether observations are images, which are bytes.

    Attributes:
        policy: see above.
        shape: see above.
        bytes_in: see above.
        num_actions: size of an action.
        hidden_shapes: shapes ``(layers, units)`` of the hidden state of one world; empty without a recurrent network.
    """

    def __init__(self, policy: Policy | FlashSacPolicy, shape: tuple[int, ...], *, bytes_in: bool) -> None:
        super().__init__()
        self.model: Any = policy.model
        self.shape = shape
        self.bytes_in = bytes_in
        self.policy = policy
        self._critic_states = 0
        self.hidden_shapes: list[tuple[int, int]] = []
        if isinstance(policy, Policy):
            if getattr(policy.model, "normalize_input", False):
                policy.model.running_mean_std = Normaliser(policy.model.running_mean_std)
            states = policy.states or []
            if states and policy.model.a2c_network.is_separate_critic():
                self._critic_states = len(states) // 2  # which follow those of the actor
            own = states[: len(states) - self._critic_states]
            self.hidden_shapes = [(state.shape[0], state.shape[2]) for state in own]
        with torch.no_grad():
            self.num_actions = self(*self.inputs(1))[0].shape[1]
        self.eval().requires_grad_(False)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs of the exported network."""
        return [OBSERVATIONS, *(f"hidden_{index}" for index in range(len(self.hidden_shapes)))]

    @property
    def output_names(self) -> list[str]:
        """Names of its outputs."""
        return ["actions", *(f"next_hidden_{index}" for index in range(len(self.hidden_shapes)))]

    def inputs(self, count: int, generator: torch.Generator | None = None) -> tuple[torch.Tensor, ...]:
        """Return observations ``(count, …)`` and hidden states ``(layers, count, units)``: zeros, or random ones."""
        if generator is None:
            observations = torch.zeros(count, *self.shape, dtype=torch.uint8 if self.bytes_in else torch.float32)
            return observations, *(torch.zeros(layers, count, units) for layers, units in self.hidden_shapes)
        if self.bytes_in:
            observations = torch.randint(0, 256, (count, *self.shape), dtype=torch.uint8, generator=generator)
        else:
            observations = torch.randn(count, *self.shape, generator=generator) * 2.0
        hidden = (torch.randn(layers, count, units, generator=generator).tanh() for layers, units in self.hidden_shapes)
        return observations, *hidden

    def forward(self, observations: torch.Tensor, *hidden: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return actions ``(N, num_actions)`` and the next hidden state ``(layers, N, units)``.

        Args:
            observations: ``(N, …)``, as the environment returns them.
            hidden: the hidden state, zero where an episode begins.
        """
        states: Sequence[torch.Tensor] | None = None
        if hidden:
            states = [*hidden, *(torch.zeros_like(state) for state in hidden[: self._critic_states])]
        actions, following = self.policy.mean_actions(observations, states)  # type: ignore[arg-type]
        return actions, *(following or ())[: len(hidden)]


def load_actor(run: Run) -> Actor:
    """Return the actor of a run's checkpoint, on the CPU.

    Raises:
        CheckpointError: the checkpoint is refused, or does not fit the network.
    """
    assert run.checkpoint is not None  # test=True without one is refused
    env = run.config.task.env
    shape, bytes_in = run.spec.shape_for(env), run.spec.has_bytes(env)
    low, high, dtype = (0, 255, np.uint8) if bytes_in else (-np.inf, np.inf, np.float32)
    env_info = {
        "observation_space": spaces.Box(low, high, shape, dtype),
        "action_space": spaces.Box(-1.0, 1.0, (run.spec.num_actions,), np.float32),
    }
    policy = build_policy(run, env_info, "cpu", num_envs=1)
    load_weights(policy, run.checkpoint, "cpu")
    return Actor(policy, shape, bytes_in=bytes_in)
