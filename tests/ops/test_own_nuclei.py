"""Pixels of outlines by themselves, many that lie on each other, too."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from pathopipe.ops import own_nuclei
from pathopipe.ops.own_nuclei import pixels_alone
from pathopipe.ops.raster import rasterize


def rings(count: int, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Triangles and squares about the same place."""
    rng = np.random.default_rng(2)
    corners = [rng.uniform(0, side, (3 + number % 2, 2)) for number in range(count)]
    return np.concatenate(corners), np.cumsum([0, *map(len, corners)])


def test_pixels_are_those_of_each_outline_however_many_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    coords, offsets = rings(50, 30)
    alone = [
        int((rasterize(coords[start:end], np.array([0, end - start]), (40, 40)) > 0).sum())
        for start, end in pairwise(offsets)
    ]
    for most in (2**26, 1000, 1):
        monkeypatch.setattr(own_nuclei, "_MOST_AT_ONCE", most)
        assert pixels_alone(coords, offsets).tolist() == alone


def test_memory_does_not_grow_with_outlines_that_lie_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    coords, offsets = rings(2000, 400)
    pixels_alone(coords[: offsets[2]], offsets[:3])  # compiled
    monkeypatch.setattr(own_nuclei, "_MOST_AT_ONCE", 2**24)
    tracemalloc.start()
    pixels_alone(coords, offsets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
