"""Sweeps with launchers and sweepers that are plugins of Hydra."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from oige_core.errors import ConfigError, OigeError
from oige_train.config import limits, resolve_run, run_hydra
from oige_train.config.sweep import is_launched, launched_job
from oige_train.sweeps import execution, extras, launched, sweep, threads
from oige_train.sweeps.job import JobResult, LaunchedJob, check_objective, objective_of
from torch.utils.tensorboard import SummaryWriter

LEARNING_RATE = "train.params.config.learning_rate"
SMALL = ("task=Cartpole", "num_envs=64", "sim_device=cpu", "max_iterations=2")


def result(number: int, objective: float | None, error: str = "") -> JobResult:
    return JobResult(
        number, [f"{LEARNING_RATE}=0.{number}"], 0 if error == "" else 2, f"runs/a_{number}", objective, error
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    {
        "unknown launcher": (
            ["-m", "hydra/launcher=slurm"],
            "hydra/launcher=slurm: expected one of basic, joblib, ray, submitit_local, submitit_slurm.",
        ),
        "unknown sweeper": (["-m", "hydra/sweeper=ax"], "hydra/sweeper=ax: expected one of basic, optuna."),
        "no sweep": (
            ["hydra/launcher=joblib", "seed=1"],
            "hydra/launcher=joblib: has no effect without --multirun; add it.",
        ),
        "objective": (
            ["-m", "hydra/launcher=joblib", "seed=1,2", "objective=rewad"],
            "objective=rewad: expected reward, reward_best, success, success_best, speed, or a name in TensorBoard "
            "such as rewards/step.",
        ),
        "nothing varies": (
            ["-m", "hydra/sweeper=optuna"],
            "hydra/sweeper=optuna: expected a setting that varies, for instance "
            "'train.params.config.learning_rate=tag(log,interval(1e-4,1e-2))'.",
        ),
        "second notation": (
            ["-m", "hydra/sweeper=optuna", f"+hydra.sweeper.params.{LEARNING_RATE}=interval(0.1,0.2)"],
            f"+hydra.sweeper.params.{LEARNING_RATE}=interval(0.1,0.2): expected settings that vary as "
            "<key>=interval(<low>,<high>) or <key>=<a>,<b>.",
        ),
        "number of trials at a time": (
            [
                "-m",
                "hydra/sweeper=optuna",
                "hydra/launcher=joblib",
                f"{LEARNING_RATE}=0.1,0.2",
                "hydra.sweeper.n_jobs=0",
            ],
            "hydra.sweeper.n_jobs=0: expected a whole number of jobs, or -1 for one per core.",
        ),
        "empty interval": (
            ["-m", "hydra/sweeper=optuna", f"{LEARNING_RATE}=interval(0.1,0.1)"],
            f"{LEARNING_RATE}=interval(0.1,0.1): expected interval(<low>,<high>) with low below high.",
        ),
        "end of an interval": (
            ["-m", "hydra/sweeper=optuna", "train.params.config.gamma=interval(0.9,1.1)"],
            "train.params.config.gamma=1.1: expected a number from 0 to 1.",
        ),
        "resuming": (
            ["-m", "hydra/launcher=joblib", "seed=1,2", "resume=True"],
            "resume=True: has no effect with hydra/launcher=joblib, whose runs train; leave it out.",
        ),
        "number of jobs": (
            ["-m", "hydra/launcher=joblib", "seed=1,2", "hydra.launcher.n_jobs=two"],
            "hydra.launcher.n_jobs=two: expected a whole number of jobs, or -1 for one per core.",
        ),
    }.values(),
)
def test_wrong_sweep_is_refused_before_a_job_starts(program: Any, arguments: list[str], message: str) -> None:
    outcome = program(*SMALL, *arguments)
    assert (outcome.code, outcome.err) == (2, f"error: {message}\n")
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("choice", "extra"),
    [("hydra/sweeper=optuna", "optuna"), ("hydra/launcher=submitit_slurm", "submitit"), ("hydra/launcher=ray", "ray")],
)
def test_missing_extra_is_named(program: Any, monkeypatch: pytest.MonkeyPatch, choice: str, extra: str) -> None:
    monkeypatch.setitem(extras.EXTRAS, extra, "hydra_plugins.absent")
    outcome = program(*SMALL, "-m", choice, "seed=1,2")
    assert outcome.err == (
        f"error: {choice}: needs the extra {extra}; install it with: pip install 'oige-train[{extra}]'.\n"
    )
    assert outcome.code == 2


def test_other_programs_refuse_launchers() -> None:
    with pytest.raises(ConfigError) as error:
        run_hydra(["-m", "hydra/launcher=joblib", "seed=1,2"])
    assert str(error.value) == (
        "hydra/launcher=joblib: expected hydra/launcher=basic, or nothing; only oige-train has others."
    )


def test_failure_of_a_launcher_is_one_line(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("sbatch: error:\n  no such partition")

    monkeypatch.setattr(sweep, "run_hydra", fail)
    outcome = program(*SMALL, "-m", "hydra/launcher=joblib", "seed=1,2")
    assert outcome.err.splitlines()[-1] == (
        "error: hydra/launcher=joblib: the launcher failed (sbatch: error: no such partition)."
    )


def test_job_takes_texts_as_hydra_passes_them_and_is_named_after_what_varies() -> None:
    runs: list[Any] = []
    with launched_job(["wandb_group", "seed"]):
        overrides = ["++wandb_group='it\\'s ${seed}'", "++seed=3", "sim_device=cpu"]
        run_hydra(overrides, lambda cfg, overridden: runs.append(resolve_run(cfg, overridden)))
    (run,) = runs
    assert run.config.wandb_group == "it's 3"
    assert run.config.train.params.config.full_experiment_name == "Cartpole_wandb_group=it_s_3_seed=3"


def test_hydra_is_told_what_the_user_does_not_say(tmp_path: Path) -> None:
    optuna = {"hydra/launcher": "joblib", "hydra/sweeper": "optuna"}
    folder = f"hydra.sweep.dir='{tmp_path}'"
    failures = "hydra.sweeper.max_failure_rate=1.0"
    told = sweep._defaults(["hydra.sweeper.direction=minimize"], optuna, tmp_path, 3)
    assert told == [folder, failures, "hydra.sweeper.n_jobs=3", "hydra.launcher.n_jobs=3"]
    ray = sweep._defaults([], {"hydra/launcher": "ray", "hydra/sweeper": "basic"}, tmp_path, 2)
    assert ray == [folder, "++hydra.launcher.ray.init.num_cpus=2"]
    slurm = sweep._defaults([], {**optuna, "hydra/launcher": "submitit_slurm"}, tmp_path, 1)
    assert slurm == [folder, "hydra.sweeper.direction=maximize", failures]


def test_cores_are_divided_between_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 7)
    limited = ["num_threads=2", "train.params.torch_threads=1"]
    assert threads.limited_threads(["seed=1"], 3) == ["seed=1", *limited]
    assert threads.limited_threads(["seed=1"], 1) == ["seed=1"]
    assert threads.limited_threads(["++num_threads=5"], 3) == ["++num_threads=5", limited[1]]
    assert threads.limited_threads([], 20) == ["num_threads=1", limited[1]]


def test_jobs_that_exceed_the_memory_together_are_refused(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "memory_estimate", lambda *_: 3 * 2**30)
    monkeypatch.setattr(limits, "_available_memory", lambda: 8 * 2**30)
    outcome = program(*SMALL, "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=3", "seed=1,2,3")
    assert outcome.err == (
        "error: 3 runs of 64 worlds at a time: need at least 9.0 GiB of memory, and this machine has 8.0 GiB; run "
        "fewer at a time, or use fewer worlds.\n"
    )


def test_objective_is_the_last_value_of_a_summary(tmp_path: Path) -> None:
    with SummaryWriter(tmp_path / "summaries") as writer:
        for step, value in enumerate((3.0, 9.0, 7.0)):
            writer.add_scalar("rewards/step", value, step)
            writer.add_scalar("info/last_lr", value / 100, step)
    assert objective_of(tmp_path, "reward") == 7.0
    assert objective_of(tmp_path, "reward_best") == 9.0
    assert objective_of(tmp_path, "info/last_lr") == pytest.approx(0.07)
    with pytest.raises(OigeError) as error:
        objective_of(tmp_path, "Episode/x")
    assert str(error.value) == (
        f"{tmp_path.name}: has no value of objective=Episode/x; train longer, or choose another one."
    )
    check_objective("Episode/x")


def test_best_job_and_its_command_are_reported(tmp_path: Path) -> None:
    given = ["-m", "hydra/sweeper=optuna", "task=Ant", f"{LEARNING_RATE}=interval(0.1,0.9)", "hydra.sweeper.n_trials=3"]
    jobs = [result(1, 3.0), result(2, 8.5), result(3, None, "diverged")]
    lines = sweep.describe_results(jobs, "reward", maximise=True, given=given, keys=[LEARNING_RATE])
    assert lines == [
        f"done: 2 of 3 jobs; best reward 8.5 in runs/a_2: oige-train task=Ant {LEARNING_RATE}=0.2",
        "compare: oige-runs compare runs/a_1 runs/a_2",
    ]
    worst = sweep.describe_results(jobs, "speed", maximise=False, given=given, keys=[LEARNING_RATE])
    assert worst[0] == f"done: 2 of 3 jobs; best speed 3 in runs/a_1: oige-train task=Ant {LEARNING_RATE}=0.1"
    none = sweep.describe_results(jobs[2:], "reward", maximise=True, given=given, keys=[])
    assert none == ["no job of 1 has a result"]


def test_results_of_unfinished_jobs_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "job_10.json").write_text(json.dumps(result(10, 1.0).__dict__))
    (tmp_path / "job_9.json").write_text(json.dumps(result(9, 2.0).__dict__))
    (tmp_path / "job_3.json").write_text(json.dumps({"folder": "runs/a_3"}))
    (tmp_path / "job_3.spec.json").write_text(json.dumps({"overrides": []}))
    assert [job.number for job in sweep.read_results(tmp_path)] == [9, 10]


@pytest.mark.parametrize(
    ("output", "code", "error"),
    [
        ("error: first.\nerror: training diverged.\nlater\n\n", 2, "training diverged. (exit code 2; {})"),
        ("begins\nkilled while it trains\n", -9, "killed while it trains (ended by signal 9; {})"),
        ("", 1, "no output (exit code 1; {})"),
    ],
)
def test_failed_job_has_the_last_error_of_its_output(tmp_path: Path, output: str, code: int, error: str) -> None:
    log = tmp_path / "job_3.log"
    log.write_text(output)
    job = LaunchedJob(str(tmp_path), str(tmp_path), ("seed",), (), (), "reward")
    found = job._result(3, ["++seed=2", "num_envs=4"], code, tmp_path, log)
    assert found == JobResult(3, ["seed=2"], code, None, None, error.format(log))


def test_process_of_a_job_loads_task_files_and_writes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from oige_core import registration

    loaded: list[str] = []
    monkeypatch.setattr(registration, "load_task_file", loaded.append)

    def train_once(arguments: list[str]) -> tuple[Path, int]:
        assert (arguments, loaded, is_launched()) == (["seed=2"], ["a.py:A"], True)
        return Path("runs/a"), 130

    monkeypatch.setattr(execution, "train_once", train_once)
    spec, written = tmp_path / "job_0.spec.json", tmp_path / "job_0.json"
    spec.write_text(
        json.dumps({"overrides": ["seed=2"], "keys": ["seed"], "task_files": ["a.py:A"], "folder_file": str(written)})
    )
    assert launched.train_job([str(spec)]) == 130
    assert json.loads(written.read_text()) == {"folder": "runs/a"}


def test_sweep_with_a_failed_job_reports_the_best_one_and_fails(program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: list[str], *, launched: LaunchedJob) -> None:
        assert (launched.keys, launched.objective) == (("seed",), "speed")
        for job in (result(0, 3.0), result(1, None, "training diverged")):
            (Path(launched.folder) / f"job_{job.number}.json").write_text(json.dumps(job.__dict__))

    monkeypatch.setattr(sweep, "run_hydra", run)
    outcome = program(*SMALL, "-m", "hydra/launcher=joblib", "seed=1,2", "objective=speed")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (2, "error: 1 of 2 jobs failed: training diverged")
    assert outcome.out.startswith("done: 1 of 2 jobs; best speed 3 in runs/a_0: oige-train task=Cartpole ")


def test_number_of_jobs_at_a_time_follows_launcher_and_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "available_cores", lambda: 7)
    trials = "hydra.sweeper.n_jobs=3"
    assert sweep._parallel([trials], "basic", 5) == 1
    assert [sweep._parallel(given, "joblib", 5) for given in ([], [trials])] == [7, 3]
    assert sweep._parallel([trials, "hydra.launcher.n_jobs=2"], "joblib", 5) == 2
    assert [sweep._parallel(given, "submitit_local", 5) for given in ([], [trials])] == [5, 3]
    assert sweep._parallel(["++hydra.launcher.ray.init.num_cpus=4"], "ray", 5) == 4


def test_jobs_get_folders_and_task_files_of_the_command() -> None:
    given = ["-m", "--config-dir", "a b", "seed=1,2", "--config-dir=c", "hydra.searchpath=[file://d]"]
    assert sweep._options(given) == ["--config-dir", "a b", "--config-dir=c", "hydra.searchpath=[file://d]"]
    assert sweep._task_files(["task=Ant,my/task.py:Mine"]) == ["my/task.py:Mine"]


SLURM = {
    # Runs the tasks of a job array in the background, as a cluster does.
    "sbatch": """last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$1")
for task in $(seq 0 "$last"); do
    SLURM_JOB_ID=$((100 + task)) SLURM_ARRAY_JOB_ID=100 SLURM_ARRAY_TASK_ID=$task SLURM_ARRAY_TASK_COUNT=2 \\
        SLURM_NTASKS=1 SLURM_JOB_NUM_NODES=1 SLURM_JOB_NODELIST=here SLURM_NODEID=0 SLURM_LOCALID=0 SLURM_PROCID=0 \\
        nohup bash "$1" >/dev/null 2>&1 &
done
echo "Submitted batch job 100"
""",
    # Runs the command after the options.
    "srun": """while [[ $1 == -* ]]; do if [[ $1 == --unbuffered ]]; then shift; else shift 2; fi; done
exec "$@"
""",
    "sacct": """echo "JobID|State|NodeList"; for task in 0 1; do echo "100_$task|RUNNING|here"; done
""",
    "scontrol": "echo here\n",
}
"""Programs in place of Slurm's, which this test has no cluster for."""


def install_slurm(folder: Path) -> None:
    for name, script in SLURM.items():
        program = folder / name
        program.write_text(f"#!/usr/bin/env bash\n{script}")
        program.chmod(0o755)


def run_sweep(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from oige_train.cli.train import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *SMALL, "--multirun", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_messages_of_optuna_have_no_colours_in_a_file(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    code = (
        "import oige_train.console as console, oige_train.sweeps.sweep as sweep\n"
        "console.show_messages()\n"
        "sweep._show_messages_of_optuna()\n"
        "import optuna\n"
        "optuna.create_study(study_name='learning rates')\n"
    )
    outcome = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert outcome.stderr == "A new study created in memory with name: learning rates\n"


@pytest.mark.slow
def test_optuna_maximises_over_jobs_of_joblib_and_a_failed_job_is_reported(tmp_path: Path) -> None:
    outcome = run_sweep(
        tmp_path,
        "hydra/sweeper=optuna",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "hydra.sweeper.n_trials=4",
        "hydra.sweeper.sampler.seed=1",
        f"{LEARNING_RATE}=1e-3,1e30",
        "max_iterations=3",
    )
    (folder,) = (tmp_path / "multirun").iterdir()
    jobs = sweep.read_results(folder)
    assert len(jobs) == 4
    failed = [job for job in jobs if job.objective is None]
    assert failed
    assert all("training diverged" in job.error for job in failed)
    assert all(job.overrides == [f"{LEARNING_RATE}=1e+30"] for job in failed)
    assert outcome.returncode == 2
    assert f"{len(failed)} of 4 jobs failed: training diverged" in outcome.stderr
    assert "\x1b" not in outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["joblib", "submitit_local", "submitit_slurm", "ray"])
def test_launcher_trains_each_combination_in_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str
) -> None:
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.partition('_')[0]}_launcher")
    (tmp_path / "bin").mkdir()
    install_slurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    outcome = run_sweep(tmp_path, f"hydra/launcher={launcher}", "seed=1,2", "wandb_group=seed ${seed}")
    assert outcome.returncode == 0, outcome.stderr
    names = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    assert names == ["Cartpole_seed=1", "Cartpole_seed=2"]
    assert [json.loads((tmp_path / "runs" / name / "run.json").read_text())[0]["seed"] for name in names] == [1, 2]
    assert "done: 2 of 2 jobs; best reward" in outcome.stdout
