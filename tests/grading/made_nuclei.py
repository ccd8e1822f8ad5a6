"""Nuclei of a slide for tests of graders that look at fields."""

from collections.abc import Iterator, Sequence

import numpy as np

from pathopipe.grading.base import Columns, Parts
from pathopipe.grading.fields import MEASURES

NAMES = tuple(name for names in MEASURES.values() for name in names)


def nuclei(count: int = 400, seed: int = 0, side_um: float = 512.0) -> dict[str, np.ndarray]:
    """Columns of nuclei at random places, of random types, with measures of any size, one in ten not measured."""
    rng = np.random.default_rng(seed)
    measured = {name: 100 * rng.random() + rng.normal(size=count) for name in NAMES}
    for values in measured.values():
        values[rng.random(count) < 0.1] = np.nan
    places = {name: rng.random(count) * side_um for name in ("x_um", "y_um")}
    return measured | places | {"type": rng.integers(-1, 4, count).astype(np.float64)}


def parts_of(columns: dict[str, np.ndarray], size: int = 10**6, asked: list[Sequence[str]] | None = None) -> Parts:
    """Give so many nuclei at a time."""

    def parts(names: Sequence[str]) -> Iterator[Columns]:
        if asked is not None:
            asked.append(names)
        for start in range(0, len(columns["x_um"]), size):
            yield {name: columns[name][start : start + size] for name in names}

    return parts
