"""Which outlines touch the border of tissue: as all points say, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathopipe.ops.border import Border
from pathopipe.ops.regions import Bins
from pathopipe.units import Grid, Mpp


def border(mask: np.ndarray, factor: float, bin_px: float) -> Border:
    height, width = (round(side * bin_px) for side in mask.shape)
    bins = Bins(mask.shape[1], mask.shape[0], bin_px, bin_px, (bin_px * 0.5) ** 2)
    return Border(Grid.at(0.5 * factor, Mpp(0.5, 0.5, "sheet"), width, height), bins, mask)


def touches(known: Border, ring: np.ndarray) -> bool:
    """Ask of each point of a ring what lies beside it."""
    if (ring <= 0).any() or (ring >= (known.grid.width, known.grid.height)).any():
        return True
    for x, y in ring:
        for dx, dy in ((-0.75, 0), (0.75, 0), (0, -0.75), (0, 0.75)):
            column = int(np.floor((x + dx) * known.grid.factor_x / known.bins.bin_px_x))
            row = int(np.floor((y + dy) * known.grid.factor_y / known.bins.bin_px_y))
            on_slide = 0 <= row < known.bins.height and 0 <= column < known.bins.width
            if not on_slide or not known.mask[row, column]:
                return True
    return False


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 2.0]), st.sampled_from([7.3, 16.0]))
def test_outlines_touch_what_their_points_touch(seed: int, factor: float, bin_px: float) -> None:
    rng = np.random.default_rng(seed)
    known = border(rng.random((12, 9)) < 0.93, factor, bin_px)
    size = np.array([known.grid.width, known.grid.height])
    rings = [np.round(2 * (rng.uniform(0, size) + rng.uniform(-8, 8, (rng.integers(3, 9), 2)))) / 2 for _ in range(40)]
    offsets = np.cumsum([0, *map(len, rings)])
    found = known.touched_by(np.concatenate(rings), offsets)
    assert found.tolist() == [touches(known, ring) for ring in rings]
    assert len(set(found.tolist())) == 2


@pytest.mark.parametrize("hole", [None, (5, 4)])
def test_amid_tissue_no_outline_touches(hole: tuple[int, int] | None) -> None:
    mask = np.ones((10, 10), np.bool_)
    if hole:
        mask[hole] = False
    ring = np.array([(60.0, 70), (90, 70), (90, 100), (60, 100)])  # around the bin in the middle, not into it
    assert border(mask, 1.0, 16.0).touched_by(ring, np.array([0, 4])).tolist() == [False]
