"""The file of the heat map: squares of tissue, and how much the nuclei in each contribute to the score."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import shapely

from pathopipe.ops.heat_map import HeatMap
from pathopipe.ops.regions import from_geojson, origin_of, to_geojson
from pathopipe.results.documents import damaged, read_json, reading
from pathopipe.results.manifests import Manifest, mpp_of

_INFLUENCE: Final = "Influence on the score"
_NUCLEI: Final = "Nuclei"
_RAISES: Final = {"name": "Raises the score", "color": [178, 24, 43]}
_LOWERS: Final = {"name": "Lowers the score", "color": [33, 102, 172]}
_DIGITS: Final = 6
_SLACK_PX: Final = 1.0


@dataclass(frozen=True)
class Square:
    """A square of tissue, cut to the slide, in level-0 pixels.

    Attributes
    ----------
    influence
        How much the score would fall without the nuclei in it, to first order; negative where it would rise.
    """

    x_px: float
    y_px: float
    width_px: float
    height_px: float
    nuclei: int
    influence: float


def squares_of(heat: HeatMap, tissue: Manifest) -> list[Square]:
    """Return the squares of a heat map, in its order; ``tissue`` is the manifest of the stage of that name."""
    mpp, info = mpp_of(tissue), tissue["slide_info"]
    width, height = heat.side_um / mpp.x, heat.side_um / mpp.y
    found = []
    for column, row, nuclei, influence in zip(heat.columns, heat.rows, heat.nuclei, heat.influence, strict=True):
        x, y = round(column * width, 2), round(row * height, 2)
        right = round(min((column + 1) * width, info["width"]), 2)
        bottom = round(min((row + 1) * height, info["height"]), 2)
        found.append(Square(x, y, right - x, bottom - y, int(nuclei), rounded(influence)))
    return found


def rounded(value: float) -> float:
    """Write a contribution with the digits that are kept of it."""
    return float(f"{value:.{_DIGITS}g}")


def heat_map_of(squares: Sequence[Square], tissue: Manifest) -> dict[str, Any]:
    """Return the GeoJSON, as QuPath reads it."""
    info = tissue.get("slide_info")
    boxes = [shapely.box(one.x_px, one.y_px, one.x_px + one.width_px, one.y_px + one.height_px) for one in squares]
    return to_geojson(boxes, [_properties(one) for one in squares], origin_of(info["bounds"] if info else None))


def _properties(square: Square) -> dict[str, Any]:
    return {
        "objectType": "tile",
        "classification": _RAISES if square.influence > 0 else _LOWERS,
        "measurements": {_INFLUENCE: square.influence, _NUCLEI: square.nuclei},
    }


def read_heat_map(path: Path, tissue: Manifest) -> list[Square]:
    """Read the squares; ``tissue`` is the manifest of the stage of that name.

    Raises
    ------
    ArtifactError
        When the file is missing or damaged.
    """
    info = tissue.get("slide_info")
    content = read_json(path)
    with reading(path):
        boxes = from_geojson(content, origin_of(info["bounds"] if info else None))
        measured = [feature["properties"]["measurements"] for feature in content["features"]]
        found = [_square(box, entry) for box, entry in zip(boxes, measured, strict=True)]
    if found and not (info and all(_lies_on(square, info["width"], info["height"]) for square in found)):
        raise damaged(path)
    return found


def _square(box: shapely.Polygon, entry: dict[str, Any]) -> Square:
    left, top, right, bottom = box.bounds
    return Square(left, top, right - left, bottom - top, int(entry[_NUCLEI]), float(entry[_INFLUENCE]))


def _lies_on(square: Square, width_px: float, height_px: float) -> bool:
    return (
        min(square.x_px, square.y_px) >= -_SLACK_PX
        and square.x_px + square.width_px <= width_px + _SLACK_PX
        and square.y_px + square.height_px <= height_px + _SLACK_PX
        and math.isfinite(square.influence)
    )
