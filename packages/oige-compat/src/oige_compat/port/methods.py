"""Turns the methods of a task into those of OIGE's base class."""

import ast
import copy
import io
import re
import tokenize

from oige_compat.check.modules import ClassInfo, Function, Module, assignments, dotted_name
from oige_compat.check.types import Scope
from oige_compat.port.constructor import Constructor
from oige_compat.port.expressions import ExpressionRewriter, is_view, leftover
from oige_compat.port.sources import Source

__all__ = ["MethodPorter", "as_lines", "mark"]

MARK = "#TODO#"
COMMENT = "#COMMENT#"
DROPPED = {"__init__", "update_config", "initialize_views", "set_up_scene", "set_is_extension", "cleanup"}
GUARD = "is_playing"


def mark(reason: str, original: str) -> list[ast.stmt]:
    """Return statements that :func:`as_lines` prints as a comment with the reason and the original lines."""
    lines = [f"{MARK}TODO(port): {reason}", *(f"{MARK}    {line}" for line in original.splitlines())]
    return [ast.Expr(ast.Constant(line)) for line in lines]


def as_lines(node: ast.AST, indent: int = 0) -> list[str]:
    """Return the source of a node, with its comments and marks."""
    text = ast.unparse(ast.fix_missing_locations(node))
    lines = []
    for line in text.splitlines():
        found = re.fullmatch(rf"(\s*)(\"\"\"|['\"])(?:{MARK}|{COMMENT})(.*)\2", line)
        if found:
            content = ast.literal_eval(line.strip())
            line = f"{found[1]}# {content.removeprefix(MARK).removeprefix(COMMENT)}".rstrip()
        lines.append(" " * indent + line if line.strip() else "")
    return lines


class MethodPorter:
    """Ports the methods of one task.

    Args:
        source: the task.
        constructor: what its constructor sets.
        elements: names of views that the scene returns, by attribute.
    """

    def __init__(self, source: Source, constructor: Constructor, built: set[str]) -> None:
        self.source = source
        self.constructor = constructor
        self.names: set[str] = set()
        self.scene_methods = self._scene_methods()
        self._built = built
        self.early = self._is_computed_early()

    def _scene_methods(self) -> set[str]:
        """Return the methods that only build the scene."""
        methods = self.source.methods()
        called: set[str] = set()
        if "set_up_scene" in methods:
            for node in ast.walk(methods["set_up_scene"][1]):
                if isinstance(node, ast.Call) and dotted_name(node.func).startswith("self.get_"):
                    called.add(dotted_name(node.func).removeprefix("self."))
        return {name for name in called if name in methods}

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

    def methods(self) -> list[ast.stmt]:
        """Return the methods of the class after ``set_up_scene``."""
        found: list[ast.stmt] = []
        methods = self.source.methods()
        for name, (info, method) in methods.items():
            if name not in DROPPED and name not in self.scene_methods:
                found += self._method(name, info, method)
        if self.constructor.sizes.get("states") and "get_states" not in methods:
            found.append(_define("get_states", "self, worlds=None", ["return self.rows(self.states.clone(), worlds)"]))
        if "post_reset" not in methods:
            found.insert(0, _define("post_reset", "self", []))
        found += self._overridden()
        read = {node.attr for each in found for node in ast.walk(each) if isinstance(node, ast.Attribute)}
        for each in found:
            if isinstance(each, ast.FunctionDef) and each.name == "post_reset":
                self._start(each, read)
        return sorted(found, key=_order)

    def _method(self, name: str, info: ClassInfo, method: Function) -> list[ast.stmt]:
        scope = Scope(info.module, info, method)
        node = copy.deepcopy(method)
        node.returns = None
        add_comments(node, info.module)
        node.body = self._body(node.body, scope, name)
        special = getattr(self, f"_port_{name}", None)
        return special(node) if special is not None else [node]

    def _overridden(self) -> list[ast.stmt]:
        """Return methods of base classes that the task overrides and calls, under names of their own."""
        found: list[ast.stmt] = []
        defined = {id(method) for _, method in self.source.methods().values()}
        for info in self.source.classes[1:]:
            for name, method in info.methods.items():
                if id(method) in defined or name in DROPPED or method.decorator_list:  # abstract, or a property
                    continue
                scope = Scope(info.module, info, method)
                node = copy.deepcopy(method)
                node.name, node.returns = _base_name(info, name), None
                add_comments(node, info.module)
                node.body = self._body(node.body, scope, name)
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
            found += self._statement(statement, scope, method)
        return found if any(not _is_comment(each) for each in found) else [*found, ast.Pass()]

    def _statement(self, statement: ast.stmt, scope: Scope, method: str) -> list[ast.stmt]:
        original = ast.unparse(statement)
        if self._is_dropped(statement, original, method):
            return []
        if isinstance(statement, ast.For | ast.While | ast.If | ast.With | ast.Try):
            return self._compound(statement, scope, method)
        called = self._base_call(statement, scope)
        if called is not None:
            return called
        rewriter = ExpressionRewriter(self.source, self.constructor, scope)
        reason = self._unknown_call(statement, scope)
        changed = rewriter.visit(statement)
        reason = reason or leftover(changed, scope)
        if reason is not None:
            return mark(reason, original)
        self.names |= rewriter.names
        if isinstance(changed, ast.Assign) and ast.unparse(changed.targets[0]) == ast.unparse(changed.value):
            return []
        return [changed]

    def _compound(self, statement: ast.stmt, scope: Scope, method: str) -> list[ast.stmt]:
        rewriter = ExpressionRewriter(self.source, self.constructor, scope)
        original = ast.unparse(statement)
        for key in ("test", "iter", "target", "items"):
            value = getattr(statement, key, None)
            if isinstance(value, ast.expr):
                changed = rewriter.visit(value)
                reason = leftover(changed, scope)
                if reason is not None:
                    return mark(reason, original)
                setattr(statement, key, changed)
        self.names |= rewriter.names
        for key in ("body", "orelse", "finalbody"):
            inner = getattr(statement, key, None)
            if inner:
                setattr(statement, key, self._body(inner, scope, method))
        return [statement]

    def _is_dropped(self, statement: ast.stmt, text: str, method: str) -> bool:
        """Whether the base class of OIGE does what a statement does."""
        if isinstance(statement, ast.If):
            return (GUARD in text and not statement.orelse and isinstance(statement.body[-1], ast.Return)) or (
                method == "pre_physics_step" and _resets(statement)
            )
        if method == "reset_idx" and re.match(r"self\.(reset_buf|progress_buf)\[.*\] = (0|False)$", text):
            return True
        if method == "get_observations" and _is_dictionary(statement):
            return True
        if method == "post_reset" and re.match(r"self\.reset_idx\(", text):
            return True
        return isinstance(statement, ast.Return) and statement.value is None

    def _base_call(self, statement: ast.stmt, scope: Scope) -> list[ast.stmt] | None:
        """Return what replaces a call of a method of a base class; None for other statements."""
        value = statement.value if isinstance(statement, ast.Expr | ast.Return | ast.Assign) else None
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute) or scope.owner is None:
            return None
        holder, name = value.func.value, value.func.attr
        is_super = isinstance(holder, ast.Call) and dotted_name(holder.func) == "super"
        bases = self.source.classes[self.source.classes.index(scope.owner) + 1 :]
        named = next((each for each in bases if each.name == dotted_name(holder)), None)
        if not is_super and named is None:
            return [] if dotted_name(holder) in ("RLTask", "RLTaskInterface", "BaseTask") else None
        owner = named or next((each for each in bases if name in each.methods), None)
        if owner is None or name in DROPPED:
            return []
        value.func = ast.Attribute(ast.Name("self", ast.Load()), _base_name(owner, name), ast.Load())
        if not is_super:
            value.args = value.args[1:]
        return [statement]

    def _unknown_call(self, statement: ast.stmt, scope: Scope) -> str | None:
        """Return why a statement cannot stay because a view here lacks a method, or None."""
        from oige_core.views import ArticulationView, RigidPrimView

        known = {*dir(ArticulationView), *dir(RigidPrimView), "count", "_dof_indices", "_body_indices", "_num_dof"}
        for node in ast.walk(statement):
            if not isinstance(node, ast.Attribute):
                continue
            kinds = self.source.types.infer(node.value, scope)
            if is_view(kinds, self.source) and node.attr not in known:
                return f"views have no {node.attr}"
            name = dotted_name(node)
            if is_view(self.source.types.infer(node, scope), self.source) and name.startswith("self."):
                attribute = name.removeprefix("self.")
                if attribute not in self._built and "." in attribute:
                    return f"{name} is a view that the scene does not make"
        return None

    # Methods with a meaning

    def _port_reset_idx(self, node: ast.FunctionDef) -> list[ast.stmt]:
        worlds = node.args.args[1].arg if len(node.args.args) > 1 else "env_ids"
        node.args = _arguments("self, worlds")
        start = [
            "super().reset_idx(worlds)",
            f"{worlds} = worlds.nonzero().squeeze(-1) if worlds.dtype == torch.bool else worlds",
        ]
        node.body = [*_parse(start), *node.body]
        return [node]

    def _port_pre_physics_step(self, node: ast.FunctionDef) -> list[ast.stmt]:
        text = ast.unparse(node)
        for statement in list(node.body):
            written = ast.unparse(statement)
            found = re.match(r"(\w+) = self\.resets\.nonzero\(", written)
            if found:
                node.body.remove(statement)
                if len(re.findall(rf"\b{found[1]}\b", text)) > 1:
                    # Worlds whose episode has ended are reset before this method.
                    node.body[:0] = _parse([f"{found[1]} = self.ended_buf.nonzero().squeeze(-1)"])
        return [node]

    def _port_get_observations(self, node: ast.FunctionDef) -> list[ast.stmt]:
        node.args = _arguments("self, worlds=None")
        node.body += _parse(["return self.rows(self.observations.clone(), worlds)"])
        return [node]

    def _port_get_states(self, node: ast.FunctionDef) -> list[ast.stmt]:
        node.args = _arguments("self, worlds=None")
        node.body = [each for each in node.body if not isinstance(each, ast.Return)]
        node.body += _parse(["return self.rows(self.states.clone(), worlds)"])
        return [node]

    def _port_calculate_metrics(self, node: ast.FunctionDef) -> list[ast.stmt]:
        if not self.early:
            node.body += _parse(["return self.rewards.clone()"])
            return [node]
        node.name = "compute_rewards"
        return [node, _define("calculate_metrics", "self", ["return self.rewards.clone()"])]

    def _port_is_done(self, node: ast.FunctionDef) -> list[ast.stmt]:
        start = ["self.resets = torch.zeros_like(self.progress_buf)"]
        if self.early:
            start.append("self.compute_rewards()")
        body = [each for each in node.body if not isinstance(each, ast.Pass)]
        node.body = [*_parse(start), *body, *_parse(["return self.resets.bool()"])]
        if "progress_buf" in ast.unparse(ast.Module(body, [])):
            reason = "episodes that reach the time limit count as terminated here; let the base class truncate them"
            node.body[:0] = mark(reason, "")
        return [node]

    def _start(self, node: ast.FunctionDef, read: set[str]) -> None:
        """Create buffers, and the constants that methods read, at the start of ``post_reset``."""
        observations, states = self.constructor.sizes.get("observations", 0), self.constructor.sizes.get("states", 0)
        start = [
            f"self.observations = torch.zeros(self.num_envs, {observations}, device=self.device)",
            "self.rewards = torch.zeros(self.num_envs, device=self.device)",
            "self.resets = torch.zeros_like(self.progress_buf)",
        ]
        if states:
            start.append(f"self.states = torch.zeros(self.num_envs, {states}, device=self.device)")
        moved: list[ast.stmt] = []
        for info, statement in self.constructor.moved:
            targets = [target.attr for target, _ in assignments(statement) if isinstance(target, ast.Attribute)]
            if targets and not set(targets) & read and "self." in ast.unparse(statement):
                continue  # only the scene needed it
            moved += self._statement(copy.deepcopy(statement), Scope(info.module, info, None), "post_reset")
        body = [each for each in node.body if not isinstance(each, ast.Pass)]
        node.body = [*_parse(start), *moved, *body]


def add_comments(function: Function, module: Module) -> None:
    """Insert the comments of a function's source as statements before those that they precede."""
    comments = _comments(module)

    def insert(body: list[ast.stmt], start: int) -> int:
        result: list[ast.stmt] = []
        for statement in body:
            lines = [number for number in comments if start < number < statement.lineno]
            result += [ast.Expr(ast.Constant(COMMENT + comments[number])) for number in lines]
            start = statement.lineno
            for key in ("body", "orelse", "finalbody"):
                inner = getattr(statement, key, None)
                if inner:
                    start = insert(inner, start)
            start = statement.end_lineno or start
            result.append(statement)
        body[:] = result
        return start

    insert(function.body, function.lineno)


def _comments(module: Module) -> dict[int, str]:
    """Return the text of comments that have a line of their own, by line."""
    found: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(module.source.text).readline):
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
            found[token.start[0]] = token.string.lstrip("# ").rstrip()
    return found


def _is_comment(statement: ast.stmt) -> bool:
    """Whether :func:`as_lines` prints a statement as a comment."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and str(value.value).startswith((MARK, COMMENT))


def _resets(statement: ast.If) -> bool:
    text = ast.unparse(statement)
    return bool(re.match(r"if (len\(\w+\) > 0|len\(\w+\)|\w+\.numel\(\) > 0):\s+self\.reset_idx\(\w+\)$", text))


def _is_dictionary(statement: ast.stmt) -> bool:
    """Whether a statement makes or returns the dictionary of observations."""
    if isinstance(statement, ast.Return):
        return True
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict)


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


def _parse(lines: list[str]) -> list[ast.stmt]:
    return ast.parse("\n".join(lines)).body


def _arguments(text: str) -> ast.arguments:
    function = ast.parse(f"def f({text}): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.args


def _define(name: str, arguments: str, body: list[str]) -> ast.FunctionDef:
    function = ast.parse(f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body or ["pass"])).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function
