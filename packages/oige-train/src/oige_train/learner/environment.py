"""Adapter between the vector environment and rl_games."""

import contextlib
import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from oige_core.tasks import Symmetry

__all__ = ["RlGamesEnv"]

AUTORESET_MODES = {
    AutoresetMode.SAME_STEP: "same_step",
    AutoresetMode.NEXT_STEP: "next_step",
    "upstream": "upstream",
}

_log = logging.getLogger(__name__)


class RlGamesEnv:
    """Adapts a vector environment on torch tensors to rl_games' ``IVecEnv``.

    Args:
        env: the vector environment.
        device: device of the learner; tensors are moved there and back.
        stagger: let the first episodes end at random steps instead of all in the same step.
        upstream: let the learner see what OmniIsaacGymEnvs shows: no ``time_outs``, resets as ordinary transitions, and
            as first observations those after a step without actions.

    Attributes:
        upstream: as above.
        autoreset_mode: ``same_step``, ``next_step`` or ``upstream``; see :class:`~oige_core.envs.VecEnv`. In the
            other two, the step after the end of an episode is no transition: its observation before belongs to the
            episode that ended.
        info_hooks: functions that get the environment's info after every step.
    """

    def __init__(self, env: Any, device: str, *, stagger: bool = False, upstream: bool = False) -> None:
        self.env = env
        self.upstream = upstream
        self.device = torch.device(device)
        self._options = {"stagger": True} if stagger else None
        self._moves = self.device != torch.device(env.device)
        self.info_hooks: list[Callable[[dict[str, Any]], None]] = []
        self.autoreset_mode = AUTORESET_MODES[env.metadata["autoreset_mode"]]

    def _dict(self, observations: torch.Tensor, info: dict[str, Any]) -> dict[str, torch.Tensor]:
        out = {"obs": self._to_learner(observations)}
        if self.env.num_states > 0:
            out["states"] = self._to_learner(info["states"])
        return out

    def _to_learner(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.to(self.device) if self._moves else tensor

    def reset(self) -> dict[str, torch.Tensor]:
        """Reset all worlds; return ``obs`` ``(N, …)`` and, for asymmetric critics, ``states`` ``(N, num_states)``."""
        observations, info = self.env.reset(options=self._options)
        if self.upstream:
            actions = torch.zeros(self.env.num_envs, *self.env.single_action_space.shape, device=self.env.device)
            observations, *_, info = self.env.step(actions)
        return self._dict(observations, info)

    def step(self, actions: torch.Tensor) -> tuple[dict[str, torch.Tensor], torch.Tensor, torch.Tensor, dict[str, Any]]:
        """Step all worlds.

        Args:
            actions: ``(N, num_actions)`` in [-1, 1].

        Returns:
            Observations as from :meth:`reset`, rewards ``(N,)``, done flags ``(N,)``, and the environment's info with
            ``time_outs`` ``(N,)``, except with ``upstream``: worlds whose episode was truncated, whose value is
            bootstrapped, and ``final``:
            observations as from :meth:`reset` before worlds are reset, on the environment's own device. The tensors are
            live where the environment's ``clone_results`` is False.
        """
        actions = actions.to(self.env.device) if self._moves else actions
        observations, rewards, terminated, truncated, info = self.env.step(actions)
        for hook in self.info_hooks:
            hook(info)
        same_step = self.autoreset_mode == "same_step"
        ended = info["_final_obs"] if "_final_obs" in info else terminated | truncated
        info = {**info, "final": {"obs": info["final_obs"] if same_step else observations}}
        if not self.upstream:
            info["time_outs"] = self._to_learner(truncated > terminated)  # and not terminated
        if self.env.num_states > 0:
            info["final"]["states"] = info["final_states" if same_step else "states"]
        return (
            self._dict(observations, info),
            self._to_learner(rewards),
            self._to_learner(ended),
            info,
        )

    def share_results(self) -> None:
        """Let :meth:`step` return memory that the next step overwrites, where the environment can."""
        if hasattr(self.env, "clone_results"):
            self.env.clone_results = False

    def get_number_of_agents(self) -> int:
        """Return 1, the number of agents per world."""
        return 1

    def get_env_info(self) -> dict[str, Any]:
        """Return the spaces of one world."""
        info = {
            "observation_space": self.env.single_observation_space,
            "action_space": self.env.single_action_space,
            "agents": 1,
            "value_size": 1,
        }
        if self.env.num_states > 0:
            info["state_space"] = spaces.Box(-float("inf"), float("inf"), (self.env.num_states,))
        return info

    @functools.cached_property  # read in every gradient step
    def symmetries(self) -> tuple[Symmetry, ...]:
        """See :attr:`~oige_core.envs.vec_env.VecEnv.symmetries`; on the learner's device."""
        return tuple(symmetry.to(self.device) for symmetry in self.env.symmetries)

    def set_train_info(self, env_frames: int, *_: Any, **__: Any) -> None:
        """Ignore the progress of training; tasks count their own steps."""

    def problems(self) -> dict[str, int]:
        """See :meth:`~oige_core.envs.vec_env.VecEnv.problems`."""
        return self.env.problems()

    @property
    def state_format(self) -> str:
        """See :attr:`~oige_core.envs.vec_env.VecEnv.state_format`."""
        return self.env.state_format

    def accepts(self, state: dict[str, Any]) -> bool:
        """See :meth:`~oige_core.envs.vec_env.VecEnv.accepts`."""
        return self.env.accepts(state)

    def get_env_state(self) -> dict[str, Any]:
        """Return the whole state of simulation and task, including random generators."""
        with _warnings_on_one_line():
            return self.env.state_dict()

    def set_env_state(self, state: dict[str, Any] | None) -> None:
        """Restore what :meth:`get_env_state` returned; None is ignored."""
        if state is not None:
            with _warnings_on_one_line():
                self.env.load_state_dict(state)


@contextlib.contextmanager
def _warnings_on_one_line() -> Iterator[None]:
    """Log warnings as one line each, without the place in the code."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        _log.warning(f"warning: {warning.message}")
