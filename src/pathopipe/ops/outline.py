"""From assigned pixels to nuclei and their outlines, each nucleus in a window of its own.

1. A pixel gets the label that at least 5 of the 9 pixels around it have, but for the seeds, which keep theirs.
2. Of each label the part around its seed stays, its holes are filled, and what lies in them is absorbed.
3. The outline runs through the midpoints of the pixel edges that part a nucleus from its surroundings.

For a 4-connected nucleus without holes the outline is a simple ring that keeps half a pixel from every pixel center but
its own corners' cut: it encloses N - 1/2 of N pixels (Gray, 1971, on bit quads), a center lies inside exactly where its
pixel is the nucleus', and outlines of neighbors don't cross. Points are (x, y) in pixels, the first pixel spans 0 to 1.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel
from pathopipe.ops.workspace import Workspace

# Sides of a pixel, walked with the pixel to the right of the walker: half of this from its center.
TOP, RIGHT, BOTTOM, LEFT = range(4)
SHIFT_X = (0, 1, 0, -1)
SHIFT_Y = (-1, 0, 1, 0)
# What a pixel of a window is: of the nucleus, and while its part around the seed is looked for, of that part.
_IN: Final = 1
_PART: Final = 2
# Pixels around a label's box: one for what the vote adds, one that is empty.
_MARGIN: Final = 2

Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Outlines:
    """Rings and the plain measures that come with them, one row per nucleus, in ascending order of labels.

    Attributes
    ----------
    labels
        (n,) the label of each row.
    coords
        (M, 2) x, y of all rings one after another, each closed (last point = first), collinear points merged,
        starting above the topmost, then leftmost pixel, exterior counter-clockwise as shapely counts (y upwards).
    offsets
        (n + 1,) ring i is ``coords[offsets[i]:offsets[i + 1]]``.
    area_px
        (n,) pixels.
    centroid
        (n, 2) x, y of the mean of pixel centers.
    total
        (n,) sum of an image over the pixels.
    """

    labels: Labels
    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    area_px: NDArray[np.int64]
    centroid: NDArray[np.float64]
    total: NDArray[np.int64]


def boxes_of(labels: Labels) -> NDArray[np.int32]:
    """First and last row, first and last column (L + 1, 4) of the labels 1 to L of an image (H, W)."""
    boxes = np.tile(np.array([labels.shape[0], -1, labels.shape[1], -1], np.int32), (int(labels.max(initial=0)) + 1, 1))
    rows, columns = np.nonzero(labels)
    found = labels[rows, columns]
    for column, place in enumerate((rows, columns)):
        np.minimum.at(boxes[:, 2 * column], found, place)
        np.maximum.at(boxes[:, 2 * column + 1], found, place)
    return boxes


def outline(
    labels: Labels,
    boxes: NDArray[np.int32],
    starts: NDArray[np.int64],
    values: NDArray[np.uint8],
    wanted: NDArray[np.bool_],
    others: NDArray[np.bool_],
    *,
    smooth: bool,
    smallest: int,
    largest: int,
    origin: tuple[int, int] = (0, 0),
    workspace: Workspace | None = None,
) -> Outlines:
    """Outline nuclei.

    Parameters
    ----------
    labels
        (H + 2, W + 2), i + 1 for seed i, with a border of one pixel of 0.
    boxes
        See `boxes_of`.
    starts
        (N,) seeds as indices of the flat image. A seed on a pixel of another label is none.
    values
        (H, W) what to sum under each nucleus.
    wanted, others
        (N,) which nuclei to outline, and which of the others can absorb them.
    smooth
        Whether there is a vote.
    smallest, largest
        Areas that are kept, in pixels with holes filled. What is too small or too large absorbs nothing.
    origin
        Row and column of the first pixel of ``values`` in the grid that points are given in. Means are taken over whole
        numbers of that grid, so that they don't depend on how the image was cut from it.
    workspace
        What memory is taken from.
    """
    flat = labels.ravel()
    fixed = (workspace or Workspace()).array("fixed", flat.size, np.bool_)
    fixed[starts] = True
    looked = np.flatnonzero((wanted | others) & (flat[starts] == np.arange(1, len(starts) + 1)))
    absorbed = np.zeros(len(starts), np.bool_)
    coords, ends, sums = _outline_each(
        labels, boxes, starts, values, looked, wanted, fixed, absorbed, smooth, smallest, largest
    )
    fixed[starts] = False
    lengths = np.diff(ends, prepend=0)
    kept = (lengths > 0) & ~absorbed[looked]
    if absorbed.any():
        coords = coords[np.repeat(kept, lengths)]
    pixels, corner = sums[kept, :1], np.array((origin[1], origin[0]), np.int64)
    return Outlines(
        labels=(looked[kept] + 1).astype(np.int32),
        coords=coords + corner,
        offsets=np.concatenate([[0], np.cumsum(lengths[kept])]),
        area_px=pixels[:, 0],
        centroid=(2 * (sums[kept, 1:3] + corner * pixels) + pixels) / (2 * pixels),
        total=sums[kept, 3],
    )


@kernel
def _outline_each(
    labels: Labels,
    boxes: NDArray[np.int32],
    starts: NDArray[np.int64],
    values: NDArray[np.uint8],
    looked: NDArray[np.int64],
    wanted: NDArray[np.bool_],
    fixed: NDArray[np.bool_],
    absorbed: NDArray[np.bool_],
    smooth: bool,
    smallest: int,
    largest: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Rings of those that are looked at, where each ends, and pixels, sums of x, y and values; notes the absorbed.

    What is not wanted, too small or too large has a ring without points.
    """
    size, width = 0, labels.shape[1]
    for i in looked:
        rows, columns = _extent(boxes[i + 1])
        size = max(size, rows * columns)
    window, room = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    stack = np.empty(size, np.int32)
    ends, sums = np.zeros(looked.size, np.int64), np.zeros((looked.size, 4), np.int64)
    coords, n = np.empty((64 * looked.size + 64, 2), np.float64), 0
    for k in range(looked.size):
        i = looked[k]
        top, left = boxes[i + 1, 0] - _MARGIN, boxes[i + 1, 2] - _MARGIN
        rows, columns = _extent(boxes[i + 1])
        _cut(labels, i + 1, boxes[i + 1], window)
        if smooth:
            _vote_window(labels, boxes[i + 1], fixed, window, room, stack)
        pixels, runs, first = _survey(window, rows * columns)
        coords = _roomy(coords, n, 4 * pixels + 1)
        # The window's first pixel in the image without the border.
        row, column = top - 1, left - 1
        end, area, passed = _walk(window, columns, first, row, column, coords, n)
        if passed != runs:
            # Of several parts, or with holes: each of them ends more runs than the outline passes.
            seed = (starts[i] // width - top) * columns + starts[i] % width - left
            _keep_part(window, rows * columns, columns, seed, stack)
            pixels, runs, first = _survey(window, rows * columns)
            end, area, passed = _walk(window, columns, first, row, column, coords, n)
        ends[k] = n
        if not smallest <= area <= largest:
            continue
        if area > pixels:
            _fill(window, columns, first, room)
            _absorb(labels, starts, i + 1, boxes[i + 1], window, absorbed)
        if wanted[i]:
            _sum(window, columns, first, row, column, area, values, sums[k])
            n = ends[k] = end
    return coords[:n], ends, sums


@kernel
def _extent(box: NDArray[np.int32]) -> tuple[int, int]:
    """Rows and columns of the window around a label's box."""
    return box[1] - box[0] + 1 + 2 * _MARGIN, box[3] - box[2] + 1 + 2 * _MARGIN


@kernel
def _cut(labels: Labels, label: int, box: NDArray[np.int32], window: NDArray[np.uint8]) -> None:
    """Mark a label's pixels in its window."""
    rows, columns = _extent(box)
    window[: rows * columns] = 0
    for row in range(box[0], box[1] + 1):
        begin = (row - box[0] + _MARGIN) * columns + _MARGIN
        line = labels[row, box[2] : box[3] + 1]
        for k in range(line.size):
            window[begin + k] = line[k] == label


@kernel
def _vote_window(
    labels: Labels,
    box: NDArray[np.int32],
    fixed: NDArray[np.bool_],
    window: NDArray[np.uint8],
    edge: NDArray[np.uint8],
    changes: NDArray[np.int32],
) -> None:
    """Take what at least 5 of 9 pixels have, for the pixels that are not fixed; ``edge`` is all 0, and is so again."""
    rows, columns = _extent(box)
    size, count = rows * columns, 0
    above, below = window[: size - 2 * columns], window[2 * columns : size]
    before, after = window[columns - 1 : size - columns - 1], window[columns + 1 : size - columns + 1]
    own = window[columns : size - columns]
    for k in range(own.size):
        # Where a pixel and its four neighbors agree, there are five votes already.
        edge[k] = (above[k] ^ own[k]) | (below[k] ^ own[k]) | (before[k] ^ own[k]) | (after[k] ^ own[k])
    for k in range(own.size):
        if edge[k]:
            q = columns + k
            votes = 0
            for p in range(q - columns, q + columns + 1, columns):
                votes += window[p - 1] + window[p] + window[p + 1]
            y, x = box[0] - _MARGIN + q // columns, box[2] - _MARGIN + q % columns
            changes[count] = q
            if votes >= 5:
                count += not window[q] and not fixed[y * labels.shape[1] + x]
            elif window[q]:
                count += not fixed[y * labels.shape[1] + x] and _outvoted(labels, y, x)
    for k in range(count):
        window[changes[k]] ^= 1
    edge[:size] = 0


@kernel
def _outvoted(labels: Labels, y: int, x: int) -> bool:
    """Whether one label has 5 of the 3 x 3 pixels around a pixel whose own label has fewer."""
    candidate, lead = labels[y, x], 0
    for dy in range(-1, 2):  # the vote of Boyer and Moore (1981): only its winner can have a majority
        for dx in range(-1, 2):
            value = labels[y + dy, x + dx]
            if lead == 0:
                candidate = value
            lead += 1 if value == candidate else -1
    votes = 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            votes += int(labels[y + dy, x + dx] == candidate)
    return votes >= 5


@kernel
def _survey(window: NDArray[np.uint8], size: int) -> tuple[int, int, int]:
    """How many pixels are in, how many runs along the rows they form, and the first of them in reading order."""
    here, after = window[: size - 1], window[1:size]
    pixels, runs, first = 0, 0, 0
    for q in range(here.size):
        pixels += here[q]
        runs += here[q] > after[q]
    while window[first] != _IN:
        first += 1
    return pixels, runs, first


@kernel
def _keep_part(window: NDArray[np.uint8], size: int, columns: int, seed: int, stack: NDArray[np.int32]) -> None:
    """Keep the 4-connected part around the seed."""
    window[seed], stack[0], top = _PART, seed, 1
    steps = (-columns, -1, 1, columns)
    while top > 0:
        top -= 1
        p = stack[top]
        for k in range(4):
            q = p + steps[k]
            if window[q] == _IN:
                window[q], stack[top] = _PART, q
                top += 1
    for q in range(size):
        window[q] = window[q] == _PART


@kernel
def _roomy(coords: NDArray[np.float64], used: int, more: int) -> NDArray[np.float64]:
    """The points, with room for more after those that are used."""
    if used + more <= coords.shape[0]:
        return coords
    larger = np.empty((2 * coords.shape[0] + more, 2), np.float64)
    larger[:used] = coords[:used]
    return larger


@kernel
def _step(window: NDArray[np.uint8], columns: int, p: int, side: int) -> tuple[int, int]:
    """Return the pixel and side that follow ``side`` of pixel ``p`` on the outline of its part."""
    along = -SHIFT_Y[side] + SHIFT_X[side] * columns
    if window[p + along] != _IN:
        return p, (side + 1) % 4
    ahead = p + along
    outer = ahead + SHIFT_X[side] + SHIFT_Y[side] * columns
    if window[outer] != _IN:
        return ahead, side
    return outer, (side + 3) % 4


@kernel
def _walk(
    window: NDArray[np.uint8],
    columns: int,
    first: int,
    row: int,
    column: int,
    coords: NDArray[np.float64],
    n: int,
) -> tuple[int, int, int]:
    """Write the ring from the first pixel's top on, from point ``n`` on.

    Returns where it ends, the pixels inside, and how many runs along the rows end at the ring.
    """
    p, side, heading, area, runs, begin = first, TOP, -1, 0, 0, n
    while heading < 0 or p != first or side != TOP:
        if side == LEFT:
            area -= p % columns
        elif side == RIGHT:
            area += p % columns + 1
            runs += 1
        q, next_side = _step(window, columns, p, side)
        eighth = (2 * side + (next_side - side + 1) % 4 - 1) % 8
        if eighth != heading:
            coords[n, 0] = column + p % columns + 0.5 + 0.5 * SHIFT_X[side]
            coords[n, 1] = row + p // columns + 0.5 + 0.5 * SHIFT_Y[side]
            n += 1
        p, side, heading = q, next_side, eighth
    coords[n, 0], coords[n, 1] = coords[begin, 0], coords[begin, 1]
    return n + 1, area, runs


@kernel
def _fill(window: NDArray[np.uint8], columns: int, first: int, flips: NDArray[np.uint8]) -> None:
    """Make everything inside the outline part of the nucleus; ``flips`` is all 0, and is so again."""
    p, side, last = first, TOP, first
    while True:
        if side == LEFT:
            flips[p] ^= 1
        elif side == RIGHT:
            flips[p + 1] ^= 1
            last = max(last, p)
        p, side = _step(window, columns, p, side)
        if p == first and side == TOP:
            break
    for row in range(first // columns, last // columns + 1):
        inside = 0
        for q in range(row * columns, (row + 1) * columns):
            inside ^= flips[q]
            flips[q] = 0
            if inside:
                window[q] = _IN


@kernel
def _absorb(
    labels: Labels,
    starts: NDArray[np.int64],
    label: int,
    box: NDArray[np.int32],
    window: NDArray[np.uint8],
    absorbed: NDArray[np.bool_],
) -> None:
    """Note the other labels whose seeds lie in a nucleus."""
    _, columns = _extent(box)
    for row in range(box[0], box[1] + 1):
        for column in range(box[2], box[3] + 1):
            other = labels[row, column]
            inside = window[(row - box[0] + _MARGIN) * columns + column - box[2] + _MARGIN] == _IN
            if inside and other > 0 and other != label and starts[other - 1] == row * labels.shape[1] + column:
                absorbed[other - 1] = True


@kernel
def _sum(
    window: NDArray[np.uint8],
    columns: int,
    first: int,
    row: int,
    column: int,
    area: int,
    values: NDArray[np.uint8],
    sums: NDArray[np.int64],
) -> None:
    """Add up pixels, x, y and values of a nucleus of ``area`` pixels."""
    y = first // columns
    while sums[0] < area:
        # What the vote can't have added lies outside of the image.
        begin = max(column + _MARGIN - 1, 0)
        beside = values[row + y, begin : column + columns - _MARGIN + 1]
        line = window[y * columns + begin - column : y * columns + begin - column + beside.size]
        pixels, across, total = 0, 0, 0
        for k in range(beside.size):
            pixels += line[k]
            across += line[k] * k
            total += line[k] * beside[k]
        sums[0] += pixels
        sums[1] += across + pixels * begin
        sums[2] += pixels * (row + y)
        sums[3] += total
        y += 1
