"""Compiled loops: numba, with its cache where a place for it can be written.

numba's cache is invalidated by changes of a kernel's own file only, so a kernel calls kernels of its own module alone.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile ``function`` at its first call, without the GIL, so that threads run it side by side.

    The machine code is kept beside the package or in the user's cache; where neither can be written (a read-only
    container) it is compiled once per process.
    """
    try:
        compiled = numba.njit(function, nogil=True, cache=True)
    except RuntimeError:
        compiled = numba.njit(function, nogil=True)
    return cast("F", compiled)
