"""Make Factory's Franka from the Franka Panda: the same links, with Factory's fingertip frame, pads and joints.

    uv run python tools/factory_franka.py

writes ``factory_franka.xml`` beside ``franka_panda.xml``; then run ``oige-usd --robots oige_tasks_manipulation``.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import mujoco
import numpy as np
from oige_tasks_manipulation.franka.factory import (
    ANGULAR_DAMPING,
    FINGER_FRICTION,
    FINGER_LENGTH,
    FINGERPAD_LENGTH,
    FINGERTIP_LINK,
    HAND_LENGTH,
    LARGEST_ACCELERATION,
    LARGEST_GRIP,
    LINEAR_DAMPING,
    MAX_ANGULAR_VELOCITY,
    MAX_LINEAR_VELOCITY,
    SCREW_JOINT_POSITIONS,
)
from oige_tasks_manipulation.franka.robot import FINGER_JOINTS, FRANKA, JOINT_NAMES

NOTE = (
    " Made from franka_panda.xml by tools/factory_franka.py, which says what differs and why; do not edit.\n"
    "     damping has coefficients of v, v|v| and v^3. "
)


def joint_damping(mjcf: Path) -> dict[str, tuple[float, float]]:
    """Return what stands for Factory's damping and speed limits of links, by name of a joint.

    PhysX slows the links themselves, which MuJoCo does not: each loses ``LINEAR_DAMPING`` of its linear and
    ``ANGULAR_DAMPING`` of its angular momentum per second. A moving joint j thereby feels −D q̇ with
    D = Σ c m |Jv|² + c' Jw' I Jw over the links that it moves; here at the start of Screw. Speeds of links are limited
    to 2 rad/s and 1 m/s. A cubic term holds a joint at that speed against the largest effort of the tasks: its inertia
    times ``LARGEST_ACCELERATION``, or ``LARGEST_GRIP`` for a finger; at a quarter of that speed it is 1/64 of that.

    Args:
        mjcf: the robot without armature.

    Returns:
        Coefficients of v, in N·m·s/rad or N·s/m, and of v³, in N·m·s³/rad³ or N·s³/m³.
    """
    spec = mujoco.MjSpec.from_file(str(mjcf))
    for joint in spec.joints:
        joint.armature = 0.0
    model = spec.compile()
    data = mujoco.MjData(model)
    data.qpos[:7] = SCREW_JOINT_POSITIONS
    mujoco.mj_forward(model, data)
    inertia, linear, angular = np.zeros((9, 9)), np.zeros((3, 9)), np.zeros((3, 9))
    mujoco.mj_fullM(model, data, inertia)
    damping = np.zeros(9)
    for body in range(1, model.nbody):
        mujoco.mj_jacBodyCom(model, data, linear, angular, body)
        axes = data.ximat[body].reshape(3, 3)
        in_body = axes.T @ angular
        damping += LINEAR_DAMPING * model.body_mass[body] * (linear**2).sum(axis=0)
        damping += ANGULAR_DAMPING * (model.body_inertia[body][:, None] * in_body**2).sum(axis=0)
    result = {}
    for index, name in enumerate(JOINT_NAMES):
        finger = name in FINGER_JOINTS
        effort = LARGEST_GRIP if finger else LARGEST_ACCELERATION * inertia[index, index]
        speed = MAX_LINEAR_VELOCITY if finger else MAX_ANGULAR_VELOCITY
        result[name] = float(damping[index]), float((effort / speed - damping[index]) / speed**2)
    return result


def write_model(source: Path, target: Path) -> None:
    """Write Factory's robot.

    * The link ``panda_fingertip_centered``, without mass, is between the tips of the fingers.
    * Joints have no armature, because the original's have none: operational-space control multiplies accelerations by
      the inertia that it finds, and with rotors of 0.2 kg·m² a turn of the wrist would push the shoulder 30 times as
      hard.
    * Joint 7 has no limits: an M16 nut needs 7.5 turns, and the task does not let go of it.
    * Pads have Factory's length and friction, and end at the tips.
    """
    tree = ElementTree.parse(source)
    root = tree.getroot()
    root.set("model", "factory_franka")
    root.insert(0, ElementTree.Comment(NOTE))
    for joint in root.find("default").iter("joint"):
        for key in ("damping", "armature"):
            joint.attrib.pop(key, None)
    damping = joint_damping(source)
    for joint in root.find("worldbody").iter("joint"):
        linear, cubic = damping[joint.get("name")]
        joint.set("damping", f"{linear:.6g} 0 {cubic:.6g}")
        if joint.get("name") == "panda_joint7":
            del joint.attrib["range"]
            joint.set("limited", "false")
    finger_boxes = root.find(".//default[@class='finger_box']/geom")
    finger_boxes.set("friction", f"{FINGER_FRICTION:g}")
    middle = FINGER_LENGTH - 0.5 * FINGERPAD_LENGTH
    for geom in root.iter("geom"):
        if geom.get("name", "").endswith("finger_pad"):
            x, y, _ = geom.get("size").split()
            geom.set("size", f"{x} {y} {0.5 * FINGERPAD_LENGTH:.6g}")
            x, y, _ = geom.get("pos").split()
            geom.set("pos", f"{x} {y} {middle:.6g}")
    hand = root.find(".//body[@name='panda_hand']")
    ElementTree.SubElement(hand, "body", name=FINGERTIP_LINK, pos=f"0 0 {HAND_LENGTH + FINGER_LENGTH:.6g}")
    ElementTree.indent(tree)
    target.write_text(ElementTree.tostring(root, encoding="unicode") + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    write_model(FRANKA.mjcf, FRANKA.mjcf.with_name("factory_franka.xml"))
