"""``pathopipe train types``: own images and typed nuclei in, a model of types with a card and a test out."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pathopipe.cli.options import annotated_images, check_card, check_folder, check_name, examples, training_options

if TYPE_CHECKING:
    from pathopipe.training.type_session import Report


@click.command(
    epilog=examples(
        "pathopipe train types --images images --labels points --mpp 0.25 --name mine",
        "pathopipe train types --sheet images.tsv",
    )
)
@training_options("Their points or polygons with types, with the same names.")
@click.option("--from", "start", default="breast", show_default=True, help="Model of types to start from.")
@click.option("--nuclei", default="open", show_default=True, help="Model that finds the nuclei.")
@click.option("--license", "--licence", "licence", default="not stated", help="Terms of use, for the model card.")
@click.option("--data", "data", multiple=True, help="A line on the data for the model card; can be repeated.")
def types(
    images: Path | None,
    labels: Path | None,
    mpp: float | None,
    sheet: Path | None,
    out: Path,
    name: str,
    start: str,
    nuclei: str,
    licence: str,
    data: tuple[str, ...],
) -> None:
    """Train a model of types on annotated nuclei: epithelial, inflammatory, stromal, other.

    Annotations are tables of points with the columns x, y and type, or GeoJSON of points or polygons with classes, as
    QuPath exports it. Common names are understood, such as Tumor, Lymphocyte or Stroma. The network stays as it is, and
    the rule that tells types from what it sees is fitted anew, which takes seconds. Each patient (image, where none are
    named) is tested by a rule that was fitted without it.
    """
    from pathopipe.errors import RefusalError
    from pathopipe.models.registry import create as create_nuclei
    from pathopipe.models.types.card import MPP
    from pathopipe.models.types.registry import create
    from pathopipe.ops.stain import Stains
    from pathopipe.training.examples import read_examples
    from pathopipe.training.type_session import Request, run

    check_name(name)
    if (images is None) == (sheet is None):
        raise RefusalError("give either --sheet, or --images with --labels and --mpp")
    if (begin := create(start)) is None:
        raise RefusalError("--from none: is no model to start from: choose 'breast', or a path")
    finder = create_nuclei(nuclei, Stains())
    if finder.traits.mpp != MPP:
        raise RefusalError(f"--nuclei {nuclei}: is made for {finder.traits.mpp:g} um per pixel, not for {MPP:g}")
    terms = f"{licence}; started from '{begin.card.name}' ({begin.card.licence})"
    check_card(lambda: replace(begin.card, licence=terms, data=(*data, *begin.card.data)))
    given = read_examples(annotated_images(images, labels, mpp, sheet), MPP)
    check_folder(out)
    _show(run(Request(given, out, name, terms, data, begin, finder)))


def _show(report: "Report") -> None:
    names = list(report.rows[0].f1)
    used = ", ".join(f"{count:,} {name}" for name, count in report.used.items())
    lost = f"; {report.lost:,} lie far from any nucleus and were left out" if report.lost else ""
    click.echo(f"nuclei: {used}{lost}")
    click.echo(f"{'F1':<12}" + "".join(f"{name:<14}" for name in names) + "mean   (patients kept apart)")
    for row in report.rows:
        click.echo(f"{row.rule:<12}" + "".join(f"{row.f1[name]:<14.3f}" for name in names) + f"{row.mean:.3f}")
    click.echo(f"weights: {report.path}")
    click.echo(f"use them: pathopipe run --set {shlex.quote(f'types.model={report.path}')}")
