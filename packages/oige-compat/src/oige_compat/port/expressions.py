"""Rewrites the expressions of a task for the base class and the views of OIGE."""

import ast
import re

from oige_compat.check.modules import ClassInfo, dotted_name
from oige_compat.check.types import Scope, Type
from oige_compat.port.constructor import EPISODE, Constructor, key_of
from oige_compat.port.sources import Source
from oige_compat.served import canonical, is_of_isaac_sim

__all__ = ["PLAYING", "TORCH", "ExpressionRewriter", "is_limit", "is_origin", "is_view", "leftover"]

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
    "_cloner": "worlds are not cloned here",
    "_stage": "there is no stage here",
    "PytorchListener": "scene.add_camera returns a view with get_rgb()",
    "pytorch_listener": "scene.add_camera returns a view with get_rgb()",
    "pytorch_writer": "scene.add_camera returns a view with get_rgb()",
    "rep": "scene.add_camera returns a view with get_rgb(), get_depth() and get_segmentation()",
    "dr": "randomisation is set in the YAML file",
    "default_base_env_path": "there are no prim paths here",
    "_dr_randomizer": "randomisation is set in the YAML file",
    "default_zero_env_path": "there are no prim paths here",
}
"""Attributes of the task that do not exist here, with the reason."""
LENGTHS = ("episodeLength", "maxEpisodeLength")
LIMIT = re.compile(r"self\.progress_buf >=? (self\.cfg\.episodeLength|self\._?max_episode_length)( [-+] \d+)?")
GENERATED = ("torch.randn", "torch.randint", "torch.randperm", "torch.normal")
"""Functions of torch that take the random stream of the task."""
REARRANGED = {"repeat", "reshape", "view", "unsqueeze", "expand", "clone", "to"}
PLAYING = re.compile(r"self\.(world|_env\._world|_env\.world|_world)\.is_playing\(\)")


def is_view(kinds: set[Type], source: Source) -> bool:
    """Whether an expression may be a view."""
    for kind in kinds:
        bases = [kind] if isinstance(kind, str) else source.types.foreign_bases(kind)
        if any(base.endswith("View") for base in bases):
            return True
    return False


def is_limit(node: ast.expr) -> bool:
    """Whether an expression says that an episode has reached its time limit, and nothing else."""
    return isinstance(node, ast.Compare) and LIMIT.fullmatch(ast.unparse(node)) is not None


def is_origin(node: ast.expr) -> bool:
    """Whether an expression is the origins of worlds: rows of them, or the same numbers in another shape."""
    while isinstance(node, ast.Subscript | ast.Call):
        if isinstance(node, ast.Subscript):
            node = node.value
        elif isinstance(node.func, ast.Attribute) and node.func.attr in REARRANGED:
            node = node.func.value
        else:
            return False
    return dotted_name(node) == "self._env_pos"


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
        several: attributes with views of more than one body in each world.
    """

    def __init__(self, source: Source, constructor: Constructor, scope: Scope, several: set[str]) -> None:
        self.limits: list[ast.expr] = []  # of episodes, which the base class applies
        self._several = several
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
                return self._count(node)
            node.attr = {"_num_dof": "num_dof"}.get(node.attr, node.attr)
        self.generic_visit(node)
        return node

    def _count(self, node: ast.Attribute) -> ast.expr:
        """Return the number of bodies of a view in all worlds."""
        name = dotted_name(node.value).removeprefix("self.")
        if name not in self._several:
            return _self("num_envs")
        masses = ast.Call(ast.Attribute(node.value, "get_masses", ast.Load()), [], [])
        return ast.Call(ast.Attribute(masses, "numel", ast.Load()), [], [])

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
        if node.attr == "_env_pos":  # positions here are relative to their world
            return ast.parse("torch.zeros(self.num_envs, 3, device=self.device)", mode="eval").body
        if node.attr in OWN:
            return ast.copy_location(ast.Attribute(node.value, OWN[node.attr], node.ctx), node)
        return node

    def _key(self, keys: tuple[str, ...]) -> ast.expr:
        """Return the expression for a key of the task's YAML file."""
        section, *names = keys
        if section == "env" and names[0] in LENGTHS:
            return _self("cfg.episodeLength")
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
        if is_origin(node.right) and isinstance(node.op, ast.Add | ast.Sub):
            return self.visit(node.left)
        if is_origin(node.left) and isinstance(node.op, ast.Add):
            return self.visit(node.right)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Rewrite random numbers, time limits, and calls of views."""
        name = dotted_name(node.func)
        given = self._optional_key(node)
        if given is not None:
            return given
        if PLAYING.fullmatch(ast.unparse(node)):
            return ast.Constant(True)
        ends = self._scope.function is not None and self._scope.function.name == "is_done"
        if ends and name == "torch.where" and len(node.args) == 3 and is_limit(node.args[0]) and _is_one(node.args[1]):
            self.limits.append(self.visit(node.args[0]))
            return self.visit(node.args[2])
        of_view = isinstance(node.func, ast.Attribute) and is_view(
            self._source.types.infer(node.func.value, self._scope), self._source
        )
        self.generic_visit(node)
        if of_view:
            # Results are copies, because code of Isaac Sim writes to buffers that belong to the engine here.
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in ("usd", "clone")]
        full = canonical(self._scope.module.resolve(name)) if name and self._is_imported(name) else name
        if full == f"{TORCH}.torch_rand_float" and len(node.args) >= 3:
            return self._uniform(node.args[0], node.args[1], node.args[2])
        if name == "torch.rand" and node.args:
            shape = node.args[0] if len(node.args) == 1 else ast.Tuple(list(node.args), ast.Load())
            return self._uniform(ast.Constant(0.0), ast.Constant(1.0), shape)
        given = {keyword.arg for keyword in node.keywords}
        if name in GENERATED and "generator" not in given and isinstance(self._scope.owner, ClassInfo):
            node.keywords.append(ast.keyword("generator", _self("generator")))
            if "device" not in given and name != "torch.normal":
                node.keywords.append(ast.keyword("device", _self("device")))
        return node

    def _optional_key(self, node: ast.Call) -> ast.expr | None:
        """Return the key or the value that ``self._task_cfg["env"].get("key", value)`` is; None for other calls."""
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "get" or not node.args:
            return None
        section, key = key_of(node.func.value), node.args[0]
        if section is None or section[0] != "env" or not isinstance(key, ast.Constant):
            return None
        values: object = self._source.task
        for name in section:
            values = values.get(name) if isinstance(values, dict) else None
        if isinstance(values, dict) and key.value in values:
            return self._key((*section, str(key.value)))
        return self.visit(node.args[1]) if len(node.args) > 1 else ast.Constant(None)

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


def _is_one(node: ast.expr) -> bool:
    """Whether an expression is the value of worlds to reset: 1, True, or ones."""
    if isinstance(node, ast.Constant):
        return node.value in (1, True)
    return "ones" in (dotted_name(node.func) if isinstance(node, ast.Call) else dotted_name(node))


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
