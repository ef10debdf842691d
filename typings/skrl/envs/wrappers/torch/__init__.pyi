from typing import Any

class Wrapper:
    _env: Any
    def __init__(self, env: Any) -> None: ...
