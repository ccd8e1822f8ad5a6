"""The loop behind ``pathopipe evaluate``: the workflow's own stages over annotated images, then the scores."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray

from pathopipe.artifacts import read_json, read_table
from pathopipe.config import Config, DetectSettings
from pathopipe.errors import RefusalError
from pathopipe.models.registry import find
from pathopipe.ops.metrics import Counts, Scores, compare, scores
from pathopipe.ops.raster import rasterize
from pathopipe.ops.regions import from_geojson
from pathopipe.samples import Sample
from pathopipe.stages.execution import execute

STAGES = ("tissue", "tiles", "detect", "segment")
POOLED = "all images"
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".geojson", ".json")
# Files that lie beside images and are none.
_NO_IMAGES = {".tsv", ".csv", ".txt", ".md", ".json", ".geojson", ".xml", ".yaml"}

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Pair:
    """An image, or the folder of a slide's results, and its labels."""

    name: str
    path: Path
    labels: Path


@dataclass(frozen=True)
class Row:
    """One line of the table: one image or all of them; ``note`` says why nothing could be found in an image."""

    model: str
    image: str
    counts: Counts
    note: str | None = None


def evaluate_images(
    images: Path, labels: Path, mpp: float, config: Config, models: tuple[str, ...], progress: Progress
) -> list[Row]:
    """Run the workflow up to the outlines on every image, for each model, and score them.

    Raises
    ------
    RefusalError
        No images, missing labels, an unknown model, sizes that differ.
    """
    for model in models:
        find(model)
    pairs = _pairs(_files(images), labels, images)
    rows = []
    for model in models:
        chosen = config.model_copy(update={"detect": DetectSettings(model=model)})
        with tempfile.TemporaryDirectory(prefix="pathopipe-") as folder:
            rows += _rows(pairs, lambda pair: _analyze(pair, Path(folder), chosen, mpp), progress)  # noqa: B023
    return rows


def evaluate_results(results: Path, labels: Path, progress: Progress) -> list[Row]:
    """Score the nuclei of a finished run.

    Raises
    ------
    RefusalError
        No results, missing labels, sizes that differ.
    """
    found = {path.parent.parent.name: path.parent.parent for path in results.glob("*/segment/nuclei.parquet")}
    return _rows(_pairs(found, labels, results), lambda pair: pair.path, progress)


def table(rows: list[Row], separator: str | None = None) -> str:
    """Lay out the scores: aligned for reading, or separated for a file."""
    names = [field.name for field in fields(Scores)]
    lines = [["model", "image", "nuclei", "found", *names]]
    for row in rows:
        result = scores(row.counts)
        numbers = [f"{getattr(result, name):.3f}" for name in names]
        lines.append([row.model, row.image, str(row.counts.labelled), str(row.counts.predicted), *numbers])
    if separator is not None:
        return "\n".join(separator.join(line) for line in lines)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def _files(folder: Path) -> dict[str, Path]:
    """The images of a folder by stem."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() not in _NO_IMAGES)
    return {path.stem: path for path in files if not path.name.startswith(".")}


def _pairs(found: dict[str, Path], labels: Path, source: Path) -> list[Pair]:
    if not found:
        raise RefusalError(f"{source}: there is nothing to evaluate in this folder")
    candidates = {name: [labels / f"{name}{suffix}" for suffix in LABEL_SUFFIXES] for name in sorted(found)}
    existing = {name: next((path for path in paths if path.is_file()), None) for name, paths in candidates.items()}
    missing = [name for name, path in existing.items() if path is None]
    if missing:
        raise RefusalError(
            f"{labels}: there are no labels for {len(missing)} of {len(found)}, the first is '{missing[0]}': "
            f"add {missing[0]}.png or {missing[0]}.geojson"
        )
    return [Pair(name, found[name], path) for name, path in existing.items() if path is not None]


def _rows(pairs: list[Pair], analyze: Callable[[Pair], Path], progress: Progress) -> list[Row]:
    """Score every image and, in the last row, all of them pooled."""
    rows = []
    for done, pair in enumerate(pairs):
        progress(done, len(pairs), pair.name)
        rows.append(_score(pair, analyze(pair)))
    progress(len(pairs), len(pairs), "")
    return [*rows, Row(rows[0].model, POOLED, reduce(add, (row.counts for row in rows)))]


def _analyze(pair: Pair, results: Path, config: Config, mpp: float) -> Path:
    sample = Sample("image", pair.path.resolve(), (mpp, mpp))
    for stage in STAGES:
        execute(stage, sample.slide, results, getattr(config, stage), sample)
    return results / sample.slide


def _score(pair: Pair, folder: Path) -> Row:
    manifest = read_json(folder / "segment" / "manifest.json")
    size = read_json(folder / "tissue" / "manifest.json").get("slide_info")
    truth = _labels(pair.labels, None if size is None else (size["height"], size["width"]))
    geometry = read_table(folder / "segment" / "nuclei.parquet", ["geometry"])["geometry"].to_numpy()
    predicted = _painted(list(shapely.from_wkb(geometry)), truth.shape)
    model = read_json(folder / "detect" / "manifest.json")["model"] or {"name": "-"}
    # Without a scale nothing was found either, and any one will do.
    counts = compare(predicted, truth, manifest["mpp_x"] or 1.0)
    return Row(model["name"], pair.name, counts, manifest["reason"])


def _labels(path: Path, size: tuple[int, int] | None) -> NDArray[np.int32]:
    """Read a label image, or paint the polygons of GeoJSON; ``size`` is (height, width) of the image."""
    if path.suffix.lower() in {".geojson", ".json"}:
        try:
            return _painted(from_geojson(read_json(path)), size or (1, 1))
        except (ValueError, KeyError, TypeError) as error:
            raise RefusalError(f"{path}: is no GeoJSON with polygons ({error}): export the labels again") from error
    image: Any = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 2:
        raise RefusalError(f"{path}: is no label image: give one channel of 8 or 16 bits, 0 background, 1..n nuclei")
    if size is not None and image.shape != size:
        raise RefusalError(
            f"{path}: is {image.shape[1]} x {image.shape[0]} pixels, its image {size[1]} x {size[0]}: "
            "give labels of the image's own size"
        )
    return np.asarray(image, np.int32)


def _painted(polygons: list[shapely.Polygon], size: tuple[int, ...]) -> NDArray[np.int32]:
    rings = [shapely.get_coordinates(polygon.exterior) for polygon in polygons]
    offsets = np.cumsum([0, *(len(ring) for ring in rings)])
    return rasterize(np.concatenate([np.empty((0, 2)), *rings]), offsets, (size[0], size[1]))
