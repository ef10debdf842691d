"""``oige-runs`` lists runs with what went wrong, and reads their summaries as TensorBoard does."""

import csv
import datetime
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oige_core.errors import ConfigError
from oige_train.runs.files import locked
from oige_train.runs.listing import as_csv, find_run, find_runs, matching, moment, ordered
from oige_train.runs.run_summary import RunSummary, read_run
from oige_train.runs.summaries import SUCCESS, Part, read_summaries
from run_folders import write_events, write_run, write_starts
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

HEADER = ("name", "task", "algorithm", "seed", "steps", "reward", "best", "success", "best")
FAILED = ("sweep/a", "Ant", "PPO", "7", "500", "2", "3", "0.125", "0.25", "50")
TINY = ("num_envs=16", "sim_device=cpu", "task.env.episodeLength=4", "train.params.config.horizon_length=4")


def test_training_is_listed_with_the_numbers_that_tensorboard_shows(program, runs_program) -> None:
    assert program(*TINY, "max_iterations=4", "seed=5").code == 0
    (row,) = json.loads(runs_program("--json").out)
    events = EventAccumulator("runs/Cartpole/summaries")
    events.Reload()
    rewards = events.Scalars("rewards/step")
    assert [row[key] for key in ("name", "task", "algorithm", "seed", "num_envs", "steps", "state", "resumed")] == [
        *("Cartpole", "Cartpole", "PPO", 5, 16, 256, "finished", 0)
    ]
    assert (row["reward"], row["reward_best"]) == (rewards[-1].value, max(point.value for point in rewards))
    times = [event.wall_time for tag in events.Tags()["scalars"] for event in events.Scalars(tag)]
    assert row["speed"] == pytest.approx(192 / (max(times) - min(times)))  # from the first epoch's end to the last's
    assert (row["problems"], row["success"]) == ([], None)


def test_table_and_csv_have_a_row_for_each_run(tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "b", date="2026-05-02T10:00:00+00:00")
    broken = write_run(tmp_path / "runs" / "sweep" / "a", resumed_from="x.pth", end=None)
    write_events(broken, [(400, 0.25), (500, 0.125)], start=2000.0, tag="Episode/success", number=1)
    table = runs_program().out.splitlines()
    assert [line.split() for line in table] == [
        [*HEADER, "steps/s", "started", "state"],
        [*FAILED, *table[1].split()[10:12], "failed,", "resumed", "1×"],
        ["ended", "without", "a", "result,", "as", "after", "a", "crash", "or", "a", "kill"],
        ["b", "Ant", "PPO", "7", "300", "2", "3", "-", "-", "50", *table[3].split()[10:12], "finished"],
    ]
    rows = list(csv.DictReader(io.StringIO(runs_program("--csv").out)))
    assert [(row["name"], row["state"], row["success"]) for row in rows] == [
        *(("sweep/a", "failed", "0.125"), ("b", "finished", ""))
    ]


def test_points_that_a_resumed_run_trained_again_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, [(100, 1.0), (200, 2.0), (300, 9.0)])
    write_events(tmp_path, [(250, 3.0), (350, 4.0)], start=2000.0, number=1)
    summaries = read_summaries(tmp_path / "summaries")
    points = summaries.scalars["rewards/step"]
    assert [(point.steps, point.value) for point in points] == [(100, 1.0), (200, 2.0), (250, 3.0), (350, 4.0)]
    assert summaries.parts == (Part(1000.0, 100, 250, 3.0), Part(2000.0, 250, 350, 2.0))
    assert (summaries.steps, summaries.speed, summaries.begun) == (350, 50.0, 1000.0)
    assert SUCCESS not in summaries.scalars


def test_infinite_values_are_left_out(tmp_path: Path) -> None:
    write_run(tmp_path, [(100, float("nan")), (200, 2.0), (300, float("inf"))])
    assert [point.steps for point in read_summaries(tmp_path / "summaries").scalars["rewards/step"]] == [200]


def remove(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            for file in folder.glob(name):
                file.unlink()

    return change


def write(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return change


def cut(count: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (file,) = (folder / "summaries").iterdir()
        file.write_bytes(file.read_bytes()[:-count])

    return change


def damage(folder: Path) -> None:
    """Let the second reward's record end early by a wrong length of its name."""
    (file,) = (folder / "summaries").iterdir()
    data = bytearray(file.read_bytes())
    second = data.index(b"\x0a\x0crewards/step", data.index(b"\x0a\x0crewards/step") + 1)
    data[second - 1] = 0xFF
    file.write_bytes(data)


EVENTS = "events.out.tfevents.1700000000.host"
PROBLEMS = {
    "no event file": (remove("summaries/*"), ["no event file in summaries"]),
    "empty event file": (write(f"summaries/{EVENTS}", b""), [f"{EVENTS}: is empty"]),
    "text as event file": (write(f"summaries/{EVENTS}", b"no records at all"), [f"{EVENTS}: ends within a record"]),
    "cut event file": (cut(3), [f"{EVENTS}: ends within a record after step 300"]),
    "damaged event file": (damage, [f"{EVENTS}: is damaged after step 100"]),
    "second event file is empty": (
        write("summaries/events.out.tfevents.1700000001.host", b""),
        ["events.out.tfevents.1700000001.host: is empty"],
    ),
    "damaged run.json": (
        write("run.json", b"[{"),
        ["run.json: damaged (Expecting property name enclosed in double quotes: line 1 column 3 (char 2))"],
    ),
    "run.json without a list": (write("run.json", b'{"a": 1}'), ["run.json: damaged (expected a list)"]),
    "run.json that is no text": (
        write("run.json", b"\xff"),
        ["run.json: damaged ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte)"],
    ),
    "neither run.json nor config.yaml": (remove("run.json", "config.yaml"), ["no config.yaml"]),
    "damaged config.yaml": (
        lambda folder: (remove("run.json")(folder), write("config.yaml", b"- 1")(folder)),
        ["config.yaml: damaged (expected a mapping)"],
    ),
    "no checkpoint": (remove("nn/*"), ["no checkpoint"]),
}


@pytest.mark.parametrize(("change", "problems"), PROBLEMS.values(), ids=PROBLEMS)
def test_broken_folder_is_listed_with_its_problem(
    change: Callable[[Path], None], problems: list[str], tmp_path: Path
) -> None:
    change(write_run(tmp_path / "run"))
    run = read_run(tmp_path / "run", "run")
    assert run.problems == problems
    if "event" not in problems[0]:
        assert (run.steps, run.reward) == (300, 2.0)


def test_values_of_the_wrong_type_are_unknown(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "a", task=["x"], seed="y", date="yesterday", num_envs=None, end={})
    (run,) = ordered(find_runs([tmp_path / "runs"]))
    assert (run.task, run.seed, run.state) == ("Ant", 7, "unknown")  # of config.yaml
    assert run.date == "1970-01-01T00:16:40+00:00"  # of the event file
    assert folder.is_dir()


def test_runs_of_omniisaacgymenvs_are_described_by_their_configuration(tmp_path: Path) -> None:
    (write_run(tmp_path / "run") / "run.json").unlink()
    run = read_run(tmp_path / "run", "run")
    assert (run.task, run.algorithm, run.seed, run.state) == ("Ant", "SAC", 7, "unknown")
    assert (run.date, run.problems) == ("1970-01-01T00:16:40+00:00", [])


def test_state_is_that_of_the_latest_start(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")

    def state(**values: Any) -> tuple[str, list[str], int]:
        write_starts(folder, {"task": "Ant", "end": {"state": "finished"}}, {"task": "Ant", **values})
        run = read_run(folder, "run")
        return run.state, run.problems, run.resumed

    assert state(end={"state": "stopped", "reason": ""}, resumed_from="a.pth") == ("stopped", [], 1)
    assert state(end={"state": "failed", "reason": "diverged"}) == ("failed", ["diverged"], 0)
    assert state(end=None) == ("failed", ["ended without a result, as after a crash or a kill"], 0)
    assert state() == ("unknown", [], 0)
    with locked(folder) as free:
        assert free is not False
        if free:
            cut(3)(folder)  # the last record is being written
            assert state(end=None) == ("running", [], 0)


def test_folders_without_runs_are_listed_and_videos_of_playing_are_not(tmp_path: Path) -> None:
    for name in ("runs/empty", "runs/played/videos", "runs/.hidden"):
        (tmp_path / name).mkdir(parents=True)
    (run,) = find_runs([tmp_path / "runs"])
    assert (run.name, run.problems) == ("empty", ["no run: none of run.json, config.yaml, summaries, nn"])


def test_filters_and_order() -> None:
    def run(name: str, task: str | None, reward: float | None, date: str | None) -> RunSummary:
        return RunSummary(name, f"runs/{name}", task=task, reward=reward, date=date)

    listed = [
        run("a", "Ant", 5.0, "2026-05-01T00:00:00+00:00"),
        run("b", "AntSAC", 0.0, "2026-04-01T00:00:00+00:00"),
        run("c", "Humanoid", None, None),
        run("d", None, -1.0, "2999-01-01T00:00:00+00:00"),
    ]

    def names(runs: list[RunSummary]) -> str:
        return "".join(run.name for run in runs)

    assert names(matching(listed, ["task=ant*"])) == "ab"
    assert names(matching(listed, ["task=ANT"])) == "a"
    assert names(matching(listed, ["task=ant,humanoid", "name=?"])) == "ac"
    assert names(matching(listed, ["task="])) == "d"
    assert names(matching(listed, [], "2026-04-15T00:00+00:00")) == "ad"
    assert names(matching(listed, [], "1h")) == "d"
    assert names(ordered(listed)) == "badc"
    assert names(ordered(listed, "reward")) == "dbac"
    assert names(ordered(listed, "-reward")) == "abdc"
    for filters, since, message in (
        (["tasks=Ant"], "", "tasks=Ant: unknown field of a run. Did you mean task?"),
        ([], "x", "--since x: expected a date such as 2026-05-01, or an age such as 12h or 7d."),
    ):
        with pytest.raises(ConfigError) as caught:
            matching(listed, filters, since)
        assert str(caught.value) == message


FORMATS = ".svg, .png, .html"
ERRORS = {
    "no such folder": (
        ["elsewhere"],
        "elsewhere: no such folder; expected a folder of runs, such as runs, or a run.",
    ),
    "misspelled command": (
        ["plto", "a"],
        "plto: no such folder; expected a folder of runs, such as runs, or a run. Did you mean plot?",
    ),
    "two formats": (["--csv", "--json"], "--json --csv: expected one of them."),
    "unknown option": (["--yaml"], "--yaml: unknown option; expected --since, --sort, --json and --csv."),
    "no value": (["--sort"], "--sort: expected a value after it."),
    "unknown order": (
        ["--sort", "-rewards"],
        "--sort -rewards: unknown field of a run. Did you mean reward or reward_best?",
    ),
    "one run": (["compare", "a"], "oige-runs compare: expected at least two runs."),
    "unknown run": (
        ["compare", "a", "b"],
        "b: expected the folder of a run, or its name in runs. Available: a.",
    ),
    "no run to plot": (["plot"], "oige-runs plot: expected 1 to 8 runs, got 0."),
    "unknown format": (["plot", "a", "--out", "a.jpg"], f"--out a.jpg: expected a file name that ends in {FORMATS}."),
    "unknown scalar": (
        ["plot", "a", "--tag", "rewards/stop"],
        "runs/a: has no scalar rewards/stop. Did you mean rewards/step or shaped_rewards/step?",
    ),
    "folder as file": (["plot", "a", "--out", "runs.svg"], "runs.svg: cannot be written (Is a directory)."),
}


@pytest.mark.parametrize(("arguments", "message"), ERRORS.values(), ids=ERRORS)
def test_wrong_arguments_are_one_line(arguments: list[str], message: str, tmp_path: Path, runs_program) -> None:
    write_run(tmp_path / "runs" / "a")
    (tmp_path / "runs.svg").mkdir()
    outcome = runs_program(*arguments)
    assert (outcome.code, outcome.err) == (2, f"error: {message}\n")


def test_run_is_listed_by_its_name_and_its_files_cannot_break_the_table(tmp_path: Path, runs_program) -> None:
    end = {"state": "failed", "reason": "first\nsecond"}
    write_run(tmp_path / "runs" / "a\nb", [(5, 1e30)], task="\x1b[31mAnt", end=end)
    write_run(tmp_path / "runs" / "c")
    header, row, problem = runs_program("a\nb").out.splitlines()
    assert row.startswith("runs/a b   [31mAnt  PPO           7      5   1e+30  1e+30")
    assert (header.split()[:2], problem) == (["name", "task"], "  first second")


def test_path_of_a_run_precedes_a_name_in_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs" / "a")
    assert find_run("a") == Path("runs/a")
    write_run(tmp_path / "a")
    assert find_run("a") == Path("a")


def test_problems_are_one_cell_of_csv() -> None:
    assert as_csv([RunSummary("a", "runs/a", problems=["one", "two"])]).splitlines()[1].endswith(",one; two")


def test_links_to_folders_around_them_are_not_followed(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "sweep" / "a")
    (tmp_path / "runs" / "sweep" / "all").symlink_to(tmp_path / "runs")
    write_run(tmp_path / "elsewhere")
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "elsewhere")
    assert [run.name for run in find_runs([tmp_path / "runs"])] == ["linked", "sweep/a"]


def test_options_of_the_list_are_used(tmp_path: Path, runs_program) -> None:
    points = [(1, 1.0)]
    write_run(tmp_path / "runs" / "a", points, date="2026-05-01T00:00:00+00:00", seed=2)
    write_run(tmp_path / "runs" / "b", points, date="2026-05-03T00:00:00+00:00", seed=1)
    write_run(tmp_path / "others" / "c", points, seed=0)

    def names(*arguments: str) -> list[str]:
        return [row["name"] for row in json.loads(runs_program("--json", *arguments).out)]

    assert names() == ["a", "b"]
    assert names("--sort", "seed") == ["b", "a"]
    assert names("--since", "2026-05-02") == ["b"]
    assert names("others") == ["c"]
    assert names("runs", "others", "--sort", "seed") == ["others/c", "runs/b", "runs/a"]
    assert names("seed=2,3") == ["a"]


def test_age_is_counted_back_from_now() -> None:
    now = datetime.datetime.now(datetime.timezone.utc)
    for text, ago in (("90m", {"minutes": 90}), ("12h", {"hours": 12}), ("7d", {"days": 7}), ("2w", {"weeks": 2})):
        assert abs(now - datetime.timedelta(**ago) - moment(text)) < datetime.timedelta(minutes=10)


def test_run_that_was_resumed_has_the_first_date_and_the_latest_settings(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    date = "2026-05-01T10:00:00+00:00"
    later = {"task": "Ant", "algorithm": "PPO", "seed": 8, "date": "2026-05-02T10:00:00+00:00"}
    write_starts(folder, {"task": "Ant", "seed": 7, "date": date}, later, {**later, "resumed_from": "a.pth"})
    run = read_run(folder, "run")
    assert (run.date, run.seed, run.resumed, run.reward, run.reward_best) == (date, 8, 1, 2.0, 3.0)


def test_no_runs_is_said(tmp_path: Path, runs_program) -> None:
    assert runs_program().err == "there is no folder runs; oige-train makes it\n"
    (tmp_path / "runs").mkdir()
    assert runs_program().err == "there are no runs\n"
    write_run(tmp_path / "runs" / "a")
    outcome = runs_program("task=Cart*")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "no run fits\n")
