"""How points are spaced: Ripley's K, the pair correlation, distances to the nearest point, and Clark and Evans' index.

All are compared with complete spatial randomness: points anywhere in the window, independent of each other.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.spatial.window import Window

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

L_AT_UM: Final = (10, 20, 30, 50, 100)
NEAREST_AT_UM: Final = (5, 10, 15, 20, 30)
J_AT_UM: Final = (5, 10, 15, 20)
PAIR_CORRELATION_AT_UM: Final = (5, 10, 15, 20, 30, 50, 75)
HALF_WIDTH_UM: Final = 2
FEWEST: Final = 30
"""Fewest points for any of these, and fewest points or places in a share."""
PLACES: Final = 250_000

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def k_function(histogram: Counts, count: int, covariance: Floats) -> Floats:
    """Ripley's K (R,) at 1, 2 ... R um, with the translation correction (Ripley 1976, Ohser 1983).

    Parameters
    ----------
    histogram
        int64 (R,), numbers of ordered pairs of points by distance in bins of 1 um.
    count
        Number of points.
    covariance
        Isotropized set covariance of the window in um2 at 0, 1 ... um; its first entry is the area.

    Returns
    -------
    K in um2: the area times the share of pairs within r, each pair weighted by the area over the set covariance at the
    middle of its bin. NaN where the window has no pair of places so far apart.
    """
    if count < 2:
        return np.full(len(histogram), np.nan)
    common = _middles(covariance, len(histogram))
    weighted = np.full(len(histogram), np.nan)
    np.divide(histogram, common, out=weighted, where=common > 0)
    k: Floats = np.cumsum(weighted) * (covariance[0] ** 2 / (float(count) * (count - 1)))
    return k


def l_minus_r(k: Floats) -> Floats:
    """Besag's L(r) - r in um (Besag 1977): 0 at random, positive where points cluster, negative where they repel."""
    values: Floats = np.sqrt(k / math.pi) - np.arange(1, len(k) + 1)
    return values


def k_score(k: Floats, count: int, covariance: Floats, cover: Floats) -> Floats:
    """Standard scores (R,) of K at 1, 2 ... R um against complete spatial randomness.

    K is a mean over pairs (a U-statistic), so its variance is 2 / (n (n - 1)) times the variance of a pair's term plus
    2 (n - 2) times the variance of a point's mean term (Hoeffding 1948). The first, about 2 A pi r2 / n2, is the
    leading term of Ripley (1988) and of Lagache and others (2013); the second comes from the border, which cuts the
    discs around some points, and counts most where points are many and r is large.

    Parameters
    ----------
    k, count, covariance
        What `k_function` returned and took.
    cover
        float64 (R,), what `disc_cover` returned.
    """
    if count < 2 or not covariance[0] > 0:
        return np.full(len(k), np.nan)
    r = np.arange(1, len(k) + 1)
    expected, common = math.pi * r**2.0, _middles(covariance, len(k))
    ratios = np.full(len(k), np.nan)
    np.divide(math.pi * (2.0 * r - 1.0), common, out=ratios, where=common > 0)
    of_pair = covariance[0] ** 2 * np.cumsum(ratios) - expected**2
    of_point = expected**2 * cover
    variance = 2.0 / (float(count) * (count - 1)) * (of_pair + 2.0 * (count - 2) * of_point)
    scores = np.full(len(k), np.nan)
    np.divide(k - expected, np.sqrt(np.maximum(variance, 0.0)), out=scores, where=variance > 0)
    return scores


def disc_cover(window: Window, border: NDArray[np.float32], reach_um: int) -> Floats:
    """Squared coefficient of variation (R,), over a window's places, of the part of the disc around that is inside.

    The part is taken as that of a straight border at the place's distance from the border; 0 where there are no places.

    Parameters
    ----------
    window, border
        The window and its `Window.border_distances`.
    reach_um
        R; the radii are 1, 2 ... R um.
    """
    places = np.bincount(np.minimum(border[window.mask], reach_um).astype(np.int64), minlength=reach_um + 1)
    if not places.any():
        return np.zeros(reach_um)
    depth = np.minimum((np.arange(reach_um + 1) + 0.5) / np.arange(1, reach_um + 1)[:, None], 1.0)
    parts = 1.0 - (np.arccos(depth) - depth * np.sqrt(1.0 - depth**2)) / math.pi
    mean, squares = (parts * places).sum(axis=1), (parts**2 * places).sum(axis=1)
    spread: Floats = squares * places.sum() / mean**2 - 1.0
    return spread


def pair_correlation(histogram: Counts, count: int, covariance: Floats, half_width: int = HALF_WIDTH_UM) -> Floats:
    """Pair correlation g (R + 1,) at 0, 1 ... R um: density of pairs at a distance over that at random.

    With the translation correction (Stoyan and Stoyan 1994) and a box kernel of ``half_width`` um to either side. NaN
    where the box is not within 0 to R um.
    """
    bins = len(histogram)
    g = np.full(bins + 1, np.nan)
    common = _middles(covariance, bins)
    usable = (count >= 2) & (common > 0)
    weighted = np.zeros(bins)
    np.divide(histogram, common, out=weighted, where=usable)
    squares = np.arange(bins + 1) ** 2.0
    for r in range(half_width, bins - half_width + 1):
        box = slice(r - half_width, r + half_width)
        if np.all(usable[box]):
            ring = math.pi * (squares[r + half_width] - squares[r - half_width])
            g[r] = float(weighted[box].sum()) * covariance[0] ** 2 / (float(count) * (count - 1)) / ring
    return g


def reduced_sample(distances_um: Floats, border_um: Floats, at_um: Sequence[float]) -> Floats:
    """Share of places whose nearest point is within r, of those at least r from the border (Ripley 1988, Diggle 2003).

    Of points and their neighbors it is G, of places anywhere it is F.

    Parameters
    ----------
    distances_um
        float64 (M,), from each place to the nearest point.
    border_um
        float64 (M,), from each place to the border of the window.
    at_um
        The distances r.

    Returns
    -------
    float64 (len(at_um),), NaN where fewer than `FEWEST` places are that far from the border.
    """
    shares = np.full(len(at_um), np.nan)
    for k, r in enumerate(at_um):
        far = border_um >= r
        of = int(np.count_nonzero(far))
        if of >= FEWEST:
            shares[k] = np.count_nonzero(far & (distances_um <= r)) / of
    return shares


def j_function(g: Floats, f: Floats) -> Floats:
    """J = (1 - G) / (1 - F) (van Lieshout and Baddeley 1996): 1 at random, lower where points cluster.

    NaN where F is more than 0.99, where hardly a place is left that tells.
    """
    ratios = np.full(len(g), np.nan)
    np.divide(1.0 - g, 1.0 - f, out=ratios, where=f <= 0.99)
    return ratios


def empty_distances(
    tree: "cKDTree", window: Window, border: NDArray[np.float32], workers: int
) -> tuple[Floats, Floats]:
    """Distances (M,) from regular places in the window to the nearest point, and from these to the border.

    Nothing needs distances above the largest of `NEAREST_AT_UM`: those more than 1 um above it are infinite.

    The places are the centers of every k-th pixel of the mask along both axes, with the smallest k that gives at most
    about `PLACES` of them.
    """
    step = max(1, math.ceil(math.sqrt(np.count_nonzero(window.mask) / PLACES)))
    start = step // 2 if min(window.mask.shape) > step // 2 else 0
    rows, columns = np.nonzero(window.mask[start::step, start::step])
    rows, columns = rows * step + start, columns * step + start
    x = window.x0_um + (columns + 0.5) * window.pixel_um
    y = window.y0_um + (rows + 0.5) * window.pixel_um
    distances, _ = tree.query(np.column_stack([x, y]), distance_upper_bound=max(NEAREST_AT_UM) + 1.0, workers=workers)
    return np.asarray(distances, np.float64), border[rows, columns].astype(np.float64)


def clark_evans(nearest_um: Floats, area_um2: float, perimeter_um: float) -> tuple[float, float]:
    """Index and standard score of Clark and Evans (1954) with Donnelly's correction for the border (1978).

    The index is the mean distance to the nearest other point over that expected at random: below 1 where points
    cluster, above 1 where they are spaced regularly, at most 2.15.

    Returns
    -------
    tuple
        NaN, NaN for fewer than 2 points or no area.
    """
    count = len(nearest_um)
    if count < 2 or not area_um2 > 0:
        return math.nan, math.nan
    mean = float(nearest_um.mean())
    expected = 0.5 * math.sqrt(area_um2 / count) + (0.0514 + 0.041 / math.sqrt(count)) * perimeter_um / count
    error = math.sqrt(0.0703 * area_um2 / count**2 + 0.037 * perimeter_um * math.sqrt(area_um2 / count**5))
    return mean / expected, (mean - expected) / error


def _middles(covariance: Floats, bins: int) -> Floats:
    """Set covariance at the middles of bins of 1 um; 0 where it is less than a thousandth of the area."""
    middles: Floats = (covariance[:bins] + covariance[1 : bins + 1]) / 2.0
    return np.where(middles > 0.001 * covariance[0], middles, 0.0)
