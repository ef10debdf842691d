"""oige-warmup compiles kernels ahead of training and prints where they are."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import warp as wp
from oige_core import make_env
from oige_core.errors import ConfigError, OigeError
from oige_core.registry import installed_tasks
from oige_core.warp_runtime import init_warp
from oige_train.cli import warmup as program
from oige_train.cli.common import checked_run


def test_compiled_modules_are_counted_and_their_folder_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = tmp_path / "1.19.0"
    monkeypatch.setattr(program, "_begin", lambda run: compile_modules("wp_new.sm90.cubin", "wp_new.cu", "wp_cpu.o"))
    init_warp()
    monkeypatch.setattr(wp.config, "kernel_cache_dir", str(kernels))

    def compile_modules(*names: str) -> None:
        for name in names:
            file = kernels / "wp_module" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(bytes(2**20))

    compile_modules("wp_old.sm90.cubin")
    for outcome, size in ((r"compiled 2 modules of kernels in \d+ s", 4), ("all kernels were compiled already", 4)):
        assert program.warmup(["task=Cartpole", "warp=True", "sim_device=cpu"]) == 0
        first, place, advice = capsys.readouterr().out.splitlines()
        assert re.fullmatch(f"Cartpole: {outcome}", first)
        assert place == f"kernels:      {kernels}, {size} MiB, of Warp {wp.config.version}"
        assert advice == f"to ship them: copy {tmp_path}, and set WARP_CACHE_PATH to the copy"


def test_no_folder_to_keep_kernels_is_an_error(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file, in which no folder can be made, not even by the superuser")
    others = {key: value for key, value in os.environ.items() if key not in ("WARP_CACHE_PATH", "XDG_CACHE_HOME")}
    process = subprocess.run(
        [sys.executable, "-m", "oige_train.cli.warmup", "task=Cartpole", "num_envs=2", "warp=True"],
        capture_output=True,
        text=True,
        check=False,
        env=others | {"HOME": str(home)},
    )
    assert process.returncode == 2
    assert process.stderr.splitlines()[-1] == (
        "error: no folder keeps compiled kernels; set WARP_CACHE_PATH to a writable one."
    )


def test_the_c_engine_needs_no_kernels(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "_begin", lambda run: pytest.fail("it began"))
    monkeypatch.setattr(program, "_describe_folder", list)
    assert program.warmup(["task=Ant,Cartpole,Ant", "sim_device=cpu"]) == 0
    reason = "nothing to compile, because the C engine simulates it on the CPU"
    assert capsys.readouterr().out.splitlines() == [f"Ant: {reason}", f"Cartpole: {reason}"]


def test_learner_on_a_gpu_needs_kernels_beside_the_c_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    run, begun = checked_run(["task=Ant", "sim_device=cpu"]), []
    run.config.rl_device = "cuda:0"
    monkeypatch.setattr(program, "_begin", begun.append)
    monkeypatch.setattr(program, "_compiled_files", set)
    assert program._warm_up(run) == "all kernels were compiled already"
    assert begun == [run]


def test_all_tasks_are_tried_although_one_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Any) -> None:
        if run.task.name == "TargetFollowing":
            raise OigeError("no room")

    monkeypatch.setattr(program, "_begin", fail)
    monkeypatch.setattr(program, "_compiled_files", set)
    monkeypatch.setattr(program, "_describe_folder", list)
    with pytest.raises(OigeError, match=r"^1 of \d+ tasks failed: TargetFollowing\.$"):
        program.warmup(["task=all", "sim_device=cpu"])
    names = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [name for name in installed_tasks() if name != "TargetFollowing"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "oige-warmup: expected one task=<Task>[,<Task> …], or task=all."),
        (["task=Ant", "task=Humanoid"], "task=Ant task=Humanoid: expected one task=<Task>[,<Task> …], or task=all."),
        (["task=Ant,Antt"], "task=Antt: unknown task 'Antt'. Did you mean Ant or AntSAC?"),
        (["task=Ant", "checkpoint=a.pth"], "checkpoint=a.pth: has no effect in oige-warmup; leave it out."),
        (
            ["task=Ant", "physics_engine=isaacsim"],
            "physics_engine=isaacsim: has no effect in oige-warmup; leave it out.",
        ),
        (["task=Ant", "enable_recording=True"], "enable_recording=True: has no effect in oige-warmup; leave it out."),
    ],
)
def test_wrong_arguments_raise(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        program.warmup(arguments)
    assert str(caught.value) == message


def test_an_epoch_of_the_learner_saves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = checked_run(["task=Cartpole", "num_envs=4", "sim_device=cpu", "train.params.config.minibatch_size=32"])
    env = make_env(run.config)
    epochs = []
    from oige_train.learner.ppo.agent import PpoAgent

    run_epoch = PpoAgent.run_epoch

    def count(agent: PpoAgent) -> None:
        run_epoch(agent)
        epochs.append(agent.epoch_num)

    monkeypatch.setattr(PpoAgent, "run_epoch", count)
    program.learn_one_epoch(run, env)
    env.close()
    assert epochs == [1]
    assert list(tmp_path.iterdir()) == []
