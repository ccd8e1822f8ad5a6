"""Spatial statistics of 400 made-up nuclei, as other libraries compute them: tests/ops/spatial/references.json.

    pip install esda libpysal pointpats scikit-learn squidpy "setuptools<81"
    python recipes/spatial_references.py tests/ops/spatial/references.json

The graph is scipy's Delaunay triangulation of all points, of which the triangles with a circumradius of at most 50 um
are kept. `tests/ops/spatial/test_references.py` compares ours with the file, and with the libraries where they are
installed.
"""

import importlib.metadata
import json
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.spatial import Delaunay, cKDTree

REACH_UM = 50.0
RADII_UM = (5, 10, 20, 30, 50, 100)
WITHIN_UM = (25, 50, 100)
EPS_UM, FEWEST_NEAR = 25.0, 6
PERMUTATIONS = 20_000

Data = Mapping[str, list]
Values = dict[str, Any]


def made_data() -> dict[str, list]:
    """400 points in 500 um x 500 um, a quarter of them in three clusters; types; values that are skewed and smooth."""
    rng = np.random.default_rng(2024)
    clusters = [rng.normal(center, 18, (34, 2)) for center in ((120, 130), (370, 180), (260, 400))]
    points = np.round(rng.permutation(np.vstack([rng.random((298, 2)) * 500, *clusters])), 3)
    values = np.round(rng.exponential(10, 400) + 20 * np.sin(points[:, 0] / 90) + points[:, 1] / 25, 3)
    left = points[:, 0] < 250
    chances = np.where(left[:, None], (0.5, 0.2, 0.2, 0.1), (0.2, 0.3, 0.4, 0.1))
    types = (rng.random((400, 1)) > np.cumsum(chances, axis=1)).sum(axis=1)
    return {"points_um": points.tolist(), "values": values.tolist(), "types": types.tolist()}


def edges(points: np.ndarray) -> np.ndarray:
    """Edges (E, 2), i < j, in ascending order."""
    triangles = Delaunay(points).simplices
    sides = [
        np.linalg.norm(points[triangles[:, a]] - points[triangles[:, b]], axis=1) for a, b in ((0, 1), (1, 2), (2, 0))
    ]
    u, v = points[triangles[:, 1]] - points[triangles[:, 0]], points[triangles[:, 2]] - points[triangles[:, 0]]
    radii = np.prod(sides, axis=0) / (2 * np.abs(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]))
    small = np.sort(triangles[radii <= REACH_UM], axis=1)
    return np.unique(np.vstack([small[:, [0, 1]], small[:, [0, 2]], small[:, [1, 2]]]), axis=0)


def of_esda(data: Data) -> Values:
    """Moran, Geary, local Moran (conditional randomization, Sokal 1998) and Gi*."""
    import esda
    from libpysal.weights import W, fill_diagonal

    points, values = np.array(data["points_um"]), np.array(data["values"])
    graph = weights(edges(points), len(points), W)
    moran = esda.Moran(values, graph, transformation="b", permutations=0)
    geary = esda.Geary(values, graph, transformation="b", permutations=0)
    local = esda.Moran_Local(values, graph, transformation="b", permutations=0)
    near = fill_diagonal(weights(cKDTree(points).query_pairs(REACH_UM, output_type="ndarray"), len(points), W), 1)
    hot = esda.G_Local(values, near, transform="b", permutations=0, star=True)
    return {
        "moran_i": float(moran.I),
        "moran_z": float(moran.z_rand),
        "geary_c": float(geary.C),
        "geary_z": float(geary.z_rand),
        "local_moran": local.Is.tolist(),
        "local_moran_z": ((local.Is - local.EIc) / np.sqrt(local.VIc)).tolist(),
        "quadrants": local.q.tolist(),
        "hot_spot_z": hot.Zs.tolist(),
    }


def weights(pairs: np.ndarray, count: int, make: Callable[..., Any]) -> Any:
    """Binary weights of libpysal."""
    neighbors: dict[int, list[int]] = {i: [] for i in range(count)}
    for i, j in pairs.tolist():
        neighbors[i].append(j)
        neighbors[j].append(i)
    return make(neighbors, silence_warnings=True)


def of_pointpats(data: Data) -> Values:
    """K and L without correction, of the bounding box, and G."""
    from pointpats import distance_statistics as statistics

    points, support = np.array(data["points_um"]), np.array([0.0, *RADII_UM, 1000.0])
    return {
        "k": statistics.k(points, support=support)[1][1:-1].tolist(),
        "l_minus_r": statistics.l(points, support=support, linearized=True)[1][1:-1].tolist(),
        "g": statistics.g(points, support=support)[1][1:-1].tolist(),
    }


def of_sklearn(data: Data) -> Values:
    """DBSCAN; which cluster a point gets that is near cores of several is left open, so only the cores are compared."""
    from sklearn.cluster import DBSCAN

    found = DBSCAN(eps=EPS_UM, min_samples=FEWEST_NEAR).fit(np.array(data["points_um"]))
    return {"labels": found.labels_.tolist(), "cores": found.core_sample_indices_.tolist()}


def of_squidpy(data: Data) -> Values:
    """Interaction matrix, neighborhood enrichment by permutation, and co-occurrence."""
    import anndata
    import pandas as pd
    import squidpy
    from scipy.sparse import csr_matrix

    points = np.array(data["points_um"])
    table = anndata.AnnData(np.zeros((len(points), 1)))
    table.obs["type"] = pd.Categorical([str(code) for code in data["types"]])
    table.obsm["spatial"] = points
    pairs = edges(points)
    both = np.vstack([pairs, pairs[:, ::-1]])
    table.obsp["spatial_connectivities"] = csr_matrix((np.ones(len(both)), both.T), shape=(len(points), len(points)))
    shares = squidpy.gr.interaction_matrix(table, "type", normalized=True, copy=True)
    scores, counts = squidpy.gr.nhood_enrichment(
        table, "type", n_perms=PERMUTATIONS, seed=1, copy=True, show_progress_bar=False
    )[:2]
    ratios, _ = squidpy.gr.co_occurrence(table, "type", interval=np.array([0.0, *WITHIN_UM]), copy=True)
    return {
        "interaction": np.asarray(shares).tolist(),
        "counts": np.asarray(counts).tolist(),
        "enrichment_z": np.asarray(scores).tolist(),
        "co_occurrence": np.moveaxis(np.asarray(ratios), 2, 0).tolist(),
    }


LIBRARIES = MappingProxyType({"esda": of_esda, "pointpats": of_pointpats, "sklearn": of_sklearn, "squidpy": of_squidpy})
VERSIONS = ("esda", "libpysal", "pointpats", "scikit-learn", "squidpy", "numpy", "scipy")


def main() -> None:
    data: dict[str, Any] = made_data()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {name: reference(data) for name, reference in LIBRARIES.items()}
    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    lines = [
        f" {json.dumps(key)}: {json.dumps(value)}" for key, value in (data | found | {"versions": versions}).items()
    ]
    Path(sys.argv[1]).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
