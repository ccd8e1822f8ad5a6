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
    return _without_border(_assign(seeds, maps, settings))


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
    return _without_border(_finish(np.pad(np.ascontiguousarray(labels), 1), seeds, settings, wanted))


def label_nuclei(
    seeds: NDArray[np.int32],
    maps: NDArray[np.uint8],
    settings: AssignSettings,
    wanted: NDArray[np.bool_] | None = None,
) -> Labels:
    """Do what :func:`assign` and :func:`finish` do; returns (H + 2, W + 2) labels with a border of one pixel of 0."""
    return _finish(_assign(seeds, maps, settings), seeds, settings, wanted)


def _assign(seeds: NDArray[np.int32], maps: NDArray[np.uint8], settings: AssignSettings) -> Labels:
    """Assign; the labels have a border of one pixel."""
    _check(seeds, maps)
    height, width = maps.shape[1] + 2, maps.shape[2] + 2
    by_foreground, by_barrier = _weights(settings)
    least = int(np.flatnonzero(by_foreground)[0])
    # A key is the cost, then the label: the smaller key is the better one, and costs above the cap never get in.
    bits = max(1, len(seeds).bit_length())
    cap = STRAIGHT * settings.radius_px + 1
    most = (cap + DIAGONAL * int(by_foreground.max() + by_barrier.max())) << bits
    kind: np.dtype[np.signedinteger[Any]] = np.dtype(np.int32 if most < 2**31 else np.int64)
    keys = np.full(height * width, cap << bits, kind)
    rooted = np.flatnonzero(by_foreground[maps[0][tuple(seeds.T)]])
    starts = _flat(seeds[rooted], width)
    np.minimum.at(keys, starts, (rooted + 1).astype(kind))
    pixels, count = _count_inside(maps[0], least)
    runs, costs = np.empty((count, 3), np.int64), np.empty(pixels, kind)
    rows = np.zeros(height + 1, np.int64)
    _list_inside(maps, least, by_foreground << bits, by_barrier << bits, runs, rows, costs)
    moved, offers, now = np.zeros(count, np.int64), np.empty(width, kind), 1
    moved[np.searchsorted(runs[:, 0], starts, "right") - 1] = 1
    # As every step costs something, just one state offers no pixel less, whatever the order of passes.
    while _pass(runs, rows, costs, width, keys, moved, now, offers) or now == 1:
        now += 1
    np.bitwise_and(keys, (1 << bits) - 1, out=keys)
    return keys.reshape(height, width).astype(np.int32, copy=False)


def _finish(
    labels: Labels, seeds: NDArray[np.int32], settings: AssignSettings, wanted: NDArray[np.bool_] | None
) -> Labels:
    """Finish labels that have a border of one pixel; they are used up."""
    width = labels.shape[1]
    starts = _flat(seeds, width)
    if settings.smooth:
        smoothed = np.empty_like(labels)
        _majority(labels, smoothed, np.empty(width, np.uint8))
        smoothed.ravel()[starts] = labels.ravel()[starts]
        labels = smoothed
    chosen = np.ones(len(seeds), np.bool_) if wanted is None else np.ascontiguousarray(wanted)
    firsts = np.full(len(seeds), -1, np.int64)
    _components(labels.ravel(), width, starts, chosen, firsts, np.empty(labels.size, np.int32))
    # What was found is negative now, and the rest is not part of a nucleus.
    np.negative(np.minimum(labels, 0, out=labels), out=labels)
    largest = labels.size if settings.max_area_px is None else settings.max_area_px
    fill_holes(labels.ravel(), width, firsts, settings.min_area_px, largest, np.zeros(labels.size, np.uint8))
    return labels


def _without_border(labels: Labels) -> Labels:
    return np.ascontiguousarray(labels[1:-1, 1:-1])


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


def _weights(settings: AssignSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Step weight by foreground value (0 where it is below the threshold) and what a barrier value adds to it."""
    value = np.arange(256)
    passable = value >= max(1, ceil(settings.foreground_threshold * 255 - 1e-6))
    by_foreground = np.where(passable, 1 + settings.foreground_weight * (255 - value) // 255, 0)
    return by_foreground.astype(np.int64), (settings.barrier_weight * value // 255).astype(np.int64)


@kernel
def _count_inside(foreground: NDArray[np.uint8], least: int) -> tuple[int, int]:
    """Count the pixels that can belong to a nucleus, and the runs along the rows that they form."""
    pixels, runs = 0, 0
    for y in range(foreground.shape[0]):
        before = 0
        for x in range(foreground.shape[1]):
            inside = int(foreground[y, x] >= least)
            pixels += inside
            runs += inside & (1 - before)
            before = inside
    return pixels, runs


@kernel
def _list_inside(
    maps: NDArray[np.uint8],
    least: int,
    by_foreground: NDArray[np.int64],
    by_barrier: NDArray[np.int64],
    runs: NDArray[np.int64],
    rows: NDArray[np.int64],
    costs: NDArray[np.signedinteger[Any]],
) -> None:
    """List the runs of pixels that can belong to a nucleus: values of ``least`` and more.

    A run is its first pixel in the flat image that has a border of one pixel, the pixel after its last, and where in
    ``costs`` its pixels begin; row i of that image has the runs ``rows[i]`` to ``rows[i + 1]``. ``costs`` is what each
    pixel's weight adds to a key, times 5 or 7 for a step onto it.
    """
    found, pixels, width = 0, 0, maps.shape[2] + 2
    for y in range(maps.shape[1]):
        rows[y + 1] = found
        x = 0
        while x < maps.shape[2]:
            if maps[0, y, x] < least:
                x += 1
                continue
            start = x
            while x < maps.shape[2] and maps[0, y, x] >= least:
                x += 1
            runs[found] = (y + 1) * width + start + 1, (y + 1) * width + x + 1, pixels
            for i in range(start, x):
                costs[pixels + i - start] = by_foreground[maps[0, y, i]] + by_barrier[maps[1, y, i]]
            found, pixels = found + 1, pixels + x - start
    rows[maps.shape[1] + 1 :] = found


@kernel
def _pass(
    runs: NDArray[np.int64],
    rows: NDArray[np.int64],
    costs: NDArray[np.signedinteger[Any]],
    width: int,
    keys: NDArray[np.signedinteger[Any]],
    moved: NDArray[np.int64],
    now: int,
    offers: NDArray[np.signedinteger[Any]],
) -> bool:
    """Lower each key of a padded, flat image to what the pixels before it offer, or after it where ``now`` is even.

    Keys are lowered run by run; see `_list_inside`. ``moved`` holds the pass in which each run changed last, 1 for
    those that hold a seed and 0 for the others: those that saw no change since the pass before are left out.
    ``offers`` is room for a row.
    """
    sign = 1 if now % 2 == 1 else -1
    height = rows.size - 1
    changed, oldest = False, max(1, now - 1)
    for i in range(1, height - 1):
        row = i if sign > 0 else height - 1 - i
        seen = rows[row - sign]
        for run in range(rows[row], rows[row + 1]):
            first, after, begin = runs[run]
            left, right = first - 1 - sign * width, after + 1 - sign * width
            while seen < rows[row - sign + 1] and runs[seen, 1] <= left:
                seen += 1
            stirred = moved[run] >= oldest
            near = seen
            while not stirred and near < rows[row - sign + 1] and runs[near, 0] < right:
                stirred = moved[near] >= oldest
                near += 1
            if not stirred:
                continue
            size = after - first
            before = keys[first - 1] if sign > 0 else keys[after]
            if _lower(keys[first:after], keys[left:right], costs[begin : begin + size], before, sign > 0, offers):
                moved[run], changed = now, True
    return changed


@kernel
def _lower(
    keys: NDArray[np.signedinteger[Any]],
    near: NDArray[np.signedinteger[Any]],
    costs: NDArray[np.signedinteger[Any]],
    before: int,
    forward: bool,
    offers: NDArray[np.signedinteger[Any]],
) -> bool:
    """Go along one run; whether a key got smaller.

    ``near`` are the keys of the row that offers, from one pixel before the run to one after it, and ``before`` is the
    key beside the run at the end that the way begins at.
    """
    size = keys.size
    for j in range(size):
        offers[j] = min(near[j + 1] + STRAIGHT * costs[j], min(near[j], near[j + 2]) + DIAGONAL * costs[j])
    changed = False
    if forward:
        for j in range(size):
            own = keys[j]
            before = min(own, offers[j], before + STRAIGHT * costs[j])
            keys[j] = before
            changed |= before < own
    else:
        for j in range(size - 1, -1, -1):
            own = keys[j]
            before = min(own, offers[j], before + STRAIGHT * costs[j])
            keys[j] = before
            changed |= before < own
    return changed


@kernel
def _majority(old: Labels, new: Labels, edge: NDArray[np.uint8]) -> None:
    """Write the label that at least 5 of the 9 pixels around have, else the old one.

    ``old`` has a border of zeros, and so has ``new`` afterwards; ``edge`` is room for a row.
    """
    height, width = old.shape
    new[0], new[height - 1] = 0, 0
    for y in range(1, height - 1):
        edge[0], edge[width - 1], new[y, 0], new[y, width - 1] = 0, 0, 0, 0
        for x in range(1, width - 1):
            own = old[y, x]
            same = (old[y, x - 1] == own) & (old[y, x + 1] == own) & (old[y - 1, x] == own) & (old[y + 1, x] == own)
            new[y, x] = own
            edge[x] = not same
        for x in range(1, width - 1):
            if edge[x]:
                new[y, x] = _vote(old, y, x)


@kernel
def _vote(old: Labels, y: int, x: int) -> int:
    """Of the 3 x 3 pixels around one the label that 5 have, or else its own."""
    own = old[y, x]
    votes = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            votes += int(old[y + dy, x + dx] == own)
    if votes >= 5:
        return int(own)
    candidate, lead = own, 0
    for dy in range(-1, 2):  # the vote of Boyer and Moore (1981): only its winner can have a majority
        for dx in range(-1, 2):
            value = old[y + dy, x + dx]
            if lead == 0:
                candidate = value
            lead += 1 if value == candidate else -1
    votes = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            votes += int(old[y + dy, x + dx] == candidate)
    return int(candidate if votes >= 5 else own)


@kernel
def _components(
    label: Labels,
    width: int,
    starts: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    firsts: NDArray[np.int64],
    stack: Labels,
) -> None:
    """Negate the 4-connected part of each label that holds its seed; note its first pixel in reading order."""
    steps = (-width, -1, 1, width)
    for i in range(starts.size):
        p = starts[i]
        if not wanted[i] or label[p] != i + 1:
            continue
        label[p], stack[0], top = -i - 1, p, 1
        firsts[i] = p
        while top > 0:
            top -= 1
            p = int(stack[top])
            firsts[i] = min(firsts[i], p)
            for k in range(4):
                q = p + steps[k]
                if label[q] == i + 1:
                    label[q], stack[top] = -i - 1, q
                    top += 1
