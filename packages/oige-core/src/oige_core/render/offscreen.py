"""Images of worlds, rendered without a screen."""

from typing import Protocol

import numpy as np

__all__ = ["OffscreenRenderer"]


class OffscreenRenderer(Protocol):
    """Renders images of an engine's worlds."""

    def render(self) -> np.ndarray:
        """Return images ``(n, height, width, 3)`` uint8 of the current state, red, green and blue."""
        ...
