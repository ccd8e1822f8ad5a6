"""The file of the tissue's outlines."""

from pathlib import Path

import shapely

from pathopipe.ops.regions import from_geojson, origin_of
from pathopipe.results.documents import damaged, read_json
from pathopipe.results.manifests import Manifest


def read_tissue(path: Path, tissue: Manifest) -> list[shapely.Polygon]:
    """Return the tissue in level-0 pixels; ``tissue`` is the manifest beside it.

    Raises
    ------
    ArtifactError
        When it is missing or damaged.
    """
    info = tissue.get("slide_info")
    try:
        return from_geojson(read_json(path), origin_of(info["bounds"] if info else None))
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
