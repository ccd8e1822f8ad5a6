"""The file of the regions that statistics describe: those that a person drew, and the fields that the stage found."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import shapely

from pathopipe.ops.regions import Region, from_geojson, origin_of, to_geojson
from pathopipe.results.documents import damaged, read_json, reading
from pathopipe.results.manifests import Manifest


def regions_file(regions: Iterable[Region], tissue: Manifest) -> dict[str, Any]:
    """Return the GeoJSON of regions, cut to the slide; ``tissue`` is the manifest of the stage of that name.

    A region that lies beside the slide, or has no area, is left out.
    """
    info = tissue["slide_info"]
    frame = shapely.box(0, 0, info["width"], info["height"])
    cut = [(region, _within(region, frame)) for region in regions]
    kept = [(region, shape) for region, shape in cut if shape.area > 0]
    said = [_properties(region) for region, _ in kept]
    return to_geojson([shape for _, shape in kept], said, origin_of(info["bounds"]))


def _within(region: Region, frame: shapely.Polygon) -> shapely.Geometry:
    shapes = [shapely.intersection(shapely.make_valid(polygon), frame) for polygon in region.polygons]
    parts = [part for shape in shapes for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
    return shapely.union_all(parts)


def _properties(region: Region) -> dict[str, Any]:
    said: dict[str, Any] = {"objectType": "annotation", "name": region.name}
    return said | ({"classification": {"name": region.kind}} if region.kind else {})


def read_regions(path: Path, tissue: Manifest) -> list[Region]:
    """Return the regions, in level-0 pixels; ``tissue`` is the manifest of the stage of that name.

    Raises
    ------
    ArtifactError
        When the file is missing or damaged.
    """
    info = tissue.get("slide_info")
    origin = origin_of(info["bounds"] if info else None)
    content = read_json(path)
    with reading(path):
        found = [
            Region(*_named(feature["properties"]), tuple(from_geojson(feature, origin)))
            for feature in content["features"]
        ]
    if found and not (info and _lie_on(found, info["width"], info["height"])):
        raise damaged(path)
    return found


def _named(properties: dict[str, Any]) -> tuple[str, str]:
    name, kind = properties["name"], properties.get("classification", {"name": ""})["name"]
    if not (isinstance(name, str) and isinstance(kind, str)):
        raise TypeError
    return name, kind


def _lie_on(regions: list[Region], width_px: int, height_px: int) -> bool:
    shapes = [polygon for region in regions for polygon in region.polygons]
    left, top, right, bottom = shapely.total_bounds(shapes)
    return bool(min(left, top) >= -1 and right <= width_px + 1 and bottom <= height_px + 1)
