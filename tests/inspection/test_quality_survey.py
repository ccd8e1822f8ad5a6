"""Blocks of a slide fit together: what is described does not show where a block ends, nor who looked at it."""

import numpy as np
import pytest

from pathopipe.inspection.quality_survey import survey
from pathopipe.ops.quality.bins import measure_bins
from pathopipe.ops.quality.surroundings import HALO, describe
from pathopipe.slide.resample import mirror
from pathopipe.units import Grid, Mpp

CELLS = (150, 170)


class Field:
    """An image at 1 µm per pixel, mirrored beyond its border as a slide is."""

    def __init__(self) -> None:
        noise = np.random.default_rng(0).integers(60, 240, (CELLS[0] * 8, CELLS[1] * 8, 3), np.uint8)
        self.rgb, self.reads = noise, 0

    def read(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        self.reads += 1
        rows, columns = mirror(y, height, len(self.rgb)), mirror(x, width, self.rgb.shape[1])
        return np.ascontiguousarray(self.rgb[np.ix_(rows, columns)])


def looked(field: Field, tissue: np.ndarray, workers: int) -> np.ndarray:
    grid = Grid.at(8.0, Mpp(1.0, 1.0, "sheet"), CELLS[1] * 8, CELLS[0] * 8, covering=True)
    seen = np.zeros((CELLS[0] * 2, CELLS[1] * 2), np.uint8)

    def look(features: np.ndarray, clipped: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        assert features.shape[1] == len(clipped)
        value = np.clip(features[4] * 200, 1, 255).astype(np.uint8)
        return value, value

    for part in survey(field, grid, tissue, look, workers):
        height, width = part.labels.shape
        seen[part.row : part.row + height, part.column : part.column + width] = part.labels
    return seen


def test_blocks_are_described_as_the_whole_is() -> None:
    field = Field()
    seen = looked(field, np.ones(CELLS, bool), 1)
    bins = measure_bins(field.read(None, -4, -4, field.rgb.shape[1] + 8, len(field.rgb) + 8))
    whole = describe(np.pad(bins, ((HALO, HALO), (HALO, HALO), (0, 0)), mode="symmetric"))[4]
    np.testing.assert_allclose(seen, np.clip(whole * 200, 1, 255).astype(np.uint8), atol=1)


@pytest.mark.parametrize("workers", [2, 5])
def test_threads_see_the_same(workers: int) -> None:
    tissue = np.random.default_rng(1).random(CELLS) < 0.5
    np.testing.assert_array_equal(looked(Field(), tissue, workers), looked(Field(), tissue, 1))


def test_only_blocks_with_tissue_are_read_each_once_and_only_tissue_is_judged() -> None:
    field, tissue = Field(), np.zeros(CELLS, bool)
    tissue[10:40, 20:60] = True
    seen = looked(field, tissue, 1)
    assert field.reads == 1
    np.testing.assert_array_equal(seen > 0, tissue.repeat(2, axis=0).repeat(2, axis=1))
