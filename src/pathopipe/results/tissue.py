"""The file of the tissue's outlines."""

from pathlib import Path

import shapely

from pathopipe.ops.regions import Bins, from_geojson, lie_within, origin_of
from pathopipe.results.documents import damaged, read_json, reading
from pathopipe.results.manifests import Manifest


def read_tissue(path: Path, tissue: Manifest) -> list[shapely.Polygon]:
    """Return the tissue in level-0 pixels; ``tissue`` is the manifest beside it.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    info, bins = tissue.get("slide_info"), tissue.get("bins")
    content = read_json(path)
    with reading(path):
        polygons = from_geojson(content, origin_of(info["bounds"] if info else None))
    if polygons and not (bins and lie_within(polygons, Bins(**bins))):
        raise damaged(path)
    return polygons
