"""Writes the pages of tasks and their index."""

import html
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from string import Template

from oige_core.errors import CapabilityError

from oige_train.zoo.libraries import WEB, copy_libraries
from oige_train.zoo.recorder import RecordingError
from oige_train.zoo.task_files import build_page_task, task_files

__all__ = ["write_site"]

MIME_TYPES = "AddType application/wasm .wasm\nAddType text/javascript .mjs .js\n"


def write_site(
    folder: Path, tasks: Sequence[str], packages: Path, pictures: Path | None, say: Callable[[str], None]
) -> Mapping[str, str]:
    """Write the pages, and an index of all pages in the folder.

    Args:
        folder: where to write.
        tasks: names of tasks.
        packages: ``node_modules`` with the libraries.
        pictures: folder with pictures ``<Task>.webp`` for the index; None: the index has none.
        say: prints a line for each task.

    Returns:
        The reasons by name of tasks that cannot be played in a browser.

    Raises:
        OigeError: a task is unknown or has no policy.
    """
    copy_libraries(packages, folder / "lib")
    (folder / ".htaccess").write_text(MIME_TYPES, encoding="utf-8")
    missing: dict[str, str] = {}
    for name in tasks:
        try:
            size = write_task(folder / name, name)
        except (RecordingError, CapabilityError) as error:
            missing[name] = str(error).rstrip(".")
            say(f"{name}: not in the browser: {missing[name]}")
            continue
        say(f"{name}: {folder / name / 'index.html'}, {size / 1e3:,.0f} kB")
    write_index(folder, missing, pictures)
    return missing


def write_index(folder: Path, missing: Mapping[str, str], pictures: Path | None) -> None:
    """Write the index of all pages in the folder; see :func:`write_site`."""
    manifests = {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*/task.json")}
    cards = [
        _card(folder, name, manifests[name]["summary"], pictures) for name in sorted(manifests) if name not in missing
    ]
    absent = "".join(f"<li>{name}: {html.escape(reason)}</li>" for name, reason in missing.items())
    text = Template((WEB / "index.html").read_text(encoding="utf-8")).substitute(
        cards="\n".join(cards), missing=f"<h2>Not in the browser</h2><ul>{absent}</ul>" if absent else ""
    )
    (folder / "index.html").write_text(text, encoding="utf-8")


def write_task(folder: Path, name: str) -> int:
    """Write the page of a task; return the size of its own files in bytes.

    Raises:
        OigeError: see :func:`write_site`.
    """
    manifest, pack = task_files(build_page_task(name))
    folder.mkdir(parents=True, exist_ok=True)
    page = Template((WEB / "task.html").read_text(encoding="utf-8"))
    (folder / "index.html").write_text(
        page.substitute(task=name, summary=html.escape(manifest["summary"])), encoding="utf-8"
    )
    (folder / "task.json").write_text(json.dumps(manifest), encoding="utf-8")
    (folder / "data.bin.gz").write_bytes(pack.compressed())
    return sum(file.stat().st_size for file in folder.iterdir())


def _card(folder: Path, name: str, summary: str, pictures: Path | None) -> str:
    picture = folder / "pictures" / f"{name}.webp"
    if pictures is not None and (pictures / picture.name).is_file():
        picture.parent.mkdir(exist_ok=True)
        shutil.copyfile(pictures / picture.name, picture)
    shown = '<div class="blank"></div>'
    if picture.is_file():
        shown = f'<img src="pictures/{picture.name}" alt="" loading="lazy">'
    return f'<li><a href="{name}/index.html">{shown}<h2>{name}</h2><p>{html.escape(summary)}</p></a></li>'
