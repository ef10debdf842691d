"""Addresses of the viewer's page that follow a world, and pages on narrow screens."""

import contextlib
import urllib.request
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from oige_core import make_vec
from oige_core.render.viewer import Viewer


@pytest.fixture
def viewer() -> Iterator[Viewer]:
    env = make_vec("Cartpole", 9, num_threads=1)
    env.reset(seed=0)
    viewer = Viewer(env)
    yield viewer
    viewer.close()
    env.close()


def browser(aspect: float = 1.6) -> Any:
    camera = SimpleNamespace(position=np.full(3, 5.0), look_at=np.zeros(3), aspect=aspect, on_update=lambda _: None)
    return SimpleNamespace(client_id=1, camera=camera, atomic=contextlib.nullcontext)


def open_page(viewer: Viewer, path: str) -> None:
    """Load the page as a browser does, then connect."""
    with urllib.request.urlopen(viewer.url + path) as answer:
        assert b"<html" in answer.read()
    server: Any = viewer.server
    for callback in server._client_connect_cb:
        callback(browser())


def test_address_opens_the_page_on_a_world(viewer: Viewer) -> None:
    assert viewer.scene.followed == 4
    open_page(viewer, "/?world=7")
    assert (viewer.scene.followed, viewer._world.value, viewer._following.value) == (7, 7, True)
    assert 'href="?world=7"' in viewer._link.content
    open_page(viewer, "/")  # without a world, the page shows what other pages show
    assert viewer.scene.followed == 7
    open_page(viewer, "/?world=all")
    assert viewer.scene.followed is None
    assert 'href="?world=all"' in viewer._link.content


@pytest.mark.parametrize(("text", "shown"), [("9", "9"), ("-1", "-1"), ("x%3Cimg%3E", "x?img?"), ("", "")])
def test_address_of_no_world_is_reported_on_the_page(text: str, shown: str, viewer: Viewer) -> None:
    open_page(viewer, f"/?world={text}")
    assert viewer.scene.followed == 4
    assert viewer._picked.content == f"world={shown}: expected a number from 0 to 8, or all."


def test_files_of_the_page_do_not_change_what_it_follows(viewer: Viewer) -> None:
    urllib.request.urlopen(viewer.url + "/?world=2").close()
    with contextlib.suppress(OSError):
        urllib.request.urlopen(viewer.url + "/favicon.svg?world=3").close()
    server: Any = viewer.server
    for callback in server._client_connect_cb:
        callback(browser())
    assert viewer.scene.followed == 2
    viewer.follow(5)
    for callback in server._client_connect_cb:  # a connection that is made again loads no address
        callback(browser())
    assert viewer.scene.followed == 5


@pytest.mark.parametrize("shows_all", [False, True])
def test_robots_fit_into_narrow_pictures(shows_all: bool, viewer: Viewer) -> None:
    if shows_all:
        viewer.follow(None)
    wide, narrow = browser(1.6), browser(0.5)
    viewer.scene.aim(wide)
    viewer.scene.aim(narrow)
    distances = [np.linalg.norm(each.camera.position - each.camera.look_at) for each in (wide, narrow)]
    # All robots fill the width; the followed one fills as much of it as it does where the width is 0.75 heights.
    assert distances[1] / distances[0] == pytest.approx(2.0 if shows_all else 1.5)


def test_first_page_follows_the_robot_in_the_middle_of_a_shared_place(viewer: Viewer) -> None:
    client = browser()
    viewer.page_opened(client, {})
    # Robots on a line, elsewhere than on the grid, at -70, -60, …, 0 and 70 m; their mean is -23.3 m.
    places = np.array([[10.0 * (world - 7) if world < 8 else 70.0, 0.0, 2.0] for world in range(9)])
    update = viewer.scene.update

    def move() -> None:
        update()
        viewer.scene.roots = places

    viewer.scene.update = move  # type: ignore[method-assign]
    viewer._draw()
    assert viewer.scene.followed == 5
    viewer.follow(1)
    viewer.page_opened(client, {})  # later pages see what is followed then
    viewer._draw()
    assert viewer.scene.followed == 1


def test_world_that_a_user_chose_is_kept_when_the_first_page_opens(viewer: Viewer) -> None:
    viewer._world.value = 2
    viewer._choose_world()  # as the page does when a user changes the number
    viewer.page_opened(browser(), {})
    viewer.scene.roots = np.array([[10.0 * world, 0.0, 2.0] for world in range(9)])
    viewer._draw()
    assert viewer.scene.followed == 2


def test_folders_of_programs_come_before_the_rewards(viewer: Viewer) -> None:
    videos = viewer.folder("Videos")
    policy = viewer.folder("Policy", first=True)
    assert viewer._world.order < policy.order < videos.order < viewer._rewards.order
