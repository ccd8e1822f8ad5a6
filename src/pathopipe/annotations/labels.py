"""Reading labels: label images, polygons and points."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.annotations.features import class_of
from pathopipe.annotations.tables import number, read_rows, read_text
from pathopipe.errors import RefusalError, cause
from pathopipe.ops.raster import rasterize

LABEL_SUFFIXES: Final = (".png", ".tif", ".tiff", ".geojson", ".json", ".tsv", ".csv")

# Larger numbers are renumbered: tables are indexed by label.
_LARGEST_LABEL: Final = 2**20
# With this many pieces per label, labels are taken for a mask of all nuclei, or of their types.
_PIECES: Final = 3
# A polygon around the centers of this many others is not a nucleus.
_ENCLOSED: Final = 3
# Of an image whose size is not known; of labels each takes four bytes.
_MOST_PIXELS: Final = 2**27
_NO_LABELS: Final = "is not a label image: give one channel of 8, 16 or 32 bits, 0 background, 1..n nuclei"
_PNG: Final = b"\x89PNG\r\n\x1a\n"

Size = tuple[int, int]


@dataclass(frozen=True)
class Outlines:
    """Labels (H, W), int32: 0 background, each nucleus its own number.

    ``types`` are those of the nuclei 1, 2, … of polygons, "" where one has none; None where none has any.
    """

    labels: NDArray[np.int32]
    types: tuple[str, ...] | None = None

    def points(self) -> "Points":
        """Return the centroids of the nuclei that have a pixel, and their types."""
        y, x = np.nonzero(self.labels)
        own = self.labels[y, x]
        pixels = np.bincount(own)
        known = np.flatnonzero(pixels)
        sums = [np.bincount(own, values + 0.5)[known] for values in (x, y)]
        types = None if self.types is None else tuple(self.types[label - 1] for label in known.tolist())
        return Points(np.stack(sums, axis=1) / pixels[known, None], types)


@dataclass(frozen=True)
class Points:
    """Points float64 (N, 2) x, y that mark nuclei; their types, "" where one has none, or None where none has any."""

    xy: NDArray[np.float64]
    types: tuple[str, ...] | None = None


def read_annotations(path: Path | None, size: Size | None = None) -> Outlines | Points:
    """Read labels; empty ones are valid.

    An empty GeoJSON counts as outlines. Each part of a MultiPolygon is a nucleus, holes are filled, a pixel in two
    polygons goes to the first, and of a QuPath cell the nucleus counts. In a table of points with only whole numbers
    these are pixels, and their centers are taken; other coordinates are taken as they are.

    Parameters
    ----------
    path
        Label image (PNG or TIFF, one channel of 8, 16 or 32 bits), GeoJSON, or a table with the columns x, y and
        perhaps type; None for an image without nuclei.
    size
        Height and width of the image; None skips the checks, and polygons get as much room as they need.

    Raises
    ------
    RefusalError
        When the file can't be read or is none of these, or when it doesn't fit the image.
    """
    if path is None:
        return Outlines(np.zeros(size or (1, 1), np.int32))
    suffix = path.suffix.lower()
    if suffix in {".geojson", ".json"}:
        return _read_geojson(path, size)
    if suffix in {".tsv", ".csv"}:
        return _read_points(path, size)
    if suffix in LABEL_SUFFIXES:
        return Outlines(_read_label_image(path, size))
    raise RefusalError(f"{path}: is not a known kind of labels: they end in {', '.join(LABEL_SUFFIXES)}")


def paint(polygons: list[shapely.Polygon], size: Size) -> NDArray[np.int32]:
    """Make a label image of this (height, width) from polygons in its pixels; the first one is 1, holes are filled."""
    rings = [shapely.get_coordinates(polygon.exterior) for polygon in polygons]
    offsets = np.cumsum([0, *(len(ring) for ring in rings)])
    return rasterize(np.concatenate([np.empty((0, 2)), *rings]), offsets, size)


def _read_label_image(path: Path, size: Size | None) -> NDArray[np.int32]:
    # Before anything is unpacked: a small file may hold any number of pixels.
    stated = _tiff_size(path) if _is_tiff(path) else _png_size(path)
    if stated is None:
        raise RefusalError(f"{path}: {_NO_LABELS}")
    _check_size(path, stated, size)
    image = _tiff_pixels(path) if _is_tiff(path) else _png_pixels(path)
    if image is None or image.ndim != 2 or image.dtype.kind not in "buif" or not _is_whole(image):
        raise RefusalError(f"{path}: {_NO_LABELS}")
    _check_size(path, (image.shape[0], image.shape[1]), size)
    if image.size and image.max() > _LARGEST_LABEL:
        image = np.unique(np.append(0, image.ravel()), return_inverse=True)[1][1:].reshape(image.shape)
    labels = np.asarray(image, np.int32)
    if _is_mask(labels):
        raise RefusalError(
            f"{path}: has labels with many pieces each, like a mask of all nuclei or of their types: give each "
            "nucleus its own number"
        )
    return labels


def _is_tiff(path: Path) -> bool:
    return path.suffix.lower() in {".tif", ".tiff"}


@contextmanager
def _reading_tiff(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise RefusalError(f"{path}: is not a readable TIFF: export the labels again") from error


def _tiff_size(path: Path) -> Size | None:
    """Height and width as the tags state them; None where there are more dimensions."""
    import tifffile

    with _reading_tiff(path), tifffile.TiffFile(path) as file:
        shape = file.series[0].shape
    if len(shape) > 2:
        shape = tuple(length for length in shape if length > 1)
    return (shape[0], shape[1]) if len(shape) == 2 else None


def _png_size(path: Path) -> Size | None:
    """Height and width by the first chunk of a PNG (ISO/IEC 15948); None where it is none.

    The chunk has its length and name, then width and height.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(24)
    except OSError as error:
        raise RefusalError(f"{path}: can't be read ({cause(error)})") from error
    if head[:8] != _PNG or head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[20:24], "big"), int.from_bytes(head[16:20], "big")


def _check_size(path: Path, found: Size, size: Size | None) -> None:
    if size is not None and found != size:
        raise RefusalError(
            f"{path}: is {found[1]} x {found[0]} pixels, its image {size[1]} x {size[0]}: "
            "give labels of the image's own size"
        )
    if size is None and found[0] * found[1] > _MOST_PIXELS:
        raise RefusalError(
            f"{path}: is {found[1]} x {found[0]} pixels, more than any annotated image: give fields of view"
        )


def _png_pixels(path: Path) -> NDArray[Any] | None:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return None if image is None else np.asarray(image)


def _tiff_pixels(path: Path) -> NDArray[Any]:
    import tifffile

    with _reading_tiff(path):
        image = np.asarray(tifffile.imread(path))
    return image if image.ndim < 3 else np.squeeze(image)


def _is_whole(image: NDArray[Any]) -> bool:
    """Whether all values can be labels."""
    if image.dtype.kind == "f" and not (np.isfinite(image).all() and (image == np.rint(image)).all()):
        return False
    return not image.size or bool(image.min() >= 0)


def _is_mask(labels: NDArray[np.int32]) -> bool:
    """Whether there are many more pieces than labels; pieces that touch are counted as one."""
    from scipy import ndimage

    used = int(np.count_nonzero(np.bincount(labels.ravel())[1:]))
    return used > 0 and bool(ndimage.label(labels > 0, np.ones((3, 3)))[1] >= _PIECES * used)


def _read_geojson(path: Path, size: Size | None) -> Outlines | Points:
    """Read outlines or points, whichever it holds."""
    parts, types = list[Any](), list[str]()
    for count, feature in enumerate(_features(path), 1):
        found = _parts(feature, f"{path}, feature {count}")
        parts += found
        types += [class_of(feature)] * len(found)
    kinds = sorted({part.geom_type for part in parts})
    if len(kinds) > 1:
        raise RefusalError(f"{path}: holds both polygons and points: give a file with one of them")
    if kinds == ["Point"]:
        xy = shapely.get_coordinates(parts)
        _check_inside(xy, xy, size, path, "points")
        return Points(xy, tuple(types) if any(types) else None)
    corners = shapely.bounds(parts).reshape(-1, 4)
    _check_inside(corners[:, 2:], corners[:, :2], size, path, "polygons")
    _check_apart(parts, path)
    width, height = np.maximum(np.ceil(corners[:, 2:].max(axis=0, initial=1)), 1)
    if size is None and width * height > _MOST_PIXELS:
        raise RefusalError(
            f"{path}: holds a polygon that reaches to x {width:g}, y {height:g}, beyond any annotated image: "
            "give coordinates in pixels of the image"
        )
    return Outlines(paint(parts, size or (int(height), int(width))), tuple(types) if any(types) else None)


def _check_apart(polygons: list[Any], path: Path) -> None:
    """Refuse a polygon around nuclei, such as the annotation that they were detected in: it would hide them."""
    if len(polygons) <= _ENCLOSED:
        return
    around, inside = shapely.STRtree(shapely.centroid(polygons)).query(polygons, predicate="contains")
    enclosed = np.bincount(around[around != inside], minlength=1)
    if enclosed.max() >= _ENCLOSED:
        x, y = shapely.bounds(polygons[enclosed.argmax()])[:2]
        raise RefusalError(
            f"{path}: the polygon that begins at x {x:g}, y {y:g} encloses {enclosed.max()} others: "
            "export the nuclei without the annotation around them"
        )


def _features(path: Path) -> list[Any]:
    """Features of a collection, of a list as QuPath writes it, or a single feature or geometry."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusalError(f"{path}: is not GeoJSON ({error}): export the labels again") from error
    features = content.get("features", [content]) if isinstance(content, dict) else content
    if not isinstance(features, list):
        raise RefusalError(f"{path}: is not GeoJSON of polygons or points: export the labels again")
    return features


def _parts(feature: Any, where: str) -> list[Any]:
    """Polygons or points of a feature; of a cell, the nucleus."""
    try:
        geometry = feature.get("nucleusGeometry") or feature.get("geometry", feature)
        parts = list(shapely.get_parts(shapely.geometry.shape(geometry)))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise RefusalError(f"{where}: holds an invalid geometry: export the labels again") from error
    other = next((part.geom_type for part in parts if part.geom_type not in {"Polygon", "Point"}), None)
    if other:
        raise RefusalError(f"{where}: holds a {other}, expected polygons or points: leave it out of the export")
    if not parts or any(part.is_empty or not np.isfinite(shapely.get_coordinates(part)).all() for part in parts):
        raise RefusalError(f"{where}: holds a geometry without coordinates: export the labels again")
    return parts


def _read_points(path: Path, size: Size | None) -> Points:
    rows = read_rows(path, ("x", "y"), ("type",))
    xy = np.array([[_coordinate(row, name, path, line) for name in "xy"] for line, row in rows]).reshape(-1, 2)
    if (xy == np.rint(xy)).all():
        xy += 0.5
    _check_inside(xy, xy, size, path, "points")
    types = tuple(row.get("type", "") for _, row in rows)
    return Points(xy, types if any(types) else None)


def _coordinate(row: Mapping[str, str], name: str, path: Path, line: int) -> float:
    value = number(row[name])
    if value is None:
        raise RefusalError(f"{path}, line {line}: {name} is {row[name]!r}, expected a number of pixels")
    return value


def _check_inside(
    ends: NDArray[np.float64], starts: NDArray[np.float64], size: Size | None, path: Path, what: str
) -> None:
    """Refuse what lies wholly outside of the image: ends (N, 2) left of or above it, or starts beyond it."""
    if size is None:
        return
    outside = ((ends < 0) | (starts > size[::-1])).any(axis=1)
    if outside.any():
        x, y = starts[outside][0]
        raise RefusalError(
            f"{path}: {outside.sum()} of {len(starts)} {what} lie outside the image, which is {size[1]} x {size[0]} "
            f"pixels, the first at x {x:g}, y {y:g}: give coordinates in pixels of this image"
        )
