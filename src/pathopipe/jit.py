"""Compiled loops: numba, with its cache where a place for it can be written.

numba's cache is invalidated by changes of a kernel's own file only, so a kernel calls kernels of its own module alone.
"""

import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])
_LOCK = threading.RLock()


def kernel(function: F) -> F:
    """Compile ``function`` at its first call, without the GIL, so that threads run it side by side.

    The machine code is kept beside the package or in the user's cache; where neither can be written (a read-only
    container) it is compiled once per process.
    """
    return cast("F", _Kernel(function))


class _Kernel:
    """A loop that is compiled when it is called, by Python or from another kernel.

    Until then numba is not imported, which takes longer than most commands: many modules are read for a constant only.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.__name__, self.__doc__, self.__module__ = function.__name__, function.__doc__, function.__module__
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        return (self._compiled or self._compile())(*arguments)

    @property
    def _numba_type_(self) -> Any:
        """What numba asks a value for that it meets in a loop."""
        return cast("Any", self._compiled or self._compile())._numba_type_

    def _compile(self) -> Callable[..., Any]:
        with _LOCK:
            if self._compiled is None:
                self._compiled = _dispatcher(self.__wrapped__)
            return self._compiled


def _dispatcher(function: Callable[..., Any]) -> Callable[..., Any]:
    import numba

    try:
        return cast("Callable[..., Any]", numba.njit(function, nogil=True, cache=True))
    except RuntimeError:
        return cast("Callable[..., Any]", numba.njit(function, nogil=True))
