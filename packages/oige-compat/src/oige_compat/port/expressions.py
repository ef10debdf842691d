"""Rewrites the expressions of a task for the base class and the views of OIGE."""

import ast
import re

from oige_compat.check.modules import ClassInfo, dotted_name
from oige_compat.check.types import Scope, Type
from oige_compat.port.constructor import EPISODE, Constructor, key_of
from oige_compat.port.sources import Source
from oige_compat.served import canonical, is_of_isaac_sim

__all__ = ["TORCH", "ExpressionRewriter", "is_view", "leftover"]

TORCH = "omni.isaac.core.utils.torch"
OWN = {
    "_num_envs": "num_envs",
    "_device": "device",
    "obs_buf": "observations",
    "rew_buf": "rewards",
    "reset_buf": "resets",
    "states_buf": "states",
    "_rew_buf": "rewards",
}
"""Attributes of the task that have another name."""
OF_SIMULATOR = {
    "_sim_config": "the configuration of Isaac Sim",
    "_task_cfg": "a key of the configuration",
    "_cfg": "a key of the root configuration",
    "world": "the simulation of Isaac Sim",
    "_env": "the environment of OmniIsaacGymEnvs",
    "_env_pos": "positions here are relative to their world",
    "_cloner": "worlds are not cloned here",
    "_stage": "there is no stage here",
    "_dr_randomizer": "randomisation is set in the YAML file",
    "default_zero_env_path": "there are no prim paths here",
}
"""Attributes of the task that do not exist here, with the reason."""
LIMIT = re.compile(r"progress_buf.*(max_episode_length|episodeLength)")


def is_view(kinds: set[Type], source: Source) -> bool:
    """Whether an expression may be a view."""
    for kind in kinds:
        bases = [kind] if isinstance(kind, str) else source.types.foreign_bases(kind)
        if any(base.endswith("View") for base in bases):
            return True
    return False


def _self(attribute: str) -> ast.expr:
    node: ast.expr = ast.Name("self", ast.Load())
    for name in attribute.split("."):
        node = ast.Attribute(node, name, ast.Load())
    return node


class ExpressionRewriter(ast.NodeTransformer):
    """Rewrites expressions in place.

    Args:
        source: the task.
        constructor: what its constructor sets.
        scope: the method.
    """

    def __init__(self, source: Source, constructor: Constructor, scope: Scope) -> None:
        self._source = source
        self._constructor = constructor
        self._scope = scope
        self.names: set[str] = set()  # bound by imports of Isaac Sim's torch functions

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        """Rewrite an attribute of the task or of a view."""
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return self._own(node)
        holders = self._source.types.infer(node.value, self._scope)
        if is_view(holders, self._source):
            if node.attr == "count":
                return _self("num_envs")
            node.attr = {"_num_dof": "num_dof"}.get(node.attr, node.attr)
        self.generic_visit(node)
        return node

    def _own(self, node: ast.Attribute) -> ast.AST:
        sizes = {
            f"{prefix}num_{name}": number for name, number in self._constructor.sizes.items() for prefix in ("", "_")
        }
        if node.attr in sizes:
            return ast.Constant(sizes[node.attr])
        if node.attr in EPISODE:
            return _self("cfg.episodeLength")
        if node.attr in self._constructor.keys and isinstance(node.ctx, ast.Load):
            return self._key(("env", *self._constructor.keys[node.attr]))
        if node.attr in OWN:
            return ast.copy_location(ast.Attribute(node.value, OWN[node.attr], node.ctx), node)
        return node

    def _key(self, keys: tuple[str, ...]) -> ast.expr:
        """Return the expression for a key of the task's YAML file."""
        section, *names = keys
        node = _self(f"cfg.{names[0]}" if section == "env" else f"config.task.{section}.{names[0]}")
        for name in names[1:]:
            node = ast.Subscript(node, ast.Constant(name), ast.Load())
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Rewrite a key of the configuration, or a number by name of a view."""
        keys = key_of(node)
        if keys is not None and len(keys) > 1 and (keys[0] == "env" or keys[:2] in (("sim", "dt"), ("sim", "gravity"))):
            return self._key(keys)
        holder = node.value
        if isinstance(holder, ast.Attribute) and holder.attr in ("_dof_indices", "_body_indices"):
            method = "get_dof_index" if holder.attr == "_dof_indices" else "get_link_index"
            self.generic_visit(node)
            return ast.Call(ast.Attribute(holder.value, method, ast.Load()), [node.slice], [])
        self.generic_visit(node)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """Leave out the origins of the worlds."""
        right = node.right.value if isinstance(node.right, ast.Subscript) else node.right
        if dotted_name(right) == "self._env_pos" and isinstance(node.op, ast.Add | ast.Sub):
            return self.visit(node.left)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite random numbers, time limits, and calls of views."""
        name = dotted_name(node.func)
        if name == "torch.where" and len(node.args) == 3 and LIMIT.search(ast.unparse(node.args[0])):
            return self.visit(node.args[2])
        of_view = isinstance(node.func, ast.Attribute) and is_view(
            self._source.types.infer(node.func.value, self._scope), self._source
        )
        self.generic_visit(node)
        if of_view:
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "usd"]
        full = canonical(self._scope.module.resolve(name)) if name and self._is_imported(name) else name
        if full == f"{TORCH}.torch_rand_float" and len(node.args) >= 3:
            return self._uniform(node.args[0], node.args[1], node.args[2])
        if name == "torch.rand" and node.args:
            shape = node.args[0] if len(node.args) == 1 else ast.Tuple(list(node.args), ast.Load())
            return self._uniform(ast.Constant(0.0), ast.Constant(1.0), shape)
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Note names of Isaac Sim's torch functions."""
        if node.id in self._scope.module.imports or self._scope.module.stars:
            self.names.add(node.id)
        return node

    def _is_imported(self, name: str) -> bool:
        return name.partition(".")[0] in self._scope.module.imports or (
            "." not in name and any(canonical(star) == TORCH for star in self._scope.module.stars)
        )

    def _uniform(self, low: ast.expr, high: ast.expr, shape: ast.expr) -> ast.expr:
        sizes = shape.elts if isinstance(shape, ast.Tuple | ast.List) else [shape]
        if isinstance(self._scope.owner, ClassInfo):
            return ast.Call(_self("uniform"), [low, high, *sizes], [])
        return ast.Call(ast.Name("torch_rand_float", ast.Load()), [low, high, shape], [])


def leftover(node: ast.AST, scope: Scope) -> str | None:
    """Return why a rewritten statement cannot stay, or None.

    Args:
        node: the statement.
        scope: its method.
    """
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and dotted_name(each.value) == "self" and each.attr in OF_SIMULATOR:
            return OF_SIMULATOR[each.attr]
        if isinstance(each, ast.Name | ast.Attribute):
            name = dotted_name(each)
            if not name or name.partition(".")[0] not in scope.module.imports:
                continue
            full = canonical(scope.module.resolve(name))
            if is_of_isaac_sim(full) and not f"{full}.".startswith(f"{TORCH}.") and not is_prefix(full, TORCH):
                return f"{full} is of Isaac Sim"
    return None


def is_prefix(name: str, of: str) -> bool:
    """Whether a dotted name is a package of another one."""
    return of.startswith(f"{name}.")
