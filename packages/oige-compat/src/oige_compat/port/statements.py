"""Makes and prints statements of a ported task."""

import ast
import io
import re
import tokenize

from oige_compat.check.modules import Function, Module

__all__ = ["add_comments", "arguments_of", "as_lines", "define", "entry_of", "is_comment", "mark", "parse_lines"]

MARK = "#TODO#"
COMMENT = "#COMMENT#"


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


def entry_of(dictionary: ast.AST, key: str) -> ast.expr | None:
    """Return the value of a key of a dictionary, or of a dictionary in it; None if there is none."""
    for node in ast.walk(dictionary):
        if isinstance(node, ast.Dict):
            for name, value in zip(node.keys, node.values, strict=True):
                if isinstance(name, ast.Constant) and name.value == key:
                    return value
    return None


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


def is_comment(statement: ast.stmt) -> bool:
    """Whether :func:`as_lines` prints a statement as a comment."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and str(value.value).startswith((MARK, COMMENT))


def parse_lines(lines: list[str]) -> list[ast.stmt]:
    """Return the statements of lines."""
    return ast.parse("\n".join(lines)).body


def arguments_of(text: str) -> ast.arguments:
    """Return the parameters that a text lists."""
    function = ast.parse(f"def f({text}): pass").body[0]
    assert isinstance(function, ast.FunctionDef)
    return function.args


def define(name: str, arguments: str, body: list[str]) -> ast.FunctionDef:
    """Return a function with these parameters and lines."""
    function = ast.parse(f"def {name}({arguments}):\n" + "".join(f"    {line}\n" for line in body or ["pass"])).body[0]
    assert isinstance(function, ast.FunctionDef)
    return function
