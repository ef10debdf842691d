import json
from pathlib import Path

import pytest
from oige_core.errors import OigeError
from oige_train.cli.zoo import zoo
from oige_train.zoo.libraries import LIBRARIES, WEB, copy_libraries, find_packages
from oige_train.zoo.site import write_index


def make_packages(folder: Path) -> Path:
    for name in LIBRARIES:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return folder


def test_output_below_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OigeError) as info:
        zoo(["Cartpole", f"output={file / 'zoo'}"])
    assert str(info.value) == f"output={file / 'zoo'}: cannot be written (Not a directory); choose another folder."


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tasks=Ant"], "tasks=Ant: expected names of tasks, output=, npm_folder= or pictures=."),
        (["--all"], "--all: expected names of tasks, output=, npm_folder= or pictures=."),
        (["pictures=nowhere"], "pictures=nowhere: no such folder."),
        (["output="], "output=: a value is required."),
    ],
)
def test_wrong_arguments_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(OigeError) as raised:
        zoo(arguments)
    assert str(raised.value) == message


def test_folder_without_a_library_is_refused(tmp_path: Path) -> None:
    packages = make_packages(tmp_path)
    (packages / LIBRARIES[1]).unlink()
    with pytest.raises(OigeError) as raised:
        find_packages(packages)
    assert str(raised.value) == (
        f"npm_folder={packages}: has no @mujoco/mujoco/mujoco.wasm; expected a node_modules folder with it."
    )


def test_missing_npm_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OigeError) as raised:
        find_packages(None)
    assert str(raised.value) == (
        "oige-zoo needs npm, which is not installed: install Node.js, or set npm_folder to a node_modules folder."
    )


def test_pages_load_only_files_that_are_copied(tmp_path: Path) -> None:
    copy_libraries(make_packages(tmp_path / "packages"), tmp_path / "lib")
    names = {file.name for file in (tmp_path / "lib").iterdir()}
    for script in ("page.js", "scene.js"):
        text = (WEB / script).read_text(encoding="utf-8")
        imported = {part.split('"')[0] for part in text.split('"./')[1:]}
        assert imported <= names
    assert "https://" not in "".join(file.read_text(encoding="utf-8") for file in WEB.glob("*.[jh]*[sl]"))


def test_lock_file_names_the_default_registry_only() -> None:
    lines = (WEB / "package-lock.json").read_text(encoding="utf-8").splitlines()
    resolved = [line.strip() for line in lines if '"resolved"' in line]
    assert resolved
    assert all(line.startswith('"resolved": "https://registry.npmjs.org/') for line in resolved)


def test_index_lists_pages_of_earlier_calls(tmp_path: Path) -> None:
    for name, summary in (("Earlier", "A <robot> walks."), ("Later", "A robot flies.")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "task.json").write_text(json.dumps({"summary": summary}))
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "Earlier.webp").touch()
    write_index(tmp_path, {"Seen": "it observes images"}, pictures=None)
    text = (tmp_path / "index.html").read_text()
    links = [text.index(f'<a href="{name}/index.html">') for name in ("Earlier", "Later")]
    assert links == sorted(links)
    assert "A &lt;robot&gt; walks." in text
    assert '<img src="pictures/Earlier.webp"' in text
    assert "pictures/Later.webp" not in text
    assert "<li>Seen: it observes images</li>" in text
