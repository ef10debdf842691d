"""Default poses and initial states of Anymal and AnymalTerrain, by the keys of OmniIsaacGymEnvs."""

import math
from typing import Any

import pytest
import torch
from anymal_terrain_worlds import DEFAULT, close, configuration, make
from oige_core.errors import ConfigError
from oige_core.testing import make_env_on


@pytest.mark.parametrize("task_name", ["Anymal", "AnymalTerrain"])
def test_default_joint_angles_are_configurable(task_name: str) -> None:
    """Action 0 commands them, and observed joint positions are relative to them."""
    angles = {"LF_HAA": 0.2, "RH_KFE": 0.6}
    words: dict[str, Any] = {f"defaultJointAngles__{name}": angle for name, angle in angles.items()}
    env = make(2, **words) if task_name == "AnymalTerrain" else make_env_on("c", task_name, 2, **words)
    env.reset(seed=0)
    task: Any = env.task
    expected = DEFAULT.clone()
    expected[[0, 11]] = torch.tensor([0.2, 0.6])
    close(task.default_positions, expected)
    task.anymals.set_joint_positions(expected.repeat(2, 1))
    columns = slice(12, 24)
    close(task.get_observations()[:, columns], torch.zeros(2, 12))
    task.anymals.set_joint_velocities(torch.zeros(2, 12))
    task.pre_physics_step(torch.zeros(2, 12))
    close(task.anymals.get_measured_joint_efforts(), torch.zeros(2, 12), atol=1e-3)
    env.close()


def test_unknown_joint_is_refused() -> None:
    for name in ("LF_KNEE", "lf_haa"):
        with pytest.raises(ConfigError, match=rf"defaultJointAngles\.{name}=0\.1: unknown joint; .* such as LF_HAA"):
            configuration(**{f"defaultJointAngles__{name}": 0.1})


def test_initial_state_of_anymal_terrain_is_relative_to_the_tile() -> None:
    """The scalar of the orientation comes first, unlike in Anymal."""
    half = math.sqrt(0.5)
    start = {"pos": [1.0, -2.0, 0.9], "rot": [half, 0.0, 0.0, half], "vLinear": [0.4, 0, 0], "vAngular": [0, 0, 0.8]}
    words: dict[str, Any] = {f"baseInitState__{key}": value for key, value in start.items()}
    env = make(64, **words)
    env.reset(seed=0)
    task: Any = env.task
    positions, orientations = task.anymals.get_world_poses()
    offsets = positions - task.tile_origins[task.terrain_levels, task.terrain_types]
    assert (offsets[:, :2] - torch.tensor([1.0, -2.0])).abs().max() <= 0.5  # drawn around it
    close(offsets[:, 2], torch.full((64,), 0.9))
    close(orientations, torch.tensor(start["rot"]).repeat(64, 1))
    close(task.anymals.get_velocities(), torch.tensor([0.4, 0, 0, 0, 0, 0.8]).repeat(64, 1))
    env.close()
    with pytest.raises(ConfigError, match=r"baseInitState\.rot=\[0\.0, 0\.0, 0\.0, 0\.0\]: expected a quaternion w, x"):
        configuration(baseInitState__rot=[0, 0, 0, 0])
