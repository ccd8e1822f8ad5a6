"""The files of a quality map: areas that QuPath opens, and a picture for the page."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.ops.quality.areas import ARTIFACTS, BLUR_STEP_UM, NUMBERS
from pathopipe.ops.regions import Bins, mask_to_polygons, origin_of, to_geojson
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
    }
)
"""Colors of artifacts: Okabe and Ito's (2008), told apart in all kinds of color vision, and two more."""
_ALPHA: Final = 170
_LONGEST: Final = 1024
_BYTES: Final = 2**23

Labels = NDArray[np.uint8]


def areas_of(
    labels: Labels, blur: Labels, bins: Bins, bounds: list[int] | None, exclude: tuple[str, ...]
) -> dict[str, Any]:
    """Return the GeoJSON of a map.

    Parameters
    ----------
    labels, blur
        uint8 (H, W): numbers of `ARTIFACTS`, and blur in steps of `BLUR_STEP_UM`.
    bounds
        What of the canvas was scanned, where the slide says so.
    exclude
        What is left out.
    """
    polygons, entries = list[shapely.Polygon](), list[dict[str, Any]]()
    mm2_per_px = bins.bin_um2 / (bins.bin_px_x * bins.bin_px_y) / 1e6
    for name in ARTIFACTS:
        mask = labels == NUMBERS[name]
        for polygon in mask_to_polygons(mask, bins) if mask.any() else ():
            entry = _entry(name) | {"left_out": name in exclude, "area_mm2": round(polygon.area * mm2_per_px, 6)}
            entries.append(entry | (_blur(polygon, mask, blur, bins) if name == "out of focus" else {}))
            polygons.append(polygon)
    return to_geojson(polygons, entries, origin_of(bounds))


def _entry(name: str) -> dict[str, Any]:
    return {
        "objectType": "annotation",
        "name": name,
        "classification": {"name": name, "color": list(COLORS[name])},
    }


def _blur(polygon: shapely.Polygon, mask: NDArray[np.bool_], blur: Labels, bins: Bins) -> dict[str, float]:
    """Return the median blur of what of a map lies within the bounds of an area of it."""
    scale = np.array([bins.bin_px_x, bins.bin_px_y] * 2)
    left, top, right, bottom = np.rint(np.array(polygon.bounds) / scale).astype(int).tolist()
    part = np.s_[top:bottom, left:right]
    return {"blur_um": round(float(np.median(blur[part][mask[part]])) * BLUR_STEP_UM, 2)}


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
