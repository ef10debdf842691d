"""A task in which every attribute can be randomised, and the environments of its tests."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from oige_core.config import DomainRandomizationConfig, EnvConfig, RunConfig, SimConfig, TaskConfig
from oige_core.envs import VecEnv
from oige_core.scene import ArticulationAsset, Drive, Scene
from oige_core.selections import as_on_gpu
from oige_core.spec import TaskSpec
from oige_core.tasks import RLTask
from oige_core.testing import make_engine_on

DT = 0.01
ARM = """<mujoco><compiler autolimits="true"/><worldbody><body name="base">
  <inertial pos="0 0 0" mass="1" diaginertia="1 1 1"/><geom size=".01" mass="0"/>
  <body name="upper"><joint name="shoulder" axis="0 0 1" range="-60 60" frictionloss=".1" armature=".02"/>
    <inertial pos=".2 0 0" mass="2" diaginertia=".01 .02 .03"/><geom size=".05" mass="0" friction=".8"/>
    <body name="fore" pos=".5 0 0"><joint name="elbow" axis="0 0 1" range="-90 90" frictionloss=".2" armature=".03"/>
      <inertial pos=".2 0 0" mass="1.5" diaginertia=".02 .03 .04"/><geom size=".05" mass="0"/></body></body>
</body></worldbody><tendon>
  <fixed name="cable" range="-2 2" stiffness="5" damping=".5" springlength=".1">
    <joint joint="shoulder" coef="1"/><joint joint="elbow" coef="2"/></fixed>
</tendon></mujoco>"""
ARM_ASSET = ArticulationAsset(
    mjcf=ARM,
    usd="none.usd",
    drives={
        "shoulder": Drive(stiffness=20.0, damping=3.0, max_effort=50.0),
        "elbow": Drive(stiffness=10.0, damping=2.0, max_effort=40.0),
    },
)
VELOCITY = 0.3  # of the elbow after a reset, in rad/s


class Bench(RLTask[EnvConfig]):
    """An arm and a ball in free fall. Observations are constant, so that they show their noise alone."""

    def set_up_scene(self, scene: Scene) -> None:
        self.arms = scene.add_articulation("arm", ARM_ASSET)
        self.links = scene.add_link_view("links", "arm", ["fore", "upper"])
        self.balls = scene.add_sphere("Ball", radius=0.1, mass=2.0, position=(3.0, 0.0, 50.0))

    def reset_idx(self, worlds: torch.Tensor) -> None:
        super().reset_idx(worlds)
        self.arms.set_joint_positions(self.uniform(-0.5, 0.5, len(worlds), 2), worlds)
        velocities = torch.zeros(len(worlds), 2, device=self.device)
        velocities[:, 1] = VELOCITY
        self.arms.set_joint_velocities(velocities, worlds)

    def pre_physics_step(self, actions: torch.Tensor) -> None:
        self.seen_actions = actions.clone()
        self.arms.set_joint_efforts(actions)

    def get_observations(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return torch.full((self.num_envs if worlds is None else len(worlds), 3), 2.0, device=self.device)

    def get_states(self, worlds: torch.Tensor | None = None) -> torch.Tensor:
        return self.rows(self.obs_buf, worlds) * 10.0

    def is_done(self) -> torch.Tensor:
        return torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)

    def calculate_metrics(self) -> torch.Tensor:
        return self.sum_reward_terms({"observation": self.obs_buf[:, 0]})


def draw(operation: str, distribution: str, low: Any, high: Any, **more: Any) -> dict[str, Any]:
    """Return the block of a trigger."""
    return {"operation": operation, "distribution": distribution, "distribution_parameters": [low, high], **more}


def make_bench(
    params: Mapping[str, Any] | None,
    num_envs: int = 4,
    executor: str = "c",
    *,
    min_frequency: int = 1,
    seed: int = 3,
    task: type[RLTask[Any]] = Bench,
    **env: Any,
) -> Any:
    """Build environments of :class:`Bench`; ``params`` None: without randomisation."""
    values = {"numEnvs": num_envs, "envSpacing": 1.0, "episodeLength": 1000} | env
    random = DomainRandomizationConfig(
        randomize=params is not None, min_frequency=min_frequency, randomization_params=dict(params or {})
    )
    config = TaskConfig(
        name="Bench",
        env=EnvConfig(**values),
        sim=SimConfig(dt=DT, gravity=[0.0, 0.0, 0.0]),
        domain_randomization=random,
    )
    spec = TaskSpec(task="n:n", env=EnvConfig, observation_shape=(3,), num_actions=2, num_states=3)
    return VecEnv(task(RunConfig(task=config, seed=seed), spec, make_engine_on(executor, num_envs)))


@contextlib.contextmanager
def bench_maker(name: str) -> Iterator[Callable[..., Any]]:
    """Yield a function like :func:`make_bench` for an executor, ``c`` or ``warp-as-on-gpu``; close what it made."""
    envs: list[VecEnv] = []

    def make(params: Any, num_envs: int = 4, **options: Any) -> VecEnv:
        envs.append(make_bench(params, num_envs, "c" if name == "c" else "warp-cpu", **options))
        return envs[-1]

    with torch.no_grad(), contextlib.nullcontext() if name == "c" else as_on_gpu():
        yield make
    for env in envs:
        env.close()


def block(path: tuple[str, ...], **triggers: Any) -> dict[str, Any]:
    """Return ``randomization_params`` of one attribute."""
    params: dict[str, Any] = triggers
    for name in reversed(path):
        params = {name: params}
    return params


def no_actions(env: Any) -> torch.Tensor:
    return torch.zeros(env.num_envs, 2, device=env.device)


def current(env: Any, *path: str) -> torch.Tensor:
    """Return the current values ``(N, d)`` of an attribute."""
    assert env.task.randomization is not None
    return env.task.randomization.targets[path].read().clone()


FULL = {
    "observations": {
        "on_reset": draw("additive", "gaussian", 0.0, 0.1),
        "delay": {"on_reset": draw("direct", "uniform", 0, 2)},
        "drop": {"on_startup": draw("direct", "uniform", 0.1, 0.3)},
    },
    "actions": {
        "on_interval": draw("additive", "gaussian", 0.0, 0.5, frequency_interval=1),
        "delay": {
            "on_reset": draw("direct", "uniform", 0, 1),
            "on_interval": draw("additive", "uniform", 0, 1, frequency_interval=3),
        },
        "drop": {"on_reset": draw("direct", "uniform", 0.0, 0.2)},
    },
    "simulation": {
        "gravity": {"on_interval": draw("additive", "gaussian", [0, 0, 0], [0, 0, 0.4], frequency_interval=3)}
    },
    "rigid_prim_views": {
        "ball_view": {
            "mass": {
                "on_startup": draw("scaling", "uniform", 0.9, 1.1),
                "on_reset": draw("scaling", "uniform", 0.5, 1.5),
            },
            "material_properties": {"on_reset": draw("scaling", "uniform", [0.7, 1, 1], [1.3, 1, 1], num_buckets=250)},
            "force": {"on_interval": draw("direct", "gaussian", 0.0, 2.0, frequency_interval=2)},
            "orientation": {"on_reset": draw("additive", "uniform", -0.5, 0.5)},
            "inertia": {"on_reset": draw("scaling", "uniform", 0.8, 1.2)},
            "scale": {"on_reset": draw("scaling", "uniform", 0.8, 1.2)},
            "rest_offset": {"on_reset": draw("direct", "uniform", 0.0, 0.01)},
        }
    },
    "articulation_views": {
        "arm_view": {
            "stiffness": {"on_reset": draw("scaling", "loguniform", 0.75, 1.5)},
            "damping": {"on_reset": draw("scaling", "loguniform", 0.3, 3.0)},
            "upper_dof_limits": {"on_reset": draw("additive", "gaussian", 0.0, 0.01)},
            "tendon_stiffnesses": {"on_reset": draw("scaling", "loguniform", 0.75, 1.5)},
            "joint_velocities": {"on_interval": draw("additive", "gaussian", 0.0, 0.5, frequency_interval=4)},
            "joint_efforts": {"on_reset": draw("additive", "gaussian", 0.0, 1.0)},
            "joint_armatures": {"on_reset": draw("scaling", "uniform", 0.5, 2.0)},
            "joint_max_velocities": {"on_reset": draw("direct", "uniform", 1.0, 5.0)},
            "body_inertias": {"on_reset": draw("scaling", "uniform", 0.8, 1.2)},
            "material_properties": {"on_reset": draw("scaling", "uniform", [0.7, 1, 1], [1.3, 1, 1])},
            "scale": {"on_startup": draw("scaling", "uniform", 0.9, 1.1)},
            "tendon_offsets": {"on_reset": draw("additive", "uniform", -0.1, 0.1)},
            "tendon_limit_stiffnesses": {"on_reset": draw("scaling", "loguniform", 0.5, 2.0)},
            "motor_strength": {"on_reset": draw("scaling", "uniform", 0.8, 1.2)},
            "encoder_bias": {"on_reset": draw("additive", "gaussian", 0.0, 0.02)},
            "body_coms": {"on_startup": draw("additive", "uniform", [-0.01, 0, 0], [0.01, 0, 0])},
            "color": {"on_interval": draw("direct", "uniform", 0.0, 1.0, frequency_interval=2)},
        }
    },
}
"""Blocks of every kind, for tests of streams and states."""
