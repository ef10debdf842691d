"""Operations of torch on whole arrays in terms of ONNX: reductions, products, selections."""

import numpy as np

from oige_train.zoo.lowering import Writer, array_of, axes_of, kind_of, lowers, option
from oige_train.zoo.recorder import RecordingError
from oige_train.zoo.values import Value

__all__ = [
    "addmm",
    "argmax",
    "bucketize",
    "cholesky_solve",
    "constant",
    "count",
    "cross",
    "cumsum",
    "diag_embed",
    "flip",
    "gather",
    "index",
    "index_copy",
    "index_put",
    "index_select",
    "join",
    "largest",
    "layer_norm",
    "matmul",
    "norm",
    "pad",
    "reduce",
]

_REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "amax": "ReduceMax", "amin": "ReduceMin", "prod": "ReduceProd"}


@lowers(*_REDUCTIONS)
def reduce(writer: Writer, value: Value) -> str:
    """Lower a reduction of numbers."""
    source, name = value.arguments[0], value.operation.partition(".")[0]
    axes = axes_of(option(value, 1, "dim"), len(source.shape) - bool(value.options.get("complex")))
    return writer.reduce(
        _REDUCTIONS[name],
        writer.number(source, kind_of(value.real.dtype)),
        axes,
        keep=option(value, 2, "keepdim", False),
    )


@lowers("any", "all", "count_nonzero")
def count(writer: Writer, value: Value) -> str:
    """Lower a reduction of flags."""
    source, name = value.arguments[0], value.operation.partition(".")[0]
    flags = writer.cast(writer.number(source, np.bool_), np.int64)
    axes = axes_of(option(value, 1, "dim"), len(source.shape))
    operation = {"any": "ReduceMax", "all": "ReduceMin", "count_nonzero": "ReduceSum"}[name]
    result = writer.reduce(operation, flags, axes, keep=option(value, 2, "keepdim", False))
    return result if name == "count_nonzero" else writer.cast(result, np.bool_)


@lowers("linalg_vector_norm", "norm")
def norm(writer: Writer, value: Value) -> str:
    """Lower a norm."""
    source, order = value.arguments[0], float(option(value, 1, "ord", 2))
    axes = axes_of(option(value, 2, "dim"), len(source.shape))
    name, keep = writer.ref(source), option(value, 3, "keepdim", False)
    if order == 2:
        return writer.reduce("ReduceL2", name, axes, keep=keep)
    if order == 1:
        return writer.reduce("ReduceL1", name, axes, keep=keep)
    if order == float("inf"):
        return writer.reduce("ReduceMax", writer.node("Abs", name), axes, keep=keep)
    raise RecordingError(f"norm of order {order}: pages know 1, 2 and infinity.")


@lowers("max", "min")
def largest(writer: Writer, value: Value) -> str:
    """Lower the largest or smallest number, and its index."""
    source, name = value.arguments[0], value.operation.partition(".")[0]
    if len(value.arguments) == 1:
        return writer.reduce(f"Reduce{name.title()}", writer.ref(source), None, keep=False)
    axis, keep = value.arguments[1] % len(source.shape), int(option(value, 2, "keepdim", False))
    if value.output == 1:
        return writer.node(f"Arg{name.title()}", writer.ref(source), axis=axis, keepdims=keep)
    return writer.reduce(f"Reduce{name.title()}", writer.ref(source), [axis], keep=bool(keep))


@lowers("argmax", "argmin")
def argmax(writer: Writer, value: Value) -> str:
    """Lower the index of the largest or smallest number."""
    axis = option(value, 1, "dim")
    name = "ArgMax" if value.operation.startswith("argmax") else "ArgMin"
    source = writer.ref(value.arguments[0])
    if axis is None:
        return writer.node(name, writer.reshape(source, [-1]), axis=0, keepdims=0)
    return writer.node(name, source, axis=axis, keepdims=int(option(value, 2, "keepdim", False)))


@lowers("cumsum")
def cumsum(writer: Writer, value: Value) -> str:
    """Lower running sums."""
    kind = kind_of(value.real.dtype)
    return writer.node("CumSum", writer.number(value.arguments[0], kind), writer.const(value.arguments[1], np.int64))


# Joining and selecting


@lowers("cat", "stack")
def join(writer: Writer, value: Value) -> str:
    """Lower joined arrays."""
    tensors, axis = value.arguments[0], option(value, 1, "dim", 0)
    kind, stacks = kind_of(value.real.dtype), value.operation.startswith("stack")
    if value.options.get("complex"):
        axis %= len(value.shape) - 1
    names = [writer.number(each, kind) for each in tensors if stacks or each.real.numel()]
    if stacks:
        axis %= len(value.shape)
        names = [writer.node("Unsqueeze", name, writer.const([axis], np.int64)) for name in names]
    return writer.node("Concat", *names, axis=axis % len(value.shape))


@lowers("index_select")
def index_select(writer: Writer, value: Value) -> str:
    """Lower selected rows."""
    source, axis, index = value.arguments
    return writer.node("Gather", writer.ref(source), writer.number(index, np.int64), axis=axis)


@lowers("gather")
def gather(writer: Writer, value: Value) -> str:
    """Lower selected elements."""
    source, axis, index = value.arguments[:3]
    return writer.node("GatherElements", writer.ref(source), writer.ref(index), axis=axis)


@lowers("index")
def index(writer: Writer, value: Value) -> str:
    """Lower advanced indexing: whole numbers in the first dimensions."""
    source, indices = value.arguments
    if any(each is None or kind_of(each.real.dtype) is np.bool_ for each in indices):
        if len(indices) > 1 and indices[0] is None and all(each is None for each in indices[:-1]):
            return writer.node("Gather", writer.ref(source), writer.ref(indices[-1]), axis=len(indices) - 1)
        raise RecordingError("values[mask] in a step: the result's shape depends on numbers; use torch.where.")
    if len(indices) == 1:
        return writer.node("Gather", writer.ref(source), writer.ref(indices[0]), axis=0)
    return writer.node("GatherND", writer.ref(source), _positions(writer, indices))


@lowers("index_put")
def index_put(writer: Writer, value: Value) -> str:
    """Lower advanced assignment."""
    target, indices, values = value.arguments[:3]
    accumulates, kind = option(value, 3, "accumulate", False), kind_of(value.real.dtype)
    if len(indices) == 1 and kind_of(indices[0].real.dtype) is np.bool_:
        mask = writer.reshape(
            writer.ref(indices[0]), (*indices[0].shape, *[1] * (len(target.shape) - len(indices[0].shape)))
        )
        if values.real.numel() != 1:
            raise RecordingError("target[mask] = values in a step: how many depends on numbers; use torch.where.")
        return writer.node("Where", mask, writer.number(values, kind), writer.ref(target))
    leading = [0] * sum(each is None for each in indices)
    given = [each for each in indices if each is not None]
    if leading:
        if any(each is None for each in indices[len(leading) :]) or any(
            size != 1 for size in target.shape[: len(leading)]
        ):
            raise RecordingError("target[:, index, :] = values in a step: pages know it for one world only.")
        zeros = [writer.const(np.zeros(()), np.int64) for _ in leading]
    else:
        zeros = []
    shape = np.broadcast_shapes(*(each.shape for each in given))
    rest = target.shape[len(indices) :]
    positions = _positions(writer, given, zeros)
    wanted = (*shape, *rest)
    name = writer.number(values, kind)
    shown = values.shape[len(values.shape) - len(wanted) :] if len(values.shape) > len(wanted) else values.shape
    if shown != values.shape:
        name = writer.reshape(name, shown)
    updates = name if shown == wanted else writer.expand(name, wanted)
    attributes = {"reduction": "add"} if accumulates else {}
    return writer.node("ScatterND", writer.ref(target), positions, updates, **attributes)


def _positions(writer: Writer, indices: list[Value], leading: list[str] | None = None) -> str:
    """Write the positions ``(…, k)`` that several index arrays name."""
    shape = np.broadcast_shapes(*(each.shape for each in indices))
    last = writer.const([-1], np.int64)
    names = [writer.expand(name, shape) for name in leading or []]
    for each in indices:
        name = writer.number(each, np.int64)
        names.append(name if each.shape == shape else writer.expand(name, shape))
    return writer.node("Concat", *(writer.node("Unsqueeze", name, last) for name in names), axis=-1)


@lowers("index_copy", "index_fill", "index_add")
def index_copy(writer: Writer, value: Value) -> str:
    """Lower the assignment of rows."""
    target, axis, index, values = value.arguments[:4]
    kind = kind_of(value.real.dtype)
    shape = list(target.shape)
    axis %= max(1, len(shape))
    shape[axis] = index.shape[0]
    numbers = writer.number(values, kind)
    updates = numbers if isinstance(values, Value) and list(values.shape) == shape else writer.expand(numbers, shape)
    spread = [1] * len(shape)
    spread[axis] = index.shape[0]
    positions = writer.expand(writer.reshape(writer.number(index, np.int64), spread), shape)
    attributes = {"reduction": "add"} if value.operation.startswith("index_add") else {}
    return writer.node("ScatterElements", writer.number(target, kind), positions, updates, axis=axis, **attributes)


@lowers("constant_pad_nd")
def pad(writer: Writer, value: Value) -> str:
    """Lower a border."""
    source, widths, filling = value.arguments[0], value.arguments[1], option(value, 2, "value", 0)
    missing = [0] * (len(source.shape) - len(widths) // 2)
    before, after = [*missing, *widths[-2::-2]], [*missing, *widths[-1::-2]]
    kind = kind_of(value.real.dtype)
    return writer.node(
        "Pad", writer.ref(source), writer.const([*before, *after], np.int64), writer.const(filling, kind)
    )


@lowers("flip")
def flip(writer: Writer, value: Value) -> str:
    """Lower reversed dimensions."""
    source, name = value.arguments[0], writer.ref(value.arguments[0])
    for axis in value.arguments[1]:
        order = np.arange(source.shape[axis])[::-1].copy()
        name = writer.node("Gather", name, writer.const(order, np.int64), axis=axis)
    return name


@lowers("bucketize", "searchsorted")
def bucketize(writer: Writer, value: Value) -> str:
    """Lower the number of boundaries below a number."""
    numbers, boundaries = value.arguments[:2]
    x = writer.node("Unsqueeze", writer.number(numbers, np.float32), writer.const([-1], np.int64))
    operation = "LessOrEqual" if value.options.get("right") else "Less"
    below = writer.node(operation, writer.number(boundaries, np.float32), x)
    return writer.reduce("ReduceSum", writer.cast(below, np.int64), [-1], keep=False)


# Linear algebra


@lowers("mm", "bmm", "matmul", "mv", "dot")
def matmul(writer: Writer, value: Value) -> str:
    """Lower a product of matrices."""
    return writer.node("MatMul", *(writer.ref(each) for each in value.arguments))


@lowers("addmm")
def addmm(writer: Writer, value: Value) -> str:
    """Lower a linear layer."""
    bias, first, second = (writer.ref(each) for each in value.arguments[:3])
    return writer.node("Add", writer.node("MatMul", first, second), bias)


@lowers("linalg_cross")
def cross(writer: Writer, value: Value) -> str:
    """Lower a cross product."""
    axis = option(value, 2, "dim", -1)
    first, second = (writer.ref(each) for each in value.arguments[:2])
    ahead, behind = (writer.const(order, np.int64) for order in ([1, 2, 0], [2, 0, 1]))
    products = [
        writer.node("Mul", writer.node("Gather", first, a, axis=axis), writer.node("Gather", second, b, axis=axis))
        for a, b in ((ahead, behind), (behind, ahead))
    ]
    return writer.node("Sub", *products)


@lowers("diag_embed")
def diag_embed(writer: Writer, value: Value) -> str:
    """Lower diagonal matrices."""
    column = writer.node("Unsqueeze", writer.ref(value.arguments[0]), writer.const([-1], np.int64))
    return writer.node("Mul", column, writer.const(np.eye(value.shape[-1]), np.float32))


@lowers("cholesky_solve")
def cholesky_solve(writer: Writer, value: Value) -> str:
    """Lower a symmetric, positive definite system, by elimination without pivots."""
    right, matrix = value.arguments[:2]  # the recorder replaced the factor
    size = matrix.shape[-1]
    rows = writer.node("Concat", writer.ref(matrix), writer.ref(right), axis=-1)
    for k in range(size):
        own = writer.const(np.eye(size)[:, k : k + 1], np.float32)
        pivot = writer.node("Gather", rows, writer.const([k], np.int64), axis=-2)
        pivot = writer.node("Div", pivot, writer.node("Gather", pivot, writer.const([k], np.int64), axis=-1))
        column = writer.node("Gather", rows, writer.const([k], np.int64), axis=-1)
        rows = writer.node("Sub", rows, writer.node("Mul", writer.node("Sub", column, own), pivot))
    columns = writer.const(np.arange(size, size + right.shape[-1]), np.int64)
    return writer.node("Gather", rows, columns, axis=-1)


@lowers("native_layer_norm")
def layer_norm(writer: Writer, value: Value) -> str:
    """Lower layer normalisation."""
    source, _, scale, bias, epsilon = value.arguments
    if value.output:
        raise RecordingError("statistics of a layer normalisation: pages do not compute them.")
    names = [writer.ref(each) for each in (source, scale, bias)]
    return writer.node("LayerNormalization", *names, axis=-1, epsilon=float(epsilon))


@lowers("arange", "eye", "linspace")
def constant(writer: Writer, value: Value) -> str:
    """Lower numbers that do not depend on a value."""
    return writer.const(array_of(value.real))
