"""Threads of torch that wait for work."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import os, sys
from oige_train.cli.common import run_cli
run_cli(lambda _: print("torch" in sys.modules, os.environ.get("GOMP_SPINCOUNT")))
"""


@pytest.mark.parametrize(
    ("given", "seen"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, "None")],
)
def test_programs_limit_waiting_before_torch_is_imported(given: dict[str, str], seen: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=kept | given, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["False", seen]
