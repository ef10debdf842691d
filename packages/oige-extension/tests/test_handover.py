"""Calls from the learner's thread to the thread that owns the simulation."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from oige_extension.panel.handover import HandedOverEnv, Handover
from oige_train.stopping import RunStoppedError


class Worlds:
    """An environment that notes which thread steps it."""

    num_envs = 3

    def __init__(self) -> None:
        self.threads: list[threading.Thread] = []
        self.clone_results = True

    def step(self, actions: int) -> int:
        self.threads.append(threading.current_thread())
        if actions < 0:
            raise ValueError(f"no such action: {actions}")
        return 10 * actions


class Learner:
    """A thread that runs a function and keeps its outcome."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self.thread.start()

    def _run(self, function: Callable[[], Any]) -> None:
        try:
            self.result = function()
        except BaseException as error:
            self.error = error


def test_calls_run_in_the_serving_thread_and_return_there() -> None:
    worlds, handover = Worlds(), Handover()
    env = HandedOverEnv(worlds, handover)
    learner = Learner(lambda: [env.step(action) for action in (1, 2, 3)])
    assert handover.serve_until_ended(learner.thread, 10.0)
    assert learner.result == [10, 20, 30]
    assert worlds.threads == [threading.current_thread()] * 3
    env.clone_results = False
    assert not worlds.clone_results
    assert env.num_envs == 3


def test_serve_without_a_call_returns_false() -> None:
    assert not Handover().serve(0.0)


def test_error_of_a_call_is_raised_in_the_calling_thread_only() -> None:
    handover = Handover()
    env = HandedOverEnv(Worlds(), handover)
    learner = Learner(lambda: env.step(-1))
    assert handover.serve(10.0)
    assert handover.serve_until_ended(learner.thread, 10.0)
    assert isinstance(learner.error, ValueError)
    assert str(learner.error) == "no such action: -1"


def test_stop_refuses_steps_but_no_other_calls() -> None:
    worlds, handover = Worlds(), Handover()
    env = HandedOverEnv(worlds, handover)
    handover.stop_requested = True
    with pytest.raises(RunStoppedError):
        env.step(1)
    assert not worlds.threads
    learner = Learner(lambda: handover.call(lambda: "saved"))
    assert handover.serve_until_ended(learner.thread, 10.0)
    assert learner.result == "saved"


def test_interruption_of_a_call_stops_the_learner() -> None:
    handover = Handover()

    def interrupt() -> None:
        raise KeyboardInterrupt

    learner = Learner(lambda: handover.call(interrupt))
    with pytest.raises(KeyboardInterrupt):
        handover.serve(10.0)
    learner.thread.join(10.0)
    assert isinstance(learner.error, RunStoppedError)
    assert handover.stop_requested


def test_thread_that_does_not_end_is_given_up() -> None:
    release = threading.Event()
    learner = Learner(release.wait)
    assert not Handover().serve_until_ended(learner.thread, 0.1)
    release.set()
    assert Handover().serve_until_ended(learner.thread, 10.0)
