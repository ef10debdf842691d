"""Finds the files of robots and objects that code names."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from oige_compat.check.files import ASSETS, CodeBase
from oige_compat.check.findings import Finding
from oige_compat.check.modules import Module
from oige_compat.parts import find_part
from oige_compat.props import PROPS
from oige_compat.served import Served

__all__ = ["OUR_ROBOTS", "asset_state", "find_assets", "strings_of"]

OUR_ROBOTS: dict[str, str] = {
    "Robots/Cartpole/cartpole.usd": "Cartpole",
    "Robots/BalanceBot/balance_bot.usd": "BallBalance",
    "Robots/Ingenuity/ingenuity.usd": "Ingenuity",
    "Robots/Crazyflie/cf2x.usd": "Crazyflie",
    "Robots/Quadcopter/quadcopter.usd": "Quadcopter",
    "Robots/Carter/nova_carter.usd": "TargetFollowing",
    "Robots/Humanoid/humanoid_instanceable.usd": "Humanoid",
    "Robots/Ant/ant_instanceable.usd": "Ant",
    "Robots/ANYbotics/anymal_instanceable.usd": "Anymal",
    "Robots/ShadowHand/shadow_hand_instanceable.usd": "ShadowHand",
    "Robots/AllegroHand/allegro_hand_instanceable.usd": "AllegroHand",
    "Robots/Franka/franka_instanceable.usd": "FrankaCabinet",
    "Robots/FactoryFranka/factory_franka.usd": "FactoryTaskNutBoltPick",
    "Props/Sektion_Cabinet/sektion_cabinet_instanceable.usd": "FrankaCabinet",
}
"""Tasks whose robots stand for USD files under Isaac Sim's asset root, by the end of the path."""
SERVER = ("omniverse://", "http://", "https://", "/Isaac/", "/NVIDIA/", "/Robots/", "/Props/")


def find_assets(module: Module, code: CodeBase) -> Iterator[Finding]:
    """Yield the files of robots and objects that strings of a module name."""
    for text, line in strings_of(module.tree):
        if text.lower().endswith(ASSETS) and not any(letter.isspace() for letter in text):
            served = asset_state(text, code)
            yield Finding("asset", text, served.state, served.text, module.source.name, line)


def asset_state(text: str, code: CodeBase) -> Served:
    """Return what becomes of the path of a file, of which code may state only the end."""
    robot = next((task for path, task in OUR_ROBOTS.items() if f"/{text}".endswith(f"/{path}")), None)
    if robot is not None:
        return Served("served", f"the robot or object of {robot} stands for it")
    if find_part(f"/{text}") is not None:
        return Served("served", "a body of OIGE stands for it")
    if any(f"/{text}".endswith(f"/{path}") for path in PROPS):
        return Served("served", "an object of OIGE stands for it")
    end = PurePosixPath(text.replace("\\", "/").lstrip("./"))
    if any(f"/{name}".endswith(f"/{end}") or name == text for name in code.assets):
        return Served("approximated", "is converted; the report of the conversion says what is lost")
    if text.startswith(SERVER):
        return Served("missing", "is on Isaac Sim's server; put the file into the project")
    return Served("missing", "there is no such file in the code base")


def strings_of(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the strings of a module and their lines; of formatted strings, the text after the last value."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts.update(id(value) for value in node.values[:-1])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation | parts:
            yield node.value, node.lineno
