"""Outlines that a person gives, on the working grid: the nuclei that the rest of the program can read.

A pixel belongs to an outline that its center lies in, and to the first of several. Of a nucleus the largest 4-connected
part counts, with its holes filled. One that keeps less than half of the pixels that it would have by itself is left
out. So outlines of this program, which run between pixels, come back as they were.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.labeled import largest_parts
from pathopipe.ops.outline import Outlines, boxes_of, outline
from pathopipe.ops.raster import rasterize, runs_of_rings

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
_MOST_AT_ONCE: Final = 2**26
"""Pixels of the boxes of outlines that are counted together, a byte each."""
_MATCH: Final = 0.5
"""Two nuclei of which more of the union is shared are the same one; no nucleus has two such partners."""


@dataclass(frozen=True)
class Gridded:
    """What became of outlines.

    Attributes
    ----------
    kept
        (k,) which of the outlines are nuclei, ascending.
    rings
        Their outlines, in that order.
    no_pixel, hidden
        How many of those wanted cover no pixel's center, and how many lie mostly under others or beyond the image.
    overlapping, in_pieces
        How many of the kept lost pixels to others or to the image's border, and how many are of several parts.
    """

    kept: Numbers
    rings: Outlines
    no_pixel: int
    hidden: int
    overlapping: int
    in_pieces: int


def outlines_on_grid(
    coords: Floats, offsets: Numbers, wanted: NDArray[np.bool_], shape: tuple[int, int], origin: tuple[int, int]
) -> Gridded:
    """Turn outlines into nuclei of a window of the grid.

    Parameters
    ----------
    coords, offsets
        Points (M, 2) as x, y in pixels of the grid, and (n + 1,) bounds: see `ops.raster.rasterize`.
    wanted
        (n,) which to return; they lie in the window as far as in the grid.
    shape, origin
        Rows and columns of the window, and row and column of its first pixel.
    """
    labels = np.pad(rasterize(coords, offsets, shape, origin), 1)
    alone, pixels = pixels_alone(coords, offsets), np.bincount(labels.ravel(), minlength=len(offsets))[1:]
    starts, sizes = largest_parts(labels, len(wanted))
    nothing = np.zeros(shape, np.uint8)
    options = {"smooth": False, "smallest": 1, "largest": nothing.size}
    found = outline(labels, boxes_of(labels), starts, nothing, wanted, ~wanted, origin=origin, **options)  # type: ignore[arg-type]
    index = found.labels.astype(np.int64) - 1
    whole = 2 * found.area_px >= alone[index]
    kept = index[whole]
    return Gridded(
        kept,
        _chosen(found, whole),
        no_pixel=int((wanted & (alone == 0)).sum()),
        hidden=int((wanted & (alone > 0)).sum()) - len(kept),
        overlapping=int((pixels[kept] < alone[kept]).sum()),
        in_pieces=int((sizes[kept] < pixels[kept]).sum()),
    )


def pixels_alone(coords: Floats, offsets: Numbers) -> Numbers:
    """Count the pixels whose center lies in each ring (n,), whatever the others cover."""
    if len(offsets) < 2:
        return np.empty(0, np.int64)
    low, high = (reduce.reduceat(coords, offsets[:-1]) for reduce in (np.minimum, np.maximum))
    corner = np.floor(low)
    width, height = (np.ceil(high) - corner).astype(np.int64).T
    # One below the other, by whole pixels, none touches the next.
    tops = np.concatenate([[0], np.cumsum(height)])
    if len(height) > 1 and tops[-1] * width.max() > _MOST_AT_ONCE:
        half = len(height) // 2
        first, rest = (coords[: offsets[half]], coords[offsets[half] :])
        bounds = (offsets[: half + 1], offsets[half:] - offsets[half])
        return np.concatenate([pixels_alone(first, bounds[0]), pixels_alone(rest, bounds[1])])
    shift = np.column_stack([corner[:, 0], corner[:, 1] - tops[:-1]])
    moved = coords - np.repeat(shift, np.diff(offsets), axis=0)
    runs = runs_of_rings(moved, offsets, (int(tops[-1]), int(width.max())))
    ends = np.concatenate([[0], np.cumsum(runs.spans[:, 2] - runs.spans[:, 1])])
    return np.diff(ends[runs.ends])


def _chosen(found: Outlines, kept: NDArray[np.bool_]) -> Outlines:
    lengths = np.diff(found.offsets)
    return Outlines(
        labels=found.labels[kept],
        coords=found.coords[np.repeat(kept, lengths)],
        offsets=np.concatenate([[0], np.cumsum(lengths[kept])]),
        area_px=found.area_px[kept],
        centroid=found.centroid[kept],
        total=found.total[kept],
    )


def partners(
    after: Outlines, before: Outlines, shape: tuple[int, int], origin: tuple[int, int]
) -> tuple[Numbers, NDArray[np.bool_]]:
    """Find for each nucleus the one before that is the same.

    Returns
    -------
    tuple
        (n,) the places of their partners in ``before``, -1 for none; and (n,) whether the two have the same pixels.
    """
    new, old = (rasterize(rings.coords, rings.offsets, shape, origin) for rings in (after, before))
    both = (new > 0) & (old > 0)
    pairs, shared = np.unique(np.stack([new[both], old[both]], axis=1).astype(np.int64) - 1, axis=0, return_counts=True)
    union = after.area_px[pairs[:, 0]] + before.area_px[pairs[:, 1]] - shared
    same = shared > _MATCH * union
    found, equal = np.full(len(after.labels), -1, np.int64), np.zeros(len(after.labels), np.bool_)
    found[pairs[same, 0]] = pairs[same, 1]
    equal[pairs[same, 0]] = (shared == union)[same]
    return found, equal
