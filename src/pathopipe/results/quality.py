"""The files of a quality map: areas that QuPath opens, and a picture for the page."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.ops.quality.areas import ARTIFACTS, BLUR_STEP_UM, NUMBERS
from pathopipe.ops.quality.inks import ink_of
from pathopipe.ops.quality.surroundings import densities
from pathopipe.ops.regions import Bins, mask_to_polygons, origin_of, polygons_to_mask, to_geojson
from pathopipe.results.documents import reading

COLORS: Final[Mapping[str, tuple[int, int, int]]] = MappingProxyType(
    {
        "pen": (0, 114, 178),
        "bubble": (86, 180, 233),
        "fold": (213, 94, 0),
        "debris": (60, 60, 60),
        "out of focus": (240, 228, 66),
        "saturated": (204, 121, 167),
        "overstained": (128, 0, 64),
        "understained": (0, 158, 115),
        "JPEG blocks": (230, 159, 0),
    }
)
"""Colors of artifacts: Okabe and Ito's (2008), told apart in all kinds of color vision, and some more."""
_ALPHA: Final = 170
_LONGEST: Final = 1024
_BYTES: Final = 2**23
_SOME: Final = 4
_USUAL_DENSITY: Final = (0.15, 0.3, 0.17)
"""Mean optical density of tissue, where all of a slide's is under something."""

Labels = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """A quality map, on bins of 4 µm.

    Attributes
    ----------
    labels, blur
        uint8 (H, W): numbers of `ARTIFACTS`, and blur in steps of `BLUR_STEP_UM`.
    colors
        uint8 (H / 2, W / 2, 3): the mean color of every second bin of every second row; 0 outside of tissue.
    bins
        Where the bins are.
    """

    labels: Labels
    blur: Labels
    colors: Labels
    bins: Bins


def areas_of(found: Map, bounds: list[int] | None, exclude: tuple[str, ...]) -> dict[str, Any]:
    """Return the GeoJSON of a map.

    Parameters
    ----------
    bounds
        What of the canvas was scanned, where the slide says so.
    exclude
        What is left out.
    """
    polygons, entries = list[shapely.Polygon](), list[dict[str, Any]]()
    mm2_per_px = found.bins.bin_um2 / (found.bins.bin_px_x * found.bins.bin_px_y) / 1e6
    more: dict[str, Callable[[shapely.Polygon, Map], dict[str, Any]]] = {
        "out of focus": _blur,
        "pen": partial(_ink, sound=_sound_density(found)),
    }
    for name in ARTIFACTS:
        mask = found.labels == NUMBERS[name]
        for polygon in mask_to_polygons(mask, found.bins) if mask.any() else ():
            entry = _entry(name) | {"left_out": name in exclude, "area_mm2": round(polygon.area * mm2_per_px, 6)}
            entries.append(entry | (more[name](polygon, found) if name in more else {}))
            polygons.append(polygon)
    return to_geojson(polygons, entries, origin_of(bounds))


def _entry(name: str) -> dict[str, Any]:
    return {
        "objectType": "annotation",
        "name": name,
        "classification": {"name": name, "color": list(COLORS[name])},
    }


def _blur(polygon: shapely.Polygon, found: Map) -> dict[str, float]:
    """Return the median blur of an area."""
    part, own = _bins_of(polygon, found.bins)
    return {"blur_um": round(float(np.median(found.blur[part][own])) * BLUR_STEP_UM, 2)}


def _ink(polygon: shapely.Polygon, found: Map, sound: Floats) -> dict[str, str]:
    """Name the color of an area of ink, by what it takes of the light that sound tissue lets through."""
    (rows, columns), own = _bins_of(polygon, found.bins)
    colors = found.colors[rows.start // 2 : rows.stop // 2, columns.start // 2 : columns.stop // 2]
    inked = densities(colors[own[::2, ::2]].astype(np.float32))
    return {"ink": ink_of(inked.mean(axis=0) - sound)} if len(inked) else {}


def _sound_density(found: Map) -> Floats:
    """Mean optical density of the tissue that nothing is wrong with, (3,), by some of its bins."""
    some = found.colors[::_SOME, ::_SOME]
    seen = some[(found.labels[:: 2 * _SOME, :: 2 * _SOME] == 0) & some.any(axis=2)]
    return densities(seen.astype(np.float32)).mean(axis=0) if len(seen) else np.array(_USUAL_DENSITY, np.float32)


def _bins_of(polygon: shapely.Polygon, bins: Bins) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Return the bounds of an area, in pairs of bins, and its bins within them."""
    scale = np.array([bins.bin_px_x, bins.bin_px_y])
    left, top, right, bottom = np.rint(np.array(polygon.bounds) / np.tile(scale, 2)).astype(int).tolist()
    left, top, right, bottom = left // 2 * 2, top // 2 * 2, (right + 1) // 2 * 2, (bottom + 1) // 2 * 2
    moved = shapely.transform(polygon, lambda xy: xy - scale * (left, top))
    own = polygons_to_mask([moved], replace(bins, width=right - left, height=bottom - top))
    return (slice(top, bottom), slice(left, right)), own


def picture_of(labels: Labels) -> bytes:
    """Return a map as a PNG of at most 1024 pixels a side: transparent where tissue is sound."""
    import cv2

    table = np.zeros((len(ARTIFACTS) + 1, 4), np.uint8)
    for name, (red, green, blue) in COLORS.items():
        table[NUMBERS[name]] = (blue, green, red, _ALPHA)
    scale = min(1.0, _LONGEST / max(labels.shape))
    size = max(1, round(labels.shape[1] * scale)), max(1, round(labels.shape[0] * scale))
    small = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
    _, data = cv2.imencode(".png", table[small], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return bytes(data)


def legend_of(shares: Mapping[str, float]) -> tuple[tuple[str, str, float], ...]:
    """Return name, color as a page writes it, and share of each artifact, in their order."""
    return tuple((name, "#{:02x}{:02x}{:02x}".format(*COLORS[name]), shares[name]) for name in COLORS if name in shares)


def read_picture(path: Path) -> tuple[bytes, int, int]:
    """Return what `picture_of` made, with width and height, after a look at whether it is a PNG.

    Raises
    ------
    ArtifactError
        When it is missing or damaged, or much larger than any that `quality` writes.
    """
    import cv2

    with reading(path), path.open("rb") as stream:
        data = stream.read(_BYTES)
        if data[:8] != b"\x89PNG\r\n\x1a\n" or max(_size(data)) > _LONGEST:
            raise ValueError("no picture of a map")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise ValueError("no picture")
    return data, image.shape[1], image.shape[0]


def _size(data: bytes) -> tuple[int, int]:
    """Width and height in the header of a PNG."""
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
