"""The neighbor graph of the nuclei that are exported, as a sparse matrix."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pathopipe.ops.spatial.graph import neighbor_graph
from pathopipe.results.manifests import mpp_of
from pathopipe.results.reader import SlideResults
from pathopipe.results.tables import numbers

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def distances_of(slides: tuple[SlideResults, ...], names: NDArray[np.int32], ids: NDArray[np.int64]) -> "csr_array":
    """Distances in um between neighbors: the neighbors that the measures of the neighborhood are about.

    They are found among all nuclei of a slide, also where only some are exported.

    Parameters
    ----------
    slides
        The slides of which nuclei are exported.
    names, ids
        Place of the slide, and number, of each nucleus that is (N,).

    Returns
    -------
    float64 (N, N), symmetric, stored where two nuclei are neighbors.
    """
    from scipy.sparse import coo_array

    edges, lengths = [np.empty((0, 2), np.int32)], [np.empty(0)]
    for place, slide in enumerate(slides):
        rows = np.flatnonzero(names == place)
        joined, apart = _of_slide(slide, rows, ids[rows])
        edges.append(joined)
        lengths.append(apart)
    pairs, values = np.concatenate(edges), np.concatenate(lengths)
    both = np.concatenate([pairs, pairs[:, ::-1]])
    return coo_array((np.tile(values, 2), both.T), shape=(len(ids), len(ids))).tocsr()


def _of_slide(
    slide: SlideResults, rows: NDArray[np.int64], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Rows (E, 2) of neighbors that are both exported, and how far apart they are (E,) in um."""
    mpp, table = mpp_of(slide.manifest("tissue")), slide.arrow("nuclei", ["x_px", "y_px"])
    points = np.column_stack([numbers(table["x_px"]) * mpp.x, numbers(table["y_px"]) * mpp.y])
    edges = neighbor_graph(points).edges
    row_of = np.full(len(points), -1, np.int32)
    row_of[ids] = rows
    found = row_of[edges]
    kept = (found >= 0).all(axis=1)
    ends = points[edges[kept]]
    return found[kept], np.hypot(*(ends[:, 0] - ends[:, 1]).T)
