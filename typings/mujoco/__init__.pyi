# MuJoCo's Python bindings are compiled and ship no type stubs: everything in them counts as Any.
from typing import Any

def __getattr__(name: str) -> Any: ...
