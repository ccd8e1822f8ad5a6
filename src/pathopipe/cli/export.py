"""``pathopipe export``: nuclei and regions for other programs."""

from pathlib import Path

import click

from pathopipe.cli.options import PATH, examples
from pathopipe.exports import FORMATS

_WIDTH = max(map(len, FORMATS))
_HELP = "\n".join(
    (
        "Write the nuclei of RESULTS to OUTPUT in FORMAT, for other programs.",
        "",
        "OUTPUT is a file, a folder that gets a file per slide, or '-' for standard output.",
        "",
        "\b",
        "Formats:",
        *(f"  {name:{_WIDTH}}  {text}" for name, text in FORMATS.items()),
    )
)


@click.command(
    help=_HELP,
    epilog=examples(
        "pathopipe export qupath results for-qupath",
        "pathopipe export csv results nuclei.csv --type epithelial --measures area_um2,circularity",
        "pathopipe export qupath results slide.geojson.gz --only slide_0001",
    ),
)
@click.argument("kind", metavar="FORMAT", type=click.Choice([*FORMATS]))
@click.argument("results", type=PATH)
@click.argument("output")
@click.option("--only", metavar="ID,ID", default="", help="Export these slides only.")
@click.option("--type", "types", multiple=True, help="Export nuclei of this type only, or 'unknown'; repeatable.")
@click.option("--region", "regions", multiple=True, help="Export nuclei in this region only; repeatable.")
@click.option("--measures", metavar="NAME,NAME", default="", help="Export these measures of nuclei only.")
@click.option("--force", is_flag=True, help="Replace an earlier export.")
def export(
    kind: str,
    results: Path,
    output: str,
    only: str,
    types: tuple[str, ...],
    regions: tuple[str, ...],
    measures: str,
    force: bool,
) -> None:
    """Select, write, and say what was left out."""
    from pathopipe.exports.output import export as write
    from pathopipe.exports.selection import Asked, select
    from pathopipe.results.reader import open_results

    asked = Asked(_split(only), types, regions, _split(measures))
    selection = select(open_results(results), asked)
    for slide, reason in selection.left_out.items():
        click.echo(f"{slide} is left out: {reason}", err=True)
    written = write(kind, selection, output, results, force=force)
    for slide in written.empty:
        click.echo(f"{slide} is left out: none of its nuclei is of these types and in these regions", err=True)
    for name, count in written.nuclei.items():
        click.echo(f"{name}: {count:,} nuclei", err=True)


def _split(names: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in names.split(",")) if name)
