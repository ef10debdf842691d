"""Infers what expressions are instances of, without running code: classes of the code base and of Isaac Sim."""

import ast
from dataclasses import dataclass

from oige_compat.check.modules import ClassInfo, Function, Module, Project, assignments, dotted_name, is_self
from oige_compat.served import canonical, is_of_isaac_sim

__all__ = ["Scope", "Type", "TypeInference"]

Type = ClassInfo | str
"""A class of the code base, or the canonical name of a class of Isaac Sim."""

PRIM = "pxr.Usd.Prim"
STAGE = "pxr.Usd.Stage"
ATTRIBUTE = "pxr.Usd.Attribute"
WORLD = "omni.isaac.core.World"
SCENE = "omni.isaac.core.scenes.Scene"
ARTICULATIONS = "omni.isaac.core.articulations.ArticulationView"
ROBOT = "omni.isaac.core.robots.Robot"

RETURNS: dict[str, str] = {
    "omni.isaac.core.utils.prims.get_prim_at_path": PRIM,
    "omni.isaac.core.utils.prims.define_prim": PRIM,
    "omni.isaac.core.utils.prims.create_prim": PRIM,
    "omni.isaac.core.utils.prims.get_prim_parent": PRIM,
    "omni.isaac.core.utils.prims.get_prim_children": PRIM,
    "omni.isaac.core.utils.stage.get_current_stage": STAGE,
    "omni.isaac.core.utils.stage.add_reference_to_stage": PRIM,
    "omni.usd.get_context": "omni.usd.UsdContext",
    "omni.usd.UsdContext.get_stage": STAGE,
    "pxr.Usd.Stage.GetPrimAtPath": PRIM,
    "pxr.Usd.Stage.DefinePrim": PRIM,
    "pxr.Usd.Prim.GetChildren": PRIM,
    "pxr.Usd.Prim.GetParent": PRIM,
    "pxr.Usd.Prim.GetPrim": PRIM,
    "pxr.Usd.Prim.GetAttribute": ATTRIBUTE,
    "pxr.Usd.Prim.CreateAttribute": ATTRIBUTE,
    "omni.isaac.core.prims.XFormPrim.prim": PRIM,
    "omni.isaac.core.tasks.BaseTask.world": WORLD,
    "omni.isaac.core.tasks.BaseTask.scene": SCENE,
    "omni.isaac.gym.vec_env.VecEnvBase.world": WORLD,
    f"{WORLD}.scene": SCENE,
    f"{WORLD}.stage": STAGE,
    f"{WORLD}.get_physics_context": "omni.isaac.core.physics_context.PhysicsContext",
    f"{SCENE}.stage": STAGE,
}
"""What functions and methods return, and what attributes are."""
PARAMETERS = {"scene": SCENE}
"""What parameters of methods are by their name."""
UPSTREAM = {
    "omniisaacgymenvs.robots.articulations.views.": ARTICULATIONS,
    "omniisaacgymenvs.robots.articulations.": ROBOT,
    "omniisaacgymenvs.tasks.": "omni.isaac.core.tasks.BaseTask",
}
"""What classes of OmniIsaacGymEnvs derive from, by the start of their name, if the code base does not have them."""
DEPTH = 14


@dataclass(frozen=True)
class Scope:
    """Where an expression is.

    Attributes:
        module: its module.
        owner: its class, if it is in one.
        function: its function, if it is in one.
    """

    module: Module
    owner: ClassInfo | None = None
    function: Function | None = None


class TypeInference:
    """Infers types in a code base.

    Args:
        project: its modules.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._known: dict[tuple[ast.expr, Scope], set[Type]] = {}
        self._locals: dict[Function, dict[str, list[ast.expr]]] = {}

    def infer(self, node: ast.expr, scope: Scope, depth: int = 0) -> set[Type]:
        """Return the classes of which an expression may be an instance; a list counts as its elements."""
        key = node, scope
        if key in self._known:
            return self._known[key]
        if depth > DEPTH:
            return set()
        self._known[key] = set()  # an expression that leads back to itself
        self._known[key] = found = self._infer(node, scope, depth + 1)
        return found

    def class_named(self, name: str, module: Module) -> Type | None:
        """Return the class that a dotted name in a module stands for, or None."""
        full = module.resolve(name)
        if full.startswith("pxr.") and full.count(".") > 2:
            return None  # a method of a class
        info = self.project.find_class(full)
        if info is None and "." not in name:
            stars = (self.project.find_class(f"{star}.{name}") for star in module.stars)
            info = next((each for each in stars if each is not None), None)
        if info is not None:
            return info
        return self._foreign_class(full) if name.partition(".")[0] in module.imports else None

    def foreign_bases(self, info: ClassInfo) -> list[str]:
        """Return the classes of Isaac Sim from which a class of the code base derives."""
        found = (self._foreign_class(name) for name in self.project.foreign_bases(info))
        return [name for name in found if name is not None]

    def _foreign_class(self, name: str) -> str | None:
        for start, base in UPSTREAM.items():
            if name.startswith(start) and name.rpartition(".")[2][:1].isupper():
                return base
        return canonical(name) if is_of_isaac_sim(name) and name.rpartition(".")[2][:1].isupper() else None

    def _infer(self, node: ast.expr, scope: Scope, depth: int) -> set[Type]:
        match node:
            case ast.Name():
                return self._name(node, scope, depth)
            case ast.Attribute():
                return self._attribute(node, scope, depth)
            case ast.Call():
                return self._call(node, scope, depth)
            case ast.Subscript() | ast.Starred() | ast.Await() | ast.NamedExpr():
                return self.infer(node.value, scope, depth)
            case ast.List() | ast.Tuple() | ast.Set():
                return self._union(node.elts[:20], scope, depth)
            case ast.Dict():
                return self._union(node.values[:20], scope, depth)
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
                return self.infer(node.elt, scope, depth)
            case ast.IfExp():
                return self._union([node.body, node.orelse], scope, depth)
            case ast.BoolOp():
                return self._union(node.values, scope, depth)
        return set()

    def _union(self, nodes: list[ast.expr], scope: Scope, depth: int) -> set[Type]:
        return set[Type]().union(*(self.infer(node, scope, depth) for node in nodes))

    def _name(self, node: ast.Name, scope: Scope, depth: int) -> set[Type]:
        if is_self(node) and scope.owner is not None:
            return {scope.owner}
        if scope.function is not None:
            values = self._locals_of(scope.function).get(node.id)
            if values:
                return self._union(values, scope, depth)
            arguments = scope.function.args
            for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
                if argument.arg == node.id:
                    return self._parameter(argument, scope)
        return self._union(scope.module.values.get(node.id, []), Scope(scope.module), depth)

    def _parameter(self, argument: ast.arg, scope: Scope) -> set[Type]:
        name = dotted_name(argument.annotation) if argument.annotation is not None else ""
        annotated = self.class_named(name, scope.module) if name else None
        if annotated is not None:
            return {annotated}
        return {PARAMETERS[argument.arg]} if argument.arg in PARAMETERS else set()

    def _attribute(self, node: ast.Attribute, scope: Scope, depth: int) -> set[Type]:
        found: set[Type] = set()
        for holder in self.infer(node.value, scope, depth):
            found |= self._member(holder, node.attr, depth, called=False)
        return found

    def _member(self, holder: Type, name: str, depth: int, *, called: bool) -> set[Type]:
        """Return what an attribute of an instance is, or what its method returns."""
        if isinstance(holder, str):
            if holder.startswith("pxr.") and name.endswith("Attr"):
                return {ATTRIBUTE}
            result = RETURNS.get(f"{holder}.{name}")
            return {result} if result else set()
        found: set[Type] = set()
        for info in self.project.family(holder):
            if not called:
                for value, method in info.attributes.get(name, []):
                    found |= self.infer(value, Scope(info.module, info, method), depth)
            method = info.methods.get(name)
            if method is not None and (called or method.decorator_list):
                found |= self._returned(method, Scope(info.module, info, method), depth)
        for base in self.foreign_bases(holder):
            found |= self._member(base, name, depth, called=called)
        return found

    def _returned(self, function: Function, scope: Scope, depth: int) -> set[Type]:
        values = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None]
        return self._union(values, scope, depth)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> set[Type]:
        name = dotted_name(node.func)
        if name and not name.startswith("self."):
            found = self._named_call(name, scope, depth)
            if found:
                return found
        if not isinstance(node.func, ast.Attribute):
            return set()
        found: set[Type] = set()
        for holder in self.infer(node.func.value, scope, depth):
            found |= self._member(holder, node.func.attr, depth, called=True)
        return found

    def _named_call(self, name: str, scope: Scope, depth: int) -> set[Type]:
        known = self.class_named(name, scope.module)
        if known is not None:
            return {known}
        full = canonical(scope.module.resolve(name))
        if full in RETURNS:
            return {RETURNS[full]}
        holder, _, method = full.rpartition(".")
        if holder.startswith("pxr.") and method in ("Apply", "Get", "Define"):
            return {holder}
        function = self.project.find_function(full)
        if function is not None:
            module, node = function
            return self._returned(node, Scope(module, None, node), depth)
        return set()

    def _locals_of(self, function: Function) -> dict[str, list[ast.expr]]:
        if function not in self._locals:
            values: dict[str, list[ast.expr]] = {}
            for node in ast.walk(function):
                for target, value in assignments(node):
                    if isinstance(target, ast.Name):
                        values.setdefault(target.id, []).append(value)
            self._locals[function] = values
        return self._locals[function]
