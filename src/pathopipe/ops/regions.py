"""Regions made of bins of a grid: a mask and its polygons are two forms of the same thing, exactly.

Tables and all of the program count level-0 pixels from the corner of OpenSlide's canvas. GeoJSON counts as QuPath does:
from where the slide says that the scan begins on it. The two differ by an ``origin``, and only here.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
_MOST_POINTS: Final = 1_000_000
_MOST_LETTERS: Final = 2**26
"""Of regions that a person gives."""
_FARTHEST_PX: Final = 1e8
Origin = tuple[float, float]
"""Where GeoJSON's coordinates begin, x and y in level-0 pixels of the canvas."""


def origin_of(bounds: Sequence[int] | None) -> Origin:
    """Where the coordinates of GeoJSON begin on a slide with these bounds: x, y, width and height, or None."""
    return (float(bounds[0]), float(bounds[1])) if bounds else (0.0, 0.0)


@dataclass(frozen=True)
class Bins:
    """A coarse grid over a slide: bin j spans level-0 pixels from ``j * bin_px_x`` to ``(j + 1) * bin_px_x``."""

    width: int
    height: int
    bin_px_x: float
    bin_px_y: float
    bin_um2: float


def mask_to_polygons(mask: Mask, bins: Bins) -> list[shapely.Polygon]:
    """Outline the True bins of ``mask`` (height, width), as polygons in level-0 pixels with holes, top-left first."""
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), np.int8)
    padded[:, 1:-1] = mask
    change = np.diff(padded, axis=1)
    y, x0 = np.nonzero(change == 1)
    x1 = np.nonzero(change == -1)[1]
    merged = shapely.union_all(shapely.box(x0, y, x1, y + 1))
    parts = [part for part in shapely.get_parts(merged) if part.area > 0]
    whole = [shapely.normalize(shapely.simplify(part, 0)) for part in parts]
    whole.sort(key=lambda part: (part.bounds[1], part.bounds[0], part.area))
    return [shapely.transform(part, lambda xy: xy * (bins.bin_px_x, bins.bin_px_y)) for part in whole]


def polygons_to_mask(polygons: list[shapely.Polygon], bins: Bins) -> Mask:
    """Recover the mask from polygons along bin borders: odd crossings of vertical edges, counted from the left."""
    mask = np.zeros((bins.height + 1, bins.width + 1), bool)
    for polygon in polygons:
        for ring in (polygon.exterior, *polygon.interiors):
            xy = np.rint(shapely.get_coordinates(ring) / (bins.bin_px_x, bins.bin_px_y)).astype(np.int64)
            _mark_edges(mask, xy)
    edges = np.zeros(bins.width + 1, bool)
    for row in mask:  # in place: a large slide's mask is there once
        edges ^= row
        np.bitwise_xor.accumulate(edges, out=row)
    return mask[:-1, :-1]


def _mark_edges(mask: Mask, xy: NDArray[np.int64]) -> None:
    """Mark where vertical edges begin and end."""
    x, y0, y1 = xy[:-1, 0], xy[:-1, 1], xy[1:, 1]
    vertical = y0 != y1
    for ends in (y0, y1):
        np.bitwise_xor.at(mask, (ends[vertical], x[vertical]), True)


def lie_within(polygons: list[shapely.Polygon], bins: Bins) -> bool:
    """Whether polygons in level-0 pixels lie on a grid of bins, to the thousandth of a bin."""
    left, top, right, bottom = shapely.total_bounds(polygons) / ((bins.bin_px_x, bins.bin_px_y) * 2)
    return bool(min(left, top) >= -1e-3 and right <= bins.width + 1e-3 and bottom <= bins.height + 1e-3)


def cut_mask(mask: Mask, bins: Bins, x_px: NDArray[np.floating], y_px: NDArray[np.floating]) -> Mask:
    """Sample the mask at a grid of level-0 coordinates: (rows, columns) from ``y_px`` and ``x_px``, False outside."""
    column = np.floor(x_px / bins.bin_px_x).astype(np.int64)
    row = np.floor(y_px / bins.bin_px_y).astype(np.int64)
    rows = np.clip(row, 0, bins.height - 1)
    # Columns first, of the few rows of bins that are needed: gathering rows is copying them.
    first, last = (rows.min(), rows.max() + 1) if rows.size else (0, 0)
    out: Mask = mask[first:last][:, np.clip(column, 0, bins.width - 1)][rows - first]
    out[(row < 0) | (row >= bins.height)] = False
    out[:, (column < 0) | (column >= bins.width)] = False
    return out


def to_geojson(
    polygons: Sequence[shapely.Polygon | shapely.MultiPolygon], properties: list[dict[str, Any]], origin: Origin
) -> dict[str, Any]:
    """Build a GeoJSON feature collection, as QuPath reads it, of polygons in level-0 pixels of the canvas."""
    features = [
        {"type": "Feature", "geometry": shapely.geometry.mapping(_moved(polygon, origin, -1)), "properties": entries}
        for polygon, entries in zip(polygons, properties, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features}


def _moved(polygon: shapely.Geometry, origin: Origin, sign: int) -> shapely.Geometry:
    return shapely.transform(polygon, lambda xy: xy + sign * np.array(origin)) if any(origin) else polygon


def from_geojson(content: dict[str, Any] | list[dict[str, Any]], origin: Origin) -> list[shapely.Polygon]:
    """Read the polygons of a GeoJSON feature collection, feature or geometry, or a list of features as of QuPath.

    Returns
    -------
    Polygons in level-0 pixels of the canvas.

    Raises
    ------
    ValueError
        When it is not valid GeoJSON, or holds anything but polygons.
    """
    try:
        shapes = [shapely.geometry.shape(feature.get("geometry", feature)) for feature in _features(content)]
    except (KeyError, TypeError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise ValueError("holds an invalid geometry") from error
    parts = [part for shape in shapes for part in shapely.get_parts(shape)]
    others = sorted({part.geom_type for part in parts if part.geom_type != "Polygon"})
    if others:
        raise ValueError(f"holds a {others[0]}, expected polygons")
    return [_moved(part, origin, 1) for part in parts]


@dataclass(frozen=True)
class Region:
    """A region that a person drew: its name, its class in QuPath (empty without one), its polygons in level-0 pixels.

    Areas of a class ``Ignore…`` are left out of everything.
    """

    name: str
    kind: str
    polygons: tuple[shapely.Polygon, ...]

    @property
    def ignored(self) -> bool:
        """Whether it is left out, as QuPath's class ``Ignore*`` is."""
        return self.kind.casefold().startswith("ignore")


def parse_regions(text: str, origin: Origin) -> list[Region]:
    """Read regions from a GeoJSON text, as a person gives it, each feature as a region.

    Raises
    ------
    ValueError
        With a sentence that says what is wrong.
    """
    if len(text) > _MOST_LETTERS or text.count("[") > _MOST_POINTS:
        raise ValueError(f"holds more than {_MOST_POINTS:,} points: simplify the regions")
    try:
        content = _loaded(text)
        found = [(*_named(feature), tuple(from_geojson(feature, origin))) for feature in _features(content)]
    except ValueError as error:
        raise ValueError(f"is not GeoJSON of polygons: {error}") from None
    regions = [Region(*region) for region in found if region[2]]
    if not regions:
        raise ValueError("holds no polygons")
    if not np.all(np.abs(shapely.get_coordinates([p for region in regions for p in region.polygons])) < _FARTHEST_PX):
        raise ValueError("holds coordinates beyond any slide: export the regions again, in pixels of the slide")
    return regions


def _features(content: Any) -> list[Any]:
    """Return the features of a collection, of a list, or the one that a feature or a geometry is."""
    try:
        features: list[Any] = content if isinstance(content, list) else list(content.get("features", [content]))
    except (AttributeError, TypeError) as error:
        raise ValueError("holds an invalid geometry") from error
    return features


def _named(feature: Any) -> tuple[str, str]:
    """Return the name of a feature and its class, as QuPath writes them: at most 100 printable characters each."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    properties = properties if isinstance(properties, dict) else {}
    kind = properties.get("classification")
    if isinstance(kind, dict):
        names = kind.get("names")
        kind = kind.get("name") or (": ".join(map(str, names)) if isinstance(names, list) else "")
    return plain(properties.get("name")), plain(kind)


def plain(text: Any) -> str:
    """Return what a person wrote on one line: at most 100 printable characters; "" for what is no text."""
    words = "".join(letter if letter.isprintable() else " " for letter in text) if isinstance(text, str) else ""
    return " ".join(words.split())[:100]


def distinct_names(regions: Sequence[Region], reserved: Iterable[str]) -> list[str]:
    """Names by which regions are told apart: name, else class, else ``region``; with a number where that is taken.

    A name that a person gave to a region is given to no other one.
    """
    reserved, given = frozenset(reserved), {region.name for region in regions if region.name}
    taken, names = set(reserved), list[str]()
    for region in regions:
        name = wanted = region.name or region.kind or "region"
        number = 1
        while name in taken or (name in given and name != region.name):
            number += 1
            name = f"{wanted} {number}"
        taken.add(name)
        names.append(name)
    return names


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def polygons_cover(polygons: list[shapely.Polygon], bins: Bins) -> Mask:
    """Mask of the bins whose center lies in one of any polygons (level-0 pixels)."""
    x = (np.arange(bins.width) + 0.5) * bins.bin_px_x
    y = (np.arange(bins.height) + 0.5) * bins.bin_px_y
    merged = shapely.union_all([shapely.make_valid(polygon) for polygon in polygons])
    shapely.prepare(merged)
    return np.stack([shapely.contains_xy(merged, x, np.full_like(x, row)) for row in y])
