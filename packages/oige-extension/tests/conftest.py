from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from panel_driver import Driver


@pytest.fixture
def make_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Driver]]:
    """Make panels whose runs are written to an empty folder; they are closed afterwards."""
    monkeypatch.chdir(tmp_path)
    drivers: list[Driver] = []

    def make(*overrides: str, **options: object) -> Driver:
        drivers.append(Driver(*overrides, **options))  # type: ignore[arg-type]
        return drivers[-1]

    yield make
    for driver in drivers:
        driver.panel.close()
