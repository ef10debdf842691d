"""Everything of Warp is Any: in kernels, where types have a meaning of their own, its annotations are of no help."""

from typing import Any

def __getattr__(name: str) -> Any: ...
