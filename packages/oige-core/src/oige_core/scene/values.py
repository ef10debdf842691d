"""Conversion of numbers and vectors of Python, NumPy or torch."""

import numpy as np

from oige_core.errors import OigeError

__all__ = ["IDENTITY", "Quaternion", "Vector3", "as_flag", "as_number", "as_quaternion", "as_vector", "as_whole"]

Vector3 = tuple[float, ...]
"""x, y, z."""

Quaternion = tuple[float, ...]
"""w, x, y, z."""

IDENTITY: Quaternion = (1.0, 0.0, 0.0, 0.0)
"""No rotation."""


def as_flag(value: object, title: str) -> bool:
    """Return Python's or NumPy's True or False as a Python bool.

    Raises:
        OigeError: it is neither. Strings are not accepted, since "False" would count as true.
    """
    if not isinstance(value, bool | np.bool_):
        raise OigeError(f"{title}={value!r}: expected True or False.")
    return bool(value)


def as_number(value: object, title: str) -> float:
    """Return any library's number as a Python float.

    Raises:
        OigeError: it is not a finite number.
    """
    return as_vector([value], title, count=1)[0]


def as_whole(value: object, title: str) -> int:
    """Return any library's whole number as a Python int.

    Raises:
        OigeError: it is not a whole number.
    """
    number = as_number(value, title)
    if number != int(number):
        raise OigeError(f"{title}={value!r}: expected a whole number.")
    return int(number)


def as_vector(values: object, title: str, *, count: int = 3) -> tuple[float, ...]:
    """Return the numbers of a sequence, array or tensor as Python floats.

    Raises:
        OigeError: there are more or fewer than ``count``, or one is not finite.
    """
    shown = values[0] if count == 1 and isinstance(values, list) else values
    try:
        if np.asarray(values).dtype.kind in "US":  # NumPy would convert strings to numbers
            raise TypeError
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise OigeError(f"{title}={shown!r}: expected {_expected(count)}.") from error
    if array.shape != (count,) or not np.isfinite(array).all():
        raise OigeError(f"{title}={shown!r}: expected {_expected(count)}.")
    return tuple(array.tolist())


def _expected(count: int) -> str:
    return "a finite number" if count == 1 else f"{count} finite numbers"


def as_quaternion(values: object, title: str) -> tuple[float, ...]:
    """Return a quaternion w, x, y, z, which engines normalise.

    Raises:
        OigeError: the values are not a valid orientation.
    """
    quaternion = as_vector(values, title, count=4)
    if not any(quaternion):
        raise OigeError(f"{title}={values!r}: expected w, x, y, z, not all zero.")
    return quaternion
