"""Look at the viewer's page: start tasks with their policies, open the page in Chromium and write pictures of it.

    uv run python tools/viewer_pictures.py --out /tmp/pictures             # all tasks that come with a policy
    uv run python tools/viewer_pictures.py Ant Cartpole --out /tmp/pictures

Writes <Task>.png, a window of 1280 × 800 pixels, and <Task>_phone.png, one of 390 × 844 pixels with touch. It needs
Debian's chromium. To publish a picture, add its name to --publish: the tool then writes docs/images/viewer_<Task>.webp.
"""

import argparse
import contextlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from browser import Browser, wait_until
from oige_core.errors import ConfigError
from oige_train.cli.common import run_cli
from PIL import Image
from policies import with_policy

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP, PHONE = (1280, 800), (390, 844)
START_TIME = 300.0  # s; until the page shows moving robots
WORLDS = 9


@contextlib.contextmanager
def program(arguments: list[str]) -> Iterator[str]:
    """Run oige-train until the block ends, and return the address of its page."""
    command = [sys.executable, "-m", "oige_train.cli.train", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed = ""
        for line in process.stdout or ():
            printed += line
            if address := re.search(r"viewer: (http\S+)", line):
                yield address[1]
                return
        raise ConfigError(f"{' '.join(arguments)}: no page was served; it printed: {printed.strip()}")
    finally:
        process.terminate()
        process.communicate()


def take(browser: Browser, url: str, size: tuple[int, int], *, seconds: float, touch: bool) -> Image.Image:
    """Open a page and return a picture of it after the worlds have moved for some seconds."""
    browser.size, browser.touch = size, touch
    browser.open(url)
    wait_until(lambda: browser.evaluate("!!document.querySelector('canvas[data-engine]')"), "no scene", START_TIME)
    if not touch:  # a phone's panel is folded up and shows no numbers
        wait_until(lambda: "steps/s" in browser.text(), "no steps", START_TIME)
    time.sleep(seconds)
    browser.evaluate("document.querySelectorAll('.mantine-Notification-closeButton').forEach(b => b.click())")
    time.sleep(1.0)  # notices that the browser has no GPU fade out
    return Image.fromarray(browser.picture())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", help="tasks; default: all that come with a policy")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--seconds", type=float, default=8.0, help="time between opening a page and its picture")
    parser.add_argument("--publish", nargs="*", default=[], help="pictures to publish, for example Ant Ant_phone")
    parser.add_argument("--overrides", nargs="*", default=[], help="further overrides, for example sim_device=cpu")
    options = parser.parse_args(arguments)
    chromium = shutil.which("chromium")
    if chromium is None:
        raise ConfigError("chromium is not installed; on Debian: apt-get install chromium.")
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, Path(profile))
        try:
            for task in options.tasks or with_policy():
                own = [f"task={task}", "test=True", "checkpoint=pretrained", "headless=False", f"num_envs={WORLDS}"]
                with program([*own, *options.overrides]) as url:
                    for name, size in ((task, DESKTOP), (f"{task}_phone", PHONE)):
                        picture = take(browser, url, size, seconds=options.seconds, touch=size == PHONE)
                        picture.save(options.out / f"{name}.png")
                        print(options.out / f"{name}.png", flush=True)
                        if name in options.publish:
                            picture.save(IMAGES / f"viewer_{name}.webp", quality=80, method=6)
        finally:
            browser.close()
    return 0


if __name__ == "__main__":
    run_cli(main, __doc__ or "")
