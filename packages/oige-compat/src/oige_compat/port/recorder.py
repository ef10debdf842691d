"""Records what a task adds to the stage of Isaac Sim."""

import ast
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from oige_compat.port.evaluate import Evaluator
from oige_compat.port.values import UNKNOWN, Foreign, Frame, Instance, is_known

__all__ = ["ENV", "Element", "SceneRecorder", "View"]

ENV = "/World/envs/env_0"
SHAPES = {
    "Sphere": ("sphere", "radius"),
    "Cuboid": ("box", "size"),
    "Capsule": ("capsule", "radius"),
    "Cylinder": ("cylinder", "radius"),
}
KINDS = ("Dynamic", "Visual", "Fixed")
ARTICULATIONS = ("ArticulationView", "RobotView")
BODIES = ("RigidPrimView", "XFormPrimView", "GeometryPrimView")
ROBOT_CLASSES = ("Robot", "WheeledRobot", "Articulation", "SingleArticulation", "Manipulator")
PRIMS = ("XFormPrim", "RigidPrim", "GeometryPrim", "SingleXFormPrim", "SingleRigidPrim", "SingleGeometryPrim")
HARMLESS = {
    "add", "apply_on_startup_domain_randomization", "clear_default_states", "enable_extension", "get_current_stage",
    "get_world", "is_playing", "log_error", "log_info", "log_warn", "object_exists", "print", "remove_object",
    "set_camera_view", "set_up_domain_randomization", "update_stage", "add_update_semantics",
}  # fmt: skip
"""Functions and methods whose effect the base class of OIGE has, or whose effect is not one on physics."""
LOOKS = {"CreateIntensityAttr", "CreateColorAttr", "CreateDisplayColorAttr", "DistantLight", "DomeLight", "SphereLight"}
"""Names about lights and colours."""
WITHOUT_EFFECT = (
    "RetainAccelerations", "GyroscopicForces", "MaxLinearVelocity", "MaxAngularVelocity", "MaxDepenetrationVelocity",
    "MaxContactImpulse", "SleepThreshold", "StabilizationThreshold", "ThresholdAttr",
)  # fmt: skip
"""Settings of bodies in PhysX that the embedded engine does not need."""


@dataclass(eq=False)
class Element:
    """A robot or an object on the stage.

    Attributes:
        path: of its prim.
        is_robot: whether it is an articulation.
        usd: path of its USD file, of which code may state only the end; None: an object of Isaac Sim.
        shape: ``sphere``, ``box``, ``capsule`` or ``cylinder``, of an object.
        size: its radius in m, or its edges.
        length: of a capsule or cylinder, in m.
        kind: ``Dynamic``, ``Visual`` or ``Fixed``, of an object.
        position, orientation: in m, and w, x, y, z; None: not given.
        scale: along x, y, z.
        options: ``mass`` and ``density``.
        collision: whether it collides.
        disable_gravity: whether gravity is disabled.
        section: section of ``task.sim`` with its settings; None: it has none.
        drives: stiffness, damping and maximum effort by joint, in units of USD, after ``angular`` or ``linear``.
        notes: what a user must look at.
    """

    path: str
    is_robot: bool = False
    usd: str | None = None
    shape: str | None = None
    size: Any = None
    length: Any = None
    kind: str = "Dynamic"
    position: Any = None
    orientation: Any = None
    scale: tuple[float, ...] | None = None
    options: dict[str, float] = field(default_factory=dict)
    collision: bool = True
    disable_gravity: bool = False
    section: str | None = None
    drives: dict[str, tuple[str, float, float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        """Names on its path below the world."""
        return self.path.removeprefix(ENV).strip("/").split("/")


@dataclass(eq=False)
class View:
    """A view that a task makes.

    Attributes:
        expression: of the paths of prims.
        name: its name.
        is_articulation: whether it is one of articulations.
        contacts: whether it measures contact forces.
        mass: of its bodies, in kg; None: not given.
    """

    expression: str
    name: str
    is_articulation: bool
    contacts: bool = False
    mass: float | None = None

    @property
    def parts(self) -> list[str]:
        """Expressions of the names below the world."""
        found = re.match(r"^/World/envs/[^/]*/(.*)$", self.expression)
        return found[1].strip("/").split("/") if found else []


@dataclass(frozen=True)
class Prim:
    """A prim of the stage, by its path."""

    path: str


@dataclass(frozen=True)
class Section:
    """A section of ``task.sim``, by name."""

    name: str


class SceneRecorder:
    """Records elements and views.

    It stands for the configuration of the simulation, too, through which tasks apply settings.

    Args:
        config: the task's YAML file.

    Attributes:
        config: the task's YAML file, which a constructor may change.
        elements: by path.
        views: all views, in the order in which they were made.
        evaluator: what evaluates the code.
    """

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config
        self.elements: dict[str, Element] = {}
        self.views: list[View] = []
        self.evaluator: Evaluator | None = None
        self._made: Element | View | None = None

    # What Evaluator calls

    def call(self, name: str, arguments: list[Any], options: dict[str, Any], frame: Frame) -> Any:
        """See :class:`~oige_compat.port.evaluate.Recorder`."""
        last = name.rpartition(".")[2]
        if "." not in name:
            return self._call_set_drive(arguments, options) if name == "set_drive" else NotImplemented
        method = getattr(self, f"_call_{last}", None)
        if method is not None:
            return method(arguments, options)
        if last in HARMLESS or "Light" in name or last in LOOKS:
            return Foreign(name) if name[0] != "." and last[:1].isupper() else UNKNOWN
        if self._makes(last, arguments, options):
            return self._made
        return NotImplemented if last[:1].islower() or name.startswith((".", "pxr.")) else Foreign(name)

    def construct(self, instance: Instance, bases: list[str], arguments: list[Any], options: dict[str, Any]) -> bool:
        """See :class:`~oige_compat.port.evaluate.Recorder`."""
        found = False
        for base in bases:
            last = base.rpartition(".")[2]
            if base.startswith("omniisaacgymenvs.tasks.") or last in ("BaseTask", "RLTask", "RLTaskInterface"):
                return True
            if base.startswith("omniisaacgymenvs.robots.articulations.views."):
                last = "ArticulationView"
            elif base.startswith("omniisaacgymenvs.robots."):
                last = "Robot"
            if self._makes(last, arguments, options):
                instance.record, found = self._made, True
        return found

    def attribute(self, holder: Any, name: str) -> Any:
        """See :class:`~oige_compat.port.evaluate.Recorder`."""
        record = holder.record if isinstance(holder, Instance) else holder
        if isinstance(record, Element | View):
            if name in ("prim_path", "_prim_path") and isinstance(record, Element):
                return record.path
            if name == "prim" and isinstance(record, Element):
                return Prim(record.path)
            if name == "name" and isinstance(record, View):
                return record.name
        if holder is self and name in ("task_config", "_task_config"):
            return self.config
        return NotImplemented

    def set(self, node: ast.Call, value: Any, frame: Frame) -> bool:
        """See :class:`~oige_compat.port.evaluate.Recorder`."""
        text = ast.unparse(node.func)
        if "DisableGravityAttr" in text:
            instance = frame.function.instance
            record = instance.record if instance is not None else None
            if isinstance(record, Element):
                record.disable_gravity = record.disable_gravity or value is True
                return is_known(value)
        is_zero = "DampingAttr" in text and "RigidBody" not in text and value == 0 and not isinstance(value, bool)
        return is_zero or any(name in text for name in (*LOOKS, *WITHOUT_EFFECT))

    # Robots, objects and views

    def _makes(self, kind: str, arguments: list[Any], options: dict[str, Any]) -> bool:
        """Record what a class of Isaac Sim makes; return False for other classes."""
        given = dict(options)
        names = ("prim_paths_expr", "name") if kind in ARTICULATIONS + BODIES else ("prim_path", "name")
        given = {**dict(zip(names, arguments, strict=False)), **given}
        if kind in ARTICULATIONS + BODIES:
            self._made = self._view(kind, given)
            return True
        path = given.get("prim_path")
        if not isinstance(path, str):
            return False
        start = next((each for each in KINDS if kind.startswith(each)), None)
        if start is not None and kind.removeprefix(start) in SHAPES:
            self._made = self._object(path, start, kind.removeprefix(start), given)
            return True
        if kind in ROBOT_CLASSES + PRIMS:
            element = self._element(path)
            element.is_robot = element.is_robot or kind in ROBOT_CLASSES
            self._pose(element, given)
            self._made = element
            return True
        return False

    def _view(self, kind: str, given: dict[str, Any]) -> View:
        expression = given.get("prim_paths_expr")
        masses = _numbers(given.get("masses"))
        view = View(
            expression if isinstance(expression, str) else "",
            str(given.get("name") or "view"),
            kind in ARTICULATIONS,
            given.get("track_contact_forces") is True,
            masses[0] if masses else None,
        )
        self.views.append(view)
        return view

    def _object(self, path: str, kind: str, shape: str, given: dict[str, Any]) -> Element:
        element = self.elements.setdefault(path, Element(path))
        element.shape, keyword = SHAPES[shape]
        element.kind = kind
        element.size = given.get(keyword)
        element.length = given.get("height")
        self._pose(element, given)
        for key in ("mass", "density"):
            value = given.get(key)
            if isinstance(value, int | float):
                element.options[key] = float(value)
            elif value is not None:
                element.notes.append(f"{key} was not a constant")
        self._condition(element)
        return element

    def _condition(self, element: Element) -> None:
        evaluator = self.evaluator
        if evaluator is not None and evaluator.conditions:
            element.notes.append(f"it is in the scene only if {evaluator.conditions[-1]}")

    def _element(self, path: str) -> Element:
        """Return the element at a path, or above it."""
        above = [each for each in self.elements if path == each or path.startswith(f"{each}/")]
        if above:
            return self.elements[max(above, key=len)]
        self.elements[path] = element = Element(path)
        self._condition(element)
        return element

    def _pose(self, element: Element, given: dict[str, Any]) -> None:
        position = given.get("translation") if given.get("translation") is not None else given.get("position")
        for key, value, count in (("position", position, 3), ("orientation", given.get("orientation"), 4)):
            if value is None:
                continue
            numbers = _numbers(value)
            if numbers is None or len(numbers) != count:
                element.notes.append(f"its {key} is not a constant in the original")
            else:
                setattr(element, key, numbers)
        scale = _numbers(given.get("scale"))
        if scale and len(scale) == 3:
            element.scale = scale

    # Functions

    def _call_get_assets_root_path(self, arguments: list[Any], options: dict[str, Any]) -> str:
        return ""

    _call_get_full_asset_path = _call_get_assets_root_path

    def _call_get_prim_at_path(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        path = arguments[0] if arguments else options.get("prim_path")
        return Prim(path) if isinstance(path, str) else UNKNOWN

    def _call_GetPrimAtPath(self, arguments: list[Any], options: dict[str, Any]) -> Any:  # noqa: N802
        return self._call_get_prim_at_path(arguments[1:], options)

    def _call_add_reference_to_stage(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        usd, path = [*arguments, UNKNOWN, UNKNOWN][:2]
        usd, path = options.get("usd_path", usd), options.get("prim_path", path)
        if not isinstance(path, str):
            return NotImplemented
        element = self._element(path)
        element.usd = usd if isinstance(usd, str) else "an unknown file"
        return Prim(path)

    def _call_parse_actor_config(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        names = [each for each in arguments if isinstance(each, str)]
        return Section(names[0]) if names else UNKNOWN

    def _call_apply_articulation_settings(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        _, _, prim, section = [*arguments, None, None, None, None][:4]
        prim, section = options.get("prim", prim), options.get("cfg", section)
        if not isinstance(prim, Prim) or not isinstance(section, Section):
            return NotImplemented
        self._element(prim.path).section = section.name
        return None

    _call_apply_rigid_body_settings = _call_apply_articulation_settings

    def _call_set_collision_enabled(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        element = self._record(arguments)
        if element is None:
            return NotImplemented
        element.collision = bool([*arguments[1:], *options.values()][0])
        return None

    def _call_clone(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Copy an object, as a Cloner of the task does."""
        source, paths = options.get("source_prim_path"), options.get("prim_paths")
        element = self.elements.get(source) if isinstance(source, str) else None
        if element is None or not isinstance(paths, list) or not is_known(paths):
            return NotImplemented
        positions = options.get("positions")
        rows = positions.tolist() if isinstance(positions, np.ndarray | torch.Tensor) else None
        for number, path in enumerate(paths):
            copied = Element(**{**vars(element), "path": path, "notes": list(element.notes)})
            if rows is not None and number < len(rows):
                copied.position = tuple(float(each) for each in rows[number])
            elif positions is not None:
                copied.notes.append("its position is not a constant in the original")
            self.elements[path] = copied
        return None

    def _call_GetChildren(self, arguments: list[Any], options: dict[str, Any]) -> Any:  # noqa: N802
        return UNKNOWN

    _call_HasAPI = _call_GetPrimPath = _call_GetPath = _call_Get = _call_GetChildren

    def _call_Apply(self, arguments: list[Any], options: dict[str, Any]) -> Any:  # noqa: N802
        """Take a schema that is applied to a prim; what sets its attributes follows."""
        return UNKNOWN

    def _call_set_drive(self, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Record ``set_drive`` of OmniIsaacGymEnvs, with gains in units of USD."""
        names = ("prim_path", "drive_type", "target_type", "target_value", "stiffness", "damping", "max_force")
        given = {**dict(zip(names, arguments, strict=False)), **options}
        path, kind, *gains = (
            given.get(name) for name in ("prim_path", "drive_type", "stiffness", "damping", "max_force")
        )
        if not isinstance(path, str) or kind not in ("angular", "linear") or len(given) != len(names):
            return NotImplemented
        if not all(isinstance(gain, int | float) for gain in gains) or given["target_type"] != "position":
            return NotImplemented
        stiffness, damping, limit = (float(gain) for gain in gains if isinstance(gain, int | float))
        self._element(path).drives[path.rpartition("/")[2]] = kind, stiffness, damping, limit
        return None

    def _record(self, arguments: list[Any]) -> Element | None:
        holder = arguments[0] if arguments else None
        record = holder.record if isinstance(holder, Instance) else holder
        return record if isinstance(record, Element) else None


def _numbers(value: Any) -> tuple[float, ...] | None:
    """Return a tuple of numbers from a list, a tensor or an array; None for other values."""
    if isinstance(value, torch.Tensor | np.ndarray):
        value = value.reshape(-1).tolist()
    if isinstance(value, list | tuple) and all(isinstance(each, int | float) for each in value):
        return tuple(round(float(each), 7) for each in value)
    return None
