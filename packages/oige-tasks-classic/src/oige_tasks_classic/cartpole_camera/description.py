"""What CartpoleCamera observes; it acts and is rewarded as Cartpole."""

from oige_core import RunConfig
from oige_core.description import Quantity, TaskDescription

from oige_tasks_classic.cartpole.description import ACTIONS, FAILURE_NOTE, RANDOMIZATION, REWARDS, endings
from oige_tasks_classic.cartpole_camera import CartpoleCameraConfig

__all__ = ["describe_cartpole_camera"]

COLORS = ("red", "green", "blue")


def describe_cartpole_camera(env: CartpoleCameraConfig, _: RunConfig) -> TaskDescription:
    """Return the description of CartpoleCamera."""
    upstream = env.compat == "upstream"
    size = (
        f"{env.cameraWidth} columns × {env.cameraHeight} rows"
        if upstream
        else f"{env.cameraHeight} rows × {env.cameraWidth} columns"
    )
    ages = [(env.frames - 1 - frame) * env.frameInterval for frame in range(env.frames)]
    return TaskDescription(
        summary="A cart on a rail balances a pole. Observations are images of a camera.",
        observations=tuple(
            Quantity(
                name=f"image_{age}_steps_ago" if age else "image",
                text=f"image {age} control steps ago" if age else "current image",
                unit="0 to 1" if upstream else "0 to 255",
                components=COLORS,
            )
            for age in ages
        ),
        observation_notes=f"Images have {size} (`cameraHeight`, `cameraWidth`), and the table lists their channels. "
        "`frames` is the number of images, `frameInterval` the number of control steps between them. After a reset, "
        "all are the first image of the episode.",
        actions=ACTIONS,
        rewards=REWARDS,
        reward_notes=FAILURE_NOTE,
        endings=endings(env),
        randomization=RANDOMIZATION,
        layouts=({"task.env.compat": "upstream"},),
    )
