"""The page that maps our protocols to Isaac Sim is complete, and what it names exists.

``data/isaacsim_api.json``, which ``tools/isaacsim_api.py`` writes, contains only names and parameters.
"""

import json
import re
from pathlib import Path

import pytest
from oige_core.engines.base import Engine
from oige_core.engines.isaacsim.host import Host
from oige_core.scene import Scene
from oige_core.scene.scene import ViewFactory
from oige_core.views import ArticulationView, CameraView, DeformablePrimView, RigidPrimView

REPOSITORY = Path(__file__).resolve().parent.parent
PAGE = (REPOSITORY / "docs" / "isaac_sim_mapping.md").read_text()
API = json.loads((Path(__file__).parent / "data" / "isaacsim_api.json").read_text())
NEWEST = API["isaac_sim"]["6.0.1"]
CLASSES = {
    name.rpartition(".")[2]: (name.rpartition(".")[0], members)
    for name, members in NEWEST["classes"].items()
    if "experimental" not in name
}
FUNCTIONS = {name.rpartition(".")[2]: name.rpartition(".")[0] for name in NEWEST["functions"]}
SCHEMAS = ("UsdGeom.", "UsdPhysics.", "PhysxSchema.")


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


PROTOCOLS = ["Scene", "Engine", "ArticulationView", "RigidPrimView", "DeformablePrimView", "CameraView"]


@pytest.mark.parametrize(
    ("title", "members"),
    [
        ("Scene", {name for name in public_members(Scene) if name.startswith("add_")}),
        ("Engine", public_members(Engine) | public_members(ViewFactory)),
        ("ArticulationView", public_members(ArticulationView)),
        ("RigidPrimView", public_members(RigidPrimView)),
        ("DeformablePrimView", public_members(DeformablePrimView)),
        ("CameraView", public_members(CameraView)),
    ],
)
def test_every_method_has_a_row_and_every_row_a_method(title: str, members: set[str]) -> None:
    assert len(members) >= 8
    first_cells = [cells[0] for cells in rows(title)]
    assert sorted(first_cells) == sorted(f"`{name}`" for name in members)


def test_every_method_of_a_host_has_a_row() -> None:
    found = rows("Hosts")
    assert sorted(cells[0] for cells in found) == sorted(f"`{name}`" for name in public_members(Host))
    assert all(len(cells) == 4 for cells in found)
    assert all(cells[1] for cells in found)


@pytest.mark.parametrize(
    "title", ["Scene", "Engine", "ArticulationView", "RigidPrimView", "DeformablePrimView", "CameraView"]
)
def test_every_row_names_its_implementation(title: str) -> None:
    for cells in rows(title):
        assert len(cells) == 3, cells
        assert cells[1].startswith("`") or cells[2], f"{cells[0]}: neither a call nor a word on what is done instead"


@pytest.mark.parametrize(
    "title", ["Scene", "Engine", "ArticulationView", "RigidPrimView", "DeformablePrimView", "CameraView"]
)
def test_isaac_sim_has_every_name_of_the_middle_column(title: str) -> None:
    unknown = [name for cells in rows(title) for name in re.findall(r"`([^`]+)`", cells[1]) if not exists(name)]
    assert not unknown


def test_isaac_sim_has_every_method_named_in_passing() -> None:
    named = set(re.findall(r"`((?:tensors\.\w+|" + "|".join(CLASSES) + r")\.\w+)`", PAGE))
    assert len(named) > 80
    assert not [name for name in named if not exists(name)]


def test_table_of_names_gives_the_modules() -> None:
    table = {name: cells[1] for cells in rows("Names") for name in re.findall(r"`(\w+)`", cells[0])}
    assert {"Articulation", "RigidPrim", "World", "GridCloner"} <= set(table)
    for name in set(table) & set(CLASSES):
        module = CLASSES[name][0]
        assert table[name].startswith(f"`{module}"), f"{name} is in {module}, {table[name]} is a part of it at most"
    for name in set(table) & set(FUNCTIONS):
        assert table[name].startswith(f"`{FUNCTIONS[name]}")


def exists(name: str) -> bool:
    if name.startswith(SCHEMAS):
        return True
    owner, _, member = name.removeprefix("tensors.").partition(".")
    if name.startswith("tensors."):
        return any(
            member in release["classes"][owner] if member else owner in release["functions"]
            for release in API["tensors"].values()
        )
    if not member:
        return name in CLASSES or name in FUNCTIONS
    return owner in CLASSES and member in CLASSES[owner][1]


def test_misspelt_name_is_found() -> None:
    assert exists("Articulation.set_gains")
    assert exists("RigidPrim.count")  # inherited
    assert not exists("Articulation.set_gain")
    assert not exists("ArticulationView.set_gains")
    assert exists("tensors.ArticulationView.set_dof_limits")
    assert not exists("tensors.ArticulationView.set_dof_limit")
    assert exists("tensors.create_simulation_view")
