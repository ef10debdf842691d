"""Differences between repeated runs are found where they are, and the page has the tables of the recorded data."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch

EQUAL = {"steps": 1000, "equal": True}
DIFFERENT = {"steps": 100, "equal": False, "first_step": 7, "worlds_at_first": 2, "worlds_at_end": 9}
KERNEL = {"launches": 1, "repeated": 1, "differing": 1}
REPORT: dict[str, Any] = {
    "task": "Ant",
    "steps": 1000,
    "settings": {
        "none": {
            "in_one_process": DIFFERENT,
            "between_processes": DIFFERENT,
            "ms_per_step": [2.0, 9.0, 1.0],
            "one_solver_step": {
                "differing": {
                    "solver.sum": KERNEL | {"arrays": {"total_out": "values"}},
                    "collision.append": KERNEL | {"arrays": {"contact_out": "order", "scratch_in": "values"}},
                }
            },
        },
        "all": {
            "in_one_process": EQUAL,
            "ms_per_step": [30.0],
            "one_solver_step": {"differing": {"collision.append": KERNEL | {"arrays": {"contact_out": "order"}}}},
        },
        "ordered": {"error": "not measured: the time was over"},
    },
}


@pytest.fixture
def tool(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("gpu_determinism")


@pytest.fixture
def page(import_tool: Callable[[str], ModuleType]) -> ModuleType:
    return import_tool("gpu_determinism_page")


def test_first_different_step_and_its_worlds_are_found(tool: ModuleType) -> None:
    one = torch.zeros(5, len(tool.GROUPS), 3, dtype=torch.int64)
    other = one.clone()
    other[2, 1, 0] = other[3, 0, :2] = other[4, 0] = 1
    assert tool.compare(one, other) == {
        "steps": 5,
        "equal": False,
        "first_step": 3,
        "first_in": ["observations"],
        "worlds_at_first": 1,
        "worlds_at_end": 3,
    }
    assert tool.compare(one, other[:2]) == {"steps": 2, "equal": True}


def test_checksums_see_the_last_bit_and_the_order(tool: ModuleType) -> None:
    rows = torch.tensor([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]])
    rows[1, 1] = torch.nextafter(rows[1, 1], torch.tensor(3.0))
    sums = tool.checksums(rows)
    assert len(set(sums.tolist())) == 3
    assert torch.equal(sums, tool.checksums(rows.clone()))
    assert tool.checksums(torch.tensor([[0.0]])) != tool.checksums(torch.tensor([[-0.0]]))


@pytest.mark.parametrize("device", ["cuda", "gpu", "cuda:x"])
def test_unknown_device_is_an_error(tool: ModuleType, device: str) -> None:
    with pytest.raises(
        tool.ConfigError,
        match=f"^--device {device}: expected cpu, or cuda: and the number of a GPU, such as cuda:0.$",
    ):
        tool.device_keys(device)


def test_table_of_runs_gives_medians_and_cost(page: ModuleType) -> None:
    assert page.run_table([REPORT]).splitlines()[2:] == [
        "| Ant | none | differs from step 7 | differs from step 7 | 2, 9 | 2.00 | 1.00 |",
        "| Ant | all | equal for 1,000 steps | not measured |  | 30.00 | 15.00 |",
        "| Ant | ordered | not measured: the time was over | | | | |",
    ]


def test_table_of_kernels_separates_settings_with_atomics(page: ModuleType) -> None:
    assert page.kernel_table([REPORT]).splitlines()[2:] == [
        "| `solver.sum` | values | Ant | none |",
        "| `collision.append` | order | Ant | Ant |",
    ]


def test_page_is_current(page: ModuleType) -> None:
    written = page.PAGE.read_text()
    page.write()
    assert page.PAGE.read_text() == written
