"""From the statistics of a slide to what a trained grader computes with: places among the slides that it learned from.

Each number becomes a normal score: its place among the training slides, as a quantile of the normal distribution (rank
transformation, Conover and Iman 1981). So no unit matters, and no outlier weighs more than the ends.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.grading.base import Described

Floats = NDArray[np.float64]
END: Final = 2.5
"""Largest normal score: that of a slide beyond all others."""
_STEP: Final = 0.25
"""Half the width, in interquartile ranges over 1.35, that a slope is taken over: places among few slides have kinks."""


def vector(described: Described, columns: Sequence[tuple[str, str]]) -> Floats:
    """Values (D,) of the statistics in these rows and columns; nan where there is none.

    A row is called by its type of nuclei, or ``<region>/<type>``.
    """
    nothing: Mapping[str, Any] = {}
    found = (described.get(row, nothing).get(column) for row, column in columns)
    values = np.array([np.nan if value is None else float(value) for value in found])
    return np.where(np.isfinite(values), values, np.nan)


def range_of(values: Floats) -> Floats:
    """Smallest and largest value (2, D) of columns (n, D); nan where nothing is known."""
    return np.stack([np.fmin.reduce(values, axis=0), np.fmax.reduce(values, axis=0)])


def quantiles_of(values: Floats, levels: int) -> Floats:
    """Quantiles (levels, D) of columns of slides (n, D), from the smallest to the largest value; nan are left out.

    As they are stored, float32.
    """
    ordered = np.sort(values, axis=0)  # nan come last
    known = np.isfinite(values).sum(axis=0)
    at = (np.linspace(0, 1, levels)[:, None] * np.maximum(known - 1, 0)).round(9)  # a slide's own place is a whole one
    low = at.astype(np.int64)
    first = np.take_along_axis(ordered, low, axis=0)
    second = np.take_along_axis(ordered, np.minimum(low + 1, np.maximum(known - 1, 0)), axis=0)
    return _stored(first + (at - low) * (second - first))


def _stored(values: Floats) -> Floats:
    """Values as float32 keeps them: what is compared with quantiles must be rounded as these are."""
    return values.astype(np.float32).astype(np.float64)


class Places:
    """Where values stand among the slides that a grader learned from.

    Parameters
    ----------
    quantiles
        (levels, D), ascending along the first axis.
    """

    def __init__(self, quantiles: Floats) -> None:
        self._quantiles = quantiles

    @cached_property
    def _normal(self) -> Floats:
        from scipy.special import ndtri

        return np.asarray(np.clip(ndtri(np.linspace(0, 1, len(self._quantiles))), -END, END))

    def scores(self, values: Floats) -> Floats:
        """Normal scores (n, D) of values (n, D); 0, as of the median slide, for what is missing.

        Where many of the slides learned from have the same value, its score is the middle of theirs.
        """
        return np.stack([self._of(one) for one in _stored(values)]) if len(values) else np.empty(values.shape)

    def outside(self, values: Floats) -> NDArray[np.bool_]:
        """Which of the values (n, D) lie outside of the range of the slides learned from."""
        return np.asarray((_stored(values) < self._quantiles[0]) | (_stored(values) > self._quantiles[-1]))

    def slopes(self, values: Floats) -> Floats:
        """How much the normal scores (D,) change with the values (D,), over a quarter of a standard deviation."""
        quarter = (len(self._quantiles) - 1) / 4
        ends = [self._quantiles[round(quarter)], self._quantiles[round(3 * quarter)]]
        step = _STEP * np.abs(ends[1] - ends[0]) / 1.35
        with np.errstate(divide="ignore", invalid="ignore"):
            rise = (self.scores((values + step)[None]) - self.scores((values - step)[None]))[0] / (2 * step)
        return np.where(np.isfinite(rise), rise, 0.0)

    def _of(self, values: Floats) -> Floats:
        """Scores (D,) of one slide."""
        quantiles, normal, last = self._quantiles, self._normal, len(self._quantiles) - 1
        below, upto = (quantiles < values).sum(axis=0), (quantiles <= values).sum(axis=0)
        left, right = np.clip(upto - 1, 0, last), np.clip(below, 0, last)
        columns = np.arange(len(values))
        first, gap = quantiles[left, columns], quantiles[right, columns] - quantiles[left, columns]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(gap > 0, (values - first) / gap, 0.5)
        found = normal[left] + np.where(left == right, 0.0, share) * (normal[right] - normal[left])
        return np.where(np.isfinite(values), found, 0.0)
