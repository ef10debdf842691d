"""Robots that a user drives from the viewer's page."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import viser
from oige_core.render.viewer import Viewer, run_script
from oige_core.tasks import Steerable

__all__ = ["KEYS", "Driver"]

KEYS = {
    "ArrowUp": (1.0, 0.0, 0.0),
    "ArrowDown": (-1.0, 0.0, 0.0),
    "ArrowLeft": (0.0, 1.0, 0.0),
    "ArrowRight": (0.0, -1.0, 0.0),
    "z": (0.0, 0.0, 1.0),
    "x": (0.0, 0.0, -1.0),
}
"""Command of each key while it is held: velocity forward and to the left (m/s), yaw rate (rad/s)."""

# Position of the third-person camera relative to the robot, in its heading frame, in m.
BEHIND = np.array([-1.8, 0.0, 0.6])
LOOK_UP = 0.6  # m; height above the robot of the point that the camera looks at
FOV = 1.21  # rad; a lens of 8.5 mm on a sensor of 20.955 mm, at 16 : 9
MARK_HEIGHT = 0.6  # m; height of the mark above the driven robot

HELP = """
Click on a robot to drive it:

* **↑ ↓ ← →** forward, back, left, right
* **Z X** turn left, right
* **C** camera behind the robot, or free
* **Esc** release it
"""

# Viser reports keys that are pressed but not those that are released; this script reports both.
_SCRIPT = (Path(__file__).parent / "demo_keys.js").read_text()


class Driver:
    """Lets users select a robot on the viewer's page and drive it.

    The episode of the driven robot does not end. A released robot gets a random command and a new episode.

    Args:
        viewer: the viewer of the environment.
        task: the environment's task.

    Attributes:
        robot: index of the driven robot, or None.
        third_person: whether the camera is behind it.
    """

    def __init__(self, viewer: Viewer, task: Steerable) -> None:
        self._viewer = viewer
        self._task = task
        self.robot: int | None = None
        self.third_person = True
        self._command = (0.0, 0.0, 0.0)
        self._changes: list[Callable[[], None]] = []  # run by the thread that steps
        # Cameras of pages before they followed the robot.
        self._free: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}
        task.no_timeout = torch.zeros_like(task.manual_control)
        viewer.scene.on_click = self.drive
        viewer.frame_hooks.append(self._show)
        gui, scene = viewer.server.gui, viewer.server.scene
        with gui.add_folder("Drive", order=-1.0):
            gui.add_markdown(HELP)
            gui.add_html(f'<span id="oige-keys" data-names="{" ".join(KEYS)}"></span>')
            run_script(viewer.server, _SCRIPT)
            keys = gui.add_text("Keys held", "")
        keys.on_update(lambda _: self.hold(keys.value.split()))
        gui.add_command("Camera behind the robot, or free", hotkey="C").on_trigger(lambda _: self.switch_camera())
        gui.add_command("Release the robot", hotkey="escape").on_trigger(lambda _: self.release())
        self._mark = scene.add_icosphere("/driven", radius=0.06, color=(250, 160, 20), visible=False)

    def drive(self, robot: int) -> None:
        """Start driving a robot, which stands still at first; the viewer follows it, even after its release."""
        self.release()
        self._viewer.follow(robot)
        self.robot, self.third_person = robot, True
        self._command = (0.0, 0.0, 0.0)
        self._changes.append(lambda: self._start_driving(robot))

    def hold(self, keys: list[str]) -> None:
        """Set the keys that are held down, by their names in :data:`KEYS`; without any the robot stands still."""
        commands = np.array([KEYS[key] for key in keys if key in KEYS] + [(0.0, 0.0, 0.0)])
        self._command = tuple(commands.sum(axis=0))

    def switch_camera(self) -> None:
        """Move the camera behind the robot, or back to where it was."""
        self.third_person = not self.third_person

    def release(self) -> None:
        """Stop driving the robot."""
        robot, self.robot = self.robot, None
        if robot is not None:
            self._changes.append(lambda: self._stop_driving(robot))

    def before_step(self) -> None:
        """Set the commands of the robots; the thread that steps calls this before each step."""
        while self._changes:
            self._changes.pop(0)()
        if self.robot is not None:
            commands = self._task.commands
            commands[self.robot] = torch.tensor(self._command, dtype=commands.dtype, device=commands.device)

    def _start_driving(self, robot: int) -> None:
        assert self._task.no_timeout is not None
        self._task.manual_control[robot] = self._task.no_timeout[robot] = True

    def _stop_driving(self, robot: int) -> None:
        assert self._task.no_timeout is not None
        self._task.manual_control[robot] = self._task.no_timeout[robot] = False
        self._task.progress_buf[robot] = 0
        self._task.draw_commands(torch.tensor([robot], device=self._task.manual_control.device))

    def _show(self) -> None:
        """Move the mark and the cameras; called after the worlds are drawn."""
        robot, scene = self.robot, self._viewer.scene
        self._mark.visible = robot is not None
        if robot is not None:
            self._mark.position = scene.roots[robot] + scene.shift + np.array([0.0, 0.0, MARK_HEIGHT])
        for client in self._viewer.server.get_clients().values():
            if robot is not None and self.third_person:
                self._move_camera_behind(client, scene.roots[robot] + scene.shift, scene.root_orientations[robot])
            elif client.client_id in self._free:
                position, look_at, fov = self._free.pop(client.client_id)
                with client.atomic():
                    client.camera.position, client.camera.look_at, client.camera.fov = position, look_at, fov

    def _move_camera_behind(self, client: viser.ClientHandle, position: np.ndarray, turn: np.ndarray) -> None:
        camera: Any = client.camera
        if client.client_id not in self._free:
            self._free[client.client_id] = camera.position, camera.look_at, camera.fov
        w, x, y, z = turn
        heading = np.arctan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
        along, across, up = BEHIND
        offset = (
            along * np.cos(heading) - across * np.sin(heading),
            along * np.sin(heading) + across * np.cos(heading),
            up,
        )
        with client.atomic():
            camera.fov = FOV
            camera.position = position + offset
            camera.look_at = position + np.array([0.0, 0.0, LOOK_UP])
