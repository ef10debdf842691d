"""What a reset of worlds changes."""

import ast
import re

from oige_compat.check.modules import dotted_name
from oige_compat.port.sources import Source

__all__ = ["is_reset", "kept_state", "remove_resets"]


def kept_state(source: Source, states: dict[str, bool]) -> tuple[list[str], list[str]]:
    """Return statements before and after the reset by the base class.

    They keep the state that the original keeps, because only its own setters change it at a reset.

    Args:
        source: the task.
        states: views of whole elements: whether each is a robot.
    """
    text = _text_of_reset(source)
    before, after = [], []
    for attribute, is_robot in states.items():
        pairs = [("joint_positions", "joint_velocities") if is_robot else ("world_poses", "velocities")]
        if is_robot and f"self.{attribute}.set_world_poses(" in text:
            pairs.append(("world_poses", "velocities"))
        for pair in pairs:
            for what in pair:
                if f"self.{attribute}.set_{what}(" in text:
                    continue
                name = f"{attribute.strip('_').replace('.', '_')}_{what}"
                value = f"self.{attribute}.get_{what}(worlds)"
                if what == "world_poses":
                    before.append(f"{name} = {value}")
                    after.append(f"self.{attribute}.set_world_poses(*{name}, worlds)")
                else:
                    before.append(f"{name} = {value}.nan_to_num()")
                    after.append(f"self.{attribute}.set_{what}({name}, worlds)")
    return before, after


def _text_of_reset(source: Source) -> str:
    """Return the source of the methods that a reset calls."""
    texts: list[str] = []
    pending, seen = ["reset_idx"], set[str]()
    while pending:
        name = pending.pop()
        seen.add(name)
        for info in source.classes:
            if name in info.methods:
                method = info.methods[name]
                texts.append(ast.unparse(method))
                calls = (dotted_name(node.func) for node in ast.walk(method) if isinstance(node, ast.Call))
                called = {each.removeprefix("self.") for each in calls if each.startswith("self.")}
                pending += [each for each in called if each not in seen and "." not in each]
    return "\n".join(texts)


def remove_resets(body: list[ast.stmt], name: str) -> None:
    """Remove resets of the worlds whose numbers a variable has."""
    for statement in list(body):
        if ast.unparse(statement) == f"self.reset_idx({name})":
            body[body.index(statement)] = ast.Pass()
        for key in ("body", "orelse", "finalbody"):
            remove_resets(getattr(statement, key, []), name)


def is_reset(statement: ast.If) -> bool:
    """Whether a statement resets worlds if there are any, and does nothing else."""
    text = ast.unparse(statement)
    return bool(re.match(r"if (len\(\w+\) > 0|len\(\w+\)|\w+\.numel\(\) > 0):\s+self\.reset_idx\(\w+\)$", text))
