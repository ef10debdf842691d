"""Robots and objects of OIGE that stand for USD files of Isaac Sim."""

from dataclasses import dataclass

__all__ = ["OBJECTS", "ROBOTS", "Body", "find_by_end"]

ROBOTS: dict[str, tuple[str, str]] = {
    "Robots/Cartpole/cartpole.usd": ("oige_tasks_classic.cartpole.task", "CARTPOLE_ASSET"),
    "Robots/BalanceBot/balance_bot.usd": ("oige_tasks_classic.ball_balance.task", "BALANCE_BOT"),
    "Robots/Ingenuity/ingenuity.usd": ("oige_tasks_classic.ingenuity.task", "INGENUITY_ASSET"),
    "Robots/Crazyflie/cf2x.usd": ("oige_tasks_classic.crazyflie.task", "CRAZYFLIE_ASSET"),
    "Robots/Quadcopter/quadcopter.usd": ("oige_tasks_classic.quadcopter.task", "QUADCOPTER_ASSET"),
    "Robots/Carter/nova_carter.usd": ("oige_tasks_locomotion.target_following.task", "CARTER_ASSET"),
    "Robots/Humanoid/humanoid_instanceable.usd": ("oige_tasks_locomotion.humanoid.task", "HUMANOID_ASSET"),
    "Robots/Ant/ant_instanceable.usd": ("oige_tasks_locomotion.ant.task", "ANT_ASSET"),
    "Robots/ANYbotics/anymal_instanceable.usd": ("oige_tasks_locomotion.anymal.robot", "ANYMAL_ASSET"),
    "Robots/ShadowHand/shadow_hand_instanceable.usd": ("oige_tasks_manipulation.shadow_hand.robot", "SHADOW_HAND"),
    "Robots/AllegroHand/allegro_hand_instanceable.usd": ("oige_tasks_manipulation.allegro_hand.robot", "ALLEGRO_HAND"),
    "Robots/Franka/franka_instanceable.usd": ("oige_tasks_manipulation.franka.robot", "FRANKA"),
    "Robots/FactoryFranka/factory_franka.usd": ("oige_tasks_manipulation.franka.factory", "FACTORY_FRANKA"),
    "Props/Sektion_Cabinet/sektion_cabinet_instanceable.usd": (
        "oige_tasks_manipulation.franka_cabinet.cabinet",
        "CABINET",
    ),
}
"""Our robots by the end of the path of the USD file for which they stand: module and name."""


@dataclass(frozen=True)
class Body:
    """A body that stands for a USD file.

    Attributes:
        edge: of a cube, in m.
        density: in kg/m³.
        source: task of OIGE that has this body.
    """

    edge: float
    density: float
    source: str


OBJECTS: dict[str, Body] = {
    "Props/Blocks/block_instanceable.usd": Body(0.05, 567.0, "ShadowHand"),
    "Props/Blocks/nvidia_cube.usd": Body(0.05, 1000.0, "TargetFollowing"),
}
"""Bodies by the end of the path of their USD file."""


def find_by_end(table: dict, path: str | None):
    """Return the entry of a table for a path, of which code may state only the end; None if there is none."""
    end = f"/{path or ''}".replace("\\", "/")
    return next((entry for key, entry in table.items() if end.endswith(f"/{key}")), None)
