"""The page of the viewer: worlds on a grid, controls, and the reward terms."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Mapping

import viser

from oige_core.envs.vec_env import VecEnv
from oige_core.math import grid_positions
from oige_core.randomization.report import world_lines
from oige_core.render.camera import close_up, middle_world
from oige_core.render.viewer.pace import SPEEDS, Pace
from oige_core.render.viewer.page import Page
from oige_core.render.viewer.rewards import RewardPanel
from oige_core.render.viewer.viser_scene import ViserScene

__all__ = ["Viewer"]

MAX_WORLDS = 64
FRAME_TIME = 1.0 / 30.0  # s
STATUS_TIME = 0.5  # s; between updates of numbers, bars and plots
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
        page: an open page to show the worlds on, which stays open; None: one at ``host`` and ``port``.

    Attributes:
        pace: pauses, steps and sets the speed.
        scene: the worlds as the page shows them.
        server: the server of the page, for further controls.
        url: address of the page.
        watched: whether a page is open.
        frame_hooks: functions that the stepping thread calls after each update of the page.
        draws: whether the worlds are drawn; False: they are hidden.

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
        page: Page | None = None,
    ) -> None:
        self._env = env
        task = env.task
        shown = min(env.num_envs, max_worlds)
        self._page = page or Page(f"OIGE · {task.name}", host=host, port=port)
        self._closes_page = page is None
        self.server, self.url = self._page.server, self._page.url
        self.pace = Pace(task.control_dt, speed)
        offsets = grid_positions(shown, task.cfg.envSpacing).numpy()
        shows = close_up(task.config.task.viewport)
        self.scene = ViserScene(self.server, task.engine.create_geometry(), offsets, shows)
        self.scene.on_click = self.follow
        self.scene.on_pick = self._show_name
        self._shown = shown
        self._folder = None if page is None else self.server.gui.add_folder("View")
        with self._folder or contextlib.nullcontext():
            self._build_controls()
            self._random_values = self._add_random_values()
            self._rewards = RewardPanel(self.server)
        self.draws = True
        self.watched = False
        self.frame_hooks: list[Callable[[], None]] = []
        self._newcomers: list[viser.ClientHandle] = []
        self._has_chosen = False  # whether a user or the program has chosen what the page follows
        self._pausing_page: int | None = None  # the page that paused the simulation
        self._lock = threading.Lock()
        self._steps = self._drawn_step = 0
        self._next_frame = self._next_status = 0.0
        self._last_status: tuple[float, int] | None = None
        self._page.show(self)
        env.step_hooks.append(self._after_step)

    def follow(self, world: int | None) -> None:
        """Keep a world's robot in the middle of the view; None: stop following."""
        self._has_chosen = True
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

    def welcome(self) -> None:
        """Show the worlds to browsers that have opened the page while no step is taken; the stepping thread calls this.

        Without it, they see them after the next step.
        """
        if self._newcomers:
            self._draw()

    def resume(self) -> None:
        """Resume a simulation that a page has paused."""
        self._pausing_page = None
        self.pace.resume()
        self._update_pages()

    def set_speed(self, speed: float | None) -> None:
        """Set the speed, simulated seconds per second at most; None: no limit. The page shows it."""
        self._speed.value = self._speed_names.get(speed, self._speed.value)
        self.pace.set_speed(speed)

    def folder(self, label: str, *, first: bool = False) -> viser.GuiFolderHandle:
        """Add a folder to the panel, after the controls and before the rewards, for controls of the program.

        Args:
            label: its heading.
            first: whether it is above the other folders of the program, also those that were added before.
        """
        with self._folder or contextlib.nullcontext():
            return self.server.gui.add_folder(label, order=self._rewards.order - (0.75 if first else 0.5))

    def set_draws(self, draws: bool) -> None:
        """Draw the worlds, or hide them and spare the time."""
        self.draws = draws
        self.scene.set_visible(draws)

    def close(self) -> None:
        """Stop the server, or remove the worlds from a page that stays open; a paused simulation resumes."""
        if self._after_step in self._env.step_hooks:
            self._env.step_hooks.remove(self._after_step)
        self.pace.resume()
        if self._closes_page:
            self._page.close()
            return
        self._page.show(None)
        self.scene.close()
        if self._folder is not None:
            self._folder.remove()

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
        self._speed_names = {value: name for name, value in speeds.items()}
        self._speed = gui.add_dropdown("Speed", tuple(speeds), initial_value=self._speed_names[speed])
        self._show_all = gui.add_button("Show all worlds")
        followed = self.scene.followed
        self._following = gui.add_checkbox("Follow", initial_value=followed is not None, hint="Or click on a robot")
        self._world = gui.add_number("World", followed or 0, min=0, max=shown - 1, step=1)
        self._link = gui.add_html("")
        self._picked = gui.add_markdown("Click on a link to see its name.")
        self._show_link()
        self._pause.on_click(lambda click: self._toggle_pause(click.client_id))
        self._single.on_click(lambda click: self._take_single_step(click.client_id))
        self._show_all.on_click(lambda click: self._look_at_all(click.client))
        self._speed.on_update(lambda _: self.pace.set_speed(speeds[self._speed.value]))
        self._following.on_update(lambda _: self._choose_world())
        self._world.on_update(lambda _: self._choose_world())

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

    def _show_link(self) -> None:
        """Offer the address that opens the page on what it shows now."""
        world = self.scene.followed
        query, what = ("?world=all", "all worlds") if world is None else (f"?world={world}", f"world {world}")
        self._link.content = (
            f'<div style="font-size:0.85em;padding:0 0.8em"><a href="{query}" target="_blank">Address of {what}</a> '
            f'<button style="cursor:pointer" onclick="oigeCopy(this, \'{query}\')">Copy</button></div>'
        )

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

    def _choose_world(self) -> None:
        self._has_chosen = True
        self._apply_following()

    def _apply_following(self) -> None:
        # A typed number arrives before the page limits it.
        world = min(max(int(self._world.value), 0), self._shown - 1)
        self.scene.follow(world if self._following.value else None)
        self._show_link()

    def page_opened(self, client: viser.ClientHandle, query: Mapping[str, str]) -> None:
        """Aim the camera of a browser that has opened the page; its server calls this.

        Args:
            client: the browser.
            query: parameters of its address. ``world`` is the number of the world that all pages follow from now on,
                or ``all``; the page shows an error if it is something else.
        """
        if "world" in query:
            self._open_world(query["world"])
        if self.pace.paused:  # no step follows that would aim the camera
            self.scene.aim(client)
        else:
            with self._lock:
                self._newcomers.append(client)
        self._update_pages()

    def _open_world(self, text: str) -> None:
        if text == "all":
            self.follow(None)
        elif text.isdecimal() and int(text) < self._shown:
            self.follow(int(text))
        else:
            shown = re.sub(r"[^\w.+-]", "?", text[:20])  # the page would run HTML in it
            self._picked.content = f"world={shown}: expected a number from 0 to {self._shown - 1}, or all."

    def page_closed(self) -> None:
        """Let the simulation go on if nobody watches it any more; the server calls this."""
        self._update_pages()

    def camera_moved(self, client: viser.ClientHandle) -> None:
        """Keep the camera of a browser above the ground; the server calls this."""
        self.scene.lift(client)

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
        if self.draws:
            self.scene.update()
        with self._lock:
            newcomers, self._newcomers = self._newcomers, []
        if (
            not self._has_chosen and newcomers
        ):  # where worlds share a terrain, only a reset takes robots to their places
            self.follow(middle_world(self.scene.roots))
        for client in newcomers:
            self.scene.aim(client)
        for hook in self.frame_hooks:
            hook()
        task = self._env.task
        self._rewards.add(self._steps * task.control_dt, task.reward_terms_by_name(), self.scene.followed)

    def _show_status(self, now: float) -> None:
        rate = ""
        paused = self.pace.paused
        if self._last_status is not None and not paused:
            then, steps = self._last_status
            rate = f" · {(self._steps - steps) / (now - then):,.0f} steps/s"
        self._last_status = None if paused else (now, self._steps)
        self._status.content = f"{self._title}  \nstep {self._steps:,}{rate}"
        self._show_random_values()
        self._rewards.show()
