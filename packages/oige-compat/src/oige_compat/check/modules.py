"""The modules, classes and functions of a code base, from its syntax trees."""

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from oige_compat.check.files import SourceFile

__all__ = ["ClassInfo", "Function", "Module", "Project", "assignments", "dotted_name", "is_self"]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False)
class ClassInfo:
    """A class of the code base.

    Attributes:
        name: its name.
        module: the module that defines it.
        bases: dotted names of its base classes.
        methods: its methods and properties.
        attributes: what methods assign to attributes of ``self``, and its class attributes: expression and method.
    """

    name: str
    module: "Module"
    node: ast.ClassDef
    bases: list[str] = field(default_factory=list)
    methods: dict[str, Function] = field(default_factory=dict)
    attributes: dict[str, list[tuple[ast.expr, Function | None]]] = field(default_factory=dict)


@dataclass(eq=False)
class Module:
    """A Python file.

    Attributes:
        source: the file.
        tree: its syntax tree.
        name: dotted name from the root of the code base.
        imports: dotted names by the local names that imports bind.
        stars: modules of which all names are imported.
        classes: classes by name.
        functions: functions by name.
        values: expressions that the module assigns to a name.
    """

    source: SourceFile
    tree: ast.Module
    name: str
    imports: dict[str, str] = field(default_factory=dict)
    stars: list[str] = field(default_factory=list)
    classes: dict[str, ClassInfo] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    values: dict[str, list[ast.expr]] = field(default_factory=dict)

    @classmethod
    def of(cls, source: SourceFile) -> "Module":
        """Return the module of a file.

        Raises:
            SyntaxError, ValueError, RecursionError: Python 3 cannot parse it.
        """
        tree = ast.parse(source.text, filename=source.name)
        name = source.name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        module = cls(source, tree, name)
        for node in ast.walk(tree):
            module._add_import(node)
        for node in _statements(tree.body):
            if isinstance(node, ast.ClassDef):
                module.classes[node.name] = module._class(node)
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                module.functions[node.name] = node
            else:
                for target, value in assignments(node):
                    if isinstance(target, ast.Name):
                        module.values.setdefault(target.id, []).append(value)
        return module

    def resolve(self, name: str) -> str:
        """Return the dotted name that a dotted name in the module stands for."""
        first, dot, rest = name.partition(".")
        return self.imports.get(first, first if first in ("omni", "pxr") else f"{self.name}.{first}") + dot + rest

    def _add_import(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    self.imports[alias.asname] = alias.name
                else:
                    self.imports[alias.name.partition(".")[0]] = alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            origin = self.origin(node)
            for alias in node.names:
                if alias.name == "*":
                    self.stars.append(origin)
                else:
                    self.imports[alias.asname or alias.name] = f"{origin}.{alias.name}".lstrip(".")

    def origin(self, node: ast.ImportFrom) -> str:
        """Return the dotted name of the module of a ``from`` import."""
        if not node.level:
            return node.module or ""
        package = self.name.split(".") if self.source.name.endswith("/__init__.py") else self.name.split(".")[:-1]
        above = package[: len(package) - node.level + 1]
        return ".".join([*above, *([node.module] if node.module else [])])

    def _class(self, node: ast.ClassDef) -> ClassInfo:
        info = ClassInfo(
            node.name, self, node, [self.resolve(name) for base in node.bases if (name := dotted_name(base))]
        )
        for statement in node.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                info.methods[statement.name] = statement
                for inner in ast.walk(statement):
                    for target, value in assignments(inner):
                        if isinstance(target, ast.Attribute) and is_self(target.value):
                            info.attributes.setdefault(target.attr, []).append((value, statement))
            else:
                for target, value in assignments(statement):
                    if isinstance(target, ast.Name):
                        info.attributes.setdefault(target.id, []).append((value, None))
        return info


class Project:
    """The modules of a code base, which find each other.

    Args:
        modules: the modules.
    """

    def __init__(self, modules: Sequence[Module]) -> None:
        self.modules = modules
        self._by_name: dict[str, Module] = {}
        for module in modules:  # every end of the dotted name, because the root need not be on the path
            parts = module.name.split(".")
            for start in range(len(parts)):
                self._by_name.setdefault(".".join(parts[start:]), module)
        for module in modules:
            self._by_name[module.name] = module
        self._subclasses: dict[ClassInfo, list[ClassInfo]] = {}
        for info in self.classes():
            for base in self.bases(info):
                self._subclasses.setdefault(base, []).append(info)

    def classes(self) -> Iterator[ClassInfo]:
        """Yield all classes."""
        for module in self.modules:
            yield from module.classes.values()

    def find_module(self, name: str) -> Module | None:
        """Return the module of a dotted name; None if it is not of the code base."""
        return self._by_name.get(name)

    def find_class(self, name: str) -> ClassInfo | None:
        """Return the class of a dotted name; None if it is not of the code base."""
        return self._find(name)

    def find_function(self, name: str) -> tuple[Module, Function] | None:
        """Return the function of a dotted name and its module; None if it is not of the code base."""
        holder, _, function = name.rpartition(".")
        module = self._by_name.get(holder)
        return (module, module.functions[function]) if module and function in module.functions else None

    def _find(self, name: str, depth: int = 0) -> ClassInfo | None:
        holder, _, last = name.rpartition(".")
        module = self._by_name.get(holder)
        if module is None or depth > 8:
            return None
        if last in module.classes:
            return module.classes[last]
        candidates = [module.imports[last]] if last in module.imports else [f"{star}.{last}" for star in module.stars]
        found = (self._find(candidate, depth + 1) for candidate in candidates if candidate != name)
        return next((each for each in found if each is not None), None)

    def bases(self, info: ClassInfo) -> list[ClassInfo]:
        """Return the base classes that are of the code base."""
        return [base for name in info.bases if (base := self.find_class(name)) is not None and base is not info]

    def foreign_bases(self, info: ClassInfo) -> list[str]:
        """Return dotted names of the base classes that are not of the code base, direct ones and those of bases."""
        names = []
        for each in self.with_bases(info):
            names += [name for name in each.bases if self.find_class(name) is None]
        return names

    def with_bases(self, info: ClassInfo) -> list[ClassInfo]:
        """Return the class and its base classes of the code base, in order."""
        return _closure(info, self.bases)

    def resolution_order(self, info: ClassInfo) -> list[ClassInfo]:
        """Return the class and its base classes of the code base in the order in which Python looks up methods.

        If Python refuses the order of the base classes, they come as in :meth:`with_bases`.
        """
        sequences = [[*self.resolution_order(base)] for base in self.bases(info)] + [self.bases(info)]
        order = [info]
        while sequences := [sequence for sequence in sequences if sequence]:
            heads = (sequence[0] for sequence in sequences)
            chosen = next((head for head in heads if not any(head in each[1:] for each in sequences)), None)
            if chosen is None:
                return self.with_bases(info)
            order.append(chosen)
            sequences = [[each for each in sequence if each is not chosen] for sequence in sequences]
        return order

    def family(self, info: ClassInfo) -> list[ClassInfo]:
        """Return the class, its base classes and the classes derived from it."""
        derived = _closure(info, lambda each: self._subclasses.get(each, []))
        return list(dict.fromkeys([*self.with_bases(info), *derived]))


def _closure(start: ClassInfo, following: Callable[[ClassInfo], list[ClassInfo]]) -> list[ClassInfo]:
    found = [start]
    for info in found:
        found += [each for each in following(info) if each not in found]
    return found


def dotted_name(node: ast.expr) -> str:
    """Return ``a.b.c`` for attributes of a name, and an empty string for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join(reversed([*parts, node.id])) if isinstance(node, ast.Name) else ""


def is_self(node: ast.expr) -> bool:
    """Whether an expression is ``self``."""
    return isinstance(node, ast.Name) and node.id == "self"


def assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield targets and values that a statement assigns; of a loop, the target and what it runs over.

    ``things.append(thing)`` counts as an assignment to ``things``.
    """
    if isinstance(node, ast.Assign):
        for target in node.targets:
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                yield from zip(target.elts, node.value.elts, strict=False)
            yield target, node.value
    elif isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        yield node.target, node.value
    elif isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        yield node.target, node.iter
    elif isinstance(node, ast.With | ast.AsyncWith):
        for item in node.items:
            if item.optional_vars is not None:
                yield item.optional_vars, item.context_expr
    elif isinstance(node, ast.Expr):
        call = node.value
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "append"
            and call.args
        ):
            yield call.func.value, call.args[0]


def _statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a module, also those below ``if`` and ``try``."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from _statements(node.body)
            yield from _statements(node.orelse)
            for handler in getattr(node, "handlers", []):
                yield from _statements(handler.body)
