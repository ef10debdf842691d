"""A model on both executors of the embedded engine."""

import functools
from dataclasses import dataclass
from pathlib import Path

import mujoco
import torch
from oige_core.engines.mujoco.executors.batch import BatchExecutor
from oige_core.engines.mujoco.executors.protocol import (
    FORCE_FIELDS,
    REFRESHED_FIELDS,
    Executor,
)
from oige_core.engines.mujoco.executors.warp import WarpExecutor

MODELS = Path(__file__).parent / "test_executor_models"
NUM_ENVS = 4
WORLDS = torch.arange(NUM_ENVS, dtype=torch.float64)


@dataclass
class Pair:
    """Both executors of a model, and the motion from which each test starts."""

    warp: WarpExecutor
    c: BatchExecutor
    velocity: torch.Tensor
    control: torch.Tensor

    def start(self, executor: Executor, *, same: bool = False) -> None:
        """Reset, then push each world differently, or all worlds like the last."""
        executor.reset()
        chosen = [-1] * NUM_ENVS if same else list(range(NUM_ENVS))
        executor.field("qvel").copy_(self.velocity[chosen])
        executor.field("ctrl").copy_(self.control[chosen])
        if executor.model.nmocap and not same:
            executor.field("mocap_pos")[..., 2] += 0.03 * WORLDS.to(executor.field("mocap_pos"))[:, None]


def load(name: str) -> mujoco.MjModel:
    return mujoco.MjModel.from_xml_path(str(MODELS / f"{name}.xml"))


@functools.cache
def make_pair(name: str, device: str) -> Pair:
    model = load(name)
    random = torch.Generator().manual_seed(0)
    velocity = 0.5 * torch.randn(NUM_ENVS, model.nv, generator=random, dtype=torch.float64)
    control = 2.0 * torch.randn(NUM_ENVS, model.nu, generator=random, dtype=torch.float64)
    pair = Pair(WarpExecutor(model, NUM_ENVS, device), BatchExecutor(model, NUM_ENVS, 1), velocity, control)
    for executor in (pair.warp, pair.c):
        if model.nu:
            gains = executor.model_field("actuator_biasprm")
            gains[..., 1] = -20.0
            gains[..., 2] = -1.0
            executor.model_changed(["actuator_biasprm"])
        for field in REFRESHED_FIELDS | FORCE_FIELDS:
            executor.field(field)
        executor.mass_matrix()
    return pair
