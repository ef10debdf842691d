"""Population-based training."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oige_train.cli import pbt
from oige_train.config import limits
from oige_train.pbt import options
from oige_train.pbt.history import History, describe, last_line
from oige_train.pbt.options import PbtOptions, gpu_share
from oige_train.pbt.plan import Plan, explored, first_values
from oige_train.sweeps.search_space import Setting, split_arguments, tried_values

RATE, GAMMA, ENTROPY = (f"train.params.config.{name}" for name in ("learning_rate", "gamma", "entropy_coef"))
VARIES = f"{RATE}=tag(log,interval(1e-4,1e-2))"
SMALL = ("task=Ant", "num_envs=16", "sim_device=cpu", "max_iterations=40")


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["oige-pbt", *arguments])
        with pytest.raises(SystemExit) as exit_:
            pbt.main()
        assert exit_.value.code == 2
        return capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    {
        "one member": ([VARIES, "population=1"], "population=1: expected at least 2 members."),
        "text": ([VARIES, "population=four"], "population=four: expected a whole number."),
        "quantile": ([VARIES, "quantile=0.6"], "quantile=0.6: expected a number from 0 to 0.5."),
        "factor": ([VARIES, "factor=0.8"], "factor=0.8: expected a number above 1."),
        "parallel": ([VARIES, "parallel=9"], "parallel=9: expected a number from 1 to population=4."),
        "interval": (
            [VARIES, "interval=30"],
            "max_iterations=40: expected a multiple of interval=30, the epochs between two comparisons.",
        ),
        "nothing varies": (
            [],
            "oige-pbt: expected a setting that varies, for instance "
            "'train.params.config.learning_rate=tag(log,interval(1e-4,1e-2))'.",
        ),
        "key of the command": (
            [VARIES, "seed=1,2"],
            "seed: expected a single value; only keys below train and task can vary.",
        ),
        "playing": ([VARIES, "test=True"], "test=True: has no effect in oige-pbt; leave it out."),
        "multirun": ([VARIES, "-m"], "-m: has no effect in oige-pbt; leave it out."),
        "schedule": (
            [VARIES, "train.params.config.lr_schedule=linear"],
            "train.params.config.lr_schedule=linear: oige-pbt trains from interval to interval, so that a schedule "
            "which ends at the last epoch has no meaning; choose another value.",
        ),
        "end of an interval": (
            [f"{GAMMA}=interval(0.9,1.1)"],
            "train.params.config.gamma=1.1: expected a number from 0 to 1.",
        ),
        "log of zero": (
            [f"{RATE}=tag(log,interval(0,1))"],
            f"{RATE}=tag(log,interval(0,1)): expected ends above 0 on a logarithmic scale.",
        ),
        "tag": (
            [f"{RATE}=tag(lin,interval(0.1,1))"],
            f"{RATE}=tag(lin,interval(0.1,1)): unknown tag lin; expected tag(log,interval(<low>,<high>)).",
        ),
        "schedule of the first value": (
            ["train.params.config.lr_schedule=linear,None"],
            "train.params.config.lr_schedule=linear: oige-pbt trains from interval to interval, so that a schedule "
            "which ends at the last epoch has no meaning; choose another value.",
        ),
        "value between the ends": (
            [VARIES, "train.params.config.e_clip=0.1,-0.2,0.3"],
            "train.params.config.e_clip=-0.2: expected a number above 0.",
        ),
        "discount up to 1": (
            [f"{GAMMA}=interval(0.9,1)"],
            f"{GAMMA}: expected an interval that ends below 1; copies change the distance from 1.",
        ),
        "network": (
            ["train.params.network.mlp.units=[32],[64]"],
            "train.params.network.mlp.units: expected a single value; copies have the networks of the member they "
            "copy.",
        ),
        "normaliser": (
            ["train.params.config.normalize_input=True,False"],
            "train.params.config.normalize_input: expected a single value; copies have the networks of the member "
            "they copy.",
        ),
        "twice": ([VARIES, f"{RATE}=0.1"], f"{RATE}: is given twice; leave one out."),
        "other key of the epochs": (
            [VARIES, "train.params.config.max_epochs=40"],
            "train.params.config.max_epochs=40: has no effect in oige-pbt; set max_iterations instead.",
        ),
        "other key of the folder": (
            [VARIES, "train.params.config.full_experiment_name=walk"],
            "train.params.config.full_experiment_name=walk: has no effect in oige-pbt; set experiment instead.",
        ),
        "steps": (
            [VARIES, "train.params.config.max_frames=1000"],
            "train.params.config.max_frames=1000: members train for max_iterations epochs; leave it out.",
        ),
        "same values": ([f"{ENTROPY}=0,0"], f"{ENTROPY}=0,0: expected at least two different values."),
    }.values(),
)
def test_wrong_population_is_refused_in_one_line(refusal: Any, arguments: list[str], message: str) -> None:
    assert refusal(*SMALL, *arguments) == f"error: {message}\n"


def test_members_that_need_more_memory_together_than_there_is_are_refused(
    refusal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pbt, "RAY", "json")
    monkeypatch.setattr(limits, "memory_estimate", lambda *_: 10 * 2**30)
    monkeypatch.setattr(limits, "_available_memory", lambda: 25 * 2**30)
    assert refusal(*SMALL, VARIES, "parallel=3") == (
        "error: 3 runs of 16 worlds at a time: need at least 30.0 GiB of memory, and this machine has 25.0 GiB; run "
        "fewer at a time, or use fewer worlds.\n"
    )


def test_first_settings_of_each_member_are_checked_together(refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbt, "RAY", "json")
    lists = "train.params.config.horizon_length=16,32", "train.params.config.minibatch_size=256,512"
    assert refusal(*SMALL, *lists, "seed=5", "population=3") == (
        "error: train.params.config.minibatch_size=512: expected a divisor of horizon_length × num_envs = 16 × 16 = "
        "256; near it are 32, 64, 128, 256.\n"
    )


def test_missing_extra_is_named(refusal: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pbt, "RAY", "absent_ray")
    assert refusal(*SMALL, VARIES) == (
        "error: oige-pbt: needs the extra ray; install it with: pip install 'oige-train[ray]'.\n"
    )


def test_options_are_removed_from_the_arguments() -> None:
    arguments = ["population=8", VARIES, "resample=0.5", "interval=5", "seed=3"]
    assert PbtOptions.taken_from(arguments) == PbtOptions(population=8, resample=0.5, interval=5)
    assert arguments == [VARIES, "seed=3"]


def test_settings_that_vary_are_told_from_others() -> None:
    same, settings = split_arguments(
        ["task=Ant", VARIES, f"{ENTROPY}=0,0.01", "train.params.config.mini_epochs=int(interval(2,8))"]
    )
    assert same == ["task=Ant"]
    assert settings == [
        Setting(RATE, low=1e-4, high=1e-2, log=True),
        Setting(ENTROPY, choices=("0", "0.01")),
        Setting("train.params.config.mini_epochs", low=2, high=8, integer=True),
    ]
    assert settings[2].ends() == ("2", "8")


def test_discounts_are_changed_by_their_distance_from_1() -> None:
    gamma = Setting(GAMMA, low=0.95, high=0.998)
    assert gamma.bounds == pytest.approx((0.002, 0.05))
    assert gamma.decode(0.01 * 1.2) == "0.988"
    assert gamma.decode(gamma.clamp(0.002 / 1.2)) == "0.998"
    assert gamma.ends() == ("0.998", "0.95")
    assert not dataclasses.replace(gamma, high=1.0).is_complement


def test_first_values_are_drawn_uniformly_on_the_scale_of_the_setting() -> None:
    rate = Setting(RATE, low=1e-4, high=1e-2, log=True)
    values = [float(row[RATE]) for row in first_values([rate], population=2000, seed=0)]
    assert 1e-4 <= min(values) < 1.1e-4
    assert 0.9e-2 < max(values) <= 1e-2
    # Half of them are below the geometric mean of the ends.
    assert sum(value < 1e-3 for value in values) == pytest.approx(1000, abs=100)


EPOCHS = Setting("train.params.config.mini_epochs", low=1, high=8, integer=True)
LISTED = Setting(ENTROPY, choices=("0", "0.01", "0.1"))


@pytest.mark.parametrize(
    ("setting", "before", "value", "expected"),
    [
        (Setting(RATE, low=1e-4, high=1e-2), 0.002, 0.0024, 0.0024),
        (Setting(RATE, low=1e-4, high=1e-2), 0.009, 0.0108, 0.01),
        (Setting(RATE, low=1e-4, high=1e-2), 0.01, 0.012, 0.01 / 1.2),
        (Setting(GAMMA, low=0.95, high=0.998), 1 - 0.998, (1 - 0.998) / 1.2, (1 - 0.998) * 1.2),
        (EPOCHS, 4.0, 4.8, 5.0),
        (EPOCHS, 2.0, 2.4, 3.0),
        (EPOCHS, 2.0, 2 / 1.2, 1.0),
        (EPOCHS, 1.0, 1 / 1.2, 2.0),
        (EPOCHS, 8.0, 9.6, 7.0),
        (EPOCHS, 3.0, 7, 7.0),
        (LISTED, "0", "0.01", "0.01"),
        (LISTED, "0", "0", "0.01"),
        (LISTED, "0.1", "0.1", "0.01"),
    ],
)
def test_copies_have_other_settings_within_the_bounds(
    setting: Setting, before: Any, value: Any, expected: float | str
) -> None:
    # The copy continues from the same state and random numbers, and would repeat the copied member otherwise.
    (new,) = explored([setting], {setting.key: value}, {setting.key: before}).values()
    assert new == (expected if isinstance(expected, str) else pytest.approx(expected))
    # Ray Tune rounds after each change if a value is an int.
    assert isinstance(new, type(before))


def test_first_whole_numbers_are_within_their_bounds() -> None:
    values = [row[EPOCHS.key] for row in first_values([EPOCHS], 200, seed=0)]
    assert {EPOCHS.decode(value) for value in values} == {str(n) for n in range(1, 9)}
    assert all(isinstance(value, float) for value in values)


def test_each_listed_value_is_tried() -> None:
    rate, entropy = Setting(RATE, low=1e-4, high=1e-2), Setting(ENTROPY, choices=("0", "0.1", "0.2"))
    tried = [("0.0001", "0"), ("0.01", "0.1"), ("0.01", "0.2")]
    assert [tuple(values.values()) for values in tried_values([rate, entropy])] == tried


@pytest.mark.parametrize(("gpus", "parallel"), [(1, 4), (2, 3), (4, 3), (2, 2), (8, 20)])
def test_members_that_train_at_a_time_find_room_on_the_gpus(gpus: int, parallel: int) -> None:
    share = gpu_share(gpus, parallel)
    assert share <= 1  # Ray refuses fractions above
    assert gpus * int(1 / share + 1e-9) >= parallel


def test_history_is_json_also_if_a_member_has_no_reward(tmp_path: Path) -> None:
    history = History(tmp_path / "history.json")
    result = {"member": 1, "epoch": 20, "reward": -math.inf, "settings": {RATE: "10"}, "problem": "training diverged"}
    row = history.add(result | {"time_total_s": 1.26, "trial_id": "1"})
    assert describe(row) == ("no reward", "learning_rate=10")
    history.add(result | {"reward": 1.5, "time_total_s": 2.0})

    def refuse(constant: str) -> None:
        raise AssertionError(constant)  # JavaScript and others cannot read these

    rows = json.loads((tmp_path / "history.json").read_text(), parse_constant=refuse)
    assert [(row["reward"], row["seconds"], row["problem"]) for row in rows] == [
        (None, 1.3, "training diverged"),
        (1.5, 2.0, "training diverged"),
    ]
    assert rows == history.rows


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("oige_core.errors.OigeError: runs/walk_0: training ended.", "runs/walk_0: training ended."),
        ("ValueError: no", "ValueError: no"),
    ],
)
def test_error_of_a_member_is_one_line(end: str, message: str) -> None:
    assert last_line(f"Traceback (most recent call last):\n  File …, in step\n{end}\n") == message


def test_arguments_of_a_member_have_its_values_seed_and_folder() -> None:
    gamma = Setting(GAMMA, low=0.95, high=0.998)
    plan = Plan(("task=Ant",), (gamma,), "Ant_pbt", 7, 20, ".")
    assert plan.arguments_of(2, 8, {GAMMA: 0.03}) == ["task=Ant", f"{GAMMA}=0.97", "seed=8", "experiment=Ant_pbt_2"]


def test_first_values_repeat_with_the_seed() -> None:
    rate = Setting(RATE, low=1e-4, high=1e-2, log=True)
    assert first_values([rate], 3, seed=5) == first_values([rate], 3, seed=5) != first_values([rate], 3, seed=6)


def test_members_at_a_time_follow_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "available_cores", lambda: 2)
    assert [PbtOptions(population=4).at_once(on_gpu=gpu) for gpu in (False, True)] == [2, 4]
    assert PbtOptions(population=4, parallel=3).at_once(on_gpu=False) == 3


@pytest.mark.parametrize(("epoch", "goal", "code"), [(40, None, 0), (20, True, 0), (20, None, 130)])
def test_best_member_is_printed_and_an_interrupted_population_is_told(
    run_program: Any, monkeypatch: pytest.MonkeyPatch, epoch: int, goal: bool | None, code: int
) -> None:
    plans: list[Plan] = []

    def train_population(plan: Plan, *_: Any, generations: int, **__: Any) -> list[dict[str, Any]]:
        plans.append(plan)
        assert generations == 2
        row = {"epoch": epoch, "goal": goal, "settings": {RATE: "0.1"}, "folder": None}
        return [row | {"member": n, "reward": float(n % 3), "file": f"{n}.pth"} for n in range(4)]

    population = types.SimpleNamespace(train_population=train_population)
    monkeypatch.setitem(sys.modules, "oige_train.pbt.population", population)
    monkeypatch.setattr(pbt, "RAY", "json")  # any module that is there
    outcome = run_program("pbt", *SMALL, VARIES, "seed=9", "experiment=walk")
    assert outcome.code == code, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0] == f"member 2: reward 2.00 after epoch {epoch}, learning_rate=0.1"
    assert lines[4:] == ["best policy:  2.pth", "play:         oige-train checkpoint=2.pth test=True"]
    (plan,) = plans
    assert (plan.name, plan.seed, plan.interval) == ("walk", 9, 20)
    assert not [text for text in plan.arguments if text.startswith(("experiment=", "seed=", "max_iterations="))]


def test_population_of_which_all_members_diverged_is_an_error(
    run_program: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"epoch": 40, "reward": None, "settings": {RATE: "9"}, "folder": None, "file": None, "goal": None}
    rows = [row | {"member": n, "problem": f"training diverged in epoch {n}."} for n in range(4)]
    population = types.SimpleNamespace(train_population=lambda *_, **__: rows)
    monkeypatch.setitem(sys.modules, "oige_train.pbt.population", population)
    monkeypatch.setattr(pbt, "RAY", "json")
    outcome = run_program("pbt", *SMALL, VARIES)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == ("error: no member has a policy; of member 0, training diverged in epoch 0.")


def trained_population(folder: Path, *options: str) -> list[dict[str, Any]]:
    """Train a population in a folder, and return its reports in the order of epochs and members."""
    folder.mkdir()
    arguments = ["task=Cartpole", "num_envs=64", "sim_device=cpu", "seed=1", "num_threads=1", "interval=2"]
    arguments += ["max_iterations=6", "train.params.config.lr_schedule=None", VARIES, *options]
    command = [sys.executable, "-m", "oige_train.cli.pbt", *arguments]
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    (history,) = (folder / "multirun").glob("*/history.json")
    return sorted(json.loads(history.read_text()), key=lambda row: (row["epoch"], row["member"]))


@pytest.mark.slow
def test_population_repeats_itself_however_many_members_train_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    options = "population=4", "quantile=0.5", "train.params.torch_threads=1"
    rows = [trained_population(tmp_path / str(n), *options, f"parallel={n}") for n in (2, 1)]
    assert [(row["epoch"], row["member"]) for row in rows[0]] == [(e, m) for e in (2, 4, 6) for m in range(4)]
    kept = "member", "copied_from", "epoch", "reward", "settings"
    one, other = ([{key: row[key] for key in kept} for row in each] for each in rows)
    assert one == other


@pytest.mark.slow
def test_worst_member_continues_from_the_checkpoint_of_the_best(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    tmp_path = tmp_path / "population"
    rows = trained_population(tmp_path, "population=3", "parallel=1", "quantile=0.34")
    assert [(row["epoch"], row["member"]) for row in rows] == [(e, m) for e in (2, 4, 6) for m in (0, 1, 2)]
    for epoch in (2, 4):
        before = {row["member"]: row for row in rows if row["epoch"] == epoch}
        worst, best = (pick(before, key=lambda m: before[m]["reward"]) for pick in (min, max))
        after = {row["member"]: row for row in rows if row["epoch"] == epoch + 2}
        assert {m: row["copied_from"] for m, row in after.items()} == {m: best if m == worst else None for m in after}
        # A copy has a folder of its own, in which it may continue after further intervals.
        start = json.loads((tmp_path / after[worst]["folder"] / "run.json").read_text())[0]
        assert start["resumed_from"] == before[best]["file"]
        assert start["seed"] == json.loads((tmp_path / before[best]["folder"] / "run.json").read_text())[-1]["seed"]
        rates = {m: float(row["settings"][RATE]) for m, row in before.items()}
        changed = float(after[worst]["settings"][RATE])
        assert changed != rates[worst]
        assert 1e-4 <= changed <= 1e-2
    assert (tmp_path / "runs" / "Cartpole_pbt_0").is_dir()


@pytest.mark.slow
def test_failed_member_ends_the_population_with_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "runs").touch()
    arguments = ["task=Cartpole", "num_envs=64", "sim_device=cpu", "population=2", "interval=1", "parallel=1"]
    command = [sys.executable, "-m", "oige_train.cli.pbt", *arguments, "max_iterations=2", VARIES]
    command.append("train.params.config.lr_schedule=None")
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=400)
    assert outcome.returncode == 2, outcome.stderr
    assert "Traceback" not in outcome.stdout + outcome.stderr
    assert outcome.stderr.splitlines()[-1] == (
        "error: 1 of 2 members failed: runs: expected a folder for results, found a file; move it."
    )


@pytest.mark.slow
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the program", "to all processes, as schedulers do"])
def test_terminated_population_ends_as_after_ctrl_c(tmp_path: Path, send: Callable[[int, int], None]) -> None:
    pytest.importorskip("ray")
    arguments = ["task=Cartpole", "num_envs=64", "sim_device=cpu", "seed=1", "population=2", "interval=1", "parallel=1"]
    arguments += ["max_iterations=10000", "train.params.config.lr_schedule=None", VARIES]
    program = subprocess.Popen(
        [sys.executable, "-m", "oige_train.cli.pbt", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    while not list((tmp_path / "multirun").glob("*/history.json")) and time.monotonic() < deadline:
        assert program.poll() is None, program.communicate()
        time.sleep(0.5)
    send(program.pid, signal.SIGTERM)
    output, errors = program.communicate(timeout=120)
    assert program.returncode == 130, errors
    assert "best policy:" in output
    assert "*** SIGTERM" not in errors
