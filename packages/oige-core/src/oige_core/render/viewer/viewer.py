"""The page: worlds on a grid, controls, and the parts of the reward as plots."""

import contextlib
import html
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import viser
import websockets.asyncio.server
from websockets.http11 import Request, Response

from oige_core.envs.vec_env import VecEnv
from oige_core.errors import ConfigError, reason
from oige_core.math import grid_positions
from oige_core.render.viewer.pace import SPEEDS, Pace
from oige_core.render.viewer.plots import RewardPlots
from oige_core.render.viewer.stage import Stage

__all__ = ["Viewer", "run_script"]

MAX_WORLDS = 64
FIRST_PORT, LAST_PORT = 8080, 8179
FRAME_TIME = 1.0 / 30.0  # s
STATUS_TIME = 0.5  # s; between two updates of figures and plots
POLL_TIME = 0.1  # s; between two looks whether a page is open


class Viewer:
    """Serves a page on which the worlds of an environment are seen.

    It looks on through the environment's ``step_hooks``. While no page is open, a step costs one check and nothing
    holds it back; what a page has paused goes on when that page is closed, or left, even if others are open.

    Args:
        env: the environment.
        host: address to listen on; ``127.0.0.1`` is reached from this machine alone, ``0.0.0.0`` from everywhere.
        port: port to listen on; None: the first free one from 8080 on.
        speed: simulated seconds per second at most, at first; None: no limit.
        max_worlds: no more worlds than this are drawn.

    Attributes:
        pace: pauses, steps and sets the speed.
        stage: what is drawn.
        server: the server of the page, for further controls.
        url: address of the page.
        watched: whether a page is open.
        frame_hooks: functions called after the worlds were drawn, by the thread that steps.

    Raises:
        ConfigError: the address cannot be listened on.
    """

    def __init__(
        self,
        env: VecEnv,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        speed: float | None = None,
        max_worlds: int = MAX_WORLDS,
    ) -> None:
        self._env = env
        task = env.task
        shown = min(env.num_envs, max_worlds)
        self.server = _serve(host, port, f"OIGE · {task.name}")
        name = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        self.url = f"http://{name}:{self.server.get_port()}"
        self.pace = Pace(task.control_dt, speed)
        offsets = grid_positions(shown, task.cfg.envSpacing).numpy()
        self.stage = Stage(self.server, task.engine.create_geometry(), offsets)
        self.stage.on_click = self.follow
        self._shown = shown
        self._build_controls()
        self._plots = RewardPlots(self.server)
        self.watched = False
        self.frame_hooks: list[Callable[[], None]] = []
        self._newcomers: list[viser.ClientHandle] = []
        self._holder: int | None = None  # the page that has paused
        self._lock = threading.Lock()
        self._steps = self._drawn_step = 0
        self._next_frame = self._next_status = 0.0
        self._last_status: tuple[float, int] | None = None
        self.server.on_client_connect(self._welcome)
        self.server.on_client_disconnect(lambda _: self._mind_pages())
        env.step_hooks.append(self._after_step)

    def follow(self, world: int | None) -> None:
        """Keep a world's robot in the middle of the picture, or, with None, leave the picture where it is."""
        if world is not None:
            self._world.value = world
        self._following.value = world is not None
        self._apply_following()

    def wait_for_page(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until a page is open.

        Args:
            give_up: asked ten times a second; True ends the wait.
        """
        while not self.watched and not give_up():
            time.sleep(POLL_TIME)

    def close(self) -> None:
        """Close the page; what was paused goes on."""
        if self._after_step in self._env.step_hooks:
            self._env.step_hooks.remove(self._after_step)
        self.pace.resume()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    # The page

    def _build_controls(self) -> None:
        gui, n, shown = self.server.gui, self._env.num_envs, self._shown
        self._title = f"**{self._env.task.name}** · " + (
            f"the first {shown} of {n} worlds" if shown < n else f"{n} worlds"
        )
        self._status = gui.add_markdown(self._title)
        self._pause = gui.add_button("Pause")
        self._single = gui.add_button("Single step")
        speed = self.pace.speed
        speeds = SPEEDS if speed in SPEEDS.values() else SPEEDS | {f"{speed:g} ×": speed}
        names = {value: name for name, value in speeds.items()}
        self._speed = gui.add_dropdown("Speed", tuple(speeds), initial_value=names[speed])
        self._show_all = gui.add_button("Show all worlds")
        followed = self.stage.followed
        self._following = gui.add_checkbox("Follow", initial_value=followed is not None, hint="Or click on a robot")
        self._world = gui.add_number("World", followed or 0, min=0, max=shown - 1, step=1)
        self._pause.on_click(lambda click: self._toggle_pause(click.client_id))
        self._single.on_click(lambda click: self._take_single_step(click.client_id))
        self._show_all.on_click(lambda click: self._look_at_all(click.client))
        self._speed.on_update(lambda _: self.pace.set_speed(speeds[self._speed.value]))
        self._following.on_update(lambda _: self._apply_following())
        self._world.on_update(lambda _: self._apply_following())

    def _look_at_all(self, client: viser.ClientHandle | None) -> None:
        self.follow(None)
        if client is not None:
            self.stage.show_all(client)

    def _toggle_pause(self, page: int | None) -> None:
        self._holder = page
        if self.pace.paused:
            self.pace.resume()
        else:
            self.pace.pause()
        self._mind_pages()

    def _take_single_step(self, page: int | None) -> None:
        self._holder = page
        self.pace.step()
        self._mind_pages()

    def _mind_pages(self) -> None:
        """Note whether a page is open, and go on if the one that has paused is not; clicks may come after it has gone.

        Whoever changes what this looks at calls it afterwards, so that the last call sees everything.
        """
        with self._lock:
            pages = self.server.get_clients()
            self.watched = bool(pages)
            if not pages or self._holder not in (None, *pages):
                self._holder = None
                self.pace.resume()
            self._pause.label = "Go on" if self.pace.paused else "Pause"

    def _apply_following(self) -> None:
        # What is typed arrives before the page limits it.
        world = min(max(int(self._world.value), 0), self._shown - 1)
        self.stage.follow(world if self._following.value else None)

    def _welcome(self, client: viser.ClientHandle) -> None:
        client.camera.on_update(lambda _: self.stage.lift(client))
        if self.pace.paused:  # no step will do it
            self.stage.aim(client)
        else:
            with self._lock:
                self._newcomers.append(client)
        self._mind_pages()

    # The simulation

    def _after_step(self) -> None:
        self._steps += 1
        if not self.watched:
            return
        self._show()
        while not self.pace.wait():
            self._show()

    def _show(self) -> None:
        """Bring the page up to date, if that is due; what stands still shows its last step."""
        now = time.monotonic()
        if now >= self._next_frame or self.pace.paused:
            self._next_frame = now + FRAME_TIME
            if self._drawn_step != self._steps or self._newcomers:
                self._drawn_step = self._steps
                self._draw()
            if now >= self._next_status or self.pace.paused:
                self._next_status = now + STATUS_TIME
                self._show_status(now)

    def _draw(self) -> None:
        self.stage.update()
        with self._lock:
            newcomers, self._newcomers = self._newcomers, []
        for client in newcomers:
            self.stage.aim(client)
        for hook in self.frame_hooks:
            hook()
        task = self._env.task
        self._plots.add(self._steps * task.control_dt, task.reward_terms_by_name(), self.stage.followed)

    def _show_status(self, now: float) -> None:
        rate = ""
        paused = self.pace.paused
        if self._last_status is not None and not paused:
            then, steps = self._last_status
            rate = f" · {(self._steps - steps) / (now - then):,.0f} steps/s"
        self._last_status = None if paused else (now, self._steps)
        self._status.content = f"{self._title}  \nstep {self._steps:,}{rate}"
        self._plots.show()


def _serve(host: str, port: int | None, label: str) -> viser.ViserServer:
    """Start a server that keeps quiet: its own message does not fit between the lines of a program."""
    port = _free_port(host, port)
    with contextlib.redirect_stdout(io.StringIO()), _no_stored_pages():
        server = viser.ViserServer(host=host, port=port, label=label, verbose=False)
    # The share button would send the page through somebody else's server.
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()  # beside the picture, not over it
    run_script(server, f"document.title = {json.dumps(label)}")
    return server


def run_script(server: viser.ViserServer, script: str) -> None:
    """Run a script in JavaScript on each page, whenever the panel appears."""
    server.gui.add_html(f'<img src="data:," hidden onerror="{html.escape(script)}">')


@contextlib.contextmanager
def _no_stored_pages() -> Iterator[None]:
    """Have servers that start meanwhile ask browsers not to store what they serve.

    A page that is left for another one is kept, frozen, by some browsers (seen with Chromium 156), and its connection
    stays open: the simulation would wait for it. Pages that must not be stored are not kept. viser has no setting for
    headers; websockets, on which it is built, has one.
    """
    serve = websockets.asyncio.server.serve

    def forbid(connection: Any, request: Request, response: Response) -> None:
        response.headers["Cache-Control"] = "no-store"

    def serve_unstored(*args: Any, **kwargs: Any) -> Any:
        return serve(*args, process_response=forbid, **kwargs)

    websockets.asyncio.server.serve = serve_unstored  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _free_port(host: str, port: int | None) -> int:
    """Return ``port``, or a free one; raise ConfigError where it cannot be listened on."""
    candidates = range(FIRST_PORT, LAST_PORT + 1) if port is None else (port,)
    failure = ""
    for candidate in candidates:
        try:
            with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
        except OSError as error:
            failure = reason(error)
        else:
            return candidate
    ports = f"{FIRST_PORT} to {LAST_PORT}" if port is None else str(port)
    raise ConfigError(f"page of the viewer: cannot listen on {host}, port {ports}: {failure}; choose another one.")
