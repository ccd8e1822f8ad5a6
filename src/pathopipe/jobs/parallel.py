"""Running array code in threads, in order and with bounded memory."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar, cast

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")
READERS: Final = 16
"""Threads that look at small files: on a network file system, looking is waiting."""


def ordered_map(function: Callable[[ItemT], ResultT], items: Iterable[ItemT], workers: int) -> Iterator[ResultT]:
    """Apply ``function`` in ``workers`` threads and yield results in the order of ``items``.

    At most two results per worker wait, so memory does not grow with the number of items. Threads, because decoding
    and the numeric kernels release the interpreter's lock.
    """
    if workers <= 1:
        yield from map(function, items)
        return
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def ahead(items: Iterable[ItemT]) -> Iterator[ItemT]:
    """Yield items, the next of which a thread makes meanwhile."""
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, source, end)
        while (item := following.result()) is not end:
            following = pool.submit(next, source, end)
            yield cast("ItemT", item)
