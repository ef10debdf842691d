"""No key of the configuration does nothing: something reads it, or an override of it is refused."""

import dataclasses
import importlib.util
import re
import typing
from collections.abc import Iterator
from pathlib import Path

from oige_core.registry import installed_tasks, load_spec
from oige_train.schema import ALGORITHMS, CONFIG, TrainRunConfig

REPOSITORY = Path(__file__).resolve().parent.parent


def keys_that_act(schema: type, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield dotted key and name of the values of a schema whose overrides are not refused."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        key = f"{path}.{field.name}".lstrip(".")
        if field.metadata and "engine" not in field.metadata:
            continue
        sections = [hints[field.name], *typing.get_args(hints[field.name])]
        if key == CONFIG:
            sections = list(ALGORITHMS.values())
        if key == "task.env":
            sections = [load_spec(task).env for task in installed_tasks().values()]
        sections = [section for section in sections if dataclasses.is_dataclass(section)]
        if not sections:
            yield key, field.name
        for section in sections:
            yield from keys_that_act(typing.cast(type, section), key)


def text_of(files: typing.Iterable[Path]) -> str:
    return "\n".join(file.read_text() for file in files)


def test_every_key_is_read_somewhere() -> None:
    packages = REPOSITORY / "packages"
    ours = text_of(file for file in packages.glob("*/src/**/*.py") if "schema" not in file.as_posix())
    # Keys that others follow are read by interpolations.
    ours += text_of(packages.glob("*/src/**/*.yaml"))
    spec = importlib.util.find_spec("rl_games")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    rl_games = text_of(Path(spec.submodule_search_locations[0]).glob("**/*.py"))
    # Keys are read as attributes, as text in quotes or in an interpolation.
    reads = re.compile(r"""\.(\w+)\b|["'](\w+)["']|\$\{\.*(\w+)\}""")
    read_by_us, read_by_rl_games = ({"".join(names) for names in reads.findall(text)} for text in (ours, rl_games))
    unread = {
        key
        for key, name in keys_that_act(TrainRunConfig)
        if name not in (read_by_us | read_by_rl_games if key.startswith("train.") else read_by_us)
    }
    assert unread == set()
