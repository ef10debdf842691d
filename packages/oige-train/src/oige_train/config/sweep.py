"""Names of the runs of a sweep, which contain the values that vary."""

import contextlib
import contextvars
import re
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

__all__ = ["is_launched", "launched_job", "sweep_suffix", "sweeping", "swept_keys", "varying_keys"]

MAX_LENGTH = 100

_swept: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("_swept", default=())

_launched: contextvars.ContextVar[tuple[str, ...] | None] = contextvars.ContextVar("_launched", default=None)


@contextlib.contextmanager
def launched_job(keys: Sequence[str]) -> Iterator[None]:
    """Compose one job of a sweep, from the overrides that Hydra's launcher gave it, until the block ends.

    Args:
        keys: keys that vary in the sweep.
    """
    token = _launched.set(tuple(keys))
    try:
        yield
    finally:
        _launched.reset(token)


def is_launched() -> bool:
    """Whether arguments are overrides of a :func:`launched_job`, whose texts are in Hydra's notation already."""
    return _launched.get() is not None


def swept_keys() -> tuple[str, ...]:
    """Return the keys that vary in the current sweep; empty outside of one."""
    return _swept.get()


@contextlib.contextmanager
def sweeping(arguments: Sequence[str]) -> Iterator[None]:
    """Set :func:`swept_keys` to the keys that have more than one value, until the block ends.

    Args:
        arguments: Hydra's arguments.
    """
    launched = _launched.get()
    token = _swept.set(varying_keys(arguments) if launched is None else launched)
    try:
        yield
    finally:
        _swept.reset(token)


def varying_keys(arguments: Sequence[str]) -> tuple[str, ...]:
    """Return the keys that have more than one value.

    Args:
        arguments: Hydra's arguments.
    """
    texts = [argument for argument in arguments if "=" in argument and not argument.startswith("-")]
    try:
        overrides = OverridesParser.create().parse_overrides(texts)
    except HydraException:
        return ()
    return tuple(dict.fromkeys(o.key_or_group for o in overrides if o.is_sweep_override()))


def sweep_suffix(keys: Sequence[str], overrides: Sequence[str], *, name: str) -> str:
    """Return the suffix for the name of a job of a sweep, such as ``_seed=1_gamma=0.99``.

    Args:
        keys: keys that vary.
        overrides: Hydra's overrides of the job.
        name: the job's name so far; a value that equals it is left out.

    Returns:
        The shortest unique ends of the keys, with their values. Characters that are awkward in file names become
        ``_``, and long suffixes are truncated.
    """
    values = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        value = override.value()
        if isinstance(value, float):  # Optuna's have 17 digits
            text = f"{value:.6g}"
        else:
            text = value if isinstance(value, str) else override.get_value_element_as_str()
        values[override.key_or_group] = text
    parts = [f"{_short(key, keys)}={values[key]}" for key in keys if values.get(key, name) != name]
    text = "".join(f"_{part}" for part in parts)
    return re.sub(r"[^\w.=+-]+", "_", text)[:MAX_LENGTH].rstrip("_")


def _short(key: str, keys: Sequence[str]) -> str:
    """Return the shortest end of a dotted key that no other key ends with."""
    parts = key.split(".")
    for count in range(1, len(parts)):
        end = ".".join(parts[-count:])
        if sum(other == end or other.endswith(f".{end}") for other in keys) == 1:
            return end
    return key
