"""DoublePendulum: swing up two poles with motors that are too weak to lift them."""

from dataclasses import dataclass

from oige_core import EnvConfig, TaskSpec

__all__ = ["DOUBLE_PENDULUM", "DoublePendulumConfig"]


@dataclass(kw_only=True)
class DoublePendulumConfig(EnvConfig):
    """The ``task.env`` section of DoublePendulum.

    Attributes:
        maxEfforts: torques of the motors of shoulder and elbow at action 1, in N·m.
        maxVelocity: angular velocity of a joint beyond which an episode ends, in rad/s.
    """

    maxEfforts: tuple[float, float]
    maxVelocity: float


DOUBLE_PENDULUM = TaskSpec(
    task="double_pendulum.task:DoublePendulumTask",
    env=DoublePendulumConfig,
    observation_shape=(6,),
    num_actions=2,
)
