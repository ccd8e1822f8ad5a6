"""Scores of one label image against another; counts add up over images."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.resampling import interval

MATCH_IOU = 0.5
MATCH_UM = 3.0


@dataclass(frozen=True)
class Counts:
    """What the scores are made of. Counts of several images are added, and the sum scored: that is pooling.

    Attributes
    ----------
    tp, fp, fn
        Nuclei matched at IoU above 0.5, predictions and true nuclei left over.
    iou_sum
        Sum of IoU over the matches.
    intersection, union
        Numerator and denominator of the aggregated Jaccard index, in pixels.
    found, predicted, labelled
        Nuclei whose centroids match within 3 um, predicted nuclei, true nuclei.
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0
    iou_sum: float = 0.0
    intersection: int = 0
    union: int = 0
    found: int = 0
    predicted: int = 0
    labelled: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


@dataclass(frozen=True)
class Scores:
    """Scores between 0 and 1; a ratio without a denominator is 0."""

    f1: float
    precision: float
    recall: float
    sq: float
    pq: float
    aji: float
    detection_f1: float


@dataclass(frozen=True)
class _Overlaps:
    """The pairs of a predicted and a true nucleus that share pixels, ordered by true, then predicted label."""

    truth: NDArray[np.intp]
    predicted: NDArray[np.intp]
    shared: NDArray[np.int64]
    joined: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        return self.shared / self.joined


def compare(predicted: NDArray[np.integer], truth: NDArray[np.integer], mpp: float) -> Counts:
    """Count how two label images agree.

    Parameters
    ----------
    predicted, truth
        Integer (H, W), 0 background. Labels need not be consecutive.
    mpp
        Micrometers per pixel of both.

    Raises
    ------
    ValueError
        Where the shapes differ.
    """
    if predicted.shape != truth.shape:
        raise ValueError(f"the label images have different sizes: {predicted.shape} and {truth.shape}")
    p, t = _consecutive(predicted), _consecutive(truth)
    areas_p, areas_t = _areas(p), _areas(t)
    pairs = _overlaps(p, t, areas_p, areas_t)
    # Above one half a nucleus has at most one partner, so no assignment problem is left (Kirillov et al. 2019).
    matched = pairs.iou > MATCH_IOU
    tp = int(matched.sum())
    intersection, union = _aggregated_jaccard(pairs, areas_p, areas_t)
    return Counts(
        tp,
        len(areas_p) - tp,
        len(areas_t) - tp,
        float(pairs.iou[matched].sum()),
        intersection,
        union,
        len(match(_centroids(p, areas_p), _centroids(t, areas_t), MATCH_UM / mpp)),
        len(areas_p),
        len(areas_t),
    )


def scores(counts: Counts) -> Scores:
    """Score counts: F1, precision, recall, SQ and PQ at IoU 0.5 (Kirillov et al. 2019), AJI (Kumar et al. 2017)."""
    return Scores(*_score(np.array(astuple(counts), np.float64)).tolist())


def intervals(counts: Sequence[Counts]) -> tuple[Scores, Scores] | None:
    """Lower and upper ends of 95% intervals of the pooled scores, over images; None for fewer than two images."""
    ends = interval(np.array([astuple(one) for one in counts], np.float64), _score)
    return None if ends is None else (Scores(*ends[0].tolist()), Scores(*ends[1].tolist()))


def ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide; 0 where the denominator is."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole != 0))


def match(predicted: NDArray[np.float64], truth: NDArray[np.float64], reach: float) -> NDArray[np.intp]:
    """Pair points one to one, nearest pairs first.

    Parameters
    ----------
    predicted, truth
        Points (n, 2) and (m, 2), in the unit of ``reach``.
    reach
        Largest distance of a pair.

    Returns
    -------
    (k, 2): index of the predicted and of the true point of each pair.
    """
    from scipy.spatial import cKDTree

    if not len(predicted) or not len(truth):
        return np.empty((0, 2), np.intp)
    near = cKDTree(predicted).sparse_distance_matrix(cKDTree(truth), reach, output_type="ndarray")
    taken_p, taken_t = np.zeros(len(predicted), bool), np.zeros(len(truth), bool)
    pairs = list[tuple[int, int]]()
    for p, t in near[np.lexsort((near["j"], near["i"], near["v"]))][["i", "j"]].tolist():
        if not taken_p[p] and not taken_t[t]:
            taken_p[p] = taken_t[t] = True
            pairs.append((p, t))
    return np.array(pairs, np.intp).reshape(-1, 2)


def _score(totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores (..., 7) of counts (..., 9), each in the order of its class."""
    tp, fp, fn, iou_sum, intersection, union, found, predicted, labelled = np.moveaxis(totals, -1, 0)
    f1, sq = ratio(2 * tp, 2 * tp + fp + fn), ratio(iou_sum, tp)
    aji, detection = ratio(intersection, union), ratio(2 * found, predicted + labelled)
    return np.stack([f1, ratio(tp, tp + fp), ratio(tp, tp + fn), sq, f1 * sq, aji, detection], axis=-1)


def _consecutive(labels: NDArray[np.integer]) -> NDArray[np.intp]:
    """Renumber to 0 (background), 1, 2, ... in the order of the labels."""
    present = np.unique(labels)
    if (present < 0).any():
        raise ValueError("a label image has negative labels")
    table = np.zeros(int(present[-1]) + 1 if present.size else 1, np.intp)
    used = present[present > 0]
    table[used] = np.arange(1, len(used) + 1)
    return np.asarray(table[labels])


def _areas(labels: NDArray[np.intp]) -> NDArray[np.int64]:
    """Pixels of each label 1..n."""
    return np.bincount(labels.ravel(), minlength=1)[1:].astype(np.int64)


def _overlaps(
    predicted: NDArray[np.intp], truth: NDArray[np.intp], areas_p: NDArray[np.int64], areas_t: NDArray[np.int64]
) -> _Overlaps:
    both = (predicted > 0) & (truth > 0)
    width = len(areas_p) + 1
    keys, shared = np.unique(truth[both] * width + predicted[both], return_counts=True)
    t, p = np.divmod(keys, width)
    return _Overlaps(t - 1, p - 1, shared, areas_t[t - 1] + areas_p[p - 1] - shared)


def _aggregated_jaccard(pairs: _Overlaps, areas_p: NDArray[np.int64], areas_t: NDArray[np.int64]) -> tuple[int, int]:
    """Intersection and union of every true nucleus with its best prediction; all other pixels join the union."""
    order = np.lexsort((pairs.predicted, -pairs.iou, pairs.truth))
    _, first = np.unique(pairs.truth[order], return_index=True)
    best = order[first]
    missed = areas_t.sum() - areas_t[pairs.truth[best]].sum()
    unused = np.delete(areas_p, pairs.predicted[best]).sum()
    return int(pairs.shared[best].sum()), int(pairs.joined[best].sum() + missed + unused)


def _centroids(labels: NDArray[np.intp], areas: NDArray[np.int64]) -> NDArray[np.float64]:
    """Centroids (n, 2) of the labels 1..n, (y, x)."""
    ys, xs = np.nonzero(labels)
    index = labels[ys, xs]
    sums = [np.bincount(index, values, minlength=len(areas) + 1)[1:] for values in (ys, xs)]
    return np.stack(sums, axis=1) / areas[:, None]
