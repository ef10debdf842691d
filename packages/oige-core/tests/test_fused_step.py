"""The kernels of a control step agree with the torch operations that they replace, bit for bit."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from oige_core.config import EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.scene import ArticulationAsset, Scene
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from torch.utils import _pytree as pytree

N, STEPS = 6, 25
BLOCK = ArticulationAsset(
    mjcf="""<mujoco><worldbody><body name="block"><joint name="slide" type="slide" axis="1 0 0"/>
      <geom size=".1" mass="1" contype="0" conaffinity="0"/></body></worldbody></mujoco>"""
)


class Faulty(RLTask[EnvConfig]):
    """Observes, rewards and resets with numbers that a test sets, some of which are not finite."""

    def set_up_scene(self, scene: Scene) -> None:
        self.blocks = scene.add_articulation("block", BLOCK)

    def post_reset(self) -> None:
        self.reward_weights = {"fault": 0.5}
        self.fault_of = {name: torch.zeros(self.num_envs) for name in ("observation", "state", "reward", "reset")}

    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        self.blocks.set_joint_positions(self.uniform(-0.5, 0.5, len(worlds), 1), worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.blocks.set_joint_efforts(20.0 * actions[:, :1])

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        fault = self.fault_of["observation" if worlds is None else "reset"]
        position = self.blocks.get_joint_positions(worlds) + self.rows(fault, worlds).unsqueeze(-1)
        return torch.stack((position, self.blocks.get_joint_velocities(worlds)), dim=-1)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.rows(self.obs_buf[:, 0] * 2.0 + self.fault_of["state"].unsqueeze(-1), worlds)

    def is_done(self) -> torch.Tensor:
        return self.obs_buf[:, 0, 0].abs() > 0.6

    def calculate_metrics(self) -> torch.Tensor:
        position = self.blocks.get_joint_positions(clone=False)[:, 0]
        return self.sum_reward_terms({"position": position.abs(), "fault": self.fault_of["reward"]})


@pytest.fixture
def make(new_engine: Callable[..., Any]) -> Callable[[str], VecEnv]:
    def make(mode: str) -> VecEnv:
        env = EnvConfig(numEnvs=N, envSpacing=1.0, episodeLength=5, clipActions=1.0, autoresetMode=mode)  # type: ignore[arg-type]
        config = TaskConfig(name="Faulty", env=env, sim=SimConfig(dt=0.05, max_velocity=1.5))
        spec = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(1, 2), num_states=2, num_actions=2)
        return VecEnv(Faulty(RunConfig(task=config, seed=1), spec, new_engine("warp-cpu", N)))

    return make


@pytest.mark.parametrize("mode", ["same_step", "next_step", "upstream"])
def test_kernels_agree_with_torch(make: Callable[[str], VecEnv], mode: str) -> None:
    envs = make(mode), make(mode)
    tasks: list[Any] = [env.task for env in envs]
    assert tasks[0]._fused is not None
    tasks[1]._fused = None  # computes with torch
    for env in envs:
        env.reset(seed=3)
        env.step(torch.zeros(N, 2))  # checks everything, and raises an error if it is not finite
    generator = torch.Generator().manual_seed(0)
    faults = torch.tensor([0.0, torch.nan, torch.inf, -torch.inf])

    def drawn(*shape: int) -> torch.Tensor:
        chosen = torch.randint(40, shape, generator=generator)
        return faults[torch.where(chosen < len(faults), chosen, 0)]

    for step in range(STEPS):
        actions = torch.rand(N, 2, generator=generator) * 4 - 2 + drawn(N, 2)
        for name in tasks[0].fault_of:
            values = drawn(N)
            for task in tasks:
                task.fault_of[name].copy_(values)
        ours, theirs = (env.step(actions) for env in envs)
        for (path, value), expected in zip(
            pytree.tree_flatten_with_path(ours)[0], pytree.tree_leaves(theirs), strict=True
        ):
            title = f"step {step}{pytree.keystr(path)}"
            assert value.dtype == expected.dtype, title
            assert value.equal(expected), title
        for name in ("_sums", "_terms", "progress_buf", "failed_buf"):
            assert getattr(tasks[0], name).equal(getattr(tasks[1], name)), f"step {step}: {name}"
    assert envs[0].problems() == envs[1].problems()
    assert envs[0].problems().keys() >= {
        "non_finite_actions",
        "non_finite_observations",
        "non_finite_rewards",
        "exploded",
    }
