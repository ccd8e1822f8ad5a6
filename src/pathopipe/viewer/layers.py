"""Layers over a slide that can be shown and hidden: polygons, or a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from pathopipe.ops.regions import Origin, from_geojson
from pathopipe.viewer.packing import Block

Key = tuple[str, str]
"""A color, and what it stands for."""
OUTLINE = "#00e5ff"


@dataclass(frozen=True)
class Layer:
    """Something that is drawn over the slide, in level-0 pixels.

    Attributes
    ----------
    name, title
        A short name, and what the page calls it.
    polygons, colors, labels
        Polygons; and of each its color, as CSS writes it, and what it is called (may be empty).
    filled
        Whether polygons are filled, or only outlined.
    shown
        Whether it is shown from the start.
    picture, extent_px
        A PNG, and the width and height that it covers from the slide's upper left corner.
    keys
        The legend.
    """

    name: str
    title: str
    polygons: Sequence[shapely.Polygon] = ()
    colors: Sequence[str] = ()
    labels: Sequence[str] = ()
    filled: bool = False
    shown: bool = False
    picture: bytes | None = None
    extent_px: tuple[float, float] = (0.0, 0.0)
    keys: tuple[Key, ...] = ()

    @property
    def entry(self) -> dict[str, Any]:
        """What the page is told of it."""
        shapes = [
            {"rings": _rings(polygon), "color": color, "label": label}
            for polygon, color, label in zip(self.polygons, self.colors, self.labels, strict=True)
        ]
        known = {"name": self.name, "title": self.title, "filled": self.filled, "shown": self.shown, "shapes": shapes}
        return known | {"keys": self.keys, "extent": self.extent_px if self.picture else None}

    @property
    def block(self) -> Block | None:
        """The picture."""
        return Block(f"v-p{self.name}", self.picture) if self.picture else None


def _rings(polygon: shapely.Polygon) -> list[list[int]]:
    """Coordinates of all rings, each as x, y, x, y, …, to the pixel."""
    rings = (polygon.exterior, *polygon.interiors)
    return [np.rint(shapely.get_coordinates(ring)[:-1]).astype(np.int64).ravel().tolist() for ring in rings]


def geojson_layer(name: str, title: str, content: dict[str, Any], origin: Origin, *, shown: bool = False) -> Layer:
    """Make a layer of a stage's GeoJSON, each feature in the color and by the name of its class, as QuPath shows them.

    Raises
    ------
    ValueError
        When it holds anything but polygons.
    """
    polygons, colors, labels = list[shapely.Polygon](), list[str](), list[str]()
    for feature in content["features"]:
        kind = (feature.get("properties") or {}).get("classification") or {}
        red, green, blue = (int(value) & 255 for value in kind.get("color", (0, 229, 255)))
        for part in from_geojson(feature, origin):
            polygons.append(part)
            colors.append(f"#{red:02x}{green:02x}{blue:02x}")
            labels.append(str(kind.get("name", "")))
    keys = tuple({(color, label): None for color, label in zip(colors, labels, strict=True) if label})
    return Layer(name, title, polygons, colors, labels, filled=True, shown=shown, keys=keys)


def outline_layer(
    name: str,
    title: str,
    polygons: Sequence[shapely.Polygon],
    labels: Sequence[str] = (),
    *,
    color: str = OUTLINE,
    shown: bool = False,
) -> Layer:
    """Make a layer of polygons that are outlined in one color, and called something where there are ``labels``."""
    same, called = [color] * len(polygons), labels or [""] * len(polygons)
    return Layer(name, title, polygons, same, called, shown=shown, keys=((color, title),))
