"""Outlines of nuclei from GeoJSON, as QuPath exports it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pathopipe.annotations.features import TruncatedError, class_of, iter_features
from pathopipe.annotations.own.base import Batch, Frame, Rings, Tally, batched, unfit
from pathopipe.ops.regions import Origin

_DRAWN_KINDS: Final = {"annotation", "pathannotationobject"}
_OTHER_KINDS: Final = {"tile", "tma_core", "root", "pathtileobject", "tmacoreobject", "pathrootobject"}


def read_geojson(path: Path, frame: Frame, column: str, tally: Tally) -> Iterator[Batch]:
    """Read polygons, each part of a MultiPolygon as a nucleus; of a cell, its nucleus."""
    tally.format = "GeoJSON"
    try:
        yield from batched(_outlines_of(iter_features(path), frame.origin, tally))
    except TruncatedError as error:
        raise unfit(column, "ends in the middle of a feature: copy or export it again") from error
    except ValueError as error:
        raise unfit(column, "is not GeoJSON in UTF-8: export the nuclei again") from error


def _outlines_of(features: Iterable[Any], origin: Origin, tally: Tally) -> Iterator[tuple[Rings, int, int, bool]]:
    for number, feature in enumerate(features):
        kind, name = _kind_of(feature), class_of(feature)
        is_drawn = kind in _DRAWN_KINDS
        counted = tally.drawn if is_drawn else tally
        counted.found += 1
        if kind in _OTHER_KINDS or name.casefold().startswith("ignore"):
            counted.left_out["are of a class 'Ignore' or are tiles"] += 1
            continue
        if rings := _rings_of(feature, counted):
            yield [ring + origin for ring in rings], number, counted.type_of(name), is_drawn


def _kind_of(feature: Any) -> str:
    """What QuPath calls the object; earlier versions said it in the id."""
    if not isinstance(feature, dict):
        return ""
    properties = feature.get("properties")
    kind = properties.get("objectType") or properties.get("object_type") if isinstance(properties, dict) else None
    return str(kind or feature.get("id") or "").casefold()


def _rings_of(feature: Any, tally: Tally) -> Rings:
    """Outer rings of a feature's polygons; of a cell, of its nucleus."""
    geometry = feature.get("nucleusGeometry") or feature.get("geometry", feature) if isinstance(feature, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in {"Polygon", "MultiPolygon"}:
        is_other = kind in {"Point", "MultiPoint", "LineString", "MultiLineString", "GeometryCollection"}
        tally.left_out["are points or lines" if is_other else "have no valid geometry"] += 1
        return []
    polygons = geometry.get("coordinates")
    polygons = [polygons] if kind == "Polygon" else polygons
    if not isinstance(polygons, list) or not polygons:
        tally.left_out["have no valid geometry"] += 1
        return []
    tally.altered["consist of several parts"] += len(polygons) > 1
    return [ring for polygon in polygons if (ring := _outer(polygon, tally)) is not None]


def _outer(polygon: Any, tally: Tally) -> NDArray[np.float64] | None:
    """The outer ring (n, 2) of the coordinates of a polygon; None where there is no valid one."""
    try:
        ring = np.array(polygon[0], np.float64)
        tally.altered["have holes, which are filled"] += len(polygon) > 1
    except (ValueError, TypeError, IndexError, KeyError, OverflowError):
        ring = np.empty(0)
    if ring.ndim != 2 or ring.shape[0] < 3 or ring.shape[1] < 2 or not np.isfinite(ring).all():
        tally.left_out["have no valid geometry"] += 1
        return None
    return np.ascontiguousarray(ring[:, :2])
