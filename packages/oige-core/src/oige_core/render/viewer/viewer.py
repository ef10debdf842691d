"""The page of the viewer: worlds on a grid, controls, and plots of the reward terms."""

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
from oige_core.randomization.report import world_lines
from oige_core.render.viewer.pace import SPEEDS, Pace
from oige_core.render.viewer.plots import RewardPlots
from oige_core.render.viewer.viser_scene import ViserScene

__all__ = ["Viewer", "run_script"]

MAX_WORLDS = 64
FIRST_PORT, LAST_PORT = 8080, 8179
FRAME_TIME = 1.0 / 30.0  # s
STATUS_TIME = 0.5  # s; between updates of numbers and plots
POLL_TIME = 0.1  # s; between checks for an open page


class Viewer:
    """Serves a page that shows the worlds of an environment.

    The viewer runs in the environment's ``step_hooks``. While no page is open, a step costs one check and never waits.
    A simulation that a page has paused resumes when that page is closed or left, even if other pages are open.

    Args:
        env: the environment.
        host: address to listen on; ``127.0.0.1`` is reachable from this machine only, ``0.0.0.0`` from everywhere.
        port: port to listen on; None: the first free one from 8080 on.
        speed: initial limit of simulated seconds per second; None: no limit.
        max_worlds: maximum number of worlds on the page.

    Attributes:
        pace: pauses, steps and sets the speed.
        scene: the worlds as the page shows them.
        server: the server of the page, for further controls.
        url: address of the page.
        watched: whether a page is open.
        frame_hooks: functions that the stepping thread calls after each update of the page.

    Raises:
        ConfigError: the address is not available.
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
        self.scene = ViserScene(self.server, task.engine.create_geometry(), offsets)
        self.scene.on_click = self.follow
        self.scene.on_pick = self._show_name
        self._shown = shown
        self._build_controls()
        self._random_values = self._add_random_values()
        self._plots = RewardPlots(self.server)
        self.watched = False
        self.frame_hooks: list[Callable[[], None]] = []
        self._newcomers: list[viser.ClientHandle] = []
        self._pausing_page: int | None = None  # the page that paused the simulation
        self._lock = threading.Lock()
        self._steps = self._drawn_step = 0
        self._next_frame = self._next_status = 0.0
        self._last_status: tuple[float, int] | None = None
        self.server.on_client_connect(self._welcome)
        self.server.on_client_disconnect(lambda _: self._update_pages())
        env.step_hooks.append(self._after_step)

    def follow(self, world: int | None) -> None:
        """Keep a world's robot in the middle of the view; None: stop following."""
        if world is not None:
            self._world.value = world
        self._following.value = world is not None
        self._apply_following()

    def wait_for_page(self, give_up: Callable[[], bool] = lambda: False) -> None:
        """Wait until a page is open.

        Args:
            give_up: called ten times a second; True ends the wait.
        """
        while not self.watched and not give_up():
            time.sleep(POLL_TIME)

    def close(self) -> None:
        """Stop the server; a paused simulation resumes."""
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
        followed = self.scene.followed
        self._following = gui.add_checkbox("Follow", initial_value=followed is not None, hint="Or click on a robot")
        self._world = gui.add_number("World", followed or 0, min=0, max=shown - 1, step=1)
        self._picked = gui.add_markdown("Click on a link to see its name.")
        self._pause.on_click(lambda click: self._toggle_pause(click.client_id))
        self._single.on_click(lambda click: self._take_single_step(click.client_id))
        self._show_all.on_click(lambda click: self._look_at_all(click.client))
        self._speed.on_update(lambda _: self.pace.set_speed(speeds[self._speed.value]))
        self._following.on_update(lambda _: self._apply_following())
        self._world.on_update(lambda _: self._apply_following())

    def _add_random_values(self) -> viser.GuiMarkdownHandle | None:
        if self._env.task.randomization is None:
            return None
        with self.server.gui.add_folder("Domain randomisation"):
            return self.server.gui.add_markdown("")

    def _show_random_values(self) -> None:
        randomization = self._env.task.randomization
        if self._random_values is not None and randomization is not None:
            world = self.scene.followed or 0
            lines = [f"**World {world}**", *world_lines(randomization, world)]
            self._random_values.content = "  \n".join(lines)

    def _show_name(self, name: str) -> None:
        self._picked.content = f"Clicked: **{name}**"

    def _look_at_all(self, client: viser.ClientHandle | None) -> None:
        self.follow(None)
        if client is not None:
            self.scene.show_all(client)

    def _toggle_pause(self, page: int | None) -> None:
        self._pausing_page = page
        if self.pace.paused:
            self.pace.resume()
        else:
            self.pace.pause()
        self._update_pages()

    def _take_single_step(self, page: int | None) -> None:
        self._pausing_page = page
        self.pace.step()
        self._update_pages()

    def _update_pages(self) -> None:
        """Update :attr:`watched`, and resume if the page that paused the simulation is closed.

        A click may arrive after its page has closed. Each change of the state read here is followed by a call, so that
        the last call sees all of them.
        """
        with self._lock:
            pages = self.server.get_clients()
            self.watched = bool(pages)
            if not pages or self._pausing_page not in (None, *pages):
                self._pausing_page = None
                self.pace.resume()
            self._pause.label = "Resume" if self.pace.paused else "Pause"

    def _apply_following(self) -> None:
        # A typed number arrives before the page limits it.
        world = min(max(int(self._world.value), 0), self._shown - 1)
        self.scene.follow(world if self._following.value else None)

    def _welcome(self, client: viser.ClientHandle) -> None:
        client.camera.on_update(lambda _: self.scene.lift(client))
        if self.pace.paused:  # no step follows that would aim the camera
            self.scene.aim(client)
        else:
            with self._lock:
                self._newcomers.append(client)
        self._update_pages()

    # The simulation

    def _after_step(self) -> None:
        self._steps += 1
        if not self.watched:
            return
        self._show()
        while not self.pace.wait():
            self._show()

    def _show(self) -> None:
        """Update the page if an update is due; a paused simulation shows its last step."""
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
        self.scene.update()
        with self._lock:
            newcomers, self._newcomers = self._newcomers, []
        for client in newcomers:
            self.scene.aim(client)
        for hook in self.frame_hooks:
            hook()
        task = self._env.task
        self._plots.add(self._steps * task.control_dt, task.reward_terms_by_name(), self.scene.followed)

    def _show_status(self, now: float) -> None:
        rate = ""
        paused = self.pace.paused
        if self._last_status is not None and not paused:
            then, steps = self._last_status
            rate = f" · {(self._steps - steps) / (now - then):,.0f} steps/s"
        self._last_status = None if paused else (now, self._steps)
        self._status.content = f"{self._title}  \nstep {self._steps:,}{rate}"
        self._show_random_values()
        self._plots.show()


def _serve(host: str, port: int | None, label: str) -> viser.ViserServer:
    """Start a server that prints nothing."""
    port = _free_port(host, port)
    with contextlib.redirect_stdout(io.StringIO()), _no_page_cache():
        server = viser.ViserServer(host=host, port=port, label=label, verbose=False)
    # The share button would publish the page through a third-party server.
    server.gui.configure_theme(show_logo=False, show_share_button=False)
    server.gui.main_panel.dock_right()  # beside the view, not over it
    run_script(server, f"document.title = {json.dumps(label)}")
    return server


def run_script(server: viser.ViserServer, script: str) -> None:
    """Run JavaScript on each page, whenever the panel appears."""
    server.gui.add_html(f'<img src="data:," hidden onerror="{html.escape(script)}">')


@contextlib.contextmanager
def _no_page_cache() -> Iterator[None]:
    """Make servers that start in this block send ``Cache-Control: no-store``.

    Without it, pages enter the browser's back/forward cache (seen with Chromium 156). There their connection stays
    open, and the simulation would wait for them. viser has no option for headers, so this patches websockets, which it
    uses.
    """
    serve = websockets.asyncio.server.serve

    def add_header(connection: Any, request: Request, response: Response) -> None:
        response.headers["Cache-Control"] = "no-store"

    def serve_with_header(*args: Any, **kwargs: Any) -> Any:
        return serve(*args, process_response=add_header, **kwargs)

    websockets.asyncio.server.serve = serve_with_header  # type: ignore[misc,assignment]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def _free_port(host: str, port: int | None) -> int:
    """Return ``port``, or the first free one if None; raise ConfigError if it is not available."""
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
    raise ConfigError(f"viewer: cannot listen on {host}, port {ports}: {failure}; choose another one.")
