"""Effort limits of drives at which joints would swing."""

import math

import pytest
from oige_compat.building.limits import without_shaking_limits
from oige_compat.session import Session
from oige_core.scene import ArticulationAsset, Drive

# A joint at the centre of a body of 2 kg·m².
WHEEL = """<mujoco><worldbody><body name="base"><geom size="0.1" mass="1"/><body name="wheel">
<inertial pos="0 0 0" mass="1" diaginertia="2 2 2"/><joint name="axle" axis="0 0 1"/>
</body></body></worldbody></mujoco>"""
STEP = 0.01  # s


@pytest.mark.parametrize(
    ("damping", "limit"),
    [
        (390.0, 50.0),  # damping removes 390 · 0.01 / 2 = 1.95 of a velocity of 1
        (410.0, math.inf),  # 2.05
    ],
)
def test_limit_is_kept_unless_damping_turns_the_velocity_round(damping: float, limit: float) -> None:
    drive = Drive(stiffness=10.0, damping=damping, max_effort=50.0)
    session = Session()
    asset = without_shaking_limits(ArticulationAsset(mjcf=WHEEL, drives={".*": drive}), None, STEP, session)
    assert next(iter(asset.drives.values())) == Drive(stiffness=10.0, damping=damping, max_effort=limit)
    assert bool(session.notes) == math.isinf(limit)


def test_note_names_the_joints_and_what_to_do() -> None:
    session = Session()
    asset = ArticulationAsset(mjcf=WHEEL, drives={"axle": Drive(damping=500.0, max_effort=50.0)})
    without_shaking_limits(asset, ["axle"], STEP, session)
    assert session.notes == {
        "axle: the effort limits of these drives are not applied: with their damping, the joints would swing between "
        "the limits. Reduce the damping to keep the limits."
    }


def test_other_joints_keep_their_limits() -> None:
    asset = ArticulationAsset(mjcf=WHEEL, drives={"axle": Drive(damping=500.0, max_effort=50.0)})
    assert without_shaking_limits(asset, [], STEP, Session()).drives == asset.drives
