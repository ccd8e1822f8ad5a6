"""Comparing models and finished results with annotated images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pathopipe.cli.evaluate_grade import grade
from pathopipe.cli.options import (
    Suggesting,
    annotated_images,
    check_file,
    config_options,
    examples,
    find_config,
    show_step,
    write_file,
)

if TYPE_CHECKING:
    from pathopipe.evaluation.scoring import Row
    from pathopipe.pipeline import Config

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_OUT = click.Path(path_type=Path, dir_okay=False, writable=True)


@dataclass(frozen=True)
class _Given:
    """What to evaluate: images with labels, or results with labels, or a sheet."""

    labels: Path | None
    images: Path | None
    sheet: Path | None
    results: Path | None
    mpp: float | None
    models: tuple[str, ...]
    robustness: bool


@click.group(cls=Suggesting, epilog=examples("pathopipe evaluate nuclei --images images --labels labels --mpp 0.25"))
def evaluate() -> None:
    """Compare models or results with annotated images, and grades with those of pathologists."""


evaluate.add_command(grade)


@evaluate.command(
    epilog=examples(
        "pathopipe evaluate nuclei --images images --labels labels --mpp 0.25 --model open --model classical",
        "pathopipe evaluate nuclei --results results --labels labels",
    )
)
@click.option("--images", type=_FOLDER, help="Images to run the workflow on; needs --labels and --mpp.")
@click.option("--labels", type=_FOLDER, help="Labels, named like the images: label images, GeoJSON, or points.")
@click.option("--mpp", type=float, help="Micrometers per pixel of the images.")
@click.option("--sheet", type=_FILE, help="Alternatively, a table with the columns image, labels and mpp.")
@click.option("--results", type=_FOLDER, help="Alternatively, results of a finished run; labels are named by slide id.")
@click.option("--model", "models", multiple=True, help="Name or weights file, can be repeated; default: as configured.")
@click.option("--working-mpp", type=float, help="Resolution to work at; default: the configured one, 0.5.")
@click.option("--robustness", is_flag=True, help="Also show how scores drop on restained, blurred and rescaled images.")
@click.option("--per-image", is_flag=True, help="Also show a line per image.")
@click.option("--out", type=_OUT, help="Write the table, with all images, to this TSV file.")
@config_options
def nuclei(
    working_mpp: float | None,
    per_image: bool,
    out: Path | None,
    config_file: Path | None,
    changes: tuple[str, ...],
    **given: Any,
) -> None:
    """Score nuclei: F1, precision, recall, SQ and PQ at IoU 0.5, AJI, and detection within 3 um.

    Labels are outlines (a label image of 8, 16 or 32 bits, or polygons as GeoJSON) or points (TSV or CSV with the
    columns x, y and perhaps type, or GeoJSON), which only detection is scored against. Coordinates are in pixels of the
    image, whose first pixel spans 0 to 1; in a table of points with only whole numbers these are pixels, and their
    centers are taken.

    Where points or polygons have types, so are the types that types.model gives: F1 of each, within 6 um of the point
    (the polygon's centroid), what was taken for what, and the calibration of the probabilities.

    Counts are pooled over all images before they are scored; 95% intervals are in brackets (bootstrap over images, too
    narrow where several are of one patient). Outlines are compared at the images' own pixels.
    """
    from pathopipe.config import load_config
    from pathopipe.evaluation.tables import tsv

    if working_mpp is not None:
        changes = (*changes, f"tiles.mpp={working_mpp}")
    config = load_config(find_config(config_file), changes)
    check_file("--out", out)
    rows = _evaluate(_Given(**given), config)
    _show(rows, per_image)
    if out is not None:
        write_file(out, tsv(rows).encode())


def _evaluate(given: _Given, config: "Config") -> list["Row"]:
    """Choose between images and results."""
    from pathopipe.errors import RefusalError
    from pathopipe.evaluation.scoring import evaluate_images, evaluate_results

    if [given.images, given.sheet, given.results].count(None) != 2:
        raise RefusalError("give either --images or --sheet (to run the workflow on), or --results (of a finished run)")
    if given.results is None:
        images = annotated_images(given.images, given.labels, given.mpp, given.sheet)
        models = tuple(dict.fromkeys(given.models or (config.detect.model,)))
        return evaluate_images(images, config, models, show_step, given.robustness)
    if given.labels is None:
        raise RefusalError("--results needs --labels: a folder with labels named by slide id")
    if given.models or given.robustness or given.mpp:
        raise RefusalError("--results are of a finished run: --model, --mpp and --robustness only apply to images")
    return evaluate_results(given.results, given.labels, show_step)


def _show(rows: Sequence["Row"], per_image: bool) -> None:
    """Print the tables, and to standard error why there was nothing in some images."""
    plain = [row for row in rows if not row.change]
    for row in plain:
        if row.note is not None:
            click.echo(f"{row.image}: {row.model} found nothing: {row.note}", err=True)
    click.echo("\n\n".join(_blocks(rows, plain, per_image)))


def _blocks(rows: Sequence["Row"], plain: Sequence["Row"], per_image: bool) -> Iterator[str]:
    from pathopipe.evaluation import tables
    from pathopipe.evaluation.layout import aligned

    for what, those, make, score, name in (
        ("Outlines", tables.outlines(plain), tables.outline_lines, tables.outline_f1, "F1"),
        ("Points", tables.points(plain), tables.point_lines, tables.point_f1, "detection F1"),
    ):
        if those:
            lines = make(those) if per_image else tables.pooled_only(make(those))
            yield f"{what} of {tables.count_images(those)}\n{aligned(lines)}"
            if rankings := tables.rankings(those, score, name):
                yield "\n".join(rankings)
    yield from tables.confusions(tables.points(plain))
    if len(rows) > len(plain):
        yield f"Drop of the scores when images are changed\n{aligned(tables.drops(rows))}"
