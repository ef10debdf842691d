"""Calls that the learner's thread hands over to the thread that owns the simulation.

Kit steps and renders in its main thread, which also draws the user interface. So the learner runs in a thread of its
own, and whoever owns the simulation serves its calls between two frames.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from oige_train.stopping import RunStoppedError

__all__ = ["HandedOverEnv", "Handover"]

T = TypeVar("T")


class _Call(Generic[T]):
    """A call that waits to be made, or its outcome."""

    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.is_done = False
        self.result: T | None = None
        self.error: BaseException | None = None


class Handover:
    """Passes calls from one thread to another, one at a time.

    Attributes:
        stop_requested: whether :meth:`refuse_if_stopped` raises.
    """

    def __init__(self) -> None:
        self.stop_requested = False
        self._call: _Call[Any] | None = None
        self._changed = threading.Condition()

    def call(self, function: Callable[[], T]) -> T:
        """Let the other thread call a function; wait for its result, or raise what it raised.

        Raises:
            RunStoppedError: the other thread was interrupted during the call.
        """
        call = _Call(function)
        with self._changed:
            self._call = call
            self._changed.notify_all()
            self._changed.wait_for(lambda: call.is_done)
        if call.error is not None:
            raise call.error
        return call.result  # type: ignore[return-value]

    def refuse_if_stopped(self) -> None:
        """Raise RunStoppedError if a stop was requested."""
        if self.stop_requested:
            raise RunStoppedError

    def serve(self, wait: float) -> bool:
        """Make the call that the other thread hands over; return False if there is none.

        Args:
            wait: how long to wait for one, in seconds.

        Raises:
            BaseException: an interruption during the call; the other thread is stopped.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._call is not None, wait)
            call, self._call = self._call, None
        if call is None:
            return False
        try:
            call.result = call.function()
        except Exception as error:
            call.error = error
        except BaseException:
            self.stop_requested = True
            call.error = RunStoppedError()
            raise
        finally:
            with self._changed:
                call.is_done = True
                self._changed.notify_all()
        return True

    def serve_until_ended(self, thread: threading.Thread, seconds: float) -> bool:
        """Make the calls that remain until a thread that was stopped ends; return whether it has.

        Args:
            thread: the thread that hands calls over.
            seconds: how long to wait for its end.
        """
        end = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < end:
            self.serve(0.05)
        thread.join(0.0)
        return not thread.is_alive()


class HandedOverEnv:
    """A vector environment whose calls are handed over to the thread that owns it.

    Args:
        env: the environment.
        handover: where calls go.
    """

    def __init__(self, env: Any, handover: Handover) -> None:
        self._env = env
        self._handover = handover

    def step(self, actions: Any) -> Any:
        """Step the environment.

        Raises:
            RunStoppedError: a stop was requested.
        """
        self._handover.refuse_if_stopped()
        return self._handover.call(lambda: self._env.step(actions))

    def reset(self, **arguments: Any) -> Any:
        """Reset the environment."""
        return self._handover.call(lambda: self._env.reset(**arguments))

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the environment."""
        return self._handover.call(self._env.state_dict)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of the environment."""
        self._handover.call(lambda: self._env.load_state_dict(state))

    def problems(self) -> dict[str, int]:
        """Return the number of problems of each kind so far."""
        return self._handover.call(self._env.problems)

    def accepts(self, state: dict[str, Any]) -> bool:
        """Whether the environment can restore a state."""
        return self._handover.call(lambda: self._env.accepts(state))

    @property
    def clone_results(self) -> bool:
        """Whether results are new tensors."""
        return self._env.clone_results

    @clone_results.setter
    def clone_results(self, clone: bool) -> None:
        self._env.clone_results = clone

    def __getattr__(self, name: str) -> Any:
        return getattr(self._env, name)
