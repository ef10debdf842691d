"""Measure what PhysX does, and compare it with what the engine of Isaac Sim relies on.

Real PhysX runs without Isaac Sim by ovphysx: `uv sync --group isaacsim`, then `uv run tools/isaacsim_facts.py`.
oige-isaacsim-check measures the same inside Isaac Sim.
"""

import sys
from importlib import metadata

from oige_core.engines.isaacsim.conventions import CONVENTIONS, Probe
from oige_core.engines.isaacsim.usd.probe import write_probe
from oige_core.engines.isaacsim.usd.stage_map import path_in_world
from oige_core.math import grid_positions
from oige_core.testing.physx import OvphysxHost, is_ovphysx_installed

NUM_ENVS = 12  # so that env_10 and env_11 stand between env_1 and env_2


def main() -> int:
    if not is_ovphysx_installed():
        print("ovphysx is not installed: uv sync --group isaacsim", file=sys.stderr)
        return 2
    host = OvphysxHost()
    paths = write_probe(host.new_stage())
    worlds = [path_in_world(paths.world, world) for world in range(NUM_ENVS)]
    host.clone(paths.world, worlds, grid_positions(NUM_ENVS, 6.0).numpy())
    host.filter_collisions(paths.physics_scene, paths.collision_root, worlds, [paths.ground])
    host.play()
    probe = Probe(host, paths, NUM_ENVS)
    print(f"ovphysx {metadata.version('ovphysx')}, CPU")
    failed = 0
    for convention in CONVENTIONS:
        finding = convention.measure(probe)
        failed += not finding.holds
        verdict = "PASS" if finding.holds else "FAIL"
        print(f"{verdict}  {convention.name}: {convention.assumed}. {finding.measured}")
    for line in host.errors():
        print(f"error of PhysX: {line}")
    host.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
