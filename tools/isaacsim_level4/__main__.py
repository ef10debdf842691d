"""Command line; see the docstring of the package."""

import argparse
import os
from pathlib import Path

import torch
from oige_core.engines.isaacsim.application import Application, create_host
from oige_core.engines.isaacsim.host import Host
from oige_core.engines.isaacsim.host_core import CoreHost
from oige_core.engines.isaacsim.host_omni import OmniHost
from oige_core.engines.isaacsim.releases import Release

import tools.isaacsim_level4
from tools.isaacsim_level4.hosts import VARIABLES
from tools.isaacsim_level4.session import open_session


def make_host(application: Application, family: str | None) -> Host:
    """Return the host of a release, or that of another family of releases."""
    if family is None:
        return create_host(application, "cpu")
    host_class = {"omni": OmniHost, "core": CoreHost}[family]
    return host_class(application.release, torch.device("cpu"), renders=False)


def main() -> None:
    """Play policies on the Python of one release; compare with the engine on PhysX without Isaac Sim."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.isaacsim_level4",
        description=tools.isaacsim_level4.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, variable, what in zip(
        ("--isaac-sim", "--physx"), VARIABLES, ("Isaac Sim", "NVIDIA's PhysX repository"), strict=True
    ):
        folder = os.environ.get(variable)
        parser.add_argument(
            option,
            type=Path,
            default=folder and Path(folder),
            required=not folder,
            help=f"checkout of {what}; default: the environment variable {variable}",
        )
    parser.add_argument("--newton", action="store_true", help="simulate with Newton instead of PhysX")
    parser.add_argument(
        "--family",
        choices=("omni", "core"),
        help="host of other releases: omni with 5.0.0, which forwards the names of 2023.1 to 4.2, or core with "
        "6.0.1; default: that of the release",
    )
    parser.add_argument("--task", nargs="+", default=["Cartpole", "Ant", "Anymal"], help="default: %(default)s")
    parser.add_argument("--num-envs", type=int, default=12, help="number of worlds; default: %(default)s")
    parser.add_argument("--steps", type=int, default=100, help="control steps; default: %(default)s")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        session = open_session(options.isaac_sim.resolve(), options.physx.resolve(), newton=options.newton)
    except FileNotFoundError as error:
        parser.error(str(error))
    from tools.isaacsim_level4.rollout import roll_out

    application = Application(Release.parse(session.version), None, renders=False)
    for task in options.task:
        actual = roll_out(lambda: make_host(application, options.family), task, options.num_envs, options.steps)
        line = (
            f"{actual.release}, {task}: mean reward {actual.mean_reward:.4f}, {int(actual.ended.sum())} episodes ended"
        )
        if not options.newton:
            from oige_core.testing.physx import OvphysxHost

            expected = roll_out(OvphysxHost, task, options.num_envs, options.steps)
            line += (
                f"; without Isaac Sim's Python {expected.mean_reward:.4f}; largest difference of an observation "
                f"{actual.difference(expected):.2g}"
            )
        print(line, flush=True)


if __name__ == "__main__":
    main()
