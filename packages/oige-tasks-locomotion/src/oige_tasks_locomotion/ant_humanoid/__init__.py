"""Code that Ant and Humanoid share. Both run along x, towards a target 1 km away."""

from dataclasses import dataclass

from oige_core import EnvConfig

__all__ = ["LocomotionConfig"]


@dataclass(kw_only=True)
class LocomotionConfig(EnvConfig):
    """The ``task.env`` section of Ant and Humanoid.

    Attributes:
        powerScale: torque of a joint at action 1, as a fraction of its gear.
        headingWeight: reward per step for facing the target.
        upWeight: reward per step for an upright torso.
        alive_reward_scale: reward per step without a fall.
        actionsCost: cost of squared actions.
        energyCost: cost of action times scaled joint velocity.
        jointsAtLimitCost: cost per joint at a limit.
        deathCost: reward of the step in which the torso falls, instead of all other terms.
        terminationHeight: height of the torso below which it has fallen, in metres.
        dofVelocityScale: scale of observed joint velocities.
        angularVelocityScale: scale of the torso's observed angular velocity.
        contactForceScale: scale of observed forces and torques at the feet.
    """

    powerScale: float
    headingWeight: float
    upWeight: float
    alive_reward_scale: float
    actionsCost: float
    energyCost: float
    jointsAtLimitCost: float
    deathCost: float
    terminationHeight: float
    dofVelocityScale: float
    angularVelocityScale: float
    contactForceScale: float
