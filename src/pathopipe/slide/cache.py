"""Decoded pixels kept for the next read, within a limit of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

from pathopipe.slide.backend import RGB


class PixelCache:
    """Keeps the arrays that were used last, of one level: who goes on to another one rarely comes back.

    Shared by threads, of which two may decode the same thing at a time.

    Parameters
    ----------
    limit
        Gives the most bytes to keep of a level.
    """

    def __init__(self, limit: Callable[[int], int]) -> None:
        self._limit = limit
        self._max_bytes = limit(0)
        self._bytes = 0
        self._level = 0
        self._kept: OrderedDict[Hashable, RGB] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, level: int, key: Hashable, decode: Callable[[], RGB]) -> RGB:
        """Return what is kept of a level under ``key``, else what ``decode`` returns."""
        with self._lock:
            if level != self._level:
                self._kept.clear()
                self._level, self._bytes, self._max_bytes = level, 0, self._limit(level)
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        pixels = decode()
        with self._lock:
            if level == self._level and key not in self._kept:
                self._kept[key] = pixels
                self._bytes += pixels.nbytes
            while self._bytes > self._max_bytes and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return pixels
