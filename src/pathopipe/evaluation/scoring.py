"""The loop behind ``pathopipe evaluate``: the workflow's own stages over annotated images, then their counts."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from pathopipe.annotations import Annotated, Outlines, Points, Size, find_labels, paint, read_annotations
from pathopipe.errors import ArtifactError, FaultError, RefusalError, SlideRejectedError
from pathopipe.evaluation.metrics import Counts, compare
from pathopipe.evaluation.perturbation import PERTURBATIONS, Perturbation, perturb, perturb_labels, perturb_points
from pathopipe.evaluation.point_metrics import PointCounts, Said, compare_points
from pathopipe.jobs.chosen_model import adopt_models, model_problems
from pathopipe.jobs.execution import execute
from pathopipe.models.types.registry import NONE
from pathopipe.ops.nucleus_types import TYPES, type_named
from pathopipe.pipeline import Config, QualitySettings
from pathopipe.results.folder import SlideFolder, begun
from pathopipe.results.outlines import polygons_of
from pathopipe.results.schemas.nuclei import TABLE as NUCLEI
from pathopipe.results.schemas.types import TABLE as TYPED
from pathopipe.results.tables import numbers, read_columns, read_table
from pathopipe.samples import Sample
from pathopipe.slide import open_slide

STAGES = ("tissue", "quality", "tiles", "detect", "segment")
TYPE_STAGES = ("features", "types")
"""Stages that run, too, where points have types."""

Progress = Callable[[int, int, str], None]
Annotation = Outlines | Points


@dataclass(frozen=True)
class Row:
    """What one model found in one image.

    Attributes
    ----------
    note
        Why nothing could be found, if so.
    change
        Name of the perturbation of the image, "" for none.
    """

    model: str
    image: str
    counts: Counts | PointCounts
    note: str | None = None
    change: str = ""


def evaluate_images(
    images: Sequence[Annotated], config: Config, models: Sequence[str], progress: Progress, robustness: bool = False
) -> list[Row]:
    """Run the workflow up to the outlines on every image, for each model, and count what agrees with the labels.

    Parameters
    ----------
    models
        Names, or paths of weights.
    robustness
        Do so for every perturbation of each image, too.

    Raises
    ------
    RefusalError
        An unknown model, or one made for another resolution; images that can't be read, labels that can't be read or
        don't fit; all at once.
    """
    if problems := [problem for model in models for problem in model_problems(model, config.tiles)]:
        raise RefusalError(*problems)
    _check(images)
    # Models are compared on all of a field.
    config = config.model_copy(update={"quality": QualitySettings(exclude=())})
    changes = (None, *PERTURBATIONS) if robustness else (None,)
    titles, total = _titles(models), len(models) * len(images) * len(changes)
    rows = list[Row]()
    for title, model in zip(titles, models, strict=True):
        for row in _run(images, title, model, config, changes, lambda name: progress(_done(rows), total, name)):
            rows.append(row)
    progress(total, total, "")
    return rows


def evaluate_results(results: Path, labels: Path, progress: Progress) -> list[Row]:
    """Count how the nuclei of a finished run agree with labels named by slide.

    Raises
    ------
    RefusalError
        No results, missing labels, labels that can't be read or don't fit; all results that are damaged, at once.
    """
    slides = (SlideFolder(results, slide) for slide in begun(results))
    found = {made.slide: made for made in slides if made.has("segment")}
    paths = find_labels({slide: made.folder for slide, made in found.items()}, labels, results)
    rows, damaged, models = list[Row](), list[str](), set[str]()
    for slide, path in paths.items():
        progress(_done(rows), len(paths), slide)
        try:
            size, model = found[slide].manifest("tissue").get("slide_info"), found[slide].manifest("detect")["model"]
            annotation = read_annotations(path, None if size is None else (size["height"], size["width"]))
            rows += _rows("", slide, annotation, found[slide])
        except ArtifactError as error:
            damaged.append(str(error))
        else:
            models |= {model["name"]} if model else set()
    progress(len(paths), len(paths), "")
    if damaged:
        raise RefusalError(*damaged)
    title = " + ".join(sorted(models)) or "-"
    return [replace(row, model=title) for row in rows]


def _done(rows: Sequence[Row]) -> int:
    """Count the images that were compared; one with typed outlines has two rows."""
    return len({(row.model, row.image, row.change) for row in rows})


def _titles(models: Sequence[str]) -> list[str]:
    """Names of models, and of weights their files' names; all that is given where those are alike."""
    short = [Path(model).stem if "/" in model or Path(model).is_file() else model for model in models]
    alike = Counter(short)
    return [model if alike[name] > 1 else name for name, model in zip(short, models, strict=True)]


def _check(images: Sequence[Annotated]) -> None:
    """Read every image and its labels once, before the work starts."""
    problems = list[str]()
    for image in images:
        try:
            read_annotations(image.labels, _size(image))
        except RefusalError as error:
            problems += error.problems
        except (SlideRejectedError, FaultError) as error:
            problems.append(f"{image.image}: {error}")
    if problems:
        raise RefusalError(*problems)


def _run(
    images: Sequence[Annotated],
    title: str,
    model: str,
    config: Config,
    changes: Sequence[Perturbation | None],
    announce: Callable[[str], None],
) -> Iterator[Row]:
    """Run one model over all images and changes of them."""
    with tempfile.TemporaryDirectory(prefix="pathopipe-") as name:
        folder = Path(name)
        detect = config.detect.model_copy(update={"model": model})
        chosen = adopt_models(config.model_copy(update={"detect": detect}), folder)
        for image in images:
            size = _size(image)
            annotation = read_annotations(image.labels, size)
            for how in changes:
                announce(f"{title}: {image.name}")
                path = image.image if how is None else _changed(image, how, chosen.tiles.mpp, folder)
                results = _analyze(path, folder, chosen, image.mpp, typed=annotation.types is not None)
                wanted = annotation if how is None else _moved(annotation, how, size)
                yield from _rows(title, image.name, wanted, results, "" if how is None else how.name)


def _size(image: Annotated) -> Size:
    with open_slide(image.image) as slide:
        return slide.height_px, slide.width_px


def _changed(image: Annotated, how: Perturbation, working_mpp: float, folder: Path) -> Path:
    """Write the changed image."""
    with open_slide(image.image, (image.mpp, image.mpp)) as slide:
        rgb = slide.read(slide.grid(image.mpp), 0, 0, slide.width_px, slide.height_px)
    path = folder / "changed.png"
    cv2.imwrite(str(path), perturb(rgb, how, working_mpp / image.mpp)[..., ::-1])
    return path


def _moved(annotation: Annotation, how: Perturbation, size: Size) -> Annotation:
    if isinstance(annotation, Points):
        return Points(perturb_points(annotation.xy, how, size), annotation.types)
    return Outlines(perturb_labels(annotation.labels, how), annotation.types)


def _analyze(path: Path, results: Path, config: Config, mpp: float, *, typed: bool) -> SlideFolder:
    sample = Sample("image", path.resolve(), (mpp, mpp))
    for stage in (*STAGES, *(TYPE_STAGES if typed and config.types.model != NONE else ())):
        execute(stage, sample.slide, results, getattr(config, stage), sample)
    return SlideFolder(results, sample.slide)


def _rows(model: str, image: str, annotation: Annotation, made: SlideFolder, change: str = "") -> Iterator[Row]:
    """Compare a slide's nuclei with its labels, and with the centroids of outlines where these have types."""
    manifest, nuclei = made.manifest("segment"), made.file("segment", "nuclei.parquet")
    # Without a scale nothing was found either, and any one will do.
    mpp = (manifest["mpp_x"] or 1.0, manifest["mpp_y"] or 1.0)
    if isinstance(annotation, Outlines):
        geometry = read_table(nuclei, ["geometry"], NUCLEI)["geometry"].to_numpy()
        predicted = paint(list(polygons_of(nuclei, geometry)), annotation.labels.shape)
        counts = compare(predicted, annotation.labels, mpp[0])
        yield Row(model, image, counts, manifest["reason"], change)
        if annotation.types is None:
            return
    points = annotation.points() if isinstance(annotation, Outlines) else annotation
    said = _said(made) if points.types is not None and made.has("types") else None
    reason = manifest["reason"] if isinstance(annotation, Points) else None
    yield Row(model, image, _count_points(points, nuclei, mpp, said), reason, change)


def _count_points(points: Points, nuclei: Path, mpp: tuple[float, float], said: Said | None) -> PointCounts:
    places = read_columns(nuclei, ["x_px", "y_px"], NUCLEI)
    centroids, scale = np.stack([places["x_px"], places["y_px"]], axis=1), np.array(mpp)
    true = None if points.types is None else [_type_of(name, named=said is not None) for name in points.types]
    return compare_points(centroids * scale, points.xy * scale, said, true)


def _said(made: SlideFolder) -> Said | None:
    """What the nuclei of a slide were said to be; None where no model was asked."""
    if made.manifest("types")["model"] is None:
        return None
    table = read_table(made.file("types", "types.parquet"), table=TYPED)
    shares = np.stack([numbers(table[f"p_{name}"]) for name in TYPES], axis=1)
    lacking = np.isnan(shares).any(axis=1)
    likeliest = np.where(lacking, "", np.array(TYPES, object)[np.where(np.isnan(shares), 0, shares).argmax(axis=1)])
    types = [name or "" for name in table["type"].to_pylist()]
    return Said(types, likeliest.tolist(), np.where(lacking, np.nan, shares.max(axis=1)))


def _type_of(name: str, *, named: bool) -> str:
    """The type that an annotation's name stands for.

    One that stands for none is not judged where the nuclei are ``named``; else the points are counted under its own.
    """
    return type_named(name) or ("" if named else name.strip().casefold())
