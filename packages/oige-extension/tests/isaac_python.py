"""A Python that finds only the Kit extension and what Isaac Sim brings, as far as this environment has it."""

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

__all__ = ["run_in_isaac_sim"]

TESTS = Path(__file__).parent
SITE_PACKAGES = [path for path in sys.path if path.endswith("site-packages")]

BROUGHT = ["torch", "torchgen", "functorch", "numpy", "yaml", "_yaml", "packaging", "typing_extensions", "pxr"]
OF_TORCH = ["sympy", "mpmath", "networkx", "filelock", "fsspec", "jinja2", "markupsafe", "triton", "nvidia"]

PROGRAM = """
import importlib.machinery, importlib.metadata, json, socket, sys

prebundle, site_packages, tests, brought = map(json.loads, sys.argv[1:])
BROUGHT = set(brought)

class IsaacSim:
    def find_spec(name, path=None, target=None):
        if path is None and name.partition(".")[0] in BROUGHT:
            return importlib.machinery.PathFinder.find_spec(name, site_packages)

    def find_distributions(context):
        if (context.name or "").replace("-", "_") not in BROUGHT:
            return []
        there = importlib.metadata.DistributionFinder.Context(name=context.name, path=site_packages)
        return importlib.metadata.MetadataPathFinder.find_distributions(there)

def refuse(*arguments):
    raise AssertionError("an attempt to reach the network")

socket.socket.connect = socket.getaddrinfo = refuse
sys.path = [*(path for path in sys.path if "-packages" not in path), prebundle]
sys.meta_path.append(IsaacSim)
"""


def run_in_isaac_sim(program: str, prebundle: Path, more: Iterable[str] = (), cwd: Path | None = None) -> str:
    """Run a program in a new process, and return what it printed.

    Its global names are ``prebundle``, ``site_packages`` (a list), ``tests`` (this folder) and ``BROUGHT``.

    Args:
        program: Python code.
        prebundle: the extension's folder of packages.
        more: further top-level modules that the program may import from this environment.
        cwd: where it runs.
    """
    arguments = [str(prebundle), SITE_PACKAGES, str(TESTS), [*BROUGHT, *OF_TORCH, *more]]
    command = [sys.executable, "-B", "-I", "-S", "-c", PROGRAM + program, *map(json.dumps, arguments)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
