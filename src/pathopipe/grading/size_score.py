"""A score by how much larger nuclei are than normal ones, and how much it depends on the part of the slide."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.epithelium import Epithelium, Floats
from pathopipe.ops.resampling import each_resample, squares

Numbers = NDArray[np.unsignedinteger]

LIMITS: Final = (1.5, 2.0)
RESAMPLES: Final = 200
SQUARE_UM: Final = 250.0
SEED: Final = 1991
# Nuclei of a square whose median is worth naming.
MIN_PER_SQUARE: Final = 20
_SLICE: Final = 1 << 16


@dataclass(frozen=True)
class SizeScore:
    """Score of the slide's nuclei, and what squares of its tissue show.

    Attributes
    ----------
    score
        0, 1 or 2, of the median ratio of sizes.
    shares
        (3,) of resamples of the squares, by score.
    squares, side_um
        How many squares hold nuclei, and how large they are.
    largest_ratio
        Median ratio of sizes in the square where it is largest; None where no square holds enough nuclei.
    """

    score: int
    shares: Floats
    squares: int
    side_um: float
    largest_ratio: float | None


def score_sizes(epithelium: Epithelium) -> SizeScore:
    """Score nuclei, at least one, by the ratio of their areas to that of a normal one."""
    x_um, y_um = epithelium.x_um, epithelium.y_um
    place, side_um = squares(lambda: ((x_um[rows], y_um[rows]) for rows in slices(len(x_um))), SQUARE_UM)
    ratios = epithelium.area_um2 / epithelium.reference_um2
    count = int(place.max()) + 1
    medians = [float(np.median(group)) for group in _groups(ratios, place, count) if len(group) >= MIN_PER_SQUARE]
    return SizeScore(*_score(ratios, place, count), count, side_um, max(medians, default=None))


def slices(count: int) -> Iterator[slice]:
    """Some rows at a time, for arithmetic on whole columns makes others of their size."""
    return (slice(start, start + _SLICE) for start in range(0, count, _SLICE))


def _score(ratios: Floats, place: Numbers, count: int) -> tuple[int, Floats]:
    """Score (0, 1, 2) of the median size ratio, and the shares (3,) of resamples of squares by score.

    A median is below a limit when half of the nuclei are, so it is enough to count those in every square.
    """
    held = np.zeros((3, count), np.int64)
    for here, size in ((place[rows], ratios[rows]) for rows in slices(len(place))):
        of_size = here, here[size < LIMITS[0]], here[size <= LIMITS[1]]
        held += [np.bincount(some, minlength=count) for some in of_size]
    drawn = [held.sum(axis=1), *(held @ weights for weights in each_resample(count, RESAMPLES, SEED))]
    total, below, upto = np.transpose(drawn)
    scores = np.where(2 * below >= total, 0, np.where(2 * upto >= total, 1, 2))
    return int(scores[0]), np.bincount(scores[1:], minlength=3) / RESAMPLES


def _groups(values: Floats, place: Numbers, count: int) -> Iterator[Floats]:
    """Values of each square, of a few squares at a time: an order of them all would be as large as they are."""
    few = -(-count // 16)
    for first in range(0, count, few):
        here = np.flatnonzero((place >= first) & (place < first + few))
        here = here[np.argsort(place[here], kind="stable")]
        yield from np.split(values[here], np.flatnonzero(np.diff(place[here])) + 1)
