"""Evaluates the constructor and the scene of a task with the values that are known before it runs."""

import ast
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch

from oige_compat.check.modules import ClassInfo, Function, Module, Project, dotted_name
from oige_compat.port.operations import ITEMS, operate
from oige_compat.port.values import (
    LIBRARIES,
    UNKNOWN,
    ClassRef,
    Foreign,
    Frame,
    FunctionRef,
    Instance,
    Member,
    is_comprehension,
    is_known,
    library_member,
    method_of,
)
from oige_compat.served import canonical

__all__ = ["Evaluator", "Recorder"]

STEPS = 100_000
"""Maximum number of evaluated statements and expressions. A call may take half of what is left."""
DEPTH = 24


class Recorder(Protocol):
    """Takes what an evaluation meets of Isaac Sim."""

    def call(self, name: str, arguments: list[Any], options: dict[str, Any], frame: Frame) -> Any:
        """Return the result of a function or class of Isaac Sim; NotImplemented if it is not understood."""

    def construct(self, instance: Instance, bases: list[str], arguments: list[Any], options: dict[str, Any]) -> bool:
        """Take the call of the constructor of a base class of Isaac Sim; return whether it is understood."""
        ...

    def attribute(self, holder: Any, name: str) -> Any:
        """Return an attribute of an instance or of a record; NotImplemented if it has none."""

    def set(self, node: ast.Call, value: Any, frame: Frame) -> bool:
        """Take ``attribute.Set(value)`` of an unknown prim; return whether it is understood."""
        ...


class _Return(Exception):  # noqa: N818
    def __init__(self, value: Any) -> None:
        self.value = value


class _Leave(Exception):  # noqa: N818
    """A ``break`` or ``continue``."""

    def __init__(self, *, ends: bool) -> None:
        self.ends = ends


class _Exhausted(Exception):  # noqa: N818
    """A call has taken too many steps."""


class Evaluator:
    """Evaluates functions.

    An ``if`` on an unknown value runs both branches, and a loop over unknown values runs once.

    Args:
        project: the modules of the code base.
        recorder: takes what is of Isaac Sim.
        bases: whose constructors do nothing here.

    Attributes:
        unread: levels by statement: 1 if it uses a value of Isaac Sim that is not understood, 2 if it has an effect.
        visited: functions that were called, by the identity of their definition.
        conditions: texts of the unknown conditions below which the evaluation is.
    """

    def __init__(self, project: Project, recorder: Recorder, bases: tuple[str, ...]) -> None:
        self._project = project
        self._recorder = recorder
        self._bases = bases
        self._steps = 0
        self._last_step = STEPS
        self._depth = 0
        self._statements: list[ast.stmt] = []
        self._constants: dict[tuple[str, str], Any] = {}
        self.unread: dict[ast.stmt, int] = {}
        self.visited: dict[Function, FunctionRef] = {}
        self.conditions: list[str] = []

    # Calls

    def method(self, instance: Instance, name: str, after: ClassInfo | None = None) -> FunctionRef | None:
        """Return a method of an instance, of its base classes after one of them if that is given."""
        family = self._project.with_bases(instance.info)
        if after is not None:
            family = family[family.index(after) + 1 :] if after in family else []
        for info in family:
            if name in info.methods and info.name not in self._bases:
                return FunctionRef(info.module, info.methods[name], info, instance)
        return None

    def run(self, function: FunctionRef, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Return what a function returns."""
        if self._depth > DEPTH:
            return UNKNOWN
        self.visited[function.node] = function
        frame = Frame(function, {**function.closure, **self._bind(function, arguments, options)})
        self._depth += 1
        last, statements = self._last_step, len(self._statements)
        self._last_step = self._steps + (last - self._steps) // 2
        try:
            self._body(function.node.body, frame)
        except _Return as result:
            return result.value
        except _Exhausted:
            del self._statements[statements:]
            return UNKNOWN
        finally:
            self._depth -= 1
            self._last_step = last
        return None

    def _bind(self, function: FunctionRef, arguments: list[Any], options: dict[str, Any]) -> dict[str, Any]:
        given = function.node.args
        names = [each.arg for each in [*given.posonlyargs, *given.args]]
        values: dict[str, Any] = {}
        if function.instance is not None and names:
            values[names[0]] = function.instance
            names = names[1:]
        scope = Frame(FunctionRef(function.module, function.node, function.owner))
        defaults = dict(zip(reversed(names), reversed([*given.defaults]), strict=False))
        defaults |= {
            each.arg: default for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default
        }
        for name in [*names, *(each.arg for each in given.kwonlyargs)]:
            values[name] = self.value(defaults[name], scope) if name in defaults else UNKNOWN
        values.update(zip(names, arguments, strict=False))
        values.update({name: value for name, value in options.items() if name in values})
        if given.kwarg is not None:
            values[given.kwarg.arg] = {name: value for name, value in options.items() if name not in values}
        return values

    # Statements

    def _body(self, body: list[ast.stmt], frame: Frame) -> None:
        for statement in body:
            self._step()
            self._statements.append(statement)
            try:
                self._statement(statement, frame)
            finally:
                self._statements.pop()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > self._last_step:
            raise _Exhausted

    def note(self, level: int) -> None:
        """Note that the current statement is not understood."""
        statement = self._statements[-1] if self._statements else None
        if statement is not None:
            simple = isinstance(statement, ast.Assign | ast.AnnAssign | ast.For | ast.If | ast.With | ast.Return)
            self.unread[statement] = max(self.unread.get(statement, 0), 1 if simple else level)

    def _statement(self, statement: ast.stmt, frame: Frame) -> None:
        match statement:
            case ast.Expr():
                self.value(statement.value, frame)
            case ast.Assign():
                value = self.value(statement.value, frame)
                for target in statement.targets:
                    self._assign(target, value, frame)
            case ast.AnnAssign(value=ast.expr() as expression):
                self._assign(statement.target, self.value(expression, frame), frame)
            case ast.AugAssign():
                value = self.value(ast.BinOp(statement.target, statement.op, statement.value), frame)
                self._assign(statement.target, value, frame)
            case ast.Return():
                raise _Return(self.value(statement.value, frame) if statement.value is not None else None)
            case ast.If():
                self._if(statement, frame)
            case ast.For():
                self._for(statement, frame)
            case ast.With() | ast.Try():
                self._body(statement.body, frame)
            case ast.FunctionDef():
                function = frame.function
                frame.values[statement.name] = FunctionRef(
                    function.module, statement, function.owner, None, frame.values
                )
            case ast.Break() | ast.Continue():
                if not self.conditions:
                    raise _Leave(ends=isinstance(statement, ast.Break))

    def _if(self, statement: ast.If, frame: Frame) -> None:
        test = self.value(statement.test, frame)
        try:
            chosen = [statement.body if bool(test) else statement.orelse]
        except (TypeError, RuntimeError, ValueError):
            chosen = [statement.body, statement.orelse]
        if len(chosen) == 1 and is_known(test):
            self._body(chosen[0], frame)
            return
        self.conditions.append(ast.unparse(statement.test))
        try:
            for body in [statement.body, statement.orelse]:
                try:
                    self._body(body, frame)
                except _Return:
                    continue
        finally:
            self.conditions.pop()

    def _for(self, statement: ast.For, frame: Frame) -> None:
        for value in self._items(self.value(statement.iter, frame)):
            self._assign(statement.target, value, frame)
            try:
                self._body(statement.body, frame)
            except _Leave as left:
                if left.ends:
                    break

    def _items(self, values: Any) -> list[Any]:
        if not is_known(values) and not isinstance(values, list | tuple):
            return [UNKNOWN]
        try:
            return [value for value, _ in zip(values, range(ITEMS), strict=False)]
        except TypeError:
            return [UNKNOWN]

    def _assign(self, target: ast.expr, value: Any, frame: Frame) -> None:
        match target:
            case ast.Name():
                frame.values[target.id] = value
            case ast.Attribute():
                holder = self.value(target.value, frame)
                if isinstance(holder, Instance):
                    holder.values[target.attr] = value
                else:
                    self._recorder.attribute(holder, target.attr)
            case ast.Tuple() | ast.List():
                values = self._items(value) if is_known(value) or isinstance(value, list | tuple) else []
                values = values if len(values) == len(target.elts) else [UNKNOWN] * len(target.elts)
                for each, item in zip(target.elts, values, strict=True):
                    self._assign(each, item, frame)
            case ast.Subscript():
                holder, index = self.value(target.value, frame), self.value(target.slice, frame)
                try:
                    holder[index] = value
                except Exception:  # of whatever the holder is: its value is then no longer known
                    if isinstance(target.value, ast.Name | ast.Attribute) and isinstance(
                        holder, torch.Tensor | np.ndarray
                    ):
                        self._assign(target.value, UNKNOWN, frame)

    # Expressions

    def value(self, node: ast.expr, frame: Frame) -> Any:
        """Return the value of an expression."""
        self._step()
        try:
            return self._value(node, frame)
        except (_Return, _Leave, _Exhausted):
            raise
        except Exception:  # an operation on values that do not fit, in code that may never run
            return UNKNOWN

    def _value(self, node: ast.expr, frame: Frame) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._name(node.id, frame)
            case ast.Attribute():
                return self._attribute(self.value(node.value, frame), node.attr)
            case ast.Call():
                return self._call(node, frame)
            case ast.List() | ast.Tuple() | ast.Set():
                items = [item for each in node.elts for item in self._element(each, frame)]
                return tuple(items) if isinstance(node, ast.Tuple) else items
            case ast.Dict():
                keys = [self.value(key, frame) if key is not None else UNKNOWN for key in node.keys]
                return dict(zip(keys, [self.value(each, frame) for each in node.values], strict=True))
            case ast.JoinedStr():
                return "".join(self._text(part, frame) for part in node.values)
            case ast.IfExp():
                test = self.value(node.test, frame)
                return self.value(node.body if test else node.orelse, frame) if is_known(test) else UNKNOWN
            case ast.Slice():
                return slice(
                    *(self.value(each, frame) if each else None for each in (node.lower, node.upper, node.step))
                )
            case ast.Subscript():
                return self.value(node.value, frame)[self.value(node.slice, frame)]
            case ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.Compare():
                return self._operation(node, frame)
        if is_comprehension(node):
            assert isinstance(node, ast.ListComp | ast.GeneratorExp | ast.SetComp)
            return list(self._comprehension(node, frame))
        return UNKNOWN

    def _text(self, part: ast.expr, frame: Frame) -> str:
        value = self.value(part.value if isinstance(part, ast.FormattedValue) else part, frame)
        return str(value) if is_known(value) else ""

    def _element(self, node: ast.expr, frame: Frame) -> list[Any]:
        value = self.value(node.value if isinstance(node, ast.Starred) else node, frame)
        return self._items(value) if isinstance(node, ast.Starred) else [value]

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp, frame: Frame) -> Iterator[Any]:
        generator = node.generators[0]
        for item in self._items(self.value(generator.iter, frame)):
            inner = Frame(frame.function, dict(frame.values))
            self._assign(generator.target, item, inner)
            if all(self.value(test, inner) is not False for test in generator.ifs):
                yield self.value(node.elt, inner)

    def _operation(self, node: ast.expr, frame: Frame) -> Any:
        match node:
            case ast.BinOp():
                operands, kind = [self.value(node.left, frame), self.value(node.right, frame)], type(node.op)
            case ast.UnaryOp():
                operands, kind = [self.value(node.operand, frame)], type(node.op)
            case ast.Compare() if len(node.ops) == 1:
                operands, kind = (
                    [self.value(node.left, frame), self.value(node.comparators[0], frame)],
                    type(node.ops[0]),
                )
            case ast.BoolOp():
                values = [self.value(each, frame) for each in node.values]
                decisive = [value for value in values if is_known(value) and bool(value) == isinstance(node.op, ast.Or)]
                return decisive[0] if decisive else (values[-1] if is_known(values) else UNKNOWN)
            case _:
                return UNKNOWN
        return operate(kind, operands)

    def _name(self, name: str, frame: Frame) -> Any:
        if name in frame.values:
            return frame.values[name]
        module = frame.function.module
        if name == "__file__":
            return str(module.source.path)
        if name in module.imports:
            return self._imported(module.imports[name])
        if name in module.classes:
            return ClassRef(module.classes[name])
        if name in module.functions:
            return FunctionRef(module, module.functions[name])
        if name in module.values:
            return self._constant(module, name)
        for star in module.stars:
            found = self._imported(f"{star}.{name}")
            if found is not UNKNOWN and not isinstance(found, Foreign):
                return found
        found = library_member(name)
        foreign = next((canonical(star) for star in module.stars if self._project.find_module(star) is None), None)
        return Foreign(f"{foreign}.{name}") if found is UNKNOWN and foreign is not None else found

    def _constant(self, module: Module, name: str) -> Any:
        key = module.name, name
        if key not in self._constants:
            self._constants[key] = UNKNOWN  # a constant that leads back to itself
            scope = Frame(FunctionRef(module, ast.parse("def f(): pass").body[0]))  # type: ignore[arg-type]
            self._constants[key] = self.value(module.values[name][-1], scope)
        return self._constants[key]

    def _imported(self, name: str) -> Any:
        info = self._project.find_class(name)
        if info is not None:
            return ClassRef(info)
        function = self._project.find_function(name)
        if function is not None:
            return FunctionRef(*function)
        module = self._project.find_module(name.rpartition(".")[0])
        if module is not None:
            last = name.rpartition(".")[2]
            return self._constant(module, last) if last in module.values else UNKNOWN
        if name.partition(".")[0] in LIBRARIES:
            return Foreign(name) if name in LIBRARIES else library_member(name)
        return Foreign(canonical(name))

    def _attribute(self, holder: Any, name: str) -> Any:
        if isinstance(holder, Foreign):
            full = f"{holder.name}.{name}"
            known = library_member(full)
            return known if known is not UNKNOWN else Foreign(full)
        if isinstance(holder, ClassRef):
            info = next((each for each in self._project.with_bases(holder.info) if name in each.methods), None)
            return FunctionRef(info.module, info.methods[name], info) if info is not None else Member(holder, name)
        if isinstance(holder, Instance):
            if name in holder.values:
                return holder.values[name]
            method = self.method(holder, name)
            if method is not None:
                return self.run(method, [], {}) if method.node.decorator_list else method
            for info in self._project.with_bases(holder.info):
                for value, function in info.attributes.get(name, []):
                    if function is None:
                        return self.value(value, Frame(FunctionRef(info.module, ast.parse("def f(): pass").body[0])))  # type: ignore[arg-type]
        found = self._recorder.attribute(holder, name)
        if found is not NotImplemented:
            return found
        known = method_of(holder, name)
        return Member(holder, name) if known is UNKNOWN else known

    def _call(self, node: ast.Call, frame: Frame) -> Any:
        arguments = [item for each in node.args for item in self._element(each, frame)]
        options = {each.arg: self.value(each.value, frame) for each in node.keywords if each.arg}
        holder = node.func.value if isinstance(node.func, ast.Attribute) else None
        if (
            isinstance(node.func, ast.Attribute)
            and isinstance(holder, ast.Call)
            and dotted_name(holder.func) == "super"
        ):
            return self._base_method(node.func.attr, arguments, options, frame)
        sets = isinstance(node.func, ast.Attribute) and node.func.attr == "Set" and arguments
        if sets and self._recorder.set(node, arguments[0], frame):
            return None
        function = self.value(node.func, frame)
        if isinstance(function, ClassRef):
            return self._new(function.info, arguments, options)
        if isinstance(function, FunctionRef):
            result = self._recorder.call(function.node.name, arguments, options, frame)
            if result is not NotImplemented:
                return result
            if function.owner is not None and function.instance is None and function.node.args.args:
                return self._unbound(function, arguments, options)
            return self.run(function, arguments, options)
        if callable(function) and not isinstance(function, Foreign):
            options.pop("device", None)
            sized = [*arguments, *options.values()]
            if not is_known(sized) or any(isinstance(each, int) and abs(each) > 10**6 for each in sized):
                return UNKNOWN
            return function(*arguments, **options)
        return self._unknown_call(node, function, arguments, options, frame)

    def _unbound(self, function: FunctionRef, arguments: list[Any], options: dict[str, Any]) -> Any:
        """Call ``Base.method(self, …)``."""
        if function.owner is not None and function.owner.name in self._bases:
            return None
        instance = arguments[0] if arguments and isinstance(arguments[0], Instance) else None
        bound = FunctionRef(function.module, function.node, function.owner, instance)
        return self.run(bound, arguments[1:], options)

    def _unknown_call(
        self, node: ast.Call, function: Any, arguments: list[Any], options: dict[str, Any], frame: Frame
    ) -> Any:
        if isinstance(function, Foreign):
            result = self._recorder.call(function.name, arguments, options, frame)
        elif isinstance(function, Member):
            holder = function.holder
            if isinstance(holder, ClassRef) and arguments and isinstance(arguments[0], Instance):
                return self._construct(arguments[0], [holder.info], function.name, arguments[1:], options)
            result = self._recorder.call(f".{function.name}", [holder, *arguments], options, frame)
        else:
            result = NotImplemented
        if result is NotImplemented:
            self.note(2)
            return UNKNOWN
        return result

    def _new(self, info: ClassInfo, arguments: list[Any], options: dict[str, Any]) -> Instance:
        instance = Instance(info)
        method = self.method(instance, "__init__")
        if method is not None:
            self.run(method, arguments, options)
        else:
            self._construct(instance, self._project.with_bases(info), "__init__", arguments, options)
        return instance

    def _base_method(self, name: str, arguments: list[Any], options: dict[str, Any], frame: Frame) -> Any:
        owner, instance = frame.function.owner, frame.function.instance
        if owner is None or instance is None:
            return UNKNOWN
        method = self.method(instance, name, after=owner)
        if method is not None:
            return self.run(method, arguments, options)
        return self._construct(instance, [owner], name, arguments, options)

    def _construct(
        self, instance: Instance, infos: list[ClassInfo], name: str, arguments: list[Any], options: dict[str, Any]
    ) -> Any:
        bases = [canonical(base) for info in infos for base in self._project.foreign_bases(info)]
        if name == "__init__" and not self._recorder.construct(instance, bases, arguments, options):
            self.note(2)
        return None
