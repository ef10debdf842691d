"""The panel's state and behaviour, with real tasks and real learning, without a user interface."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from oige_core.registry import load_config
from oige_extension.panel import MAX_ENVS, Panel, PanelHost, Phase, Rendering
from oige_extension.panel.tasks import suggest_checkpoint
from oige_train.checkpoint import read_info
from panel_driver import Driver, RecordingHost

MakeDriver = Callable[..., Driver]


def leaked(before: list[threading.Thread]) -> list[threading.Thread]:
    """Return the threads that run now and did not run before."""
    return [thread for thread in threading.enumerate() if thread not in before]


# --- choices ---------------------------------------------------------------------------------------------------------


def test_tasks_are_sorted_and_without_camera_tasks_where_there_are_no_cameras() -> None:
    class Blind(PanelHost):
        cameras = False

    everything, blind = (Panel(host) for host in (PanelHost(), Blind()))
    try:
        assert list(everything.state.tasks) == sorted(everything.state.tasks)
        assert set(everything.state.tasks) - set(blind.state.tasks) == {"CartpoleCamera", "TargetFollowing"}
        assert everything.state.task == everything.state.tasks[0]
    finally:
        everything.close()
        blind.close()


def test_selecting_a_task_sets_the_number_of_its_yaml_file(make_driver: MakeDriver) -> None:
    panel = make_driver().panel
    for task in ("Ant", "Cartpole"):
        panel.set_num_envs(3)
        panel.select_task(task)
        assert panel.state.num_envs == load_config(task).task.env.numEnvs
    panel.select_task("Cartpol")
    assert panel.state.error.startswith("task=Cartpol: expected one of AllegroHand, Ant,")
    assert panel.state.task == "Cartpole"


@pytest.mark.parametrize(("number", "expected"), [(-1, 0), (0, 0), (8192, 8192), (8193, MAX_ENVS)])
def test_number_of_worlds_is_limited(make_driver: MakeDriver, number: int, expected: int) -> None:
    panel = make_driver().panel
    panel.set_num_envs(number)
    assert panel.state.num_envs == expected


def test_three_files_of_a_task_are_opened(make_driver: MakeDriver) -> None:
    driver = make_driver()
    for task, names in (
        ("Cartpole", ("cartpole/task.py", "cfg/task/Cartpole.yaml", "cfg/train/CartpolePPO.yaml")),
        ("AntSAC", ("ant/task.py", "cfg/task/AntSAC.yaml", "cfg/train/AntSAC.yaml")),
    ):
        driver.panel.select_task(task)
        driver.host.opened.clear()
        driver.panel.open_source()
        driver.panel.open_task_config()
        driver.panel.open_train_config()
        assert all(file.is_file() for file in driver.host.opened)
        assert [file.as_posix().endswith(name) for file, name in zip(driver.host.opened, names, strict=True)] == [
            True
        ] * 3, driver.host.opened


def test_resume_test_and_evaluate_exclude_or_include_each_other(make_driver: MakeDriver) -> None:
    panel = make_driver().panel

    def ticked() -> tuple[bool, bool, bool]:
        return panel.state.resume, panel.state.test, panel.state.evaluate

    panel.set_resume(True)
    assert ticked() == (True, False, False)
    panel.set_evaluate(True)
    assert ticked() == (False, True, True)
    panel.set_test(False)
    assert ticked() == (False, False, False)
    panel.set_test(True)
    panel.set_resume(True)
    assert ticked() == (True, False, False)


# --- checkpoints -----------------------------------------------------------------------------------------------------


def write(file: Path, time: int) -> Path:
    import os

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"")
    os.utime(file, (time, time))
    return file


def test_checkpoint_is_that_of_the_newest_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert suggest_checkpoint("Ant", None, test=True) == "pretrained"
    assert suggest_checkpoint("Ant", None, test=False) == "runs/Ant/nn/Ant.pth"
    write(Path("runs/AntSAC/nn/AntSAC.pth"), 9)  # of another task
    write(Path("runs/Ant/nn/Ant.pth"), 1)
    newest = write(Path("runs/Ant/nn/last_Ant_ep_9_rew_1.00.pth"), 4)
    assert suggest_checkpoint("Ant", None, test=True) == "runs/Ant/nn/Ant.pth"
    assert suggest_checkpoint("Ant", None, test=False) == str(newest)
    second = write(Path("runs/Ant_2/nn/last_Ant_ep_1_rew_1.00.pth"), 6)
    assert suggest_checkpoint("Ant", None, test=True) == str(second)
    assert suggest_checkpoint("Ant", Path("runs/Ant"), test=True) == "runs/Ant/nn/Ant.pth"


def test_typed_checkpoint_is_kept_and_a_suggested_one_follows_the_task(make_driver: MakeDriver) -> None:
    panel = make_driver().panel
    panel.select_task("Ant")
    panel.set_test(True)
    assert panel.state.checkpoint == "pretrained"
    panel.set_resume(True)
    assert panel.state.checkpoint == "runs/Ant/nn/Ant.pth"
    panel.select_task("Anymal")
    assert panel.state.checkpoint == "runs/Anymal/nn/Anymal.pth"
    panel.set_checkpoint("mine.pth")
    panel.select_task("Ant")
    panel.set_test(True)
    assert panel.state.checkpoint == "mine.pth"


# --- loading ---------------------------------------------------------------------------------------------------------


def test_load_builds_the_scene_without_a_step(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.load(num_envs=5)
    assert driver.state.phase is Phase.LOADED
    assert driver.state.loaded == "Cartpole, 5 worlds"
    assert driver.host.calls == [Rendering.FULL, "before_load", "show"]
    for _ in range(5):
        driver.panel.update(0.01)
    assert driver.host.steps == 0
    driver.load(num_envs=0)
    assert driver.state.loaded == "Cartpole, 512 worlds"
    assert driver.host.calls[3:] == ["before_load", "hide", "show"]
    assert driver.host.envs[0].closed
    driver.panel.close()
    assert driver.host.envs[1].closed


def test_failed_load_is_one_line_and_the_panel_stays_usable(make_driver: MakeDriver) -> None:
    driver = make_driver("task.env.resetDist=-1")
    driver.load()
    assert driver.state.phase is Phase.EMPTY
    assert driver.state.error.startswith("task.env.resetDist=-1.0: expected")
    assert "\n" not in driver.state.error
    driver.panel.overrides = driver.panel.overrides[:-1]
    driver.load()
    assert driver.state.phase is Phase.LOADED
    assert driver.state.error == ""


# --- runs ------------------------------------------------------------------------------------------------------------


def test_train_stop_and_play(make_driver: MakeDriver) -> None:
    before = threading.enumerate()
    driver = make_driver()
    panel, host = driver.panel, driver.host
    driver.load(num_envs=16)
    panel.start()
    driver.until(lambda: len(driver.state.rewards) >= 3)
    assert driver.state.phase is Phase.RUNNING
    assert "oige-learner" in [thread.name for thread in threading.enumerate()]
    assert [epoch for epoch, _ in driver.state.rewards[:3]] == [1, 2, 3]
    assert driver.state.progress.startswith("epoch ")

    # One run at a time.
    for press, name in (
        (panel.start, "Start"),
        (panel.load, "Load"),
        (lambda: panel.select_task("Ant"), "another task"),
    ):
        press()
        assert driver.state.error == f"{name}: not while the panel is running; press Stop first."
    assert driver.state.task == "Cartpole"

    steps = host.steps
    panel.stop()
    assert driver.state.phase is Phase.STOPPING
    driver.until_idle()
    assert host.steps <= steps + 1  # one may have been asked for before Stop
    assert driver.state.phase is Phase.LOADED
    assert driver.state.error == ""
    assert leaked(before) == []
    assert any(message.startswith("stopped after epoch ") for message in driver.state.messages)

    # The policy that was just trained plays in the same worlds.
    panel.set_test(True)
    checkpoint = Path(driver.state.checkpoint)
    info = read_info(checkpoint, "")
    assert info is not None
    assert info.epoch == driver.state.rewards[-1][0]
    driver.start()
    driver.until(lambda: "mean return" in driver.state.progress)
    driver.stop()
    assert "finished episodes" in driver.state.progress
    assert len(host.envs) == 1
    assert [call for call in host.calls if str(call).startswith("before_run")] == [
        "before_run playing=False",
        "before_run playing=True",
    ]

    # Training goes on after the last whole epoch.
    panel.set_resume(True)
    assert driver.state.checkpoint == str(checkpoint)
    panel.start()
    driver.until(lambda: driver.state.rewards or not driver.state.phase.is_busy)
    assert driver.state.rewards[0][0] > info.epoch
    cause = "training was stopped within an epoch, so new episodes begin"
    assert f"resuming {checkpoint} after epoch {info.epoch}; {cause}" in driver.state.messages
    driver.stop()
    assert driver.state.error == ""


def test_run_in_a_used_scene_repeats_the_run_in_a_new_one(make_driver: MakeDriver) -> None:
    driver = make_driver("max_iterations=3", "experiment=Repeated")
    driver.load()
    histories = []
    for _ in range(2):
        driver.run()
        assert driver.state.error == ""
        assert driver.state.progress.startswith("done: 3 epochs, ")
        histories.append(driver.state.rewards)
    assert len(histories[0]) == 3
    assert histories[0] == histories[1]
    assert len(driver.host.envs) == 1
    driver.load()
    driver.run()
    assert driver.state.rewards == histories[0]
    assert len(driver.host.envs) == 2


def test_start_rebuilds_a_scene_that_does_not_fit(make_driver: MakeDriver) -> None:
    driver = make_driver("max_iterations=1")
    driver.panel.select_task("Cartpole")
    for number in (4, 6):
        driver.panel.set_num_envs(number)
        driver.run()
        assert driver.state.loaded == f"Cartpole, {number} worlds"
    assert [env.num_envs for env in driver.host.envs] == [4, 6]
    assert [env.closed for env in driver.host.envs] == [True, False]


def test_missing_checkpoint_is_one_line_and_the_panel_stays_usable(make_driver: MakeDriver) -> None:
    driver = make_driver("max_iterations=1")
    driver.load()
    driver.panel.set_test(True)
    driver.panel.set_checkpoint("runs/none.pth")
    driver.run()
    assert driver.state.error.startswith("checkpoint=runs/none.pth: ")
    driver.panel.set_checkpoint(" ")
    driver.run()
    assert driver.state.error.startswith("checkpoint: expected the path of a file")
    assert driver.state.phase is Phase.LOADED
    driver.panel.set_test(False)
    driver.run()
    assert driver.state.error == ""
    assert driver.state.rewards == () or driver.state.rewards[0][0] == 1
    assert driver.state.progress.startswith("done: 1 epochs")


def test_exception_in_a_step_ends_the_run_and_the_panel_stays_usable(make_driver: MakeDriver) -> None:
    before = threading.enumerate()
    driver = make_driver("max_iterations=1")
    driver.load()
    hooks = driver.host.envs[0].step_hooks

    def fail() -> None:
        raise ZeroDivisionError("a task with an error")

    hooks.append(fail)
    driver.run()
    assert driver.state.error == "ZeroDivisionError: a task with an error; the log has more."
    assert driver.state.phase is Phase.LOADED
    assert leaked(before) == []
    hooks.remove(fail)
    driver.run()
    assert driver.state.error == ""
    assert driver.state.progress.startswith("done: 1 epochs")


def test_stop_before_the_end_of_the_first_epoch_leaves_no_run_behind(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.load()
    driver.start()
    assert driver.host.steps == 1
    driver.stop()
    assert driver.state.messages[-1] == "stopped before the end of an epoch; nothing was saved"
    assert list(Path("runs").iterdir()) == []


def test_stop_before_the_first_step_cancels_the_run(make_driver: MakeDriver) -> None:
    class Slow(RecordingHost):
        frames_before_run = 5

    before = threading.enumerate()
    driver = make_driver(host=Slow())
    driver.load()
    driver.panel.start()
    for _ in range(3):  # the scene is prepared; frames are drawn before the first step
        driver.panel.update()
    driver.stop()
    assert driver.state.phase is Phase.LOADED
    assert driver.host.steps == 0
    assert leaked(before) == []


def test_close_ends_a_run(make_driver: MakeDriver) -> None:
    before = threading.enumerate()
    driver = make_driver()
    driver.load()
    driver.start()
    driver.panel.close()
    assert leaked(before) == []
    assert driver.host.envs[0].closed


# --- rendering -------------------------------------------------------------------------------------------------------


def test_rendering_changes_during_a_run_and_sets_the_steps_per_update(make_driver: MakeDriver) -> None:
    driver = make_driver()
    driver.load()
    driver.start()
    for rendering, steps in ((Rendering.UI_ONLY, 1), (Rendering.NONE, 10), (Rendering.FULL, 1)):
        driver.panel.set_rendering(rendering)
        before, most = driver.host.steps, 0
        for _ in range(20):
            driver.panel.update(2.0)
            most, before = max(most, driver.host.steps - before), driver.host.steps
        assert most == steps
        assert driver.host.calls[-1] is rendering
    driver.stop()


def test_paused_host_takes_no_step_and_stop_still_works(make_driver: MakeDriver) -> None:
    class Paused(RecordingHost):
        paused = False

        def is_paused(self) -> bool:
            return self.paused

    host = Paused()
    driver = make_driver(host=host)
    driver.load()
    driver.start()
    host.paused = True
    steps = host.steps
    for _ in range(10):
        driver.panel.update(0.01)
    assert host.steps == steps
    driver.stop()
    assert driver.state.phase is Phase.LOADED
