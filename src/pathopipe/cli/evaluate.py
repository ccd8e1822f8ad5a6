"""Comparing models and finished results with annotated images."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import PATH, config_options, find_config

if TYPE_CHECKING:
    from pathopipe.cli.evaluation import Row
    from pathopipe.config import Config

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def evaluate() -> None:
    """Compare models or results with annotated images."""


@evaluate.command()
@click.option("--labels", type=_FOLDER, required=True, help="Labels: 16-bit PNG label images, or GeoJSON.")
@click.option("--images", type=_FOLDER, help="Images to run the workflow on; labels go by the same names.")
@click.option("--results", type=_FOLDER, help="Results of a finished run to score instead; labels go by slide id.")
@click.option("--mpp", type=float, help="Micrometers per pixel of the images.")
@click.option("--model", "models", multiple=True, help="Nucleus model, may be repeated; default: the configured one.")
@click.option("--working-mpp", type=float, help="Resolution to work at; default: the configured one, 0.5.")
@click.option("--per-image", is_flag=True, help="Show a line per image, too.")
@click.option("--out", type=PATH, help="Write the table, with all images, to this TSV file.")
@config_options
def nuclei(
    labels: Path,
    images: Path | None,
    results: Path | None,
    mpp: float | None,
    models: tuple[str, ...],
    working_mpp: float | None,
    per_image: bool,
    out: Path | None,
    config_file: Path | None,
    changes: tuple[str, ...],
) -> None:
    """Score outlined nuclei: F1, precision, recall, SQ and PQ at IoU 0.5, AJI, and detection within 3 um.

    Counts are pooled over all images before they are scored. Outlines are compared at the images' own pixels.
    """
    from pathopipe.cli.evaluation import POOLED, table
    from pathopipe.config import load_config

    if working_mpp is not None:
        changes = (*changes, f"tiles.mpp={working_mpp}")
    config = load_config(find_config(config_file), changes)
    rows = _evaluate(labels, images, results, mpp, models, config)
    for row in rows:
        if row.note is not None:
            click.echo(f"{row.image}: nothing was found: {row.note}", err=True)
    click.echo(table([row for row in rows if per_image or row.image == POOLED]))
    if out is not None:
        out.write_text(table(rows, separator="\t") + "\n", encoding="utf-8")


def _evaluate(
    labels: Path,
    images: Path | None,
    results: Path | None,
    mpp: float | None,
    models: tuple[str, ...],
    config: "Config",
) -> list["Row"]:
    """Choose between images and results."""
    from pathopipe.cli.evaluation import evaluate_images, evaluate_results
    from pathopipe.errors import RefusalError

    if images is not None and results is None:
        if mpp is None:
            raise RefusalError("--images needs --mpp: how many micrometers does a pixel of these images span?")
        return evaluate_images(images, labels, mpp, config, models or (config.detect.model,), _progress)
    if images is None and results is not None:
        return evaluate_results(results, labels, _progress)
    raise RefusalError("give either --images (to run the workflow on) or --results (of a finished run)")


def _progress(done: int, total: int, name: str) -> None:
    """Show the image in work on a terminal; a log gets the table only."""
    if sys.stderr.isatty():
        click.echo("\r\033[K" + (f"{done + 1}/{total} {name}" if done < total else ""), nl=False, err=True)
