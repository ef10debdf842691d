"""Attributes that OmniIsaacGymEnvs lacks and that real robots need: what sensors, motors, cameras and networks do.

Nothing here imports torch at first, because configurations are validated without it.
"""

from typing import TYPE_CHECKING, Any

from oige_core.randomization.attribute import TRIGGERS, Attribute

if TYPE_CHECKING:
    import torch

__all__ = ["BODY", "CAMERAS", "JOINTS", "LIGHT", "LINKS", "SIGNAL_ATTRIBUTES"]

_EMBEDDED = ("MuJoCo", "MuJoCo Warp")

SIGNAL_ATTRIBUTES: dict[str, Attribute] = {
    "delay": Attribute(
        unit="control steps",
        dimension="1",
        meaning="delay of the signal; until a value arrives, observations are the first ones, and actions are zero",
        triggers=TRIGGERS,
        lowest=0.0,
        is_whole=True,
        is_zero=True,
        read=lambda path: path.delay.delays.float(),
        write=lambda path, values, worlds: path.delay.set_delays(values, worlds),
    ),
    "drop": Attribute(
        unit="1",
        dimension="1",
        meaning="probability that the signal of a control step is dropped; the last one that arrived remains",
        triggers=TRIGGERS,
        lowest=0.0,
        highest=1.0,
        is_zero=True,
        read=lambda path: path.drop.probabilities,
        write=lambda path, values, worlds: path.drop.set_probabilities(values, worlds),
    ),
}
"""Attributes of observations and of actions, besides their noise."""

LIGHT: dict[str, Attribute] = {
    "light_direction": Attribute(
        unit="1",
        dimension="3",
        meaning="direction in which sunlight travels in images, of any length",
        triggers=TRIGGERS,
        engines=_EMBEDDED,
        read=lambda engine: engine.get_light_directions(),
        write=lambda engine, values, worlds: engine.set_light_directions(values, worlds),
    ),
    "light_intensity": Attribute(
        unit="1",
        dimension="1",
        meaning="intensity of sunlight in images, relative to the initial one",
        triggers=TRIGGERS,
        lowest=0.0,
        engines=_EMBEDDED,
        read=lambda engine: engine.get_light_intensities(),
        write=lambda engine, values, worlds: engine.set_light_intensities(values, worlds),
    ),
}

BODY: dict[str, Attribute] = {
    "shape": Attribute(
        unit="1",
        dimension="1",
        meaning="shape, of the same volume unless the task states its size; the mass stays, and the inertia follows",
        triggers=TRIGGERS,
        choices=("sphere", "box", "capsule", "cylinder"),
        engines=_EMBEDDED,
        read=lambda view: view.get_shapes().float(),
        write=lambda view, values, worlds: view.set_shapes(values, worlds),
    ),
    "com": Attribute(
        unit="m",
        dimension="3",
        meaning="centre of mass in the body frame",
        triggers=TRIGGERS,
        repeats=True,
        read=lambda view: view.get_coms(),
        write=lambda view, values, worlds: view.set_coms(values, worlds),
    ),
    "color": Attribute(
        unit="1",
        dimension="3",
        meaning="red, green and blue, from 0 to 1, in images of cameras",
        triggers=TRIGGERS,
        lowest=0.0,
        repeats=True,
        read=lambda view: view.get_colors(),
        write=lambda view, values, worlds: view.set_colors(values, worlds),
    ),
}

JOINTS: dict[str, Attribute] = {
    "motor_strength": Attribute(
        unit="1",
        dimension="dofs",
        meaning="factor of the efforts of the drives, with their gains and maximum efforts",
        triggers=TRIGGERS,
        lowest=0.0,
        read=lambda view: view.get_motor_strengths(),
        write=lambda view, values, worlds: view.set_motor_strengths(values, worlds),
    ),
    "encoder_bias": Attribute(
        unit="rad, m",
        dimension="dofs",
        meaning="error of the measured joint positions, which tasks read and drives control",
        triggers=TRIGGERS,
        is_zero=True,
        read=lambda view: view.get_encoder_biases(),
        write=lambda view, values, worlds: view.set_encoder_biases(values, worlds),
    ),
}

LINKS: dict[str, Attribute] = {
    "body_coms": Attribute(
        unit="m",
        dimension="3 × links",
        meaning="centres of mass in the link frames",
        triggers=TRIGGERS,
        repeats=True,
        read=lambda view: view.get_body_coms(),
        write=lambda view, values, worlds: view.set_body_coms(values, worlds),
    ),
    "color": Attribute(
        unit="1",
        dimension="3 × links",
        meaning="red, green and blue of the links, from 0 to 1, in images of cameras",
        triggers=TRIGGERS,
        lowest=0.0,
        repeats=True,
        read=lambda view: view.get_body_colors(),
        write=lambda view, values, worlds: view.set_body_colors(values, worlds),
    ),
}

CAMERAS: dict[str, Attribute] = {
    "position": Attribute(
        unit="m",
        dimension="3",
        meaning="position of the camera in the frame of its parent",
        triggers=TRIGGERS,
        read=lambda view: view.get_local_poses()[0],
        write=lambda view, values, worlds: view.set_local_poses(translations=values, indices=worlds),
    ),
    "orientation": Attribute(
        unit="rad",
        dimension="3",
        meaning="roll, pitch and yaw of the camera in the frame of its parent",
        triggers=TRIGGERS,
        read=lambda view: _angles(view.get_local_poses()[1]),
        write=lambda view, values, worlds: view.set_local_poses(orientations=_orientations(values), indices=worlds),
    ),
    "horizontal_fov": Attribute(
        unit="rad",
        dimension="1",
        meaning="angle between the left and the right edge of images",
        triggers=TRIGGERS,
        read=lambda view: view.get_horizontal_fovs(),
        write=lambda view, values, worlds: view.set_horizontal_fovs(values.clamp(1e-3, 3.14), worlds),
    ),
}


def _angles(orientations: "torch.Tensor") -> Any:
    from oige_core.math import euler_xyz_from_quat

    return euler_xyz_from_quat(orientations)


def _orientations(angles: "torch.Tensor") -> Any:
    from oige_core.math import quat_from_euler_xyz

    return quat_from_euler_xyz(angles)
