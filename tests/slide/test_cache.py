"""Decoded pixels are kept within a limit of bytes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from pathopipe.slide.cache import PixelCache


def pixels(value: int) -> np.ndarray:
    return np.full((10, 10, 1), value, np.uint8)


def test_what_was_used_last_is_kept() -> None:
    cache, decoded = PixelCache(lambda _: 250), []

    def get(key: int) -> None:
        assert (cache.get(0, key, lambda: decoded.append(key) or pixels(key)) == key).all()  # type: ignore[func-returns-value]

    for key in (1, 2, 1, 3, 1, 2):
        get(key)
    assert decoded == [1, 2, 3, 2]


def test_one_array_beyond_the_limit_is_kept_until_the_next() -> None:
    cache, decoded = PixelCache(lambda _: 10), []
    for key in (1, 1, 2, 2):
        cache.get(0, key, lambda key=key: decoded.append(key) or pixels(key))  # type: ignore[misc]
    assert decoded == [1, 2]


def test_only_one_level_is_kept() -> None:
    cache, decoded = PixelCache(lambda _: 1000), list[tuple[int, int]]()

    def get(level: int, key: int) -> int:
        def decode() -> np.ndarray:
            decoded.append((level, key))
            return pixels(10 * level + key)

        return int(cache.get(level, key, decode)[0, 0, 0])

    assert [get(0, 1), get(0, 2), get(0, 1), get(2, 1), get(2, 1), get(0, 1)] == [1, 2, 1, 21, 21, 1]
    assert decoded == [(0, 1), (0, 2), (2, 1), (0, 1)]


def test_threads_share_it() -> None:
    cache = PixelCache(lambda _: 550)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda n: cache.get(n // 50, n % 9, lambda: pixels(n % 9))[0, 0, 0], range(500)))
    assert results == [n % 9 for n in range(500)]
    assert 0 < sum(array.nbytes for array in cache._kept.values()) <= 550
