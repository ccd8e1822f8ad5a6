import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathopipe.reporting.bins import (
    BinCounts,
    choose_windows,
    density,
    density_scale,
    tissue_share,
    worst_window,
)

points = st.lists(st.tuples(st.floats(0, 999), st.floats(0, 499), st.floats(1, 100)), max_size=60)


@given(points, st.integers(1, 7))
def test_counts_do_not_depend_on_how_the_table_is_cut(rows, size):
    whole, parts = (BinCounts(1000, 500, 130, 110) for _ in range(2))
    table = np.array(rows, float).reshape(-1, 3)
    whole.add(*table.T)
    for start in range(0, len(table), size):
        parts.add(*table[start : start + size].T)
    assert whole.counts.shape == (5, 8)
    assert whole.counts.sum() == len(table)
    assert (whole.counts == parts.counts).all()
    assert np.allclose(whole.sums, parts.sums)


def test_a_grid_that_fits_has_no_further_cell():
    assert BinCounts(0.3, 0.6, 0.1, 0.1).counts.shape == (6, 3)


def test_density_of_uniform_nuclei_is_uniform_up_to_the_edge_of_the_tissue():
    counts = np.zeros((40, 40), int)
    counts[:, :20] = 3
    result = density(counts, (counts > 0).astype(float), bin_mm2=0.001, sigma_bins=3)
    assert np.allclose(result[:, :20], 3000)
    assert np.isnan(result[:, 35:]).all()


def test_tissue_share_counts_holes_out():
    bins = BinCounts(100, 100, 10, 10)
    outer = np.array([(0, 0), (60, 0), (60, 100), (0, 100), (0, 0)], float)
    hole = np.array([(20, 20), (40, 20), (40, 40), (20, 40), (20, 20)], float)
    share = tissue_share([outer, hole], bins)
    assert share[0, 0] > 0.8
    assert share[0, 8] == 0
    assert share[3, 3] < 0.3
    assert share.sum() == pytest.approx(56, rel=0.12)
    assert tissue_share([], bins).sum() == 0


def scattered(boxes, width=2000, height=1500):
    """Nuclei in boxes of (x, y, count, area), on bins of 160 x 120."""
    bins, rng = BinCounts(width, height, 160, 120), np.random.default_rng(1)
    for x, y, count, area in boxes:
        bins.add(x + 300 * rng.random(count), y + 230 * rng.random(count), np.full(count, area))
    return bins


def test_windows_are_the_densest_the_typical_and_the_one_of_large_nuclei():
    bins = scattered([(0, 0, 300, 30), (640, 0, 100, 30), (0, 720, 100, 30), (1280, 960, 90, 80)])
    windows = choose_windows(bins, np.ones(bins.counts.shape), (2000, 1500), 3)
    assert [window.kind for window in windows] == ["densest", "typical", "largest"]
    assert (windows[0].x_px, windows[0].y_px) == (0, 0)
    assert 1100 < windows[2].x_px < 1500
    assert 800 < windows[2].y_px < 1200
    assert windows == choose_windows(bins, np.ones(bins.counts.shape), (2000, 1500), 3)


@given(points, st.integers(0, 8))
def test_windows_lie_inside_and_do_not_overlap(rows, how_many):
    bins = BinCounts(1000, 500, 160, 120)
    bins.add(*np.array(rows, float).reshape(-1, 3).T)
    windows = choose_windows(bins, np.ones(bins.counts.shape), (1000, 500), how_many)
    assert len(windows) <= how_many
    for index, one in enumerate(windows):
        assert 0 <= one.x_px <= 1000 - one.width_px
        assert 0 <= one.y_px <= 500 - one.height_px
        for other in windows[:index]:
            apart_x = abs(one.x_px - other.x_px) >= one.width_px
            assert apart_x or abs(one.y_px - other.y_px) >= one.height_px


def test_fields_at_the_border_of_tissue_are_not_chosen():
    bins = scattered([(0, 0, 300, 30), (960, 480, 100, 30)])
    tissue = np.ones(bins.counts.shape)
    tissue[:3, :4] = 0.2
    windows = choose_windows(bins, tissue, (2000, 1500), 3)
    assert windows[0].x_px >= 640


def test_no_nuclei_no_windows():
    bins = BinCounts(1000, 500, 160, 120)
    assert choose_windows(bins, np.ones(bins.counts.shape), (1000, 500), 3) == []


@pytest.mark.parametrize("longest_um", [50, 1500, 40_000, 120_000])
def test_density_maps_stay_small_and_cells_finer_than_the_smoothing(longest_um):
    scale = density_scale(longest_um)
    assert longest_um / scale.bin_um <= 401
    assert scale.bin_um <= 3 * scale.sigma_um


def test_the_field_of_the_worst_quality_holds_the_most_of_what_cannot_be_trusted():
    bins = BinCounts(2000, 1500, 320, 240)
    doubtful = np.zeros(bins.counts.shape)
    assert worst_window(bins, doubtful, (2000, 1500)) is None
    doubtful[0, 0], doubtful[3:5, 4:6] = 1.0, 0.4
    window = worst_window(bins, doubtful, (2000, 1500))
    assert (window.kind, window.x_px, window.y_px) == ("worst", 4 * 320, 3 * 240)
    doubtful[-1, -1] = 9.0
    window = worst_window(bins, doubtful, (2000, 1500))
    assert (window.x_px + window.width_px, window.y_px + window.height_px) == (2000, 1500)
