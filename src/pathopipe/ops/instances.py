"""One block of seeds and maps to the nuclei that the block owns: the same as the whole image would give."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.assign import AssignSettings, outlined_nuclei
from pathopipe.ops.channels import BARRIER, FOREGROUND, Channels
from pathopipe.ops.shape import hull_areas
from pathopipe.ops.workspace import Workspace

NEEDED: Final = (FOREGROUND, BARRIER)
"""Channels that nuclei are outlined on."""


@dataclass(frozen=True)
class Nuclei:
    """Nuclei by the row, then column of their seeds, in pixels of the grid that the block's origin is given in.

    Attributes
    ----------
    coords, offsets
        Closed rings, see :class:`pathopipe.ops.outline.Outlines`.
    centroid
        (n, 2) x, y.
    area_px
        (n,) pixels.
    seed
        (n, 2) row and column.
    score
        (n,) from 0 to 1.
    """

    coords: NDArray[np.float64]
    offsets: NDArray[np.int64]
    centroid: NDArray[np.float64]
    area_px: NDArray[np.int64]
    seed: NDArray[np.int64]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.score)


def segment_block(
    maps: Channels,
    seeds: NDArray[np.int32],
    scores: NDArray[np.float32],
    core: tuple[int, int, int, int],
    settings: AssignSettings,
    origin: tuple[int, int] = (0, 0),
    workspace: Workspace | None = None,
) -> Nuclei:
    """Segment the nuclei whose seeds lie in the core of a block.

    Parameters
    ----------
    maps
        (H, W) each, of which `NEEDED` are looked at: the core with :func:`pathopipe.ops.assign.halo` pixels around
        it, as far as the image goes.
    seeds
        (N, 2) rows and columns of all seeds in the block, relative to ``maps``, in any order. Of several on one pixel
        that of the highest score counts.
    scores
        (N,) confidence of each seed, 0 to 1.
    core
        First row, first column, last row + 1, last column + 1 of the owned part, relative to ``maps``.
    settings
        See :class:`pathopipe.ops.assign.AssignSettings`.
    origin
        Row and column of the block's first pixel in the grid of the results.
    workspace
        What memory is taken from; one for many blocks saves time.

    Returns
    -------
    The nuclei; the score of one is the geometric mean of its seed's score and of its mean foreground probability.
    """
    order = np.lexsort((-scores, seeds[:, 1], seeds[:, 0]))
    seeds, scores = np.ascontiguousarray(seeds[order]), scores[order]
    core_and_around = _inside(seeds, core, 0), _inside(seeds, core, settings.reach)
    rings = outlined_nuclei(seeds, maps, settings, core_and_around, origin, workspace or Workspace())
    index = rings.labels - 1
    foreground = rings.total / (255.0 * rings.area_px)
    return Nuclei(
        coords=rings.coords,
        offsets=rings.offsets,
        centroid=rings.centroid,
        area_px=rings.area_px,
        seed=seeds[index].astype(np.int64) + origin,
        score=np.sqrt(foreground * scores[index]).astype(np.float32),
    )


def solid(nuclei: Nuclei, least: float) -> Nuclei:
    """Keep the nuclei that fill at least this share of their convex hull: folds, keratin and debris are jagged."""
    if not len(nuclei):
        return nuclei
    lengths = np.diff(nuclei.offsets)
    # An outline encloses half a pixel less than its pixels.
    kept = nuclei.area_px - 0.5 >= least * hull_areas(nuclei.coords, nuclei.offsets)
    return Nuclei(
        coords=nuclei.coords[np.repeat(kept, lengths)],
        offsets=np.concatenate([[0], np.cumsum(lengths[kept])]),
        centroid=nuclei.centroid[kept],
        area_px=nuclei.area_px[kept],
        seed=nuclei.seed[kept],
        score=nuclei.score[kept],
    )


def _inside(seeds: NDArray[np.int32], core: tuple[int, int, int, int], margin: int) -> NDArray[np.bool_]:
    top, left, bottom, right = core
    y, x = seeds[:, 0], seeds[:, 1]
    rows: NDArray[np.bool_] = (y >= top - margin) & (y < bottom + margin)
    return rows & (x >= left - margin) & (x < right + margin)
