"""From seeds and dense maps to one label per nucleus, so that a label depends on nothing beyond a stated distance.

A marker-controlled watershed (Beucher and Meyer, 1993) is not local: contested floods chain, and its queue breaks ties
by history. Here every pixel goes to the seed with the smallest (path cost, y, x); costs are whole numbers, each step
costs at least 5, and costs above 5 R do not count. A path that counts therefore stays within R pixels of both its ends,
and ties are settled by the seeds' coordinates alone. Steps of 5 and 7 are the chamfer distance of Borgefors (1986), and
as with a chamfer distance, forward and backward passes over the rows find all costs, here repeated until none changes.
"""

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
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
        A step onto a full barrier, or onto a pixel of no foreground, costs as much as this many steps more; in between
        it is their share, rounded down to whole steps (so a weight of 2 counts from half a foreground on). What a path
        spends on them is lacking from its length: of the foreground of the classical model on images of the TNBC set
        (Naylor et al., 2018) a barrier weight of 8 left a quarter out of reach, and one of 4 a twelfth.
    min_area_px, max_area_px
        Smaller and larger nuclei are dropped, before they could absorb others.
    smooth
        Give each pixel the label of the majority of its 3 x 3 neighborhood, where there is one.
    """

    foreground_threshold: float = 0.5
    radius_px: int = 32
    barrier_weight: int = 4
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
    height, width = maps.shape[1] + 2, maps.shape[2] + 2
    starts = _flat(seeds, width)
    by_foreground, by_barrier = _weights(settings)
    # A key is the cost, then the label: the smaller key is the better one, and costs above the cap never get in.
    bits = max(1, len(seeds).bit_length())
    cap = STRAIGHT * settings.radius_px + 1
    most = (cap + DIAGONAL * int(by_foreground.max() + by_barrier.max())) << bits
    keys = np.full(height * width, cap << bits, np.int32 if most < 2**31 else np.int64)
    rooted = np.flatnonzero(by_foreground[maps[0][tuple(seeds.T)]])
    np.minimum.at(keys, starts[rooted], (rooted + 1).astype(keys.dtype))
    passable = np.count_nonzero(maps[0] >= np.flatnonzero(by_foreground)[0])
    inside, weights = np.empty(passable, np.int32), np.empty(passable, np.int32)
    ends = np.zeros(height + 1, np.int64)
    _list_inside(maps, by_foreground, by_barrier, inside, weights, ends)
    moved, now = np.ones(height, np.int64), 1
    # As every step costs something, just one state offers no pixel less, whatever the order of passes.
    while _pass(inside, weights, ends, width, 1 << bits, keys, moved, now) or now == 1:
        now += 1
    labels = np.zeros(maps.shape[1:], np.int32)
    _read_labels(inside, keys, (1 << bits) - 1, width, labels)
    return labels


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
    starts = _flat(seeds, width)
    if settings.smooth:
        smoothed = np.zeros_like(padded)
        _majority(padded, smoothed)
        smoothed.ravel()[starts] = padded.ravel()[starts]
        padded = smoothed
    chosen = np.ones(len(seeds), np.bool_) if wanted is None else np.ascontiguousarray(wanted)
    firsts = np.full(len(seeds), -1, np.int64)
    parts, stack = (np.zeros(padded.size, np.int32) for _ in range(2))
    _components(padded.ravel(), width, starts, chosen, firsts, parts, stack)
    largest = parts.size if settings.max_area_px is None else settings.max_area_px
    fill_holes(parts, width, firsts, settings.min_area_px, largest, np.zeros(parts.size, np.uint8))
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


def _flat(seeds: NDArray[np.int32], width: int) -> NDArray[np.int64]:
    """Index of each seed in the flat image that has a border of one pixel and rows of ``width``."""
    flat: NDArray[np.int64] = (seeds[:, 0].astype(np.int64) + 1) * width + seeds[:, 1] + 1
    return flat


def _weights(settings: AssignSettings) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Step weight by foreground value (0 where it is below the threshold) and what a barrier value adds to it."""
    value = np.arange(256)
    passable = value >= max(1, ceil(settings.foreground_threshold * 255 - 1e-6))
    by_foreground = np.where(passable, 1 + settings.foreground_weight * (255 - value) // 255, 0)
    return by_foreground.astype(np.int32), (settings.barrier_weight * value // 255).astype(np.int32)


@kernel
def _list_inside(
    maps: NDArray[np.uint8],
    by_foreground: NDArray[np.int32],
    by_barrier: NDArray[np.int32],
    inside: NDArray[np.int32],
    weights: NDArray[np.int32],
    ends: NDArray[np.int64],
) -> None:
    """List the pixels that can belong to a nucleus, and their weights; see `_pass`."""
    found, width = 0, maps.shape[2] + 2
    for y in range(maps.shape[1]):
        ends[y + 1] = found
        for x in range(maps.shape[2]):
            weight = by_foreground[maps[0, y, x]]
            if weight > 0:
                inside[found] = (y + 1) * width + x + 1
                weights[found] = weight + by_barrier[maps[1, y, x]]
                found += 1
    ends[maps.shape[1] + 1 :] = found


@kernel
def _read_labels(
    inside: NDArray[np.int32], keys: NDArray[np.signedinteger[Any]], mask: int, width: int, labels: Labels
) -> None:
    """Take the labels out of the keys, from the padded, flat image into one without a border."""
    for i in range(inside.size):
        q = inside[i]
        labels[q // width - 1, q % width - 1] = keys[q] & mask


@kernel
def _pass(
    inside: NDArray[np.int32],
    weights: NDArray[np.int32],
    ends: NDArray[np.int64],
    width: int,
    unit: int,
    keys: NDArray[np.signedinteger[Any]],
    moved: NDArray[np.int64],
    now: int,
) -> bool:
    """Lower each key of a padded, flat image to what the pixels before it offer, or after it where ``now`` is even.

    ``inside`` are the pixels that can belong to a nucleus, in order, and ``weights`` what a step onto each costs; those
    of row i are numbers ``ends[i]`` to ``ends[i + 1]``. ``unit`` is a cost of 1 in a key. ``moved`` holds the pass in
    which each row changed last: rows that saw no change since the pass before are left out.
    """
    sign = 1 if now % 2 == 1 else -1
    rows = moved.size
    changed = False
    for i in range(1, rows - 1):
        row = i if sign > 0 else rows - 1 - i
        if moved[row] < now - 1 and moved[row - sign] < now - 1:
            continue
        start = ends[row] if sign > 0 else ends[row + 1] - 1
        for j in range(ends[row + 1] - ends[row]):
            q = inside[start + sign * j]
            weight = weights[start + sign * j]
            straight = min(keys[q - sign], keys[q - sign * width]) + weight * (STRAIGHT * unit)
            diagonal = min(keys[q - sign * (width + 1)], keys[q - sign * (width - 1)]) + weight * (DIAGONAL * unit)
            best = min(straight, diagonal)
            if best < keys[q]:
                keys[q], moved[row], changed = best, now, True
    return changed


@kernel
def _majority(old: Labels, new: Labels) -> None:
    """Write the label that at least 5 of the 9 pixels around have, else the old one. ``old`` is padded, ``new`` 0."""
    for y in range(1, old.shape[0] - 1):
        for x in range(1, old.shape[1] - 1):
            own = old[y, x]
            if old[y, x - 1] == own and old[y, x + 1] == own and old[y - 1, x] == own and old[y + 1, x] == own:
                if own:
                    new[y, x] = own
                continue
            new[y, x] = own
            candidate, lead = own, 0
            for k in range(9):  # the vote of Boyer and Moore (1981): only its winner can have a majority
                value = old[y - 1 + k // 3, x - 1 + k % 3]
                if lead == 0:
                    candidate = value
                lead += 1 if value == candidate else -1
            votes = 0
            for k in range(9):
                votes += int(old[y - 1 + k // 3, x - 1 + k % 3] == candidate)
            if votes >= 5:
                new[y, x] = candidate


@kernel
def _components(
    label: Labels,
    width: int,
    starts: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    firsts: NDArray[np.int64],
    parts: Labels,
    stack: Labels,
) -> None:
    """Copy the 4-connected part of each label that holds its seed; note its first pixel in reading order."""
    steps = (-width, -1, 1, width)
    for i in range(starts.size):
        p = starts[i]
        if not wanted[i] or label[p] != i + 1:
            continue
        parts[p], stack[0], top = i + 1, p, 1
        firsts[i] = p
        while top > 0:
            top -= 1
            p = int(stack[top])
            firsts[i] = min(firsts[i], p)
            for k in range(4):
                q = p + steps[k]
                if label[q] == i + 1 and parts[q] == 0:
                    parts[q], stack[top] = i + 1, q
                    top += 1
