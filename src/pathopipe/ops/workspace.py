"""Memory that a thread works on piece after piece, instead of taking it from the system for each and returning it."""

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Workspace(threading.local):
    """Arrays by name, of each thread its own; they stay until the workspace or the thread ends."""

    def __init__(self) -> None:
        self._arrays: dict[str, NDArray[Any]] = {}

    def array(self, name: str, size: int, kind: DTypeLike) -> NDArray[Any]:
        """Give an array (size,) that holds what was left in it, and 0 where nothing was."""
        found = self._arrays.get(name)
        if found is None or len(found) < size or found.dtype != kind:
            found = None
            self._arrays.pop(name, None)  # free before there is more
            found = self._arrays[name] = np.zeros(size, kind)
        return found[:size]

    def forget(self) -> None:
        """Begin anew, after an error: nobody knows what was left."""
        self._arrays.clear()
