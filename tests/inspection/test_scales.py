"""What the model sees at three scales: of any slide as much, whoever looks."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from pathopipe.inspection.scales import SIDE, WINDOWS, look
from pathopipe.inspection.windows import choose_windows
from pathopipe.models.base import Prediction, Traits
from pathopipe.models.mpp_guard import SCALES
from pathopipe.ops.regions import Bins
from pathopipe.units import Grid, Mpp


@dataclass
class Noise:
    """A slide of noise, of which every pixel is told from its place."""

    width_px: int
    height_px: int
    mpp: float
    seen: list[tuple[Grid, tuple[int, ...]]] = field(default_factory=list)

    def grid(self, mpp: float) -> Grid:
        return Grid.at(mpp, Mpp(self.mpp, self.mpp, "sheet"), self.width_px, self.height_px)

    def read(self, grid: Grid, x: int, y: int, width: int, height: int) -> np.ndarray:
        self.seen.append((grid, (x, y, width, height)))
        return np.random.default_rng([x, y, width, height]).integers(0, 256, (height, width, 3), np.uint8)


class Bright:
    """Sees a nucleus of 9 pixels at the brightest pixel of every row; two pixels of the maps for each of the image."""

    name, sha256, traits = "bright", None, Traits(mpp=0.5, radius=1, upsampling=2)

    def predict(self, rgb: np.ndarray) -> Prediction:
        height, width = rgb.shape[:2]
        rows = np.arange(1, height - 1, 4)
        columns = np.clip(rgb[rows, :, 0].argmax(axis=1), 1, width - 2)
        foreground = np.zeros((2 * height, 2 * width), np.uint8)
        for row, column in zip(rows, columns, strict=True):
            foreground[2 * row - 2 : 2 * row + 4, 2 * column - 2 : 2 * column + 4] = 200
        seeds = 2 * np.stack([rows, columns], axis=1).astype(np.int32)
        return Prediction(seeds, rgb[rows, columns, 0].astype(np.float32) / 255, {"foreground": foreground})


def tissue_of(slide: Noise) -> tuple[np.ndarray, Bins]:
    grid = slide.grid(8.0)
    bins = Bins(grid.width, grid.height, grid.factor_x, grid.factor_y, grid.pixel_um2)
    return np.ones((grid.height, grid.width), bool), bins


def looks(slide: Noise, workers: int = 1) -> list[dict[str, float]]:
    mm2 = slide.width_px * slide.height_px * slide.mpp**2 / 1e6
    return look(slide, *tissue_of(slide), Bright(), mm2, workers)  # type: ignore[arg-type]


def test_what_is_seen_is_summed_over_the_windows_of_each_scale():
    slide = Noise(2000, 1500, 0.25)
    found, seen = looks(slide), tuple(slide.seen)
    assert [entry["scale"] for entry in found] == list(SCALES)
    for entry, scale in zip(found, SCALES, strict=True):
        windows = [window for grid, window in seen if grid == slide.grid(0.5 * scale)]
        predictions = [Bright().predict(slide.read(slide.grid(1), *window)) for window in windows]
        scores = np.concatenate([prediction.scores for prediction in predictions])
        assert entry["windows"] == len(windows)
        assert entry["pixels"] == sum(window[2] * window[3] for window in windows)
        assert entry["seeds"] == len(scores)
        assert entry["score"] == pytest.approx(scores.mean(), abs=1e-4)
        assert entry["area_px"] == 9


def test_workers_change_nothing():
    assert looks(Noise(3000, 3000, 0.25), 1) == looks(Noise(3000, 3000, 0.25), 3)


@pytest.mark.parametrize(("side", "windows"), [(2000, [4, 2, 1]), (6000, [22, 11, 6]), (20_000, [32, 16, 8])])
def test_the_work_does_not_grow_with_the_slide(side, windows):
    assert WINDOWS == (2, 16)
    slide = Noise(side, side, 0.5)
    assert [entry["windows"] for entry in looks(slide)] == windows
    assert len(slide.seen) == sum(windows)
    assert {window[2:] for _, window in slide.seen} == {(SIDE, SIDE)}


def test_nothing_is_seen_where_the_model_finds_nothing():
    class Blind(Bright):
        def predict(self, rgb: np.ndarray) -> Prediction:
            empty = np.empty((0, 2), np.int32), np.empty(0, np.float32)
            foreground = np.zeros((2 * rgb.shape[0], 2 * rgb.shape[1]), np.uint8)
            return Prediction(*empty, {"foreground": foreground})

    slide = Noise(1000, 1000, 0.5)
    found = look(slide, *tissue_of(slide), Blind(), 0.25, 1)  # type: ignore[arg-type]
    assert [(entry["seeds"], entry["score"], entry["area_px"]) for entry in found] == [(0, 0.0, 0.0)] * 3


@pytest.mark.parametrize(("width", "starts"), [(200, [0]), (256, [0]), (300, [0, 44]), (512, [0, 256])])
def test_windows_reach_to_the_edge_where_asked(width, starts):
    grid = Grid(width, 256, 1.0, 1.0, 0.5, 0.5)
    mask, bins = np.ones((256, width), bool), Bins(width, 256, 1.0, 1.0, 0.25)
    assert [x for x, *_ in choose_windows(grid, mask, bins, 256, 9, to_edge=True)] == starts
    assert [x for x, *_ in choose_windows(grid, mask, bins, 256, 9)] == [x for x in starts if x % 256 == 0]
