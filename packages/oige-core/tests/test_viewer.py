"""The viewer without a browser: its effect on the simulation, with and without an open page."""

import contextlib
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import viser
import websockets.asyncio.server
from oige_core import VecEnv, make_vec
from oige_core.errors import ConfigError
from oige_core.render.viewer import Pace, Page, Viewer, tones
from oige_core.render.viewer.tones import mesh_color, texture_color


class Clock:
    """Time that passes only while the pace waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)

    def attach(self, pace: Pace) -> None:
        pace._changed.wait = self._pass  # type: ignore[method-assign]

    def _pass(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 2.0), (4.0, 0.5), (0.1, 20.0), (None, 0.0)])
def test_speed_limits_simulated_time_per_second(
    speed: float | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, pace = Clock(monkeypatch), Pace(0.02, speed)
    clock.attach(pace)
    pace.wait()
    start = clock.now
    for _ in range(100):
        pace.wait()
    assert clock.now - start == pytest.approx(seconds)


def test_late_step_does_not_speed_up_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, pace = Clock(monkeypatch), Pace(0.02, 1.0)
    clock.attach(pace)
    pace.wait()
    clock.now += 60.0  # the step took a minute
    start = clock.now
    for _ in range(11):
        pace.wait()
    assert clock.now - start == pytest.approx(0.2)


def test_paused_simulation_takes_only_requested_steps() -> None:
    pace = Pace(0.02)
    taken = threading.Semaphore(0)
    pace.pause()

    def simulate() -> None:
        for _ in range(4):
            pace.wait()
            taken.release()

    simulation = threading.Thread(target=simulate)
    simulation.start()
    assert not taken.acquire(timeout=0.1)
    for _ in range(2):
        pace.step()
        assert taken.acquire(timeout=30)
        assert not taken.acquire(timeout=0.1)
    pace.resume()
    simulation.join(timeout=30)
    assert not simulation.is_alive()
    assert not pace.paused
    pace.step()  # of one that runs
    assert pace.paused


@pytest.fixture
def env() -> Iterator[VecEnv]:
    env = make_vec("Cartpole", 3, num_threads=1)
    env.reset(seed=0)
    yield env
    env.close()


def test_steps_neither_render_nor_wait_without_an_open_page(env: VecEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    viewer = Viewer(env)

    def fail(*_: Any) -> None:
        raise AssertionError("a page is updated")

    monkeypatch.setattr(viewer.scene, "update", fail)
    monkeypatch.setattr(viewer.pace, "wait", fail)
    env.step(torch.zeros(3, 1))
    viewer.watched = True
    with pytest.raises(AssertionError, match="a page is updated"):
        env.step(torch.zeros(3, 1))
    viewer.close()
    assert not env.step_hooks
    env.step(torch.zeros(3, 1))


def test_address_is_local_and_an_occupied_port_raises(env: VecEnv) -> None:
    viewer = Viewer(env)
    port = viewer.server.get_port()
    assert viewer.url == f"http://127.0.0.1:{port}"
    other = Viewer(env)  # no port is configured, so the viewer takes the next one
    assert other.server.get_port() != port
    with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1, port {port}: .*in use"):
        Viewer(env, port=port)
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1"):
        Viewer(env, host="192.0.2.1", port=port)
    viewer.close()
    other.close()


def test_page_is_excluded_from_the_browser_cache(viewer: Viewer) -> None:
    with urllib.request.urlopen(viewer.url) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert b"<html" in answer.read()
    assert websockets.asyncio.server.serve is websockets.serve  # as it was for everybody else


def test_robots_are_at_their_positions_on_the_grid(env: VecEnv) -> None:
    viewer = Viewer(env)
    carts = torch.tensor([[0.0], [0.5], [-1.0]])
    positions = torch.cat((carts, torch.zeros(3, 1)), dim=1)
    env.task.cartpoles.set_joint_positions(positions)  # type: ignore[attr-defined]
    viewer.scene.update()
    # Three worlds are three rows, 4 m apart, from +x to -x; carts run along y.
    roots = torch.from_numpy(viewer.scene.roots)
    torch.testing.assert_close(roots[:, :2], torch.tensor([[4.0, 0.0], [0.0, 0.5], [-4.0, -1.0]]))
    # Following a robot moves everything the other way; rails are 2 m above the ground.
    viewer.follow(2)
    assert viewer.scene.shift.tolist() == pytest.approx([4.0, 1.0, -2.0])
    viewer.follow(None)  # the view stays where it is
    assert viewer.scene.shift.tolist() == pytest.approx([4.0, 1.0, -2.0])
    viewer.close()


def test_view_shows_a_point_of_a_world_instead_of_its_robot() -> None:
    viewport = {"task.viewport.world_target": [0.0, 0.5, 2.0], "task.viewport.world_radius": 0.5}
    env = make_vec("Cartpole", 3, viewport, num_threads=1)
    viewer = Viewer(env)
    viewer.follow(2)
    env.task.cartpoles.set_joint_positions(torch.ones(3, 2))  # type: ignore[attr-defined]
    viewer.scene.update()  # the view stays where it is
    assert viewer.scene.shift.tolist() == pytest.approx([4.0, -0.5, -2.0])
    client: Any = SimpleNamespace(atomic=contextlib.nullcontext, camera=SimpleNamespace(aspect=1.6))
    viewer.scene.aim(client)
    assert client.camera.look_at.tolist() == pytest.approx([0.0, 0.0, 0.0])
    assert client.camera.position.tolist() == pytest.approx([1.5, -1.5, 1.0])  # four radii along (0.75, -0.75, 0.5)
    viewer.close()
    env.close()


def test_port_is_free_after_close(env: VecEnv) -> None:
    viewer = Viewer(env)
    port = viewer.server.get_port()
    viewer.close()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


@pytest.mark.parametrize("warp", [False, True])
def test_reward_terms_have_names(warp: bool) -> None:
    env = make_vec("Cartpole", 3, num_threads=1, warp=warp)
    env.reset(seed=0)
    _, rewards, *_ = env.step(torch.zeros(3, 1))
    terms = env.task.reward_terms_by_name()
    assert {"upright", "cart_velocity", "pole_velocity"} <= set(terms)
    torch.testing.assert_close(sum(terms.values()), rewards)
    env.close()


class Pages:
    """Pages that are opened, used and left, without a browser."""

    def __init__(self, viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server: Any = viewer.server
        self._open: dict[int, Any] = {}
        monkeypatch.setattr(viewer.server, "get_clients", self._open.copy)

    def open(self, page: int) -> SimpleNamespace:
        """Open a page and return its camera."""
        camera = SimpleNamespace(position=np.full(3, 5.0), look_at=np.zeros(3), aspect=1.6, updates=[])
        camera.on_update = camera.updates.append
        self._open[page] = SimpleNamespace(client_id=page, camera=camera, atomic=contextlib.nullcontext)
        for callback in self._server._client_connect_cb:
            callback(self._open[page])
        return camera

    def press(self, button: Any, page: int) -> None:
        for callback in button._impl.update_cb:
            callback(viser.GuiEvent(self._open.get(page), page, button))  # type: ignore[arg-type]

    def leave(self, page: int) -> None:
        left = self._open.pop(page)
        for callback in self._server._client_disconnect_cb:
            callback(left)


@pytest.fixture
def viewer(env: VecEnv) -> Iterator[Viewer]:
    viewer = Viewer(env)
    yield viewer
    viewer.close()


@pytest.mark.parametrize("button", ["_pause", "_single"])
def test_simulation_resumes_when_the_pausing_page_closes(
    button: str, viewer: Viewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages, button = Pages(viewer, monkeypatch), getattr(viewer, button)
    pages.open(1)
    pages.open(2)
    pages.press(button, 1)
    assert viewer.pace.paused
    assert viewer._pause.label == "Resume"
    pages.leave(2)
    assert viewer.pace.paused
    pages.open(3)
    pages.leave(1)  # the page that is still open never asked for this
    assert not viewer.pace.paused
    assert viewer._pause.label == "Pause"
    pages.press(button, 3)
    pages.leave(3)
    assert not viewer.pace.paused
    assert not viewer.watched


def test_click_of_a_closed_page_does_not_pause(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(viewer, monkeypatch)
    pages.open(1)
    pages.leave(1)
    for button in (viewer._pause, viewer._single):
        pages.press(button, 1)
        assert not viewer.pace.paused
        assert viewer._pause.label == "Pause"


def test_page_opened_while_paused_shows_the_worlds(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(viewer, monkeypatch)
    pages.open(1)
    pages.press(viewer._pause, 1)
    # Of three worlds in a row along x, 4 m apart, the one in the middle.
    assert pages.open(2).look_at[:2].tolist() == pytest.approx([0.0, 0.0], abs=1.5)


def test_click_names_what_it_hits_and_follows_its_world(viewer: Viewer, env: VecEnv) -> None:
    """Worlds are 4 m apart along x. Seen along x, poles stand before their carts, on rails 2 m above the ground."""
    env.task.cartpoles.set_joint_positions(torch.zeros(3, 2))  # type: ignore[attr-defined]
    viewer.scene.update()
    shift = viewer.scene.shift
    for world, x in enumerate((9.0, 2.0, -2.0)):
        for y, z, link in ((0.0, 2.5, "pole"), (0.05, 2.0, "cart"), (1.0, 2.0, "rail"), (0.1, 2.5, None)):
            picked = viewer.scene.pick(np.array([x, y, z]) + shift, np.array([-1.0, 0.0, 0.0]))
            assert picked == (link and (world, f"Cartpole/{link}"))
    event: Any = SimpleNamespace(ray_origin=tuple(np.array([-2.0, 0.0, 2.5]) + shift), ray_direction=(-1.0, 0.0, 0.0))
    viewer.scene._clicked(event)
    assert viewer.scene.followed == 2
    assert viewer._picked.content == "Clicked: **Cartpole/pole**"


def test_initial_view_follows_the_robot_in_the_middle(
    viewer: Viewer, env: VecEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = Pages(viewer, monkeypatch).open(1)
    env.task.cartpoles.set_joint_positions(torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]]))  # type: ignore[attr-defined]
    viewer._draw()
    assert viewer.scene.followed == 1  # of three in a row
    assert (viewer._following.value, viewer._world.value) == (True, 1)
    looked_at = camera.look_at - viewer.scene.shift
    assert looked_at.tolist() == pytest.approx([0.0, 1.0, 2.0], abs=1e-5)
    distance = np.linalg.norm(camera.position - camera.look_at)
    assert 3.0 < distance / viewer.scene.radius < 5.0  # the robot fills a good part of the view


def test_show_all_brings_every_robot_into_view(viewer: Viewer, env: VecEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(viewer, monkeypatch)
    camera = pages.open(1)
    viewer._draw()
    pages.press(viewer._show_all, 1)
    assert viewer.scene.followed is None
    assert not viewer._following.value
    forward = camera.look_at - camera.position
    for root in viewer.scene.roots + viewer.scene.shift:
        towards = root - camera.position
        cosine = towards @ forward / np.linalg.norm(towards) / np.linalg.norm(forward)
        assert np.degrees(np.arccos(cosine)) < 22.5  # half of the angle of the camera


def test_camera_stays_above_the_ground(viewer: Viewer, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Pages(viewer, monkeypatch).open(1)
    shift = viewer.scene.shift
    camera.position, camera.look_at = shift + np.array([3.0, -3.0, -1.0]), shift + np.array([0.0, 0.0, 2.0])
    for callback in camera.updates:  # as when a person drags it there
        callback(camera)
    assert (camera.position - shift).tolist() == pytest.approx([3.0, -3.0, 0.05])
    assert (camera.look_at - shift).tolist() == pytest.approx([0.0, 0.0, 2.0])
    camera.position = shift + np.array([3.0, -3.0, 1.0])
    viewer.scene.lift(SimpleNamespace(camera=camera, atomic=contextlib.nullcontext))  # type: ignore[arg-type]
    assert (camera.position - shift).tolist() == pytest.approx([3.0, -3.0, 1.0])


def shown(light: np.ndarray) -> np.ndarray:
    """What three.js shows of linear light: its filmic curve, then the encoding of sRGB."""
    into = np.array([[0.59719, 0.35458, 0.04823], [0.076, 0.90834, 0.01566], [0.0284, 0.13383, 0.83777]])
    out = np.array([[1.60475, -0.53108, -0.07367], [-0.10208, 1.10813, -0.00605], [-0.00327, -0.07276, 1.07602]])
    x = into @ (light / 0.6)
    color = np.clip(out @ ((x * (x + 0.0245786) - 0.000090537) / (x * (0.983729 * x + 0.432951) + 0.238081)), 0.0, 1.0)
    return np.where(color <= 0.0031308, 12.92 * color, 1.055 * color ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("color", [(0.82, 0.47, 0.25), (0.2, 0.35, 0.6), (0.1, 0.1, 0.1), (0.7, 0.7, 0.7)])
def test_colours_of_the_page_match_those_of_videos(color: tuple[float, float, float]) -> None:
    # All lights together, at their mean over a ball.
    full = tones.SUN_INTENSITY / np.pi / 0.87
    linear = mesh_color(color) / 255.0  # viser takes those of batched meshes as linear
    np.testing.assert_allclose(shown(linear * full), color, atol=0.03)
    encoded = texture_color(color) / 255.0
    decoded = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(shown(decoded * full), color, atol=0.03)


def test_page_shows_the_last_step_when_steps_stop(viewer: Viewer, env: VecEnv) -> None:
    shown: list[int] = []
    seen = threading.Event()
    update = viewer.scene.update

    def record() -> None:
        update()
        shown.append(viewer._steps)
        seen.set()

    viewer.scene.update = record  # type: ignore[method-assign]
    viewer.watched = True
    viewer.pace.set_speed(1.0)
    env.step(torch.zeros(3, 1))
    assert shown == [1]
    seen.clear()
    viewer._next_frame = float("inf")  # steps are faster than frames
    viewer.pace.set_speed(1e-3)  # the next step is due in 17 s
    simulation = threading.Thread(target=env.step, args=(torch.zeros(3, 1),))
    simulation.start()
    assert not seen.wait(timeout=0.2)
    viewer.pace.pause()
    assert seen.wait(timeout=10)
    assert shown == [1, 2]
    viewer.pace.step()
    simulation.join(timeout=10)
    assert not simulation.is_alive()
    assert shown == [1, 2]


def test_step_rate_excludes_time_spent_paused(viewer: Viewer) -> None:
    viewer._show_status(10.0)
    viewer._steps = 50
    viewer._show_status(10.5)
    assert "100 steps/s" in viewer._status.content
    viewer.pace.pause()
    viewer._show_status(11.0)
    viewer.pace.resume()
    viewer._steps = 51
    viewer._show_status(91.0)
    assert "steps/s" not in viewer._status.content
    viewer._steps = 101
    viewer._show_status(91.5)
    assert "100 steps/s" in viewer._status.content


@pytest.mark.parametrize("world", [99, -1])
def test_world_number_is_clamped(world: int, viewer: Viewer, env: VecEnv) -> None:
    viewer.watched = True
    viewer._following.value = True
    viewer._world.value = world  # pages send what is typed before they mend it
    env.step(torch.zeros(3, 1))
    assert viewer.scene.followed == (2 if world > 0 else 0)
    viewer.follow(world)
    assert viewer.scene.followed == (2 if world > 0 else 0)


def test_speed_outside_the_list_is_added_to_it(env: VecEnv) -> None:
    viewer = Viewer(env, speed=3.0)
    assert (viewer._speed.value, viewer.pace.speed) == ("3 ×", 3.0)
    viewer._speed.value = "real time"
    assert viewer.pace.speed == 1.0
    viewer._speed.value = "3 ×"
    assert viewer.pace.speed == 3.0
    viewer.close()


def test_max_worlds_limits_the_page() -> None:
    env = make_vec("Cartpole", 65, num_threads=1)
    for options, count in (({}, 64), ({"max_worlds": 5}, 5), ({"max_worlds": 70}, 65)):
        viewer = Viewer(env, **options)  # type: ignore[arg-type]
        assert viewer.scene.roots.shape == (count, 3)
        viewer.close()
    env.close()


def test_ipv6_address_is_in_brackets(env: VecEnv) -> None:
    try:
        viewer = Viewer(env, host="::1")
    except ConfigError:
        pytest.skip("no IPv6 on this machine")
    assert viewer.url == f"http://[::1]:{viewer.server.get_port()}"
    viewer.close()


def test_page_stays_open_for_the_next_viewer(env: VecEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page("Both")
    try:
        gui, scene = page.server.gui, page.server.scene
        controls, nodes = set(gui._gui_input_handle_from_uuid), set(scene._handle_from_node_name)
        first = Viewer(env, page=page)
        pages = Pages(first, monkeypatch)
        camera = pages.open(1)
        pages.press(first._pause, 1)
        assert first.pace.paused
        first.close()
        assert not first.pace.paused
        assert set(gui._gui_input_handle_from_uuid) == controls
        assert set(scene._handle_from_node_name) == nodes
        assert not env.step_hooks
        for update in camera.updates:  # of a camera below the ground, which nobody keeps there
            camera.position = np.full(3, -5.0)
            update(None)
        assert camera.position.tolist() == [-5.0] * 3

        second = Viewer(env, page=page, speed=1.0)
        assert second.url == page.url == first.url
        assert second.watched  # by the page that is still open
        camera.position = np.full(3, 5.0)
        second.welcome()
        assert camera.position.tolist() != [5.0] * 3
        second.set_speed(None)
        assert second.pace.speed is None
        assert second._speed.value == "as fast as possible"
        second.close()
    finally:
        page.close()


def test_hidden_worlds_are_not_drawn(viewer: Viewer, env: VecEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[None] = []
    monkeypatch.setattr(viewer.scene, "update", lambda: updates.append(None))
    viewer.watched = True
    for draws, expected in ((False, 0), (True, 1)):
        viewer.set_draws(draws)
        viewer._next_frame = 0.0
        env.step(torch.zeros(3, 1))
        assert len(updates) == expected
        assert {handle.visible for handle, _, _ in viewer.scene._moving} == {draws}
