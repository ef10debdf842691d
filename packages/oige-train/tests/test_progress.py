"""Progress line and summaries, with numbers computed by hand."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from oige_train import console
from oige_train.console import ProgressLine
from oige_train.learner import progress
from oige_train.learner.progress import EpisodeMeans, ProgressObserver

NO_EPISODES = {"episode_means": {"return": torch.tensor(0.0)}, "episode_count": torch.tensor(0)}


def test_means_are_weighted_by_episode_counts() -> None:
    means = EpisodeMeans()
    means.add({"return": torch.tensor(10.0), "length": torch.tensor(4.0)}, torch.tensor(3))
    means.add({"return": torch.tensor(2.0), "length": torch.tensor(8.0)}, torch.tensor(1))
    means.add({"goal": torch.tensor(1.0)}, torch.tensor(5))
    means.add({"return": torch.tensor(0.0), "fall": torch.tensor(0.0)}, torch.tensor(0))  # no episode ended
    means.end_epoch()
    means.add({"return": torch.tensor(50.0)}, torch.tensor(2))  # of the next epoch
    assert means.take() == {"return": 8.0, "length": 5.0, "goal": 1.0}  # (3·10 + 2) / 4, (3·4 + 8) / 4
    means.end_epoch()
    assert means.take() == {"return": 50.0}


class Writer:
    def __init__(self) -> None:
        self.scalars: dict[str, tuple[float, float]] = {}

    def add_scalar(self, tag: str, value: float, step: float) -> None:
        self.scalars[tag] = (float(value), step)


def agent(**values: Any) -> Any:
    meter = SimpleNamespace(current_size=2, get_mean=lambda: torch.tensor([123.456]).numpy())
    length = SimpleNamespace(current_size=2, get_mean=lambda: torch.tensor([77.0]).numpy()[0])
    defaults = {
        "max_epochs": 10,
        "max_frames": -1,
        "epoch_num": 1,
        "frame": 0,
        "game_rewards": meter,
        "game_lengths": length,
    }
    return SimpleNamespace(**defaults | values, writer=Writer())


@pytest.mark.parametrize(("max_epochs", "total"), [(10, 5), (-1, 5), (3, 3)])
def test_limit_of_steps_ends_training_before_that_of_epochs(max_epochs: int, total: int) -> None:
    stream = io.StringIO()
    observer = ProgressObserver(ProgressLine(stream))
    algo = agent(max_epochs=max_epochs, max_frames=13_000, epoch_num=1)
    observer.after_init(algo)
    observer.process_infos(NO_EPISODES, torch.tensor([]))
    algo.frame = 3000  # 13,000 steps are reached in the fifth epoch of 3,000
    observer.after_steps()
    observer.after_print_stats(3000, 1, 1.0)
    assert stream.getvalue().startswith(f"epoch 1/{total} | ")
    assert stream.getvalue().endswith(" left\n")


def test_line_shows_epoch_reward_length_speed_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=100.0, monotonic=lambda: clock.now)
    for module in (console, progress):
        monkeypatch.setattr(module, "time", clock)
    stream = io.StringIO()
    observer = ProgressObserver(ProgressLine(stream))
    algo = agent()
    observer.after_init(algo)
    info = {"episode_means": {"goal": torch.tensor(0.5)}, "episode_count": torch.tensor(4), "level": 2.0}
    observer.process_infos(info, torch.tensor([]))
    clock.now, algo.epoch_num, algo.frame = 104.0, 2, 6000  # two epochs and 6000 steps in 4 s; 8 epochs to go
    observer.after_steps()
    observer.after_print_stats(6000, 2, 4.0)
    assert stream.getvalue() == "epoch 2/10 | reward 123.46 | length 77.0 | 1,500 steps/s | 0:16 left\n"
    assert algo.writer.scalars == {
        "Episode/goal": (0.5, 6000),
        "level/frame": (2.0, 6000),
    }


def test_problems_are_explained_once_and_counted_on_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in (console, progress):
        monkeypatch.setattr(module, "time", clock)
    stream, problems = io.StringIO(), {}
    observer = ProgressObserver(ProgressLine(stream), lambda: problems)
    algo = agent()
    observer.after_init(algo)
    observer.process_infos(NO_EPISODES, torch.tensor([]))
    for clock.now, algo.epoch_num, counts in ((10.0, 1, {}), (20.0, 2, {"exploded": 3}), (30.0, 3, {"exploded": 5})):
        problems |= counts
        observer.after_steps()
        observer.after_print_stats(1000 * algo.epoch_num, algo.epoch_num, clock.now)
    first, warning, second, third = stream.getvalue().splitlines()
    assert "problems" not in first
    assert warning.startswith("warning: a world moved beyond task.sim.max_position or max_velocity (3 so far).")
    assert "problems: 3 exploded" in second
    assert "problems: 5 exploded" in third
    assert algo.writer.scalars["Problems/exploded"] == (5, 3000)


def test_speed_of_a_resumed_run_counts_from_its_resumption(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in (console, progress):
        monkeypatch.setattr(module, "time", clock)
    observer = ProgressObserver(ProgressLine(io.StringIO()))
    algo = agent(epoch_num=6, frame=1_000_000, max_epochs=-1)
    observer.after_init(algo)
    observer.process_infos(NO_EPISODES, torch.tensor([]))
    clock.now, algo.frame, algo.game_rewards.current_size = 2.0, 1_001_000, 0
    assert observer.text(6) == "epoch 6 | no episode has ended yet | 500 steps/s"


def test_line_is_rewritten_on_a_terminal_and_repeated_rarely_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in (console, progress):
        monkeypatch.setattr(module, "time", clock)
    terminal, file = io.StringIO(), io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    for line in (ProgressLine(terminal), ProgressLine(file)):
        for clock.now in (0.0, 0.05, 1.0, 4.9, 5.0):
            line.show(f"at {clock.now}")
        line.show("end", force=True)
        line.close()
    # 5.0 comes less than a tenth of a second after 4.9, in floating point
    shown = ("at 0.0", "at 1.0", "at 4.9", "end")
    assert terminal.getvalue() == "".join(f"\r\x1b[2K\x1b[?7l{text}\x1b[?7h" for text in shown) + "\n"
    assert file.getvalue() == "at 0.0\nat 5.0\nend\n"
