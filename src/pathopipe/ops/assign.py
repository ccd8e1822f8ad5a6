"""From seeds and dense maps to one label per nucleus, so that a label depends on nothing beyond a stated distance.

A marker-controlled watershed (Beucher and Meyer, 1993) is not local: contested floods chain, and its queue breaks ties
by history. Here every pixel goes to the seed with the smallest (path cost, y, x); costs are whole numbers, each step
costs at least 5, and costs above 5 R do not count. A path that counts therefore stays within R pixels of both its ends,
and ties are settled by the seeds' coordinates alone.

1. Each pixel of the foreground has a weight: 1 where the model is sure, more in doubt and on a barrier (`_weights`).
2. A path from a seed costs 5 times the weight of each pixel that it steps onto straight, 7 times if diagonally: the
   chamfer distance of Borgefors (1986). As for that, passes over the rows, down and up, find the cheapest seed of every
   pixel, here repeated until nothing changes (`path_costs`).
3. Outlines are smoothed by a vote of 3 x 3 pixels, and of each label the part around its seed stays (`outline`).
4. Holes are filled, with any nucleus that lies in them; what is too small or too large is dropped (`outline`).

Seeds A and B, ``#`` foreground, ``|`` foreground with a barrier:

    given                   after step 2            after step 4
    ..####...####.....      ..BBBB...AAAA.....      ..BBBB...AAAA.....
    .######|######..##      .BBBBBBAAAAAAA....      .BBBBBBAAAAAAA....
    .##...#|###A##..##      .BB...BAAAAAAA....      .BBBBBBAAAAAAA....
    .##...#|######....      .BB...BAAAAAAA....      .BBBBBBAAAAAAA....
    .##B###|######....      .BBBBBBBAAAAAA....      .BBBBBBBAAAAAA....
    ..####...####.....      ..BBBB...AAAA.....      ..BBBB...AAAA.....
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.channels import BARRIER, FOREGROUND, Channels
from pathopipe.ops.outline import Labels, Outlines, boxes_of, outline
from pathopipe.ops.path_costs import cheapest_seeds, clear
from pathopipe.ops.raster import rasterize
from pathopipe.ops.workspace import Workspace


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


def assign(seeds: NDArray[np.int32], maps: Channels, settings: AssignSettings) -> Labels:
    """Give every foreground pixel to the seed that reaches it at the smallest cost.

    Parameters
    ----------
    seeds
        (N, 2) rows and columns, sorted by row, then column. A seed outside the foreground, or on the pixel of an
        earlier one, gets no pixel.
    maps
        (H, W) each: `foreground` and `barrier`, see :mod:`pathopipe.ops.channels`; others are not looked at.
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
    return np.ascontiguousarray(_assign(seeds, maps, settings, Workspace())[0][1:-1, 1:-1])


def finish(labels: Labels, seeds: NDArray[np.int32], settings: AssignSettings) -> Labels:
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

    Returns
    -------
    (H, W) labels, i + 1 for the nucleus of seed i.

    Raises
    ------
    ValueError
        If there are labels without a seed.
    """
    if labels.max(initial=0) > len(seeds):
        raise ValueError(f"label {labels.max()} has no seed: there are {len(seeds)}")
    bordered, every = np.pad(np.ascontiguousarray(labels), 1), np.ones(len(seeds), np.bool_)
    nothing = np.zeros(labels.shape, np.uint8)
    rings = _outlined(bordered, boxes_of(bordered), seeds, nothing, settings, (every, every), (0, 0))
    numbers = np.concatenate([[0], rings.labels]).astype(np.int32)
    return numbers[rasterize(rings.coords, rings.offsets, labels.shape)]


def outlined_nuclei(
    seeds: NDArray[np.int32],
    maps: Channels,
    settings: AssignSettings,
    wanted: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    origin: tuple[int, int],
    workspace: Workspace,
) -> Outlines:
    """Do what :func:`assign` and :func:`finish` do, and outline some of the nuclei.

    ``wanted`` (N,) says which, and which could absorb them. The sums of the outlines are those of the foreground.
    """
    try:
        labels, boxes, runs = _assign(seeds, maps, settings, workspace)
        outlines = _outlined(labels, boxes, seeds, maps[FOREGROUND], settings, wanted, origin, workspace)
        clear(labels.reshape(-1), runs)
    except BaseException:
        workspace.forget()
        raise
    return outlines


def _assign(
    seeds: NDArray[np.int32], maps: Channels, settings: AssignSettings, workspace: Workspace
) -> tuple[Labels, NDArray[np.int32], NDArray[np.int64]]:
    """Assign; the labels have a border of one pixel, their boxes, and the runs of foreground that all lie in."""
    foreground, barrier = maps[FOREGROUND], maps[BARRIER]
    _check(seeds, foreground, barrier)
    weights = _weights(settings)
    rooted = np.flatnonzero(weights[0][foreground[tuple(seeds.T)]])
    starts = _flat(seeds[rooted], foreground.shape[1] + 2)
    return cheapest_seeds(foreground, barrier, weights, starts, rooted + 1, settings.radius_px, workspace)


def _outlined(
    labels: Labels,
    boxes: NDArray[np.int32],
    seeds: NDArray[np.int32],
    values: NDArray[np.uint8],
    settings: AssignSettings,
    wanted: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    origin: tuple[int, int],
    workspace: Workspace | None = None,
) -> Outlines:
    """Outline labels that have a border of one pixel."""
    return outline(
        labels,
        boxes,
        _flat(seeds, labels.shape[1]),
        values,
        *wanted,
        smooth=settings.smooth,
        smallest=settings.min_area_px,
        largest=labels.size if settings.max_area_px is None else settings.max_area_px,
        origin=origin,
        workspace=workspace,
    )


def _check(seeds: NDArray[np.int32], foreground: NDArray[np.uint8], barrier: NDArray[np.uint8]) -> None:
    shape = foreground.shape
    if len(shape) != 2 or barrier.shape != shape or {foreground.dtype, barrier.dtype} != {np.dtype(np.uint8)}:
        found = " and ".join(f"{image.shape} of {image.dtype}" for image in (foreground, barrier))
        raise ValueError(f"foreground and barrier must be (H, W) of uint8, not {found}")
    if seeds.ndim != 2 or seeds.shape[1] != 2:
        raise ValueError(f"seeds must be (N, 2), not {seeds.shape}")
    if len(seeds) and ((seeds < 0) | (seeds >= shape)).any():
        raise ValueError("every seed must lie inside the maps")
    if (np.diff(seeds[:, 0].astype(np.int64) * shape[1] + seeds[:, 1]) < 0).any():
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
