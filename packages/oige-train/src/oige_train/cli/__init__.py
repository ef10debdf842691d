"""Command-line programs. An interruption that nothing handles, as while their modules are imported, is one line."""

import sys

__all__ = []

_show_error = sys.excepthook


def _show_error_or_interruption(kind, error, trace) -> None:  # imports nothing: types are those of sys.excepthook
    if not issubclass(kind, KeyboardInterrupt):
        _show_error(kind, error, trace)
        return
    from oige_train.stopping import INTERRUPTED

    print("interrupted", file=sys.stderr)
    sys.exit(INTERRUPTED)


sys.excepthook = _show_error_or_interruption
