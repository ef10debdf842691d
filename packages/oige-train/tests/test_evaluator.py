"""``evaluation=True`` without a viewer: every checkpoint of a run is scored, also while the run trains."""

import csv
import io
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from checkpoint_training import Training, described
from fake_env import FakeEnv
from oige_core.errors import OigeError
from oige_train.console import ProgressLine
from oige_train.evaluation import evaluator
from oige_train.evaluation.checkpoints import CheckpointFolder, with_first_checkpoint
from oige_train.evaluation.evaluator import Evaluator
from oige_train.evaluation.scores import NAMES, Score, append_score, best_of, read_scores
from oige_train.runs.curves import read_curve
from oige_train.runs.files import locked
from oige_train.viewing import StepLoop
from run_folders import write_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


class NoisyEnv(FakeEnv):
    """Episodes of three steps, each of which pays the action and noise that depends on the state of a generator."""

    def __init__(self) -> None:
        super().__init__(2, endings=dict.fromkeys(range(3, 1000, 3), "terminated"))
        self.generator = torch.Generator()

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, ...]:
        if seed is not None:
            self.generator.manual_seed(seed)
        return super().reset(seed, options)

    def step(self, actions: torch.Tensor) -> tuple[Any, ...]:
        observations, _, *rest = super().step(actions)
        noise = 0.01 * torch.rand(self.num_envs, generator=self.generator)
        return observations, actions[:, 0] + noise, *rest

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        self.generator.set_state(state["generator"])


class Scored:
    """An evaluation of checkpoints; while it waits, things happen, and after the last one it is stopped."""

    def __init__(
        self,
        training: Training,
        first: Path,
        happenings: Mapping[int, Callable[[], object]] = {},
        *,
        deterministic: bool = True,
    ) -> None:
        self.lines: list[str] = []
        self.loop = StepLoop()
        self.waits = 0
        self.happenings = happenings
        run = training.run(first)
        player = run.config.train.params.config.player
        player.games_num, player.deterministic = 4, deterministic
        self.evaluator = Evaluator(run, NoisyEnv(), ProgressLine(io.StringIO()), self.lines.append, self.pause)
        self.evaluator.run(self.loop)

    def pause(self, _: float) -> None:
        self.happenings.get(self.waits, self.loop.stop)()
        self.waits += 1

    def rows(self) -> list[dict[str, str]]:
        with self.evaluator.file.open() as file:
            return list(csv.DictReader(file))


def test_every_checkpoint_is_scored_over_equal_episodes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = Training(tmp_path)
    later = described(training.write(0.5, "last_b"), epoch=20, mean_reward=1.0)
    first = described(training.write(0.5, "last_a"), epoch=10, mean_reward=1.0)
    folder = first.parent

    def write_others() -> None:
        described(training.write(-0.5, "last_c"), epoch=30, mean_reward=2.0)
        described(training.write(-0.5, "best"), epoch=30, mean_reward=2.0)  # the same policy twice
        described(training.write(0.9, "foreign"), epoch=31, task="Ant")
        (folder / "torn.pth").write_bytes(first.read_bytes()[:1000])

    def write_torn_again() -> None:
        described(training.write(0.75, "torn"), epoch=40, mean_reward=3.0)

    with caplog.at_level(logging.INFO):
        scored = Scored(training, first, {0: write_others, 1: write_torn_again})
    rows = scored.rows()
    assert [(row["epoch"], row["checkpoint"]) for row in rows] == [
        ("10", "last_a.pth"),
        ("20", "last_b.pth"),
        ("30", rows[2]["checkpoint"]),
        ("40", "torn.pth"),
    ]
    means = [float(row["mean_return"]) for row in rows]
    assert means[0] == means[1]  # bit for bit
    # Three steps pay three actions, and noise of which the mean is 0.005.
    assert means == pytest.approx([1.5, 1.5, -1.5, 2.25], abs=0.03)
    assert means[0] != 1.5
    assert means[2] - means[0] == pytest.approx(-3.0, abs=1e-5)  # the noise is the same
    assert {(row["episodes"], row["num_envs"], row["seed"], row["mean_length"]) for row in rows} == {
        ("4", "2", "42", "3.0")
    }
    assert [line.endswith(", best so far") for line in scored.lines] == [True, False, False, True]
    best = tmp_path / rows[3]["checkpoint"]
    assert scored.evaluator.best is not None
    assert scored.evaluator.best.checkpoint == best.name
    kept = scored.evaluator.folder.run / "evaluation_best.pth"
    assert kept.read_bytes() == (folder / "torn.pth").read_bytes()
    assert scored.evaluator.stopped
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert f"checkpoint={folder / 'foreign.pth'}: belongs to task Ant, not Cartpole;" in " ".join(warnings)
    assert all(text.endswith(" It is not scored.") for text in warnings)
    assert later.is_file()


def test_exploration_noise_is_the_same_for_each_checkpoint(tmp_path: Path) -> None:
    training = Training(tmp_path)
    first = described(training.write(0.5, "last_a"), epoch=10)
    described(training.write(0.5, "last_b"), epoch=20)
    one, two = (row["mean_return"] for row in Scored(training, first, deterministic=False).rows())
    assert one == two
    assert float(one) != pytest.approx(1.5, abs=0.03)  # it is there


def test_scores_of_before_are_kept_and_shown_in_tensorboard(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = Training(tmp_path)
    training.agent.frame = 700
    first = described(training.write(0.5, "last_a"), epoch=10, mean_reward=1.0)
    evaluator = Scored(training, first).evaluator
    events = EventAccumulator(str(evaluator.folder.run / "summaries" / "eval"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["eval/length", "eval/return"]
    assert [(event.step, event.value) for event in events.Scalars("eval/length")] == [(700, 3.0)]
    assert read_curve(evaluator.folder.run, "eval/length").points == [(700, 3.0)]
    before = evaluator.file.read_bytes()
    evaluator.file.write_bytes(before + b"70,7,0.5")  # cut off
    described(training.write(0.25, "last_b"), epoch=20, mean_reward=1.0)
    with caplog.at_level(logging.INFO):
        again = Scored(training, first)
    assert [row["checkpoint"] for row in again.rows()] == ["last_a.pth", None, "last_b.pth"]
    assert again.evaluator.file.read_bytes().startswith(before)
    assert f"1 checkpoints have a score in {evaluator.file}" in caplog.messages
    assert (evaluator.folder.run / "evaluation_best.pth").is_file()  # in the same folder, and not scored
    assert again.lines == [line for line in again.lines if line.startswith("epoch 20") and "best" not in line]
    assert read_scores(evaluator.file)[1] == "line 3 is damaged"


def test_checkpoint_that_is_removed_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = Training(tmp_path)
    first = described(training.write(0.5, "last_a"), epoch=10)
    gone = described(training.write(0.5, "last_b"), epoch=20)
    removed = Evaluator._play

    def play_and_remove(self: Evaluator, *arguments: Any) -> Any:
        gone.unlink(missing_ok=True)
        return removed(self, *arguments)

    listed = [(first, None), (gone, None)]
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.INFO):
        patch.setattr(Evaluator, "_play", play_and_remove)
        patch.setattr(Evaluator, "_next", lambda _: listed.pop(0)[0] if listed else None)
        scored = Scored(training, first)
    assert len(scored.rows()) == 1
    assert f"{gone}: was removed before it was scored" in caplog.messages


def test_evaluation_ends_with_the_training_after_its_last_checkpoint(tmp_path: Path) -> None:
    training = Training(tmp_path)
    run = write_run(tmp_path / "run", end=None)
    (run / "nn" / "last.pth").unlink()
    first = described(training.write(0.5, "last_a"), epoch=10)
    with locked(run):  # as a training does
        inside = first.replace(run / "nn" / "last_a.pth")
        scored = Scored(training, inside)
    assert scored.evaluator.stopped  # training went on

    def write_and_end() -> None:
        described(training.write(0.25, "last_b"), epoch=20).replace(run / "nn" / "last_b.pth")
        lock.__exit__(None, None, None)

    lock = locked(run)
    lock.__enter__()
    scored = Scored(training, inside, {0: write_and_end})
    assert not scored.evaluator.stopped
    assert scored.waits == 1
    assert [row["epoch"] for row in scored.rows()] == ["10", "20"]


def test_evaluation_ends_without_new_checkpoints_for_a_while(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    training = Training(tmp_path)
    first = training.write(0.5)
    training.agent.session.run.config.evaluation_timeout = 3.0
    with caplog.at_level(logging.INFO):
        scored = Scored(training, first, dict.fromkeys(range(9), lambda: None))
    assert (scored.waits, scored.evaluator.stopped) == (3, False)
    assert "no new checkpoint for 3 s" in caplog.messages
    happenings: dict[int, Callable[[], object]] = dict.fromkeys(range(9), lambda: None)
    happenings[1] = lambda: described(training.write(0.5, "last_b"), epoch=20)
    assert Scored(training, first, happenings).waits == 5  # two before the new one, and three after it


def test_scores_under_other_conditions_do_not_count(tmp_path: Path) -> None:
    training = Training(tmp_path)
    first = training.write(0.5)
    file = Scored(training, first).evaluator.file
    file.write_text(file.read_text().replace(",42,", ",43,"))  # the seed
    again = Scored(training, first)
    assert [row["seed"] for row in again.rows()] == ["43", "42"]
    assert again.lines[0].endswith(", best so far")


def test_settings_of_a_score_are_overrides_that_the_run_does_not_have() -> None:
    own = ("task.env.a=1", "num_envs=8", "seed=3", "train.params.config.player.games_num=4", "task.env.b=2")
    run: Any = SimpleNamespace(
        former=SimpleNamespace(overrides=("task.env.a=1",)), record=SimpleNamespace(overrides=own)
    )
    assert evaluator._settings(run) == ["task.env.b=2"]
    run.former = None
    assert evaluator._settings(run) == ["task.env.a=1", "task.env.b=2"]


def test_score_of_unknown_steps_is_not_in_tensorboard() -> None:
    points: list[tuple[str, float, int]] = []
    writer = SimpleNamespace(add_scalar=lambda *point: points.append(point), flush=lambda: None)
    evaluator._write_summaries(writer, _score(steps=None))
    assert points == []
    evaluator._write_summaries(writer, _score(success=0.5))
    assert points == [("eval/return", 1.0, 10), ("eval/length", 2.0, 10), ("eval/success", 0.5, 10)]


def test_two_evaluations_of_a_run_are_refused(tmp_path: Path) -> None:
    training = Training(tmp_path)
    first = training.write(0.5)
    file = first.parent / "evaluation.csv"
    file = Scored(training, first).evaluator.file
    with locked(file), pytest.raises(OigeError) as error:
        Scored(training, first)
    assert str(error.value) == f"{file}: another program scores these checkpoints; wait for it to end."


def test_file_of_something_else_is_kept(tmp_path: Path) -> None:
    training = Training(tmp_path)
    first = training.write(0.5)
    file = Scored(training, first).evaluator.file
    file.write_text("a,b\n1,2\n")
    with pytest.raises(OigeError) as error:
        Scored(training, first)
    assert str(error.value) == f"{file}: expected the columns {', '.join(NAMES)}; move it away."


def _score(**changes: Any) -> Score:
    values: dict[str, Any] = {"steps": 10, "epoch": 1, "mean_return": 1.0, "mean_length": 2.0, "success": None}
    values |= {"goals": None, "episodes": 4, "num_envs": 2, "seed": 1, "settings": "task.env.x='a,\"b\"'"}
    values |= {"training_reward": None, "checkpoint": "a.pth", "date": "2026-01-01T00:00:00+00:00"}
    return Score(**values | changes)


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = [_score(), _score(success=0.1 + 0.2, goals=3.0, steps=None, mean_return=1e-30)]
    for score in scores:
        append_score(tmp_path / "a.csv", score)
    assert read_scores(tmp_path / "a.csv") == (scores, "")


def test_best_score_is_among_comparable_ones() -> None:
    other, worse, better = _score(mean_return=9.0, seed=2), _score(), _score(mean_return=3.0)
    nan = _score(mean_return=float("nan"))
    assert best_of([other, worse, better, nan, worse]) is better
    assert best_of([nan]) is None
    assert best_of([]) is None


def test_oige_runs_shows_the_best_score_and_why_a_run_ended(tmp_path: Path, runs_program) -> None:
    goal = "success 0.900 over the last 100 episodes, train.params.config.stop_at_success=0.9"
    write_run(tmp_path / "runs" / "a", end={"state": "finished", "date": "2026-05-01T11:00:00+00:00", "reason": goal})
    append_score(tmp_path / "runs" / "a" / "evaluation.csv", _score(mean_return=12.5))
    write_run(tmp_path / "runs" / "b", date="2026-05-02T10:00:00+00:00")
    table = runs_program().out.splitlines()
    assert table[0].split()[6:9] == ["best", "evaluation", "steps/s"]
    assert (table[1].split()[7], table[3].split()[7]) == ("12.5", "-")
    assert table[2] == f"  ended early: {goal}"
    (a, b) = json.loads(runs_program("--json").out)
    assert (a["evaluation_best"], a["ended_early"], a["problems"]) == (12.5, goal, [])
    assert (b["evaluation_best"], b["ended_early"]) == (None, None)


def test_folder_stands_for_its_newest_checkpoint_once_there_is_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    training = Training(tmp_path)
    file = training.write(0.5)
    run = tmp_path / "later"
    command = ["test=True", "evaluation=True", f"checkpoint={run}", "seed=1"]
    pauses = [lambda: (run / "nn").mkdir(parents=True), lambda: file.rename(run / "nn" / "a.pth")]
    with caplog.at_level(logging.INFO):
        found = with_first_checkpoint(command, lambda _: pauses.pop(0)())
    assert found == ["test=True", "evaluation=True", "seed=1", f"checkpoint={run / 'nn' / 'a.pth'}"]
    assert caplog.messages == [f"waiting for the first checkpoint in {run}; Ctrl-C ends the program"]
    plain = ["test=True", f"checkpoint={run}"]
    assert with_first_checkpoint(plain) == plain


@pytest.mark.parametrize(
    ("timeout", "message"),
    [
        ("2", "checkpoint=runs/A: no checkpoint within evaluation_timeout=2 s."),
        ("-1", "evaluation_timeout=-1: expected a number of seconds above 0, or inf."),
        ("a", "evaluation_timeout=a: expected a number of seconds above 0, or inf."),
    ],
)
def test_waiting_for_a_first_checkpoint_has_a_limit(timeout: str, message: str) -> None:
    command = ["test=True", "evaluation=True", "checkpoint=runs/A", f"evaluation_timeout={timeout}"]
    with pytest.raises(OigeError) as error:
        with_first_checkpoint(command, lambda _: None)
    assert str(error.value) == message


def test_newest_checkpoint_begins_and_a_named_file_is_taken_as_it_is(tmp_path: Path) -> None:
    training = Training(tmp_path)
    newest = described(training.write(0.5, "a"), epoch=20)
    described(training.write(0.5, "b"), epoch=10)
    (newest.parent / "evaluation_best.pth").write_bytes(newest.read_bytes())  # is a copy of one of them
    assert [file.name for file, _ in CheckpointFolder(newest.parent).readable()] == ["b.pth", "a.pth"]
    found = with_first_checkpoint(["evaluation=True", f"checkpoint={newest.parent}"])
    assert found == ["evaluation=True", f"checkpoint={newest}"]
    absent = ["evaluation=True", "checkpoint=absent/a.pth"]
    assert with_first_checkpoint(absent) == absent  # is refused later, and not waited for


def test_run_with_a_damaged_description_trains_while_its_folder_is_taken(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "run.json").write_text("[")
    with locked(run):
        assert not CheckpointFolder(run).training_has_ended()
    assert CheckpointFolder(run).training_has_ended()


def test_run_that_ended_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "nn" / "last.pth").unlink()
    with pytest.raises(OigeError) as error:
        with_first_checkpoint(["evaluation=True", f"checkpoint={run}"])
    assert str(error.value) == f"checkpoint={run}: training has ended without a checkpoint; choose another run."
