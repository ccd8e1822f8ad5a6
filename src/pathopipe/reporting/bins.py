"""Nuclei counted into square bins, a part of the table at a time, and what is read off the counts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class BinCounts:
    """Counts and sums of a value per bin of a regular grid; memory depends on the grid, not on the number of nuclei.

    Parameters
    ----------
    width_px, height_px
        Size of the slide in level-0 pixels.
    bin_x_px, bin_y_px
        Size of a bin in level-0 pixels; the last column and row may reach beyond the slide.
    """

    def __init__(self, width_px: float, height_px: float, bin_x_px: float, bin_y_px: float) -> None:
        self.bin_x_px, self.bin_y_px = bin_x_px, bin_y_px
        # 1e-9: a slide of exactly ten bins must not get an eleventh from a rounding error.
        self.columns = max(1, int(np.ceil(width_px / bin_x_px - 1e-9)))
        self.rows = max(1, int(np.ceil(height_px / bin_y_px - 1e-9)))
        self._counts = np.zeros(self.rows * self.columns, np.int64)
        self._sums = np.zeros(self.rows * self.columns, np.float64)

    def add(self, x_px: ArrayLike, y_px: ArrayLike, values: ArrayLike) -> None:
        """Count nuclei at ``(x_px, y_px)`` and add their ``values`` (all of shape ``(N,)``)."""
        column = np.clip(np.asarray(x_px, np.float64) // self.bin_x_px, 0, self.columns - 1).astype(np.int64)
        row = np.clip(np.asarray(y_px, np.float64) // self.bin_y_px, 0, self.rows - 1).astype(np.int64)
        index, size = row * self.columns + column, self._counts.size
        self._counts += np.bincount(index, minlength=size)
        self._sums += np.bincount(index, weights=np.nan_to_num(np.asarray(values, np.float64)), minlength=size)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Nuclei per bin, ``(rows, columns)``."""
        return self._counts.reshape(self.rows, self.columns)

    @property
    def sums(self) -> NDArray[np.float64]:
        """Sum of the values per bin, ``(rows, columns)``."""
        return self._sums.reshape(self.rows, self.columns)


@dataclass(frozen=True)
class DensityScale:
    """Cell size and width of the smoothing of a density map, in µm."""

    bin_um: float
    sigma_um: float


def density_scale(longest_um: float) -> DensityScale:
    """Choose bins and smoothing for a slide whose longer side is ``longest_um``: small images are shown finer."""
    sigma = float(np.clip(longest_um / 40, 10.0, 100.0))
    return DensityScale(bin_um=max(sigma / 4, longest_um / 400), sigma_um=sigma)


def density(
    counts: NDArray[np.int64], tissue: NDArray[np.float64], bin_mm2: float, sigma_bins: float
) -> NDArray[np.float64]:
    """Smooth counts into nuclei per mm² of tissue.

    Counts and tissue are smoothed by the same Gaussian and then divided: glass does not dilute tissue at an edge.

    Parameters
    ----------
    counts
        Nuclei per bin.
    tissue
        Share of each bin that is tissue, 0 to 1, same shape.
    bin_mm2
        Area of a bin.
    sigma_bins
        Standard deviation of the Gaussian, in bins.

    Returns
    -------
    Nuclei per mm², NaN far from any tissue.
    """
    smooth = _smoothed(counts.astype(np.float64), sigma_bins)
    area = _smoothed(tissue, sigma_bins) * bin_mm2
    seen = area > 1e-3 * bin_mm2
    result: Floats = np.divide(smooth, area, out=np.full(counts.shape, np.nan), where=seen)
    return result


def _smoothed(values: Floats, sigma: float) -> Floats:
    """Smooth by a Gaussian, with nothing beyond the border."""
    import cv2

    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT), np.float64)


def tissue_share(rings_px: list[NDArray[np.float64]], bins: BinCounts) -> NDArray[np.float64]:
    """Return the share of each bin that lies inside tissue, by the even-odd rule over all rings, holes too."""
    import cv2

    fine = 4
    canvas = np.zeros((bins.rows * fine, bins.columns * fine), np.uint8)
    size = np.array([bins.bin_x_px, bins.bin_y_px]) / fine
    # fillPoly counts from pixel centers, in sixteenths of a pixel.
    outlines = [np.rint((ring / size - 0.5) * 16).astype(np.int32) for ring in rings_px if len(ring) >= 3]
    if outlines:
        cv2.fillPoly(canvas, outlines, 1, shift=4)
    return np.asarray(canvas.reshape(bins.rows, fine, bins.columns, fine).mean(axis=(1, 3)), np.float64)


@dataclass(frozen=True)
class Window:
    """A field of view in level-0 pixels; ``kind`` says why, see `close_ups.WINDOWS`."""

    kind: str
    x_px: float
    y_px: float
    width_px: float
    height_px: float


def choose_windows(bins: BinCounts, tissue: Floats, slide_px: tuple[float, float], how_many: int) -> list[Window]:
    """Choose fields: the densest, one of median density, the one of the largest mean value, then a spread of densities.

    A field is two by two bins. Where there are fields full of tissue, those at its border are not chosen. Fields with
    fewer than a quarter of the median count are left out of the choice by value: three nuclei do not make a region.
    Fields already chosen are not overlapped; where nothing is left there are fewer. Ties go to the upper left.

    Parameters
    ----------
    bins
        Nuclei per bin of half a field's width and height, and sums of the value.
    tissue
        Share of each bin that is tissue.
    slide_px
        Width and height of the slide in level-0 pixels.
    how_many
        Fields wanted.
    """
    counts, sums, covered = _pairs(bins.counts), _pairs(bins.sums), _pairs(tissue)
    free, chosen = counts > 0, list[Window]()
    free &= covered >= 0.85 * covered.max(initial=0.0, where=free)
    x, y = (
        _origins(counts.shape[1], bins.bin_x_px, slide_px[0]),
        _origins(counts.shape[0], bins.bin_y_px, slide_px[1]),
    )
    for kind, ranking in _rankings(counts, sums, how_many) if free.any() else []:
        open_to = free & np.isfinite(ranking)
        if open_to.any():
            row, column = divmod(int(np.argmax(np.where(open_to, ranking, -np.inf))), counts.shape[1])
            free[np.ix_(abs(y - y[row]) < 2 * bins.bin_y_px, abs(x - x[column]) < 2 * bins.bin_x_px)] = False
            size = (min(2 * bins.bin_x_px, slide_px[0]), min(2 * bins.bin_y_px, slide_px[1]))
            chosen.append(Window(kind, float(x[column]), float(y[row]), *size))
    return chosen


def worst_window(bins: BinCounts, doubtful: Floats, slide_px: tuple[float, float]) -> Window | None:
    """Return the field of two by two bins with the most tissue that cannot be trusted; None where there is none.

    Of equal fields the one to the upper left is taken. ``doubtful`` is such a share of each bin.
    """
    covered = _pairs(doubtful)
    row, column = divmod(int(np.argmax(covered)), covered.shape[1])
    if not covered[row, column] > 0:
        return None
    x = float(_origins(covered.shape[1], bins.bin_x_px, slide_px[0])[column])
    y = float(_origins(covered.shape[0], bins.bin_y_px, slide_px[1])[row])
    return Window("worst", x, y, min(2 * bins.bin_x_px, slide_px[0]), min(2 * bins.bin_y_px, slide_px[1]))


def _rankings(counts: Floats, sums: Floats, how_many: int) -> list[tuple[str, Floats]]:
    """Return kinds of fields and how well each field fits (higher is better, minus infinity is excluded)."""
    inhabited = counts[counts > 0]
    median = float(np.median(inhabited))
    means = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    rankings = [
        ("densest", counts),
        ("typical", -np.abs(counts - median)),
        ("largest", np.where(counts >= median / 4, means, -np.inf)),
    ]
    shares = np.linspace(0.9, 0.1, max(0, how_many - len(rankings)))
    further = [("further", -np.abs(counts - float(np.quantile(inhabited, share)))) for share in shares]
    return [*rankings, *further][:how_many]


def _pairs(bins: NDArray[np.generic]) -> NDArray[np.float64]:
    """Sum every two by two neighboring bins; a grid of one row or column is taken as it is."""
    grid = bins.astype(np.float64)
    grid = grid[:-1] + grid[1:] if grid.shape[0] > 1 else grid
    return grid[:, :-1] + grid[:, 1:] if grid.shape[1] > 1 else grid


def _origins(fields: int, bin_px: float, slide_px: float) -> Floats:
    """Return where the fields begin along an axis; a field that would reach beyond the slide is moved inside."""
    return np.clip(np.arange(fields) * bin_px, 0.0, max(0.0, slide_px - 2 * bin_px))
