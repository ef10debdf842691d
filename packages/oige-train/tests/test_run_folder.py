"""Each run has its own folder, with a record of how its results were made."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from oige_core import VecEnv
from oige_train.checkpoint import read_info
from oige_train.run_folder import RunFolder, RunFolderError, commits, lock_folder, make_folder
from oige_train.run_log import logged
from oige_train.runs.files import is_locked, locked

CONFIG = "train.params.config"
TINY = ("num_envs=16", "sim_device=cpu", f"{CONFIG}.horizon_length=4")


def names(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def test_existing_name_gets_a_number(program) -> None:
    for expected in ("results: runs/mine", "results: runs/mine_2, because runs/mine exists"):
        outcome = program(*TINY, "max_iterations=1", "experiment=mine")
        assert outcome.code == 0, outcome.err
        assert expected in outcome.err.splitlines()
    assert names("runs") == ["mine", "mine_2"]
    assert len(names("runs/mine/nn")) == len(names("runs/mine/summaries")) == 1
    assert "play:" in outcome.out
    assert "checkpoint=runs/mine_2/nn/last_mine_ep_1_" in outcome.out


def test_best_policy_belongs_to_the_new_run(program) -> None:
    program(*TINY, "max_iterations=2", f"{CONFIG}.save_best_after=0", "task.env.episodeLength=4")
    assert Path("runs/Cartpole/nn/Cartpole.pth").is_file()
    short = program(*TINY, "max_iterations=1", "task.env.episodeLength=4")
    assert short.code == 0, short.err
    assert "best policy" not in short.out


def test_folders_made_at_the_same_time_differ(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: make_folder(tmp_path / "runs" / "x"), range(24)))
    assert {path.name for path in paths} == {"x", *(f"x_{number}" for number in range(2, 25))}


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_folder_of_another_training_process_is_refused(program) -> None:
    program(*TINY, "max_iterations=1")
    (last,) = Path("runs/Cartpole/nn").glob("last_*")
    before = names("runs/Cartpole")
    with lock_folder(Path("runs/Cartpole")):
        outcome = program(f"checkpoint={last}", "max_iterations=2")
        assert outcome.code == 2
        assert "error: runs/Cartpole: another process trains in this folder; wait for it to end, or" in outcome.err
        assert names("runs/Cartpole") == before
        assert program(f"checkpoint={last}", "max_iterations=2", "experiment=mine").code == 0
    assert program(f"checkpoint={last}", "max_iterations=2").code == 0


def test_resumed_run_continues_in_its_folder_and_replaces_nothing(program) -> None:
    ending = ("task.env.episodeLength=4", f"{CONFIG}.save_best_after=0", f"{CONFIG}.save_frequency=1")
    program(*TINY, "max_iterations=3", *ending)
    config = Path("runs/Cartpole/config.yaml").read_bytes()
    (first,) = Path("runs/Cartpole/nn").glob("last_*_ep_2_*.pth")
    outcome = program(f"checkpoint={first}", "max_iterations=4", "sim_device=cpu", f"{CONFIG}.gamma=0.9")
    assert outcome.code == 0, outcome.err
    assert "results: runs/Cartpole, continued" in outcome.err.splitlines()
    assert names("runs") == ["Cartpole"]
    assert Path("runs/Cartpole/config.yaml").read_bytes() == config
    assert yaml.safe_load(Path("runs/Cartpole/config_2.yaml").read_text())["train"]["params"]["config"]["gamma"] == 0.9
    starts = json.loads(Path("runs/Cartpole/run.json").read_text())
    assert [start["config"] for start in starts] == ["config.yaml", "config_2.yaml"]
    assert [start["resumed_from"] for start in starts] == [None, str(first)]


def test_resumption_from_before_the_best_policy_keeps_it(program) -> None:
    ending = ("task.env.episodeLength=4", f"{CONFIG}.save_best_after=0", f"{CONFIG}.save_frequency=1")
    program(*TINY, "max_iterations=2", *ending)
    best = Path("runs/Cartpole/nn/Cartpole.pth")
    raise_score(best, 1e6)
    content = best.read_bytes()
    (first,) = Path("runs/Cartpole/nn").glob("last_*_ep_1_*.pth")
    resumed = program(f"checkpoint={first}", "max_iterations=3", "sim_device=cpu")
    assert resumed.code == 0, resumed.err
    assert best.read_bytes() == content
    # In a folder of its own, a run that starts from the same checkpoint has a best policy of its own.
    branched = program(f"checkpoint={first}", "max_iterations=3", "sim_device=cpu", "experiment=branch")
    assert "best policy:  runs/branch/nn/branch.pth" in branched.out
    assert best.read_bytes() == content


def raise_score(file: Path, score: float) -> None:
    """Let a checkpoint say that its policy is better than any other."""
    import dataclasses

    from oige_train.checkpoint import load_checkpoint, save_checkpoint

    info = read_info(file, "x")
    assert info is not None
    save_checkpoint(file, load_checkpoint(file, "cpu"), dataclasses.replace(info, mean_reward=score))


def test_run_json_records_command_versions_and_date(program) -> None:
    arguments = (*TINY, "max_iterations=1", "task.env.maxEffort=100", "wandb_name=it's me")
    outcome = program(*arguments)
    (start,) = json.loads(Path("runs/Cartpole/run.json").read_text())
    assert shlex.split(start["command"]) == ["oige-train", *arguments]
    assert "task.env.maxEffort=100" in start["overrides"]
    assert start["versions"]["mujoco"] == "4.0.0"
    assert {"python", "torch", "rl-games", "oige-core", "oige-train", "oige-tasks-classic"} <= set(start["versions"])
    assert all(len(commit.rstrip("+")) == 40 for commit in start["commits"].values())
    described: dict[str, Any] = {
        "task": "Cartpole",
        "train": "CartpolePPO",
        "algorithm": "PPO",
        "seed": 42,
        "num_envs": 16,
        "processes": 1,
    }
    precision: dict[str, Any] = {"float32_matmul_precision": "high", "mixed_precision": False, "deterministic": False}
    described |= precision | {"devices": {"simulation": "cpu", "learner": "cpu"}}
    assert {key: start[key] for key in described} == described
    assert start["machine"]["cores"] == os.cpu_count()
    assert {"host", "system", "cpu", "gpus"} <= set(start["machine"])
    assert (start["end"]["state"], start["end"]["reason"]) == ("finished", "")
    assert start["date"] <= start["end"]["date"]
    log = Path("runs/Cartpole/log.txt").read_text()
    assert log.startswith("training Cartpole with PPO (CartpolePPO): 16 worlds on cpu")
    for line in (*outcome.out.splitlines(), *outcome.err.splitlines()[-1:]):
        assert line in log.splitlines()


def test_commits_are_those_of_the_working_copies(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = {f"GIT_{role}_{field}": "x" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
        command = ["git", "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | identity).stdout

    assert commits(tmp_path) == {}
    git("init", "-q")
    file = tmp_path / "task.py"
    file.write_text("a = 1\n")
    git("add", ".")
    git("commit", "-qm", "x")
    commit = git("rev-parse", "HEAD").strip()
    assert commits(file, tmp_path) == {str(tmp_path): commit}
    file.write_text("a = 2\n")
    assert commits(file) == {str(tmp_path): f"{commit}+"}


def test_failure_before_training_leaves_no_folder(program, monkeypatch: pytest.MonkeyPatch) -> None:
    program(*TINY, "max_iterations=1")
    (last,) = Path("runs/Cartpole/nn").glob("last_*.pth")
    moved = last.rename("moved.pth")
    outcome = program(f"checkpoint={moved}", "max_iterations=2", "sim_device=cpu", "train.params.network.mlp.units=[3]")
    assert outcome.code == 2
    assert "does not fit the network" in outcome.err
    assert names("runs") == ["Cartpole"]


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)])
def test_start_that_cannot_be_recorded_leaves_no_folder(
    error: BaseException, code: int, program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("oige_train.run_folder.commits", fail)
    outcome = program(*TINY, "max_iterations=1")
    assert outcome.code == code
    assert "Traceback" not in outcome.err
    assert names("runs") == []


@pytest.mark.parametrize("text", ["not JSON", "{}"])
def test_damaged_run_json_is_named_and_kept(text: str, program) -> None:
    program(*TINY, "max_iterations=1")
    starts = Path("runs/Cartpole/run.json")
    starts.write_text(text)
    (last,) = Path("runs/Cartpole/nn").glob("last_*")
    outcome = program(f"checkpoint={last}", "max_iterations=2")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(f"error: {starts}: damaged (")
    assert starts.read_text() == text


def test_names_of_sweep_jobs_contain_the_varying_values(program) -> None:
    arguments = ("sim_device=cpu", "max_iterations=1", "num_envs=16")
    outcome = program("--multirun", *arguments, "seed=1,2", f"{CONFIG}.gamma=0.9,0.99", "experiment=mine")
    assert outcome.code == 0, outcome.err
    assert names("runs") == [f"mine_seed={seed}_gamma={gamma}" for seed in (1, 2) for gamma in (0.9, 0.99)]
    assert all(len(names(f"runs/{name}/summaries")) == 1 for name in names("runs"))
    assert "checkpoint=runs/mine_seed=2_gamma=0.99/nn/last_mine_ep_1_" in outcome.out


def test_no_run_of_a_sweep_starts_before_all_are_checked(program) -> None:
    outcome = program("--multirun", *TINY, f"{CONFIG}.gamma=0.9,7")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == f"error: {CONFIG}.gamma=7.0: expected a number from 0 to 1.\n"
    assert not Path("runs").exists()


def test_failed_run_of_a_sweep_does_not_stop_the_others(program) -> None:
    outcome = program("--multirun", *TINY, "max_iterations=1", f"{CONFIG}.learning_rate=1e30,1e-3")
    assert outcome.code == 2
    assert "run 1 of 2: Cartpole_learning_rate=1e+30\n" in outcome.err
    assert "\nerror: training diverged in epoch 1" in outcome.err
    assert outcome.err.endswith("error: 1 of 2 runs failed: Cartpole_learning_rate=1e+30.\n")
    assert "checkpoint=runs/Cartpole_learning_rate=0.001/nn/last_" in outcome.out
    ends = [
        json.loads(Path(f"runs/Cartpole_learning_rate={rate}/run.json").read_text())[0]["end"]
        for rate in ("1e+30", "0.001")
    ]
    assert [end["state"] for end in ends] == ["failed", "finished"]
    assert ends[0]["reason"].startswith("training diverged in epoch 1: ")


@pytest.mark.parametrize(
    ("error", "code", "state", "cause"),
    [
        (None, 0, "finished", ""),
        (None, 130, "stopped", ""),
        (KeyboardInterrupt(), 0, "stopped", "interrupted before a checkpoint was written"),
        (ValueError("on\nfire"), 0, "failed", "on fire"),
        (AssertionError(), 0, "failed", "AssertionError"),
    ],
)
def test_end_is_added_to_the_latest_start(
    error: BaseException | None, code: int, state: str, cause: str, tmp_path: Path
) -> None:
    def train() -> None:
        with RunFolder(tmp_path, is_new=True, note="").recorded_end() as end:
            if error is not None:
                raise error
            end.code = code

    (tmp_path / "run.json").write_text('[{"seed": 1, "end": null}, {"seed": 2, "end": null}]')
    if error is None:
        train()
    else:
        with pytest.raises(type(error)):
            train()
    first, second = json.loads((tmp_path / "run.json").read_text())
    assert first == {"seed": 1, "end": None}
    assert (second["seed"], second["end"]["state"], second["end"]["reason"]) == (2, state, cause)


def test_end_of_a_run_whose_folder_was_removed_is_not_written(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", is_new=True, note="")
    folder.path.mkdir()
    with folder.recorded_end():
        folder.discard()
    assert not folder.path.exists()


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_folder_that_is_only_looked_at_can_be_locked_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with contextlib.ExitStack() as looking:
        assert looking.enter_context(locked(tmp_path, shared=True))
        monkeypatch.setattr("oige_train.run_folder.time.sleep", lambda _: looking.close())
        with lock_folder(tmp_path):
            assert is_locked(tmp_path)
    assert is_locked(tmp_path) is False


def test_sweep_over_training_configurations_names_them(program) -> None:
    from oige_train.config.sweep import sweep_suffix

    def suffix(*overrides: str, name: str = "Ant") -> str:
        return sweep_suffix([o.partition("=")[0].lstrip("+") for o in overrides], overrides, name=name)

    assert suffix("task=Ant", "train=AntPPO_cpu") == "_train=AntPPO_cpu"
    assert suffix("++experiment=a", "++seed=3", name="a") == "_seed=3"
    assert suffix("++a.b.x=1", "++a.c.x=2", "++y=[1,2]") == "_b.x=1_c.x=2_y=_1_2"
    assert len(suffix(f"++x={'long' * 100}")) <= 100


class FakeWandb(types.ModuleType):
    """Notes what is begun and ended, and whether the environment was there by then."""

    def __init__(self, failure: str = "") -> None:
        super().__init__("wandb")
        self.events: list[Any] = []
        self.failure = failure
        self.tensorboard = types.SimpleNamespace(
            patch=lambda root_logdir: self.events.append(("send", root_logdir)),
            unpatch=lambda: self.events.append("send nothing"),
        )

    def init(self, **options: Any) -> None:
        if self.failure:
            raise RuntimeError(self.failure)
        self.events.append(("init", options["name"].rpartition("_")[0], Path(options["dir"]).name))

    def finish(self, exit_code: int) -> None:
        self.events.append(("finish", exit_code))


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    module = FakeWandb()
    module.__spec__ = types.SimpleNamespace()  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_each_job_of_a_sweep_is_a_separate_wandb_run(wandb: FakeWandb, program) -> None:
    outcome = program("--multirun", *TINY, "max_iterations=1", "seed=1,2", "wandb_activate=True")
    assert outcome.code == 0, outcome.err
    jobs = [f"Cartpole_seed={seed}" for seed in (1, 2)]
    assert wandb.events == [
        event
        for job in jobs
        for event in (("init", job, job), ("send", f"runs/{job}/summaries"), "send nothing", ("finish", 0))
    ]


@pytest.mark.slow
def test_each_job_of_a_sweep_is_a_separate_offline_run_of_the_real_wandb(
    program, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    ending = ("task.env.episodeLength=4", "max_iterations=2")
    outcome = program("--multirun", *TINY, *ending, "seed=1,2", "wandb_activate=True")
    assert outcome.code == 0, outcome.err
    wandb.teardown()  # waits until its process has written the files
    for seed in (1, 2):
        (folder,) = Path(f"runs/Cartpole_seed={seed}/wandb").glob("offline-run-*")
        (file,) = folder.glob("*.wandb")
        assert file.read_bytes().count(b"rewards/step") >= 2  # one per epoch
        log = (folder / "logs" / "debug-internal.log").read_text()
        assert f"runs/Cartpole_seed={seed}/summaries" in log
        assert '"level":"WARN"' not in log, "wandb waited for another folder"


def test_wandb_without_login_is_refused_before_the_build(
    wandb: FakeWandb, program, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb.failure = "No API key configured.\n Use `wandb login`."
    monkeypatch.setattr(VecEnv, "__init__", lambda *_: pytest.fail("an environment was built"))
    outcome = program(*TINY, "wandb_activate=True")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(
        "error: wandb_activate=True: Weights & Biases cannot be used (No API key configured. Use `wandb login`.); run "
    )
    assert names("runs") == []


@pytest.mark.parametrize("name", ["a" * 300, "a" * 151], ids=len)
def test_too_long_name_is_refused(name: str, program) -> None:
    outcome = program(*TINY, f"experiment={name}")
    assert outcome.code == 2
    assert "expected at most 150 bytes" in outcome.err
    assert len(outcome.err.splitlines()) == 1


def test_file_in_place_of_the_folder_of_runs_is_refused(program) -> None:
    Path("runs").write_text("")
    outcome = program(*TINY)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == "error: runs: expected a folder for results, found a file; move it."


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def mkdir(self: Path, *_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    with pytest.raises(RunFolderError, match=r"x: cannot be made \(Read-only file system\); start the program in a"):
        make_folder(tmp_path / "runs" / "x")


def test_resumption_in_a_folder_that_cannot_be_written_is_refused(program, monkeypatch: pytest.MonkeyPatch) -> None:
    program(*TINY, "max_iterations=1")
    (last,) = Path("runs/Cartpole/nn").iterdir()
    monkeypatch.setattr("oige_train.run_folder.os.access", lambda *_: False)
    outcome = program(f"checkpoint={last}", "max_iterations=2", "sim_device=cpu")
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == (
        "error: runs/Cartpole: cannot be written; copy the checkpoint to another folder, or choose a name with "
        "experiment=."
    )
    assert not Path("runs/Cartpole/config_2.yaml").exists()


class Pipe(io.StringIO):
    """A pipe whose reader has gone after ``count`` writes."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError
        return super().write(text)


def test_log_continues_after_the_pipe_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe(2)
    monkeypatch.setattr(sys, "stderr", pipe)

    def burn() -> None:
        with logged(tmp_path):
            print("one", file=sys.stderr)
            print("two", file=sys.stderr)
            raise ValueError("on fire")

    with pytest.raises(ValueError, match="on fire"):
        burn()
    assert sys.stderr is pipe
    assert pipe.getvalue() == "one\n"
    log = (tmp_path / "log.txt").read_text()
    assert log.startswith("one\ntwo\nTraceback")
    assert log.endswith("ValueError: on fire\n")


def test_log_has_first_and_last_version_of_a_rewritten_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with logged(tmp_path):
        for number in range(50):
            sys.stderr.write(f"\r\x1b[2K\x1b[?7lepoch {number}\x1b[?7h")
        sys.stderr.write("\n")
        print("done", file=sys.stderr)
    assert (tmp_path / "log.txt").read_text() == "epoch 0\nepoch 49\ndone\n"
