"""Reads the scene of a task: robots, objects, and the views of them."""

import ast
import re
from dataclasses import dataclass, field

from oige_compat.check.modules import ClassInfo, Function, dotted_name
from oige_compat.check.paths import strings_of
from oige_compat.check.types import Scope
from oige_compat.port.sources import Source

__all__ = ["ASSETS", "Element", "SceneParts", "View", "read_scene"]

ASSETS: dict[str, tuple[str, str]] = {
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
SHAPES = {
    "DynamicSphere": ("add_sphere", "radius", "0.5"),
    "VisualSphere": ("add_sphere", "radius", "0.5"),
    "FixedSphere": ("add_sphere", "radius", "0.5"),
    "DynamicCuboid": ("add_box", "size", "(1.0, 1.0, 1.0)"),
    "VisualCuboid": ("add_box", "size", "(1.0, 1.0, 1.0)"),
    "FixedCuboid": ("add_box", "size", "(1.0, 1.0, 1.0)"),
}
"""Method of the scene, keyword of the size and its default, by class of Isaac Sim."""
ROBOT = "omni.isaac.core.robots.Robot"
VIEWS = ("omni.isaac.core.articulations.ArticulationView", "omni.isaac.core.prims.RigidPrimView")


@dataclass
class Element:
    """A robot or an object of the scene.

    Attributes:
        name: last part of its path.
        position, orientation: as Python expressions; None: not given, or not a constant.
        usd: path of the USD file of a robot, as code states its end; None: unknown, or an object.
        shape: method of the scene, keyword of the size and the size, of an object.
        options: further keyword arguments.
        notes: what a user must look at.
    """

    name: str
    position: str | None = None
    orientation: str | None = None
    usd: str | None = None
    shape: tuple[str, str, str] | None = None
    options: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class View:
    """A view that a task makes.

    Attributes:
        attribute: the attribute of the task.
        name: name of the view.
        element: name of the element that it is of.
        links: pattern of links below the element; empty: the element itself.
        contacts: whether it measures contact forces.
    """

    attribute: str
    name: str
    element: str
    links: str
    contacts: bool = False


@dataclass
class SceneParts:
    """The scene of a task: elements by name, and views."""

    elements: dict[str, Element] = field(default_factory=dict)
    views: list[View] = field(default_factory=list)
    unread: list[ast.stmt] = field(default_factory=list)


def read_scene(source: Source, constants: dict[str, ast.expr]) -> SceneParts:
    """Return the scene that ``set_up_scene`` and the methods that it calls describe.

    Args:
        source: the task.
        constants: expressions that the constructor assigns to attributes.
    """
    parts = SceneParts()
    methods = source.methods()
    pending, seen = ["set_up_scene"], set[str]()
    while pending:
        name = pending.pop(0)
        if name in seen or name not in methods:
            continue
        seen.add(name)
        info, method = methods[name]
        scope = Scope(info.module, info, method)
        for statement in method.body:
            pending += _read(statement, scope, source, parts, constants)
    return parts


def _read(
    statement: ast.stmt, scope: Scope, source: Source, parts: SceneParts, constants: dict[str, ast.expr]
) -> list[str]:
    """Read one statement; return the methods of the task that it calls."""
    understood = isinstance(statement, ast.Return) or _is_bookkeeping(statement)
    called: list[str] = []
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call):
            continue
        name = dotted_name(node.func)
        if name.startswith("self.get_") and name.count(".") == 1:
            called.append(name.removeprefix("self."))
            understood = True
            continue
        for kind in source.types.infer(node, scope):
            bases = [kind] if isinstance(kind, str) else source.types.foreign_bases(kind)
            if _add_element(node, kind, bases, source, parts, constants, scope):
                understood = True
            elif any(base in VIEWS for base in bases):
                _add_view(statement, node, parts, source, scope)
                understood = True
    if not understood:
        parts.unread.append(statement)
    return called


def _is_bookkeeping(statement: ast.stmt) -> bool:
    text = ast.unparse(statement)
    return bool(
        re.search(r"\bset_up_scene\(|scene\.add\(|apply_articulation_settings|_non_root_link|initialize_views", text)
        or (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    )


def _add_element(
    node: ast.Call,
    kind: ClassInfo | str,
    bases: list[str],
    source: Source,
    parts: SceneParts,
    constants: dict[str, ast.expr],
    scope: Scope,
) -> bool:
    arguments = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    if "prim_path" not in arguments and node.args:
        arguments["prim_path"] = node.args[0]
    shape = next((SHAPES[last] for base in bases if (last := base.rpartition(".")[2]) in SHAPES), None)
    if "prim_path" not in arguments or (shape is None and ROBOT not in bases):
        return False
    path = _text(arguments["prim_path"])
    element = Element(path.rstrip("/").rpartition("/")[2] or "robot")
    pose = {"position": arguments.get("translation", arguments.get("position")), "orientation": None}
    pose["orientation"] = arguments.get("orientation")
    for key, value in pose.items():
        if value is not None:
            text = _constant(value, constants, scope)
            if text is None:
                element.notes.append(f"{key} was {ast.unparse(value)}")
            setattr(element, key, text)
    if shape is not None:
        method, keyword, default = shape
        given = arguments.get("radius" if keyword == "radius" else "size")
        size = (_constant(given, constants, scope) if given is not None else None) or default
        element.shape = (method, keyword, size)
        if any("Visual" in base for base in bases):
            element.options |= {"kinematic": "True", "collision": "False"}
        elif any("Fixed" in base for base in bases):
            element.options["kinematic"] = "True"
        if "mass" in arguments and (mass := _constant(arguments["mass"], constants, scope)):
            element.options["mass"] = mass
    elif isinstance(kind, ClassInfo):
        element.usd = next((text for text, _ in strings_of(ast.Module(kind.node.body, [])) if ".usd" in text), None)
        if re.search(r"set_drive|DriveAPI|set_gains", ast.unparse(kind.node)):
            element.notes.append(f"{kind.name} sets drives; compare them with those of the asset")
    parts.elements[element.name] = element
    return True


def _add_view(statement: ast.stmt, node: ast.Call, parts: SceneParts, source: Source, scope: Scope) -> None:
    arguments = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
    path = arguments.get("prim_paths_expr", node.args[0] if node.args else None)
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    attribute = dotted_name(target).removeprefix("self.") if isinstance(target, ast.Attribute) else ""
    if path is None or not attribute:
        parts.unread.append(statement)
        return
    _, _, below = _text(path).rpartition("/World/envs/")
    _, element, *links = [*below.split("/"), ""][:2] + below.split("/")[2:]
    contacts = ast.unparse(arguments["track_contact_forces"]) if "track_contact_forces" in arguments else "False"
    name = _text(arguments["name"]) if "name" in arguments else attribute.strip("_")
    kinds = source.types.infer(node, scope)
    bases = [base for kind in kinds for base in ([kind] if isinstance(kind, str) else source.types.foreign_bases(kind))]
    is_articulation = VIEWS[0] in bases
    pattern = "" if is_articulation else "/".join(links).rpartition("/")[2]
    parts.views.append(View(attribute, name, element, pattern, contacts != "False"))


def _text(node: ast.expr) -> str:
    """Return the text of a string expression; what is not constant is left out."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(value) for value in node.values)
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    return ""


def _constant(node: ast.expr, constants: dict[str, ast.expr], scope: Scope) -> str | None:
    """Return a number or a tuple of numbers as text, from an expression of literals and tensors of them."""
    if isinstance(node, ast.Attribute) and dotted_name(node).startswith("self."):
        value = constants.get(node.attr)
        return _constant(value, {}, scope) if value is not None else None
    if isinstance(node, ast.Name) and scope.function is not None:
        values = [value for name, value in _assigned(scope.function) if name == node.id]
        return _constant(values[-1], constants, scope) if len(values) == 1 else None
    if isinstance(node, ast.Call) and dotted_name(node.func) in ("torch.tensor", "np.array", "torch.Tensor"):
        return _constant(node.args[0], constants, scope) if node.args else None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError):
        return None
    if isinstance(value, list | tuple):
        return repr(tuple(float(number) for number in value)) if all(_is_number(each) for each in value) else None
    return repr(float(value)) if _is_number(value) else None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _assigned(function: Function) -> list[tuple[str, ast.expr]]:
    return [
        (node.targets[0].id, node.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]
