"""Turns the methods of a task into those of OIGE's base class."""

import ast
import copy
import re

from oige_compat.check.modules import ClassInfo, Function, Module, dotted_name
from oige_compat.check.types import Scope, Type
from oige_compat.port.constructor import Constructor, Moved, live_statements, names_of_reads
from oige_compat.port.expressions import PLAYING, ExpressionRewriter, is_limit, is_origin, is_view, leftover
from oige_compat.port.resets import is_reset, kept_state, remove_resets
from oige_compat.port.scene_writer import SceneWriter
from oige_compat.port.sources import Source
from oige_compat.port.statements import add_comments, arguments_of, define, entry_of, is_comment, mark, parse_lines

__all__ = ["MethodPorter"]

DROPPED = {"__init__", "update_config", "initialize_views", "set_up_scene", "set_is_extension", "cleanup"}
GUARD = "is_playing"
OF_VIEWS = ("_body_indices", "_device", "_dof_indices", "_num_dof", "_num_envs", "count", "device", "name", "num_envs")
"""Attributes of views that have a counterpart."""
TIMED = ("get_observations", "get_states", "is_done", "calculate_metrics")
"""Methods whose results the base class of OIGE uses."""


class MethodPorter:
    """Ports the methods of one task.

    Args:
        source: the task.
        constructor: what its constructor sets.
        scene: what writes its scene.
    """

    def __init__(self, source: Source, constructor: Constructor, scene: SceneWriter) -> None:
        self.source = source
        self.constructor = constructor
        self.names: set[str] = set()
        self._scene = scene
        self._limits: list[ast.expr] = []
        self._dictionaries: dict[str, ast.expr | None] = {}
        self._returned = ""
        self._knows_resets = False
        self.early = self._is_computed_early()

    def _is_computed_early(self) -> bool:
        """Whether ``is_done`` needs what ``calculate_metrics`` assigns, which runs later here."""
        methods = self.source.methods()
        if "calculate_metrics" not in methods or "is_done" not in methods:
            return False
        stored, read = set[str](), set[str]()
        for name, names, context in (("calculate_metrics", stored, ast.Store), ("is_done", read, ast.Load)):
            for node in ast.walk(methods[name][1]):
                if isinstance(node, ast.Attribute) and dotted_name(node.value) == "self":
                    if isinstance(node.ctx, context):
                        names.add(node.attr)
                elif isinstance(node, ast.Subscript) and context is ast.Store and isinstance(node.ctx, ast.Store):
                    names.add(dotted_name(node.value).removeprefix("self."))
        return bool((stored - {"rew_buf"}) & (read | {"reset_buf"}))

    def methods(self, read_elsewhere: set[str], first: list[str]) -> list[ast.stmt]:
        """Return the methods of the class after ``set_up_scene``.

        Args:
            read_elsewhere: attributes that other classes read.
            first: lines with which ``post_reset`` starts, after the buffers.
        """
        methods = self.source.methods()
        moved = self._moved(read_elsewhere)
        called = {name for each in moved for name in names_of_reads(each.statement)}
        dropped = DROPPED | {name for name in self.constructor.scene_methods if name not in called}
        found: list[ast.stmt] = []
        for name, (info, method) in sorted(methods.items(), key=lambda item: item[0] != "pre_physics_step"):
            if name not in dropped:
                found += self._method(name, info, method)
        if self.constructor.sizes.get("states") and "get_states" not in methods:
            found.append(define("get_states", "self, worlds=None", ["return self.rows(self.states.clone(), worlds)"]))
        if "post_reset" not in methods:
            found.insert(0, define("post_reset", "self", []))
        found += self._overridden()
        for each in found:
            if isinstance(each, ast.FunctionDef) and each.name == "post_reset":
                self._start(each, moved, first)
        if self._limits:
            text = f"return {ast.unparse(self._limits[0])}"
            if text != "return self.progress_buf >= self.cfg.episodeLength":
                found.append(define("is_cut_short", "self", [text]))
        return sorted(found, key=_order)

    def _moved(self, read_elsewhere: set[str]) -> list[Moved]:
        """Return the statements of the constructor and of the scene that other methods need."""
        read = set(read_elsewhere)
        building = {*DROPPED, *self.constructor.scene_methods}
        for info in self.source.classes:
            for name, method in info.methods.items():
                if name not in building:
                    read |= names_of_reads(method)
        return live_statements(self.constructor, read, self._scene.built)

    def _method(self, name: str, info: ClassInfo, method: Function) -> list[ast.stmt]:
        node = self.ported(method, Scope(info.module, info, method), name, own=True)
        special = getattr(self, f"_port_{name}", None)
        return special(node) if special is not None else [node]

    def ported(self, method: Function, scope: Scope, name: str, *, own: bool = False) -> ast.FunctionDef:
        """Return a copy of a method with a rewritten body.

        Args:
            method: the method.
            scope: where it is.
            name: its name.
            own: whether the base class of OIGE calls it by this name.
        """
        assert isinstance(method, ast.FunctionDef)
        node = copy.deepcopy(method)
        node.returns = None
        add_comments(node, scope.module)
        self._returned = self._result(name) if own else ""
        self._dictionaries = {}
        node.body = self._body(node.body, scope, name)
        return node

    def _result(self, name: str) -> str:
        """Return the expression that a method with a meaning returns here; empty: what the original returns."""
        return {
            "get_observations": "self.rows(self.observations.clone(), worlds)",
            "get_states": "self.rows(self.states.clone(), worlds)",
            "is_done": "self.resets.bool()",
            "calculate_metrics": "" if self.early else "self.rewards.clone()",
        }.get(name, "")

    def _overridden(self) -> list[ast.stmt]:
        """Return methods of base classes that the task overrides and calls, under names of their own."""
        found: list[ast.stmt] = []
        defined = {id(method) for _, method in self.source.methods().values()}
        for info in self.source.classes[1:]:
            for name, method in info.methods.items():
                if id(method) in defined or name in DROPPED or method.decorator_list:  # abstract, or a property
                    continue
                node = self.ported(method, Scope(info.module, info, method), name)
                node.name = _base_name(info, name)
                found.append(node)
        return found

    def function(self, module: Module, function: Function) -> ast.stmt:
        """Return a function of a module."""
        node = copy.deepcopy(function)
        add_comments(node, module)
        node.body = self._body(node.body, Scope(module, None, function), "")  # whatever its name is
        return node

    # Statements

    def _body(self, body: list[ast.stmt], scope: Scope, method: str) -> list[ast.stmt]:
        found: list[ast.stmt] = []
        for statement in body:
            found += self.statement(statement, scope, method)
        return found if any(not is_comment(each) for each in found) else [*found, ast.Pass()]

    def statement(self, statement: ast.stmt, scope: Scope, method: str) -> list[ast.stmt]:
        """Return what takes the place of a statement of a method."""
        original = ast.unparse(statement)
        if self._is_dropped(statement, original, method):
            return []
        if isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
            return self._compound(statement, scope, method)
        called = self._base_call(statement, scope, method)
        if called is not None:
            return called
        buffered = self._buffered(statement, method)
        if buffered is not None:
            following = self._return() if isinstance(statement, ast.Return) else []
            return [*(new for each in buffered for new in self.statement(each, scope, "")), *following]
        rewriter = self._rewriter(scope)
        reason = self._unknown_call(statement, scope)
        changed = rewriter.visit(statement)
        reason = reason or leftover(changed, scope)
        if reason is not None:
            return mark(reason, original)
        self._keep(rewriter)
        if isinstance(changed, ast.Assign) and ast.unparse(changed.targets[0]) == ast.unparse(changed.value):
            return []
        if method in TIMED and isinstance(changed, ast.Return):
            return self._return()
        return [*_tendon_limits(changed), changed]

    def _rewriter(self, scope: Scope) -> ExpressionRewriter:
        return ExpressionRewriter(self.source, self.constructor, scope, self._scene.several)

    def _keep(self, rewriter: ExpressionRewriter) -> None:
        self.names |= rewriter.names
        self._limits += rewriter.limits

    def _return(self) -> list[ast.stmt]:
        """Return the statement that ends the method."""
        return parse_lines([f"return {self._returned}".strip()])

    def _buffered(self, statement: ast.stmt, method: str) -> list[ast.stmt] | None:
        """Return assignments to the buffer for a statement that makes or returns results; None for other statements.

        The original returns a dictionary by view, or a tensor.
        """
        buffer = {"get_observations": "obs_buf", "get_states": "states_buf"}.get(method)
        value = statement.value if isinstance(statement, ast.Assign | ast.Return) else None
        if buffer is None:
            return None
        if isinstance(statement, ast.Return):
            if isinstance(value, ast.Name) and value.id in self._dictionaries:
                return []
            inner = entry_of(value, buffer) if isinstance(value, ast.Dict) else value
        elif isinstance(value, ast.Dict) and isinstance(statement, ast.Assign) and entry_of(value, buffer) is not None:
            inner = entry_of(value, buffer)
            if isinstance(statement.targets[0], ast.Name):
                self._dictionaries[statement.targets[0].id] = inner
        else:
            return None
        if inner is None or ast.unparse(inner) in (f"self.{buffer}", "None"):
            return []
        target = ast.Attribute(ast.Name("self", ast.Load()), buffer, ast.Store())
        return [ast.fix_missing_locations(ast.Assign([target], inner, lineno=1))]

    def _compound(self, statement: ast.stmt, scope: Scope, method: str) -> list[ast.stmt]:
        rewriter = self._rewriter(scope)
        original = ast.unparse(statement)
        if isinstance(statement, ast.If) and PLAYING.fullmatch(ast.unparse(statement.test)) and not statement.orelse:
            return self._body(statement.body, scope, method)
        for key in ("test", "iter", "target", "items"):
            value = getattr(statement, key, None)
            if isinstance(value, ast.expr):
                changed = rewriter.visit(value)
                reason = leftover(changed, scope)
                if reason is not None:
                    return mark(reason, original)
                setattr(statement, key, changed)
        self._keep(rewriter)
        for key in ("body", "orelse", "finalbody"):
            inner = getattr(statement, key, None)
            if inner:
                setattr(statement, key, self._body(inner, scope, method))
        return [statement]

    def _is_dropped(self, statement: ast.stmt, text: str, method: str) -> bool:
        """Whether the base class of OIGE does what a statement does."""
        if isinstance(statement, ast.If):
            return (GUARD in text and not statement.orelse and isinstance(statement.body[-1], ast.Return)) or (
                method == "pre_physics_step" and is_reset(statement)
            )
        if method == "reset_idx" and re.match(r"self\.(reset_buf|progress_buf)\[.*\] = (0|False)$", text):
            return True
        if isinstance(statement, ast.AugAssign) and is_origin(statement.value):
            return isinstance(statement.op, ast.Add | ast.Sub)
        return method == "post_reset" and re.match(r"self\.reset_idx\(", text) is not None

    def _base_call(self, statement: ast.stmt, scope: Scope, method: str) -> list[ast.stmt] | None:
        """Return what replaces a call of a method of a base class; None for other statements."""
        value = statement.value if isinstance(statement, ast.Expr | ast.Return | ast.Assign) else None
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute) or scope.owner is None:
            return None
        holder, name = value.func.value, value.func.attr
        is_super = isinstance(holder, ast.Call) and dotted_name(holder.func) == "super"
        family = self.source.classes
        bases = family[family.index(scope.owner) + 1 :] if scope.owner in family else []
        named = next((each for each in bases if each.name == dotted_name(holder)), None)
        if not is_super and named is None:
            return [] if dotted_name(holder) in ("RLTask", "RLTaskInterface", "BaseTask") else None
        owner = named or next((each for each in bases if name in each.methods), None)
        if owner is None or name in DROPPED:
            return []
        value.func = ast.Attribute(ast.Name("self", ast.Load()), _base_name(owner, name), ast.Load())
        if not is_super:
            value.args = value.args[1:]
        value.args = [self._rewriter(scope).visit(each) for each in value.args]
        if isinstance(statement, ast.Return) and method in TIMED:
            return [ast.Expr(value), *self._return()]
        return [statement]

    def _unknown_call(self, statement: ast.stmt, scope: Scope) -> str | None:
        """Return why a statement cannot stay because a view here lacks a method, or None."""
        from oige_core.views import ArticulationView, RigidPrimView

        known = {*dir(ArticulationView), *dir(RigidPrimView), *OF_VIEWS}
        for node in ast.walk(statement):
            if not isinstance(node, ast.Attribute):
                continue
            kinds = self.source.types.infer(node.value, scope)
            if is_view(kinds, self.source) and node.attr not in known and not self._has(kinds, node.attr):
                return f"views have no {node.attr}"
            name = dotted_name(node)
            if is_view(self.source.types.infer(node, scope), self.source) and name.startswith("self."):
                attribute = name.removeprefix("self.")
                if attribute not in self._scene.built and "." in attribute:
                    return f"{name} is a view that the scene does not make"
        return None

    def _has(self, kinds: set[Type], name: str) -> bool:
        """Whether a class of views of the code base has a member."""
        families = (self.source.project.family(kind) for kind in kinds if isinstance(kind, ClassInfo))
        return any(name in each.methods or name in each.attributes for family in families for each in family)

    # Methods with a meaning

    def _port_reset_idx(self, node: ast.FunctionDef) -> list[ast.stmt]:
        worlds = node.args.args[1].arg if len(node.args.args) > 1 else "env_ids"
        node.args = arguments_of("self, worlds")
        before, after = kept_state(self.source, self._scene.states)
        start = [
            *before,
            "super().reset_idx(worlds)",
            *after,
            *(["self.just_reset[worlds] = True"] if self._knows_resets else []),
            f"{worlds} = worlds.nonzero().squeeze(-1) if worlds.dtype == torch.bool else worlds",
        ]
        node.body = [*parse_lines(start), *node.body]
        return [node]

    def _port_pre_physics_step(self, node: ast.FunctionDef) -> list[ast.stmt]:
        """Take out the reset of worlds, which the base class has done before; keep the variable with their numbers."""
        text = ast.unparse(node)
        for statement in list(node.body):
            found = re.match(r"(\w+) = self\.resets\.nonzero\(", ast.unparse(statement))
            if found:
                node.body.remove(statement)
                remove_resets(node.body, found[1])
                if len(re.findall(rf"\b{found[1]}\b", text)) > 1:
                    self._knows_resets = True
                    start = [f"{found[1]} = self.just_reset.nonzero().squeeze(-1)"]
                    node.body[:0] = parse_lines([*start, "self.just_reset = torch.zeros_like(self.just_reset)"])
        return [node]

    def _port_get_observations(self, node: ast.FunctionDef) -> list[ast.stmt]:
        node.args = arguments_of("self, worlds=None")
        self._end(node, "get_observations")
        return [node]

    def _port_get_states(self, node: ast.FunctionDef) -> list[ast.stmt]:
        node.args = arguments_of("self, worlds=None")
        self._end(node, "get_states")
        return [node]

    def _end(self, node: ast.FunctionDef, name: str) -> None:
        """Let a method end with the result that the base class expects."""
        if not isinstance(node.body[-1], ast.Return):
            node.body += parse_lines([f"return {self._result(name)}"])

    def _port_calculate_metrics(self, node: ast.FunctionDef) -> list[ast.stmt]:
        if not self.early:
            self._end(node, "calculate_metrics")
            return [node]
        node.name = "compute_rewards"
        return [node, define("calculate_metrics", "self", ["return self.rewards.clone()"])]

    def _port_is_done(self, node: ast.FunctionDef) -> list[ast.stmt]:
        start = ["self.resets = torch.zeros_like(self.progress_buf)"]
        if self.early:
            start.append("self.compute_rewards()")
        body = [each for each in node.body if not isinstance(each, ast.Pass)]
        self._move_limits(body)
        node.body = [*parse_lines(start), *body]
        self._end(node, "is_done")
        if "progress_buf" in ast.unparse(ast.Module(body, [])):
            reason = "episodes that reach the time limit count as terminated here; let the base class truncate them"
            node.body[:0] = mark(reason, "")
        return [node]

    def _move_limits(self, body: list[ast.stmt]) -> None:
        """Take variables that say that an episode has reached its time limit out of expressions with ``|``."""
        for statement in list(body):
            if not isinstance(statement, ast.Assign) or not is_limit(statement.value):
                continue
            target, others = statement.targets[0], [each for each in body if each is not statement]
            if not isinstance(target, ast.Name):
                continue
            uses = [each for other in others for each in ast.walk(other) if _is_named(each, target.id)]
            taken = [each for other in others for each in ast.walk(other) if _operand(each, target.id)]
            if uses and len(uses) == len(taken):
                for other in others:
                    _Without(target.id).visit(other)
                self._limits.append(statement.value)
                body.remove(statement)

    def _start(self, node: ast.FunctionDef, moved: list[Moved], first: list[str]) -> None:
        """Create buffers, and the constants that methods read, at the start of ``post_reset``."""
        observations, states = self.constructor.sizes.get("observations", 0), self.constructor.sizes.get("states", 0)
        start = [
            f"self.observations = torch.zeros(self.num_envs, {observations}, device=self.device)",
            "self.rewards = torch.zeros(self.num_envs, device=self.device)",
            "self.resets = torch.zeros_like(self.progress_buf)",
        ]
        if states:
            start.append(f"self.states = torch.zeros(self.num_envs, {states}, device=self.device)")
        if self._knows_resets:
            start.append("self.just_reset = torch.zeros_like(self.ended_buf)")
        assigned = {name for name, stored in self.constructor.stores.items() if "actions" in stored}
        if "pre_physics_step" in assigned and not assigned & {"post_reset", "__init__", "update_config"}:
            # The base class observes worlds before their first step, OmniIsaacGymEnvs after one with zeros.
            actions = self.constructor.sizes.get("actions", 0)
            start.append(f"self.actions = torch.zeros(self.num_envs, {actions}, device=self.device)")
        statements = [new for each in moved for new in self.statement(each.statement, each.scope, "post_reset")]
        body = [each for each in node.body if not isinstance(each, ast.Pass)]
        node.body = [*parse_lines([*start, *first]), *statements, *body]


class _Without(ast.NodeTransformer):
    """Replaces ``name | other`` by ``other``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Leave the variable out."""
        self.generic_visit(node)
        if _operand(node, self._name):
            return node.right if _is_named(node.left, self._name) else node.left
        return node


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _operand(node: ast.AST, name: str) -> bool:
    """Whether an expression is ``name | other`` or ``other | name``."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitOr):
        return False
    return _is_named(node.left, name) or _is_named(node.right, name)


def _tendon_limits(statement: ast.stmt) -> list[ast.stmt]:
    """Take the stiffness of the limits of tendons out of a call; return a mark if there was one."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith(".set_fixed_tendon_properties"):
        return []
    given = [keyword for keyword in call.keywords if keyword.arg == "limit_stiffnesses"]
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != "limit_stiffnesses"]
    reason = "tendons keep the stiffness of their limits that the robot of OIGE has; the original sets"
    return [new for keyword in given for new in mark(reason, ast.unparse(keyword))]


def _base_name(info: ClassInfo, method: str) -> str:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", info.name).lower()
    return f"_{snake}_{method}"


def _order(node: ast.stmt) -> int:
    names = [
        "post_reset",
        "reset_idx",
        "pre_physics_step",
        "get_observations",
        "get_states",
        "is_done",
        "calculate_metrics",
    ]
    name = getattr(node, "name", "")
    return names.index(name) if name in names else len(names)
