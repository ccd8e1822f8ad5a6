"""Decoded pixels kept for the next read, within a limit of bytes."""

import threading
from collections.abc import Callable, Hashable

from cachetools import LRUCache

from pathopipe.slide.backend import RGB


class PixelCache:
    """Keeps the arrays that were used last, of one level: who goes on to another one rarely comes back.

    Shared by threads, two of which may decode the same thing at a time.

    Parameters
    ----------
    limit
        Gives the most bytes to keep of a level.
    """

    def __init__(self, limit: Callable[[int], int]) -> None:
        self._limit = limit
        self._level, self._kept = 0, _kept(limit(0))
        self._lock = threading.Lock()

    def get(self, level: int, key: Hashable, decode: Callable[[], RGB]) -> RGB:
        """Return what is kept of a level under ``key``, else what ``decode`` returns."""
        with self._lock:
            if level != self._level:
                self._level, self._kept = level, _kept(self._limit(level))
            if (found := self._kept.get(key)) is not None:
                return found
        pixels = decode()
        with self._lock:
            if level == self._level:
                self._kept[key] = pixels
        return pixels


def _kept(limit: int) -> LRUCache[Hashable, RGB]:
    # What is larger than the limit counts as that large: it is kept until the next, and nothing beside it.
    return LRUCache(limit, getsizeof=lambda pixels: min(pixels.nbytes, limit))
