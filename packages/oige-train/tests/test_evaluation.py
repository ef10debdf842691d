"""``evaluation=True``: a policy that is played follows the checkpoints of a training that goes on."""

import dataclasses
import io
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_env import FakeEnv, make_agent
from oige_core.errors import ConfigError
from oige_train.checkpoint_watch import INTERVAL
from oige_train.cli.common import checked_run
from oige_train.config import Run
from oige_train.console import ProgressLine
from oige_train.play import evaluate
from oige_train.stopping import RunStoppedError


class Watched(FakeEnv):
    """Notes actions and resets; at some steps, counted over all episodes, something happens."""

    def __init__(self, happenings: Mapping[int, Callable[[], object]], last: int) -> None:
        # Episodes of 30 steps, each of which pays 1.
        super().__init__(2, endings=dict.fromkeys(range(30, last + 1, 30), "terminated"))
        self.happenings, self.last = happenings, last
        self.played: list[float] = []
        self.resets: list[int] = []

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        self.resets.append(len(self.played))
        return super().reset(seed, options)

    def step(self, actions: torch.Tensor) -> Any:
        if len(self.played) == self.last:
            raise RunStoppedError
        self.happenings.get(len(self.played), lambda: None)()
        self.played.append(actions[0, 0].item())
        return super().step(actions)


class Training:
    """A training in the background, whose policy returns a constant action."""

    def __init__(self, folder: Path) -> None:
        self.agent = make_agent(FakeEnv(2), folder)
        self.agent.init_tensors()
        self.agent.obs = self.agent.env_reset()
        self.written = 0

    def write(self, action: float, name: str = "last_run_ep_1_rew_1.00") -> Path:
        """Write a checkpoint that is newer than those before."""
        network = self.agent.model.a2c_network
        with torch.no_grad():
            network.mu.weight.zero_()
            network.mu.bias.fill_(action)
        self.agent.session.saved.clear()
        self.agent.save(f"{self.agent.nn_dir}/last")
        assert self.agent.session.last is not None
        file = self.agent.session.last.replace(Path(self.agent.nn_dir) / f"{name}.pth")
        self.touch(file)
        return file

    def touch(self, file: Path) -> None:
        self.written += 1
        os.utime(file, (self.written, self.written))

    def run(self, checkpoint: Path) -> Run:
        run = dataclasses.replace(self.agent.session.run, checkpoint=checkpoint)
        return dataclasses.replace(run, config=dataclasses.replace(run.config, evaluation=True, test=True))


def test_new_checkpoints_replace_the_policy_and_episodes_begin_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(tmp_path)
    first = training.write(0.25)
    folder = first.parent
    damaged = folder / "damaged.pth"

    def damage() -> None:
        damaged.write_bytes(b"half a file")
        training.touch(damaged)

    env = Watched({50: lambda: training.write(0.5, "second"), 130: damage}, last=250)
    with caplog.at_level(logging.INFO):
        result = evaluate(training.run(first), env, ProgressLine(io.StringIO()))
    switch = INTERVAL - 1  # the hundredth look is before the hundredth step
    assert env.played == pytest.approx([0.25] * switch + [0.5] * (250 - switch))
    assert env.resets == [0, switch]
    # Three rounds of two episodes had ended; the result is that of the second policy.
    assert f"{first}: mean return 30.00, mean length 30.0 over 6 finished episodes" in caplog.messages
    assert f"playing {folder / 'second.pth'}" in caplog.messages
    assert [message for message in caplog.messages if str(damaged) in message and "It is not played." in message]
    # Worlds that a reset finds at step 99 end their episodes at step 120, then every 30 steps until 240.
    assert result.count == 2 * 5
    assert result.mean_return == pytest.approx((21 + 4 * 30) / 5)


def test_best_policy_that_is_written_again_is_played_again(tmp_path: Path) -> None:
    training = Training(tmp_path)
    best = training.write(0.25, "run")
    env = Watched({10: lambda: training.write(-0.5, "run")}, last=150)
    evaluate(training.run(best), env, ProgressLine(io.StringIO()))
    assert env.played[0] == pytest.approx(0.25)
    assert env.played[-1] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mt_timeout=3"], "mt_timeout: has no effect; the panel waits for the learner without a limit"),
        (["evaluation=True"], "evaluation=True: expected False without test=True;"),
        (
            ["evaluation=True", "test=True", "checkpoint=pretrained"],
            "checkpoint=pretrained: expected a file of a run that trains, with evaluation=True.",
        ),
    ],
)
def test_settings_of_the_panel_without_effect_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}"):
        checked_run(arguments)
