"""docs/configuration.md and docs/configuration/ are current, and no key of the configuration lacks a meaning."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from oige_core.errors import OigeError

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def reference(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("config_reference")


def test_pages_are_current(reference: ModuleType) -> None:
    pages = reference.pages()
    for file, text in pages.items():
        assert file.read_text() == text, "run: uv run python tools/config_reference.py"
    folder = REPOSITORY / "docs" / "configuration"
    assert set(folder.glob("*")) == {file for file in pages if file.parent == folder}


def test_key_without_a_meaning_is_refused(reference: ModuleType) -> None:
    @dataclass
    class Section:
        """A section.

        Attributes:
            speed: of the cart, in m/s.
        """

        speed: float = 1.5
        mass: float = 2.0

    with pytest.raises(OigeError, match=r"Section\.mass: expected a meaning"):
        list(reference.tables("task.cart", Section))


def test_meaning_of_an_unknown_key_is_refused(reference: ModuleType) -> None:
    @dataclass
    class Section:
        """A section.

        Attributes:
            sped: of the cart, in m/s.
        """

        speed: float = 1.5

    with pytest.raises(OigeError, match="Section: its docstring describes 'sped'"):
        list(reference.tables("task.cart", Section))


def test_root_key_without_a_comment_is_refused(
    reference: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    copies = {}
    for file, title in reference.ROOT_FILES.items():
        copies[tmp_path / file.name] = title
        lines = file.read_text().splitlines()
        (tmp_path / file.name).write_text(
            "\n".join(line.split(" #")[0] if line.startswith("seed:") else line for line in lines)
        )
    monkeypatch.setattr(reference, "ROOT_FILES", copies)
    with pytest.raises(OigeError, match=r"simulation\.yaml: expected a comment with the meaning of seed"):
        list(reference.root_tables())


def test_row_shows_type_default_unit_and_meaning(reference: ModuleType) -> None:
    @dataclass
    class Section:
        """A section.

        Attributes:
            speed: highest speed of the cart,
                in m/s; see :class:`Cart` and ``mass``.
            steps: control steps, at most.
            range: distance, in m, beyond which nothing is seen.
        """

        speed: float | None = 1e-8
        steps: int = 3
        range: float = 2.0

    heading, description, table = reference.tables("task.cart", Section)
    assert (heading, description) == ("### task.cart", "A section.")
    assert table.splitlines()[2:] == [
        "| `speed` | float or null | `1e-08` | m/s | highest speed of the cart; see `Cart` and `mass` |",
        "| `steps` | int | `3` | control steps | control steps, at most |",
        "| `range` | float | `2.0` | m | distance beyond which nothing is seen |",
    ]
