"""Arrays of a page in one file."""

import gzip
from typing import Any

import numpy as np

__all__ = ["Pack"]

ALIGNMENT = 8


class Pack:
    """Collects arrays by name.

    Attributes:
        entries: type, offset in bytes, number of elements and first dimension of each array.
    """

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self._bytes = bytearray()

    def add(self, name: str, values: np.ndarray | bytes) -> None:
        """Add an array or the content of a file."""
        array = np.frombuffer(values, np.uint8) if isinstance(values, bytes) else np.ascontiguousarray(values)
        self._bytes += bytes(-len(self._bytes) % ALIGNMENT)
        rows = array.shape[0] if array.ndim else 1
        self.entries[name] = {
            "type": array.dtype.name,
            "offset": len(self._bytes),
            "count": array.size,
            "rows": rows,
        }
        self._bytes += array.tobytes()

    def compressed(self) -> bytes:
        """Return the content of the file, which gzip decompresses; it is the same for the same arrays."""
        return gzip.compress(bytes(self._bytes), 9, mtime=0)
