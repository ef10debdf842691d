"""Makes the order of contacts and constraint rows of MuJoCo Warp the same in every run."""

from collections.abc import Iterable
from typing import Any

import warp as wp

from oige_core.engines.mujoco.executors.modules import ModuleVariant

__all__ = ["ContactOrder", "order_rows"]

APPENDING = "constraint"
"""Beginning of the names of MuJoCo Warp's files whose kernels append rows."""

MOST_ROWS = 64
"""Rows that one thread appends at most; a contact has at most 10."""

TELLING = ("dist", "pos", "geom", "flex", "elem", "vert")
"""Fields by which contacts of the same world and shapes are told apart."""

_LAST = wp.constant(wp.int64(2**63 - 1))
_SHAPES = wp.constant(wp.int64(2**14))
_IN_PAIR = wp.constant(wp.int64(2**15))


def order_rows(modules: Iterable[ModuleVariant]) -> None:
    """Let Warp order the rows that kernels append, by threads instead of by the time at which they run.

    The modules are compiled again, and remain ordered in this process. Warp then runs each kernel twice and sorts
    between the two runs.

    Args:
        modules: of kernels; those that do not append rows are left as they are.
    """
    for module, _ in modules:
        files = {kernel.func.__module__.rpartition(".")[2] for kernel in module.kernels.values()}
        ordered = module.options.get("deterministic") == wp.DeterministicMode.RUN_TO_RUN
        if not ordered and any(file.startswith(APPENDING) for file in files):
            module.options["deterministic"] = wp.DeterministicMode.RUN_TO_RUN
            module.options["deterministic_max_records"] = MOST_ROWS
            module.mark_modified()


class ContactOrder:
    """Sorts contacts by world, pair of shapes and number within the pair, and the rest by their values.

    Warp cannot order what collisions append: a thread that repeats a convex collision may find another number of
    contacts, and kernels that can hold all of them take minutes to compile.

    Args:
        data: MuJoCo Warp's data, whose contacts are sorted.
    """

    def __init__(self, data: Any) -> None:
        self._count = count = data.naconmax
        fields = {name: array for name, array in vars(data.contact).items() if isinstance(array, wp.array)}
        self._fields = {name: _words(array) for name, array in fields.items() if len(array) == count}
        widest = max(words.shape[1] for words in self._fields.values())
        with wp.ScopedDevice(data.nacon.device):
            self._keys = wp.zeros(2 * count, dtype=wp.int64)
            self._order = wp.zeros(2 * count, dtype=int)
            self._moved = wp.zeros((count, widest), dtype=int)
            self._absent = wp.zeros((1, 0), dtype=int)  # fields of soft bodies in models without them

    def sort(self, _: Any, data: Any) -> None:
        """Sort the contacts; MuJoCo Warp calls this after it has found them."""
        count, found, keys, order = self._count, data.nacon, self._keys, self._order
        telling = [self._fields.get(name, self._absent) for name in TELLING]
        wp.launch(_mix_values, count, inputs=[found, *telling], outputs=[keys, order])
        wp.utils.radix_sort_pairs(keys, order, count)
        contact = data.contact
        pairs = [contact.worldid, contact.geom, contact.geomcollisionid]
        wp.launch(_number_pairs, count, inputs=[found, order, *pairs], outputs=[keys])
        wp.utils.radix_sort_pairs(keys, order, count)  # which keeps the order of equal keys
        for words in self._fields.values():
            wp.launch(_gather, words.shape, inputs=[found, order, words], outputs=[self._moved])
            wp.launch(_put_back, words.shape, inputs=[found, self._moved], outputs=[words])


def _words(array: Any) -> Any:
    """Return an array of contacts as ``(contacts, words)`` integers of 32 bits, with the same memory."""
    assert array.is_contiguous
    words = array.strides[0] // 4
    return wp.array(ptr=array.ptr, dtype=int, shape=(len(array), words), device=array.device)


@wp.func
def _mixed(value: wp.int64, words: wp.array2d[int], row: int) -> wp.int64:
    for column in range(words.shape[1]):
        value = (value ^ wp.int64(words[row, column])) * wp.int64(1099511628211)
    return value


@wp.kernel
def _mix_values(
    found: wp.array[int],
    dist: wp.array2d[int],
    pos: wp.array2d[int],
    geom: wp.array2d[int],
    flex: wp.array2d[int],
    elem: wp.array2d[int],
    vert: wp.array2d[int],
    keys: wp.array[wp.int64],
    order: wp.array[int],
):
    """Mix the values of each contact into a number."""
    i = wp.tid()
    order[i] = i
    if i >= found[0]:
        keys[i] = _LAST
        return
    value = _mixed(_mixed(_mixed(wp.int64(0), dist, i), pos, i), geom, i)
    if geom[i, 0] < 0 or geom[i, 1] < 0:  # other contacts leave the fields of soft bodies as they were
        value = _mixed(_mixed(_mixed(value, flex, i), elem, i), vert, i)
    keys[i] = value


@wp.kernel
def _number_pairs(
    found: wp.array[int],
    order: wp.array[int],
    worldid: wp.array[int],
    geom: wp.array[wp.vec2i],
    geomcollisionid: wp.array[int],
    keys: wp.array[wp.int64],
):
    """Number the world, shapes and contact within a pair: 20, 14, 14 and 15 bits."""
    i = wp.tid()
    contact = order[i]
    if contact >= found[0]:
        keys[i] = _LAST
        return
    key = wp.int64(worldid[contact])
    for side in range(2):
        key = key * _SHAPES + wp.int64(geom[contact][side] + 1) % _SHAPES
    keys[i] = key * _IN_PAIR + wp.int64(geomcollisionid[contact]) % _IN_PAIR


@wp.kernel
def _gather(found: wp.array[int], order: wp.array[int], words: wp.array2d[int], moved: wp.array2d[int]):
    i, column = wp.tid()
    if i < found[0]:
        moved[i, column] = words[order[i], column]


@wp.kernel
def _put_back(found: wp.array[int], moved: wp.array2d[int], words: wp.array2d[int]):
    i, column = wp.tid()
    if i < found[0]:
        words[i, column] = moved[i, column]
