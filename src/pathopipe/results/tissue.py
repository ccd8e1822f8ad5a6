"""The files of the tissue's outlines: all that was found, and what of it is sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import shapely

from pathopipe.ops.regions import Bins, Mask, from_geojson, lie_within, mask_to_polygons, origin_of, to_geojson
from pathopipe.results.documents import damaged, read_json, reading
from pathopipe.results.manifests import Manifest

_QUPATH: Final = {
    "objectType": "annotation",
    "name": "tissue",
    "classification": {"name": "Tissue", "color": [0, 158, 115]},
}


def outline_tissue(
    mask: Mask, bins: Bins, size_px: tuple[int, int], bounds: Sequence[int] | None
) -> tuple[dict[str, Any], float]:
    """Outline tissue along the borders of bins.

    Parameters
    ----------
    size_px
        Width and height of the slide in level-0 pixels.
    bounds
        What of the canvas was scanned, where the slide says so.

    Returns
    -------
    The GeoJSON, as QuPath reads it, and the area within the slide in mm2.
    """
    polygons = mask_to_polygons(mask, bins)
    mm2_per_px = bins.bin_um2 / (bins.bin_px_x * bins.bin_px_y) / 1e6
    frame = shapely.box(0, 0, *size_px)
    areas = [round(polygon.intersection(frame).area * mm2_per_px, 6) for polygon in polygons]
    entries = [_QUPATH | {"area_mm2": area} for area in areas]
    return to_geojson(polygons, entries, origin_of(bounds)), round(sum(areas), 6)


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
