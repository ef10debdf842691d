"""Playing with a viewer waits for a page, runs until Ctrl-C and prints the result so far."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from oige_core.render.viewer import Viewer

PLAY = ("task=Cartpole", "sim_device=cpu", "num_envs=4", "task.env.episodeLength=20", "checkpoint=pretrained")
ONE_ROUND = "train.params.config.player.games_num=4"


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def spectator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[Viewer], None]], None]]:
    """Run a function with the next viewer, in a thread of its own, and press Ctrl-C afterwards."""
    viewers: list[Viewer] = []
    construct = Viewer.__init__

    def remember(self: Viewer, *arguments: Any, **options: Any) -> None:
        construct(self, *arguments, **options)
        viewers.append(self)

    monkeypatch.setattr(Viewer, "__init__", remember)
    failures: list[BaseException] = []
    threads: list[threading.Thread] = []
    over = threading.Event()

    def start(watch: Callable[[Viewer], None]) -> None:
        def run() -> None:
            try:
                wait_until(lambda: bool(viewers))
                time.sleep(0.3)  # steps that nobody should have waited for would be taken now
                watch(viewers[-1])
            except BaseException as failure:
                failures.append(failure)
            if not over.is_set():
                os.kill(os.getpid(), signal.SIGINT)

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()
    assert not failures


def test_play_with_viewer_waits_for_a_page_and_runs_until_interrupted(program: Any, spectator: Any) -> None:
    def watch(viewer: Viewer) -> None:
        assert viewer._steps == 0  # nothing was missed
        viewer.watched = True
        wait_until(lambda: viewer._steps > 70)  # three times as many games as were asked for
        viewer.watched = False  # the page is closed
        time.sleep(0.3)
        steps = viewer._steps
        time.sleep(0.3)
        assert viewer._steps == steps
        viewer.watched = True
        wait_until(lambda: viewer._steps > steps + 10)

    spectator(watch)
    outcome = program(*PLAY, ONE_ROUND, "test=True", "headless=False")
    assert outcome.code == 0, outcome.err
    assert re.search(r"^viewer: http://127\.0\.0\.1:8\d\d\d$", outcome.err, re.MULTILINE)
    assert "waiting for this page to be opened" in outcome.err
    found = re.search(r"mean return (\S+), mean length (\S+) over (\d+) finished episodes", outcome.out)
    assert found, outcome.out
    assert int(found[3]) >= 12
    assert float(found[2]) == 20.0


def test_interruption_ends_play_that_waits_for_a_page(program: Any, spectator: Any) -> None:
    spectator(lambda _: None)
    outcome = program(*PLAY, "test=True", "headless=False")
    assert outcome.code == 0, outcome.err
    assert outcome.out == "no episode was finished\n"
    assert "headless=True" in outcome.err  # how to continue without a page


def test_interruption_ends_paused_play(program: Any, spectator: Any) -> None:
    def watch(viewer: Viewer) -> None:
        viewer.watched = True
        wait_until(lambda: viewer._steps > 30)
        viewer.pace.pause()
        time.sleep(0.2)

    spectator(watch)
    outcome = program(*PLAY, "test=True", "headless=False")
    assert outcome.code == 0, outcome.err
    assert "over 4 finished episodes" in outcome.out


def test_interrupted_play_prints_its_result_so_far(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from oige_core import VecEnv

    step, steps = VecEnv.step, []

    def interrupted(self: VecEnv, actions: Any) -> Any:
        steps.append(0)
        if len(steps) == 50:
            signal.raise_signal(signal.SIGINT)
        return step(self, actions)

    monkeypatch.setattr(VecEnv, "step", interrupted)
    outcome = program(*PLAY, "test=True")
    assert outcome.code == 130, outcome.err
    assert "over 8 finished episodes" in outcome.out
    assert re.search(r"^interrupted after 8 of \d+ episodes$", outcome.err, re.MULTILINE)


def test_random_policy_waits_for_a_page(
    spectator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from oige_train.cli.random_policy import main

    def watch(viewer: Viewer) -> None:
        assert viewer._steps == 0
        viewer.watched = True
        wait_until(lambda: viewer._steps > 30)

    monkeypatch.chdir(tmp_path)
    arguments = ["task=Cartpole", "sim_device=cpu", "num_envs=2", "headless=False"]
    monkeypatch.setattr(sys, "argv", ["oige-random-policy", *arguments])
    spectator(watch)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 0
    assert re.search(r"^\d+ steps in total:$", capsys.readouterr().out, re.MULTILINE)
