"""What a physics engine of Isaac Sim lacks is refused, where it would return zeros with a warning in a log."""

import pytest
from oige_core.engines.isaacsim.engine import IsaacSimEngine
from oige_core.errors import CapabilityError
from oige_core.registry import find_task, load_config, load_spec, load_task_class
from oige_core.testing.physx.runtime import is_ovphysx_installed

if not is_ovphysx_installed():
    pytest.skip("needs the dependency group isaacsim", allow_module_level=True)

from oige_core.testing.physx import OvphysxHost


class Newton(OvphysxHost):
    """PhysX with the capabilities of Newton in Isaac Sim 6.0.1."""

    capabilities = OvphysxHost.capabilities - {
        "floating_bases",
        "jacobians",
        "joint_forces",
        "joint_friction_force",
    }


def make_engine(task: str) -> IsaacSimEngine:
    engine = IsaacSimEngine(2, Newton())
    spec = load_spec(find_task(task))
    load_task_class(spec, warp=False)(load_config(task, {"num_envs": 2}), spec, engine)
    return engine


def test_jacobians_and_what_follows_from_them() -> None:
    engine = make_engine("Cartpole")
    [view] = engine._articulations
    for read in (view.get_jacobians, view.get_mass_matrices):
        with pytest.raises(CapabilityError, match="does not support Jacobians, mass matrices and generalised forces"):
            read()
    engine.close()


def test_tasks_that_measure_joint_forces() -> None:
    with pytest.raises(CapabilityError, match=r"measured joint forces; supported by: MuJoCo\."):
        make_engine("Ant")


def test_robots_with_a_free_root() -> None:
    with pytest.raises(CapabilityError, match=r"articulation 'anymal': .* articulations with a free root"):
        make_engine("Anymal")
