"""The drop-down list of checkpoints on the viewer's page."""

import io
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import viser
from checkpoint_training import Training, Watched, described
from fake_env import FakeEnv
from oige_core.render.viewer import Pace, Page
from oige_train.console import ProgressLine
from oige_train.learner.environment import RlGamesEnv
from oige_train.play import evaluate
from oige_train.policy_choice import LOOK_TIME, PolicyChoice
from oige_train.policy_loading import load_policy
from oige_train.viewing import StepLoop

OBSERVATIONS = torch.zeros(2, 3)
SHIPPED = "pretrained · epoch 100"  # of Cartpole


@pytest.fixture
def viewer() -> Iterator[Any]:
    """What the list needs of a viewer: a page with folders."""
    page = Page("test")
    yield SimpleNamespace(
        server=page.server,
        folder=lambda label, first: page.server.gui.add_folder(label),
        wait_for_page=lambda _: None,
        pace=Pace(1.0),
    )
    page.close()


def choose(policies: PolicyChoice, label: str) -> None:
    """Select an entry of the list, as a browser does."""
    entries = policies._list
    entries._impl.value = label
    for callback in entries._impl.update_cb:
        callback(viser.GuiEvent(None, 1, entries))  # type: ignore[arg-type]


class Choice:
    """A list for a policy that returns the action 0.25, and the time that passes for it."""

    def __init__(self, training: Training, viewer: Any) -> None:
        self.time = 0.0
        self.first = training.write(0.25)
        run = training.run(self.first)
        adapter = RlGamesEnv(FakeEnv(2), "cpu")  # type: ignore[arg-type]
        self.policy: Any = load_policy(run, adapter)
        self.list = PolicyChoice(run, self.policy, viewer, clock=lambda: self.time)

    def labels(self) -> list[str]:
        return list(self.list._list.options)

    def select(self, label: str) -> bool:
        """Select a file as a user does; return whether it has replaced the policy."""
        choose(self.list, label)
        return self.list.update()

    def action(self) -> float:
        return self.policy.act(OBSERVATIONS, deterministic=True)[0, 0].item()


def test_list_has_the_best_checkpoint_first_and_new_ones_appear(tmp_path: Path, viewer: Any) -> None:
    training = Training(tmp_path)
    best = described(training.write(0.5, "run"), mean_reward=30.5, epoch=1200)
    described(training.write(0.5, "last_run_ep_7"), mean_reward=-4.0, epoch=7)
    choice = Choice(training, viewer)
    playing = f"{choice.first.name} · epoch 0"  # written before any episode ended
    assert choice.labels() == ["run.pth · epoch 1,200", "last_run_ep_7.pth · epoch 7", playing, SHIPPED]
    assert choice.list._list.value == playing
    described(training.write(0.5, "last_run_ep_9"), mean_reward=12.0, epoch=9)
    choice.list.update()
    assert len(choice.labels()) == 4  # the next look is due later
    choice.time += LOOK_TIME
    choice.list.update()
    assert choice.labels()[:2] == ["run.pth · epoch 1,200", "last_run_ep_9.pth · epoch 9"]
    assert choice.list._list.value == playing

    assert choice.select("run.pth · epoch 1,200")
    assert choice.list.playing == best
    assert choice.list.text == "playing run.pth, trained for 1,200 epochs, mean reward 30.50 in training"
    assert choice.action() == pytest.approx(0.5)


def test_file_that_is_written_again_can_be_selected_again(tmp_path: Path, viewer: Any) -> None:
    training = Training(tmp_path)
    described(training.write(0.5, "run"), mean_reward=30.5, epoch=12)
    choice = Choice(training, viewer)
    assert choice.select("run.pth · epoch 12")
    training.touch(described(training.write(-0.5, "run"), mean_reward=40.0, epoch=20))
    choice.time += LOOK_TIME
    assert not choice.list.update()
    assert choice.labels()[:2] == ["run.pth · epoch 12", "run.pth · epoch 20"]
    assert choice.action() == pytest.approx(0.5)
    assert choice.select("run.pth · epoch 20")
    assert "run.pth · epoch 12" not in choice.labels()
    assert choice.action() == pytest.approx(-0.5)


def test_broken_or_unfitting_file_is_reported_and_the_old_policy_is_played_on(tmp_path: Path, viewer: Any) -> None:
    training = Training(tmp_path)
    choice = Choice(training, viewer)
    folder = choice.first.parent
    (folder / "half.pth").write_bytes(b"half a file")
    other = described(Path(shutil.copy(choice.first, folder / "other.pth")), task="Ant", epoch=3)
    nan = described(training.write(float("nan"), "nan"), epoch=4)
    choice.time += LOOK_TIME
    choice.list.update()
    playing = choice.list._playing_label
    for label, message in {
        "half.pth": f"checkpoint={folder / 'half.pth'}: not a checkpoint; expected a .pth file of oige-train or "
        f"rl_games. {choice.first.name} is played on.",
        "other.pth · epoch 3": f"checkpoint={other}: belongs to task Ant, not Cartpole; give a checkpoint of Cartpole, "
        f"or leave task= out. {choice.first.name} is played on.",
        "nan.pth · epoch 4": f"checkpoint={nan}: policy.a2c_network.mu.bias is not finite, because training had "
        f"diverged; use an earlier checkpoint. {choice.first.name} is played on.",
    }.items():
        assert not choice.select(label)
        assert choice.list.text == message
        assert choice.list._list.value == playing
        assert choice.action() == pytest.approx(0.25)
    assert not choice.select(SHIPPED)  # for a network of other sizes
    assert "does not fit the network of this run" in choice.list.text or "trained with" in choice.list.text
    assert choice.action() == pytest.approx(0.25)


def test_selected_checkpoint_begins_episodes_anew(
    tmp_path: Path, viewer: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(tmp_path)
    first = training.write(0.25)
    second = described(training.write(0.5, "second"), epoch=5)
    lists: list[PolicyChoice] = []
    construct = PolicyChoice.__init__

    def remember(self: PolicyChoice, *arguments: Any) -> None:
        construct(self, *arguments)
        lists.append(self)

    monkeypatch.setattr(PolicyChoice, "__init__", remember)
    env = Watched({39: lambda: choose(lists[0], "second.pth · epoch 5")}, last=100)
    run = training.run(first)
    run.config.evaluation = False
    with caplog.at_level(logging.INFO):
        result = evaluate(run, env, ProgressLine(io.StringIO()), StepLoop(viewer))
    assert env.played == pytest.approx([0.25] * 40 + [0.5] * 60)
    assert env.resets == [0, 40]
    assert f"{first}: mean return 30.00, mean length 30.0 over 2 finished episodes" in caplog.messages
    assert f"playing {second}" in caplog.messages
    # Worlds that a reset finds at step 40 end their episodes at steps 60 and 90.
    assert (result.count, result.mean_return) == (4, pytest.approx((20 + 30) / 2))
