"""From seeds and dense maps to one label per nucleus, so that a label depends on nothing beyond a stated distance.

A marker-controlled watershed (Beucher and Meyer, 1993) is not local: contested floods chain, and its queue breaks ties
by history. Here every pixel goes to the seed with the smallest (path cost, y, x); costs are whole numbers, each step
costs at least 5, and costs above 5 R do not count. A path that counts therefore stays within R pixels of both its ends,
and ties are settled by the seeds' coordinates alone. All pixels are settled at once by the bucket queue of Dial (1969);
steps of 5 and 7 are the chamfer distance of Borgefors (1986).
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.jit import kernel
from pathopipe.ops.outline import fill_holes

STRAIGHT, DIAGONAL = 5, 7

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class AssignSettings:
    """How far and through what a nucleus grows from its seed.

    Attributes
    ----------
    foreground_threshold
        Probability (0 to 1) from which a pixel can belong to a nucleus.
    radius_px
        R: no pixel of a nucleus lies further from its seed along a row or a column (one more with ``smooth``).
    barrier_weight, foreground_weight
        A step onto a full barrier, or onto a pixel of no foreground, costs this many times more.
    min_area_px, max_area_px
        Smaller and larger nuclei are dropped, before they could absorb others.
    smooth
        Give each pixel the label of the majority of its 3 x 3 neighborhood, where there is one.
    """

    foreground_threshold: float = 0.5
    radius_px: int = 32
    barrier_weight: int = 8
    foreground_weight: int = 2
    min_area_px: int = 30
    max_area_px: int | None = None
    smooth: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.foreground_threshold <= 1:
            raise ValueError(f"foreground_threshold must lie between 0 and 1, not {self.foreground_threshold}")
        if not 1 <= self.radius_px <= 1000:
            raise ValueError(f"radius_px must lie between 1 and 1000, not {self.radius_px}")
        if not (0 <= self.barrier_weight <= 1000 and 0 <= self.foreground_weight <= 1000):
            raise ValueError("barrier_weight and foreground_weight must lie between 0 and 1000")

    @property
    def reach(self) -> int:
        """How far a nucleus can extend from its seed, in pixels along each axis."""
        return self.radius_px + int(self.smooth)


def halo(settings: AssignSettings) -> int:
    """Pixels of context that make the nuclei seeded in a block the same as those of the whole image.

    A pixel's label depends on maps and seeds within ``reach`` of it, a nucleus (filled, before absorption) extends
    ``reach`` from its seed, so it depends on what lies within 2 ``reach`` of the seed. It may be absorbed by a nucleus
    whose seed lies within ``reach`` of its own and which again depends on 2 ``reach``: 3 ``reach`` in all.
    """
    return 3 * settings.reach


def assign(seeds: NDArray[np.int32], maps: NDArray[np.uint8], settings: AssignSettings) -> Labels:
    """Give every foreground pixel to the seed that reaches it at the smallest cost.

    Parameters
    ----------
    seeds
        (N, 2) rows and columns, sorted by row, then column. A seed outside the foreground, or on the pixel of an
        earlier one, gets no pixel.
    maps
        (2, H, W): foreground probability times 255; barrier, from 0 inside a nucleus to 255 between two.
    settings
        See :class:`AssignSettings`.

    Returns
    -------
    (H, W) labels, i + 1 for seed i, 0 where no seed reaches.

    Raises
    ------
    ValueError
        If the shapes are wrong, or seeds are not sorted or lie outside the maps.
    """
    _check(seeds, maps)
    fore, barrier = (np.pad(channel, 1) for channel in maps)
    width = fore.shape[1]
    starts = (seeds[:, 0].astype(np.int64) + 1) * width + seeds[:, 1] + 1
    cap = STRAIGHT * settings.radius_px
    labels = _spread(fore.ravel(), barrier.ravel(), *_weights(settings), width, starts, cap)
    return np.ascontiguousarray(labels.reshape(fore.shape)[1:-1, 1:-1])


def finish(
    labels: Labels, seeds: NDArray[np.int32], settings: AssignSettings, wanted: NDArray[np.bool_] | None = None
) -> Labels:
    """Turn assigned pixels into nuclei: 4-connected, without holes, of an acceptable size.

    Of each label the part around its seed stays. Its holes are filled; a nucleus inside such a hole is absorbed.

    Parameters
    ----------
    labels
        (H, W) result of :func:`assign`; not changed.
    seeds
        The same seeds as there.
    settings
        See :class:`AssignSettings`.
    wanted
        (N,) which nuclei are asked for, all by default. Those that could absorb them must be among them.

    Returns
    -------
    (H, W) labels, i + 1 for the nucleus of seed i.
    """
    padded = np.pad(labels, 1)
    width = padded.shape[1]
    starts = (seeds[:, 0].astype(np.int64) + 1) * width + seeds[:, 1] + 1
    if settings.smooth:
        padded = _majority(padded, starts)
    chosen = np.ones(len(seeds), np.bool_) if wanted is None else np.ascontiguousarray(wanted)
    parts, firsts = _components(padded.ravel(), width, starts, chosen)
    largest = parts.size if settings.max_area_px is None else settings.max_area_px
    fill_holes(parts, width, firsts, settings.min_area_px, largest)
    return np.ascontiguousarray(parts.reshape(padded.shape)[1:-1, 1:-1])


def _check(seeds: NDArray[np.int32], maps: NDArray[np.uint8]) -> None:
    if maps.ndim != 3 or maps.shape[0] != 2 or maps.dtype != np.uint8:
        raise ValueError(f"maps must be (2, H, W) of uint8, not {maps.shape} of {maps.dtype}")
    if seeds.ndim != 2 or seeds.shape[1] != 2:
        raise ValueError(f"seeds must be (N, 2), not {seeds.shape}")
    if len(seeds) and ((seeds < 0) | (seeds >= maps.shape[1:])).any():
        raise ValueError("every seed must lie inside the maps")
    if (np.diff(seeds[:, 0].astype(np.int64) * maps.shape[2] + seeds[:, 1]) < 0).any():
        raise ValueError("seeds must be sorted by row, then column")


def _weights(settings: AssignSettings) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Step weight by foreground value (0 where it is below the threshold) and what a barrier value adds to it."""
    value = np.arange(256, dtype=np.int32)
    passable = value >= max(1, ceil(settings.foreground_threshold * 255 - 1e-6))
    by_foreground = np.where(passable, 1 + settings.foreground_weight * (255 - value) // 255, 0).astype(np.int32)
    return by_foreground, (settings.barrier_weight * value // 255).astype(np.int32)


@kernel
def _unlink(p: int, bucket: int, heads: Labels, after: Labels, before: Labels) -> None:
    if before[p] >= 0:
        after[before[p]] = after[p]
    else:
        heads[bucket] = after[p]
    if after[p] >= 0:
        before[after[p]] = before[p]


@kernel
def _link(p: int, bucket: int, heads: Labels, after: Labels, before: Labels) -> None:
    before[p] = -1
    after[p] = heads[bucket]
    if heads[bucket] >= 0:
        before[heads[bucket]] = p
    heads[bucket] = p


@kernel
def _spread(
    fore: NDArray[np.uint8],
    barrier: NDArray[np.uint8],
    by_foreground: NDArray[np.int32],
    by_barrier: NDArray[np.int32],
    width: int,
    starts: NDArray[np.int64],
    cap: int,
) -> Labels:
    """Labels of a padded, flat image: one bucket per cost, each a doubly linked list of pixels."""
    label = np.zeros(fore.size, np.int32)
    cost = np.full(fore.size, cap + 1, np.int32)
    after, before = np.empty(fore.size, np.int32), np.empty(fore.size, np.int32)
    heads = np.full(cap + 1, -1, np.int32)
    for i in range(starts.size):
        p = starts[i]
        if by_foreground[fore[p]] > 0 and label[p] == 0:
            label[p], cost[p] = i + 1, 0
            _link(p, 0, heads, after, before)
    steps = (-width, -1, 1, width, -width - 1, -width + 1, width - 1, width + 1)
    for now in range(cap + 1):
        while heads[now] >= 0:
            p = heads[now]
            _unlink(p, now, heads, after, before)
            for k in range(8):
                q = p + steps[k]
                weight = by_foreground[fore[q]]
                if weight == 0:
                    continue
                then = now + (STRAIGHT if k < 4 else DIAGONAL) * (weight + by_barrier[barrier[q]])
                if then < cost[q]:
                    if cost[q] <= cap:
                        _unlink(q, cost[q], heads, after, before)
                    label[q], cost[q] = label[p], then
                    _link(q, then, heads, after, before)
                elif then == cost[q] and then <= cap and label[p] < label[q]:
                    label[q] = label[p]
    return label


@kernel
def _majority(old: Labels, starts: NDArray[np.int64]) -> Labels:
    """Label that at least 5 of the 9 pixels around have, else the own one; seeds keep theirs. ``old`` is padded."""
    new = old.copy()
    for y in range(1, old.shape[0] - 1):
        for x in range(1, old.shape[1] - 1):
            own = old[y, x]
            if old[y, x - 1] == own and old[y, x + 1] == own and old[y - 1, x] == own and old[y + 1, x] == own:
                continue
            candidate, lead = own, 0
            for k in range(9):  # the vote of Boyer and Moore (1981): only its winner can have a majority
                value = old[y - 1 + k // 3, x - 1 + k % 3]
                if lead == 0:
                    candidate = value
                lead += 1 if value == candidate else -1
            votes = 0
            for k in range(9):
                votes += old[y - 1 + k // 3, x - 1 + k % 3] == candidate
            if votes >= 5:
                new[y, x] = candidate
    for p in starts:
        new[p // old.shape[1], p % old.shape[1]] = old[p // old.shape[1], p % old.shape[1]]
    return new


@kernel
def _components(
    label: Labels, width: int, starts: NDArray[np.int64], wanted: NDArray[np.bool_]
) -> tuple[Labels, NDArray[np.int64]]:
    """4-connected part of each label that holds its seed; first pixel in reading order (-1: none)."""
    parts = np.zeros(label.size, np.int32)
    firsts = np.full(starts.size, -1, np.int64)
    stack = np.empty(label.size, np.int32)
    for i in range(starts.size):
        p = starts[i]
        if not wanted[i] or label[p] != i + 1:
            continue
        parts[p], stack[0], top = i + 1, p, 1
        firsts[i] = p
        while top > 0:
            top -= 1
            p = stack[top]
            firsts[i] = min(firsts[i], p)
            for q in (p - width, p - 1, p + 1, p + width):
                if label[q] == i + 1 and parts[q] == 0:
                    parts[q], stack[top] = i + 1, q
                    top += 1
    return parts, firsts
