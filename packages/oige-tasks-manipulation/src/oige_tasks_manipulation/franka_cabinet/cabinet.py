"""A kitchen cabinet with two doors and two drawers."""

from pathlib import Path

from oige_core import ArticulationAsset

__all__ = ["CABINET", "DRAWER_TOP", "DRAWER_TOP_JOINT"]

DRAWER_TOP = "drawer_top"
"""Link of the upper drawer."""

DRAWER_TOP_JOINT = "drawer_top_joint"
"""Joint of the upper drawer, which opens from 0 to 0.4 m."""

CABINET = ArticulationAsset(
    mjcf=Path(__file__).parent / "assets" / "sektion_cabinet.xml",
    usd="Props/Sektion_Cabinet/sektion_cabinet_instanceable.usd",
)
"""The cabinet. Nothing drives its joints."""
