"""Numbers as a page shows them, with three significant digits, in two bytes."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DIGITS: Final = 3
_LEAST: Final = -15
"""Exponent of the smallest mantissa that is kept; what is smaller becomes 0."""
_MOST: Final = 15
_MANTISSA, _SIGN = 10, 15
"""Bits of the mantissa, and the place of the sign."""


def to_codes(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Round to three significant digits, and pack: as `text.number` does, which keeps all digits of a thousand, though.

    Returns
    -------
    uint16 of the same shape: mantissa in the lower ten bits, exponent of ten plus 16 in the next
    five, sign in the last. 0 stands for a number that is missing.
    """
    size = np.abs(np.asarray(values, np.float64))
    known, zero = np.isfinite(size), size < 10.0 ** (_LEAST + DIGITS - 1)
    exponent = np.floor(np.log10(np.where(known & ~zero, size, 1.0))).astype(np.int64) - (DIGITS - 1)
    # A product with a power of ten that is exact, or a quotient: 12.25 must stay a tie, which goes to the even digit.
    up, down = 10.0 ** np.maximum(-exponent, 0), 10.0 ** np.maximum(exponent, 0)
    mantissa = np.rint(np.where(known & ~zero, size, 0.0) * up / down).astype(np.int64)
    codes = mantissa | (np.clip(exponent, _LEAST, _MOST) - _LEAST + 1) << _MANTISSA
    codes |= (np.asarray(values) < 0).astype(np.int64) << _SIGN
    return np.where(known, codes, 0).astype(np.uint16)


def from_codes(codes: NDArray[np.uint16]) -> NDArray[np.float64]:
    """Return the numbers; nan where one is missing."""
    mantissa, exponent = codes & 1023, exponents(codes)
    sign = np.where(codes >> _SIGN, -1.0, 1.0)
    return np.where(codes == 0, np.nan, sign * mantissa * 10.0**exponent)


def exponents(codes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the powers of ten of the last digits that are kept."""
    return ((codes >> _MANTISSA) & 31).astype(np.int64) + _LEAST - 1
