"""rl_games' networks, evaluated on normalised observations and without what a minibatch does not need."""

from typing import Any

import torch
from rl_games.algos_torch.network_builder import A2CBuilder
from rl_games.common.layers.recurrent import RnnWithDones

from oige_train.learner.ppo.layers import evaluate_layers

__all__ = ["Memory", "evaluate", "evaluate_policy", "unroll_without_waiting"]

#: Hidden states ``(layers, N, units)`` of a recurrent network.
Memory = list[torch.Tensor]


def evaluate_policy(
    network: Any, observations: torch.Tensor, sequences: dict[str, Any] | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Memory]:
    """Return means ``(n, A)``, raw deviations ``(n, A)`` or ``(A,)``, values ``(n,)``, and hidden states.

    Args:
        network: rl_games' ``a2c_network``.
        observations: ``(n, …)``; normalised.
        sequences: ``rnn_states``, ``seq_length`` and ``dones`` of a recurrent network, as in rl_games.
    """
    if _is_feedforward(network):
        mu, raw, values = _evaluate_feedforward(network, observations)
        return mu, raw, values.squeeze(-1), []
    mu, raw, values, memory = network({"obs": observations, **(sequences or {})})
    return mu, raw, values.squeeze(-1), list(memory or ())


def _is_feedforward(network: Any) -> bool:
    return type(network) is A2CBuilder.Network and not network.has_rnn


def _evaluate_feedforward(network: Any, observations: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Do what ``network`` does, except that a fixed deviation is not repeated for every sample."""
    observations = _channels_first(network, observations)
    features = critic = evaluate_layers(network.actor_mlp, network.actor_cnn(observations).flatten(1))
    if network.separate:
        critic = evaluate_layers(network.critic_mlp, network.critic_cnn(observations).flatten(1))
    values = network.value_act(network.value(critic))
    mu = network.mu_act(network.mu(features))
    return mu, network.sigma_act(network.sigma if network.fixed_sigma else network.sigma(features)), values


def _channels_first(network: Any, observations: torch.Tensor) -> torch.Tensor:
    permuted = network.has_cnn and network.permute_input and observations.ndim == 4
    return observations.permute(0, 3, 1, 2) if permuted else observations


def evaluate(
    network: Any, states: torch.Tensor, sequences: dict[str, Any] | None = None
) -> tuple[torch.Tensor, Memory]:
    """Return the values ``(n,)`` and hidden states of an asymmetric critic.

    Args:
        network: rl_games' ``a2c_network`` of the critic.
        states: ``(n, num_states)``; normalised.
        sequences: see :func:`evaluate_policy`.
    """
    if _is_feedforward(network) and not network.separate:
        inputs = network.actor_cnn(_channels_first(network, states)).flatten(1)
        return network.value_act(network.value(evaluate_layers(network.actor_mlp, inputs))).squeeze(-1), []
    values, memory = network({"obs": states, **(sequences or {})})
    return values.squeeze(-1), list(memory or ())


def unroll_without_waiting(module: torch.nn.Module) -> None:
    """Let recurrent layers take one step after another, instead of looking where episodes end.

    rl_games copies the ends of episodes to the host, which a CUDA graph cannot do.
    """
    for layer in module.modules():
        if isinstance(layer, RnnWithDones):
            layer.forward = _Unrolled(layer)  # type: ignore[method-assign]


class _Unrolled:
    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def __call__(self, inputs: torch.Tensor, states: Any, done_masks: Any = None, bptt_len: int = 0) -> Any:
        """Return outputs ``(T, n, units)`` and hidden states, which are zeroed before steps with ``done_masks``."""
        if done_masks is None:
            return self.layer.rnn(inputs, states)
        outputs = []
        for step, done in zip(inputs, done_masks, strict=True):
            alive = 1.0 - done.float().unsqueeze(0)
            states = tuple(state * alive for state in states) if isinstance(states, tuple | list) else states * alive
            output, states = self.layer.rnn(step.unsqueeze(0), states)
            outputs.append(output)
        return torch.cat(outputs), states
