"""Scenes of a robot of five links, and errors of one line."""

from pathlib import Path
from typing import Any

import pytest
from oige_core.config import ActorConfig, SimConfig
from oige_core.engines.mujoco.engine import MujocoEngine
from oige_core.errors import OigeError
from oige_core.scene import ArticulationAsset, Scene

# Breadth first: root, a, b, a2, b2; MuJoCo's order is root, a, a2, b, b2.
LINKS = """<mujoco><worldbody><body name="root">
  <body name="a"><joint name="a" axis="0 1 0"/><geom size=".1"/>
    <body name="a2"><joint name="a2" axis="0 1 0"/><geom size=".1"/></body></body>
  <body name="b" pos="1 0 0"><joint name="b" axis="0 1 0"/><geom size=".1"/>
    <body name="b2"><joint name="b2" axis="0 1 0"/><geom size=".1"/></body></body>
</body></worldbody></mujoco>"""


def asset(mjcf: str | Path = LINKS, **options: Any) -> ArticulationAsset:
    return ArticulationAsset(mjcf=mjcf, **options)


def new_scene(
    num_envs: int = 1, actors: dict[str, ActorConfig] | None = None, **sim: Any
) -> tuple[MujocoEngine, Scene]:
    engine = MujocoEngine(num_envs, num_threads=1)
    return engine, Scene(engine, SimConfig(actors=actors or {}, **sim))


def raises(kind: type[OigeError], message: str) -> Any:
    """Expect an error whose whole, single line matches."""
    return pytest.raises(kind, match=rf"\A{message}\Z")
