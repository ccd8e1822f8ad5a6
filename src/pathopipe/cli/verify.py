"""``pathopipe verify``: whether results are still what was written."""

import sys
from pathlib import Path

import click

from pathopipe.cli.options import PATH, examples


@click.command(epilog=examples("pathopipe verify results", "pathopipe verify results --slides slides.tsv"))
@click.argument("results", type=PATH)
@click.option("--slides", "sheet", type=PATH, help="Sample sheet: also read the slides' files whole and compare them.")
def verify(results: Path, sheet: Path | None) -> None:
    """Recompute the digests of all files in RESULTS and report what changed, is missing or does not belong there.

    Also check that the weights, the code and the libraries are those that the results were made with. Exits with 1 when
    something differs.
    """
    from pathopipe.errors import RefusalError
    from pathopipe.samples import read_samples
    from pathopipe.status.verification import verify as check

    samples = read_samples(sheet) if sheet else None
    found = check(results, samples)
    if not found.slides:
        raise RefusalError(
            f"{results}: contains no results of pathopipe: give the folder that 'pathopipe run' wrote to"
        )
    for sentence in found.drift:
        click.echo(sentence)
    for slides, what in (
        (found.unfinished, "are not finished: what is there was checked"),
        (found.absent, "have no file at the path in the sheet: their identity was not checked"),
    ):
        if slides:
            click.echo(f"{len(slides):,} slides {what}: {', '.join(slides[:3])}{' …' if slides[3:] else ''}")
    if found.drift:
        click.echo(f"differences: {len(found.drift):,}", err=True)
        if found.spoiled:
            click.echo(
                "delete the result files that changed or are damaged: 'pathopipe run' makes them again", err=True
            )
        sys.exit(1)
    click.echo(f"{found.slides:,} slides: all {found.files:,} files, the weights and the code are unchanged")
