"""Outlines of labels: through the midpoints of the pixel edges that part a label from its surroundings.

For a 4-connected label without holes the outline is a simple ring that keeps half a pixel from every pixel center but
its own corners' cut: it encloses N - 1/2 of N pixels (Gray, 1971, on bit quads), a center lies inside exactly where its
pixel has the label, and outlines of neighbors don't cross. Points are (x, y) in pixels, the first pixel spans 0 to 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathopipe.jit import kernel

# Sides of a pixel, walked with the pixel to the right of the walker: half of this from its center.
TOP, RIGHT, BOTTOM, LEFT = range(4)
SHIFT_X = (0, 1, 0, -1)
SHIFT_Y = (-1, 0, 1, 0)


@dataclass(frozen=True)
class Outlines:
    """Rings and the plain measures that come with them, one row per label, in ascending order of labels.

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
    """

    labels: NDArray[np.int32]
    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    area_px: NDArray[np.int64]
    centroid: NDArray[np.float64]


def outlines(
    labels: NDArray[np.int32], wanted: NDArray[np.bool_] | None = None, origin: tuple[int, int] = (0, 0)
) -> Outlines:
    """Trace the labels of an image, each 4-connected and without holes.

    Parameters
    ----------
    labels
        (H, W), 0 is background.
    wanted
        (L,) ``wanted[i]`` says whether label i + 1 is traced; all by default.
    origin
        Row and column of the image's first pixel in the grid that points are given in. Means are taken over whole
        numbers of that grid, so that they don't depend on how the image was cut from it.
    """
    return trace(np.pad(labels, 1), wanted, origin)


def trace(
    labels: NDArray[np.int32], wanted: NDArray[np.bool_] | None = None, origin: tuple[int, int] = (0, 0)
) -> Outlines:
    """Do as :func:`outlines` for labels (H + 2, W + 2) that have a border of one pixel of 0."""
    count = int(labels.max(initial=0)) if wanted is None else len(wanted)
    firsts, area, edges = (np.zeros(count, np.int64) for _ in range(3))
    sums = np.zeros((count, 2), np.int64)
    _survey(labels, firsts, area, sums, edges)
    chosen = np.flatnonzero(area if wanted is None else (area > 0) & wanted)
    coords = np.empty((edges[chosen].sum() + len(chosen), 2), np.float64)
    offsets = np.zeros(len(chosen) + 1, np.int64)
    _trace(labels.ravel(), labels.shape[1], firsts[chosen], origin[0], origin[1], coords, offsets)
    pixels = area[chosen, None]
    corner = np.array((origin[1], origin[0]), np.int64)
    centroid = (2 * (sums[chosen] + corner * pixels) + pixels) / (2 * pixels)
    return Outlines((chosen + 1).astype(np.int32), coords[: offsets[-1]].copy(), offsets, area[chosen], centroid)


@kernel
def _step(label: NDArray[np.int32], width: int, p: int, side: int) -> tuple[int, int]:
    """Return the pixel and side that follow ``side`` of pixel ``p`` on its label's outline."""
    along = -SHIFT_Y[side] + SHIFT_X[side] * width
    if label[p + along] != label[p]:
        return p, (side + 1) % 4
    ahead = p + along
    outer = ahead + SHIFT_X[side] + SHIFT_Y[side] * width
    if label[outer] != label[p]:
        return ahead, side
    return outer, (side + 3) % 4


@kernel
def _survey(
    label: NDArray[np.int32],
    firsts: NDArray[np.int64],
    area: NDArray[np.int64],
    sums: NDArray[np.int64],
    edges: NDArray[np.int64],
) -> None:
    """First pixel (flat), pixels, sums of x and y (without the padding), and edges of each label."""
    height, width = label.shape
    for y in range(1, height - 1):
        x = 1
        while x < width - 1:
            own = label[y, x]
            if own < 1 or own > area.size:
                x += 1
                continue
            i, first, sides = own - 1, x, 2
            while label[y, x] == own:
                sides += int(label[y - 1, x] != own) + int(label[y + 1, x] != own)
                x += 1
            if area[i] == 0:
                firsts[i] = y * width + first
            area[i] += x - first
            sums[i, 0] += (x - first) * (first + x - 3) // 2
            sums[i, 1] += (x - first) * (y - 1)
            edges[i] += sides


@kernel
def _trace(
    label: NDArray[np.int32],
    width: int,
    firsts: NDArray[np.int64],
    row: int,
    column: int,
    coords: NDArray[np.float64],
    offsets: NDArray[np.int64],
) -> None:
    """Write the rings from each first pixel's top on; ``label`` is padded and flat."""
    n = 0
    for i in range(firsts.size):
        p, side, heading = firsts[i], TOP, -1
        while heading < 0 or p != firsts[i] or side != TOP:
            q, next_side = _step(label, width, p, side)
            eighth = (2 * side + (next_side - side + 1) % 4 - 1) % 8
            if eighth != heading:
                coords[n, 0] = column + p % width - 0.5 + 0.5 * SHIFT_X[side]
                coords[n, 1] = row + p // width - 0.5 + 0.5 * SHIFT_Y[side]
                n += 1
            p, side, heading = q, next_side, eighth
        coords[n, 0], coords[n, 1] = coords[offsets[i], 0], coords[offsets[i], 1]
        n += 1
        offsets[i + 1] = n


@kernel
def fill_holes(
    label: NDArray[np.int32],
    width: int,
    firsts: NDArray[np.int64],
    smallest: int,
    largest: int,
    flips: NDArray[np.uint8],
) -> None:
    """Fill the holes of each label in place, or erase it where its filled area is out of range.

    Of two labels one either lies in a hole of the other or outside of it, so the order does not matter: what lies
    in a filled hole is overwritten, whether it was filled itself before or finds its first pixel gone afterwards.

    Parameters
    ----------
    label
        Flat image with a background border of one pixel; label i + 1 is 4-connected.
    width
        Of the image, border included.
    firsts
        Flat index of each label's first pixel in reading order, -1 for none.
    smallest, largest
        Filled areas that are kept, in pixels.
    flips
        Room for a byte per pixel, all 0; so again afterwards.
    """
    for i in range(firsts.size):
        first = firsts[i]
        if first < 0 or label[first] != i + 1:
            continue
        area, left, right, bottom = _mark_sides(label, width, first, flips)
        keep = smallest <= area <= largest
        for y in range(first // width, bottom + 1):
            inside = 0
            for q in range(y * width + left, y * width + right + 2):
                inside ^= flips[q]
                flips[q] = 0
                if inside and (keep or label[q] == i + 1):
                    label[q] = i + 1 if keep else 0


@kernel
def _mark_sides(
    label: NDArray[np.int32], width: int, first: int, flips: NDArray[np.uint8]
) -> tuple[int, int, int, int]:
    """Flip ``flips`` where a row enters or leaves the outline of a label; its area, left, right and bottom."""
    p, side, area = first, TOP, 0
    left, right, bottom = first % width, first % width, first // width
    while area == 0 or p != first or side != TOP:
        x = p % width
        if side == LEFT:
            flips[p] ^= 1
            area -= x
            left = min(left, x)
        elif side == RIGHT:
            flips[p + 1] ^= 1
            area += x + 1
            right = max(right, x)
            bottom = max(bottom, p // width)
        p, side = _step(label, width, p, side)
    return area, left, right, bottom
