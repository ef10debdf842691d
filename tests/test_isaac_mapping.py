"""The page that maps our protocols to Isaac Sim is complete, and what it names exists.

``data/isaacsim_6.0.1_names.json`` contains only names: of the classes that the page uses, with their own and inherited
members, and of functions.
"""

import json
import re
from pathlib import Path

import pytest
from oige_core.engines.base import Engine
from oige_core.scene import Scene
from oige_core.scene.scene import ViewFactory
from oige_core.views import ArticulationView, CameraView, RigidPrimView

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "isaac_sim_mapping.md").read_text()
NAMES = json.loads((Path(__file__).parent / "data" / "isaacsim_6.0.1_names.json").read_text())
BELOW_THE_API = ("tensors.", "UsdGeom.", "UsdPhysics.", "PhysxSchema.")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """Cells of the section's table, without its two header lines."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def public_members(cls: type) -> set[str]:
    ours = [base for base in cls.__mro__ if base.__module__.startswith("oige_core")]
    names = {name for base in ours for name in (*vars(base), *vars(base).get("__annotations__", {}))}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize(
    ("title", "members"),
    [
        ("Scene", {name for name in public_members(Scene) if name.startswith("add_")}),
        ("Engine", public_members(Engine) | public_members(ViewFactory)),
        ("ArticulationView", public_members(ArticulationView)),
        ("RigidPrimView", public_members(RigidPrimView)),
        ("CameraView", public_members(CameraView)),
    ],
)
def test_every_method_has_a_row_and_every_row_a_method(title: str, members: set[str]) -> None:
    assert len(members) >= 8
    first_cells = [cells[0] for cells in rows(title)]
    assert sorted(first_cells) == sorted(f"`{name}`" for name in members)


@pytest.mark.parametrize("title", ["Scene", "Engine", "ArticulationView", "RigidPrimView", "CameraView"])
def test_every_row_names_its_implementation(title: str) -> None:
    for cells in rows(title):
        assert len(cells) == 3, cells
        assert cells[1].startswith("`") or cells[2], f"{cells[0]}: neither a call nor a word on what is done instead"


@pytest.mark.parametrize("title", ["Scene", "Engine", "ArticulationView", "RigidPrimView", "CameraView"])
def test_isaac_sim_has_every_name_of_the_middle_column(title: str) -> None:
    unknown = [name for cells in rows(title) for name in re.findall(r"`([^`]+)`", cells[1]) if not exists(name)]
    assert not unknown


def test_isaac_sim_has_every_method_named_in_passing() -> None:
    named = set(re.findall(r"`((?:" + "|".join(NAMES["classes"]) + r")\.\w+)`", PAGE))
    assert len(named) > 80
    assert not [name for name in named if not exists(name)]


def test_table_of_names_gives_the_modules() -> None:
    table = {name: cells[1] for cells in rows("Names") for name in re.findall(r"`(\w+)`", cells[0])}
    assert {"Articulation", "RigidPrim", "World", "GridCloner"} <= set(table)
    for name in set(table) & set(NAMES["classes"]):
        module = NAMES["classes"][name]["module"]
        assert table[name].startswith(f"`{module}"), f"{name} is in {module}, {table[name]} is a part of it at most"
    for name, module in NAMES["functions"].items():
        assert table[name] == f"`{module}`"


def exists(name: str) -> bool:
    if name.startswith(BELOW_THE_API):
        return True
    owner, _, member = name.partition(".")
    if not member:
        return name in NAMES["classes"] or name in NAMES["functions"]
    return owner in NAMES["classes"] and member in NAMES["classes"][owner]["members"]


def test_misspelt_name_is_found() -> None:
    assert exists("Articulation.set_gains")
    assert exists("RigidPrim.count")  # inherited
    assert not exists("Articulation.set_gain")
    assert not exists("ArticulationView.set_gains")
