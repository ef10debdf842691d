"""The Kit extension alone trains on Isaac Sim's own Python, over stand-ins of Kit's modules and real PhysX."""

import os
import re
from pathlib import Path

import pytest
from isaac_python import run_in_isaac_sim
from oige_core.testing.physx.runtime import is_ovphysx_installed
from oige_extension.kit import write_extension

REPOSITORY = Path(__file__).parents[3]
VARIABLES = ("OIGE_ISAACSIM_SOURCE", "OIGE_PHYSX_SOURCE")

pytestmark = [
    pytest.mark.skipif(
        not all(os.environ.get(variable) for variable in VARIABLES),
        reason=f"needs checkouts of Isaac Sim and PhysX, in {' and '.join(VARIABLES)}; see CONTRIBUTING.md",
    ),
    pytest.mark.skipif(not is_ovphysx_installed(), reason="needs the dependency group isaacsim"),
]

PROGRAM = """
import pathlib, types
import torch

torch.set_num_threads(1)
sys.path.append(repository)  # of the stand-ins
package = types.ModuleType("oige_core.testing")  # whose own code needs the embedded engine
package.__path__ = [f"{prebundle}/oige_core/testing"]
sys.modules[package.__name__] = package
import tools.isaacsim_level4.physics
from oige_core.engines.isaacsim import application
from oige_core.engines.isaacsim.releases import Release
from oige_train.cli.train import main
from tools.isaacsim_level4.session import open_session

class Headless(application.Application):
    has_viewport = False

session = open_session(pathlib.Path(isaac_sim), pathlib.Path(physx))
application._application = Headless(Release.parse(session.version), None, renders=False)
sys.argv = ["oige-train", "task=Cartpole", "physics_engine=isaacsim", "num_envs=64", "max_iterations=3"]
sys.argv += ["sim_device=cpu", "pipeline=cpu", "headless=True"]
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
assert not {"mujoco", "mujoco_warp", "viser"} & set(sys.modules)
assert application.__file__.startswith(prebundle)
"""

#: Stand-ins of PhysX and its schemas, which their own code finds through the records of their installation.
PHYSX = ("ovphysx", "ovstage", "physx_usd_schemas", "newton_usd_schemas")


def test_extension_trains_without_mujoco(tmp_path: Path) -> None:
    pytest.importorskip("scipy", reason="Isaac Sim's Python needs scipy: uv run --with scipy pytest …")
    extension = write_extension(tmp_path)
    checkouts = zip(("isaac_sim", "physx"), VARIABLES, strict=True)
    names = {name: os.environ[variable] for name, variable in checkouts}
    names["repository"] = str(REPOSITORY)
    program = "".join(f"{name} = {value!r}\n" for name, value in names.items()) + PROGRAM
    printed = run_in_isaac_sim(program, extension / "pip_prebundle", more=("warp", "scipy", *PHYSX), cwd=tmp_path)
    assert re.search(r"^done: 3 epochs, 3,072 steps; mean episode reward [\d.]+$", printed, re.MULTILINE), printed
    assert list(tmp_path.glob("runs/Cartpole/nn/*.pth"))
