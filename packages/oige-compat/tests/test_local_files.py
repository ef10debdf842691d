"""Files of a checkout stand in for those of its author's machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from oige_compat.check.files import checkout
from oige_compat.errors import CompatError
from oige_compat.imports import install
from oige_compat.local_files import find_file, parse_assets, resolve, search_in
from oige_compat.session import restart, session
from oige_compat.stage import add_reference_to_stage
from oige_core.errors import ConfigError

CUBE = '#usda 1.0\n(\n    defaultPrim = "Cube"\n)\ndef Cube "Cube"\n{\n    double size = 3\n}\n'


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A checkout with a package, and two robots of the same file name."""
    for name in (".git", "envs/scripts", "envs/assets/leg", "models/arm"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("envs/__init__.py", "envs/scripts/__init__.py", "envs/scripts/train.py"):
        (tmp_path / name).touch()
    (tmp_path / "envs/assets/leg/robot.usda").write_text(CUBE)
    (tmp_path / "models/arm/robot.usda").write_text(CUBE.replace("Cube", "Sphere"))
    (tmp_path / "models/arm/hand.usda").write_text(CUBE)
    return tmp_path


@pytest.fixture
def _searched(fork: Path) -> Iterator[None]:
    install()
    restart()
    search_in(fork)
    yield
    search_in(None)


def test_checkout_is_the_folder_with_the_repository(fork: Path) -> None:
    assert checkout(fork / "envs/scripts/train.py") == fork


def test_checkout_without_repository_is_above_the_packages(fork: Path) -> None:
    (fork / ".git").rmdir()
    assert checkout(fork / "envs/scripts/train.py") == fork


def test_longest_common_end_decides(fork: Path) -> None:
    assert find_file("/data/author/arm/robot.usda", fork) == fork / "models/arm/robot.usda"
    assert find_file("omniverse://localhost/Projects/leg/robot.usda", fork) == fork / "envs/assets/leg/robot.usda"
    assert find_file("C:\\robots\\hand.usda", fork) == fork / "models/arm/hand.usda"
    assert find_file("/data/author/foot.usda", fork) is None


def test_files_that_fit_equally_are_refused(fork: Path) -> None:
    with pytest.raises(CompatError) as caught:
        find_file("/data/author/robot.usda", fork)
    start, _, end = str(caught.value).partition(" (used in ")
    assert start == "/data/author/robot.usda"
    assert end.partition("): ")[2] == (
        "no such file, and several could be meant: envs/assets/leg/robot.usda, models/arm/robot.usda; pass one."
    )


def test_copies_of_a_file_are_no_choice(fork: Path) -> None:
    (fork / "models/arm/robot.usda").write_text(CUBE)
    assert find_file("/data/author/robot.usda", fork) == fork / "envs/assets/leg/robot.usda"


@pytest.mark.usefixtures("_searched")
def test_reference_leads_to_the_file_of_the_checkout(fork: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prim = add_reference_to_stage("/data/author/arm/hand.usda", "/World/envs/env_0/Hand")
    assert prim.GetTypeName() == "Xform"
    assert prim.GetAttribute("size").Get() == 3.0
    file = fork / "models/arm/hand.usda"
    assert session().references["/World/envs/env_0/Hand"] == str(file)
    expected = "/data/author/arm/hand.usda is not on this machine; models/arm/hand.usda of the checkout is used."
    assert capsys.readouterr().out == f"oige-compat: {expected}\n"


@pytest.mark.usefixtures("_searched")
def test_asset_of_oige_is_not_looked_up() -> None:
    path = "omniverse://localhost/NVIDIA/Assets/Isaac/2022.2.1/Isaac/Robots/Cartpole/cartpole.usd"
    assert resolve(path) == path


@pytest.mark.usefixtures("_searched")
def test_file_that_is_given_stands_for_a_path_with_another_name(fork: Path) -> None:
    hand = fork / "models/arm/hand.usda"
    given, rest = parse_assets(["--asset", f"hand_v2.usd={hand}", "train.py", "--asset", "own"])
    assert rest == ["train.py", "--asset", "own"]
    search_in(fork, given)
    assert resolve("omniverse://localhost/Projects/hand_v2.usd") == str(hand)
    assert resolve("omniverse://localhost/Projects/hand_v3.usd") == "omniverse://localhost/Projects/hand_v3.usd"


@pytest.mark.parametrize("text", ["hand.usd=/nowhere/hand.usd", "hand.usd="])
def test_asset_without_file_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_assets(["--asset", text, "train.py"])
    assert str(caught.value) == f"--asset {text}: expected END=FILE, the end of a path and a file on this machine."
