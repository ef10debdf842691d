"""Robots that people drive from the viewer's page."""

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
"""What a held key commands: velocity forward and to the left (m/s), yaw rate (rad/s)."""

BEHIND = np.array([-1.8, 0.0, 0.6])  # m; of the third-person camera, from the robot, along its heading
LOOK_UP = 0.6  # m; of the point that it looks at, above the robot
FOV = 1.21  # rad; that of a lens of 8.5 mm before a frame 20.955 mm wide, seen at 16 : 9
MARK_HEIGHT = 0.6  # m; of the mark above the robot that is driven

HELP = """
Click on a robot to drive it:

* **↑ ↓ ← →** forward, back, left, right
* **Z X** turn left, right
* **C** camera behind the robot, or free
* **Esc** let it go
"""

# Viser tells of keys that are pressed, not of those that are released; this script does.
_SCRIPT = (Path(__file__).parent / "demo_keys.js").read_text()


class Driver:
    """Lets people choose a robot on the viewer's page and drive it.

    The robot that is driven never reaches the end of an episode. When it is let go, it gets a random command and a new
    episode.

    Args:
        viewer: the viewer of the environment.
        task: the environment's task.

    Attributes:
        robot: number of the robot that is driven, or None.
        third_person: whether the camera is behind it.
    """

    def __init__(self, viewer: Viewer, task: Steerable) -> None:
        self._viewer = viewer
        self._task = task
        self.robot: int | None = None
        self.third_person = True
        self._command = (0.0, 0.0, 0.0)
        self._changes: list[Callable[[], None]] = []  # made by the thread that steps
        self._free: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}  # cameras of pages, as they were left
        task.endless = torch.zeros_like(task.steered)
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
        gui.add_command("Let the robot go", hotkey="escape").on_trigger(lambda _: self.let_go())
        self._mark = scene.add_icosphere("/driven", radius=0.06, color=(250, 160, 20), visible=False)

    def drive(self, robot: int) -> None:
        """Take the wheel of a robot, which stands still at first; the picture follows it, also after it is let go."""
        self.let_go()
        self._viewer.follow(robot)
        self.robot, self.third_person = robot, True
        self._command = (0.0, 0.0, 0.0)
        self._changes.append(lambda: self._take(robot))

    def hold(self, keys: list[str]) -> None:
        """Say which keys are held down, by their names in :data:`KEYS`; none: the robot stands still."""
        commands = np.array([KEYS[key] for key in keys if key in KEYS] + [(0.0, 0.0, 0.0)])
        self._command = tuple(commands.sum(axis=0))

    def switch_camera(self) -> None:
        """Put the camera behind the robot, or back to where it was before."""
        self.third_person = not self.third_person

    def let_go(self) -> None:
        """Leave the robot to itself."""
        robot, self.robot = self.robot, None
        if robot is not None:
            self._changes.append(lambda: self._release(robot))

    def before_step(self) -> None:
        """Command the robots; the thread that steps calls this before each step."""
        while self._changes:
            self._changes.pop(0)()
        if self.robot is not None:
            commands = self._task.commands
            commands[self.robot] = torch.tensor(self._command, dtype=commands.dtype, device=commands.device)

    def _take(self, robot: int) -> None:
        assert self._task.endless is not None
        self._task.steered[robot] = self._task.endless[robot] = True

    def _release(self, robot: int) -> None:
        assert self._task.endless is not None
        self._task.steered[robot] = self._task.endless[robot] = False
        self._task.progress_buf[robot] = 0
        self._task.draw_commands(torch.tensor([robot], device=self._task.steered.device))

    def _show(self) -> None:
        """Move the mark and the cameras; called after the worlds were drawn."""
        robot, scene = self.robot, self._viewer.scene
        self._mark.visible = robot is not None
        if robot is not None:
            self._mark.position = scene.roots[robot] + scene.shift + np.array([0.0, 0.0, MARK_HEIGHT])
        for client in self._viewer.server.get_clients().values():
            if robot is not None and self.third_person:
                self._put_behind(client, scene.roots[robot] + scene.shift, scene.root_orientations[robot])
            elif client.client_id in self._free:
                position, look_at, fov = self._free.pop(client.client_id)
                with client.atomic():
                    client.camera.position, client.camera.look_at, client.camera.fov = position, look_at, fov

    def _put_behind(self, client: viser.ClientHandle, position: np.ndarray, turn: np.ndarray) -> None:
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
