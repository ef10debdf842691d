"""A glass beaker whose wall is a ring of boxes."""

import math

from oige_core import RigidAsset

__all__ = ["BEAKER", "FRAME_HEIGHT", "HEIGHT", "INNER_RADIUS", "OUTER_RADIUS"]

OUTER_RADIUS, INNER_RADIUS = 0.085, 0.057  # m; of the wall that things touch, thick so that none passes through it
GLASS_THICKNESS = 0.004  # m; of the wall that is seen, inwards from the outer radius
HEIGHT = 0.165  # m
FRAME_HEIGHT = 0.095  # m; of the frame of the body above its foot

SIDES = 16
SPOUT = 3 * math.pi / 4  # rad; its direction, about z
MARKS = (0.03, 0.05, 0.07, 0.09, 0.11)  # m; heights of the lines of the scale
STIFF = 'solmix="1000" solimp="0.99 0.999 0.001"'  # as the fingers are
GLASS, RIM, WHITE = "0.75 0.88 0.95 0.25", "0.8 0.92 0.98 0.6", "0.95 0.95 0.95 0.9"


def _seen(shape: str) -> str:
    return f'<geom contype="0" conaffinity="0" mass="0" {shape}/>'


def _panel(angle: float, half_width: float, thickness: float, more: str = "") -> str:
    """Return a box at the outer radius in the direction ``angle``, without the brackets of its element."""
    middle = OUTER_RADIUS - 0.5 * thickness
    place = f"{middle * math.cos(angle)} {middle * math.sin(angle)} {0.5 * HEIGHT - FRAME_HEIGHT}"
    size = f"{0.5 * thickness} {half_width} {0.5 * HEIGHT}"
    return f'type="box" size="{size}" euler="0 0 {angle}" pos="{place}" rgba="{GLASS}" {more}'


def _mjcf() -> str:
    """Return the body: a wall that things touch; a foot, a rim, a spout and a scale that are only seen."""
    half_width = OUTER_RADIUS * math.tan(math.pi / SIDES)
    shapes = [_seen(f'type="cylinder" size="{OUTER_RADIUS} 0.0005" pos="0 0 {0.0005 - FRAME_HEIGHT}" rgba="{GLASS}"')]
    for side in range(SIDES):
        angle = 2.0 * math.pi * side / SIDES
        wall = _panel(angle, half_width, OUTER_RADIUS - INNER_RADIUS, f'{STIFF} group="3"')
        shapes.append(f"<geom {wall}/>")
        shapes.append(_seen(_panel(angle, half_width, GLASS_THICKNESS)))
        corners = (
            f"{OUTER_RADIUS * math.cos(turn)} {OUTER_RADIUS * math.sin(turn)} {HEIGHT - FRAME_HEIGHT}"
            for turn in (angle - math.pi / SIDES, angle + math.pi / SIDES)
        )
        shapes.append(_seen(f'type="capsule" size="0.003" fromto="{" ".join(corners)}" rgba="{RIM}"'))
    for side in (-1.0, 1.0):
        foot, tip = SPOUT + 0.25 * side, (OUTER_RADIUS + 0.014) / OUTER_RADIUS
        points = ((math.cos(foot), math.sin(foot)), (tip * math.cos(SPOUT), tip * math.sin(SPOUT)))
        ends = (f"{OUTER_RADIUS * x} {OUTER_RADIUS * y} {HEIGHT - FRAME_HEIGHT}" for x, y in points)
        shapes.append(_seen(f'type="capsule" size="0.003" fromto="{" ".join(ends)}" rgba="{RIM}"'))
    for number, height in enumerate(MARKS):
        # On the side that faces the robot; every other line is longer.
        size = f"0.0005 {0.014 if number % 2 else 0.008} 0.0008"
        place = f"{-OUTER_RADIUS - 0.0005} 0 {height - FRAME_HEIGHT}"
        shapes.append(_seen(f'type="box" size="{size}" pos="{place}" rgba="{WHITE}"'))
    inertial = '<inertial pos="0 0 0" mass="0.3" diaginertia="1e-3 1e-3 1e-3"/>'
    return (
        '<mujoco><compiler angle="radian"/><worldbody><body name="beaker">'
        f"{inertial}{''.join(shapes)}</body></worldbody></mujoco>"
    )


BEAKER = RigidAsset(mjcf=_mjcf())
"""A beaker with the shape of one of 500 ml, enlarged to 17 cm × 16.5 cm.

Its size follows from OmniIsaacGymEnvs' reward, which lets the tube sink within 7 cm of the axis and asks for 18 cm of
height before. The ground serves as its bottom.
"""
