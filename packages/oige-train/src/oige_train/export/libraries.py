"""The optional libraries of exports, and the error if they are not installed."""

import contextlib
from collections.abc import Iterator

from oige_core.errors import MissingExtraError

__all__ = ["needs_export"]

MODULES = ("onnx", "onnxruntime")


@contextlib.contextmanager
def needs_export(purpose: str) -> Iterator[None]:
    """Context in which onnx or onnxruntime is imported.

    Args:
        purpose: what needs them; the message starts with this.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in MODULES:
            raise
        raise MissingExtraError(
            f"{purpose} needs the module '{error.name}', which is not installed: pip install 'oige-train[export]'."
        ) from error
