"""Applies operators to values that are known."""

import ast
import operator
from collections.abc import Callable
from typing import Any

from oige_compat.port.values import UNKNOWN, Instance, Member, is_known

__all__ = ["ITEMS", "operate"]

ITEMS = 4096
"""Maximum number of steps of a loop, and of elements of a list that an operator makes."""
EXPONENT = 64
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
}


def operate(kind: type[ast.AST], operands: list[Any]) -> Any:
    """Return the result of an operator; UNKNOWN if an operand is not known, or the result would be large."""
    if kind in (ast.Is, ast.IsNot) and isinstance(operands[0], Instance | Member):
        return kind is ast.IsNot  # it is compared with None
    if not is_known(operands):
        return UNKNOWN
    large = kind in (ast.Pow, ast.Mult) and any(isinstance(each, int) and abs(each) > ITEMS for each in operands)
    if large and not all(isinstance(each, int | float) for each in operands):
        return UNKNOWN
    if kind is ast.Pow and isinstance(operands[1], int) and abs(operands[1]) > EXPONENT:
        return UNKNOWN
    return OPERATORS[kind](*operands)
