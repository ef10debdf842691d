"""Make Factory's Franka from the Franka Panda: the same links, with Factory's fingertip frame, pads and joints.

    uv run python tools/factory_franka.py

writes ``factory_franka.xml`` beside ``franka_panda.xml``; then run ``oige-usd --robots oige_tasks_manipulation``.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from oige_tasks_manipulation.franka.factory import (
    FINGER_CONTACT_TIME,
    FINGER_DAMPING,
    FINGER_FRICTION,
    FINGER_LENGTH,
    FINGERPAD_LENGTH,
    FINGERTIP_LINK,
    HAND_LENGTH,
)
from oige_tasks_manipulation.franka.robot import FRANKA

NOTE = " Made from franka_panda.xml by tools/factory_franka.py, which says what differs and why; do not edit. "


def find(element: ElementTree.Element, path: str) -> ElementTree.Element:
    """Return the first element below another one at an XPath, which must exist."""
    found = element.find(path)
    assert found is not None, path
    return found


def write_model(source: Path, target: Path) -> None:
    """Write Factory's robot.

    * The link ``panda_fingertip_centered``, without mass, is between the tips of the fingers.
    * Joints have no armature, because the original's have none: operational-space control multiplies accelerations by
      the inertia that it finds, and with rotors of 0.2 kg·m² a turn of the wrist would push the shoulder 30 times as
      hard.
    * Joints of the arm have no damping, because Factory damps links: see :func:`damping_efforts
      <oige_tasks_manipulation.franka.factory.damping_efforts>`. Fingers have a damping that limits
      their speed.
    * Joint 7 has no limits: an M16 nut needs 7.5 turns, and the task does not let go of it.
    * Pads have Factory's length and friction, and end at the tips. Their contacts are stiffer.
    """
    tree = ElementTree.parse(source)
    root = tree.getroot()
    root.set("model", "factory_franka")
    root.insert(0, ElementTree.Comment(NOTE))
    for joint in find(root, "default").iter("joint"):
        for key in ("damping", "armature"):
            joint.attrib.pop(key, None)
    find(root, ".//default[@class='finger']/joint").set("damping", f"{FINGER_DAMPING:g}")
    wrist = find(root, ".//joint[@name='panda_joint7']")
    del wrist.attrib["range"]
    wrist.set("limited", "false")
    finger_boxes = find(root, ".//default[@class='finger_box']/geom")
    finger_boxes.set("friction", f"{FINGER_FRICTION:g}")
    finger_boxes.set("solref", f"{FINGER_CONTACT_TIME:g} 1")
    middle = FINGER_LENGTH - 0.5 * FINGERPAD_LENGTH
    for geom in root.iter("geom"):
        if geom.get("name", "").endswith("finger_pad"):
            x, y, _ = geom.attrib["size"].split()
            geom.set("size", f"{x} {y} {0.5 * FINGERPAD_LENGTH:.6g}")
            x, y, _ = geom.attrib["pos"].split()
            geom.set("pos", f"{x} {y} {middle:.6g}")
    hand = find(root, ".//body[@name='panda_hand']")
    ElementTree.SubElement(hand, "body", name=FINGERTIP_LINK, pos=f"0 0 {HAND_LENGTH + FINGER_LENGTH:.6g}")
    ElementTree.indent(tree)
    target.write_text(ElementTree.tostring(root, encoding="unicode") + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    source = Path(FRANKA.mjcf)
    write_model(source, source.with_name("factory_franka.xml"))
