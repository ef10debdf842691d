"""Log messages of OIGE, kept for the panel."""

import logging
from collections.abc import Callable

__all__ = ["MessageHandler"]

PACKAGES = ("oige_core", "oige_train", "oige_extension")


class MessageHandler(logging.Handler):
    """Passes the log messages of OIGE's packages on, each as one line.

    Args:
        show: called with a message, by the thread that logs it.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def attach(self) -> None:
        """Begin to pass messages on."""
        for package in PACKAGES:
            logger = logging.getLogger(package)
            logger.addHandler(self)
            logger.setLevel(logging.INFO)

    def detach(self) -> None:
        """Stop to pass messages on."""
        for package in PACKAGES:
            logging.getLogger(package).removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a message on, without a traceback."""
        self._show(" ".join(record.getMessage().split()))
