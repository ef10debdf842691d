"""``evaluation=True``: a policy that is played follows the checkpoints of a training that goes on."""

import io
import logging
import re
from pathlib import Path

import pytest
from checkpoint_training import Training, Watched
from oige_core.errors import ConfigError
from oige_train.checkpoint_watch import INTERVAL
from oige_train.cli.common import checked_run
from oige_train.console import ProgressLine
from oige_train.play import evaluate


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
