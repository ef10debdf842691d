"""Collects rollouts: the policy acts, the environment steps, and both are stored."""

from collections.abc import Callable
from typing import Any

import torch

from oige_train.learner.graphs import LearnerGraphs
from oige_train.learner.ppo.cursor import Cursor
from oige_train.learner.ppo.distributions import Distribution, Gaussian
from oige_train.learner.ppo.fused import FusedSampling
from oige_train.learner.ppo.launcher import find_launcher
from oige_train.learner.ppo.losses import Outputs
from oige_train.learner.ppo.networks import Memory, evaluate, evaluate_policy
from oige_train.learner.ppo.normaliser import Normaliser, as_float
from oige_train.learner.ppo.rollout import Rollout

__all__ = ["Collector", "ValueFunction"]


class ValueFunction:
    """The critic, as rollouts evaluate it.

    Args:
        network: rl_games' ``a2c_network``.
        normaliser: normalises its input.
        key: its input: ``obs``, or ``states`` for an asymmetric critic.
        memory: hidden states of a recurrent network.
    """

    def __init__(self, network: Any, normaliser: Normaliser, key: str, memory: Memory) -> None:
        self.network, self.normaliser, self.key, self.memory = network, normaliser, key, memory

    def __call__(self, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, Memory]:
        """Return normalised values ``(n,)`` and the hidden states after them; nothing is changed."""
        normalised = self.normaliser.normalise(as_float(inputs[self.key]))
        sequences = {"rnn_states": self.memory} if self.memory else None
        if self.key == "states":
            return evaluate(self.network, normalised, sequences)
        *_, values, memory = evaluate_policy(self.network, normalised, sequences)
        return values, memory


class Collector:
    """Fills a :class:`~oige_train.learner.ppo.rollout.Rollout`.

    Args:
        rollout: where samples go.
        policy: the policy's network as a value function; its values are those of the critic unless there is another.
        critic: the critic; the same object as ``policy`` unless it is asymmetric.
        distribution: family of distributions of actions.
        num_actions: ``A``.
        to_env: maps the policy's actions to those of the environment.
        graphs: runs the policy.
        zero_memory: reset hidden states at the end of an episode.
        sequence_length: control steps between stored hidden states.

    Attributes:
        memories: the functions with hidden states: the policy, and the critic if it is another network.
        stored_memory: for each of ``memories``, its hidden states ``(sequences, layers, N, units)`` at the start of
            each sequence.
        pending_states: whether last states of truncated episodes are to be evaluated.
    """

    def __init__(
        self,
        rollout: Rollout,
        policy: ValueFunction,
        critic: ValueFunction,
        distribution: Distribution,
        *,
        num_actions: int,
        to_env: Callable[[torch.Tensor], torch.Tensor],
        graphs: LearnerGraphs,
        zero_memory: bool,
        sequence_length: int,
    ) -> None:
        self.rollout, self.policy, self.critic = rollout, policy, critic
        self._distribution, self._to_env, self._graphs = distribution, to_env, graphs
        self._zero_memory, self._sequence_length = zero_memory, sequence_length
        device = rollout.values.device
        self._cursor = Cursor(device, on_device=graphs.enabled)
        launcher = find_launcher(device) if isinstance(distribution, Gaussian) else None
        self._fused = None if launcher is None else FusedSampling(launcher)
        self._noise = torch.zeros(rollout.horizon, rollout.num_worlds, num_actions, device=device)
        self._inputs: dict[str, torch.Tensor] = {}
        self._actions = self._noise[0]
        self.pending_states = False
        self.memories = [policy] if critic is policy else [policy, critic]
        sequences = rollout.horizon // sequence_length
        self.stored_memory = [
            [state.new_zeros(sequences, *state.shape) for state in function.memory] for function in self.memories
        ]

    @torch.no_grad()
    def collect(
        self,
        observations: dict[str, torch.Tensor],
        step: Callable[[torch.Tensor], Any],
        last_states: Callable[[], torch.Tensor],
        after_step: Callable[[dict[str, Any]], None],
        *,
        bootstrap: bool,
    ) -> dict[str, torch.Tensor]:
        """Step through a rollout; return the observations after it.

        Args:
            observations: those before the first step, as :class:`~oige_train.learner.environment.RlGamesEnv` returns
                them.
            step: steps the environment.
            last_states: returns memory ``(T, N, …)`` for inputs of the critic at the end of episodes.
            after_step: called with the environment's info.
            bootstrap: use values of the last states of the episodes in the info's ``time_outs``, if it has them.
        """
        rollout = self.rollout
        rollout.ended[0].copy_(rollout.ended[-1])
        rollout.time_outs.zero_()
        self.pending_states = False
        self._noise.normal_()
        self._cursor.rewind()
        for index in range(rollout.horizon):
            self._take(observations)
            if index % self._sequence_length == 0:
                self._store_memory(index // self._sequence_length)
            self._graphs.run("the policy", self._act)
            observations, rewards, ended, info = step(self._actions)
            rollout.add_outcome(index, rewards, ended)
            if bootstrap and "time_outs" in info:
                self._note_time_outs(index, info, last_states)
            after_step(info)
        self._take(observations)
        return observations

    def forget(self) -> None:
        """Begin new episodes in all worlds."""
        self.rollout.ended[-1].fill_(True)
        for function in self.memories:
            for state in function.memory:
                state.zero_()

    @torch.no_grad()
    def evaluate_ends(self, last_states: Callable[[], torch.Tensor]) -> None:
        """Evaluate the states after the rollout, and the last states of truncated episodes in it."""
        rollout = self.rollout
        if self.pending_states:
            self._evaluate_last_states(last_states())
        self._forget_ended(rollout.ended[-1])
        values, _ = self.critic(self._inputs)
        rollout.values[-1].copy_(values)

    def _take(self, observations: dict[str, torch.Tensor]) -> None:
        """Make observations the input of the networks; graphs read them from the same memory every time."""
        if not self._graphs.enabled:
            self._inputs = observations
        elif not self._inputs:
            self._inputs = {name: value.clone() for name, value in observations.items()}
        else:
            for name, value in self._inputs.items():
                value.copy_(observations[name])

    def _act(self) -> None:
        """Choose the actions of a step, and store everything about them."""
        rollout, cursor = self.rollout, self._cursor
        if any(function.memory for function in self.memories):
            self._forget_ended(cursor.read(rollout.ended))
        normalised = self.policy.normaliser.normalise(as_float(self._inputs["obs"]))
        sequences = {"rnn_states": self.policy.memory} if self.policy.memory else None
        mu, raw, values, memory = evaluate_policy(self.policy.network, normalised, sequences)
        self._remember(self.policy, memory)
        if self.critic is not self.policy:
            values, memory = self.critic(self._inputs)
            self._remember(self.critic, memory)
        if not rollout.policy:
            self._allocate(mu, raw)
        for name, value in self._inputs.items():
            cursor.write(rollout.inputs[name], value)
        self._actions = self._to_env(self._sample(Outputs(mu, raw, values)))
        cursor.advance()

    def _sample(self, outputs: Outputs) -> torch.Tensor:
        """Return actions ``(N, A)``, after storing them and the outputs."""
        rollout, cursor = self.rollout, self._cursor
        if self._fused is not None:
            return self._fused(outputs, self._noise, rollout, cursor)
        actions = self._distribution.sample(outputs.mu, outputs.raw, cursor.read(self._noise))
        for name, value in (("actions", actions), ("mu", outputs.mu), ("raw", outputs.raw)):
            cursor.write(rollout.policy[name], value)
        cursor.write(rollout.values, outputs.values)
        return actions

    def _allocate(self, mu: torch.Tensor, raw: torch.Tensor) -> None:
        rollout = self.rollout
        for name, value in self._inputs.items():
            rollout.inputs[name] = value.new_zeros(rollout.horizon, *value.shape)
        for name, value in (("actions", mu), ("mu", mu), ("raw", raw)):
            rollout.policy[name] = value.new_zeros(rollout.horizon, *value.shape)

    # --- recurrent networks ------------------------------------------------------------------------------------------

    def _forget_ended(self, ended: torch.Tensor) -> None:
        """Reset the hidden states of worlds whose episode ended in the last step."""
        if self._zero_memory:
            for function in self.memories:
                for state in function.memory:
                    state.masked_fill_(ended.unsqueeze(-1), 0.0)

    def _remember(self, function: ValueFunction, memory: Memory) -> None:
        if self._graphs.enabled:
            for state, new in zip(function.memory, memory, strict=True):
                state.copy_(new)
        else:
            function.memory = [state.detach() for state in memory]

    def _store_memory(self, index: int) -> None:
        self._forget_ended(self.rollout.ended[index * self._sequence_length])
        for function, stored in zip(self.memories, self.stored_memory, strict=True):
            for state, place in zip(function.memory, stored, strict=True):
                place[index].copy_(state)

    # --- truncated episodes ------------------------------------------------------------------------------------------

    def _note_time_outs(self, step: int, info: dict[str, Any], last_states: Callable[[], torch.Tensor]) -> None:
        """Store which episodes were truncated, and their last state or its value."""
        rollout, time_outs = self.rollout, info["time_outs"]
        if not self._graphs.enabled and not time_outs.any():
            return
        rollout.time_outs[step].copy_(time_outs)
        if self.critic.memory:
            # Hidden states cannot wait: they are those of the ended episode now.
            final = {name: value.to(rollout.values.device) for name, value in info["final"].items()}
            rollout.last_values[step].copy_(self.critic(final)[0])
        else:
            self.pending_states = True
            last_states()[step].copy_(info["final"][self.critic.key])

    def _evaluate_last_states(self, states: torch.Tensor) -> None:
        """Evaluate the last states ``(T, N, …)`` of truncated episodes."""
        rollout = self.rollout
        if self._graphs.enabled:  # all of them, since a graph cannot select
            values, _ = self.critic({self.critic.key: states.flatten(0, 1)})
            rollout.last_values.copy_(values.view_as(rollout.last_values))
        else:
            truncated = rollout.time_outs.nonzero(as_tuple=True)
            rollout.last_values[truncated] = self.critic({self.critic.key: states[truncated]})[0]
